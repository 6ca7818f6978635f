/** 128-bit SIMD instructions (WebAssembly Core Specification, "Vector Instructions"): all have the prefix FD. */
import { type Code, type Expr, V128, type ValueType } from './code';

const PREFIX = 0xfd;
/** Of the load of 16 bytes. */
const WHOLE = 0x00;

function opcode(c: Code, number: number): void {
  c.byte(PREFIX);
  c.unsigned(number);
}

const unary =
  (number: number) =>
  (a: Expr): Expr =>
  (c) => {
    a(c);
    opcode(c, number);
  };

const binary =
  (number: number) =>
  (a: Expr, b: Expr): Expr =>
  (c) => {
    a(c);
    b(c);
    opcode(c, number);
  };

const extract =
  (number: number) =>
  (a: Expr, lane: number): Expr =>
  (c) => {
    a(c);
    opcode(c, number);
    c.byte(lane);
  };

const replace =
  (number: number) =>
  (a: Expr, lane: number, value: Expr): Expr =>
  (c) => {
    a(c);
    value(c);
    opcode(c, number);
    c.byte(lane);
  };

const load =
  (number: number) =>
  (address: Expr, offset = 0): Expr =>
  (c) => {
    if (number === WHOLE && c.vectors && typeof address.value === 'number' && c.vectors.loadWhole(address.value + offset)) return;
    address(c);
    opcode(c, number);
    c.unsigned(0);
    c.unsigned(offset);
  };

/** Sixteen bytes as they stand in memory. */
const constant =
  (bytes: readonly number[]): Expr =>
  (c) => {
    opcode(c, 0x0c);
    for (let i = 0; i < 16; i++) c.byte(bytes[i] & 0xff);
  };

export const v128 = {
  type: V128 as ValueType,
  const: constant,
  load: load(0x00),
  /** Zeros above. */
  load32_zero: load(0x5c),
  load64_zero: load(0x5d),
  store: (c: Code, address: Expr, value: Expr, offset = 0): void => {
    if (c.vectors && typeof address.value === 'number' && c.vectors.storeWhole(address.value + offset, () => value(c))) return;
    address(c);
    value(c);
    opcode(c, 0x0b);
    c.unsigned(0);
    c.unsigned(offset);
  },
  not: unary(0x4d),
  and: binary(0x4e),
  /** `a & ~b`. */
  andnot: binary(0x4f),
  or: binary(0x50),
  xor: binary(0x51),
  /** Bits of `a` where the mask is 1, of `b` where it is 0. */
  bitselect:
    (a: Expr, b: Expr, mask: Expr): Expr =>
    (c) => {
      a(c);
      b(c);
      mask(c);
      opcode(c, 0x52);
    },
  anyTrue: unary(0x53),
} as const;

/** Comparisons fill a lane with ones or zeros. */
const comparisons = (first: number) => ({
  eq: binary(first),
  ne: binary(first + 1),
  lt_s: binary(first + 2),
  lt_u: binary(first + 3),
  gt_s: binary(first + 4),
  gt_u: binary(first + 5),
  le_s: binary(first + 6),
  le_u: binary(first + 7),
  ge_s: binary(first + 8),
  ge_u: binary(first + 9),
});

/** Shift counts are i32s, modulo the lane's width. */
const lanes = (at: number) => ({
  abs: unary(at),
  neg: unary(at + 0x01),
  /** An i32 of 1 where no lane is zero. */
  allTrue: unary(at + 0x03),
  /** An i32 of the lanes' top bits. */
  bitmask: unary(at + 0x04),
  shl: binary(at + 0x0b),
  shr_s: binary(at + 0x0c),
  shr_u: binary(at + 0x0d),
  add: binary(at + 0x0e),
  sub: binary(at + 0x11),
});

const saturating = (at: number) => ({
  add_sat_s: binary(at + 0x0f),
  add_sat_u: binary(at + 0x10),
  sub_sat_s: binary(at + 0x12),
  sub_sat_u: binary(at + 0x13),
  avgr_u: binary(at + 0x1b),
});

const extremes = (at: number) => ({
  min_s: binary(at + 0x16),
  min_u: binary(at + 0x17),
  max_s: binary(at + 0x18),
  max_u: binary(at + 0x19),
});

/** From lanes of half the width. */
const widening = (at: number) => ({
  extend_low_s: unary(at + 0x07),
  extend_high_s: unary(at + 0x08),
  extend_low_u: unary(at + 0x09),
  extend_high_u: unary(at + 0x0a),
  extmul_low_s: binary(at + 0x1c),
  extmul_high_s: binary(at + 0x1d),
  extmul_low_u: binary(at + 0x1e),
  extmul_high_u: binary(at + 0x1f),
  mul: binary(at + 0x15),
});

export const i8x16 = {
  ...comparisons(0x23),
  ...lanes(0x60),
  ...saturating(0x60),
  min_s: binary(0x76),
  min_u: binary(0x77),
  max_s: binary(0x78),
  max_u: binary(0x79),
  splat: unary(0x0f),
  extract_s: extract(0x15),
  extract_u: extract(0x16),
  replace: replace(0x17),
  /** Lanes of `a` and `b` together, by constant numbers. */
  shuffle:
    (a: Expr, b: Expr, numbers: readonly number[]): Expr =>
    (c) => {
      a(c);
      b(c);
      opcode(c, 0x0d);
      for (let i = 0; i < 16; i++) c.byte(numbers[i]);
    },
  /** Lanes of `a` by numbers; one beyond 15 gives 0. */
  swizzle: binary(0x0e),
  narrow_s: binary(0x65),
  narrow_u: binary(0x66),
} as const;

export const i16x8 = {
  ...comparisons(0x2d),
  ...lanes(0x80),
  ...saturating(0x80),
  ...extremes(0x80),
  ...widening(0x80),
  splat: unary(0x10),
  extract_u: extract(0x19),
  replace: replace(0x1a),
  narrow_s: binary(0x85),
  narrow_u: binary(0x86),
  q15mulr_sat_s: binary(0x82),
  extadd_pairwise_u: unary(0x7d),
} as const;

export const i32x4 = {
  ...comparisons(0x37),
  ...lanes(0xa0),
  ...extremes(0xa0),
  ...widening(0xa0),
  splat: unary(0x11),
  extract: extract(0x1b),
  replace: replace(0x1c),
  dot: binary(0xba),
  extadd_pairwise_u: unary(0x7f),
} as const;

export const i64x2 = {
  ...lanes(0xc0),
  ...widening(0xc0),
  eq: binary(0xd6),
  ne: binary(0xd7),
  gt_s: binary(0xd9),
  splat: unary(0x12),
  extract: extract(0x1d),
  replace: replace(0x1e),
} as const;

interface FloatVectorOpcodes {
  /** The first of eq, ne, lt, gt, le, ge. */
  readonly compare: number;
  /** The first of abs, neg, (none), sqrt, add, sub, mul, div, min, max, pmin, pmax. */
  readonly arithmetic: number;
  readonly ceil: number;
  readonly floor: number;
  readonly trunc: number;
  readonly nearest: number;
}

/** Native IEEE 754 arithmetic in lanes: round to nearest, no flags, and NaNs of no certain payload. */
const floats = ({ compare, arithmetic, ceil, floor, trunc, nearest }: FloatVectorOpcodes) => ({
  eq: binary(compare),
  ne: binary(compare + 1),
  lt: binary(compare + 2),
  gt: binary(compare + 3),
  le: binary(compare + 4),
  ge: binary(compare + 5),
  abs: unary(arithmetic),
  sqrt: unary(arithmetic + 3),
  add: binary(arithmetic + 4),
  sub: binary(arithmetic + 5),
  mul: binary(arithmetic + 6),
  div: binary(arithmetic + 7),
  /** `b < a ? b : a`. */
  pmin: binary(arithmetic + 10),
  /** `a < b ? b : a`. */
  pmax: binary(arithmetic + 11),
  ceil: unary(ceil),
  floor: unary(floor),
  trunc: unary(trunc),
  nearest: unary(nearest),
});

export const f32x4 = {
  ...floats({ compare: 0x41, arithmetic: 0xe0, ceil: 0x67, floor: 0x68, trunc: 0x69, nearest: 0x6a }),
  splat: unary(0x13),
  extract: extract(0x1f),
  replace: replace(0x20),
  convert_i32x4_s: unary(0xfa),
  /** Zeros above. */
  demote_f64x2: unary(0x5e),
} as const;

export const f64x2 = {
  ...floats({ compare: 0x47, arithmetic: 0xec, ceil: 0x74, floor: 0x75, trunc: 0x7a, nearest: 0x94 }),
  splat: unary(0x14),
  extract: extract(0x21),
  replace: replace(0x22),
  convert_low_i32x4_s: unary(0xfe),
  promote_low_f32x4: unary(0x5f),
} as const;

/** Floats to integers: towards zero; a NaN gives 0, what does not fit the nearest integer that does. Zeros above where there are two. */
export const truncateLanes = { i32x4_f32x4_s: unary(0xf8), i32x4_f64x2_s: unary(0xfc) } as const;
