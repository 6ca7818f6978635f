/** Conversions between the formats, to and from integers, and rounding to an integral value. */
import { I32, I64, i32, i64, select } from '../wasm/code';
import type { LibraryFunction } from '../wasm/library';
import { quickNarrowing } from './common-case';
import { denormalFlag, returnOneNaN, zeroDenormals } from './arithmetic';
import {
  controlOf,
  F80_FORMAT,
  type Format,
  indefinite,
  infinity,
  isDenormal,
  isInfinite,
  isNaN,
  isNormal,
  isSignaling,
  isUnsupported,
  isZero,
  normalize,
  operands,
  zero,
} from './formats';
import { unmasked } from './core';
import { Flag, n, not, q, QUIET_BIT, roundingOf, roundsUp, variable } from './kit';

/**
 * from_to_to: (a, control) → result, flags. Control is the narrower unit's: MXCSR between singles and doubles, else the x87's.
 * Storing an extended denormal is no denormal-operand exception (manual, FST).
 */
export function convert(from: Format, to: Format): LibraryFunction {
  const x87 = from.name === 'f80' || to.name === 'f80';
  return {
    name: `${from.name}_to_${to.name}`,
    parameters: [...from.types, I32],
    results: [...to.types, I32],
    body: (c, index) => {
      const { values, rest } = operands(from, 1);
      if (from.name === 'f80') quickNarrowing(c, to);
      const control = controlOf(c, x87 ? F80_FORMAT : from, rest(0));
      const a = from.unpack(c, values[0]);
      const flags = variable(c, I32, n(0));
      c.if(not(isNormal(from, a)), () => {
        c.if(isUnsupported(from, a), () => c.returnMany(...indefinite(to), n(Flag.invalid)));
        c.if(isNaN(from, a), () => {
          const quiet = i64.or(a.significand.get, q(QUIET_BIT));
          c.returnMany(...to.pack(a.sign.get, n(to.maximum), quiet), isSignaling(a));
        });
        c.if(isInfinite(from, a), () => c.returnMany(...infinity(to, a.sign.get), n(0)));
        if (!x87) zeroDenormals(c, from, control, a);
        c.if(isZero(a), () => c.returnMany(...zero(to, a.sign.get), n(0)));
        if (from.name !== 'f80') {
          flags.set(denormalFlag(a));
          if (!x87) c.if(unmasked(flags.get, control), () => c.returnMany(...indefinite(to), flags.get));
        }
        normalize(c, a);
      });
      const exponent = i32.add(a.exponent.get, n(to.bias - from.bias));
      if (to.bias > from.bias) {
        c.returnMany(...to.pack(a.sign.get, exponent, a.significand.get), flags.get);
        return;
      }
      const [significand, rounded, raised] = c.callMany(
        index('float_round'),
        [I64, I32, I32],
        a.sign.get,
        exponent,
        a.significand.get,
        q(0),
        q(to.dropped),
        n(to.maximum),
        control,
      );
      if (x87) {
        // Nothing is stored then, and nothing else noted.
        const stops = i32.and(unmasked(raised, control), n(Flag.overflow | Flag.underflow));
        c.if(stops, () => c.returnMany(...indefinite(to), stops));
      }
      c.returnMany(...to.pack(a.sign.get, rounded, significand), i32.or(flags.get, raised));
    },
  };
}

/**
 * name_widen: (a) → an extended number, flags. For operands of x87 arithmetic in memory: a signaling NaN stays one, so that the
 * operation can tell; the only exception is that of denormals.
 */
export function widen(from: Format): LibraryFunction {
  return {
    name: `${from.name}_widen`,
    parameters: from.types,
    results: [...F80_FORMAT.types, I32],
    body: (c) => {
      const { values } = operands(from, 1);
      const a = from.unpack(c, values[0]);
      const flags = variable(c, I32, n(0));
      const exponent = variable(c, I32, i32.add(a.exponent.get, n(F80_FORMAT.bias - from.bias)));
      c.if(i32.eq(a.exponent.get, n(from.maximum)), () => exponent.set(n(F80_FORMAT.maximum)));
      c.if(not(a.exponent.get), () => {
        flags.set(denormalFlag(a));
        c.if(
          isZero(a),
          () => exponent.set(n(0)),
          () => {
            normalize(c, a);
            exponent.set(i32.add(a.exponent.get, n(F80_FORMAT.bias - from.bias)));
          },
        );
      });
      c.returnMany(...F80_FORMAT.pack(a.sign.get, exponent.get, a.significand.get), flags.get);
    },
  };
}

/** i64_to_name: (integer, control) → result, flags. Extended numbers hold every integer and take no control. */
export function fromInteger(to: Format): LibraryFunction {
  const extended = to.name === 'f80';
  return {
    name: `i64_to_${to.name}`,
    parameters: extended ? [I64] : [I64, I32],
    results: extended ? to.types : [...to.types, I32],
    body: (c, index) => {
      const { values, rest } = operands({ ...to, types: [I64] }, 1);
      const value = values[0][0];
      const none = extended ? [] : [n(0)];
      c.if(i64.eqz(value), () => c.returnMany(...zero(to, n(0)), ...none));
      const sign = c.let(I32, i64.lt_s(value, q(0)));
      const magnitude = c.let(I64, select(sign, i64.sub(q(0), value), value));
      const count = c.let(I64, i64.clz(magnitude));
      const significand = c.let(I64, i64.shl(magnitude, count));
      const exponent = i32.sub(n(63 + to.bias), i32.wrap(count));
      if (extended) {
        c.returnMany(...to.pack(sign, exponent, significand));
        return;
      }
      const [rounded, final, raised] = c.callMany(
        index('float_round'),
        [I64, I32, I32],
        sign,
        exponent,
        significand,
        q(0),
        q(to.dropped),
        n(to.maximum),
        controlOf(c, to, rest(0)),
      );
      c.returnMany(...to.pack(sign, final, rounded), raised);
    },
  };
}

/** name_to_i64: (a, control, bits) → integer, flags; 16, 32 or 64 bits, sign-extended. No denormal-operand exception. */
export function toInteger(from: Format): LibraryFunction {
  return {
    name: `${from.name}_to_i64`,
    parameters: [...from.types, I32, I32],
    results: [I64, I32],
    body: (c, index) => {
      const { values, rest } = operands(from, 1);
      const control = controlOf(c, from, rest(0));
      const a = from.unpack(c, values[0]);
      c.if(not(isNormal(from, a)), () => {
        zeroDenormals(c, from, control, a);
        c.if(isZero(a), () => c.if(not(a.exponent.get), () => c.returnMany(q(0), n(0))));
        // Anything that is no number is too large.
        c.if(
          i32.or(isUnsupported(from, a), i32.eq(a.exponent.get, n(from.maximum))),
          () => a.exponent.set(n(0x10000)),
          () => normalize(c, a),
        );
      });
      c.returnCall(index('float_integer'), a.sign.get, i32.sub(a.exponent.get, n(from.bias)), a.significand.get, control, rest(1));
    },
  };
}

/** name_round: (a, control) → a rounded to an integral value, flags (FRNDINT; ROUNDSD, which knows no denormal-operand exception). */
export function roundIntegral(format: Format): LibraryFunction {
  return {
    name: `${format.name}_round`,
    parameters: [...format.types, I32],
    results: [...format.types, I32],
    body: (c) => {
      const { values, rest } = operands(format, 1);
      const control = controlOf(c, format, rest(0));
      const a = format.unpack(c, values[0]);
      const flags = variable(c, I32, n(0));
      c.if(not(isNormal(format, a)), () => {
        returnOneNaN(c, format, a);
        zeroDenormals(c, format, control, a);
        c.if(i32.or(isZero(a), isInfinite(format, a)), () =>
          c.returnMany(...format.pack(a.sign.get, a.exponent.get, a.significand.get), n(0)),
        );
        if (format.name === 'f80') {
          flags.set(i32.shl(isDenormal(a), n(1)));
          c.if(unmasked(flags.get, control), () => c.returnMany(...values[0], flags.get));
        }
        normalize(c, a);
      });
      const exponent = c.let(I32, i32.sub(a.exponent.get, n(format.bias)));
      const digits = 63 - bitCount(format.dropped);
      c.if(i32.ge_s(exponent, n(digits)), () => c.returnMany(...values[0], n(0)));
      const rounding = c.let(I32, roundingOf(control));
      // Below one half, at one half to one, and above one.
      const whole = variable(c, I64, q(0));
      const fraction = variable(c, I64, q(1));
      const shift = c.let(I64, i64.extend_s(i32.sub(n(63), exponent)));
      c.if(
        i64.lt_s(shift, q(64)),
        () => {
          whole.set(i64.shr_u(a.significand.get, shift));
          fraction.set(select(i64.eqz(shift), q(0), i64.shl(a.significand.get, i64.sub(q(64), shift))));
        },
        () => c.if(i64.eq(shift, q(64)), () => fraction.set(a.significand.get)),
      );
      const up = roundsUp(c, rounding, a.sign.get, fraction.get, i32.and(i32.wrap(whole.get), n(1)));
      whole.set(i64.add(whole.get, i64.extend_u(up)));
      flags.set(i32.or(flags.get, i32.or(i32.shl(i64.ne(fraction.get, q(0)), n(5)), i32.shl(up, n(9)))));
      c.if(i64.eqz(whole.get), () => c.returnMany(...zero(format, a.sign.get), flags.get));
      const count = c.let(I64, i64.clz(whole.get));
      const result = format.pack(a.sign.get, i32.sub(n(63 + format.bias), i32.wrap(count)), i64.shl(whole.get, count));
      c.returnMany(...result, flags.get);
    },
  };
}

const bitCount = (mask: bigint): number => mask.toString(2).replaceAll('0', '').length;
