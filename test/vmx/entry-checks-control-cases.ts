/** Controls: for each check the nearest VMCS that it refuses and the nearest that it lets pass. */
import { ENTRY_CONTROLS, EXIT_CONTROLS, PIN_CONTROLS, PRIMARY_CONTROLS, SECONDARY_CONTROLS } from '../../src/engines/cpu/vmx/control-bits';
import type { FieldKey } from '../../src/engines/cpu/vmx/fields';
import {
  CaseTable,
  type Circumstances,
  ENTRY_64,
  EPTP,
  EXIT_64,
  LAST_PAGE,
  PIN_64 as PIN,
  PRIMARY,
  TOO_WIDE,
  type Values,
  WITH_SECONDARY,
  withSecondary as secondary,
} from './entry-checks-support';

const { mask: P } = PIN_CONTROLS;
const { mask: C } = PRIMARY_CONTROLS;
const { mask: S } = SECONDARY_CONTROLS;
const { mask: X } = EXIT_CONTROLS;
const { mask: N } = ENTRY_CONTROLS;

const table = new CaseTable();
const add = table.add.bind(table);
export const CONTROL_CASES = table.cases;

const LONG = '64-bit guest';

// VM-execution control fields.
add(LONG, 'controls.pin.must-be-1', { pinControls: 0x14 }, { pinControls: 0x16 });
add(LONG, 'controls.pin.must-be-0', { pinControls: PIN | (1 << 31) }, { pinControls: PIN | P.externalInterruptExiting });
add(LONG, 'controls.primary.must-be-1', { primaryControls: PRIMARY & ~2 }, { primaryControls: PRIMARY });
add(LONG, 'controls.primary.must-be-0', { primaryControls: PRIMARY | C.tertiaryControls }, { primaryControls: PRIMARY | C.cr3LoadExiting });
add(LONG, 'controls.secondary.must-be-0', secondary(2 ** 31), { primaryControls: PRIMARY, secondaryControls: 2 ** 31 });
add(LONG, 'controls.cr3-targets', { cr3TargetCount: 5 }, { cr3TargetCount: 4 });

const page = (id: string, key: FieldKey, fields: Values, memory?: Circumstances): void => {
  add(LONG, `${id}.aligned`, { [key]: 0x10800 }, { [key]: 0x11000 }, { with: fields });
  add(LONG, `${id}.width`, { [key]: TOO_WIDE }, { [key]: LAST_PAGE }, { with: fields, both: memory });
};
page('controls.io-bitmap-a', 'ioBitmapA', { primaryControls: PRIMARY | C.ioBitmaps });
page('controls.io-bitmap-b', 'ioBitmapB', { primaryControls: PRIMARY | C.ioBitmaps });
page('controls.msr-bitmaps', 'msrBitmaps', { primaryControls: PRIMARY | C.msrBitmaps });

const TPR_SHADOW: Values = { primaryControls: PRIMARY | C.tprShadow };
page('controls.virtual-apic', 'virtualApicAddress', TPR_SHADOW);
const APIC_PAGE: Values = { ...TPR_SHADOW, virtualApicAddress: 0x10000 };
const VTPR_5: Circumstances = { memory: { 0x10080: 0x5f } };
add(LONG, 'controls.tpr-threshold.reserved', { tprThreshold: 0x15 }, { tprThreshold: 5 }, { with: APIC_PAGE, both: VTPR_5 });
add(LONG, 'controls.tpr-threshold.vtpr', { tprThreshold: 6 }, { tprThreshold: 5 }, { with: APIC_PAGE, both: VTPR_5 });

const VIRTUAL_NMIS: Values = { pinControls: PIN | P.nmiExiting | P.virtualNmis };
add(LONG, 'controls.virtual-nmis', { pinControls: PIN | P.virtualNmis }, VIRTUAL_NMIS);
add(
  LONG,
  'controls.nmi-window-exiting',
  { pinControls: PIN | P.nmiExiting, primaryControls: PRIMARY | C.nmiWindowExiting },
  { ...VIRTUAL_NMIS, primaryControls: PRIMARY | C.nmiWindowExiting },
);

page('controls.apic-access', 'apicAccessAddress', secondary(S.apicAccesses));
// This processor lacks what some of these are about.
add(LONG, 'controls.x2apic-mode.tpr-shadow', secondary(S.x2apic), secondary(0));
add(LONG, 'controls.apic-registers.tpr-shadow', secondary(S.apicRegisters), secondary(0));
add(
  LONG,
  'controls.virtual-interrupt-delivery.tpr-shadow',
  { ...secondary(S.virtualInterruptDelivery), pinControls: PIN | P.externalInterruptExiting },
  { ...secondary(0), pinControls: PIN | P.externalInterruptExiting },
);
const WITH_SHADOW: Values = { ...APIC_PAGE, primaryControls: WITH_SECONDARY | C.tprShadow };
add(
  LONG,
  'controls.x2apic-mode.apic-accesses',
  { secondaryControls: S.x2apic | S.apicAccesses },
  { secondaryControls: S.apicAccesses },
  { with: WITH_SHADOW },
);
add(
  LONG,
  'controls.virtual-interrupt-delivery.external-interrupts',
  { secondaryControls: S.virtualInterruptDelivery },
  { secondaryControls: 0 },
  { with: WITH_SHADOW },
);
add(
  LONG,
  'controls.posted-interrupts.delivery',
  { pinControls: PIN | P.postedInterrupts },
  { pinControls: PIN },
  { with: { exitControls: EXIT_64 | X.acknowledgeInterrupt } },
);
add(
  LONG,
  'controls.posted-interrupts.acknowledge',
  { pinControls: PIN | P.postedInterrupts | P.externalInterruptExiting, secondaryControls: S.virtualInterruptDelivery },
  { pinControls: PIN | P.externalInterruptExiting, secondaryControls: 0 },
  { with: WITH_SHADOW },
);

add(LONG, 'controls.vpid', { vpid: 0 }, { vpid: 1 }, { with: secondary(S.vpid) });

const WITH_EPT = { with: secondary(S.ept) };
add(LONG, 'controls.eptp.memory-type', { eptPointer: EPTP | 1 }, { eptPointer: EPTP & ~7 }, WITH_EPT);
add(LONG, 'controls.eptp.walk-length', { eptPointer: EPTP | 0x20 }, { eptPointer: EPTP }, WITH_EPT);
add(LONG, 'controls.eptp.reserved', { eptPointer: EPTP | 0x80 }, { eptPointer: EPTP | 0x40 }, WITH_EPT);
add(LONG, 'controls.eptp.width', { eptPointer: TOO_WIDE | 0x1en }, { eptPointer: LAST_PAGE | 0x1en }, WITH_EPT);
add(LONG, 'controls.pml.ept', secondary(S.pml), { ...secondary(S.pml | S.ept), eptPointer: EPTP });
page('controls.pml', 'pmlAddress', { ...secondary(S.pml | S.ept), eptPointer: EPTP });
add(LONG, 'controls.unrestricted-guest.ept', secondary(S.unrestrictedGuest), {
  ...secondary(S.unrestrictedGuest | S.ept),
  eptPointer: EPTP,
});
add(LONG, 'controls.mode-based-execute.ept', secondary(S.modeBasedExecute), secondary(0));
add(LONG, 'controls.sub-page-write.ept', secondary(S.subPageWrite), secondary(0));

add(LONG, 'controls.vm-functions.reserved', { vmFunctionControls: 2 }, { vmFunctionControls: 0 }, { with: secondary(S.vmFunctions) });
const SWITCHING: Values = { ...secondary(S.vmFunctions | S.ept), eptPointer: EPTP, vmFunctionControls: 1 };
add(LONG, 'controls.eptp-switching.ept', { ...SWITCHING, secondaryControls: S.vmFunctions }, SWITCHING);
page('controls.eptp-list', 'eptpListAddress', SWITCHING);
page('controls.vmread-bitmap', 'vmreadBitmap', secondary(S.vmcsShadowing));
page('controls.vmwrite-bitmap', 'vmwriteBitmap', secondary(S.vmcsShadowing));

const LOAD = N.loadRtitCtl;
const CLEAR = X.clearRtitCtl;
/** VMCSs for "Intel PT uses guest physical addresses", each without one of the three bits that it needs. */
const tracing = (bits: number, entry: number, exit: number): Values => ({
  ...secondary(bits),
  eptPointer: EPTP,
  entryControls: ENTRY_64 | entry,
  exitControls: EXIT_64 | exit,
});
add(LONG, 'controls.pt-guest-physical.ept', tracing(S.ptUsesGuestPhysical, LOAD, CLEAR), tracing(0, 0, 0));
add(LONG, 'controls.pt-guest-physical.load', tracing(S.ept | S.ptUsesGuestPhysical, 0, CLEAR), tracing(S.ept, 0, 0));
add(LONG, 'controls.pt-guest-physical.clear', tracing(S.ept | S.ptUsesGuestPhysical, LOAD, 0), tracing(S.ept, 0, 0));

// VM-exit control fields.
add(LONG, 'controls.exit.must-be-1', { exitControls: EXIT_64 & ~1 }, { exitControls: EXIT_64 });
add(LONG, 'controls.exit.must-be-0', { exitControls: EXIT_64 | X.loadPkrs }, { exitControls: EXIT_64 | X.saveEfer });
add(
  LONG,
  'controls.save-preemption-timer',
  { pinControls: PIN },
  { pinControls: PIN | P.preemptionTimer },
  { with: { exitControls: EXIT_64 | X.savePreemptionTimer } },
);
const list = (id: string, count: FieldKey, address: FieldKey): void => {
  add(LONG, `${id}.aligned`, { [address]: 0x10008 }, { [address]: 0x10010 }, { with: { [count]: 1 } });
  // An entry of 16 bytes that begins beyond the width ends there, too.
  add(LONG, `${id}.width`, { [address]: TOO_WIDE }, { [address]: TOO_WIDE - 16n }, { with: { [count]: 1 }, also: [`${id}.end`] });
  add(LONG, `${id}.end`, { [count]: 3 }, { [count]: 2 }, { with: { [address]: TOO_WIDE - 32n } });
};
list('controls.exit-msr-store', 'exitMsrStoreCount', 'exitMsrStoreAddress');
list('controls.exit-msr-load', 'exitMsrLoadCount', 'exitMsrLoadAddress');

// VM-entry control fields.
add(LONG, 'controls.entry.must-be-1', { entryControls: ENTRY_64 & ~1 }, { entryControls: ENTRY_64 });
add(LONG, 'controls.entry.must-be-0', { entryControls: ENTRY_64 | N.loadPkrs }, { entryControls: ENTRY_64 | N.loadPat });

const VALID = 2 ** 31;
const ERROR_CODE = 1 << 11;
const NMI = VALID | 0x202;
const inject = (id: string, bad: number, good: number, with_: Values = {}, also: readonly string[] = []): void =>
  add(LONG, `controls.injection.${id}`, { entryInterruptionInfo: bad }, { entryInterruptionInfo: good }, { with: with_, also });
const exception = (vector: number, bits = 0): number => VALID | 0x300 | vector | bits;

inject('type', VALID | 0x180, VALID | 0x480);
inject('nmi-vector', NMI ^ 1, NMI);
inject('exception-vector', exception(32), exception(31));
inject('other-event-vector', VALID | 0x701, VALID | 0x700);
inject('error-code.needed', exception(17), exception(17, ERROR_CODE));
inject('error-code.type', VALID | 0x40d | ERROR_CODE, VALID | 0x40d);
inject('error-code.vector', exception(16, ERROR_CODE), exception(16));
inject('reserved', exception(17, ERROR_CODE | 0x1000), exception(17, ERROR_CODE));
add(
  'unrestricted guest in real mode',
  'controls.injection.error-code.real-mode',
  { entryInterruptionInfo: exception(13, ERROR_CODE) },
  { entryInterruptionInfo: exception(13) },
);
add(
  LONG,
  'controls.injection.error-code.reserved',
  { entryExceptionErrorCode: 0x10000 },
  { entryExceptionErrorCode: 0xffff },
  { with: { entryInterruptionInfo: exception(13, ERROR_CODE) } },
);
add(
  LONG,
  'controls.injection.instruction-length',
  { entryInstructionLength: 16 },
  { entryInstructionLength: 15 },
  { with: { entryInterruptionInfo: VALID | 0x603 } },
);
list('controls.entry-msr-load', 'entryMsrLoadCount', 'entryMsrLoadAddress');

const [TO_SMM, DUAL] = ['controls.entry-to-smm', 'controls.deactivate-dual-monitor'];
// Blocking by SMI is what an entry to SMM wants, and what there is not outside it.
add(
  LONG,
  TO_SMM,
  { entryControls: ENTRY_64 | N.entryToSmm },
  { entryControls: ENTRY_64 },
  {
    also: ['guest.interruptibility.entry-to-smm'],
  },
);
add(LONG, DUAL, { entryControls: ENTRY_64 | N.deactivateDualMonitor }, { entryControls: ENTRY_64 });
add(
  LONG,
  'controls.entry-to-smm.dual-monitor',
  { entryControls: ENTRY_64 | N.entryToSmm | N.deactivateDualMonitor },
  { entryControls: ENTRY_64 },
  { also: [TO_SMM, DUAL, 'guest.interruptibility.entry-to-smm'] },
);
