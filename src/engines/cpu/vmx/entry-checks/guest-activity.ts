/** State of the guest that is in no register: activity, interruptibility, pending debug exceptions, the VMCS link pointer. */
import { Flag } from '../../state';
import { Field } from '../fields';
import { SHADOW_INDICATOR, VMCS_REVISION } from '../vmcs';
import type { CheckWorld, EntryCheck, FoundValue } from './check';
import { InterruptionType } from '../interruption';
import { injects } from './exit-and-entry-controls';
import {
  and,
  checks,
  control,
  not,
  ones,
  type Predicate,
  type Row,
  readable,
  some,
  unsigned,
  when,
  withinPhysical,
  zero,
} from './predicates';
import { ALL_ONES } from './registers';

/** Activity states (manual, "Guest Non-Register State"). All exist here: IA32_VMX_MISC says so. */
const Activity = { active: 0, hlt: 1, shutdown: 2, waitForSipi: 3 } as const;
/** Bits of the interruptibility state. */
const Blocking = { sti: 1, movSs: 2, smi: 4, nmi: 8, enclave: 16 } as const;
/** Bits of the pending debug exceptions. */
const Pending = { enabledBreakpoint: 1 << 12, bs: 1 << 14, rtm: 1 << 16 } as const;
const DEBUGCTL_BTF = 2;

const entryToSmm = control('entry', 'entryToSmm');
const virtualNmis = control('pin', 'virtualNmis');
const vmcsShadowing = control('secondary', 'vmcsShadowing');

/** The guest would begin in this activity state. */
const isIn =
  (state: number): Predicate =>
  ({ vmcs }) =>
    vmcs.low(Field.guestActivityState) === state;
const blocked = (mask: number): Predicate => some('guestInterruptibilityState', mask);
const notBlocked = (mask: number): Predicate => zero('guestInterruptibilityState', mask);
const injectsNmi = injects(InterruptionType.nmi);
const injectsInterrupt = injects(InterruptionType.external);
const injectsEvent = some('entryInterruptionInfo', 0x80000000);

const DEBUG_EXCEPTION = 1;
const MACHINE_CHECK = 18;
const PENDING_MTF = 0;
/** Events that a halted processor takes. */
function wakes(info: number): boolean {
  const vector = info & 0xff;
  switch ((info >>> 8) & 7) {
    case InterruptionType.external:
    case InterruptionType.nmi:
      return true;
    case InterruptionType.hardwareException:
      return vector === DEBUG_EXCEPTION || vector === MACHINE_CHECK;
    case InterruptionType.other:
      return vector === PENDING_MTF;
    default:
      return false;
  }
}
function endsShutdown(info: number): boolean {
  const type = (info >>> 8) & 7;
  return type === InterruptionType.nmi || (type === InterruptionType.hardwareException && (info & 0xff) === MACHINE_CHECK);
}

const ACTIVITY: readonly Row[] = [
  [
    'guest.activity.supported',
    'The activity state must be 0 (active), 1 (HLT), 2 (shutdown) or 3 (wait-for-SIPI).',
    ['guestActivityState'],
    ({ vmcs }) => vmcs.low(Field.guestActivityState) <= Activity.waitForSipi,
  ],
  [
    'guest.activity.hlt.dpl',
    'The activity state must not be 1 (HLT) if the DPL of SS is not 0.',
    ['guestActivityState', 'guestSsAccessRights'],
    when(isIn(Activity.hlt), zero('guestSsAccessRights', 3 << 5)),
  ],
  [
    'guest.activity.blocking',
    'The activity state must be 0 (active) if the interruptibility state has blocking by STI (bit 0) or by MOV SS (bit 1).',
    ['guestActivityState', 'guestInterruptibilityState'],
    when(blocked(Blocking.sti | Blocking.movSs), isIn(Activity.active)),
  ],
  [
    'guest.activity.hlt.event',
    'In activity state 1 (HLT) only an external interrupt, an NMI, #DB, #MC or a pending MTF VM exit may be injected.',
    ['guestActivityState', 'entryInterruptionInfo'],
    when(and(injectsEvent, isIn(Activity.hlt)), ({ vmcs }) => wakes(vmcs.low(Field.entryInterruptionInfo))),
  ],
  [
    'guest.activity.shutdown.event',
    'In activity state 2 (shutdown) only an NMI or #MC may be injected.',
    ['guestActivityState', 'entryInterruptionInfo'],
    when(and(injectsEvent, isIn(Activity.shutdown)), ({ vmcs }) => endsShutdown(vmcs.low(Field.entryInterruptionInfo))),
  ],
  [
    'guest.activity.wait-for-sipi.event',
    'In activity state 3 (wait-for-SIPI) no event may be injected.',
    ['guestActivityState', 'entryInterruptionInfo'],
    not(and(injectsEvent, isIn(Activity.waitForSipi))),
  ],
  [
    'guest.activity.wait-for-sipi.smm',
    'If "entry to SMM" is 1, the activity state must not be 3 (wait-for-SIPI).',
    ['guestActivityState', 'entryControls'],
    not(and(entryToSmm.on, isIn(Activity.waitForSipi))),
  ],
];

const STATE = 'the interruptibility state';
const INTERRUPTIBILITY: readonly Row[] = [
  ['guest.interruptibility.reserved', `Reserved bits 31:5 of ${STATE} must be 0.`, ['guestInterruptibilityState'], notBlocked(0xffffffe0)],
  [
    'guest.interruptibility.sti-and-mov-ss',
    `Blocking by STI (bit 0) and by MOV SS (bit 1) of ${STATE} must not both be 1.`,
    ['guestInterruptibilityState'],
    not(ones('guestInterruptibilityState', Blocking.sti | Blocking.movSs)),
  ],
  [
    'guest.interruptibility.sti.if',
    `If IF (bit 9) of the guest RFLAGS is 0, blocking by STI (bit 0 of ${STATE}) must be 0.`,
    ['guestInterruptibilityState', 'guestRflags'],
    when(zero('guestRflags', Flag.if), notBlocked(Blocking.sti)),
  ],
  [
    'guest.interruptibility.interrupt',
    `If an external interrupt (type 0) is injected, blocking by STI (bit 0 of ${STATE}) and by MOV SS (bit 1) must be 0.`,
    ['guestInterruptibilityState', 'entryInterruptionInfo'],
    when(injectsInterrupt, notBlocked(Blocking.sti | Blocking.movSs)),
  ],
  [
    'guest.interruptibility.nmi.mov-ss',
    `If an NMI (type 2) is injected, blocking by MOV SS (bit 1 of ${STATE}) must be 0.`,
    ['guestInterruptibilityState', 'entryInterruptionInfo'],
    when(injectsNmi, notBlocked(Blocking.movSs)),
  ],
  [
    'guest.interruptibility.smi',
    `If the processor is not in SMM, blocking by SMI (bit 2 of ${STATE}) must be 0.`,
    ['guestInterruptibilityState'],
    notBlocked(Blocking.smi),
  ],
  [
    'guest.interruptibility.entry-to-smm',
    `If "entry to SMM" is 1, blocking by SMI (bit 2 of ${STATE}) must be 1.`,
    ['guestInterruptibilityState', 'entryControls'],
    when(entryToSmm.on, blocked(Blocking.smi)),
  ],
];
/** "A processor may require" it: ours does, so that who gets it right here gets it right everywhere. */
const NMI_AND_STI: readonly Row[] = [
  [
    'guest.interruptibility.nmi.sti',
    `If an NMI (type 2) is injected, blocking by STI (bit 0 of ${STATE}) must be 0 on this processor.`,
    ['guestInterruptibilityState', 'entryInterruptionInfo'],
    when(injectsNmi, notBlocked(Blocking.sti)),
  ],
];
const NMI_BLOCKING: readonly Row[] = [
  [
    'guest.interruptibility.nmi.nmi',
    `If "virtual NMIs" is 1 and an NMI (type 2) is injected, blocking by NMI (bit 3 of ${STATE}) must be 0.`,
    ['guestInterruptibilityState', 'entryInterruptionInfo', 'pinControls'],
    when(and(virtualNmis.on, injectsNmi), notBlocked(Blocking.nmi)),
  ],
  [
    'guest.interruptibility.enclave',
    `If the processor has no SGX, enclave interruption (bit 4 of ${STATE}) must be 0.`,
    ['guestInterruptibilityState'],
    notBlocked(Blocking.enclave),
  ],
  [
    'guest.interruptibility.enclave.mov-ss',
    `If enclave interruption (bit 4 of ${STATE}) is 1, blocking by MOV SS (bit 1) must be 0.`,
    ['guestInterruptibilityState'],
    not(ones('guestInterruptibilityState', Blocking.enclave | Blocking.movSs)),
  ],
];

const PENDING = 'the pending debug exceptions';
const PENDING_RESERVED = 0xfffeaff0;
const rtm = some('guestPendingDebugExceptions', Pending.rtm);
/** A single step is due: it would have been taken, were it not for the blocking or for HLT. */
const stepping = and(some('guestRflags', Flag.tf), zero('guestDebugctl', DEBUGCTL_BTF));
const stepDelayed = not(and(notBlocked(Blocking.sti | Blocking.movSs), not(isIn(Activity.hlt))));
const DELAYED = 'If the interruptibility state has blocking by STI or MOV SS or the activity state is 1 (HLT), and';
const STEP_FIELDS = [
  'guestPendingDebugExceptions',
  'guestRflags',
  'guestDebugctl',
  'guestInterruptibilityState',
  'guestActivityState',
] as const;

const PENDING_DEBUG: readonly Row[] = [
  [
    'guest.pending-debug.reserved',
    `Reserved bits 63:17, 15, 13 and 11:4 of ${PENDING} must be 0.`,
    ['guestPendingDebugExceptions'],
    zero('guestPendingDebugExceptions', PENDING_RESERVED, ALL_ONES),
  ],
  [
    'guest.pending-debug.bs.needed',
    `${DELAYED} TF (bit 8) of the guest RFLAGS is 1 and BTF (bit 1) of the guest IA32_DEBUGCTL is 0, BS (bit 14) of ${PENDING} must be 1.`,
    STEP_FIELDS,
    when(and(stepDelayed, stepping), some('guestPendingDebugExceptions', Pending.bs)),
  ],
  [
    'guest.pending-debug.bs.unneeded',
    `${DELAYED} TF (bit 8) of the guest RFLAGS is 0 or BTF (bit 1) of the guest IA32_DEBUGCTL is 1, BS (bit 14) of ${PENDING} must be 0.`,
    STEP_FIELDS,
    when(and(stepDelayed, not(stepping)), zero('guestPendingDebugExceptions', Pending.bs)),
  ],
  [
    'guest.pending-debug.rtm.reserved',
    `If RTM (bit 16) of ${PENDING} is 1, bits 63:17, 15:13 and 11:0 must be 0.`,
    ['guestPendingDebugExceptions'],
    when(rtm, zero('guestPendingDebugExceptions', 0xfffeefff, ALL_ONES)),
  ],
  [
    'guest.pending-debug.rtm.breakpoint',
    `If RTM (bit 16) of ${PENDING} is 1, enabled breakpoint (bit 12) must be 1.`,
    ['guestPendingDebugExceptions'],
    when(rtm, some('guestPendingDebugExceptions', Pending.enabledBreakpoint)),
  ],
  [
    'guest.pending-debug.rtm.supported',
    `If the processor has no RTM, RTM (bit 16) of ${PENDING} must be 0.`,
    ['guestPendingDebugExceptions'],
    not(rtm),
  ],
  [
    'guest.pending-debug.rtm.mov-ss',
    `If RTM (bit 16) of ${PENDING} is 1, blocking by MOV SS (bit 1 of ${STATE}) must be 0.`,
    ['guestPendingDebugExceptions', 'guestInterruptibilityState'],
    when(rtm, notBlocked(Blocking.movSs)),
  ],
];

const LINK = 'If the VMCS link pointer is not FFFFFFFF_FFFFFFFFH,';
const linked: Predicate = ({ vmcs }) => vmcs.low(Field.vmcsLinkPointer) !== ALL_ONES || vmcs.high(Field.vmcsLinkPointer) !== ALL_ONES;
const linkReadable = readable('vmcsLinkPointer', 4096);
const linkedWord = (world: CheckWorld): number => world.memory(unsigned(world, Field.vmcsLinkPointer));
const foundWord = (world: CheckWorld): readonly FoundValue[] =>
  linkReadable(world) ? [{ name: 'first word of the linked VMCS region', low: linkedWord(world), high: 0, bits: 32 }] : [];

const LINK_POINTER: readonly Row[] = [
  ['guest.link-pointer.aligned', `${LINK} bits 11:0 must be 0.`, ['vmcsLinkPointer'], when(linked, zero('vmcsLinkPointer', 0xfff))],
  [
    'guest.link-pointer.width',
    `${LINK} it must not set bits beyond the physical-address width.`,
    ['vmcsLinkPointer'],
    when(linked, withinPhysical('vmcsLinkPointer')),
  ],
  [
    'guest.link-pointer.revision',
    `${LINK} bits 30:0 of the region's first 4 bytes must be the VMCS revision identifier, ${VMCS_REVISION.toString(16).toUpperCase()}H.`,
    ['vmcsLinkPointer'],
    when(linkReadable, (world) => (linkedWord(world) & ~SHADOW_INDICATOR) === VMCS_REVISION),
    foundWord,
    'reads memory',
  ],
  [
    'guest.link-pointer.shadow',
    `${LINK} bit 31 of the region's first 4 bytes (shadow-VMCS indicator) must equal "VMCS shadowing".`,
    ['vmcsLinkPointer', 'secondaryControls'],
    when(linkReadable, (world) => ((linkedWord(world) & SHADOW_INDICATOR) !== 0) === vmcsShadowing.on(world)),
    foundWord,
    'reads memory',
  ],
  [
    'guest.link-pointer.current',
    `${LINK} it must not be the address of the current VMCS.`,
    ['vmcsLinkPointer'],
    (world) => !linked(world) || unsigned(world, Field.vmcsLinkPointer) !== world.processor.currentVmcs,
    ({ processor }) => [
      {
        name: 'current VMCS',
        low: processor.currentVmcs % 2 ** 32,
        high: Math.floor(processor.currentVmcs / 2 ** 32),
        bits: 64,
      },
    ],
  ],
];

const SECTION = 'Checks on Guest Non-Register State';
const NMI_BLOCKED_QUALIFICATION = 3;
const LINK_POINTER_QUALIFICATION = 4;

export const GUEST_NON_REGISTER_CHECKS: readonly EntryCheck[] = [
  ...checks('guest state', SECTION, [...ACTIVITY, ...INTERRUPTIBILITY]),
  ...checks('guest state', SECTION, NMI_AND_STI, NMI_BLOCKED_QUALIFICATION),
  ...checks('guest state', SECTION, [...NMI_BLOCKING, ...PENDING_DEBUG]),
  ...checks('guest state', SECTION, LINK_POINTER, LINK_POINTER_QUALIFICATION),
];
