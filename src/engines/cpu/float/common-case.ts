/**
 * Extended arithmetic where nothing is special: normal operands, rounding to nearest to 64 or 53 bits, a normal result. Written out in
 * one piece, without the calls of the general way, which takes what is refused here.
 */
import { type Code, type Expr, get, I32, I64, i32, i64 } from '../wasm/code';
import type { FunctionIndex } from '../wasm/library';
import type { Format } from './formats';
import { both, Control, n, q, TOP_BIT, type Variable, variable } from './kit';

const BIAS = 16383;
const MAXIMUM = 0x7fff;
const SIGN = 0x8000;
/** Of the precision control: set for 53 and 64 bits, and for 64 bits alone. */
const WIDE = 0x200;
const WIDEST = 0x100;
const DOUBLE_DROPPED = 0x7ff;
const [PRECISION_SHIFT, ROUNDED_UP_SHIFT] = [5, 9];

/** Exponents of 1 and more, to be told from others by one comparison. */
const finite = (exponent: Expr): Expr => i32.lt_u(i32.sub(exponent, n(1)), n(MAXIMUM - 1));
const isSet = (significand: Expr): Expr => i64.lt_s(significand, q(0));
const bit = (condition: Expr): Expr => i64.extend_u(condition);

/** Returns `high:low`, of which bit 63 of `high` is set, rounded, if that is a normal number. @param sign in bit 15 */
function returnRounded(c: Code, sign: Expr, exponent: Variable, highIn: Expr, lowIn: Expr, control: Expr): void {
  const high = variable(c, I64, highIn);
  const low = variable(c, I64, lowIn);
  const up = variable(c, I64, q(0));
  const roundsUp = (odd: Expr): Expr => bit(i32.or(i64.gt_u(low.get, q(TOP_BIT)), i32.and(i64.eq(low.get, q(TOP_BIT)), i32.wrap(odd))));
  c.if(
    i32.and(control, n(WIDEST)),
    () => {
      up.set(roundsUp(i64.and(high.get, q(1))));
      high.set(i64.add(high.get, up.get));
    },
    () => {
      low.set(i64.or(i64.shl(high.get, q(53)), bit(i64.ne(low.get, q(0)))));
      up.set(roundsUp(i64.and(i64.shr_u(high.get, q(11)), q(1))));
      high.set(i64.and(i64.add(high.get, i64.shl(up.get, q(11))), q(~BigInt(DOUBLE_DROPPED))));
    },
  );
  // Rounded up to the next power of two.
  c.if(i64.eqz(high.get), () => {
    high.set(q(TOP_BIT));
    exponent.set(i32.add(exponent.get, n(1)));
  });
  c.if(finite(exponent.get), () => {
    const flags = i32.or(i32.shl(i64.ne(low.get, q(0)), n(PRECISION_SHIFT)), i32.shl(i32.wrap(up.get), n(ROUNDED_UP_SHIFT)));
    c.returnMany(high.get, i32.or(sign, exponent.get), flags);
  });
}

interface Operand {
  readonly significand: Expr;
  readonly exponent: Expr;
  /** In bit 15. */
  readonly sign: Expr;
}

/** Runs `compute` on the two extended numbers that are the function's first parameters if they and the control word are as usual. */
function whenUsual(c: Code, compute: (a: Operand, b: Operand, control: Expr) => void): void {
  const control = get(4);
  const [a, b] = [0, 2].map((first): Operand => {
    const [significand, top] = [get(first), get(first + 1)];
    return { significand, exponent: c.let(I32, i32.and(top, n(MAXIMUM))), sign: i32.and(top, n(SIGN)) };
  });
  c.if(i32.eq(i32.and(control, n(Control.rounding | WIDE)), n(WIDE)), () =>
    c.if(both(finite(a.exponent), finite(b.exponent)), () =>
      c.if(isSet(i64.and(a.significand, b.significand)), () => compute(a, b, control)),
    ),
  );
}

/** Zeros that `count` (0 to 63) bits of `value` leave behind when they go up, and what they are in the word above. */
const carriedUp = (value: Expr, count: Expr): Expr => i64.shr_u(i64.shr_u(value, q(1)), i64.sub(q(63), count));

export function quickSum(c: Code, subtracts: boolean): void {
  whenUsual(c, (x, y, control) => {
    const large = { significand: variable(c, I64, x.significand), exponent: variable(c, I32, x.exponent), sign: variable(c, I32, x.sign) };
    const small = { significand: variable(c, I64, y.significand), exponent: variable(c, I32, y.exponent) };
    const opposite = c.let(I32, i32.xor(i32.xor(x.sign, y.sign), n(subtracts ? SIGN : 0)));
    c.if(i32.or(i32.lt_u(x.exponent, y.exponent), i32.and(i32.eq(x.exponent, y.exponent), i64.lt_u(x.significand, y.significand))), () => {
      large.significand.set(y.significand);
      large.exponent.set(y.exponent);
      large.sign.set(i32.xor(large.sign.get, opposite));
      small.significand.set(x.significand);
      small.exponent.set(x.exponent);
    });
    const distance = c.let(I64, i64.extend_u(i32.sub(large.exponent.get, small.exponent.get)));
    c.if(i64.lt_u(distance, q(64)), () => {
      const high = variable(c, I64, i64.shr_u(small.significand.get, distance));
      const low = variable(c, I64, i64.shl(i64.shl(small.significand.get, q(1)), i64.sub(q(63), distance)));
      const { exponent } = large;
      c.if(
        opposite,
        () => {
          high.set(i64.sub(i64.sub(large.significand.get, high.get), bit(i64.ne(low.get, q(0)))));
          low.set(i64.sub(q(0), low.get));
          const count = c.let(I64, i64.clz(high.get));
          high.set(i64.or(i64.shl(high.get, count), carriedUp(low.get, count)));
          low.set(i64.shl(low.get, count));
          exponent.set(i32.sub(exponent.get, i32.wrap(count)));
        },
        () => {
          high.set(i64.add(large.significand.get, high.get));
          c.if(i64.lt_u(high.get, large.significand.get), () => {
            low.set(i64.or(i64.or(i64.shr_u(low.get, q(1)), i64.shl(high.get, q(63))), i64.and(low.get, q(1))));
            high.set(i64.or(i64.shr_u(high.get, q(1)), q(TOP_BIT)));
            exponent.set(i32.add(exponent.get, n(1)));
          });
        },
      );
      // Not where nothing is left, or so little that it was all in the lower half.
      c.if(isSet(high.get), () => returnRounded(c, large.sign.get, exponent, high.get, low.get, control));
    });
  });
}

const LOW_HALF = 0xffffffff;
const lowHalf = (value: Expr): Expr => i64.and(value, q(LOW_HALF));
const highHalf = (value: Expr): Expr => i64.shr_u(value, q(32));

export function quickProduct(c: Code): void {
  whenUsual(c, (a, b, control) => {
    const [al, ah] = [c.let(I64, lowHalf(a.significand)), c.let(I64, highHalf(a.significand))];
    const [bl, bh] = [c.let(I64, lowHalf(b.significand)), c.let(I64, highHalf(b.significand))];
    const bottom = c.let(I64, i64.mul(al, bl));
    const first = c.let(I64, i64.add(i64.mul(ah, bl), highHalf(bottom)));
    const second = c.let(I64, i64.add(i64.mul(al, bh), lowHalf(first)));
    const high = c.let(I64, i64.add(i64.add(i64.mul(ah, bh), highHalf(first)), highHalf(second)));
    const low = c.let(I64, i64.or(i64.shl(second, q(32)), lowHalf(bottom)));
    const less = c.let(I64, i64.xor(i64.shr_u(high, q(63)), q(1)));
    const exponent = variable(c, I32, i32.sub(i32.add(a.exponent, b.exponent), i32.add(i32.wrap(less), n(BIAS - 1))));
    const shifted = i64.or(i64.shl(high, less), i64.and(i64.shr_u(low, q(63)), less));
    returnRounded(c, i32.xor(a.sign, b.sign), exponent, shifted, i64.shl(low, less), control);
  });
}

export function quickQuotient(c: Code, index: FunctionIndex): void {
  whenUsual(c, (a, b, control) => {
    const [less, high, low] = c.callMany(index('float_quotient'), [I32, I64, I64], a.significand, b.significand);
    const exponent = variable(c, I32, i32.sub(i32.add(a.exponent, n(BIAS)), i32.add(b.exponent, less)));
    returnRounded(c, i32.xor(a.sign, b.sign), exponent, high, low, control);
  });
}

/** The square root of the extended number that is the function's first parameter. */
export function quickRoot(c: Code, index: FunctionIndex): void {
  const [significand, top, control] = [get(0), get(1), get(2)];
  c.if(i32.eq(i32.and(control, n(Control.rounding | WIDE)), n(WIDE)), () =>
    // Beyond the largest exponent where it is negative.
    c.if(i32.and(finite(top), isSet(significand)), () => {
      const distance = c.let(I32, i32.sub(top, n(BIAS)));
      const [high, low] = c.callMany(index('float_root'), [I64, I64], significand, i32.and(distance, n(1)));
      returnRounded(c, n(0), variable(c, I32, i32.add(i32.shr_s(distance, n(1)), n(BIAS))), high, low, control);
    }),
  );
}

/** The extended number that is the function's first parameter, rounded to nearest into a narrower format, normal in both. */
export function quickNarrowing(c: Code, { bias, maximum, dropped, types: [type] }: Format): void {
  const [significand, top, control] = [get(0), get(1), get(2)];
  const lost = dropped.toString(2).length;
  c.if(i32.eqz(i32.and(control, n(Control.rounding))), () => {
    const exponent = c.let(I32, i32.sub(i32.and(top, n(MAXIMUM)), n(BIAS - bias)));
    // Not the largest either, which may be rounded up to an infinity.
    c.if(i32.and(i32.lt_u(i32.sub(exponent, n(1)), n(maximum - 2)), isSet(significand)), () => {
      const fraction = c.let(I64, i64.shl(significand, q(64 - lost)));
      const kept = c.let(I64, i64.shr_u(significand, q(lost)));
      const half = i64.eq(fraction, q(TOP_BIT));
      const up = c.let(I32, i32.or(i64.gt_u(fraction, q(TOP_BIT)), i32.and(half, i32.wrap(i64.and(kept, q(1))))));
      // The leading bit counts as one of the exponent.
      const digits = 63 - lost;
      const rounded = i64.add(i64.shl(i64.extend_u(i32.sub(exponent, n(1))), q(digits)), i64.add(kept, i64.extend_u(up)));
      const sign = i32.and(top, n(SIGN));
      const result = type === I64 ? i64.or(rounded, i64.shl(i64.extend_u(sign), q(48))) : i32.or(i32.wrap(rounded), i32.shl(sign, n(16)));
      c.returnMany(result, i32.or(i32.shl(i64.ne(fraction, q(0)), n(PRECISION_SHIFT)), i32.shl(up, n(ROUNDED_UP_SHIFT))));
    });
  });
}
