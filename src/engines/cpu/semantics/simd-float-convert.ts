/** SSE conversions between floating-point formats, and to and from integers. */
import { n, q } from '../float/kit';
import { type Expr, f32, f64, I32, I64, i32, i64, truncate } from '../wasm/code';
import { f32x4, f64x2, i32x4, i64x2, truncateLanes, v128 } from '../wasm/vector';
import type { Semantics } from './context';
import { CHOP, DWORD, type Group, type Kind, PD, PS, SD, SS } from './simd-float-exact';
import { MAY_BE_INEXACT, nativeOf, NEAREST } from './simd-float-native';
import { compute, type Quick, readGroup, resultOf, sse, write } from './simd-float-operands';
import { doublewords } from './simd/lanes';

const table: Record<string, Semantics> = {};

/** Converts operand 1 into a register. */
const conversion = (from: Group, to: Kind, exact: string, quick: (source: Expr) => Quick, words: readonly Expr[] = []): Semantics =>
  sse((c) => {
    const source = readGroup(c, 1, from);
    write(c, to, compute(c, resultOf(to), quick(source), exact, [source, ...words]));
  });

const TWO_DWORDS: Group = { lane: DWORD, count: 2 };
const FOUR_DWORDS: Group = { lane: DWORD, count: 4 };

const [single, singles] = [nativeOf(SS), nativeOf(PS)];

table.cvtss2sd = conversion(SS, SD, 'cvtss2sd', (a) => ({
  before: [single.ordered([f32.fromBits(a)]), ...single.noDenormals([a])],
  value: f64.promote(f32.fromBits(a)),
}));
table.cvtsd2ss = conversion(SD, SS, 'cvtsd2ss', (a) => ({
  before: [NEAREST],
  value: f32.demote(f64.fromBits(a)),
  after: (result) => [single.normal(result)],
}));
table.cvtps2pd = conversion(TWO_DWORDS, PD, 'cvtps2pd', (a) => ({
  before: [singles.ordered([a]), ...singles.noDenormals([a])],
  value: f64x2.promote_low_f32x4(a),
}));
table.cvtpd2ps = conversion(PD, PS, 'cvtpd2ps', (a) => ({
  before: [NEAREST],
  value: f32x4.demote_f64x2(a),
  // The upper half is zero, and here as if it were one.
  after: (result) => [singles.normal(v128.or(result, doublewords([0, 0, 0x3f800000, 0x3f800000])))],
}));
table.cvtdq2ps = conversion(FOUR_DWORDS, PS, 'dq2ps', (a) => ({ before: [NEAREST], value: f32x4.convert_i32x4_s(a) }));
table.cvtdq2pd = sse((c) => write(c, PD, f64x2.convert_low_i32x4_s(readGroup(c, 1, TWO_DWORDS))));

/** Two to the power of 31 and 63. */
const LIMIT = {
  f32: { 32: n(0x4f000000), 64: n(0x5f000000) },
  f64: { 32: q(0x41e0000000000000n), 64: q(0x43e0000000000000n) },
} as const;

for (const kind of [SS, SD]) {
  const native = nativeOf(kind);
  const float = kind === SS ? f32 : f64;
  // Integers up to this magnitude are exact.
  const exact = kind === SS ? 1n << 24n : 1n << 53n;
  table[`cvtsi2${kind.suffix}`] = sse((c) => {
    const place = c.operand(1);
    const wide = place.word.size === 8;
    const value = c.let(place.word.type, place.read());
    if (kind === SD && !wide) return write(c, kind, f64.convert_i32_s(value));
    const integer = wide ? value : c.let(I64, i64.extend_s(value));
    const fits = i64.le_u(i64.add(integer, q(exact)), q(2n * exact));
    const quick = { before: [i32.or(fits, NEAREST)], value: wide ? float.convert_i64_s(value) : float.convert_i32_s(value) };
    write(c, kind, compute(c, resultOf(kind), quick, `si642${kind.suffix}`, [integer]));
  });
  for (const truncates of [false, true]) {
    table[`cvt${truncates ? 't' : ''}${kind.suffix}2si`] = sse((c) => {
      const wide = c.wordOf(0).size === 8;
      const bits = wide ? 64 : 32;
      const source = readGroup(c, 1, kind);
      const value = c.let(native.type, native.fromBits(source));
      const narrow = kind === SS ? truncate.i32_f32_s : truncate.i32_f64_s;
      const broad = kind === SS ? truncate.i64_f32_s : truncate.i64_f64_s;
      const quick: Quick = {
        before: [truncates ? MAY_BE_INEXACT : NEAREST, float.lt(float.abs(value), float.fromBits(LIMIT[kind.format][bits]))],
        value: (wide ? broad : narrow)(truncates ? value : float.nearest(value)),
        // Rounding may have reached the limit, beyond the largest integer.
        after: (result) => (truncates ? [] : [wide ? i64.ne(result, q((1n << 63n) - 1n)) : i32.ne(result, n(0x7fffffff))]),
      };
      const result = compute(c, { type: wide ? I64 : I32 }, quick, `${kind.suffix}2si${bits}`, [source, n(truncates ? CHOP : 0)]);
      c.operand(0).write(result);
    });
  }
}

for (const kind of [PS, PD]) {
  const lanes = kind === PS ? f32x4 : f64x2;
  const integers = kind === PS ? truncateLanes.i32x4_f32x4_s : truncateLanes.i32x4_f64x2_s;
  // So far below the largest integer that rounding does not reach beyond.
  const limit = kind === PS ? doublewords(new Array<number>(4).fill(0x4effffff)) : doublewords([0, 0x41dfffff, 0, 0x41dfffff]);
  const all = (mask: Expr): Expr => (kind === PS ? i32x4 : i64x2).allTrue(mask);
  for (const truncates of [false, true]) {
    table[`cvt${truncates ? 't' : ''}${kind.suffix}2dq`] = conversion(
      kind,
      PS,
      `${kind.suffix}2dq`,
      (a) => ({
        before: [truncates ? MAY_BE_INEXACT : NEAREST, all(lanes.le(lanes.abs(a), limit))],
        value: integers(truncates ? a : lanes.nearest(a)),
      }),
      [n(truncates ? CHOP : 0)],
    );
  }
}

export const SIMD_FLOAT_CONVERSIONS: Readonly<Record<string, Semantics>> = table;
