/**
 * What the panels and the terminal know of a session: requests and events that the debug adapter adds to DAP, and which the
 * extension hands through to the webviews. A panel is a pure view of these.
 *
 * Numbers of up to 64 bits are hex strings with the register's full width (`0x00007c00`); addresses that a panel computes
 * with are numbers. Bytes are base64.
 */
import type { Screen } from './screen';
import type { Statistics } from './statistics';
import type { Technique } from './technique';
import type { VmcsRequests } from './vmcs-protocol';
import type { Place, ProcessorMode, Ring, Transition, TransitionKind } from './transition';

/** An address as panels show it and link to it. */
export interface PlaceInCode {
  /** Linear. */
  readonly address: number;
  /** For readMemory and disassemble: `linear:0x7c00`. */
  readonly memoryReference: string;
  /** `kmain+0x12`; absent where no symbol is near. */
  readonly symbol?: string;
  /** Source position, lines from 1. */
  readonly path?: string;
  readonly line?: number;
}

// --- ringside/state: after every stop, and at most ten times a second while the guest runs

export interface StateEvent {
  readonly running: boolean;
  /** Why it stopped, as in DAP's stopped event; absent while running and at the end. */
  readonly reason?: string;
  /** One line for people. */
  readonly text?: string;
  readonly terminated: boolean;
  readonly technique: Technique;
  readonly instructionCount: number;
  /** Virtual nanoseconds since power-on. */
  readonly virtualTime: number;
  readonly transitions: LogExtent;
  readonly vcpus: readonly VcpuState[];
  /** Named counters of the engine. */
  readonly stats: Statistics;
}

export interface VcpuState {
  readonly index: number;
  readonly name: string;
  readonly threadId: number;
  readonly place: Place;
  readonly at: PlaceInCode;
  readonly bits: 16 | 32 | 64;
  /** Waits in HLT. */
  readonly halted: boolean;
  /** It uses VMX, or has tried to. */
  readonly usesVmx: boolean;
  /** Registers whose value differs from that at the last stop; empty while running. */
  readonly changed: readonly ChangedRegister[];
  /** Absent while running: it takes reading the guest's tables. */
  readonly rings?: RingsView;
  /** The latest transition of this vCPU; absent before the first. */
  readonly lastTransition?: TransitionView;
}

export interface ChangedRegister {
  readonly name: string;
  readonly value: string;
  readonly previous: string;
}

// --- the Rings panel

/** What lives in each ring, read from the guest's own tables. */
export interface RingsView {
  readonly mode: ProcessorMode;
  /** CPL, and the ring that the guest believes in. */
  readonly ring: Ring;
  readonly guestRing: Ring;
  readonly iopl: number;
  readonly interruptsEnabled: boolean;
  readonly paging: boolean;
  /** Index is the ring. In real mode everything is in ring 0, in virtual-8086 mode in ring 3. */
  readonly rings: readonly [RingContents, RingContents, RingContents, RingContents];
  readonly tables: readonly TableView[];
  /** TR's selector; absent where no task register is loaded. */
  readonly task?: { readonly selector: number; readonly type: string; readonly base: string; readonly limit: string };
}

export interface RingContents {
  readonly ring: Ring;
  /** Code and data segments with this DPL. */
  readonly segments: readonly DescriptorView[];
  /** Call, task, interrupt and trap gates that this ring and the inner ones may use: those whose DPL is this ring. */
  readonly gates: readonly DescriptorView[];
  /** Gates beyond those listed. */
  readonly moreGates: number;
  /** Where the processor takes, has or will have this ring's stack. */
  readonly stack?: RingStack;
  /** Execution in this ring: where it is, or where it was left, innermost first. */
  readonly code: readonly RingCode[];
}

export interface RingStack {
  readonly selector: string;
  readonly pointer: string;
  readonly memoryReference: string;
  /** `current` is SS:ESP; `tss` is what the next transition into the ring loads; `saved` lies in an interrupt frame. */
  readonly source: 'current' | 'tss' | 'saved';
}

export interface RingCode {
  readonly state: 'current' | 'interrupted';
  readonly at: PlaceInCode;
  /** Name of the stack frame. */
  readonly frame: string;
}

export interface TableView {
  readonly name: 'GDT' | 'LDT' | 'IDT' | 'IVT';
  readonly base: string;
  readonly limit: string;
  readonly memoryReference: string;
  /** Entries that the limit allows. */
  readonly entries: number;
}

export interface DescriptorView {
  readonly table: 'GDT' | 'LDT' | 'IDT';
  readonly index: number;
  /** For the GDT and the LDT: as a program loads it, RPL 0. For the IDT: the vector. */
  readonly selector: number;
  /** `32-bit code, execute/read`, `32-bit interrupt gate`. */
  readonly type: string;
  readonly dpl: Ring;
  readonly present: boolean;
  /** Its eight bytes (sixteen, of a gate or system descriptor in IA-32e mode), highest first, in words of four. */
  readonly raw: string;
  readonly memoryReference: string;
  /** Segments. */
  readonly base?: string;
  readonly limit?: string;
  readonly conforming?: boolean;
  /** Bits that are set, by their names: `A`, `G`, `D/B`, `L`, `AVL`. */
  readonly bits?: readonly string[];
  /** Segment registers that hold it now: `cs`, `ss`. */
  readonly heldBy: readonly string[];
  /** Gates. */
  readonly target?: { readonly selector: number; readonly ring: Ring; readonly at: PlaceInCode };
  /** Number of the interrupt stack that a 64-bit gate switches to, from 1. */
  readonly interruptStack?: number;
  /** Words or doublewords that a call gate copies. */
  readonly parameters?: number;
}

// --- Descriptor Tables

/** One field of the task-state segment. */
export interface TssField {
  readonly name: string;
  readonly value: string;
  readonly meaning?: string;
  /** Where it leads: code for an instruction pointer, memory for a stack pointer. */
  readonly at?: PlaceInCode;
  readonly memoryReference?: string;
}

export interface TssView {
  readonly selector: number;
  readonly type: string;
  readonly base: string;
  readonly limit: string;
  readonly memoryReference: string;
  readonly fields: readonly TssField[];
}

export interface DescriptorsBody {
  readonly mode: ProcessorMode;
  readonly tables: readonly (TableView & {
    /** Those that are not empty. */
    readonly descriptors: readonly DescriptorView[];
    /** Of a real-mode interrupt vector table. */
    readonly vectors?: readonly { readonly index: number; readonly at: PlaceInCode; readonly memoryReference: string }[];
    /** Why there is nothing to see: the table's memory is not mapped. */
    readonly problem?: string;
  })[];
  readonly tss?: TssView;
}

// --- Page Tables

export interface PageFact {
  readonly name: string;
  readonly value: string;
  readonly meaning: string;
}

export interface PageFieldView {
  readonly name: string;
  readonly value: string;
  readonly meaning?: string;
}

export interface PageEntryView {
  readonly level: string;
  readonly index: number;
  /** Physical; absent for what lies in the processor. */
  readonly address?: string;
  readonly memoryReference?: string;
  readonly value: string;
  readonly fields: readonly PageFieldView[];
  /** Bytes that such an entry covers. */
  readonly covers: number;
  /** How its own address is translated, of a guest under extended page tables. */
  readonly nested?: NestedWalkView;
}

/** From a guest-physical to a host-physical address. */
export interface NestedWalkView {
  readonly guestPhysical: string;
  readonly entries: readonly Omit<PageEntryView, 'nested'>[];
  readonly physical?: { readonly address: string; readonly memoryReference: string };
  readonly pageSize: number;
  readonly rights: string;
  readonly memoryType?: string;
  readonly problem?: string;
}

export interface PageVerdictView {
  readonly kind: 'read' | 'write' | 'execute';
  readonly user: boolean;
  readonly allowed: boolean;
  readonly reason?: string;
  readonly errorCode?: string;
}

export interface PageWalkArguments {
  readonly vcpu: number;
  /** An address, or any expression that gives one: `0xffffffff81000000`, `rip`, `start_kernel`. */
  readonly address: string;
  /** In the page tables of the current VMCS's guest, which does not run. */
  readonly guest?: boolean;
}

export interface PageWalkBody {
  /** There is a guest that does not run, whose tables can be asked for. */
  readonly hasGuest: boolean;
  readonly mode: string;
  readonly facts: readonly PageFact[];
  readonly at: PlaceInCode;
  readonly entries: readonly PageEntryView[];
  readonly physical?: { readonly address: string; readonly memoryReference: string; readonly pageSize: number };
  /** From `physical` on, of a guest under extended page tables; the addresses before are guest-physical. */
  readonly nested?: NestedWalkView;
  readonly verdicts: readonly PageVerdictView[];
}

export interface PageMapArguments {
  readonly vcpu: number;
  /** Index of the first row. */
  readonly start: number;
  /** At most 1,000. */
  readonly count: number;
  /** Runs with the same rights are one region, whether or not their frames follow each other. */
  readonly merged?: boolean;
  /** As for the walk. */
  readonly guest?: boolean;
}

export interface PageRegionView {
  readonly start: number;
  /** The last byte. */
  readonly end: number;
  readonly size: number;
  readonly physical: number;
  readonly contiguous: boolean;
  readonly pageSize: number;
  readonly writable: boolean;
  readonly user: boolean;
  readonly executable: boolean;
  readonly global: boolean;
  /** What was shown of the so many bytes before is here once more. */
  readonly repeats?: number;
  /** A symbol that stands at its start. */
  readonly symbol?: string;
}

export interface PageMapBody {
  readonly mode: string;
  readonly facts: readonly PageFact[];
  readonly start: number;
  readonly total: number;
  readonly rows: readonly PageRegionView[];
  /** Pages by size in bytes. */
  readonly pages: Readonly<Record<string, number>>;
  /** There are more tables than were read. */
  readonly cut: boolean;
}

// --- the Trap Log

export interface LogExtent {
  /** Sequence number of the oldest entry that is kept. */
  readonly first: number;
  /** Entries since the start: the next one's sequence number. */
  readonly total: number;
}

/** All given parts must match; an empty list matches nothing. */
export interface TransitionFilter {
  readonly kinds?: readonly TransitionKind[];
  /** By the cause's name, as `#GP` or `INT 0x80`. */
  readonly causes?: readonly string[];
  /** Rings that it left or entered. */
  readonly rings?: readonly Ring[];
  readonly vcpus?: readonly number[];
  /** Only those that changed the ring or the mode. */
  readonly changesOnly?: boolean;
}

/** One row of the list. */
export interface TransitionRow {
  readonly sequence: number;
  readonly count: number;
  readonly vcpu: number;
  readonly kind: TransitionKind;
  readonly cause: string;
  readonly from: Place;
  readonly to: Place;
  readonly at: PlaceInCode;
}

/** One transition unfolded. */
export interface TransitionView extends Transition {
  readonly at: PlaceInCode;
  /** Where execution went; absent where its linear address is not known any more. */
  readonly targetAt?: PlaceInCode;
}

export interface TransitionsArguments {
  /** Index of the first row among those that the filter lets through, the oldest kept being 0. */
  readonly start: number;
  /** At most 1,000. */
  readonly count: number;
  readonly filter?: TransitionFilter;
}

export interface TransitionsBody extends LogExtent {
  readonly start: number;
  readonly rows: readonly TransitionRow[];
  /** Rows that the filter lets through now. */
  readonly matching: number;
  /** Since the start, for the filters' chips. */
  readonly byKind: Readonly<Record<string, number>>;
  readonly byCause: Readonly<Record<string, number>>;
}

export interface ExportArguments {
  readonly filter?: TransitionFilter;
  /** Sequence number to go on from. */
  readonly start?: number;
  /** Rows in one answer, at most 10,000. */
  readonly count?: number;
}

export interface ExportBody {
  /** One JSON object a line: `TransitionView`s. */
  readonly lines: string;
  /** Where to go on; absent when the log's end is reached. */
  readonly next?: number;
}

// --- Screen, Devices, terminal

export interface ScreenArguments {
  /** The `id` of the image that the panel has. */
  readonly since?: string;
}

/** Byte arrays as base64. */
export type Encoded<T> = T extends Uint8Array | Uint8ClampedArray
  ? string
  : T extends object
    ? { readonly [K in keyof T]: Encoded<T[K]> }
    : T;

export type ScreenBody =
  /** The guest has no display. */
  | { readonly kind: 'none' }
  /** It shows what the panel has. */
  | { readonly kind: 'unchanged'; readonly id: string }
  | (Encoded<Screen> & { readonly id: string });

export type InputArguments =
  /** The first serial port is 0. */
  | { readonly kind: 'serial'; readonly port: number; readonly bytes: string }
  /** A key by its KeyboardEvent.code. */
  | { readonly kind: 'key'; readonly code: string; readonly pressed: boolean };

/** Bytes that came out of the guest, gathered for some milliseconds. */
export interface SerialEvent {
  readonly channel: 'serial0' | 'serial1' | 'console';
  readonly bytes: string;
}

export interface DevicesBody {
  readonly devices: readonly {
    readonly name: string;
    readonly facts: readonly { readonly name: string; readonly value: string; readonly meaning?: string }[];
  }[];
}

/** The requests, by command. */
export interface PanelRequests extends VmcsRequests {
  'ringside/state': { arguments: undefined; body: StateEvent };
  'ringside/transitions': { arguments: TransitionsArguments; body: TransitionsBody };
  'ringside/transition': { arguments: { readonly sequence: number }; body: TransitionView };
  'ringside/exportTransitions': { arguments: ExportArguments; body: ExportBody };
  'ringside/screen': { arguments: ScreenArguments; body: ScreenBody };
  'ringside/input': { arguments: InputArguments; body: void };
  'ringside/devices': { arguments: undefined; body: DevicesBody };
  'ringside/descriptors': { arguments: { readonly vcpu: number }; body: DescriptorsBody };
  'ringside/pageWalk': { arguments: PageWalkArguments; body: PageWalkBody };
  'ringside/pageMap': { arguments: PageMapArguments; body: PageMapBody };
}

/** The events, by name. */
export interface PanelEvents {
  'ringside/state': StateEvent;
  /** The log grew; at most ten times a second. */
  'ringside/transitions': LogExtent;
  'ringside/serial': SerialEvent;
}
