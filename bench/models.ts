/**
 * What the guests of the benchmark calculate, calculated another way: by the language, by Node's own functions, by definition.
 * Each gives what `round` leaves in EAX, from 0 to 2^32 - 1.
 */
import { createHash } from 'node:crypto';
import type { Width } from './guests';

/** Results that do not depend on the round are calculated once. */
const once = (calculate: (width: Width) => number) => {
  const known = new Map<Width, number>();
  return (width: Width): number => {
    const value = known.get(width) ?? calculate(width) >>> 0;
    known.set(width, value);
    return value;
  };
};

/** The guests' noise: a linear congruence modulo 2^32, from 12345. */
export function noise(count: number): Uint32Array {
  const words = new Uint32Array(count);
  let value = 12345;
  for (let i = 0; i < count; i++) words[i] = value = (Math.imul(value, 1664525) + 1013904223) | 0;
  return words;
}

const bytesOf = (words: Uint32Array): Uint8Array => new Uint8Array(words.buffer);

export const loopTight = (): number => 7;

/** Arithmetic of registers of a width. */
function arithmetic(width: Width) {
  const bits = BigInt(width);
  const cut = (value: bigint): bigint => BigInt.asUintN(width, value);
  return { bits, cut, rol: (value: bigint, by: bigint): bigint => cut((value << by) | (value >> (bits - by))) };
}

export const loopRegisters = once((width) => {
  const { bits, cut, rol } = arithmetic(width);
  let [a, b, d, s, t] = [1n, 2n, 3n, 4n, 5n];
  for (let count = 0; count < 20_000; count++) {
    const sum = a + d;
    a = cut(sum);
    t = cut(t + b + (sum >> bits));
    d ^= a;
    a = rol(a, 5n);
    b = cut(b + a * 2n + 1n);
    s = cut(s * 69069n + b);
    if (s & 0x10000n) d = cut(d - s);
    const carry = t & 1n;
    t = cut((t >> 1n) - s - carry);
  }
  const mixed = a ^ b ^ d ^ s ^ t;
  return Number((mixed ^ (mixed >> 32n)) & 0xffffffffn);
});

export const loopMemory = once((width) => {
  const { cut, rol } = arithmetic(width);
  let [a, d] = [1n, 0x12345678n];
  for (let count = 0; count < 20_000; count++) {
    a = cut(a + d);
    d ^= a;
    a = rol(a, 3n);
    d = cut(d + a);
  }
  return Number((a ^ d) & 0xffffffffn);
});

export const sieve = once(() => {
  let primes = 0;
  for (let candidate = 2; candidate < 262_144; candidate++) {
    let divisor = 2;
    while (divisor * divisor <= candidate && candidate % divisor !== 0) divisor++;
    if (divisor * divisor > candidate) primes++;
  }
  return primes;
});

export const crc32 = once(() => {
  let crc = -1;
  for (const byte of bytesOf(noise(65_536 / 4))) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
});

export const sha256 = once(() => {
  const message = bytesOf(noise((64 * 64) / 4)).subarray(0, 64 * 64 - 9);
  const digest = createHash('sha256').update(message).digest();
  let mixed = 0;
  for (let word = 7; word >= 0; word--) mixed = ((mixed << 3) | (mixed >>> 29)) ^ digest.readUInt32BE(word * 4);
  return mixed;
});

export const quicksort = once(() =>
  noise(16_384)
    .sort()
    .reduce((sum, value, place) => (sum + Math.imul(value, place + 1)) | 0, 0),
);
