/** Packed integers: arithmetic, comparisons, logic, shifts, packing. Names are the instruction table's. */
import { XMM } from '../../layout';
import { type Expr, i32, I32, I64, i64, select } from '../../wasm/code';
import { i16x8, i32x4, i64x2, i8x16, v128 } from '../../wasm/vector';
import type { Semantics } from '../context';
import { all, alternate, atMost, doublewords, elements, from, join, mask16, words, ZERO } from './lanes';
import { ALL_EMPTY, binary, immediate, setMmxState, unary, vector, type Vectors } from './operands';

const n = i32.const;
const eight = (value: number): Expr => words(new Array<number>(8).fill(value));

/** Words `first`, `first` + 2 … of two vectors of doublewords. */
const halves = (a: Expr, b: Expr, first: 0 | 1): Expr => alternate(a, b, 2, first);
const lowDoublewords = (a: Expr): Expr => i8x16.shuffle(a, a, elements(4, [0, 2, 0, 2]));

/** Elements of both operands go side by side: the destination's first. For MMX both fit one vector. */
const gather = (op: (a: Expr, b: Expr) => Expr): Semantics =>
  binary((a, b, v) => {
    if (!v.mmx) return op(a, b);
    const both = v.let(join(a, b));
    return op(both, both);
  });

const neighbours =
  (size: 2 | 4, op: (a: Expr, b: Expr) => Expr) =>
  (a: Expr, b: Expr): Expr =>
    op(alternate(a, b, size, 0), alternate(a, b, size, 1));

/** Interleaves elements of the lower or upper halves. */
const interleave = (size: number, upper: boolean): Semantics =>
  binary((a, b, v) => {
    const first = upper ? v.width / size / 2 : 0;
    const numbers = Array.from({ length: 16 / size }, (_, i) => (i & 1 ? 16 / size : 0) + first + (i >> 1));
    // An MMX register has half as many; what is beyond the last is dropped.
    return i8x16.shuffle(a, b, elements(size, numbers));
  });

/** A count of elements' bits or more gives zeros, or copies of the signs. */
const shiftBy = (bits: number, op: (a: Expr, count: Expr) => Expr, arithmetic: boolean): Semantics =>
  vector((v, c) => {
    const isImmediate = c.isImmediate(1);
    const count = isImmediate ? i64.extend_u(immediate(c, 1)) : i64x2.extract(v.read(1), 0);
    const kept = c.let(I64, count);
    const inside = c.let(I32, i64.lt_u(kept, i64.const(bits)));
    const a = v.read(0);
    if (arithmetic) v.write(0, op(a, select(inside, i32.wrap(kept), n(bits - 1))));
    else v.write(0, select(inside, op(a, i32.wrap(kept)), ZERO));
  });

const shiftBytes = (left: boolean): Semantics =>
  vector((v, c) => {
    const count = c.let(I32, atMost(immediate(c, 1), 16));
    const { value } = count;
    if (typeof value === 'number') {
      const places = Array.from({ length: 16 }, (_, i) => (left ? 16 - value : value) + i);
      return v.write(0, left ? i8x16.shuffle(ZERO, v.read(0), places) : i8x16.shuffle(v.read(0), ZERO, places));
    }
    v.write(0, from(v.read(0), left ? i32.sub(n(0), count) : count));
  });

const sign = (lanes: Pick<typeof i8x16, 'neg' | 'eq' | 'lt_s'>): Semantics =>
  binary((a, b) => {
    const negated = v128.bitselect(lanes.neg(a), a, lanes.lt_s(b, ZERO));
    return v128.andnot(negated, lanes.eq(b, ZERO));
  });

const sumOfDifferences = (a: Expr, b: Expr, v: Vectors): Expr => {
  const bytes = v128.or(i8x16.sub_sat_u(a, b), i8x16.sub_sat_u(b, a));
  const sums = v.let(i32x4.extadd_pairwise_u(i16x8.extadd_pairwise_u(bytes)));
  return i64x2.add(v128.and(sums, doublewords([-1, 0, -1, 0])), i64x2.shr_u(sums, n(32)));
};

/** Unsigned bytes of the destination times signed bytes of the source. */
const multiplyAddBytes = (a: Expr, b: Expr): Expr => {
  const even = i16x8.mul(v128.and(a, eight(0xff)), i16x8.shr_s(i16x8.shl(b, n(8)), n(8)));
  const odd = i16x8.mul(i16x8.shr_u(a, n(8)), i16x8.shr_s(b, n(8)));
  return i16x8.add_sat_s(even, odd);
};

/** Sums of |a[i + k] - b[k]| over four bytes, for eight i; the immediate says where both begin. */
const multipleSums = vector((v, c) => {
  const select4 = immediate(c, 2);
  const b = v.read(1);
  const a = v.read(0);
  const aFirst = c.let(I32, i32.and(select4, n(4)));
  const bFirst = c.let(I32, i32.shl(i32.and(select4, n(3)), n(2)));
  const terms = [0, 1, 2, 3].map((k) => {
    const x = i16x8.extend_low_u(from(a, i32.add(aFirst, n(k))));
    const y = i16x8.extend_low_u(i8x16.swizzle(b, i8x16.splat(i32.add(bFirst, n(k)))));
    return i16x8.abs(i16x8.sub(x, y));
  });
  v.write(
    0,
    terms.reduce((sum, term) => i16x8.add(sum, term)),
  );
});

const horizontalMinimum = unary((b, v) => {
  const { c } = v;
  // The number of the word below it decides between equals.
  const keyed = Array.from({ length: 8 }, (_, i) => c.let(I32, i32.or(i32.shl(i16x8.extract_u(b, i), n(3)), n(i))));
  const least = keyed.reduce((x, y) => c.let(I32, select(i32.lt_u(x, y), x, y)));
  const result = i32.or(i32.shr_u(least, n(3)), i32.shl(i32.and(least, n(7)), n(16)));
  return i32x4.replace(ZERO, 0, result);
});

const alignRight = vector((v, c) => {
  const count = immediate(c, 2);
  const b = v.read(1);
  const a = v.read(0);
  if (v.mmx) {
    v.write(0, from(join(b, a), atMost(count, 16)));
    return;
  }
  const kept = c.let(I32, atMost(count, 32));
  v.write(0, v128.or(from(b, kept), from(a, i32.sub(kept, n(16)))));
});

/** Where the mask in XMM0 has the lanes' top bits set, from the source. */
const blendByXmm0 = (signs: (mask: Expr) => Expr): Semantics => binary((a, b) => v128.bitselect(b, a, signs(v128.load(n(0), XMM))));

const blendWords = vector((v, c) => {
  const bits = immediate(c, 2);
  const b = v.read(1);
  v.write(0, v128.bitselect(b, v.read(0), mask16(bits)));
});

const test = vector((v, c) => {
  const b = v.read(1);
  const a = v.read(0);
  const zero = i32.eqz(v128.anyTrue(v128.and(b, a)));
  const carry = i32.eqz(v128.anyTrue(v128.andnot(b, a)));
  c.flags.explicit(c.let(I32, i32.or(carry, i32.shl(zero, n(6)))), n(0));
});

const twice =
  (op: (a: Expr) => Expr, then: (a: Expr) => Expr): ((a: Expr) => Expr) =>
  (a) =>
    then(op(a));

export const PACKED_INTEGER: Readonly<Record<string, Semantics>> = {
  paddb: binary(i8x16.add),
  paddw: binary(i16x8.add),
  paddd: binary(i32x4.add),
  paddq: binary(i64x2.add),
  paddsb: binary(i8x16.add_sat_s),
  paddsw: binary(i16x8.add_sat_s),
  paddusb: binary(i8x16.add_sat_u),
  paddusw: binary(i16x8.add_sat_u),
  psubb: binary(i8x16.sub),
  psubw: binary(i16x8.sub),
  psubd: binary(i32x4.sub),
  psubq: binary(i64x2.sub),
  psubsb: binary(i8x16.sub_sat_s),
  psubsw: binary(i16x8.sub_sat_s),
  psubusb: binary(i8x16.sub_sat_u),
  psubusw: binary(i16x8.sub_sat_u),
  pmullw: binary(i16x8.mul),
  pmulhw: binary((a, b) => halves(i32x4.extmul_low_s(a, b), i32x4.extmul_high_s(a, b), 1)),
  pmulhuw: binary((a, b) => halves(i32x4.extmul_low_u(a, b), i32x4.extmul_high_u(a, b), 1)),
  // Of -1 times -1 alone the rounded fraction does not saturate.
  pmulhrsw: binary((a, b) => v128.xor(i16x8.q15mulr_sat_s(a, b), v128.and(i16x8.eq(a, eight(0x8000)), i16x8.eq(b, eight(0x8000))))),
  pmulld: binary(i32x4.mul),
  pmuludq: binary((a, b) => i64x2.extmul_low_u(lowDoublewords(a), lowDoublewords(b))),
  pmuldq: binary((a, b) => i64x2.extmul_low_s(lowDoublewords(a), lowDoublewords(b))),
  pmaddwd: binary(i32x4.dot),
  pmaddubsw: binary(multiplyAddBytes),
  pavgb: binary(i8x16.avgr_u),
  pavgw: binary(i16x8.avgr_u),
  psadbw: binary(sumOfDifferences),
  mpsadbw: multipleSums,
  pminub: binary(i8x16.min_u),
  pminuw: binary(i16x8.min_u),
  pminud: binary(i32x4.min_u),
  pminsb: binary(i8x16.min_s),
  pminsw: binary(i16x8.min_s),
  pminsd: binary(i32x4.min_s),
  pmaxub: binary(i8x16.max_u),
  pmaxuw: binary(i16x8.max_u),
  pmaxud: binary(i32x4.max_u),
  pmaxsb: binary(i8x16.max_s),
  pmaxsw: binary(i16x8.max_s),
  pmaxsd: binary(i32x4.max_s),
  phminposuw: horizontalMinimum,

  pcmpeqb: binary(i8x16.eq),
  pcmpeqw: binary(i16x8.eq),
  pcmpeqd: binary(i32x4.eq),
  pcmpeqq: binary(i64x2.eq),
  pcmpgtb: binary(i8x16.gt_s),
  pcmpgtw: binary(i16x8.gt_s),
  pcmpgtd: binary(i32x4.gt_s),
  pcmpgtq: binary(i64x2.gt_s),
  pand: binary(v128.and),
  pandn: binary((a, b) => v128.andnot(b, a)),
  por: binary(v128.or),
  pxor: binary(v128.xor),
  ptest: test,

  psllw: shiftBy(16, i16x8.shl, false),
  pslld: shiftBy(32, i32x4.shl, false),
  psllq: shiftBy(64, i64x2.shl, false),
  psrlw: shiftBy(16, i16x8.shr_u, false),
  psrld: shiftBy(32, i32x4.shr_u, false),
  psrlq: shiftBy(64, i64x2.shr_u, false),
  psraw: shiftBy(16, i16x8.shr_s, true),
  psrad: shiftBy(32, i32x4.shr_s, true),
  pslldq: shiftBytes(true),
  psrldq: shiftBytes(false),

  packsswb: gather(i8x16.narrow_s),
  packuswb: gather(i8x16.narrow_u),
  packssdw: gather(i16x8.narrow_s),
  packusdw: gather(i16x8.narrow_u),
  punpcklbw: interleave(1, false),
  punpcklwd: interleave(2, false),
  punpckldq: interleave(4, false),
  punpcklqdq: interleave(8, false),
  punpckhbw: interleave(1, true),
  punpckhwd: interleave(2, true),
  punpckhdq: interleave(4, true),
  punpckhqdq: interleave(8, true),

  pshufb: binary((a, b, v) => i8x16.swizzle(a, v128.and(b, all(v.mmx ? 0x87 : 0x8f)))),
  phaddw: gather(neighbours(2, i16x8.add)),
  phaddd: gather(neighbours(4, i32x4.add)),
  phaddsw: gather(neighbours(2, i16x8.add_sat_s)),
  phsubw: gather(neighbours(2, i16x8.sub)),
  phsubd: gather(neighbours(4, i32x4.sub)),
  phsubsw: gather(neighbours(2, i16x8.sub_sat_s)),
  psignb: sign(i8x16),
  psignw: sign(i16x8),
  psignd: sign(i32x4),
  pabsb: unary(i8x16.abs),
  pabsw: unary(i16x8.abs),
  pabsd: unary(i32x4.abs),
  palignr: alignRight,

  pmovsxbw: unary(i16x8.extend_low_s),
  pmovsxbd: unary(twice(i16x8.extend_low_s, i32x4.extend_low_s)),
  pmovsxbq: unary(twice(twice(i16x8.extend_low_s, i32x4.extend_low_s), i64x2.extend_low_s)),
  pmovsxwd: unary(i32x4.extend_low_s),
  pmovsxwq: unary(twice(i32x4.extend_low_s, i64x2.extend_low_s)),
  pmovsxdq: unary(i64x2.extend_low_s),
  pmovzxbw: unary(i16x8.extend_low_u),
  pmovzxbd: unary(twice(i16x8.extend_low_u, i32x4.extend_low_u)),
  pmovzxbq: unary(twice(twice(i16x8.extend_low_u, i32x4.extend_low_u), i64x2.extend_low_u)),
  pmovzxwd: unary(i32x4.extend_low_u),
  pmovzxwq: unary(twice(i32x4.extend_low_u, i64x2.extend_low_u)),
  pmovzxdq: unary(i64x2.extend_low_u),

  pblendvb: blendByXmm0((mask) => i8x16.shr_s(mask, n(7))),
  blendvps: blendByXmm0((mask) => i32x4.shr_s(mask, n(31))),
  blendvpd: blendByXmm0((mask) => i64x2.shr_s(mask, n(63))),
  pblendw: blendWords,

  emms: vector((v) => setMmxState(v.c, ALL_EMPTY)),
};
