/** Pin-based and processor-based controls, and the addresses that they make meaningful. */
import { ALLOWED, BEYOND_PHYSICAL, CR3_TARGETS } from '../capabilities';
import { VM_FUNCTIONS } from '../control-bits';
import { Field } from '../fields';
import {
  and,
  checks,
  control,
  excludes,
  isZero,
  needs,
  not,
  type Predicate,
  physicalAddress,
  type Row,
  readable,
  reservedBits,
  unsigned,
  when,
  zero,
} from './predicates';
import type { CheckWorld, EntryCheck } from './check';

const externalInterruptExiting = control('pin', 'externalInterruptExiting');
const nmiExiting = control('pin', 'nmiExiting');
const virtualNmis = control('pin', 'virtualNmis');
const postedInterrupts = control('pin', 'postedInterrupts');
const tprShadow = control('primary', 'tprShadow');
const nmiWindowExiting = control('primary', 'nmiWindowExiting');
const apicAccesses = control('secondary', 'apicAccesses');
const x2apic = control('secondary', 'x2apic');
const virtualInterruptDelivery = control('secondary', 'virtualInterruptDelivery');
const vpid = control('secondary', 'vpid');
const ept = control('secondary', 'ept');
const pml = control('secondary', 'pml');
const vmFunctions = control('secondary', 'vmFunctions');
const vmcsShadowing = control('secondary', 'vmcsShadowing');
const ptUsesGuestPhysical = control('secondary', 'ptUsesGuestPhysical');

const RESERVED: readonly Row[] = [
  ...reservedBits('controls.pin', 'pinControls', ({ controls }) => controls.pin, ALLOWED.pin),
  ...reservedBits('controls.primary', 'primaryControls', ({ controls }) => controls.primary, ALLOWED.primary),
  ...reservedBits('controls.secondary', 'secondaryControls', ({ controls }) => controls.secondary, ALLOWED.secondary),
];

const VTPR = 0x80;
const readVtpr = (world: CheckWorld): number => world.memory(unsigned(world, Field.virtualApicAddress) + VTPR);
const pageReadable = readable('virtualApicAddress', 4096);
const usesThreshold = and(tprShadow.on, not(virtualInterruptDelivery.on));
const comparesThreshold = and(usesThreshold, not(apicAccesses.on), pageReadable);

const VIRTUAL_APIC: readonly Row[] = [
  ...physicalAddress('controls.virtual-apic', tprShadow, 'virtualApicAddress'),
  [
    'controls.tpr-threshold.reserved',
    'If "use TPR shadow" is 1 and "virtual-interrupt delivery" is 0, bits 31:4 of the TPR threshold must be 0.',
    ['tprThreshold', 'primaryControls', 'secondaryControls'],
    when(usesThreshold, zero('tprThreshold', 0xfffffff0)),
  ],
  [
    'controls.tpr-threshold.vtpr',
    'If "use TPR shadow" is 1, and "virtualize APIC accesses" and "virtual-interrupt delivery" are 0, bits 3:0 of the TPR threshold must ' +
      'not be greater than bits 7:4 of VTPR (at offset 80H of the virtual-APIC page).',
    ['tprThreshold', 'virtualApicAddress', 'primaryControls', 'secondaryControls'],
    (world) => !comparesThreshold(world) || (world.vmcs.low(Field.tprThreshold) & 15) <= ((readVtpr(world) >>> 4) & 15),
    (world) => (pageReadable(world) ? [{ name: 'VTPR', low: readVtpr(world), high: 0, bits: 32 }] : []),
    'reads memory',
  ],
];

const NMIS: readonly Row[] = [
  needs('controls.virtual-nmis', virtualNmis, nmiExiting),
  needs('controls.nmi-window-exiting', nmiWindowExiting, virtualNmis),
];

/** Of these this processor has the APIC-access page only: the reserved bits refuse the others first. */
const APIC_VIRTUALIZATION: readonly Row[] = [
  ...physicalAddress('controls.apic-access', apicAccesses, 'apicAccessAddress'),
  needs('controls.x2apic-mode.tpr-shadow', x2apic, tprShadow),
  needs('controls.apic-registers.tpr-shadow', control('secondary', 'apicRegisters'), tprShadow),
  needs('controls.virtual-interrupt-delivery.tpr-shadow', virtualInterruptDelivery, tprShadow),
  excludes('controls.x2apic-mode.apic-accesses', x2apic, apicAccesses),
  needs('controls.virtual-interrupt-delivery.external-interrupts', virtualInterruptDelivery, externalInterruptExiting),
  needs('controls.posted-interrupts.delivery', postedInterrupts, virtualInterruptDelivery),
  needs('controls.posted-interrupts.acknowledge', postedInterrupts, control('exit', 'acknowledgeInterrupt')),
];

/** Bits of the EPT pointer (manual, "Extended-Page-Table Pointer (EPTP)"); accessed and dirty flags (bit 6) exist, shadow stacks (7) do not. */
const EPTP_TYPE = 0b111;
const EPTP_WALK = 0b111 << 3;
const EPTP_RESERVED = 0xf80;
const WALK_OF_4 = 3 << 3;
const UNCACHEABLE = 0;
const WRITE_BACK = 6;

const eptPointer = ({ vmcs }: CheckWorld): number => vmcs.low(Field.eptPointer);
const EPT: readonly Row[] = [
  [
    'controls.eptp.memory-type',
    'If "enable EPT" is 1, the memory type of the EPT pointer (bits 2:0) must be 0 (uncacheable) or 6 (write-back).',
    ['eptPointer', 'secondaryControls'],
    when(ept.on, (world) => (eptPointer(world) & EPTP_TYPE) === WRITE_BACK || (eptPointer(world) & EPTP_TYPE) === UNCACHEABLE),
  ],
  [
    'controls.eptp.walk-length',
    'If "enable EPT" is 1, bits 5:3 of the EPT pointer must be 3, for a page-walk length of 4.',
    ['eptPointer', 'secondaryControls'],
    when(ept.on, (world) => (eptPointer(world) & EPTP_WALK) === WALK_OF_4),
  ],
  [
    'controls.eptp.reserved',
    'If "enable EPT" is 1, reserved bits 11:7 of the EPT pointer must be 0.',
    ['eptPointer', 'secondaryControls'],
    when(ept.on, zero('eptPointer', EPTP_RESERVED)),
  ],
  [
    'controls.eptp.width',
    'If "enable EPT" is 1, the EPT pointer must not set bits beyond the physical-address width.',
    ['eptPointer', 'secondaryControls'],
    when(ept.on, zero('eptPointer', 0, BEYOND_PHYSICAL)),
  ],
  needs('controls.pml.ept', pml, ept),
  ...physicalAddress('controls.pml', pml, 'pmlAddress'),
  needs('controls.unrestricted-guest.ept', control('secondary', 'unrestrictedGuest'), ept),
  needs('controls.mode-based-execute.ept', control('secondary', 'modeBasedExecute'), ept),
  needs('controls.sub-page-write.ept', control('secondary', 'subPageWrite'), ept),
];

const eptpSwitching: Predicate = and(vmFunctions.on, not(zero('vmFunctionControls', VM_FUNCTIONS.mask.eptpSwitching)));
const switching = { name: '"EPTP switching"', field: 'vmFunctionControls', within: 'secondaryControls', on: eptpSwitching } as const;
const FUNCTIONS: readonly Row[] = [
  [
    'controls.vm-functions.reserved',
    'If "enable VM functions" is 1, reserved bits of the VM-function controls must be 0.',
    ['vmFunctionControls', 'secondaryControls'],
    when(vmFunctions.on, zero('vmFunctionControls', ~VM_FUNCTIONS.supported, 0xffffffff)),
  ],
  needs('controls.eptp-switching.ept', switching, ept),
  ...physicalAddress('controls.eptp-list', switching, 'eptpListAddress'),
];

const SECTION = 'VM-Execution Control Fields';

export const EXECUTION_CONTROL_CHECKS: readonly EntryCheck[] = checks('controls', SECTION, [
  ...RESERVED,
  [
    'controls.cr3-targets',
    `The CR3-target count must not be greater than ${CR3_TARGETS}.`,
    ['cr3TargetCount'],
    ({ vmcs }) => vmcs.low(Field.cr3TargetCount) <= CR3_TARGETS,
  ],
  ...physicalAddress('controls.io-bitmap-a', control('primary', 'ioBitmaps'), 'ioBitmapA'),
  ...physicalAddress('controls.io-bitmap-b', control('primary', 'ioBitmaps'), 'ioBitmapB'),
  ...physicalAddress('controls.msr-bitmaps', control('primary', 'msrBitmaps'), 'msrBitmaps'),
  ...VIRTUAL_APIC,
  ...NMIS,
  ...APIC_VIRTUALIZATION,
  [
    'controls.vpid',
    'If "enable VPID" is 1, the VPID must not be 0000H.',
    ['vpid', 'secondaryControls'],
    when(vpid.on, not(isZero('vpid'))),
  ],
  ...EPT,
  ...FUNCTIONS,
  ...physicalAddress('controls.vmread-bitmap', vmcsShadowing, 'vmreadBitmap'),
  ...physicalAddress('controls.vmwrite-bitmap', vmcsShadowing, 'vmwriteBitmap'),
  needs('controls.pt-guest-physical.ept', ptUsesGuestPhysical, ept),
  needs('controls.pt-guest-physical.load', ptUsesGuestPhysical, control('entry', 'loadRtitCtl')),
  needs('controls.pt-guest-physical.clear', ptUsesGuestPhysical, control('exit', 'clearRtitCtl')),
]);
