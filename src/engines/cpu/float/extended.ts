/** What only the x87 has: scaling, remainders, taking apart, packed decimals. */
import { type Code, type Expr, get, I32, I64, i32, i64, select } from '../wasm/code';
import type { LibraryFunction } from '../wasm/library';
import { denormalFlag, returnOneNaN } from './arithmetic';
import { unmasked } from './core';
import {
  F80_FORMAT as F80,
  indefinite,
  infinity,
  isInfinite,
  isZero,
  needsNaN,
  normalize,
  operands,
  returnNaN,
  type Unpacked,
  zero,
} from './formats';
import { Flag, n, not, q, variable } from './kit';

const NUMBER = F80.types;

const invalid = (c: Code, ...before: Expr[]): void => c.returnMany(...before, ...indefinite(F80), n(Flag.invalid));

const roundExtended = (c: Code, float_round: number, sign: Expr, exponent: Expr, high: Expr, control: Expr): Expr[] => {
  const [significand, rounded, raised] = c.callMany(
    float_round,
    [I64, I32, I32],
    sign,
    exponent,
    high,
    q(0),
    q(0),
    n(F80.maximum),
    control,
  );
  return [...F80.pack(sign, rounded, significand), raised];
};

/** An operand that becomes the result, denormals included: a pseudo-denormal gets the exponent that fits its integer bit. */
const canonical = ({ sign, exponent, significand }: Unpacked): Expr[] =>
  F80.pack(sign.get, i32.or(exponent.get, i32.and(i32.eqz(exponent.get), i64.lt_s(significand.get, q(0)))), significand.get);

/** More than any exponent can be moved by to some effect. */
const FARTHEST = 0x10000;

/** f80_scale: (a, b, control) → a · 2^trunc(b), flags (FSCALE). */
const scale: LibraryFunction = {
  name: 'f80_scale',
  parameters: [...NUMBER, ...NUMBER, I32],
  results: [...NUMBER, I32],
  body: (c, index) => {
    const { values, rest } = operands(F80, 2);
    const control = rest(0);
    const [a, b] = values.map((value) => F80.unpack(c, value));
    c.if(needsNaN(F80, a, b), () => returnNaN(c, F80, a, b));
    const flags = c.let(I32, denormalFlag(a, b));
    c.if(isInfinite(F80, b), () => {
      c.if(
        b.sign.get,
        () => {
          c.if(isInfinite(F80, a), () => invalid(c));
          c.returnMany(...zero(F80, a.sign.get), flags);
        },
        () => {
          c.if(isZero(a), () => invalid(c));
          c.returnMany(...infinity(F80, a.sign.get), flags);
        },
      );
    });
    c.if(i32.or(isInfinite(F80, a), isZero(a)), () => c.returnMany(...values[0], flags));
    c.if(unmasked(flags, control), () => c.returnMany(...values[0], flags));
    c.if(isZero(b), () => c.returnMany(...canonical(a), flags));
    normalize(c, a);
    const exponent = c.let(I32, i32.sub(b.exponent.get, n(F80.bias)));
    const magnitude = i32.wrap(i64.shr_u(b.significand.get, i64.extend_u(i32.sub(n(63), exponent))));
    const distance = variable(c, I32, n(FARTHEST));
    c.if(
      i32.lt_s(exponent, n(0)),
      () => distance.set(n(0)),
      () => c.if(i32.lt_s(exponent, n(16)), () => distance.set(magnitude)),
    );
    const moved = select(b.sign.get, i32.sub(a.exponent.get, distance.get), i32.add(a.exponent.get, distance.get));
    const [significand, signExponent, raised] = roundExtended(c, index('float_round'), a.sign.get, moved, a.significand.get, control);
    c.returnMany(significand, signExponent, i32.or(flags, raised));
  },
};

/** C0, C3 and C1 hold the quotient's low bits 2, 1 and 0; C2 says that the reduction is not complete. */
const QUOTIENT_BITS = [0x200, 0x4000, 0x100];
const INCOMPLETE = 0x400;

/**
 * f80_remainder: (a, b, control, nearest) → remainder, flags with the condition codes (FPREM, or FPREM1 when `nearest`).
 */
const remainder: LibraryFunction = {
  name: 'f80_remainder',
  parameters: [...NUMBER, ...NUMBER, I32, I32],
  results: [...NUMBER, I32],
  body: (c, index) => {
    const { values, rest } = operands(F80, 2);
    const control = rest(0);
    const nearest = rest(1);
    const [a, b] = values.map((value) => F80.unpack(c, value));
    c.if(needsNaN(F80, a, b), () => returnNaN(c, F80, a, b));
    const flags = c.let(I32, denormalFlag(a, b));
    c.if(i32.or(isInfinite(F80, a), isZero(b)), () => invalid(c));
    c.if(isZero(a), () => c.returnMany(...values[0], flags));
    c.if(unmasked(flags, control), () => c.returnMany(...values[0], flags));
    c.if(isInfinite(F80, b), () => c.returnMany(...canonical(a), flags));
    normalize(c, a);
    normalize(c, b);
    const distance = c.let(I32, i32.sub(a.exponent.get, b.exponent.get));
    const sign = variable(c, I32, a.sign.get);
    const exponent = variable(c, I32, a.exponent.get);
    const result = variable(c, I64, a.significand.get);
    const quotient = variable(c, I64, q(0));
    const codes = variable(c, I32, n(0));
    const reduce = (count: Expr): void => {
      // a · 2^count = quotient · b + result, with a first subtraction where a is not below b.
      const start = variable(c, I64, a.significand.get);
      const first = c.let(I32, i64.ge_u(start.get, b.significand.get));
      c.if(first, () => start.set(i64.sub(start.get, b.significand.get)));
      quotient.set(i64.shl(i64.extend_u(first), count));
      result.set(start.get);
      c.if(i64.ne(count, q(0)), () => {
        const high = i64.shr_u(start.get, i64.sub(q(64), count));
        const [digits, left] = c.callMany(index('float_divide'), [I64, I64], high, i64.shl(start.get, count), b.significand.get);
        quotient.set(i64.or(quotient.get, digits));
        result.set(left);
      });
    };
    c.if(
      i32.lt_s(distance, n(64)),
      () => {
        c.if(i32.ge_s(distance, n(0)), () => {
          reduce(c.let(I64, i64.extend_u(distance)));
          exponent.set(b.exponent.get);
        });
        // To nearest: once more when the rest is above half the divisor, or is half and the quotient odd.
        c.if(i32.and(nearest, i32.ge_s(distance, n(-1))), () => {
          const half = c.let(I32, i32.lt_s(distance, n(0)));
          const twice = c.let(I64, select(half, result.get, i64.shl(result.get, q(1))));
          const overflow = i32.and(not(half), i64.lt_s(result.get, q(0)));
          const odd = i32.wrap(i64.and(quotient.get, q(1)));
          const above = i32.or(overflow, i64.gt_u(twice, b.significand.get));
          c.if(i32.or(above, i32.and(i64.eq(twice, b.significand.get), odd)), () => {
            quotient.set(i64.add(quotient.get, q(1)));
            sign.set(i32.xor(sign.get, n(1)));
            // b - a, where a has one bit more below b's when it is the smaller.
            result.set(select(half, i64.sub(i64.shl(b.significand.get, q(1)), result.get), i64.sub(b.significand.get, result.get)));
          });
        });
        const bit = (place: number): Expr => i32.wrap(i64.and(i64.shr_u(quotient.get, q(place)), q(1)));
        QUOTIENT_BITS.forEach((code, place) => codes.set(i32.or(codes.get, i32.mul(bit(place), n(code)))));
      },
      () => {
        const step = c.let(I32, i32.or(i32.and(distance, n(0x1f)), n(0x20)));
        reduce(c.let(I64, i64.extend_u(step)));
        exponent.set(i32.sub(a.exponent.get, step));
        codes.set(n(INCOMPLETE));
      },
    );
    c.if(i64.eqz(result.get), () => c.returnMany(...zero(F80, a.sign.get), i32.or(flags, codes.get)));
    const count = c.let(I64, i64.clz(result.get));
    const [significand, signExponent, raised] = roundExtended(
      c,
      index('float_round'),
      sign.get,
      i32.sub(exponent.get, i32.wrap(count)),
      i64.shl(result.get, count),
      control,
    );
    c.returnMany(significand, signExponent, i32.or(i32.or(flags, codes.get), raised));
  },
};

/** f80_extract: (a, control) → significand (2), exponent as a number (2), flags (FXTRACT). */
const extract: LibraryFunction = {
  name: 'f80_extract',
  parameters: [...NUMBER, I32],
  results: [...NUMBER, ...NUMBER, I32],
  body: (c, index) => {
    const { values, rest } = operands(F80, 1);
    const a = F80.unpack(c, values[0]);
    c.if(needsNaN(F80, a), () => {
      const answer = c.callMany(index('f80_quiet'), [I64, I32, I32], ...values[0]);
      c.returnMany(answer[0], answer[1], answer[0], answer[1], answer[2]);
    });
    c.if(isInfinite(F80, a), () => c.returnMany(...values[0], ...infinity(F80, n(0)), n(0)));
    c.if(isZero(a), () => c.returnMany(...zero(F80, a.sign.get), ...infinity(F80, n(1)), n(Flag.zeroDivide)));
    const flags = c.let(I32, denormalFlag(a));
    c.if(unmasked(flags, rest(0)), () => c.returnMany(...values[0], ...values[0], flags));
    normalize(c, a);
    const exponent = c.callMany(index('i64_to_f80'), NUMBER, i64.extend_s(i32.sub(a.exponent.get, n(F80.bias))));
    c.returnMany(...F80.pack(a.sign.get, n(F80.bias), a.significand.get), ...exponent, flags);
  },
};

/** f80_quiet: (a) → the NaN that an operation on a NaN or unsupported operand gives, flags. */
const quiet: LibraryFunction = {
  name: 'f80_quiet',
  parameters: NUMBER,
  results: [...NUMBER, I32],
  body: (c) => {
    const { values } = operands(F80, 1);
    returnOneNaN(c, F80, F80.unpack(c, values[0]));
    c.returnMany(...values[0], n(0));
  },
};

/**
 * f80_denormal_source: (flags, a, control) → flags. An operation on `a` and a widened denormal found `flags`; what they are with the
 * source's own exception, which NaNs, invalid operations and divisions by zero come before.
 */
const denormalSource: LibraryFunction = {
  name: 'f80_denormal_source',
  parameters: [I32, ...NUMBER, I32],
  results: [I32],
  body: (c) => {
    const [flags, significand, signExponent, control] = [get(0), get(1), get(2), get(3)];
    const a = F80.unpack(c, [significand, signExponent]);
    const first = i32.and(flags, n(Flag.invalid | Flag.zeroDivide));
    c.if(i32.or(first, needsNaN(F80, a)), () => c.return(flags));
    c.if(i32.eqz(i32.and(control, n(Flag.denormal))), () => c.return(n(Flag.denormal)));
    c.return(i32.or(flags, n(Flag.denormal)));
  },
};

const DECIMAL_DIGITS = 18;
const LARGEST_DECIMAL = 10n ** 18n;

/** bcd_to_f80: (low quadword, high word) → number (FBLD). Digits above 9 count as they are, as on the silicon. */
const fromDecimal: LibraryFunction = {
  name: 'bcd_to_f80',
  parameters: [I64, I32],
  results: NUMBER,
  body: (c, index) => {
    const [low, high] = [get(0), get(1)];
    const sum = variable(c, I64, q(0));
    const digits = variable(c, I64, low);
    const take = (count: number, from: Expr): void => {
      const left = variable(c, I32, n(count));
      digits.set(from);
      c.loop((again) => {
        sum.set(i64.add(i64.mul(sum.get, q(10)), i64.shr_u(digits.get, q(60))));
        digits.set(i64.shl(digits.get, q(4)));
        left.set(i32.sub(left.get, n(1)));
        c.if(left.get, again);
      });
    };
    take(2, i64.shl(i64.extend_u(high), q(56)));
    take(DECIMAL_DIGITS - 2, low);
    const [significand, exponent] = c.callMany(index('i64_to_f80'), NUMBER, sum.get);
    c.returnMany(significand, i32.or(exponent, i32.and(high, n(0x8000))));
  },
};

/** f80_to_bcd: (a, control) → low quadword, high word, flags (FBSTP). */
const toDecimal: LibraryFunction = {
  name: 'f80_to_bcd',
  parameters: [...NUMBER, I32],
  results: [I64, I32, I32],
  body: (c, index) => {
    const { values, rest } = operands(F80, 1);
    const [value, flags] = c.callMany(index('f80_to_i64'), [I64, I32], ...values[0], rest(0), n(64));
    const sign = c.let(I32, i32.and(values[0][1], n(0x8000)));
    const left = variable(c, I64, select(sign, i64.sub(q(0), value), value));
    c.if(i32.or(i32.and(flags, n(Flag.invalid)), i64.ge_u(left.get, q(LARGEST_DECIMAL))), () =>
      c.returnMany(q(0xc000000000000000n), n(0xffff), n(Flag.invalid)),
    );
    const decimal = variable(c, I64, q(0));
    const give = (count: number): void => {
      const more = variable(c, I32, n(count));
      c.loop((again) => {
        decimal.set(i64.or(i64.shr_u(decimal.get, q(4)), i64.shl(i64.rem_u(left.get, q(10)), q(60))));
        left.set(i64.div_u(left.get, q(10)));
        more.set(i32.sub(more.get, n(1)));
        c.if(more.get, again);
      });
    };
    give(DECIMAL_DIGITS - 2);
    const low = c.let(I64, decimal.get);
    decimal.set(q(0));
    give(2);
    c.returnMany(low, i32.or(i32.wrap(i64.shr_u(decimal.get, q(56))), sign), flags);
  },
};

export const EXTENDED: readonly LibraryFunction[] = [quiet, scale, remainder, extract, denormalSource, fromDecimal, toDecimal];
