/** VMX of one processor as a debugger reads and changes it: see `VirtualCpu.vmx`. */
import type { LinearAddress } from '../shared/addresses';
import type { VmxOperation } from '../shared/transition';
import type { PageTables, RegisterField } from './engine';

/** One field of a VMCS. */
export interface VmcsFieldValue {
  /** The name in Ringside: `guestRip`. */
  readonly key: string;
  /** As in the manual: `guest RIP`. */
  readonly name: string;
  readonly encoding: number;
  readonly bits: 16 | 32 | 64;
  /** Its width is that of the processor's registers. */
  readonly natural: boolean;
  /** Title of a section of the manual's "VMCS Data". */
  readonly group: string;
  /** VMWRITE refuses it; a debugger may change it all the same. */
  readonly readOnly: boolean;
  /** Unsigned. */
  readonly value: bigint;
  /** The value taken apart; empty for a plain number. */
  readonly parts: readonly RegisterField[];
  /** What this value means, in a few words. */
  readonly meaning?: string;
  /** What the field is for, in one line. */
  readonly purpose: string;
}

/** The current VMCS's region. */
export interface VmcsRegion {
  /** Physical. */
  readonly address: number;
  readonly launched: boolean;
  readonly abortIndicator: number;
  readonly shadow: boolean;
}

/** A value that took part in a refusal. */
export interface NamedValue {
  readonly name: string;
  /** Unsigned. */
  readonly value: bigint;
  readonly bits: 16 | 32 | 64;
  /** The VMCS field that it is of. */
  readonly field?: string;
  readonly meaning?: string;
}

/** A check of VM entry that does not hold. */
export interface FailingCheck {
  readonly id: string;
  /** `controls`, `host state`, `guest state` or `MSR loading`. */
  readonly area: string;
  /** Title of the manual's section. */
  readonly section: string;
  /** What must hold. */
  readonly rule: string;
  readonly values: readonly NamedValue[];
}

/** All checks of VM entry on the current VMCS, as it is and as the processor is. */
export interface EntryCheckResults {
  readonly total: number;
  /** How many checks there are in each area. */
  readonly byArea: Readonly<Record<string, number>>;
  /** In the manual's order: the first is the one that would refuse. */
  readonly failing: readonly FailingCheck[];
}

/** Why the last VMX instruction or VM entry was refused. */
export interface VmxFailure {
  /** `VMLAUNCH`. */
  readonly instruction: string;
  /** Of a VM-instruction error, or 33 or 34 of an entry that failed later; undefined where nothing could hold a number (VMfailInvalid). */
  readonly number?: number;
  /** `VM-instruction error 7: VM entry with invalid control fields`. */
  readonly title: string;
  /** What the number does not say. */
  readonly explanation?: string;
  readonly values: readonly NamedValue[];
  /** Instructions executed before it. */
  readonly count: number;
  /** Of the instruction. */
  readonly address: LinearAddress;
  /** Every check that did not hold at that time; the first one refused. */
  readonly checks: readonly FailingCheck[];
}

/** A VM entry or exit, with all fields as they were. */
export interface VmxMoment {
  /** Counts from 0 with each entry and exit. */
  readonly sequence: number;
  readonly kind: 'entry' | 'exit' | 'failed entry';
  /** Instructions executed before it. */
  readonly count: number;
  /** Physical address of the VMCS. */
  readonly vmcs: number;
  /** `VMLAUNCH`, `VMRESUME`, or the exit reason's name. */
  readonly what: string;
  /** Basic exit reason. */
  readonly reason?: number;
}

export interface VmxHistoryView {
  /** Sequence number of the oldest that is kept, and of the next one. */
  readonly first: number;
  readonly total: number;
  /** @returns undefined for one that is not kept */
  moment(sequence: number): VmxMoment | undefined;
  /** Fields as they were; none for a moment that is not kept. */
  fields(sequence: number): readonly VmcsFieldValue[];
}

export interface VmxFacts {
  readonly operation: VmxOperation;
  /** Physical address of the VMXON region. */
  readonly vmxonPointer: number | undefined;
  /** Undefined without a current VMCS. */
  readonly region: VmcsRegion | undefined;
  readonly failure: VmxFailure | undefined;
  readonly history: VmxHistoryView;
  /** Of the current VMCS's guest while the hypervisor runs; those of a guest that runs are the processor's. */
  readonly guestTables: PageTables | undefined;
  /** Of the current VMCS, in the manual's groups; none without one. */
  fields(): readonly VmcsFieldValue[];
  /** @param key or the manual's name @throws Error with one line for an unknown field or a value that does not fit */
  setField(key: string, value: bigint): void;
  /** Undefined without a current VMCS. */
  check(): EntryCheckResults | undefined;
}
