/** Addition, subtraction, multiplication, division and square root in all three formats. */
import { type Code, type Expr, f32, f64, I32, I64, i32, i64, select } from '../wasm/code';
import type { FunctionIndex, LibraryFunction } from '../wasm/library';
import { quickProduct, quickQuotient, quickRoot, quickSum } from './common-case';
import { unmasked } from './core';
import {
  controlOf,
  droppedBits,
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
  needsNaN,
  normalize,
  operands,
  quieted,
  returnNaN,
  type Unpacked,
  zero,
} from './formats';
import { any, both, Control, Flag, has, Mxcsr, n, not, q, roundingOf, type Variable, variable } from './kit';

export type BinaryOperation = 'add' | 'sub' | 'mul' | 'div';

/** What the code of one operation is made from. */
interface Frame {
  readonly c: Code;
  readonly index: FunctionIndex;
  readonly format: Format;
  readonly control: Expr;
  readonly flags: Variable;
  readonly a: Unpacked;
  readonly b: Unpacked;
}

/**
 * The native operation where it is sure to be right: rounding to nearest, inexactness on record already and masked, normal
 * operands, and a result that is normal and not the least (which may have been tiny before rounding).
 */
export function tryNative(c: Code, format: Format, mxcsr: Expr, values: readonly Expr[], native: (operands: Expr[]) => Expr): void {
  if (format.name === 'f80') return;
  const single = format.name === 'f32';
  const type = single ? I32 : I64;
  const usual = n(Mxcsr.precision | Mxcsr.precisionMask);
  c.if(i32.eq(i32.and(mxcsr, n(Mxcsr.rounding | Mxcsr.precision | Mxcsr.precisionMask)), usual), () => {
    // Exponents, moved up against the sign; from `least` on and below the infinities'.
    const within = (value: Expr, least: number): Expr =>
      single
        ? i32.lt_u(i32.sub(i32.and(value, n(0x7f800000)), n(least << 23)), n((0xff - least) << 23))
        : i64.lt_u(i64.sub(i64.and(value, q(0x7ffn << 52n)), q(BigInt(least) << 52n)), q(BigInt(0x7ff - least) << 52n));
    c.if(both(...values.map((value) => within(value, 1))), () => {
      const convert = single ? f32 : f64;
      const result = c.let(type, convert.toBits(native(values.map((value) => convert.fromBits(value)))));
      c.if(within(result, 2), () => c.returnMany(result, n(0)));
    });
  });
}

const NATIVE: Readonly<Record<BinaryOperation, (operations: typeof f32 | typeof f64) => (a: Expr, b: Expr) => Expr>> = {
  add: (operations) => operations.add,
  sub: (operations) => operations.sub,
  mul: (operations) => operations.mul,
  div: (operations) => operations.div,
};

const result = ({ c, format, flags }: Frame, value: Expr[]): void => {
  void format;
  c.returnMany(...value, flags.get);
};

const invalid = ({ c, format }: Frame): void => c.returnMany(...indefinite(format), n(Flag.invalid));

/** Returns `high:low` rounded. */
function finish(frame: Frame, sign: Expr, exponent: Expr, high: Expr, low: Expr): void {
  const { c, index, format, control, flags } = frame;
  const dropped = droppedBits(c, format, control);
  const [significand, rounded, raised] = c.callMany(
    index('float_round'),
    [I64, I32, I32],
    sign,
    exponent,
    high,
    low,
    dropped,
    n(format.maximum),
    control,
  );
  c.returnMany(...format.pack(sign, rounded, significand), i32.or(flags.get, raised));
}

/** Operands that are infinite or zero; what remains is finite, and after normalizing normal, or zero where a sum allows it. */
const SPECIAL: Readonly<Record<'sum' | 'mul' | 'div', (frame: Frame) => void>> = {
  sum: (frame) => {
    const { c, format, control, a, b } = frame;
    const infiniteA = c.let(I32, isInfinite(format, a));
    const infiniteB = c.let(I32, isInfinite(format, b));
    c.if(both(infiniteA, infiniteB, i32.ne(a.sign.get, b.sign.get)), () => invalid(frame));
    c.if(infiniteA, () => stopIfUnmasked(frame, () => result(frame, infinity(format, a.sign.get))));
    c.if(infiniteB, () => stopIfUnmasked(frame, () => result(frame, infinity(format, b.sign.get))));
    c.if(i32.and(isZero(a), isZero(b)), () => {
      const down = i32.eq(roundingOf(control), n(1));
      result(frame, zero(format, select(i32.eq(a.sign.get, b.sign.get), a.sign.get, down)));
    });
    stopIfUnmasked(frame, () => undefined);
    for (const [none, other] of [
      [a, b],
      [b, a],
    ]) {
      c.if(isZero(none), () => {
        normalize(c, other);
        finish(frame, other.sign.get, other.exponent.get, other.significand.get, q(0));
      });
    }
  },
  mul: (frame) => {
    const { c, format, a, b } = frame;
    const sign = i32.xor(a.sign.get, b.sign.get);
    const infinite = c.let(I32, i32.or(isInfinite(format, a), isInfinite(format, b)));
    const none = c.let(I32, i32.or(isZero(a), isZero(b)));
    c.if(i32.and(infinite, none), () => invalid(frame));
    c.if(infinite, () => result(frame, infinity(format, sign)));
    c.if(none, () => result(frame, zero(format, sign)));
  },
  div: (frame) => {
    const { c, format, flags, a, b } = frame;
    const sign = i32.xor(a.sign.get, b.sign.get);
    const infiniteA = c.let(I32, isInfinite(format, a));
    const infiniteB = c.let(I32, isInfinite(format, b));
    c.if(i32.or(i32.and(infiniteA, infiniteB), i32.and(isZero(a), isZero(b))), () => invalid(frame));
    c.if(infiniteA, () => result(frame, infinity(format, sign)));
    c.if(infiniteB, () => result(frame, zero(format, sign)));
    c.if(isZero(b), () => {
      flags.set(n(Flag.zeroDivide));
      result(frame, infinity(format, sign));
    });
    c.if(isZero(a), () => result(frame, zero(format, sign)));
  },
};

/** Returns what there is, uncomputed, when an exception from before the operation is not masked. */
function stopIfUnmasked({ c, format, control, flags }: Frame, otherwise: () => void): void {
  c.if(unmasked(flags.get, control), () => c.returnMany(...indefinite(format), flags.get));
  otherwise();
}

const COMPUTE: Readonly<Record<'sum' | 'mul' | 'div', (frame: Frame) => void>> = {
  sum: (frame) => {
    const { c, index, format, control, a, b } = frame;
    const [sign, exponent, high, low] = c.callMany(
      index('float_sum'),
      [I32, I32, I64, I64],
      ...[a, b].flatMap((x) => [x.sign.get, x.exponent.get, x.significand.get]),
    );
    c.if(i64.eqz(high), () => result(frame, zero(format, i32.eq(roundingOf(control), n(1)))));
    finish(frame, sign, exponent, high, low);
  },
  mul: (frame) => {
    const { c, index, format, a, b } = frame;
    const [h, l] = c.callMany(index('float_multiply'), [I64, I64], a.significand.get, b.significand.get);
    const below = c.let(I64, i64.extend_u(i64.ge_s(h, q(0))));
    const high = c.let(I64, select(i32.wrap(below), i64.or(i64.shl(h, q(1)), i64.shr_u(l, q(63))), h));
    const low = c.let(I64, i64.shl(l, below));
    const exponent = i32.sub(i32.add(i32.add(a.exponent.get, b.exponent.get), n(1 - format.bias)), i32.wrap(below));
    finish(frame, c.let(I32, i32.xor(a.sign.get, b.sign.get)), exponent, high, low);
  },
  div: (frame) => {
    const { c, index, format, a, b } = frame;
    const [less, high, low] = c.callMany(index('float_quotient'), [I32, I64, I64], a.significand.get, b.significand.get);
    const exponent = i32.sub(i32.add(i32.sub(a.exponent.get, b.exponent.get), n(format.bias)), less);
    finish(frame, c.let(I32, i32.xor(a.sign.get, b.sign.get)), exponent, high, low);
  },
};

const QUICK: Readonly<Record<BinaryOperation, (c: Code, index: FunctionIndex) => void>> = {
  add: (c) => quickSum(c, false),
  sub: (c) => quickSum(c, true),
  mul: quickProduct,
  div: quickQuotient,
};

/** name: (a, b, control) → result, flags. */
export function binary(format: Format, operation: BinaryOperation): LibraryFunction {
  const family = operation === 'add' || operation === 'sub' ? 'sum' : operation;
  return {
    name: `${format.name}_${operation}`,
    parameters: [...format.types, ...format.types, I32],
    results: [...format.types, I32],
    body: (c, index) => {
      const { values, rest } = operands(format, 2);
      const native = NATIVE[operation](format.name === 'f32' ? f32 : f64);
      tryNative(c, format, rest(0), values.flat(), ([x, y]) => native(x, y));
      if (format.name === 'f80') QUICK[operation](c, index);
      const control = controlOf(c, format, rest(0));
      const [a, b] = values.map((value) => format.unpack(c, value));
      const flags = variable(c, I32, n(0));
      const frame: Frame = { c, index, format, control, flags, a, b };
      c.if(
        i32.and(isNormal(format, a), isNormal(format, b)),
        () => {
          if (operation === 'sub') b.sign.set(i32.xor(b.sign.get, n(1)));
        },
        () => {
          c.if(needsNaN(format, a, b), () => returnNaN(c, format, a, b));
          if (operation === 'sub') b.sign.set(i32.xor(b.sign.get, n(1)));
          zeroDenormals(c, format, control, a, b);
          flags.set(denormalFlag(a, b));
          SPECIAL[family](frame);
          stopIfUnmasked(frame, () => undefined);
          normalize(c, a);
          normalize(c, b);
        },
      );
      COMPUTE[family](frame);
    },
  };
}

/** Under DAZ denormals are zeros of their sign, and no exception. */
export function zeroDenormals(c: Code, format: Format, control: Expr, ...numbers: Unpacked[]): void {
  if (format.name === 'f80') return;
  c.if(has(control, Control.denormalsAreZeros), () => {
    for (const { exponent, significand } of numbers) c.if(i32.eqz(exponent.get), () => significand.set(q(0)));
  });
}

export const denormalFlag = (...numbers: Unpacked[]): Expr => i32.shl(any(...numbers.map(isDenormal)), n(1));

/** Returns the answer to one operand that is a NaN or unsupported. */
export function returnOneNaN(c: Code, format: Format, a: Unpacked): void {
  c.if(isUnsupported(format, a), () => c.returnMany(...indefinite(format), n(Flag.invalid)));
  c.if(isNaN(format, a), () => c.returnMany(...quieted(format, a), isSignaling(a)));
}

/** name: (a, control) → result, flags. */
export function squareRoot(format: Format): LibraryFunction {
  return {
    name: `${format.name}_sqrt`,
    parameters: [...format.types, I32],
    results: [...format.types, I32],
    body: (c, index) => {
      const { values, rest } = operands(format, 1);
      const operations = format.name === 'f32' ? f32 : f64;
      if (format.name === 'f80') quickRoot(c, index);
      tryNative(c, format, rest(0), values.flat(), ([x]) => operations.sqrt(x));
      const control = controlOf(c, format, rest(0));
      const a = format.unpack(c, values[0]);
      const flags = variable(c, I32, n(0));
      const frame: Frame = { c, index, format, control, flags, a, b: a };
      c.if(i32.or(not(isNormal(format, a)), a.sign.get), () => {
        returnOneNaN(c, format, a);
        zeroDenormals(c, format, control, a);
        c.if(isZero(a), () => result(frame, values[0].length === 1 ? zero(format, a.sign.get) : values[0]));
        c.if(a.sign.get, () => invalid(frame));
        c.if(isInfinite(format, a), () => result(frame, infinity(format, n(0))));
        flags.set(denormalFlag(a));
        stopIfUnmasked(frame, () => undefined);
        normalize(c, a);
      });
      // The unbiased exponent, halved; what is odd goes into the radicand.
      const exponent = c.let(I32, i32.sub(a.exponent.get, n(format.bias)));
      const [high, low] = c.callMany(index('float_root'), [I64, I64], a.significand.get, i32.and(exponent, n(1)));
      finish(frame, n(0), i32.add(i32.shr_s(exponent, n(1)), n(format.bias)), high, low);
    },
  };
}
