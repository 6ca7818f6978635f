/** ADD to IDIV, conversions, and the read-modify-write instructions of the 80486. */
import { type Expr, i32, i64, select } from '../wasm/code';
import type { Context, FlagSink, Semantics } from './context';
import { divideQuadwords } from './division';
import { type Word, word } from './words';

const DIVIDE_ERROR = 0;
const EAX = 0;
const ECX = 1;
const EDX = 2;
const EBX = 3;

type Combine = (w: Word, a: Expr, b: Expr, c: Context) => Expr;

/** dst = dst op src. */
const binary =
  (combine: Combine, kind: 'add' | 'sub', carried = false): Semantics =>
  (c) => {
    const dst = c.operand(0);
    const w = dst.word;
    const b = c.let(w.type, c.operand(1).read());
    const a = c.let(w.type, dst.update());
    const result = c.let(w.type, combine(w, a, b, c));
    dst.write(result);
    c.flags[kind](w, a, b, result, carried);
  };

export const add = binary((w, a, b) => w.add(a, b), 'add');
export const adc = binary((w, a, b, c) => w.add(w.add(a, b), w.from(c.carry())), 'add', true);
export const sub = binary((w, a, b) => w.sub(a, b), 'sub');
export const sbb = binary((w, a, b, c) => w.sub(w.sub(a, b), w.from(c.carry())), 'sub', true);

export const cmp: Semantics = (c) => {
  const dst = c.operand(0);
  const w = dst.word;
  const b = c.let(w.type, c.operand(1).read());
  const a = c.let(w.type, dst.read());
  c.flags.sub(w, a, b, c.let(w.type, w.sub(a, b)));
};

/** dst = dst ± 1 with CF kept. */
const step =
  (delta: 1 | -1, describe: (flags: FlagSink, w: Word, a: Expr, result: Expr) => void): Semantics =>
  (c) => {
    const dst = c.operand(0);
    const w = dst.word;
    const a = c.let(w.type, dst.update());
    const result = c.let(w.type, w.add(a, w.const(delta)));
    dst.write(result);
    describe(c.flags, w, a, result);
  };

export const inc = step(1, (flags, w, a, result) => flags.increment(w, a, result));
export const dec = step(-1, (flags, w, a, result) => flags.decrement(w, a, result));

export const neg: Semantics = (c) => {
  const dst = c.operand(0);
  const w = dst.word;
  const a = c.let(w.type, dst.update());
  const result = c.let(w.type, w.sub(w.const(0), a));
  dst.write(result);
  c.flags.sub(w, w.const(0), a, result);
};

export const xadd: Semantics = (c) => {
  const dst = c.operand(0);
  const src = c.operand(1);
  const w = dst.word;
  const b = c.let(w.type, src.read());
  const a = c.let(w.type, dst.update());
  const result = c.let(w.type, w.add(a, b));
  // The source first: with both operands the same register the sum stays.
  src.write(a);
  dst.write(result);
  c.flags.add(w, a, b, result);
};

/** Memory is always written, with its old value where the comparison fails (manual, CMPXCHG); a register then stays as it is. */
export const cmpxchg: Semantics = (c) => {
  const dst = c.operand(0);
  const w = dst.word;
  const accumulator = c.register(EAX, w);
  const source = c.let(w.type, c.operand(1).read());
  const found = c.let(w.type, dst.update());
  const expected = c.let(w.type, accumulator.read());
  const equal = c.let(i32.type, w.eq(found, expected));
  c.if(
    equal,
    () => dst.write(source),
    () => {
      if (c.isMemory(0)) dst.write(found);
      accumulator.write(found);
    },
  );
  c.flags.sub(w, expected, found, c.let(w.type, w.sub(expected, found)));
};

/** The expected value's halves in EAX and EDX, the new one's in EBX and ECX; memory is always written. */
export const cmpxchg8b: Semantics = (c) => {
  const half = word(4);
  const read = (low: number, high: number): Expr => {
    const [a, b] = [c.register(low, half).read(), c.register(high, half).read()];
    return c.let(i64.type, i64.or(i64.extend_u(a), i64.shl(i64.extend_u(b), i64.const(32))));
  };
  const dst = c.operand(0);
  const expected = read(EAX, EDX);
  const found = c.let(i64.type, dst.update());
  const equal = c.let(i32.type, i64.eq(found, expected));
  dst.write(c.let(i64.type, select(equal, read(EBX, ECX), found)));
  c.if(i32.eqz(equal), () => {
    c.register(EAX, half).write(i32.wrap(found));
    c.register(EDX, half).write(i32.wrap(i64.shr_u(found, i64.const(32))));
  });
  c.flags.zero(i32.eqz(equal));
};

/** The same with RAX, RDX, RBX and RCX, at an aligned address. */
export const cmpxchg16b: Semantics = (c) => {
  const half = word(8);
  const register = (number: number): Expr => c.let(i64.type, c.register(number, half).read());
  const pointer = c.let(i32.type, c.pointer(0, 'update', 16, true));
  const [low, high] = [0, 8].map((offset) => c.let(i64.type, i64.load(pointer, offset)));
  const equal = c.let(i32.type, i32.and(i64.eq(low, register(EAX)), i64.eq(high, register(EDX))));
  i64.store(c.code, pointer, select(equal, register(EBX), low));
  i64.store(c.code, pointer, select(equal, register(ECX), high), 8);
  c.commit(pointer);
  c.if(i32.eqz(equal), () => {
    c.register(EAX, half).write(low);
    c.register(EDX, half).write(high);
  });
  c.flags.zero(i32.eqz(equal));
};

/** One-operand MUL and IMUL: the double-width product into AX, DX:AX, EDX:EAX or RDX:RAX. */
const widening =
  (signed: boolean): Semantics =>
  (c) => {
    const src = c.operand(0);
    const w = src.word;
    const extend = signed ? w.signed : w.zero;
    const b = c.let(w.type, src.read());
    const a = c.let(w.type, c.register(EAX, w).read());
    if (w.size === 8) return wideProduct(c, a, b, signed);
    if (w.size === 4) {
      const widen = signed ? i64.extend_s : i64.extend_u;
      const product = c.let(i64.type, i64.mul(widen(a), widen(b)));
      const low = c.let(i32.type, i32.wrap(product));
      const high = c.let(i32.type, w.low(i32.wrap(i64.shr_u(product, i64.const(32)))));
      c.register(EAX, w).write(low);
      c.register(EDX, w).write(high);
      overflowUnlessExtension(c, w, low, high, signed);
      return;
    }
    const product = c.let(i32.type, i32.mul(extend(a), extend(b)));
    const high = c.let(i32.type, w.zero(i32.shr_u(product, i32.const(w.bits))));
    if (w.size === 1) c.register(EAX, word(2)).write(product);
    else {
      c.register(EAX, w).write(product);
      c.register(EDX, w).write(high);
    }
    overflowUnlessExtension(c, w, product, high, signed);
  };

/** CF = OF = the high half is not the extension of the low one. */
function overflowUnlessExtension(c: Context, w: Word, low: Expr, high: Expr, signed: boolean): void {
  const extension = signed ? w.zero(w.shr_s(w.signed(low), w.const(w.bits - 1))) : w.const(0);
  const lost = c.let(i32.type, w.ne(w.zero(high), extension));
  c.flags.result(w, low, { carry: lost, overflow: lost });
}

/** 64 × 64 → 128 bits by schoolbook halves. */
function wideProduct(c: Context, a: Expr, b: Expr, signed: boolean): void {
  const w = word(8);
  const half = i64.const(0xffffffff);
  const shift = i64.const(32);
  const split = (value: Expr): readonly [Expr, Expr] => [c.let(i64.type, i64.and(value, half)), c.let(i64.type, i64.shr_u(value, shift))];
  const [al, ah] = split(a);
  const [bl, bh] = split(b);
  const ll = c.let(i64.type, i64.mul(al, bl));
  const middle = c.let(i64.type, i64.add(i64.mul(ah, bl), i64.shr_u(ll, shift)));
  const cross = c.let(i64.type, i64.add(i64.mul(al, bh), i64.and(middle, half)));
  const low = c.let(i64.type, i64.mul(a, b));
  let high = c.let(i64.type, i64.add(i64.mul(ah, bh), i64.add(i64.shr_u(middle, shift), i64.shr_u(cross, shift))));
  if (signed) {
    const correction = (x: Expr, y: Expr): Expr => i64.and(i64.shr_s(x, i64.const(63)), y);
    high = c.let(i64.type, i64.sub(i64.sub(high, correction(a, b)), correction(b, a)));
  }
  c.register(EAX, w).write(low);
  c.register(EDX, w).write(high);
  overflowUnlessExtension(c, w, low, high, signed);
}

export const mul = widening(false);
export const imul = widening(true);

/** Two- and three-operand IMUL: the product cut to the operand size. */
export const imulLow: Semantics = (c) => {
  const dst = c.operand(0);
  const w = dst.word;
  const three = c.operandCount === 3;
  const b = c.let(w.type, c.operand(three ? 2 : 1).read());
  const a = c.let(w.type, three ? c.operand(1).read() : dst.read());
  if (w.size === 8) {
    const low = c.let(i64.type, i64.mul(a, b));
    dst.write(low);
    const lost = c.let(i32.type, i64.ne(signedHigh(c, a, b), i64.shr_s(low, i64.const(63))));
    c.flags.result(w, low, { carry: lost, overflow: lost });
    return;
  }
  const product = c.let(i64.type, i64.mul(i64.extend_s(w.signed(a)), i64.extend_s(w.signed(b))));
  const low = c.let(i32.type, i32.wrap(product));
  dst.write(low);
  const lost = c.let(i32.type, i64.ne(product, i64.extend_s(w.signed(low))));
  c.flags.result(w, low, { carry: lost, overflow: lost });
};

/** The high 64 bits of a signed product. */
function signedHigh(c: Context, a: Expr, b: Expr): Expr {
  const half = i64.const(0xffffffff);
  const shift = i64.const(32);
  const al = c.let(i64.type, i64.and(a, half));
  const ah = c.let(i64.type, i64.shr_s(a, shift));
  const bl = c.let(i64.type, i64.and(b, half));
  const bh = c.let(i64.type, i64.shr_s(b, shift));
  const ll = i64.shr_u(i64.mul(al, bl), shift);
  const middle = c.let(i64.type, i64.add(i64.mul(ah, bl), ll));
  const cross = c.let(i64.type, i64.add(i64.mul(al, bh), i64.and(middle, half)));
  return i64.add(i64.mul(ah, bh), i64.add(i64.shr_s(middle, shift), i64.shr_s(cross, shift)));
}

/** DIV and IDIV: #DE for a zero divisor and for a quotient that does not fit. Flags stay as they are. */
const divide =
  (signed: boolean): Semantics =>
  (c) => {
    const src = c.operand(0);
    const w = src.word;
    if (w.size === 8) return divideQuadwords(c, c.let(i64.type, src.read()), signed);
    const divisor = c.let(i64.type, (signed ? i64.extend_s : i64.extend_u)((signed ? w.signed : w.zero)(c.let(i32.type, src.read()))));
    c.faultIf(i64.eqz(divisor), DIVIDE_ERROR);
    const dividend = c.let(i64.type, doubleWidth(c, w, signed));
    // The one quotient that overflows 64 bits; WebAssembly would trap on it.
    if (signed && w.size === 4) {
      c.faultIf(i32.and(i64.eq(divisor, i64.const(-1)), i64.eq(dividend, i64.const(-(2 ** 63)))), DIVIDE_ERROR);
    }
    const quotient = c.let(i64.type, (signed ? i64.div_s : i64.div_u)(dividend, divisor));
    const remainder = c.let(i64.type, (signed ? i64.rem_s : i64.rem_u)(dividend, divisor));
    const fits = signed ? i64.extend_s(w.signed(i32.wrap(quotient))) : i64.extend_u(w.zero(i32.wrap(quotient)));
    c.faultIf(i64.ne(quotient, fits), DIVIDE_ERROR);
    c.register(EAX, w).write(i32.wrap(quotient));
    (w.size === 1 ? c.highByte(0) : c.register(EDX, w)).write(i32.wrap(remainder));
  };

/** AX, DX:AX or EDX:EAX as an i64. */
function doubleWidth(c: Context, w: Word, signed: boolean): Expr {
  const extend = signed ? i64.extend_s : i64.extend_u;
  if (w.size === 1) {
    const ax = word(2);
    return extend((signed ? ax.signed : ax.zero)(c.register(EAX, ax).read()));
  }
  const low = c.register(EAX, w).read();
  const high = c.register(EDX, w).read();
  if (w.size === 2) return extend(i32.or(low, i32.shl(high, i32.const(16))));
  return i64.or(i64.extend_u(low), i64.shl(i64.extend_u(high), i64.const(32)));
}

export const div = divide(false);
export const idiv = divide(true);

/** CBW, CWDE, CDQE: the accumulator's lower half extended. */
export const cbw: Semantics = (c) => {
  const w = word(c.facts.operandSize);
  const half = word(w.size / 2);
  const low = half.signed(c.register(EAX, half).read());
  c.register(EAX, w).write(w.size === 8 ? i64.extend_s(low) : low);
};

/** CWD, CDQ, CQO: the accumulator's sign into (E/R)DX. */
export const cwd: Semantics = (c) => {
  const w = word(c.facts.operandSize);
  c.register(EDX, w).write(w.shr_s(w.signed(c.register(EAX, w).read()), w.const(w.bits - 1)));
};
