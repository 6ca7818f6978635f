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

const rol = (value: number, by: number): number => (value << by) | (value >>> (32 - by));

const MEBIBYTE_WORDS = (1 << 20) / 4;

/** The first and the last word of the target; the source's first word is changed before each copy. */
const mebibyte = noise(MEBIBYTE_WORDS);
export const memcpy = (_width: Width, round: number): number => (mebibyte[0] + round + 1 + mebibyte[MEBIBYTE_WORDS - 1]) >>> 0;
export const memcpyFinish = (_width: Width, rounds: number): number =>
  mebibyte.reduce((sum, word, place) => (rol(sum, 1) + word + (place === 0 ? rounds : 0)) | 0, 0) >>> 0;
export const memset = (_width: Width, round: number): number => 2 * (round + 1);
export const memsetFinish = (_width: Width, rounds: number): number => mebibyte.reduce((sum) => (rol(sum, 1) + rounds) | 0, 0) >>> 0;

export const listWalk = once(() => {
  let sum = 0;
  for (let step = 0, node = 0; step < 8192; step++, node = (node * 1229 + 3079) % 8192) sum = (rol(sum, 1) + node) | 0;
  return sum;
});

export const byteCode = once(() => {
  let [a, d, cell] = [1, 2, 0];
  for (let count = 0; count < 2000; count++) {
    a = (a + d) | 0;
    d ^= a;
    a = Math.imul(rol(a, 7) + 13, 69069);
    cell = (cell + a) | 0;
    d = (d - cell) | 0;
    [a, d] = [(d + a) | 0, a];
    // Swapped, and then added once more: (a, d) became (d + a, a).
  }
  return a ^ d;
});

export const fib = once(() => {
  let [last, next] = [0, 1];
  for (let place = 0; place < 20; place++) [last, next] = [next, last + next];
  return last;
});

export const selfModify = once(() => {
  let sum = 0;
  for (let count = 2000; count > 0; count--) sum = rol(sum + count, 1);
  return sum;
});

export const codeGenerator = once(() => {
  let sum = 0;
  for (let number = 10; number > 0; number--) {
    for (let count = 1000; count > 0; count--) sum = rol(sum + number, number) ^ count;
  }
  return sum;
});

const touchedPages = once(() => {
  let sum = 0;
  for (let count = 1024; count > 0; count--) sum = (rol(sum, 1) + count) | 0;
  return sum;
});
/** The pages' contents, and how many faults there have been. */
export const pageFaults = (width: Width, round: number): number => (touchedPages(width) + 1024 * (round + 1)) >>> 0;

export const systemCalls = once(() => {
  let sum = 0;
  for (let count = 2000; count > 0; count--) sum = (rol(sum, 1) + count) | 0;
  return sum;
});

export const interrupts = (_width: Width, round: number): number => 500 * (round + 1);

/** The scratch register's content, and 8N1 in the line control register. */
export const portIo = once(() => {
  let sum = 0;
  for (let count = 2000; count > 0; count--) sum = (rol(sum, 1) + (count & 0xff) + 3) | 0;
  return sum;
});

/** x87 at 53 bits of precision rounds as the language does, as long as no exponent leaves its range. */
export const x87 = once(() => {
  let [sum, quotient] = [1, 0];
  for (let count = 2000; count > 0; count--) {
    sum += Math.sqrt(count);
    const scaled = sum * (3 / 7);
    [sum, quotient] = [scaled, quotient / (scaled + 1) + count];
  }
  const [low, high] = new Uint32Array(Float64Array.of(sum + quotient).buffer);
  return low ^ high;
});

export const sseScalar = once(() => {
  let sum = 0;
  for (let row = 0; row < 32; row++) {
    for (let column = 0; column < 32; column++) {
      const [a, b] = [column * 0.09375 - 2.25, row * 0.09375 - 1.5];
      let [x, y, left] = [0, 0, 64];
      for (; left > 0 && x * x + y * y <= 4; left--) [x, y] = [x * x - y * y + a, 2 * (x * y) + b];
      sum = (rol(sum, 1) + left - Math.trunc(x)) | 0;
    }
  }
  return sum;
});

export const ssePacked = once(() => {
  const x = Float32Array.from(noise(4096), (word) => word >>> 8);
  const y = x.slice();
  const factor = Math.fround(0.3);
  for (let pass = 0; pass < 4; pass++) y.forEach((value, i) => (y[i] = Math.fround(value * factor) + x[i]));
  return new Uint32Array(y.buffer).reduce((mixed, word) => rol(mixed, 1) ^ word, 0);
});

export const sseInteger = once(() => {
  const lanes = Int32Array.of(1, 2, 3, 4);
  let sums = Int32Array.of(0, 0, 0, 0);
  for (let count = 0; count < 10_000; count++) {
    // Each lane's sum goes one lane down before it grows.
    sums = sums.map((_, lane) => sums[(lane + 1) & 3]);
    for (let lane = 0; lane < 4; lane++) {
      let value = lanes[lane];
      value ^= value << 13;
      value ^= value >>> 17;
      value ^= value << 5;
      lanes[lane] = value;
      sums[lane] += value;
    }
  }
  return ((sums[0] ^ sums[1]) + sums[2]) ^ sums[3];
});
