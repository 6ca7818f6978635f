/**
 * Floating-point constants, correctly rounded to any of the storage formats: the decimal or hexadecimal text is taken as an exact
 * fraction of integers, so no intermediate rounding happens.
 */

export interface FloatFormat {
  /** Bytes in memory. */
  readonly size: number;
  readonly exponentBits: number;
  /** Bits of the stored fraction, without the integer bit. */
  readonly fractionBits: number;
  /** The 80-bit format stores the integer bit. */
  readonly explicitOne: boolean;
}

/** By size in bytes. 1 is the 8-bit (1-4-3) format, 2 the IEEE half. */
export const FLOAT_FORMATS: Readonly<Record<number, FloatFormat>> = {
  1: { size: 1, exponentBits: 4, fractionBits: 3, explicitOne: false },
  2: { size: 2, exponentBits: 5, fractionBits: 10, explicitOne: false },
  4: { size: 4, exponentBits: 8, fractionBits: 23, explicitOne: false },
  8: { size: 8, exponentBits: 11, fractionBits: 52, explicitOne: false },
  10: { size: 10, exponentBits: 15, fractionBits: 63, explicitOne: true },
  16: { size: 16, exponentBits: 15, fractionBits: 112, explicitOne: false },
};

export const BFLOAT16: FloatFormat = { size: 2, exponentBits: 8, fractionBits: 7, explicitOne: false };

/** Names of special values, lower case, without the underscores around them. */
const SPECIALS: Readonly<Record<string, 'infinity' | 'quiet' | 'signalling'>> = {
  infinity: 'infinity',
  nan: 'quiet',
  qnan: 'quiet',
  snan: 'signalling',
};

/** The special value that `__?Infinity?__`, `__NaN__` and the like stand for. */
export function specialFloat(name: string): string | undefined {
  const match = /^__\??(infinity|nan|qnan|snan)\??__$/i.exec(name);
  return match ? match[1].toLowerCase() : undefined;
}

export interface FloatResult {
  /** Little-endian. */
  readonly bytes: Uint8Array;
  readonly overflow: boolean;
  readonly underflow: boolean;
}

interface Fraction {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

/** Exponents beyond this are infinite or zero in every format; it keeps the integers small. */
const EXPONENT_LIMIT = 40_000;

function decimalFraction(text: string): Fraction | undefined {
  const match = /^([0-9_]*)(?:\.([0-9_]*))?(?:[eE]([+-]?[0-9_]+))?$/.exec(text);
  if (!match) return undefined;
  const whole = (match[1] ?? '').replaceAll('_', '');
  const part = (match[2] ?? '').replaceAll('_', '');
  if (whole === '' && part === '') return undefined;
  const exponent = Number((match[3] ?? '0').replaceAll('_', '')) - part.length;
  return scaled(BigInt(`0${whole}${part}`), 10n, exponent);
}

function radixFraction(text: string): Fraction | undefined {
  const match = /^(0[xXhH$]|\$|0[oOqQ]|0[bByY])([0-9a-fA-F_]*)(?:\.([0-9a-fA-F_]*))?(?:[pP]([+-]?[0-9_]+))?$/.exec(text);
  if (!match) return undefined;
  const letter = match[1].at(-1)?.toLowerCase() ?? '$';
  const bits = 'oq'.includes(letter) ? 3 : 'by'.includes(letter) ? 1 : 4;
  const whole = match[2].replaceAll('_', '');
  const part = (match[3] ?? '').replaceAll('_', '');
  let mantissa = 0n;
  for (const c of whole + part) {
    const digit = Number.parseInt(c, 16);
    if (digit >= 1 << bits) return undefined;
    mantissa = (mantissa << BigInt(bits)) | BigInt(digit);
  }
  return scaled(mantissa, 2n, Number((match[4] ?? '0').replaceAll('_', '')) - part.length * bits);
}

function scaled(mantissa: bigint, base: bigint, exponent: number): Fraction {
  const bounded = Math.max(-EXPONENT_LIMIT, Math.min(EXPONENT_LIMIT, exponent));
  return bounded >= 0
    ? { numerator: mantissa * base ** BigInt(bounded), denominator: 1n }
    : { numerator: mantissa, denominator: base ** BigInt(-bounded) };
}

const bitLength = (value: bigint): number => value.toString(2).length;

function pack(format: FloatFormat, negative: boolean, exponent: number, fraction: bigint): Uint8Array {
  const stored = format.fractionBits + (format.explicitOne ? 1 : 0);
  let bits = (BigInt(negative ? 1 : 0) << BigInt(format.exponentBits)) | BigInt(exponent);
  bits = (bits << BigInt(stored)) | fraction;
  const bytes = new Uint8Array(format.size);
  for (let i = 0; i < format.size; i++) bytes[i] = Number((bits >> BigInt(8 * i)) & 0xffn);
  return bytes;
}

function packSpecial(format: FloatFormat, negative: boolean, special: string): Uint8Array {
  const top = (1 << format.exponentBits) - 1;
  const one = format.explicitOne ? 1n << BigInt(format.fractionBits) : 0n;
  const kind = SPECIALS[special];
  const fraction = kind === 'infinity' ? 0n : kind === 'quiet' ? 1n << BigInt(format.fractionBits - 1) : 1n;
  return pack(format, negative, top, one | fraction);
}

/** Rounds to nearest, ties to even. */
function round(numerator: bigint, denominator: bigint): bigint {
  const quotient = numerator / denominator;
  const twice = (numerator % denominator) * 2n;
  const up = twice > denominator || (twice === denominator && (quotient & 1n) === 1n);
  return up ? quotient + 1n : quotient;
}

/**
 * Bytes of a floating-point constant.
 *
 * @param text unsigned constant (`1.5`, `1e10`, `0x1.8p3`) or the name of a special value (`infinity`, `nan`)
 * @returns undefined where the text is no such constant
 */
export function encodeFloat(text: string, negative: boolean, format: FloatFormat): FloatResult | undefined {
  if (text in SPECIALS) return { bytes: packSpecial(format, negative, text), overflow: false, underflow: false };
  const fraction = radixFraction(text) ?? decimalFraction(text);
  if (!fraction) return undefined;
  const { numerator, denominator } = fraction;
  if (numerator === 0n) return { bytes: pack(format, negative, 0, 0n), overflow: false, underflow: false };

  const bias = (1 << (format.exponentBits - 1)) - 1;
  let exponent = bitLength(numerator) - bitLength(denominator);
  if (exponent >= 0 ? numerator < denominator << BigInt(exponent) : numerator << BigInt(-exponent) < denominator) exponent--;
  const smallest = 1 - bias;
  const subnormal = exponent < smallest;
  const shift = format.fractionBits - (subnormal ? smallest : exponent);
  let mantissa = shift >= 0 ? round(numerator << BigInt(shift), denominator) : round(numerator, denominator << BigInt(-shift));
  let biased = subnormal ? 0 : exponent + bias;
  const one = 1n << BigInt(format.fractionBits);
  if (subnormal) {
    if (mantissa >= one) biased = 1;
  } else if (mantissa >= one * 2n) {
    mantissa >>= 1n;
    biased++;
  }
  if (biased >= (1 << format.exponentBits) - 1) {
    return { bytes: packSpecial(format, negative, 'infinity'), overflow: true, underflow: false };
  }
  const stored = format.explicitOne ? mantissa : mantissa & (one - 1n);
  return { bytes: pack(format, negative, biased, stored), overflow: false, underflow: mantissa === 0n };
}
