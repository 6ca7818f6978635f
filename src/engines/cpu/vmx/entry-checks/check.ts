/** Checks on VM entry, as data: what each wants, where the manual says so, and what it found. */
import type { FieldKey } from '../fields';
import type { VmcsReader } from '../vmcs';

/**
 * Whose checks fail how: for controls and host state VMLAUNCH and VMRESUME fail with error 7 or 8, for guest state the entry ends in a VM
 * exit with reason 33, for the loading of MSRs in one with reason 34.
 */
export type CheckArea = 'controls' | 'host state' | 'guest state' | 'MSR loading';

/** What a check sees besides the VMCS. */
export interface CheckWorld {
  readonly vmcs: VmcsReader;
  /** Control words, with bits of secondary controls 0 while those are not activated. */
  readonly controls: ControlWords;
  /** The processor that executes VMLAUNCH or VMRESUME. */
  readonly processor: ProcessorFacts;
  /** A 32-bit word of physical memory, unsigned. @param address multiple of 4 below 2^40, whether or not there is memory */
  memory(address: number): number;
  /** Whether WRMSR at CPL 0 would take the value, without writing it; absent where that cannot be told. */
  acceptsMsr?(index: number, low: number, high: number): boolean;
}

export interface ControlWords {
  readonly pin: number;
  readonly primary: number;
  readonly secondary: number;
  readonly exit: number;
  readonly entry: number;
}

export interface ProcessorFacts {
  /** IA32_EFER.LMA at the time of VM entry. */
  readonly longMode: boolean;
  /** Bits that CR4 may have, as in IA32_VMX_CR4_FIXED1. */
  readonly cr4Fixed1: number;
  /** Bits that IA32_EFER may have. */
  readonly eferBits: number;
  /** Physical address of the current VMCS. */
  readonly currentVmcs: number;
}

/** A value that a check compared and that is no field of the VMCS: a word of memory, a register of the processor. */
export interface FoundValue {
  readonly name: string;
  readonly low: number;
  readonly high: number;
  /** Of `low` and `high` together. */
  readonly bits: 32 | 64;
}

export interface EntryCheck {
  /** Unique, such as `controls.pin.reserved`. */
  readonly id: string;
  readonly area: CheckArea;
  /** Title of the manual's section. */
  readonly section: string;
  /** What must hold, in one sentence that names fields and bits as the manual does. */
  readonly rule: string;
  /** Fields that take part, for views to show. */
  readonly fields: readonly FieldKey[];
  /** Where a refused guest state has an exit qualification of its own (manual, "VM-Entry Failures During or After Loading Guest State"). */
  readonly qualification?: number;
  /** @returns whether it holds; never throws, whatever the fields' values */
  holds(world: CheckWorld): boolean;
  /** It looks at memory, too: the same fields may pass once and not again. */
  readonly readsMemory?: boolean;
  /** What else it compared, for views to show. */
  found?(world: CheckWorld): readonly FoundValue[];
}

/** A check that refused, with the values it saw. */
export interface FailedCheck {
  readonly check: EntryCheck;
  readonly values: readonly { readonly field: FieldKey; readonly low: number; readonly high: number }[];
  /** What else the check compared; empty where fields are all. */
  readonly found: readonly FoundValue[];
}
