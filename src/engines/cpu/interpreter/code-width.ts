/**
 * What differs between handlers of 16- and 32-bit code and handlers of 64-bit code: the width of offsets, how segments take
 * part, which TLB is asked, and where the instruction pointer may go.
 */
import { IP, REGISTER_SIZE, REGISTERS, SEG, SEGMENT_SIZE, SEGMENTS, STACK_MASK, TLB, TLB64, TLB_BASE, TLB_ENTRIES, ZERO } from '../layout';
import { type Word, word } from '../semantics/words';
import { type Code, type Expr, call, get, I32, i32, i64 } from '../wasm/code';
import type { Library } from '../wasm/library';
import { RECORD } from './records';

export const Access = { read: 0, write: 1, update: 2 } as const;
export type Access = (typeof Access)[keyof typeof Access];

/** Function indexes that handlers call; the imports come first (see handlers.ts). */
export interface Callees {
  /** (record, segment's state offset, offset, size | access << 8) → host offset, or 0 for a fault. */
  readonly memory: number;
  /** (record, segment's state offset, low and high half of the linear address, size | access << 8) → the same, in 64-bit code. */
  readonly memory64: number;
  /** (record): completes a write that went to SCRATCH. */
  readonly commit: number;
  /** (record) → exit reason + 1, or 0 to go on. */
  readonly helper: number;
  /** (record): tail-called to go on at IP through the jump cache, in 16- and 32-bit code and in 64-bit code. */
  readonly lookup: number;
  readonly lookup64: number;
  /** Type index of handlers. */
  readonly handlerType: number;
  /** Functions shared by many handlers. */
  readonly library: Library;
}

const ESP = 4;
const CS = SEGMENTS + 1 * SEGMENT_SIZE;
const FS = SEGMENTS + 4 * SEGMENT_SIZE;
const PAGE_MASK = 0xfffff000 | 0;
const UPPER_HALF = 16;

export const record = get(0);
export const field = (offset: number): Expr => i32.load(record, offset);
export const at = (offset: number): Expr => i32.const(offset);
export const state = (offset: number): Expr => i32.load(at(0), offset);
const wideField = (offset: number): Expr => i64.load(record, offset);

/** A segment register that takes part in an access. */
export interface SegmentPlace {
  /** Its state offset. */
  readonly register: Expr;
  /** State offset of the base that counts. */
  readonly base: Expr;
}

export interface CodeWidth {
  /** Of offsets and the instruction pointer: 4 or 8 bytes. */
  readonly word: Word;
  /** Table 0's function that goes on at IP. */
  readonly lookup: (callees: Callees) => number;
  /** The record's memory operand. */
  operandSegment(c: Code): SegmentPlace;
  operandAddress(c: Code): Expr;
  /** An address moved by a distance of the same width, and wrapped as the record's operand wraps. */
  move(c: Code, address: Expr, distance: Expr): Expr;
  /** A segment register named by the instruction's kind, by its state offset. */
  segment(stateOffset: number): SegmentPlace;
  /** (R/E)SI or (R/E)DI at the address size. */
  stringAddress(c: Code, register: number, addressSize: number): Expr;
  /**
   * The quick way to memory, or leaves `fail`'s way.
   * @returns a host offset; 0 when the access faults
   */
  host(c: Code, callees: Callees, segment: SegmentPlace, address: Expr, size: number, access: Access): Expr;
  /** The low 32 bits of the linear address. */
  linearLow(segment: SegmentPlace, address: Expr): Expr;
  /** An offset in the stack at some distance from a register's value. */
  stackOffset(c: Code, register: number, distance: Expr): Expr;
  setStackPointer(c: Code, offset: Expr): void;
  nextIp(): Expr;
  target(operandSize: number): Expr;
  /** An offset beyond CS's limit, or not canonical. */
  badTarget(target: Expr): Expr;
  setIp(c: Code, target: Expr): void;
  /** An i32 of the semantics (a small, perhaps negative distance) as a word of this width. */
  distance(value: Expr): Expr;
}

/** A pointer by the TLB's entry if its tag fits, else by `slow`. */
function through(c: Code, quick: (done: (pointer: Expr) => void) => void, slow: Expr): Expr {
  const pointer = c.local(I32);
  c.block((done) => {
    quick((found) => {
      c.set(pointer, found);
      done();
    });
    c.set(pointer, slow);
  });
  return get(pointer);
}

export const NARROW: CodeWidth = {
  word: word(4),
  lookup: ({ lookup }) => lookup,
  operandSegment: (c) => {
    const register = c.let(I32, field(RECORD.segment));
    return { register, base: register };
  },
  operandAddress: (c) =>
    c.let(
      I32,
      i32.and(
        i32.add(
          i32.add(i32.load(field(RECORD.base)), i32.shl(i32.load(field(RECORD.index)), field(RECORD.shift))),
          field(RECORD.displacement),
        ),
        field(RECORD.mask),
      ),
    ),
  move: (c, address, distance) => c.let(I32, i32.and(i32.add(address, distance), field(RECORD.mask))),
  segment: (offset) => ({ register: at(offset), base: at(offset) }),
  stringAddress: (c, register, addressSize) =>
    c.let(I32, i32.and(state(REGISTERS + register * REGISTER_SIZE), at(addressSize === 2 ? 0xffff : -1))),
  host: (c, { memory }, { register, base }, address, size, access) => {
    const span = access === Access.read ? SEG.readSpan : SEG.writeSpan;
    const tag = access === Access.read ? TLB.read : TLB.write;
    return through(
      c,
      (done) =>
        c.if(i32.lt_u(i32.sub(address, i32.load(register, SEG.low)), i32.load(register, span)), () => {
          const linear = c.let(I32, i32.add(i32.load(base), address));
          const entry = c.let(I32, i32.add(state(TLB_BASE), i32.and(i32.shr_u(linear, at(8)), at((TLB_ENTRIES - 1) << 4))));
          const last = size === 1 ? linear : i32.add(linear, at(size - 1));
          c.if(i32.eq(i32.load(entry, tag), i32.and(last, at(PAGE_MASK))), () => done(i32.add(i32.load(entry, TLB.addend), linear)));
        }),
      call(memory, record, register, address, at(size | (access << 8))),
    );
  },
  linearLow: ({ base }, address) => i32.add(i32.load(base), address),
  stackOffset: (c, register, distance) =>
    c.let(I32, i32.and(i32.add(state(REGISTERS + register * REGISTER_SIZE), distance), state(STACK_MASK))),
  setStackPointer: (c, offset) => {
    const esp = REGISTERS + ESP * REGISTER_SIZE;
    i32.store(c, at(0), i32.xor(state(esp), i32.and(i32.xor(state(esp), offset), state(STACK_MASK))), esp);
  },
  nextIp: () => i32.add(state(IP), field(RECORD.next)),
  target: (operandSize) => {
    const target = i32.add(state(IP), field(RECORD.target));
    return operandSize === 2 ? i32.and(target, at(0xffff)) : target;
  },
  badTarget: (target) => i32.gt_u(target, state(CS + SEG.limit)),
  setIp: (c, target) => i32.store(c, at(0), target, IP),
  distance: (value) => value,
};

const wideState = (offset: number): Expr => i64.load(at(0), offset);
const wideRegister = (register: number): Expr => wideState(REGISTERS + register * REGISTER_SIZE);

export const LONG: CodeWidth = {
  word: word(8),
  lookup: ({ lookup64 }) => lookup64,
  operandSegment: () => ({ register: field(RECORD.segment), base: field(RECORD.segmentBase) }),
  operandAddress: (c) =>
    c.let(
      i64.type,
      i64.and(
        i64.add(
          i64.add(i64.load(field(RECORD.base)), i64.shl(i64.load(field(RECORD.index)), i64.extend_u(field(RECORD.shift)))),
          wideField(RECORD.displacement),
        ),
        wideField(RECORD.mask),
      ),
    ),
  move: (c, address, distance) => c.let(i64.type, i64.and(i64.add(address, distance), wideField(RECORD.mask))),
  segment: (offset) => ({ register: at(offset), base: at(offset < FS ? ZERO : offset + SEG.base) }),
  stringAddress: (c, register, addressSize) =>
    c.let(i64.type, addressSize === 4 ? i64.load32u(at(0), REGISTERS + register * REGISTER_SIZE) : wideRegister(register)),
  host: (c, { memory64 }, { register, base }, address, size, access) => {
    const tag = access === Access.read ? TLB64.read : TLB64.write;
    const linear = c.let(i64.type, i64.add(i64.load(base), address));
    const low = c.let(I32, i32.wrap(linear));
    return through(
      c,
      (done) => {
        const entry = c.let(I32, i32.add(state(TLB_BASE), i32.and(i32.shr_u(low, at(7)), at((TLB_ENTRIES - 1) << 5))));
        const last = size === 1 ? linear : i64.add(linear, i64.const(size - 1));
        c.if(i64.eq(i64.load(entry, tag), i64.and(last, i64.const(-4096))), () => done(i32.add(i32.load(entry, TLB64.addend), low)));
      },
      call(memory64, record, register, low, i32.wrap(i64.shr_u(linear, i64.const(32))), at(size | (access << 8))),
    );
  },
  linearLow: ({ base }, address) => i32.add(i32.load(base), i32.wrap(address)),
  stackOffset: (c, register, distance) => c.let(i64.type, i64.add(wideRegister(register), i64.extend_s(distance))),
  setStackPointer: (c, offset) => i64.store(c, at(0), offset, REGISTERS + ESP * REGISTER_SIZE),
  nextIp: () => i64.add(wideState(IP), i64.extend_s(field(RECORD.next))),
  target: () => i64.add(wideState(IP), i64.extend_s(field(RECORD.target))),
  badTarget: (target) => i64.ne(i64.shr_s(i64.shl(target, i64.const(UPPER_HALF)), i64.const(UPPER_HALF)), target),
  setIp: (c, target) => i64.store(c, at(0), target, IP),
  distance: i64.extend_s,
};
