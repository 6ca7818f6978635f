/** Numbers with a fraction, from and to their bits: single, double and x87's extended precision. */
import { encodeFloat, FLOAT_FORMATS } from '../../assembler/floats';
import type { FloatNotation } from '../../engines/engine';

const SIZES: Readonly<Record<FloatNotation, 4 | 8 | 10>> = { f32: 4, f64: 8, f80: 10 };

/** Shortest decimal text that names this number among those of its format. */
export function formatFloat(bits: bigint, notation: FloatNotation): string {
  return notation === 'f80' ? formatExtended(bits) : notation === 'f64' ? formatDouble(bits) : formatSingle(bits);
}

function formatDouble(bits: bigint): string {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, bits);
  const value = view.getFloat64(0);
  return Number.isNaN(value) ? nanText(bits >> 63n, (bits >> 51n) & 1n) : numberText(value);
}

function formatSingle(bits: bigint): string {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, Number(bits));
  const value = view.getFloat32(0);
  if (Number.isNaN(value)) return nanText(bits >> 31n, (bits >> 22n) & 1n);
  if (!Number.isFinite(value)) return numberText(value);
  for (let digits = 1; digits <= 9; digits++) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === value) return numberText(Number(text));
  }
  return numberText(value);
}

const numberText = (value: number): string =>
  Object.is(value, -0) ? '-0.0' : Number.isFinite(value) ? withPoint(String(value)) : value < 0 ? '-infinity' : 'infinity';

/** Whole numbers are shown as what they are: numbers that could have a fraction. */
const withPoint = (text: string): string => (/^-?\d+$/.test(text) ? `${text}.0` : text);

const nanText = (sign: bigint, quiet: bigint): string => `${sign ? '-' : ''}${quiet ? 'nan' : 'snan'}`;

const BIAS = 16383;
const DIGITS = 21;

function formatExtended(bits: bigint): string {
  const negative = bits >> 79n === 1n;
  const exponent = Number((bits >> 64n) & 0x7fffn);
  const significand = BigInt.asUintN(64, bits);
  const sign = negative ? '-' : '';
  if (exponent === 0x7fff) {
    if (significand >> 63n === 0n) return `${sign}unsupported`;
    if (BigInt.asUintN(63, significand) === 0n) return `${sign}infinity`;
    return nanText(negative ? 1n : 0n, (significand >> 62n) & 1n);
  }
  if (significand === 0n) return `${sign}0.0`;
  if (exponent !== 0 && significand >> 63n === 0n) return `${sign}unsupported`;
  // Shown with as few digits as lead back to the same bits.
  for (let digits = 1; digits < DIGITS; digits++) {
    const text = decimal(significand, Math.max(exponent, 1) - BIAS - 63, digits);
    if (parseFloatText(text, 'f80') === BigInt.asUintN(79, bits)) return sign + withPoint(text);
  }
  return sign + withPoint(decimal(significand, Math.max(exponent, 1) - BIAS - 63, DIGITS));
}

const LOG10_2 = Math.log10(2);

/** significand × 2^power, rounded to some decimal digits. */
function decimal(significand: bigint, power: number, digits: number): string {
  let magnitude = Math.floor((significand.toString(2).length - 1 + power) * LOG10_2) + 1;
  for (;;) {
    const scale = digits - magnitude;
    let numerator = power >= 0 ? significand << BigInt(power) : significand;
    let denominator = power >= 0 ? 1n : 1n << BigInt(-power);
    if (scale >= 0) numerator *= 10n ** BigInt(scale);
    else denominator *= 10n ** BigInt(-scale);
    const rounded = ((numerator * 2n) / denominator + 1n) / 2n;
    const text = rounded.toString();
    if (text.length > digits) magnitude++;
    else if (text.length < digits) magnitude--;
    else return place(text, magnitude);
  }
}

/** Digits with their point before digit `magnitude`, or with an exponent where that would be far away. */
function place(digits: string, magnitude: number): string {
  const trimmed = digits.replace(/0+$/, '') || '0';
  if (magnitude > DIGITS || magnitude < -5) {
    const rest = trimmed.slice(1);
    return `${trimmed[0]}${rest ? `.${rest}` : ''}e${magnitude > 0 ? '+' : ''}${magnitude - 1}`;
  }
  if (magnitude <= 0) return `0.${'0'.repeat(-magnitude)}${trimmed}`;
  const whole = trimmed.padEnd(magnitude, '0').slice(0, magnitude);
  const fraction = trimmed.slice(magnitude);
  return fraction ? `${whole}.${fraction}` : whole;
}

/** @returns the bits of a decimal text (or `infinity`, `nan`, `snan`), correctly rounded; undefined for what is no such number */
export function parseFloatText(text: string, notation: FloatNotation): bigint | undefined {
  const [, sign, rest] = /^\s*([-+]?)\s*(\S+)\s*$/.exec(text.toLowerCase()) ?? [];
  if (rest === undefined) return undefined;
  const found = encodeFloat(rest === 'inf' ? 'infinity' : rest, sign === '-', FLOAT_FORMATS[SIZES[notation]]);
  return found?.bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
