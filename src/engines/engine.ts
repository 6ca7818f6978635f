/**
 * The one interface that the debug adapter and the command line see, whatever the technique.
 *
 * An engine is synchronous: `run` executes a slice of guest instructions and comes back. Whoever owns it calls slice
 * after slice and answers its users in between. Nothing in here waits, reads a clock or touches the host.
 */
import type { Instruction } from '../isa/types';
import type { GuestPhysicalAddress, HostPhysicalAddress, LinearAddress } from '../shared/addresses';
import type { Screen } from '../shared/screen';
import type { Statistics } from '../shared/statistics';
import type { Technique } from '../shared/technique';
import type { Place } from '../shared/transition';
import type { DeviceFact } from './machine/device';
import type { Probes, ProbeHit } from './probes';
import type { TransitionLog } from './transitions';
import type { VmxFacts } from './vmx-facts';

/**
 * Of addresses that a debugger reads: `linear` ones of a processor as it is, `physical` ones of the machine, and `guest` ones, which are
 * linear addresses of the guest that waits while its hypervisor runs (`VirtualCpu.savedGuest`).
 */
export type AddressSpace = 'linear' | 'physical' | 'guest';

/** How a value is to be read where it is no whole number: IEEE single and double precision, x87's 80 bits. */
export type FloatNotation = 'f32' | 'f64' | 'f80';

/** A named part of a register's value. */
export interface RegisterField {
  readonly name: string;
  readonly value: bigint;
  /** Bits from `low` to `high`, inclusive; absent for a hidden part, which is no part of the value. */
  readonly low?: number;
  readonly high?: number;
  /** Width of a hidden part; 32 if left out. */
  readonly bits?: number;
  /** What this value means, in a few words. */
  readonly meaning?: string;
  /** Of a vector register's element: what the vector is cut into, as `u16` or `f32`. Its name is `u16.3`. */
  readonly lane?: string;
  readonly float?: FloatNotation;
}

export type RegisterGroup = 'general' | 'flags' | 'segments' | 'control' | 'debug' | 'system' | 'msr' | 'x87' | 'mmx' | 'sse';

export interface RegisterValue {
  /** Lower case, as in assembly: `eax`, `cs`, `cr0`, `gdtr`, `eflags`. */
  readonly name: string;
  readonly group: RegisterGroup;
  /** Width of the value in bits. */
  readonly bits: number;
  /** Unsigned. */
  readonly value: bigint;
  readonly fields: readonly RegisterField[];
  readonly float?: FloatNotation;
  /** What this value means, in a few words. */
  readonly meaning?: string;
}

/** Something that arrives from outside; all of it goes through the input log, so that a run can be repeated. */
export type ExternalInput =
  | { readonly kind: 'serial'; readonly port: number; readonly bytes: readonly number[] }
  /** A key by its KeyboardEvent.code (`KeyA`, `Enter`). */
  | { readonly kind: 'key'; readonly code: string; readonly pressed: boolean };

/** Where bytes come out of the guest: the first serial port is `serial0`, port 0xE9 is `console`. */
export type OutputChannel = 'serial0' | 'serial1' | 'console';

export type StopReason =
  /** The slice is over; there is more to run. */
  | 'slice'
  /** HLT with nothing to wake it. */
  | 'halted'
  /** HLT until a timer or an input; see `Engine.skipIdle`. */
  | 'idle'
  /** The guest ended the run, with `code`. */
  | 'exited'
  /** A probe said stop; see `hits`. */
  | 'probe'
  /** `Engine.requestStop` was called. */
  | 'pause'
  | 'triple-fault'
  /** The engine cannot go on; `text` says why. */
  | 'error';

export interface EngineStop {
  readonly reason: StopReason;
  /** Index of the virtual processor that stopped. */
  readonly vcpu: number;
  /** Linear address of its next instruction. */
  readonly address: LinearAddress;
  /** Exit status of the guest. */
  readonly code?: number;
  readonly hits: readonly ProbeHit[];
  readonly text?: string;
}

export interface RunRequest {
  /** At most so many instructions in this slice. */
  readonly instructions: number;
  /**
   * Execute one instruction, or deliver one interrupt or exception that waits, and come back with `slice`. A repeated
   * string instruction is stepped by iterations.
   */
  readonly step?: boolean;
  /** The processor that `step` is about; by default the one whose turn it is. The others take their turns meanwhile. */
  readonly cpu?: number;
  /** Come back with `idle` when all processors wait, instead of letting virtual time jump to the next timer. */
  readonly returnWhenIdle?: boolean;
}

/** The exception that a processor is about to deliver, while an exception probe holds it back. */
export interface HeldException {
  readonly vector: number;
  /** `#GP`. */
  readonly mnemonic: string;
  readonly name: string;
  readonly errorCode?: number;
  /** Which check failed, with its values. */
  readonly reason: string;
  /** What CR2 is going to be, for a page fault. */
  readonly faultAddress?: number;
}

/** The guest of the current VMCS as its last VM exit saved it, and as its hypervisor has changed it since. */
export interface SavedGuest {
  readonly place: Place;
  /** Linear address at which it would go on. */
  readonly address: LinearAddress;
  /** Linear base of its code segment. */
  readonly codeBase: number;
  /** Linear address of its stack's top. */
  readonly stack: number;
  readonly bits: 16 | 32 | 64;
  /** Exit reason, as the VMCS has it: bits 0 to 15 are the basic reason. */
  readonly exitReason: number;
  /** Physical address of its VMCS. */
  readonly vmcs: number;
  /** Linear addresses in the hypervisor: where exits lead, and the top of the stack that they find. */
  readonly exitAddress: LinearAddress;
  readonly exitStack: number;
  /** Base and limit of its GDT and LDT; an LDT that is unusable has limit -1. */
  readonly tables: Readonly<Record<'gdt' | 'ldt', { readonly base: number; readonly limit: number }>>;
  /** Through its page tables and EPT, to an address of the machine's memory. */
  translate(address: LinearAddress): GuestPhysicalAddress | undefined;
}

/** One processor's state as a debugger reads and changes it. Nothing here disturbs the guest. */
export interface VirtualCpu {
  readonly index: number;
  /** Shown as the thread's name: `vCPU 0`. */
  readonly name: string;
  readonly place: Place;
  /** Linear address of the next instruction. */
  readonly address: LinearAddress;
  /** Code size at the next instruction. */
  readonly bits: 16 | 32 | 64;
  /** Waits in HLT. */
  readonly halted: boolean;
  readonly heldException: HeldException | undefined;
  /** All that the processor has in its present mode: `rax` to `r15` in IA-32e mode, `eax` to `edi` else. @param group those of one group */
  registers(group?: RegisterGroup): readonly RegisterValue[];
  /** One of `registers()` with its fields. */
  registerNamed(name: string): RegisterValue | undefined;
  /** One register by name, any of `registers()` and their parts (`al`, `ax`, `ip`, `eip`). @returns undefined for an unknown name */
  register(name: string): { readonly value: bigint; readonly bits: number } | undefined;
  /**
   * Changes a register, reloading hidden parts as the mode demands.
   * @throws Error with one line that says why it cannot be
   */
  setRegister(name: string, value: bigint): void;
  /** Linear address of an offset in a segment register (`es:0x1234`), by its hidden part. @param segment lower-case name */
  linear(segment: string, offset: number): LinearAddress;
  /** What the page tables say now, without touching them; undefined where nothing is mapped, and for what is no address in this mode. */
  translate(address: LinearAddress): GuestPhysicalAddress | undefined;
  /** The page tables taken apart. */
  readonly pageTables: PageTables;
  /** VMX operation and the current VMCS; absent where the processor has no VMX. */
  readonly vmx?: VmxFacts;
  /** While a hypervisor runs in VMX root operation, the guest of its current VMCS, if that was ever launched. */
  readonly savedGuest: SavedGuest | undefined;
  /** Addresses at which instructions are known to start, ascending, within [from, to): what has been decoded to run there. */
  instructionStarts(from: LinearAddress, to: LinearAddress): readonly LinearAddress[];
  /** Decodes at an address as this processor would now; undefined where no instruction is. */
  decode(address: LinearAddress): Instruction | undefined;
}

/** An access as a page walk judges it. */
export interface PageAccess {
  readonly kind: 'read' | 'write' | 'execute';
  readonly user: boolean;
}

/** What one access to an address would come to. */
export interface PageVerdict extends PageAccess {
  readonly allowed: boolean;
  /** Why not, in one line, and the page fault's error code. */
  readonly reason?: string;
  readonly errorCode?: number;
}

/** One level of a page walk. */
export interface PageEntry {
  /** `PML4E`, `PDPTE`, `PDE` or `PTE`. */
  readonly level: string;
  /** Its number in its table. */
  readonly index: number;
  /** Undefined for a PDPTE of PAE paging, which lies in the processor. */
  readonly address: GuestPhysicalAddress | undefined;
  readonly value: bigint;
  readonly bits: 32 | 64;
  readonly fields: readonly RegisterField[];
  /** Bytes that an entry of this level covers. */
  readonly covers: number;
  /** How its own address is translated, of a guest under extended page tables. */
  readonly nested?: NestedWalk;
}

/** One level of a walk through extended page tables. */
export interface NestedEntry {
  readonly level: string;
  readonly index: number;
  readonly address: HostPhysicalAddress;
  readonly value: bigint;
  readonly fields: readonly RegisterField[];
  readonly covers: number;
}

/** From a guest-physical address to a host-physical one. */
export interface NestedWalk {
  readonly guestPhysical: GuestPhysicalAddress;
  readonly entries: readonly NestedEntry[];
  readonly physical?: HostPhysicalAddress;
  readonly pageSize: number;
  /** Of all levels together: `RWX`, `R-X`. */
  readonly rights: string;
  /** `WB`. */
  readonly memoryType?: string;
  /** Why an access ends here. */
  readonly problem?: string;
}

export interface PageWalk {
  readonly address: LinearAddress;
  readonly entries: readonly PageEntry[];
  readonly physical?: GuestPhysicalAddress;
  readonly pageSize?: number;
  /** From `physical` on, of a guest under extended page tables. */
  readonly nested?: NestedWalk;
  /** Of all six kinds. */
  readonly verdicts: readonly PageVerdict[];
}

/** A run of linear addresses that are mapped alike. */
export interface PageRegion {
  readonly start: LinearAddress;
  /** Bytes. */
  readonly size: number;
  readonly physical: GuestPhysicalAddress;
  /** Each page of it lies behind the one before. */
  readonly contiguous: boolean;
  readonly pageSize: number;
  readonly writable: boolean;
  readonly user: boolean;
  readonly executable: boolean;
  readonly global: boolean;
  /** The tables below are those of so many bytes before, used again: not listed once more. */
  readonly repeats?: number;
}

export interface PageMap {
  readonly regions: readonly PageRegion[];
  /** Pages by size in bytes, as far as listed. */
  readonly pages: Readonly<Record<string, number>>;
  /** There are more tables than were read. */
  readonly cut: boolean;
}

export interface PageTables {
  /** `none`, `32-bit`, `PAE` or `4-level`. */
  readonly mode: string;
  /** The registers and bits that decide about paging, each with what it means now. */
  facts(): readonly { readonly name: string; readonly value: string; readonly meaning: string }[];
  walk(address: LinearAddress): PageWalk;
  /** @param merged runs with the same rights become one region, whether or not their frames follow each other */
  map(merged: boolean): PageMap;
}

export interface Engine {
  readonly technique: Technique;
  readonly cpus: readonly VirtualCpu[];
  readonly transitions: TransitionLog;
  readonly probes: Probes;
  /** Instructions completed since power-on: the session's clock. */
  readonly instructionCount: number;
  /** Bytes out of the guest, as they are written. */
  onOutput: (channel: OutputChannel, byte: number) => void;

  run(request: RunRequest): EngineStop;
  /** From a probe's hit or an output callback: come back before the next instruction. */
  requestStop(): void;
  /** When `run` said `idle`: lets virtual time pass to the next timer. @returns false when nothing will ever wake it */
  skipIdle(): boolean;
  /** Virtual nanoseconds since power-on, and until the next timer (Infinity without one): for pacing an idle guest. */
  readonly now: number;
  readonly untilTimer: number;
  /** Goes to the next run with the instruction at a processor's address executed whatever probe stands there. */
  passProbes(cpu: number): void;
  input(event: ExternalInput): void;
  /** Turns the machine off and on again with the same program. */
  restart(): void;

  /** Bytes as a debugger sees them; shorter than asked where memory ends. */
  readMemory(cpu: number, space: AddressSpace, address: number, length: number): Uint8Array;
  /** Writes up to the first byte that cannot be written. @returns bytes written */
  writeMemory(cpu: number, space: AddressSpace, address: number, bytes: Uint8Array): number;
  /** What the guest's display shows; undefined where it has none. */
  screen(): Screen | undefined;
  devices(): readonly { readonly name: string; readonly facts: readonly DeviceFact[] }[];
  /** Named counters of the engine itself. */
  stats(): Statistics;
}
