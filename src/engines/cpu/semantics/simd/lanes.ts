/** Vectors of constants, and the rearrangements that many instructions share. */
import { type Expr, i32, select } from '../../wasm/code';
import { i16x8, i32x4, i8x16, v128 } from '../../wasm/vector';

export const bytes = (values: readonly number[]): Expr => v128.const(values);
export const words = (values: readonly number[]): Expr => v128.const(values.flatMap((value) => [value & 0xff, (value >> 8) & 0xff]));
export const doublewords = (values: readonly number[]): Expr =>
  v128.const(values.flatMap((value) => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff)));
export const all = (value: number): Expr => bytes(new Array<number>(16).fill(value));
export const ZERO = all(0);

const range = (count: number, each: (i: number) => number): number[] => Array.from({ length: count }, (_, i) => each(i));
export const IOTA = bytes(range(16, (i) => i));

/** Byte numbers of elements, by the elements' numbers. */
export const elements = (size: number, numbers: readonly number[]): number[] =>
  numbers.flatMap((number) => range(size, (byte) => number * size + byte));

/** The low eight bytes of both, joined: what two MMX registers are as one vector. */
export const join = (a: Expr, b: Expr): Expr => i8x16.shuffle(a, b, [...range(8, (i) => i), ...range(8, (i) => 16 + i)]);

/** The even (`first` 0) or odd (1) elements of both, in order. */
export const alternate = (a: Expr, b: Expr, size: 2 | 4, first: 0 | 1): Expr =>
  i8x16.shuffle(
    a,
    b,
    elements(
      size,
      range(16 / size, (i) => 2 * i + first),
    ),
  );

/** i32 `a` or `limit`, whichever is smaller, unsigned. `a` is used twice. */
export const atMost = (a: Expr, limit: number): Expr => select(i32.lt_u(a, i32.const(limit)), a, i32.const(limit));

/** Bytes of `a` from number `start` (an i32 of -128 to 111) on; zeros where there are none. */
export const from = (a: Expr, start: Expr): Expr => i8x16.swizzle(a, i8x16.add(IOTA, i8x16.splat(start)));

/** Four selectors of two bits each in an i32, one a lane of 32 bits. */
export const selectors32 = (selector: Expr): Expr =>
  v128.and(i32x4.shr_u(i32x4.mul(i32x4.splat(selector), doublewords([64, 16, 4, 1])), i32.const(6)), doublewords([3, 3, 3, 3]));

/** The same for the lower four or the upper four of eight words; zeros elsewhere. */
export const selectors16 = (selector: Expr, upper: boolean): Expr => {
  const factors = upper ? [0, 0, 0, 0, 64, 16, 4, 1] : [64, 16, 4, 1, 0, 0, 0, 0];
  return v128.and(i16x8.shr_u(i16x8.mul(i16x8.splat(selector), words(factors)), i32.const(6)), words(new Array<number>(8).fill(3)));
};

/** Ones in each lane whose bit in an i32 is set. */
export const mask16 = (bits: Expr): Expr => {
  const each = words(range(8, (i) => 1 << i));
  return i16x8.eq(v128.and(i16x8.splat(bits), each), each);
};
export const mask32 = (bits: Expr): Expr => {
  const each = doublewords([1, 2, 4, 8]);
  return i32x4.eq(v128.and(i32x4.splat(bits), each), each);
};
/** Each of two bits fills 64 bits. */
export const mask64 = (bits: Expr): Expr => {
  const each = doublewords([1, 1, 2, 2]);
  return i32x4.eq(v128.and(i32x4.splat(bits), each), each);
};
