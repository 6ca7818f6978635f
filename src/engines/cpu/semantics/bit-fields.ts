/** Counting and rearranging bits, moves with reversed bytes, additions with one carry flag: what came after the 80386's bit operations. */
import { EFLAGS, SYS, SYSTEM } from '../layout';
import { type Expr, i32, I32, i64, I64, select } from '../wasm/code';
import { swapBytes } from './bytes';
import type { Context, Semantics } from './context';
import type { Word } from './words';

const n = i32.const;
const RDX = 2;

const INVALID_OPCODE = 6;
const PROTECTION = 1;
const VM = 1 << 17;

/** Instructions with a VEX prefix exist in protected mode alone (manual, "The VEX Prefix"): not in real and virtual-8086 mode. */
const vex =
  (semantics: Semantics): Semantics =>
  (c) => {
    if (!c.facts.long) {
      const unprotected = i32.eqz(i32.and(i32.load(n(0), SYSTEM + 8 * SYS.cr0), n(PROTECTION)));
      c.faultIf(i32.or(unprotected, i32.and(i32.load(n(0), EFLAGS), n(VM))), INVALID_OPCODE);
    }
    semantics(c);
  };

const wide = (w: Word, value: Expr): Expr => (w.size === 8 ? value : i64.extend_u(value));
const narrow = (w: Word, value: Expr): Expr => (w.size === 8 ? value : i32.wrap(value));

/** Reads operand `index` into a local. */
const read = (c: Context, index: number): Expr => {
  const place = c.operand(index);
  return c.let(place.word.type, place.read());
};

export const movbe: Semantics = (c) => {
  const src = c.operand(1);
  c.operand(0).write(swapBytes(c, src.word, src.read()));
};

/** ZF and CF by conditions, the others cleared. */
const setFlags = (c: Context, zero: Expr, carry: Expr): void => c.flags.explicit(c.let(I32, i32.or(carry, i32.shl(zero, n(6)))), n(0));

export const popcnt: Semantics = (c) => {
  const dst = c.operand(0);
  const value = read(c, 1);
  const count = dst.word.size === 8 ? i64.popcnt(value) : i32.popcnt(value);
  dst.write(c.let(dst.word.type, count));
  setFlags(c, dst.word.eqz(value), n(0));
};

const counting =
  (count: (w: Word, value: Expr) => Expr): Semantics =>
  (c) => {
    const dst = c.operand(0);
    const w = dst.word;
    const value = read(c, 1);
    const result = c.let(w.type, count(w, value));
    dst.write(result);
    setFlags(c, w.eqz(result), w.eqz(value));
  };

export const tzcnt = counting((w, value) => w.ctz(w.size === 2 ? i32.or(value, n(0x10000)) : value));
export const lzcnt = counting((w, value) => (w.size === 2 ? i32.sub(i32.clz(value), n(16)) : w.clz(value)));

export const andn = vex((c) => {
  const dst = c.operand(0);
  const w = dst.word;
  const b = read(c, 2);
  const result = c.let(w.type, w.and(w.xor(read(c, 1), w.const(-1)), b));
  dst.write(result);
  c.flags.logic(w, result);
});

/** Ones in the lowest `count` bits (an i32, which may be beyond the width). */
const lowest = (w: Word, count: Expr): Expr =>
  select(i32.lt_u(count, n(w.bits)), w.sub(w.shl(w.const(1), w.from(count)), w.const(1)), w.const(-1));

export const bextr = vex((c) => {
  const dst = c.operand(0);
  const w = dst.word;
  const value = read(c, 1);
  const control = c.let(I32, w.low(read(c, 2)));
  const start = c.let(I32, i32.and(control, n(0xff)));
  const length = c.let(I32, i32.and(i32.shr_u(control, n(8)), n(0xff)));
  const moved = select(i32.lt_u(start, n(w.bits)), w.shr_u(value, w.from(start)), w.const(0));
  const result = c.let(w.type, w.and(moved, lowest(w, length)));
  dst.write(result);
  c.flags.logic(w, result);
});

export const bzhi = vex((c) => {
  const dst = c.operand(0);
  const w = dst.word;
  const value = read(c, 1);
  const first = c.let(I32, i32.and(w.low(read(c, 2)), n(0xff)));
  const result = c.let(w.type, w.and(value, lowest(w, first)));
  dst.write(result);
  c.flags.result(w, result, { carry: i32.ge_u(first, n(w.bits)) });
});

const lowestSet =
  (op: (w: Word, value: Expr) => Expr, carry: (w: Word, value: Expr) => Expr): Semantics =>
  (c) => {
    const dst = c.operand(0);
    const w = dst.word;
    const value = read(c, 1);
    const result = c.let(w.type, op(w, value));
    dst.write(result);
    c.flags.result(w, result, { carry: carry(w, value) });
  };

const below = (w: Word, value: Expr): Expr => w.sub(value, w.const(1));
const isZero = (w: Word, value: Expr): Expr => w.eqz(value);

export const blsr = vex(lowestSet((w, value) => w.and(value, below(w, value)), isZero));
export const blsmsk = vex(lowestSet((w, value) => w.xor(value, below(w, value)), isZero));
export const blsi = vex(
  lowestSet(
    (w, value) => w.and(value, w.sub(w.const(0), value)),
    (w, value) => w.ne(value, w.const(0)),
  ),
);

const byLibrary =
  (name: string): Semantics =>
  (c) => {
    const dst = c.operand(0);
    const w = dst.word;
    const mask = read(c, 2);
    const [result] = c.library(name, wide(w, read(c, 1)), wide(w, mask));
    dst.write(narrow(w, result));
  };

export const pdep = vex(byLibrary('bits-deposit'));
export const pext = vex(byLibrary('bits-extract'));

/** The low half goes to the second operand, then the high half to the first: of one register the high half stays. */
export const mulx = vex((c) => {
  const w = c.operand(0).word;
  const b = read(c, 2);
  const a = c.let(w.type, c.register(RDX, w).read());
  if (w.size === 8) {
    const [low, high] = c.library('multiply-wide', a, b);
    c.operand(1).write(low);
    c.operand(0).write(high);
    return;
  }
  const product = c.let(I64, i64.mul(i64.extend_u(a), i64.extend_u(b)));
  c.operand(1).write(i32.wrap(product));
  c.operand(0).write(i32.wrap(i64.shr_u(product, i64.const(32))));
});

/** Counts are taken modulo the width, as WebAssembly does. */
const shiftWithoutFlags =
  (op: (w: Word, value: Expr, count: Expr) => Expr): Semantics =>
  (c) => {
    const dst = c.operand(0);
    const w = dst.word;
    const value = read(c, 1);
    const source = c.operand(2);
    const count = c.let(source.word.type, source.read());
    dst.write(c.let(w.type, op(w, value, source.word.size === w.size ? count : w.from(count))));
  };

export const rorx = vex(shiftWithoutFlags((w, value, count) => w.rotr(value, count)));
export const sarx = vex(shiftWithoutFlags((w, value, count) => w.shr_s(value, count)));
export const shlx = vex(shiftWithoutFlags((w, value, count) => w.shl(value, count)));
export const shrx = vex(shiftWithoutFlags((w, value, count) => w.shr_u(value, count)));

/** Adds operands and a carry; @returns the carry out */
function addWithCarry(c: Context, carryIn: Expr): Expr {
  const dst = c.operand(0);
  const w = dst.word;
  const b = read(c, 1);
  const a = c.let(w.type, dst.read());
  const carry = c.let(I32, carryIn);
  const result = c.let(w.type, w.add(w.add(a, b), w.from(carry)));
  dst.write(result);
  return c.let(I32, i32.or(w.lt_u(result, a), i32.and(w.eq(result, a), carry)));
}

export const adcx: Semantics = (c) => c.flags.carry(addWithCarry(c, c.carry()));
export const adox: Semantics = (c) => {
  const overflow = addWithCarry(c, c.overflow());
  c.flags.carryOverflow(c.let(I32, c.carry()), overflow);
};

/** CRC-32C, a byte at a time from the lowest up. */
export const crc32: Semantics = (c) => {
  const dst = c.operand(0);
  const source = c.operand(1);
  const value = c.let(source.word.type, source.read());
  const old = c.let(dst.word.type, dst.read());
  const crc = dst.word.size === 8 ? i32.wrap(old) : old;
  const data = source.word.size === 8 ? value : i64.extend_u(value);
  const [result] = c.library('crc32c', crc, data, n(source.word.bits));
  dst.write(dst.word.size === 8 ? i64.extend_u(result) : result);
};
