/**
 * Arithmetic on unpacked numbers, shared by all formats. A finite number that is not zero has a sign (0 or 1), an exponent in
 * its format's bias, and a 64-bit significand whose bit 63 is set. Exact results are 128 bits wide (high, low), the last bit
 * of `low` standing for everything further down.
 */
import { type Code, type Expr, f64, get, I32, I64, i32, i64, select, truncate } from '../wasm/code';
import type { LibraryFunction } from '../wasm/library';
import { ALL_EXCEPTIONS, Control, Flag, has, n, not, q, roundingOf, roundsUp, shiftLeftHigh, sticky, TOP_BIT, variable } from './kit';

/** What unmasked overflow and underflow take off or add to the exponent (manual, "Numeric Overflow Exception"). */
const BIAS_ADJUST = 24576;

const parameters = (count: number): Expr[] => Array.from({ length: count }, (_, i) => get(i));

/** (high:low) >> count with a sticky last bit, count > 0. */
function shiftRight(c: Code, high: Expr, low: Expr, count: Expr): [Expr, Expr] {
  const toHigh = variable(c, I64, q(0));
  const toLow = variable(c, I64, q(1));
  const amount = c.let(I64, i64.extend_u(count));
  const rest = c.let(I64, i64.sub(q(64), amount));
  c.if(
    i32.lt_u(count, n(64)),
    () => {
      toHigh.set(i64.shr_u(high, amount));
      toLow.set(i64.or(i64.or(i64.shl(high, rest), i64.shr_u(low, amount)), sticky(i64.shl(low, rest))));
    },
    () =>
      c.if(
        i32.eq(count, n(64)),
        () => toLow.set(i64.or(high, sticky(low))),
        () =>
          c.if(i32.lt_u(count, n(128)), () => {
            toLow.set(i64.or(i64.shr_u(high, amount), sticky(i64.or(i64.shl(high, rest), low))));
          }),
      ),
  );
  return [toHigh.get, toLow.get];
}

/**
 * float_round(sign, exponent, high, low, dropped, maximum, control) → significand, exponent, flags. Rounds to a format with
 * minimum exponent 1 and `maximum` that of infinities; `dropped` masks the bits of `high` that the precision has no room for.
 * Tininess is detected after rounding, as x86 does. Exponent 0 is a denormal or zero.
 */
const round: LibraryFunction = {
  name: 'float_round',
  parameters: [I32, I32, I64, I64, I64, I32, I32],
  results: [I64, I32, I32],
  body: (c) => {
    const [sign, exponentIn, highIn, lowIn, dropped, maximum, control] = parameters(7);
    const rounding = c.let(I32, roundingOf(control));
    const exponent = variable(c, I32, exponentIn);
    const high = variable(c, I64, highIn);
    const low = variable(c, I64, lowIn);
    const flags = variable(c, I32, n(0));
    const unit = c.let(I64, i64.add(dropped, q(1)));
    const wholeWord = c.let(I32, i64.eqz(dropped));
    const fractionOf = (): Expr =>
      c.let(I64, i64.or(i64.shl(i64.and(high.get, dropped), i64.clz(dropped)), select(wholeWord, low.get, sticky(low.get))));
    const fraction = variable(c, I64, fractionOf());
    const kept = variable(c, I64, i64.and(high.get, i64.xor(dropped, q(-1))));
    const decide = (): Expr => roundsUp(c, rounding, sign, fraction.get, i64.ne(i64.and(kept.get, unit), q(0)));
    const up = variable(c, I32, decide());
    const denormal = variable(c, I32, n(0));

    c.if(i32.le_s(exponent.get, n(0)), () => {
      const reachesNormal = i32.and(i32.and(i32.eqz(exponent.get), up.get), i64.eqz(i64.add(kept.get, unit)));
      c.if(not(reachesNormal), () => {
        c.if(
          has(control, Flag.underflow),
          () => {
            c.if(has(control, Control.flushToZero), () => c.returnMany(q(0), n(0), n(Flag.underflow | Flag.precision)));
            const [h, l] = shiftRight(c, high.get, low.get, i32.sub(n(1), exponent.get));
            high.set(h);
            low.set(l);
            exponent.set(n(0));
            denormal.set(n(1));
            fraction.set(fractionOf());
            kept.set(i64.and(high.get, i64.xor(dropped, q(-1))));
            up.set(decide());
          },
          () => {
            flags.set(n(Flag.underflow));
            exponent.set(i32.add(exponent.get, n(BIAS_ADJUST)));
            // Only scaling goes so far (manual, FSCALE).
            c.if(i32.le_s(exponent.get, n(0)), () => c.returnMany(q(0), n(0), n(Flag.underflow | Flag.precision)));
          },
        );
      });
    });

    c.if(up.get, () => {
      kept.set(i64.add(kept.get, unit));
      flags.set(i32.or(flags.get, n(Flag.roundedUp)));
      c.if(i64.eqz(kept.get), () => {
        kept.set(q(TOP_BIT));
        exponent.set(i32.add(exponent.get, n(1)));
      });
    });
    c.if(i64.ne(fraction.get, q(0)), () => {
      flags.set(i32.or(flags.get, n(Flag.precision)));
      c.if(denormal.get, () => flags.set(i32.or(flags.get, n(Flag.underflow))));
    });
    // A denormal that was rounded up to the least normal number.
    c.if(i32.and(denormal.get, i64.lt_s(kept.get, q(0))), () => exponent.set(n(1)));
    // The narrow formats' adjusted exponents may look like overflow; nobody takes their result.
    c.if(i32.and(i32.ge_s(exponent.get, maximum), i32.eqz(has(flags.get, Flag.underflow))), () => {
      c.if(
        has(control, Flag.overflow),
        () => {
          const away = i32.or(i32.eqz(rounding), i32.eq(rounding, i32.sub(n(2), sign)));
          const beyond = n(Flag.overflow | Flag.precision);
          c.if(away, () => c.returnMany(q(TOP_BIT), maximum, i32.or(beyond, n(Flag.roundedUp))));
          c.returnMany(i64.xor(dropped, q(-1)), i32.sub(maximum, n(1)), beyond);
        },
        () => {
          flags.set(i32.or(flags.get, n(Flag.overflow)));
          exponent.set(i32.sub(exponent.get, n(BIAS_ADJUST)));
          c.if(i32.ge_s(exponent.get, maximum), () =>
            c.returnMany(q(TOP_BIT), maximum, n(Flag.overflow | Flag.precision | Flag.roundedUp)),
          );
        },
      );
    });
    c.returnMany(kept.get, exponent.get, flags.get);
  },
};

/** float_sum(signA, exponentA, a, signB, exponentB, b) → sign, exponent, high, low; high is 0 for an exact zero. */
const sum: LibraryFunction = {
  name: 'float_sum',
  parameters: [I32, I32, I64, I32, I32, I64],
  results: [I32, I32, I64, I64],
  body: (c, index) => {
    const [signA, exponentA, a, signB, exponentB, b] = parameters(6);
    c.if(i32.or(i32.lt_s(exponentA, exponentB), i32.and(i32.eq(exponentA, exponentB), i64.lt_u(a, b))), () =>
      c.returnCall(index('float_sum'), signB, exponentB, b, signA, exponentA, a),
    );
    const exponent = variable(c, I32, exponentA);
    const high = variable(c, I64, q(0));
    const low = variable(c, I64, q(0));
    const alignedHigh = variable(c, I64, b);
    const alignedLow = variable(c, I64, q(0));
    const distance = c.let(I32, i32.sub(exponentA, exponentB));
    c.if(distance, () => {
      const [h, l] = shiftRight(c, b, q(0), distance);
      alignedHigh.set(h);
      alignedLow.set(l);
    });
    c.if(
      i32.eq(signA, signB),
      () => {
        high.set(i64.add(a, alignedHigh.get));
        low.set(alignedLow.get);
        c.if(i64.lt_u(high.get, a), () => {
          low.set(i64.or(i64.or(i64.shr_u(low.get, q(1)), i64.shl(high.get, q(63))), i64.and(low.get, q(1))));
          high.set(i64.or(i64.shr_u(high.get, q(1)), q(TOP_BIT)));
          exponent.set(i32.add(exponent.get, n(1)));
        });
      },
      () => {
        high.set(i64.sub(i64.sub(a, alignedHigh.get), sticky(alignedLow.get)));
        low.set(i64.sub(q(0), alignedLow.get));
        c.if(i64.eqz(high.get), () => {
          c.if(i64.eqz(low.get), () => c.returnMany(n(0), n(0), q(0), q(0)));
          high.set(low.get);
          low.set(q(0));
          exponent.set(i32.sub(exponent.get, n(64)));
        });
        const count = c.let(I64, i64.clz(high.get));
        c.if(i64.ne(count, q(0)), () => {
          high.set(shiftLeftHigh(high.get, low.get, count));
          low.set(i64.shl(low.get, count));
          exponent.set(i32.sub(exponent.get, i32.wrap(count)));
        });
      },
    );
    c.returnMany(signA, exponent.get, high.get, low.get);
  },
};

const LOW_HALF = 0xffffffff;
const lowHalf = (value: Expr): Expr => i64.and(value, q(LOW_HALF));
const highHalf = (value: Expr): Expr => i64.shr_u(value, q(32));

/** float_multiply(a, b) → high, low: the whole product, not normalized. */
const multiply: LibraryFunction = {
  name: 'float_multiply',
  parameters: [I64, I64],
  results: [I64, I64],
  body: (c) => {
    const [a, b] = parameters(2);
    const al = c.let(I64, lowHalf(a));
    const ah = c.let(I64, highHalf(a));
    const bl = c.let(I64, lowHalf(b));
    const bh = c.let(I64, highHalf(b));
    const bottom = c.let(I64, i64.mul(al, bl));
    const first = c.let(I64, i64.add(i64.mul(ah, bl), highHalf(bottom)));
    const second = c.let(I64, i64.add(i64.mul(al, bh), lowHalf(first)));
    const high = i64.add(i64.add(i64.mul(ah, bh), highHalf(first)), highHalf(second));
    c.returnMany(high, i64.or(i64.shl(second, q(32)), lowHalf(bottom)));
  },
};

/**
 * float_divide(high, low, divisor) → quotient, remainder of a 128-bit dividend; high < divisor, and divisor has bit 63.
 * Two digits of 32 bits, each estimated from the divisor's upper half (Knuth, The Art of Computer Programming, 4.3.1).
 */
const divide: LibraryFunction = {
  name: 'float_divide',
  parameters: [I64, I64, I64],
  results: [I64, I64],
  body: (c) => {
    const [high, low, divisor] = parameters(3);
    const dh = c.let(I64, highHalf(divisor));
    const dl = c.let(I64, lowHalf(divisor));
    const digit = (dividend: Expr, next: Expr): { digit: Expr; rest: Expr } => {
      const estimate = variable(c, I64, i64.div_u(dividend, dh));
      const rest = variable(c, I64, i64.sub(dividend, i64.mul(estimate.get, dh)));
      c.loop((again) => {
        const tooLarge = i32.or(
          i64.ne(highHalf(estimate.get), q(0)),
          i64.gt_u(i64.mul(estimate.get, dl), i64.or(i64.shl(rest.get, q(32)), next)),
        );
        c.if(tooLarge, () => {
          estimate.set(i64.sub(estimate.get, q(1)));
          rest.set(i64.add(rest.get, dh));
          c.if(i64.eqz(highHalf(rest.get)), again);
        });
      });
      // Modulo 2^64, where the true remainder lies.
      const exact = i64.sub(i64.or(i64.shl(dividend, q(32)), next), i64.mul(estimate.get, divisor));
      return { digit: estimate.get, rest: c.let(I64, exact) };
    };
    const upper = digit(high, c.let(I64, highHalf(low)));
    const lower = digit(upper.rest, c.let(I64, lowHalf(low)));
    c.returnMany(i64.or(i64.shl(upper.digit, q(32)), lower.digit), lower.rest);
  },
};

/** float_quotient(a, b) → 1 if a < b, high, low: a/b with the point behind bit 63, doubled where a < b. */
const quotient: LibraryFunction = {
  name: 'float_quotient',
  parameters: [I64, I64],
  results: [I32, I64, I64],
  body: (c, index) => {
    const [a, b] = parameters(2);
    const less = c.let(I32, i64.lt_u(a, b));
    const high = select(less, a, i64.shr_u(a, q(1)));
    const low = select(less, q(0), i64.shl(a, q(63)));
    const [result, rest] = c.callMany(index('float_divide'), [I64, I64], high, low, b);
    // The rest against half the divisor says all that rounding needs.
    const double = c.let(I64, i64.shl(rest, q(1)));
    const half = i32.or(i64.lt_s(rest, q(0)), i64.ge_u(double, b));
    const exact = i64.eq(double, b);
    const tail = i64.or(i64.shl(i64.extend_u(half), q(63)), i64.extend_u(i32.or(i64.lt_s(rest, q(0)), i32.eqz(exact))));
    c.returnMany(less, result, select(i64.eqz(rest), q(0), tail));
  },
};

/**
 * float_root(significand, odd) → high, low: the square root of significand (odd: 0) or of twice it (odd: 1), in [1, 2).
 * Zimmermann's Karatsuba square root: 32 bits from the native root, 32 more by one division.
 */
const root: LibraryFunction = {
  name: 'float_root',
  parameters: [I64, I32],
  results: [I64, I64],
  body: (c, index) => {
    const [significand, odd] = parameters(2);
    // The radicand in [2^126, 2^128): upper:lower.
    const upper = c.let(I64, select(odd, significand, i64.shr_u(significand, q(1))));
    const lower = c.let(I64, select(odd, q(0), i64.shl(significand, q(63))));
    const first = variable(c, I64, truncate.i64_f64_u(f64.sqrt(f64.convert_i64_u(upper))));
    c.if(i64.gt_u(first.get, q(LOW_HALF)), () => first.set(q(LOW_HALF)));
    c.if(i64.gt_u(i64.mul(first.get, first.get), upper), () => first.set(i64.sub(first.get, q(1))));
    const rest = c.let(I64, i64.sub(upper, i64.mul(first.get, first.get)));
    // (rest·2^32 + next digit) / (2·first), halved before the division so that it fits.
    const dividend = c.let(I64, i64.or(i64.shl(rest, q(31)), i64.shr_u(lower, q(33))));
    const digit = c.let(I64, i64.div_u(dividend, first.get));
    const result = variable(c, I64, i64.add(i64.shl(first.get, q(32)), digit));
    // The digit may be 2^32 and the sum 2^64, which is one too much.
    c.if(i64.eqz(result.get), () => result.set(q(-1)));
    const square = (): Expr[] => c.callMany(index('float_multiply'), [I64, I64], result.get, result.get);
    const restHigh = variable(c, I64, q(0));
    const restLow = variable(c, I64, q(0));
    c.loop((again) => {
      const [sh, sl] = square();
      restLow.set(i64.sub(lower, sl));
      restHigh.set(i64.sub(i64.sub(upper, sh), i64.extend_u(i64.lt_u(lower, sl))));
      c.if(i64.lt_s(restHigh.get, q(0)), () => {
        result.set(i64.sub(result.get, q(1)));
        again();
      });
    });
    const none = i64.eqz(i64.or(restHigh.get, restLow.get));
    const aboveHalf = i32.or(i64.ne(restHigh.get, q(0)), i64.gt_u(restLow.get, result.get));
    c.returnMany(result.get, select(none, q(0), select(aboveHalf, q(TOP_BIT | 1n), q(1))));
  },
};

/**
 * float_integer(sign, exponent, significand, control, bits) → value, flags. `exponent` is unbiased. What does not fit is
 * invalid and gives the integer indefinite.
 */
const integer: LibraryFunction = {
  name: 'float_integer',
  parameters: [I32, I32, I64, I32, I32],
  results: [I64, I32],
  body: (c) => {
    const [sign, exponent, significand, control, bits] = parameters(5);
    const limit = c.let(I64, i64.shl(q(1), i64.extend_u(i32.sub(bits, n(1)))));
    const invalid = (): void => c.returnMany(i64.sub(q(0), limit), n(Flag.invalid));
    c.if(i32.gt_s(exponent, n(63)), invalid);
    const whole = variable(c, I64, q(0));
    const fraction = variable(c, I64, q(1));
    const shift = c.let(I64, i64.extend_s(i32.sub(n(63), exponent)));
    c.if(
      i64.le_s(shift, q(63)),
      () => {
        whole.set(i64.shr_u(significand, shift));
        fraction.set(select(i64.eqz(shift), q(0), i64.shl(significand, i64.sub(q(64), shift))));
      },
      () => c.if(i64.eq(shift, q(64)), () => fraction.set(significand)),
    );
    const up = roundsUp(c, c.let(I32, roundingOf(control)), sign, fraction.get, i32.and(i32.wrap(whole.get), n(1)));
    whole.set(i64.add(whole.get, i64.extend_u(up)));
    // Rounded up past 64 bits.
    c.if(i32.and(up, i64.eqz(whole.get)), invalid);
    c.if(select(sign, i64.gt_u(whole.get, limit), i64.ge_u(whole.get, limit)), invalid);
    const flags = i32.or(i32.shl(i64.ne(fraction.get, q(0)), n(5)), i32.shl(up, n(9)));
    c.returnMany(select(sign, i64.sub(q(0), whole.get), whole.get), flags);
  },
};

export const CORE: readonly LibraryFunction[] = [round, sum, multiply, divide, quotient, root, integer];

/** Exceptions among `flags` that `control` does not mask. */
export const unmasked = (flags: Expr, control: Expr): Expr => i32.and(i32.and(flags, i32.xor(control, n(-1))), n(ALL_EXCEPTIONS));
