/**
 * Integers modulo 2^64 in signed form, as the assembler's expressions compute them.
 *
 * An `Int` is canonical: a number wherever the value is a safe integer, else a BigInt in -2^63 .. 2^63-1. Nearly every value of a
 * program is small, so nearly all arithmetic stays on numbers; BigInt comes in only where a result leaves the safe range.
 */
export type Int = number | bigint;

/** Brings any BigInt into canonical form, wrapping modulo 2^64. */
export function wrap(value: bigint): Int {
  const signed = BigInt.asIntN(64, value);
  const small = Number(signed);
  return Number.isSafeInteger(small) ? small : signed;
}

const isInt32 = (value: Int): value is number => typeof value === 'number' && (value | 0) === value;

/** Value as an unsigned 64-bit BigInt. */
export function unsigned(value: Int): bigint {
  return BigInt.asUintN(64, BigInt(value));
}

function exact(result: number, a: Int, b: Int, big: (x: bigint, y: bigint) => bigint): Int {
  return Number.isSafeInteger(result) ? result + 0 : wrap(big(BigInt(a), BigInt(b)));
}

const bigAdd = (x: bigint, y: bigint): bigint => x + y;
const bigSubtract = (x: bigint, y: bigint): bigint => x - y;
const bigMultiply = (x: bigint, y: bigint): bigint => x * y;

export function add(a: Int, b: Int): Int {
  return typeof a === 'number' && typeof b === 'number' ? exact(a + b, a, b, bigAdd) : wrap(BigInt(a) + BigInt(b));
}

export function subtract(a: Int, b: Int): Int {
  return typeof a === 'number' && typeof b === 'number' ? exact(a - b, a, b, bigSubtract) : wrap(BigInt(a) - BigInt(b));
}

export function multiply(a: Int, b: Int): Int {
  return typeof a === 'number' && typeof b === 'number' ? exact(a * b, a, b, bigMultiply) : wrap(BigInt(a) * BigInt(b));
}

export function negate(a: Int): Int {
  return subtract(0, a);
}

/** Unsigned quotient; the caller has ruled out a zero divisor. */
export function divideUnsigned(a: Int, b: Int): Int {
  if (typeof a === 'number' && typeof b === 'number' && a >= 0 && b > 0) return Math.floor(a / b);
  return wrap(unsigned(a) / unsigned(b));
}

/** Signed quotient, rounded towards zero. */
export function divideSigned(a: Int, b: Int): Int {
  if (typeof a === 'number' && typeof b === 'number') return Math.trunc(a / b) + 0;
  return wrap(BigInt(a) / BigInt(b));
}

export function remainderUnsigned(a: Int, b: Int): Int {
  if (typeof a === 'number' && typeof b === 'number' && a >= 0 && b > 0) return a % b;
  return wrap(unsigned(a) % unsigned(b));
}

/** Remainder with the sign of the dividend. */
export function remainderSigned(a: Int, b: Int): Int {
  if (typeof a === 'number' && typeof b === 'number') return (a % b) + 0;
  return wrap(BigInt(a) % BigInt(b));
}

export function and(a: Int, b: Int): Int {
  return isInt32(a) && isInt32(b) ? a & b : wrap(BigInt(a) & BigInt(b));
}

export function or(a: Int, b: Int): Int {
  return isInt32(a) && isInt32(b) ? a | b : wrap(BigInt(a) | BigInt(b));
}

export function xor(a: Int, b: Int): Int {
  return isInt32(a) && isInt32(b) ? a ^ b : wrap(BigInt(a) ^ BigInt(b));
}

export function not(a: Int): Int {
  return isInt32(a) ? ~a : wrap(typeof a === 'bigint' ? ~a : ~BigInt(a));
}

/** Shift counts are taken modulo 64, as the processor does. */
function shiftCount(b: Int): number {
  return Number(BigInt.asUintN(6, BigInt(b)));
}

export function shiftLeft(a: Int, b: Int): Int {
  const count = shiftCount(b);
  return multiply(a, count < 53 ? 2 ** count : 1n << BigInt(count));
}

export function shiftRightUnsigned(a: Int, b: Int): Int {
  const count = shiftCount(b);
  if (typeof a === 'number' && a >= 0) return Math.floor(a / 2 ** count);
  return wrap(unsigned(a) >> BigInt(count));
}

export function shiftRightSigned(a: Int, b: Int): Int {
  const count = shiftCount(b);
  if (typeof a === 'number') return Math.floor(a / 2 ** count) + 0;
  return wrap(a >> BigInt(count));
}

/** True where the value lies in -2^(bits-1) .. 2^bits-1: it fits in so many bits as signed or as unsigned. */
export function fitsEither(value: Int, bits: number): boolean {
  if (bits >= 64) return true;
  return value >= -(2 ** (bits - 1)) && value < 2 ** bits;
}

/** The low `bits` (at most 32) as an unsigned number. */
function lowBits(value: Int, bits: number): number {
  if (typeof value === 'number') {
    if (bits === 32) return value >= -0x80000000 && value <= 0xffffffff ? value >>> 0 : Number(BigInt.asUintN(32, BigInt(value)));
    return isInt32(value) ? value & (2 ** bits - 1) : Number(BigInt.asUintN(bits, BigInt(value)));
  }
  return Number(BigInt.asUintN(bits, value));
}

/** Writes the value little-endian into `target[at .. at+size)`. */
export function store(target: Uint8Array | number[], at: number, value: Int, size: number): void {
  if (typeof value === 'number' && size <= 4) {
    let rest = lowBits(value, 32);
    for (let i = 0; i < size; i++) {
      target[at + i] = rest & 0xff;
      rest >>>= 8;
    }
    return;
  }
  let rest = unsigned(value);
  const sign = value < 0 ? 0xff : 0;
  for (let i = 0; i < size; i++) {
    target[at + i] = i < 8 ? Number(rest & 0xffn) : sign;
    rest >>= 8n;
  }
}
