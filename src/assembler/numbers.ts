/** Integer constants: `10 0ah 0x0a $0a 1010b 0b1010 12q 0o12 10d 0d10 1_000`. */

import { type Int, wrap } from './int64';

const RADIX_OF_LETTER: Readonly<Record<string, number>> = {
  b: 2,
  y: 2,
  o: 8,
  q: 8,
  d: 10,
  t: 10,
  h: 16,
  x: 16,
};

const DIGITS: Readonly<Record<number, RegExp>> = {
  2: /^[01_]+$/,
  8: /^[0-7_]+$/,
  10: /^[0-9_]+$/,
  16: /^[0-9a-fA-F_]+$/,
};

/** True where the value of the constant does not fit 64 bits. */
export interface IntegerConstant {
  readonly value: Int;
  readonly overflow: boolean;
}

function digitsOf(text: string): { digits: string; radix: number } {
  if (text.startsWith('$')) return { digits: text.slice(1), radix: 16 };
  const prefix = text[0] === '0' && text.length > 2 ? (RADIX_OF_LETTER[text[1].toLowerCase()] ?? 0) : 0;
  const suffix = text.length > 1 ? (RADIX_OF_LETTER[text[text.length - 1].toLowerCase()] ?? 0) : 0;
  // Both marks may be there by accident (0x1b, 0b1h): the larger radix is the one that is meant.
  if (prefix > suffix) return { digits: text.slice(2), radix: prefix };
  if (suffix > prefix || suffix > 0) return { digits: text.slice(0, -1), radix: suffix };
  return { digits: text, radix: 10 };
}

/** Value of an integer constant, or undefined where the text is none. */
export function parseInteger(text: string): IntegerConstant | undefined {
  const { digits, radix } = digitsOf(text);
  if (!DIGITS[radix].test(digits)) return undefined;
  const plain = digits.includes('_') ? digits.replaceAll('_', '') : digits;
  if (plain === '') return undefined;
  if (plain.length <= 10) return { value: Number.parseInt(plain, radix), overflow: false };
  const big = radix === 10 ? BigInt(plain) : BigInt(`${radix === 16 ? '0x' : radix === 8 ? '0o' : '0b'}${plain}`);
  return { value: wrap(big), overflow: big >= 1n << 64n };
}
