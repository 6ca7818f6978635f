/**
 * The x87's transcendental instructions on BigInt fixed-point numbers: the results of the exact functions, correctly rounded,
 * after reducing angles by the processor's own 66-bit pi (manual, "Approximation of Pi"). Special operands are those of the
 * instructions' tables in the manual.
 */
import { arcTangent, expMinusOne, logarithm, logarithmOfTwo, logarithmPlusOne, pi, sineCosine, WORKING_BITS } from './fixed-point';
import { Flag } from './kit';

/** An extended number's fields: the low 16 bits of `signExponent` are sign and exponent. */
export interface Extended {
  readonly significand: bigint;
  readonly signExponent: number;
}

export interface Answer {
  /** What ST(0) becomes; of two results the one below is `second`, and the stack grows. */
  readonly result: Extended;
  readonly pushed?: Extended;
  /** Exceptions, C1 when rounded up, C2 when the operand was out of range and nothing happened. */
  readonly flags: number;
}

const BIAS = 16383;
const MAXIMUM = 0x7fff;
const TOP = 1n << 63n;
const QUIET = 1n << 62n;
const BIAS_ADJUST = 24576;
export const OUT_OF_RANGE = 0x400;

const of = (sign: number, exponent: number, significand: bigint): Extended => ({ significand, signExponent: (sign << 15) | exponent });
const INDEFINITE = of(1, MAXIMUM, TOP | QUIET);
const zeroOf = (sign: number): Extended => of(sign, 0, 0n);
const infinityOf = (sign: number): Extended => of(sign, MAXIMUM, TOP);
const ONE = of(0, BIAS, TOP);

interface Operand {
  readonly kind: 'zero' | 'finite' | 'infinite' | 'nan' | 'unsupported';
  readonly sign: number;
  /** Finite: the value is significand · 2^(exponent - 63), significand with bit 63. */
  readonly exponent: number;
  readonly significand: bigint;
  readonly denormal: boolean;
  readonly whole: Extended;
}

const bitLength = (x: bigint): number => (x === 0n ? 0 : x.toString(2).length);

function read(whole: Extended): Operand {
  const sign = (whole.signExponent >> 15) & 1;
  const biased = whole.signExponent & MAXIMUM;
  const { significand } = whole;
  const make = (kind: Operand['kind'], exponent = 0, normal = significand, denormal = false): Operand => ({
    kind,
    sign,
    exponent,
    significand: normal,
    denormal,
    whole,
  });
  if (biased !== 0 && significand < TOP) return make('unsupported');
  if (biased === MAXIMUM) return make(significand === TOP ? 'infinite' : 'nan');
  if (significand === 0n) return make('zero');
  const shift = 64 - bitLength(significand);
  return make('finite', (biased || 1) - BIAS - shift, significand << BigInt(shift), biased === 0);
}

const invalid: Answer = { result: INDEFINITE, flags: Flag.invalid };
const exact = (result: Extended, flags = 0): Answer => ({ result, flags });

/** The answer to a NaN or unsupported operand (manual, "Rules for Handling NaNs"). */
function nan(...operands: readonly Operand[]): Answer | undefined {
  if (operands.some(({ kind }) => kind === 'unsupported')) return invalid;
  const nans = operands.filter(({ kind }) => kind === 'nan');
  if (nans.length === 0) return undefined;
  const signaling = (x: Operand): boolean => (x.significand & QUIET) === 0n;
  const flags = nans.some(signaling) ? Flag.invalid : 0;
  const quiet = nans.filter((x) => !signaling(x));
  const candidates = quiet.length > 0 ? quiet : nans;
  const chosen = candidates.reduce((a, b) =>
    b.significand > a.significand || (b.significand === a.significand && b.sign < a.sign) ? b : a,
  );
  return { result: { ...chosen.whole, significand: chosen.significand | QUIET }, flags };
}

/** Tininess is detected after rounding: 64 ones and what rounds them up are not tiny. */
function roundsToPowerOfTwo(rounding: number, sign: number, value: bigint, inexact: boolean): boolean {
  const beyond = BigInt(bitLength(value) - 65);
  const ones = value >> beyond;
  if (rounding === 0) return ones === (1n << 65n) - 1n;
  return rounding === 2 - sign && ones >> 1n === (1n << 64n) - 1n && (inexact || (value >> (beyond + 1n)) << (beyond + 1n) !== value);
}

/** Rounding and unmasked responses by the control word; `value` / 2^bits is the exact magnitude's beginning. */
function round(control: number, sign: number, value: bigint, bits: number, inexact = true): Answer {
  const rounding = (control >> 10) & 3;
  let exponent = bitLength(value) - 1 - bits + BIAS;
  let flags = 0;
  let precision = 64;
  let tiny = false;
  if (exponent === 0 && roundsToPowerOfTwo(rounding, sign, value, inexact))
    return { result: of(sign, 1, TOP), flags: Flag.precision | Flag.roundedUp };
  if (exponent <= 0) {
    if (control & Flag.underflow) {
      tiny = true;
      precision = Math.max(0, 63 + exponent);
    } else {
      flags |= Flag.underflow;
      exponent += BIAS_ADJUST;
      if (exponent <= 0) return { result: zeroOf(sign), flags: flags | Flag.precision };
    }
  }
  const spare = BigInt(bitLength(value) - precision);
  // Room for a half and a rest below the last bit kept.
  const wide = spare < 2n ? value << (2n - spare) : value;
  const drop = spare < 2n ? 2n : spare;
  let kept = wide >> drop;
  const rest = wide - (kept << drop);
  const half = 1n << (drop - 1n);
  const isInexact = inexact || rest !== 0n;
  const nearest = rest > half || (rest === half && (inexact || (kept & 1n) === 1n));
  const up = rounding === 0 ? nearest : isInexact && rounding === 2 - sign;
  if (isInexact) flags |= Flag.precision | (tiny ? Flag.underflow : 0);
  if (up) {
    kept++;
    flags |= Flag.roundedUp;
  }
  if (tiny) return { result: of(sign, kept >> 63n ? 1 : 0, kept), flags };
  if (kept >> 64n) {
    kept >>= 1n;
    exponent++;
  }
  if (exponent >= MAXIMUM) {
    flags |= Flag.overflow;
    if (control & Flag.overflow) {
      flags |= Flag.precision;
      const away = rounding === 0 || rounding === 2 - sign;
      return away
        ? { result: infinityOf(sign), flags: flags | Flag.roundedUp }
        : { result: of(sign, MAXIMUM - 1, (1n << 64n) - 1n), flags: flags & ~Flag.roundedUp };
    }
    exponent -= BIAS_ADJUST;
  }
  return { result: of(sign, exponent, kept), flags };
}

/** A finite operand's magnitude in fixed point, exact as long as `bits` reach to its last bit. */
function fixed({ exponent, significand }: Operand, bits: number): bigint {
  const shift = exponent - 63 + bits;
  return shift >= 0 ? significand << BigInt(shift) : significand >> BigInt(-shift);
}

const withDenormal = (answer: Answer, ...operands: readonly Operand[]): Answer =>
  operands.some(({ denormal }) => denormal) ? { ...answer, flags: answer.flags | Flag.denormal } : answer;

/** An unmasked denormal keeps the operation from being done. */
const stopped = (control: number, ...operands: readonly Operand[]): boolean =>
  (control & Flag.denormal) === 0 && operands.some(({ denormal }) => denormal);

/** Results that happen to be exact count as inexact, on the silicon too. */
function noted(answer: Answer): Answer {
  const tiny = (answer.result.signExponent & MAXIMUM) === 0 && answer.result.significand !== 0n;
  return { ...answer, flags: answer.flags | Flag.precision | (tiny ? Flag.underflow : 0) };
}

/** A function that differs from its argument by less than the processor looks at. */
const itself = (control: number, x: Operand): Answer => noted(round(control, x.sign, x.significand, 63 - x.exponent, false));

/** Below it the first term of a series is the result but for its last half unit. */
const TINY = -68;

// --- angles

/** pi/2 as the processor has it: 66 significant bits of pi, here with 65 fraction bits. */
const HALF_PI_66 = 0x3243f6a8885a308d3n;
const HALF_PI_BITS = 65;
const LARGEST_ANGLE = 63;

interface Angle {
  /** Multiples of pi/2 taken off, modulo 4. */
  readonly quadrant: number;
  readonly sine: bigint;
  readonly cosine: bigint;
  readonly bits: number;
}

function reduce(x: Operand): Angle {
  const bits = WORKING_BITS + Math.max(0, -2 * x.exponent);
  const quarter = HALF_PI_66 << BigInt(bits - HALF_PI_BITS);
  const whole = fixed(x, bits);
  let count = whole / quarter;
  let rest = whole - count * quarter;
  if (2n * rest > quarter) {
    count++;
    rest -= quarter;
  }
  if (x.sign) {
    count = -count;
    rest = -rest;
  }
  return { quadrant: Number(count & 3n), ...sineCosine(rest, bits), bits };
}

function signedRound(control: number, value: bigint, bits: number): Answer {
  return round(control, value < 0n ? 1 : 0, value < 0n ? -value : value, bits);
}

const outOfRange = ({ whole }: Operand): Answer => ({ result: whole, flags: OUT_OF_RANGE });

/** What sine, tangent and cosine have in common: NaNs, infinities, the range. */
function beforeAngle(x: Operand): Answer | undefined {
  if (x.kind === 'infinite') return invalid;
  if (x.kind === 'finite' && x.exponent >= LARGEST_ANGLE) return outOfRange(x);
  return nan(x);
}

function sineOf(control: number, x: Operand): Answer {
  if (x.kind === 'zero') return exact(x.whole);
  if (x.exponent < TINY) return itself(control, x);
  const { quadrant, sine, cosine, bits } = reduce(x);
  return signedRound(control, [sine, cosine, -sine, -cosine][quadrant], bits);
}

function cosineOf(control: number, x: Operand): Answer {
  if (x.kind === 'zero') return exact(ONE);
  if (x.exponent < TINY) return exact(ONE, Flag.precision);
  const { quadrant, sine, cosine, bits } = reduce(x);
  return signedRound(control, [cosine, -sine, -cosine, sine][quadrant], bits);
}

type One = (control: number, operand: Extended) => Answer;
type Two = (control: number, top: Extended, below: Extended) => Answer;

const angle =
  (compute: (control: number, x: Operand) => Answer): One =>
  (control, operand) => {
    const x = read(operand);
    const special = beforeAngle(x);
    if (special) return special;
    if (stopped(control, x)) return exact(operand, Flag.denormal);
    return withDenormal(compute(control, x), x);
  };

export const fsin = angle(sineOf);
export const fcos = angle(cosineOf);

/** ST(0) becomes the sine, the cosine is pushed. */
export const fsincos: One = (control, operand) => {
  const sine = fsin(control, operand);
  if (sine.flags & OUT_OF_RANGE || stopped(control, read(operand))) return sine;
  const cosine = fcos(control, operand);
  return { result: sine.result, pushed: cosine.result, flags: (sine.flags & ~Flag.roundedUp) | cosine.flags };
};

/** ST(0) becomes the tangent, 1 is pushed. */
export const fptan: One = (control, operand) => {
  const tangent = angle((_, x) => {
    if (x.kind === 'zero') return exact(x.whole);
    if (x.exponent < TINY) return itself(control, x);
    const { quadrant, sine, cosine, bits } = reduce(x);
    const [above, under] = quadrant & 1 ? [-cosine, sine] : [sine, cosine];
    return signedRound(control, (above << BigInt(bits)) / under, bits);
  })(control, operand);
  if (tangent.flags & OUT_OF_RANGE || stopped(control, read(operand))) return tangent;
  const failed = (tangent.result.signExponent & MAXIMUM) === MAXIMUM;
  return { ...tangent, pushed: failed ? tangent.result : ONE };
};

// --- the arc tangent

/** Multiples of pi/4, inexact as results. */
function piOver(control: number, sign: number, quarters: bigint): Answer {
  return round(control, sign, (pi(WORKING_BITS) * quarters) >> 2n, WORKING_BITS);
}

/** ST(0) = arctan(ST(1) / ST(0)), in the quadrant of the point (ST(0), ST(1)). */
export const fpatan: Two = (control, top, below) => {
  const x = read(top);
  const y = read(below);
  const special = nan(x, y);
  if (special) return special;
  if (stopped(control, x, y)) return exact(top, Flag.denormal);
  return withDenormal(arc(control, x, y), x, y);
};

function arc(control: number, x: Operand, y: Operand): Answer {
  if (y.kind === 'infinite') return piOver(control, y.sign, x.kind === 'infinite' ? (x.sign ? 3n : 1n) : 2n);
  if (x.kind === 'infinite' || y.kind === 'zero') return x.sign ? piOver(control, y.sign, 4n) : exact(zeroOf(y.sign));
  if (x.kind === 'zero') return piOver(control, y.sign, 2n);
  const distance = y.exponent - x.exponent;
  // A small quotient in the right half plane needs its own precision, down to a denormal result.
  if (!x.sign && distance < TINY) {
    const dividend = y.significand << 256n;
    const inexact = dividend % x.significand !== 0n;
    return noted(round(control, y.sign, dividend / x.significand, 256 - distance, inexact));
  }
  const bits = WORKING_BITS + 2 * Math.min(160, Math.abs(distance));
  const near = Math.max(-200, Math.min(200, distance));
  const a = near >= 0 ? y.significand << BigInt(near) : y.significand;
  const b = near >= 0 ? x.significand : x.significand << BigInt(-near);
  const full = pi(bits);
  let result = a <= b ? arcTangent(a, b, bits) : full / 2n - arcTangent(b, a, bits);
  if (x.sign) result = full - result;
  return round(control, y.sign, result, bits);
}

// --- powers and logarithms

/** 2^ST(0) - 1 for -1 <= ST(0) <= 1; beyond, the manual leaves the result open, and the operand stays. */
export const f2xm1: One = (control, operand) => {
  const x = read(operand);
  const special = nan(x);
  if (special) return special;
  if (x.kind === 'infinite') return exact(x.sign ? of(1, BIAS, TOP) : operand);
  if (x.kind === 'zero') return exact(operand);
  if (stopped(control, x)) return exact(operand, Flag.denormal);
  return withDenormal(powerMinusOne(control, x), x);
};

function powerMinusOne(control: number, x: Operand): Answer {
  if (x.exponent >= 0) {
    if (x.exponent > 0 || x.significand !== TOP) return exact(x.whole, Flag.precision);
    return exact(x.sign ? of(1, BIAS - 1, TOP) : ONE, Flag.precision);
  }
  const bits = WORKING_BITS + Math.min(160, -2 * x.exponent);
  const two = logarithmOfTwo(bits);
  if (x.exponent < TINY) {
    const product = x.significand * two;
    return round(control, x.sign, product, 63 - x.exponent + bits);
  }
  const product = (fixed(x, bits) * two) >> BigInt(bits);
  return signedRound(control, expMinusOne(x.sign ? -product : product, bits), bits);
}

/** ST(1) · log2(ST(0)). */
export const fyl2x: Two = (control, top, below) => {
  const x = read(top);
  const y = read(below);
  const special = nan(x, y);
  if (special) return special;
  if (x.sign && x.kind !== 'zero') return invalid;
  if (x.kind === 'zero') {
    if (y.kind === 'zero') return invalid;
    if (y.kind === 'infinite') return exact(infinityOf(y.sign ^ 1));
    return exact(infinityOf(y.sign ^ 1), Flag.zeroDivide);
  }
  const one = x.kind === 'finite' && x.exponent === 0 && x.significand === TOP;
  const below1 = x.kind === 'finite' && x.exponent < 0;
  if (y.kind === 'infinite') {
    if (one) return invalid;
    return withDenormalUnless(control, exact(infinityOf(y.sign ^ (below1 ? 1 : 0))), x);
  }
  if (x.kind === 'infinite') {
    if (y.kind === 'zero') return invalid;
    return withDenormalUnless(control, exact(infinityOf(y.sign)), y);
  }
  if (stopped(control, x, y)) return exact(top, Flag.denormal);
  if (one || y.kind === 'zero') return withDenormal(exact(zeroOf(y.sign ^ (below1 ? 1 : 0))), x, y);
  return withDenormal(logarithmTimes(control, x, y), x, y);
};

const withDenormalUnless = (control: number, answer: Answer, x: Operand): Answer =>
  stopped(control, x) ? exact(x.whole, Flag.denormal) : withDenormal(answer, x);

function logarithmTimes(control: number, x: Operand, y: Operand): Answer {
  // Near 1 the logarithm is small: twice the significand's width keeps its relative precision.
  const bits = WORKING_BITS + 128;
  const power = x.significand === TOP;
  // A fraction in [3/4, 3/2), so that close to 1 nothing cancels.
  const upper = x.significand > 3n << 62n;
  const exponent = x.exponent + (upper ? 1 : 0);
  const fraction = x.significand << BigInt(bits - 63 - (upper ? 1 : 0));
  const fractional = power ? 0n : (logarithmPlusOne(fraction - (1n << BigInt(bits)), bits) << BigInt(bits)) / logarithmOfTwo(bits);
  return multiplied(control, (BigInt(exponent) << BigInt(bits)) + fractional, bits, y, !power);
}

/** logarithm / 2^bits times y, rounded. */
function multiplied(control: number, logarithm: bigint, bits: number, y: Operand, inexact: boolean): Answer {
  const magnitude = (logarithm < 0n ? -logarithm : logarithm) * y.significand;
  const answer = round(control, y.sign ^ (logarithm < 0n ? 1 : 0), magnitude, bits + 63 - y.exponent, inexact);
  return noted(answer);
}

/** ST(1) · log2(ST(0) + 1); the manual defines it for |ST(0)| up to 1 - sqrt(2)/2. */
export const fyl2xp1: Two = (control, top, below) => {
  const x = read(top);
  const y = read(below);
  const special = nan(x, y);
  if (special) return special;
  if (x.sign && x.kind === 'infinite') return invalid;
  if (y.kind === 'infinite') {
    if (x.kind === 'zero') return invalid;
    return withDenormalUnless(control, exact(infinityOf(x.sign ^ y.sign)), x);
  }
  if (x.kind === 'infinite') {
    if (y.kind === 'zero') return invalid;
    return withDenormalUnless(control, exact(infinityOf(y.sign)), y);
  }
  if (stopped(control, x, y)) return exact(top, Flag.denormal);
  if (x.kind === 'zero' || y.kind === 'zero') return withDenormal(exact(zeroOf(x.sign ^ y.sign)), x, y);
  // At -1 and below, where there is no logarithm and the manual says nothing, ST(0) goes over the result.
  if (x.sign && x.exponent >= 0) return withDenormal(exact(x.whole, Flag.precision), y);
  return withDenormal(logarithmPlusOneTimes(control, x, y), x, y);
};

function logarithmPlusOneTimes(control: number, x: Operand, y: Operand): Answer {
  const bits = WORKING_BITS + 2 * Math.min(160, Math.max(0, -x.exponent));
  const two = logarithmOfTwo(bits);
  if (x.exponent < 2 * TINY) {
    // x / ln 2, nudged by the next term's sign.
    const quotient = (x.significand << BigInt(2 * bits)) / two;
    const moved = x.sign ? quotient + 1n : quotient - 1n;
    return multiplied(control, x.sign ? -moved : moved, bits + 63 - x.exponent, y, true);
  }
  const value = fixed(x, bits);
  const natural =
    x.exponent < -1 ? logarithmPlusOne(x.sign ? -value : value, bits) : logarithmOf((1n << BigInt(bits)) + (x.sign ? -value : value), bits);
  return multiplied(control, (natural << BigInt(bits)) / two, bits, y, true);
}

/** ln x for any positive x. */
function logarithmOf(x: bigint, bits: number): bigint {
  const shift = BigInt(bitLength(x) - 1 - bits);
  return logarithm(shift >= 0n ? x >> shift : x << -shift, bits) + shift * logarithmOfTwo(bits);
}

/** The constants that FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2 and FLDZ load: 64 bits and what follows them, above a half or not. */
export const CONSTANTS: Readonly<
  Record<string, { readonly truncated: bigint; readonly signExponent: number; readonly exact?: true; readonly up: boolean }>
> = {
  fld1: { truncated: TOP, signExponent: BIAS, exact: true, up: false },
  fldl2t: { truncated: 0xd49a784bcd1b8afen, signExponent: BIAS + 1, up: false },
  fldl2e: { truncated: 0xb8aa3b295c17f0bbn, signExponent: BIAS, up: true },
  fldpi: { truncated: 0xc90fdaa22168c234n, signExponent: BIAS + 1, up: true },
  fldlg2: { truncated: 0x9a209a84fbcff798n, signExponent: BIAS - 2, up: true },
  fldln2: { truncated: 0xb17217f7d1cf79abn, signExponent: BIAS - 1, up: true },
  fldz: { truncated: 0n, signExponent: 0, exact: true, up: false },
};
