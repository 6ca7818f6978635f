/**
 * What a semantics function is given. It describes one instruction to a context; the context decides what that becomes.
 * The interpreter's context reads operands out of a decoded record (interpreter/handler-context.ts) and makes a handler
 * for the form; a compiling context has the operands of one concrete instruction and makes code inside a block. The
 * function is the same, so the projections cannot disagree.
 *
 * Rules for semantics functions:
 * - Read everything, compute, then write. What may fault comes before the first write; where that cannot be (POP to
 *   memory), `guard` says how to take the early write back.
 * - Ask for an operand that is read and then written with `update`, so that its fault on writing comes first.
 * - Flags are described, not computed: `flags.add(word, a, b, result)`. A context drops what nobody reads.
 */
import type { Code, Expr, ValueType } from '../wasm/code';
import type { Word } from './words';

/** A place that an instruction reads or writes. */
export interface Place {
  readonly word: Word;
  /** The value, zero-extended to the word's type. Evaluated now: it may fault. */
  read(): Expr;
  /** The same, with the promise that a `write` follows. */
  update(): Expr;
  /** Stores the low bits of a value; a 32-bit register write clears the register's upper half. */
  write(value: Expr): void;
}

export interface MemoryPlace extends Place {
  /** The effective address (offset in its segment) before truncation to the operand: what LEA yields. */
  address(): Expr;
  /** The same segment and size (or another), `distance` bytes further on (of the address size's type; wraps with it). */
  at(distance: Expr, size?: number): MemoryPlace;
}

/** Carry, overflow and adjust as i32 expressions of 0 or 1; those left out are cleared. */
export interface StatusBits {
  readonly carry?: Expr;
  readonly overflow?: Expr;
  readonly adjust?: Expr;
}

/**
 * Receives what the status flags become. Operands (zero-extended) and results are of the word's type. All expressions rest on constants
 * and on what `let` gave, so that they can be evaluated later, or never.
 */
export interface FlagSink {
  /** All six from `result = a + b`, or with `carried` from `a + b + carry`. */
  add(word: Word, a: Expr, b: Expr, result: Expr, carried?: boolean): void;
  /** All six from `result = a - b`, or with `carried` from `a - b - borrow`. */
  sub(word: Word, a: Expr, b: Expr, result: Expr, carried?: boolean): void;
  /** SF, ZF, PF from the result; CF, OF and AF cleared. */
  logic(word: Word, result: Expr): void;
  /** All but CF, from `result = a + 1`. */
  increment(word: Word, a: Expr, result: Expr): void;
  decrement(word: Word, a: Expr, result: Expr): void;
  /** SF, ZF, PF from the result and the rest as given. */
  result(word: Word, result: Expr, bits: StatusBits): void;
  /** CF alone. */
  carry(carry: Expr): void;
  /** CF and OF alone. */
  carryOverflow(carry: Expr, overflow: Expr): void;
  /** ZF alone, from a value that is 0 when the flag is set. */
  zero(value: Expr): void;
  /** All six from the low byte of EFLAGS and an OF bit (0 or 1). */
  explicit(eflags: Expr, overflow: Expr): void;
}

export interface Facts {
  /** Effective operand size in bytes. */
  readonly operandSize: 2 | 4 | 8;
  /** Effective address size in bytes. */
  readonly addressSize: 2 | 4 | 8;
  /** The condition code (0 to 15, as in Jcc's opcode) of conditional instructions. */
  readonly condition: number;
  readonly repeat: 'none' | 'rep' | 'repne';
  /** The instruction stands in 64-bit code. */
  readonly long: boolean;
}

export interface Context {
  readonly code: Code;
  readonly facts: Facts;
  readonly flags: FlagSink;
  /** Operand `index` in the table row's order. */
  operand(index: number): Place;
  /** Operand `index`, which must be in memory. */
  memory(index: number): MemoryPlace;
  readonly operandCount: number;
  /** The word of operand `index`, without evaluating where it is. */
  wordOf(index: number): Word;
  /** Bytes of operand `index`, whatever their number. */
  sizeOf(index: number): number;
  /**
   * Where a register or memory operand lies, for what `Place` does not carry (vectors, 80-bit values): a host offset at
   * which `bytes` bytes can be accessed now. Of an x87 register it is 16 times its distance from the top of the stack.
   * @param aligned raises #GP(0) unless the address is a multiple of `bytes`
   */
  pointer(index: number, access: 'read' | 'write' | 'update', bytes: number, aligned?: boolean): Expr;
  /** Selector (i32) and offset (i64) of a memory operand. */
  farAddress(index: number): { segment: Expr; offset: Expr };
  /** Completes a write through a pointer. */
  commit(pointer: Expr): void;
  /** Raises #NM or #UD when CR0 and CR4 keep a unit from use; comes before anything else of its instructions. */
  requireUnit(unit: 'x87' | 'mmx' | 'sse'): void;
  kindOf(index: number): 'register' | 'memory' | 'immediate' | 'xmm' | 'mmx' | 'x87' | 'relative' | 'other';
  isMemory(index: number): boolean;
  isImmediate(index: number): boolean;
  isRelative(index: number): boolean;
  /** A general register that the encoding does not name, by number: AX for MUL, CL for shifts. */
  register(number: number, word: Word): Place;
  /** AH, CH, DH or BH (number 0 to 3). */
  highByte(number: number): Place;
  /** DS:(E)SI or its override, and ES:(E)DI, at the address size. */
  stringSource(word: Word): Place;
  stringDestination(word: Word): Place;
  /** Moves (E)SI or (E)DI past one element in DF's direction. */
  advance(register: number, word: Word): void;
  /** (E)CX at the address size. */
  counter(): Place;

  let(type: ValueType, value: Expr): Expr;
  if(condition: Expr, then: () => void, otherwise?: () => void): void;

  /** i32 of 0 or 1: the condition code holds. */
  holds(condition: number): Expr;
  carry(): Expr;
  overflow(): Expr;
  adjust(): Expr;
  /** The low byte of EFLAGS: SF ZF 0 AF 0 PF 1 CF. */
  statusByte(): Expr;
  /** DF as 0 or 1. */
  direction(): Expr;
  /** CLD and STD. */
  setDirection(down: boolean): void;

  /** Raises a fault without an error code when the condition holds. */
  faultIf(condition: Expr, vector: number): void;
  /** Says how to undo what has been written, should `body` fault. */
  guard(undo: () => void, body: () => void): void;

  /** Pushes a value of the word's size on the stack. */
  push(word: Word, value: Expr): void;
  /** Reads the stack `skip` bytes above its top without popping. */
  peek(word: Word, skip?: number): Expr;
  /** Adds to the stack pointer, at the stack's address size. */
  release(bytes: Expr): void;

  /** (R/E)SP at the width of offsets. */
  stackPointer(): Place;
  /** LEAVE's read at the frame pointer, and its move of the stack pointer to `bytes` above it. */
  peekAtFrame(word: Word): Expr;
  releaseFrame(bytes: number): void;

  /** Hands the whole instruction to a TypeScript helper. */
  helper(name: string): void;
  /** Calls a function that many handlers share (see wasm/library.ts); each of its results may be used any number of times. */
  library(name: string, ...args: Expr[]): Expr[];

  /** A word of the processor's state that is not a register of the program (see layout.ts), as i32. */
  state(offset: number): Expr;
  /** The time-stamp counter, an i64. */
  timeStamp(): Expr;

  /** The word of offsets in CS: 4 bytes, in 64-bit code 8. */
  readonly offsets: Word;
  /** The offset of this instruction in CS, always an i64. */
  instructionIp(): Expr;
  /** The offset of the following instruction. */
  nextIp(): Expr;
  /** The target of a relative operand, truncated to the operand size. */
  target(): Expr;
  /** #GP(0) unless the offset lies within CS's limit, in 64-bit code unless it is canonical. */
  checkTarget(target: Expr): void;
  /** Ends the instruction at a near target that `checkTarget` has passed. */
  jump(target: Expr): void;
  /**
   * Runs `iteration` under the instruction's repeat prefix; `until` ends a REPE/REPNE run when ZF says so. `bulk` says what many
   * iterations come to, where they can be made at once: elements copied, or the accumulator stored.
   */
  repeat(iteration: () => void, until: 'count' | 'zero', bulk?: { readonly kind: 'copy' | 'fill'; readonly element: Word }): void;
}

export type Semantics = (c: Context) => void;
