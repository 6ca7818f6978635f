/** Where a projection of the semantics finds what differs from one instruction of a form to the next. */
import type { Expr } from '../wasm/code';

/** Function indexes in the module under construction. */
export interface AccessCallees {
  /** (record, segment's state offset, offset, size | access << 8) → host offset, or 0 for a fault. */
  readonly memory: number;
  /** (record, segment's state offset, linear address (i64), size | access << 8) → the same, in 64-bit code. */
  readonly memory64: number;
}

/** A segment register that takes part in an access. */
export interface SegmentPlace {
  /** Its state offset. */
  readonly register: Expr;
  /** State offset of the base that counts. */
  readonly base: Expr;
  /** Known to begin at 0 and to end at 4 GiB, so that nothing is checked or added. */
  readonly flat?: boolean;
}

/**
 * Three locals that remember the last page that some accesses found in the TLB: linear address of the page (of an address's type), its
 * host offset, and how many offsets in it are good for any access, 0 while there is none. What is written through it was found writable.
 */
export interface PageCache {
  readonly page: number;
  readonly host: number;
  readonly span: number;
}

/**
 * Of the interpreter's handlers these are loads from the decoded record and from the processor's state, of compiled code constants and
 * locals. Addresses are i32 in 16- and 32-bit code, i64 in 64-bit code.
 */
export interface Fields {
  /** The decoded record (i32), which tells TypeScript what it serves. */
  readonly record: Expr;
  /** For accesses through a flat segment, by the stack's registers or by the memory operand. */
  pageCache(stack: boolean): PageCache | undefined;
  readonly callees: AccessCallees;
  /** Who asks: 0 for handlers, COMPILED (see code-width.ts). */
  readonly origin: number;
  /** The instruction pointer at the start of the block. */
  ip(): Expr;
  /** From there to the following instruction and to a relative target, as i32. */
  next(): Expr;
  target(): Expr;
  /** The whole of a register as an address. */
  register(number: number): Expr;
  setRegister(number: number, value: Expr): void;
  /** The memory operand: values of the registers that make it, shift of the index (i32), displacement and mask. */
  base(): Expr;
  index(): Expr;
  shift(): Expr;
  displacement(): Expr;
  mask(): Expr;
  operandSegment(): SegmentPlace;
  /** A segment register by its state offset. */
  segment(stateOffset: number): SegmentPlace;
  /** Stores the instruction pointer. */
  setIp(target: Expr): void;
}
