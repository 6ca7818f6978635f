/**
 * When the processor's own arithmetic gives an SSE instruction's result and raises no exception but the one for inexactness, which
 * is on record already. The tests are few and look at exponents alone: what they refuse goes to simd-float-exact.ts.
 *
 * Denormal operands raise an exception, and are zeros under DAZ. Where an operand is a NaN or infinite the result is not finite. A
 * result of the least exponent may have been tiny before it was rounded, and a sum that is denormal is exact.
 */
import { Mxcsr, n, q } from '../float/kit';
import { MXCSR } from '../layout';
import { type Expr, f32, f64, i32, i64, V128, F32, F64, type ValueType } from '../wasm/code';
import { f32x4, f64x2, i32x4, i64x2, v128 } from '../wasm/vector';
import { type Kind, PD, PS, SD, SS } from './simd-float-exact';
import { bytes, doublewords, ZERO } from './simd/lanes';

const UNDERFLOW_MASK = 0x800;
const INEXACT = Mxcsr.precision | Mxcsr.precisionMask;

const mxcsrHas = (mask: number, value: number): Expr => i32.eq(i32.and(i32.load(n(0), MXCSR), n(mask)), n(value));
/** Rounding to nearest, and an inexact result changes nothing. */
export const NEAREST = mxcsrHas(Mxcsr.rounding | INEXACT, INEXACT);
/** An inexact result changes nothing. */
export const MAY_BE_INEXACT = mxcsrHas(INEXACT, INEXACT);
/** As NEAREST, and a denormal result that is exact is delivered as it is. */
export const NEAREST_SUM = mxcsrHas(Mxcsr.rounding | INEXACT | Mxcsr.flushToZero | UNDERFLOW_MASK, INEXACT | UNDERFLOW_MASK);

type Unary = (a: Expr) => Expr;
type Binary = (a: Expr, b: Expr) => Expr;

/** What the checks and operations of one kind of operand are written with. `bits` are as simd-float-exact.ts passes them. */
export interface Native {
  /** Of the operation's operands, and how they are read. */
  readonly type: ValueType;
  load(pointer: Expr): Expr;
  toBits: Unary;
  fromBits: Unary;
  add: Binary;
  sub: Binary;
  mul: Binary;
  div: Binary;
  sqrt: Unary;
  floor: Unary;
  ceil: Unary;
  trunc: Unary;
  nearest: Unary;
  /** Conditions (i32) on bits, each for all lanes; to be tried one after the other. */
  /** Neither value is denormal. */
  noDenormals(values: readonly Expr[]): Expr[];
  /** A sum that is no infinity and no NaN. */
  finite(bits: Expr): Expr;
  /** A product or quotient that is normal and not the least such number. */
  normal(bits: Expr): Expr;
  /** An operand that has a square root that is a normal number. */
  positive(bits: Expr): Expr;
  /** No operand (not bits) is a NaN. */
  ordered(values: readonly Expr[]): Expr;
}

const splat32 = (value: number): Expr => doublewords([value, value, value, value]);
const splat64 = (low: number, high: number): Expr => doublewords([low, high, low, high]);
const ONES = bytes(new Array<number>(16).fill(0xff));
const none = (mask: Expr): Expr => i32.eqz(v128.anyTrue(mask));
const twice32 = (value: Expr): Expr => i32.shl(value, n(1));
const exponent64 = (value: Expr): Expr => i32.wrap(i64.shr_u(value, q(52)));
const exponents64 = (bits: Expr): Expr => i64x2.shr_u(i64x2.shl(bits, n(1)), n(53));

/** Without its sign and less one, a denormal has nothing from bit `from` on; zero has, and the least normal number has not. */
const SINGLE: Native = {
  ...f32,
  type: F32,
  load: (pointer) => f32.load(pointer),
  noDenormals: (values) => values.map((bits) => i32.shr_u(i32.sub(twice32(bits), n(1)), n(24))),
  finite: (bits) => i32.lt_u(twice32(bits), n(0xff000000)),
  normal: (bits) => i32.lt_u(i32.sub(twice32(bits), n(2 << 24)), n(0xfd000000)),
  positive: (bits) => i32.lt_u(i32.sub(bits, n(1 << 23)), n(0x7f000000)),
  ordered: (values) => values.map((value) => f32.eq(value, value)).reduce(i32.and),
};

const DOUBLE: Native = {
  ...f64,
  type: F64,
  load: (pointer) => f64.load(pointer),
  noDenormals: (values) => values.map((bits) => i32.wrap(i64.shr_u(i64.sub(i64.shl(bits, q(1)), q(1)), q(53)))),
  finite: (bits) => i32.ne(i32.and(exponent64(bits), n(0x7ff)), n(0x7ff)),
  normal: (bits) => i32.lt_u(i32.sub(i32.and(exponent64(bits), n(0x7ff)), n(2)), n(0x7fd)),
  positive: (bits) => i32.lt_u(i32.sub(exponent64(bits), n(1)), n(0x7fe)),
  ordered: (values) => values.map((value) => f64.eq(value, value)).reduce(i32.and),
};

const same = (bits: Expr): Expr => bits;
const packed = {
  type: V128 as ValueType,
  load: (pointer: Expr) => v128.load(pointer),
  toBits: same,
  fromBits: same,
};

const SINGLES: Native = {
  ...packed,
  ...f32x4,
  noDenormals: (values) => {
    const least = values.map((bits) => i32x4.add(i32x4.shl(bits, n(1)), ONES)).reduce(i32x4.min_u);
    return [i32x4.allTrue(i32x4.shr_u(least, n(24)))];
  },
  finite: (bits) => none(i32x4.ge_u(i32x4.shl(bits, n(1)), splat32(0xff000000))),
  normal: (bits) => none(i32x4.ge_u(i32x4.sub(i32x4.shl(bits, n(1)), splat32(2 << 24)), splat32(0xfd000000))),
  positive: (bits) => none(i32x4.ge_u(i32x4.sub(bits, splat32(1 << 23)), splat32(0x7f000000))),
  ordered: (values) => none(values.map((value) => f32x4.ne(value, value)).reduce(v128.or)),
};

const DOUBLES: Native = {
  ...packed,
  ...f64x2,
  noDenormals: (values) => [
    none(values.map((bits) => i64x2.eq(i64x2.shr_u(i64x2.add(i64x2.shl(bits, n(1)), ONES), n(53)), ZERO)).reduce(v128.or)),
  ],
  finite: (bits) => none(i64x2.eq(exponents64(bits), splat64(0x7ff, 0))),
  // An exponent less than what is taken off fills the upper half with ones.
  normal: (bits) => none(i32x4.ge_u(i64x2.sub(exponents64(bits), splat64(2, 0)), splat64(0x7fd, -1))),
  positive: (bits) => none(i32x4.ge_u(i64x2.sub(i64x2.shr_u(bits, n(52)), splat64(1, 0)), splat64(0x7fe, -1))),
  ordered: (values) => none(values.map((value) => f64x2.ne(value, value)).reduce(v128.or)),
};

const NATIVES = new Map<Kind, Native>([
  [SS, SINGLE],
  [SD, DOUBLE],
  [PS, SINGLES],
  [PD, DOUBLES],
]);

export function nativeOf(kind: Kind): Native {
  const native = NATIVES.get(kind);
  if (!native) throw new Error(`no arithmetic for ${kind.suffix}`);
  return native;
}
