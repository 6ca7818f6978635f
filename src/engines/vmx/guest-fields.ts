/** The fields with which the built-in hypervisor enters its guest for the first time: the guest is what the processor would have done. */
import { SYS } from '../cpu/layout';
import type { Processor } from '../cpu/processor';
import { Cr0, Cr4, Efer } from '../cpu/state';
import { ALLOWED } from '../cpu/vmx/capabilities';
import { ENTRY_CONTROLS, EXIT_CONTROLS, PIN_CONTROLS, PRIMARY_CONTROLS, SECONDARY_CONTROLS } from '../cpu/vmx/control-bits';
import { Field, type FieldKey } from '../cpu/vmx/fields';
import { saveGuestRegisters } from '../cpu/vmx/guest-state';
import type { VmcsWriter } from '../cpu/vmx/vmcs';
import { AREA, HOST_CODE, HOST_DATA, HOST_TASK, IO_BITMAP_A, IO_BITMAP_B, MSR_BITMAPS } from './memory-map';

const PIN = PIN_CONTROLS.mask;
const PRIMARY = PRIMARY_CONTROLS.mask;
const SECONDARY = SECONDARY_CONTROLS.mask;
const EXIT = EXIT_CONTROLS.mask;
const ENTRY = ENTRY_CONTROLS.mask;

/** Values of fields, by encoding. */
export type FieldValues = Map<number, readonly [low: number, high: number]>;

/** Where the hypervisor's own code and tables are. */
export interface HostPlaces {
  readonly cr3: number;
  readonly exit: number;
  readonly gdt: number;
  readonly idt: number;
  readonly tss: number;
  /** The processor's area. */
  readonly area: number;
}

const EXECUTION: Partial<Record<FieldKey, number>> = {
  pinControls: ALLOWED.pin.mustBe1 | PIN.externalInterruptExiting,
  primaryControls: ALLOWED.primary.mustBe1 | PRIMARY.ioBitmaps | PRIMARY.msrBitmaps | PRIMARY.secondaryControls,
  secondaryControls: SECONDARY.ept | SECONDARY.vpid | SECONDARY.unrestrictedGuest | SECONDARY.rdtscp | SECONDARY.invpcid | SECONDARY.xsaves,
  exitControls: ALLOWED.exit.mustBe1 | EXIT.hostAddressSpaceSize | EXIT.saveDebugControls | EXIT.saveEfer | EXIT.loadEfer,
  ioBitmapA: IO_BITMAP_A,
  ioBitmapB: IO_BITMAP_B,
  msrBitmaps: MSR_BITMAPS,
  vpid: 1,
  // CR0.NE and CR4.VMXE are fixed in VMX operation.
  cr0Mask: Cr0.ne,
  cr4Mask: Cr4.vmxe,
};

/** CR4 of the hypervisor: XSETBV is carried out for the guest. */
export const hostCr4 = ({ model }: Processor): number => Cr4.pae | Cr4.vmxe | (model.has('xsave') ? Cr4.osxsave : 0);
export const HOST_CR0 = (Cr0.pe | Cr0.ne | Cr0.et | Cr0.pg) >>> 0;
export const HOST_EFER = Efer.lme | Efer.lma;

/** What `saveGuestRegisters` writes, as values. */
class Recorder implements VmcsWriter {
  readonly values: FieldValues = new Map();

  setHalves(field: number, low: number, high: number): void {
    this.values.set(field, [low >>> 0, high >>> 0]);
  }

  set(field: number, value: number): void {
    this.setHalves(field, value, Math.floor(value / 2 ** 32));
  }
}

/** The guest-state area of a processor as it is now; its state must be in place. */
export function guestFields(processor: Processor): FieldValues {
  const { state } = processor;
  const recorder = new Recorder();
  const entry = ALLOWED.entry.mustBe1 | ENTRY.loadDebugControls | ENTRY.loadEfer;
  saveGuestRegisters(state, recorder, { pin: 0, primary: 0, secondary: 0, exit: EXIT.saveDebugControls | EXIT.saveEfer, entry }, true);
  recorder.set(Field.entryControls, (state.longMode ? entry | ENTRY.ia32eModeGuest : entry) >>> 0);
  recorder.set(Field.guestCr0, (state.cr0 | Cr0.ne) >>> 0);
  recorder.set(Field.guestCr4, state.cr4 | Cr4.vmxe);
  recorder.set(Field.cr0Shadow, state.cr0);
  recorder.set(Field.cr4Shadow, 0);
  recorder.set(Field.exceptionBitmap, state.cr0 & Cr0.ne ? 0 : FLOAT_ERROR);
  recorder.set(Field.guestRip, state.ip);
  recorder.set(Field.guestRflags, state.eflags);
  recorder.set(Field.guestActivityState, state.sys(SYS.activity));
  recorder.set(Field.guestInterruptibilityState, 0);
  recorder.set(Field.guestPendingDebugExceptions, 0);
  return recorder.values;
}

/** #MF, which a guest with CR0.NE clear gets as IRQ 13. */
const FLOAT_ERROR = 1 << 16;

/** All fields for the first entry. */
export function firstFields(processor: Processor, eptPointer: number, places: HostPlaces): FieldValues {
  const recorder = new Recorder();
  for (const [key, value] of Object.entries(EXECUTION)) recorder.set(Field[key as FieldKey], value >>> 0);
  recorder.set(Field.eptPointer, eptPointer);
  recorder.setHalves(Field.vmcsLinkPointer, 0xffffffff, 0xffffffff);
  recorder.set(Field.hostCr0, HOST_CR0);
  recorder.set(Field.hostCr3, places.cr3);
  recorder.set(Field.hostCr4, hostCr4(processor));
  recorder.set(Field.hostEfer, HOST_EFER);
  recorder.set(Field.hostCsSelector, HOST_CODE);
  for (const key of ['hostSsSelector', 'hostDsSelector', 'hostEsSelector'] as const) recorder.set(Field[key], HOST_DATA);
  recorder.set(Field.hostTrSelector, HOST_TASK);
  recorder.set(Field.hostGsBase, places.area);
  recorder.set(Field.hostTrBase, places.tss);
  recorder.set(Field.hostGdtrBase, places.gdt);
  recorder.set(Field.hostIdtrBase, places.idt);
  recorder.set(Field.hostRip, places.exit);
  recorder.set(Field.hostRsp, places.area + AREA.stack);
  return new Map([...recorder.values, ...guestFields(processor)]);
}

/** The general registers, in encoding order. */
export const generalRegisters = ({ state }: Processor): (readonly [low: number, high: number])[] =>
  Array.from({ length: 16 }, (_, number) => [state.reg32(number), state.regHigh(number)] as const);
