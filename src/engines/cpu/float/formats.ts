/**
 * The three formats as the kernels see them. Outside, a single or double is one integer of its bits and an extended number is a
 * quadword (significand) and a word (sign and exponent); inside, all have an explicit integer bit at bit 63.
 */
import { type Code, type Expr, get, I32, I64, i32, i64, select, type ValueType } from '../wasm/code';
import { any, both, controlOfMxcsr, Flag, INDEFINITE, n, not, q, QUIET_BIT, TOP_BIT, type Variable, variable } from './kit';

export interface Unpacked {
  readonly sign: Variable;
  readonly exponent: Variable;
  readonly significand: Variable;
}

export interface Format {
  readonly name: 'f32' | 'f64' | 'f80';
  /** How a number is passed. */
  readonly types: readonly ValueType[];
  readonly bias: number;
  /** Exponent of infinities and NaNs. */
  readonly maximum: number;
  /** Significand bits that a 64-bit significand has beyond the format's. */
  readonly dropped: bigint;
  unpack(c: Code, value: readonly Expr[]): Unpacked;
  pack(sign: Expr, exponent: Expr, significand: Expr): Expr[];
}

const topUnlessZero = (exponent: Expr): Expr => i64.shl(i64.extend_u(i32.ne(exponent, n(0))), q(63));
const withoutTop = (value: Expr): Expr => i64.and(value, q(TOP_BIT - 1n));
const fractionOf = (significand: Expr, shift: number): Expr => i64.shr_u(i64.shl(significand, q(1)), q(shift));

export const F32_FORMAT: Format = {
  name: 'f32',
  types: [I32],
  bias: 127,
  maximum: 0xff,
  dropped: (1n << 40n) - 1n,
  unpack: (c, [bits]) => {
    const exponent = variable(c, I32, i32.and(i32.shr_u(bits, n(23)), n(0xff)));
    const fraction = withoutTop(i64.shl(i64.extend_u(bits), q(40)));
    return {
      sign: variable(c, I32, i32.shr_u(bits, n(31))),
      exponent,
      significand: variable(c, I64, i64.or(fraction, topUnlessZero(exponent.get))),
    };
  },
  pack: (sign, exponent, significand) => [any(i32.shl(sign, n(31)), i32.shl(exponent, n(23)), i32.wrap(fractionOf(significand, 41)))],
};

export const F64_FORMAT: Format = {
  name: 'f64',
  types: [I64],
  bias: 1023,
  maximum: 0x7ff,
  dropped: (1n << 11n) - 1n,
  unpack: (c, [bits]) => {
    const exponent = variable(c, I32, i32.and(i32.wrap(i64.shr_u(bits, q(52))), n(0x7ff)));
    const fraction = withoutTop(i64.shl(bits, q(11)));
    return {
      sign: variable(c, I32, i32.wrap(i64.shr_u(bits, q(63)))),
      exponent,
      significand: variable(c, I64, i64.or(fraction, topUnlessZero(exponent.get))),
    };
  },
  pack: (sign, exponent, significand) => [
    i64.or(i64.shl(i64.extend_u(i32.or(i32.shl(sign, n(11)), exponent)), q(52)), fractionOf(significand, 12)),
  ],
};

export const F80_FORMAT: Format = {
  name: 'f80',
  types: [I64, I32],
  bias: 16383,
  maximum: 0x7fff,
  dropped: 0n,
  unpack: (c, [significand, signExponent]) => ({
    sign: variable(c, I32, i32.and(i32.shr_u(signExponent, n(15)), n(1))),
    exponent: variable(c, I32, i32.and(signExponent, n(0x7fff))),
    significand: variable(c, I64, significand),
  }),
  pack: (sign, exponent, significand) => [significand, i32.or(i32.shl(sign, n(15)), exponent)],
};

/** The parameters of a function as operands of a format, and what is left of them. */
export function operands(format: Format, count: number): { values: Expr[][]; rest: (index: number) => Expr } {
  const width = format.types.length;
  const values = Array.from({ length: count }, (_, i) => Array.from({ length: width }, (_, j) => get(i * width + j)));
  return { values, rest: (index) => get(count * width + index) };
}

/** Neither zero, denormal, infinite, NaN nor an encoding that the processor does not support. */
export const isNormal = ({ maximum }: Format, { exponent, significand }: Unpacked): Expr =>
  i32.and(i32.lt_u(i32.sub(exponent.get, n(1)), n(maximum - 1)), i64.lt_s(significand.get, q(0)));

/** Pseudo-NaN, pseudo-infinity or unnormal: an extended number that needs its integer bit and has it not. */
export const isUnsupported = (format: Format, { exponent, significand }: Unpacked): Expr =>
  format.name === 'f80' ? i32.and(i32.ne(exponent.get, n(0)), i64.ge_s(significand.get, q(0))) : n(0);

export const isNaN = ({ maximum }: Format, { exponent, significand }: Unpacked): Expr =>
  both(i32.eq(exponent.get, n(maximum)), i64.ne(significand.get, q(TOP_BIT)), i64.lt_s(significand.get, q(0)));

/** Signaling, given that it is a NaN. */
export const isSignaling = ({ significand }: Unpacked): Expr => i64.eqz(i64.and(significand.get, q(QUIET_BIT)));

export const isInfinite = ({ maximum }: Format, { exponent }: Unpacked): Expr => i32.eq(exponent.get, n(maximum));
export const isZero = ({ significand }: Unpacked): Expr => i64.eqz(significand.get);
export const isDenormal = ({ exponent, significand }: Unpacked): Expr => i32.and(i32.eqz(exponent.get), i64.ne(significand.get, q(0)));

/** Gives a denormal its leading bit at bit 63; the exponent may become negative. */
export function normalize(c: Code, { exponent, significand }: Unpacked): void {
  c.if(isZeroExponent(exponent), () => {
    const count = c.let(I64, i64.clz(significand.get));
    significand.set(i64.shl(significand.get, count));
    exponent.set(i32.sub(n(1), i32.wrap(count)));
  });
}

const isZeroExponent = (exponent: Variable): Expr => not(exponent.get);

export const quieted = (format: Format, { sign, exponent, significand }: Unpacked): Expr[] =>
  format.pack(sign.get, exponent.get, i64.or(significand.get, q(QUIET_BIT)));

/** The default answer to an invalid operation: the negative quiet NaN with no payload. */
export const indefinite = (format: Format): Expr[] => format.pack(n(1), n(format.maximum), q(INDEFINITE));
export const infinity = (format: Format, sign: Expr): Expr[] => format.pack(sign, n(format.maximum), q(TOP_BIT));
export const zero = (format: Format, sign: Expr): Expr[] => format.pack(sign, n(0), q(0));

/** A format's own control word, brought into the kernels' form. */
export const controlOf = (c: Code, format: Format, word: Expr): Expr => c.let(I32, format.name === 'f80' ? word : controlOfMxcsr(word));

/**
 * Which significand bits an arithmetic result has no room for: the format's, and for extended numbers those that the precision
 * control takes away.
 */
export function droppedBits(c: Code, { name, dropped }: Format, control: Expr): Expr {
  if (name !== 'f80') return q(dropped);
  const precision = c.let(I32, i32.and(control, n(0x300)));
  const double = select(i32.eq(precision, n(0x200)), q(F64_FORMAT.dropped), q(0));
  return c.let(I64, select(i32.eqz(precision), q(F32_FORMAT.dropped), double));
}

/**
 * Returns the NaN that an operation on operands with NaNs gives. The x87 takes the larger significand (manual, "Rules for
 * Handling NaNs"), SSE the first operand.
 */
export function returnNaN(c: Code, format: Format, a: Unpacked, b: Unpacked): void {
  const nanA = c.let(I32, isNaN(format, a));
  const nanB = c.let(I32, isNaN(format, b));
  const signalingA = c.let(I32, i32.and(nanA, isSignaling(a)));
  const signalingB = c.let(I32, i32.and(nanB, isSignaling(b)));
  const flags = c.let(I32, i32.or(signalingA, signalingB));
  const first = (): void => c.returnMany(...quieted(format, a), flags);
  const second = (): void => c.returnMany(...quieted(format, b), flags);
  if (format.name !== 'f80') {
    c.if(nanA, first);
    second();
    return;
  }
  c.if(i32.or(isUnsupported(format, a), isUnsupported(format, b)), () => c.returnMany(...indefinite(format), n(Flag.invalid)));
  c.if(not(nanB), first);
  c.if(not(nanA), second);
  // A quiet NaN wins over a signaling one.
  c.if(i32.and(signalingA, not(signalingB)), second);
  c.if(i32.and(signalingB, not(signalingA)), first);
  c.if(i64.gt_u(a.significand.get, b.significand.get), first);
  c.if(i64.lt_u(a.significand.get, b.significand.get), second);
  c.if(a.sign.get, second);
  first();
}

/** Some operand is a NaN or unsupported. */
export const needsNaN = (format: Format, ...numbers: Unpacked[]): Expr =>
  any(...numbers.map((number) => i32.or(isNaN(format, number), isUnsupported(format, number))));
