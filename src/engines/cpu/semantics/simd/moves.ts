/** Moves into, out of and among MMX and XMM registers, and rearrangements of whole elements by an immediate. */
import { type Expr, i32, I32, I64, i64 } from '../../wasm/code';
import { i16x8, i32x4, i64x2, i8x16, v128 } from '../../wasm/vector';
import type { Semantics } from '../context';
import { doublewords, elements, mask32, mask64, selectors16, selectors32, words, ZERO } from './lanes';
import { immediate, unary, vector } from './operands';

const n = i32.const;

/** Between a general register or memory and a vector register, zeros above; a store takes the low part. */
const moveInteger: Semantics = vector((v, c) => {
  if (c.kindOf(1) === 'xmm' || c.kindOf(1) === 'mmx') {
    const target = c.operand(0);
    const low = c.let(I64, i64x2.extract(v.read(1), 0));
    target.write(target.word.size === 8 ? low : i32.wrap(low));
    v.finish();
    return;
  }
  const source = c.operand(1);
  const value = c.let(source.word.type, source.read());
  v.write(0, i64x2.replace(ZERO, 0, source.word.size === 8 ? value : i64.extend_u(value)));
});

/** 64 bits, zeros above. */
const moveQuadword: Semantics = (c) => {
  if (c.kindOf(0) === 'register' || c.kindOf(1) === 'register') return moveInteger(c);
  return vector((v) => {
    const value = v.read(1);
    v.write(0, c.kindOf(1) === 'xmm' ? i64x2.replace(ZERO, 0, i64x2.extract(value, 0)) : value);
  })(c);
};

const move = (unaligned: boolean): Semantics => vector((v) => v.write(0, v.read(1)), { unaligned });

/** The lowest element: with zeros above from memory, alone between registers. */
const moveScalar = (replace: (to: Expr, from: Expr) => Expr): Semantics =>
  vector((v, c) => {
    const value = v.read(1);
    v.write(0, c.kindOf(0) === 'xmm' && c.kindOf(1) === 'xmm' ? replace(v.read(0), value) : value);
  });

/** Quadword `half` of the destination from quadword `from` of the source; in memory there is one. */
const moveHalf = (half: 0 | 1, from: 0 | 1): Semantics =>
  vector((v, c) => {
    const value = c.let(I64, i64x2.extract(v.read(1), from));
    v.write(0, c.isMemory(0) ? i64x2.replace(ZERO, 0, value) : i64x2.replace(v.read(0), half, value));
  });

const mask = (op: (a: Expr) => Expr): Semantics =>
  vector((v, c) => {
    const bits = c.let(I32, op(v.read(1)));
    const target = c.operand(0);
    target.write(target.word.size === 8 ? i64.extend_u(bits) : bits);
    v.finish();
  });

/**
 * Stores the bytes of the second operand whose counterparts in the third have their top bit set: in quadwords, the upper one first, as
 * the addresses of page faults show.
 */
const maskedStore: Semantics = vector((v, c) => {
  const value = v.read(1);
  const wanted = v.let(i8x16.shr_s(v.read(2), n(7)));
  v.finish();
  const halves = c.sizeOf(0) === 16 ? [1, 0] : [0];
  const placeOf = (half: number) => c.memory(0).at(c.facts.addressSize === 8 ? i64.const(8 * half) : n(8 * half), 8);
  // Nothing is stored before all of it can be.
  if (halves.length > 1) for (const half of halves) c.let(I64, placeOf(half).update());
  for (const half of halves) {
    const mask = c.let(I64, i64x2.extract(wanted, half));
    const place = placeOf(half);
    const old = place.update();
    place.write(i64.or(i64.and(i64x2.extract(value, half), mask), i64.and(old, i64.xor(mask, i64.const(-1)))));
  }
});

/** The element that the immediate selects, read where the register lies. */
const extract = (size: 1 | 2 | 4 | 8): Semantics =>
  vector((v, c) => {
    const count = (c.kindOf(1) === 'mmx' ? 8 : 16) / size;
    const offset = i32.mul(i32.and(immediate(c, 2), n(count - 1)), n(size));
    const at = c.let(I32, i32.add(v.pointer(1, 'read'), offset));
    const narrow = size === 1 ? i32.load8u : size === 2 ? i32.load16u : i32.load;
    const value = c.let(size === 8 ? I64 : I32, size === 8 ? i64.load(at) : narrow(at));
    const target = c.operand(0);
    target.write(target.word.size === 8 && size !== 8 ? i64.extend_u(value) : value);
    v.finish();
  });

const insert = (size: 1 | 2 | 4 | 8): Semantics =>
  vector((v, c) => {
    const source = c.operand(1);
    const value = c.let(source.word.type, source.read());
    const count = (c.kindOf(0) === 'mmx' ? 8 : 16) / size;
    const pointer = v.pointer(0, 'write');
    const at = i32.add(pointer, i32.mul(i32.and(immediate(c, 2), n(count - 1)), n(size)));
    if (size === 8) i64.store(c.code, at, value);
    else (size === 1 ? i32.store8 : size === 2 ? i32.store16 : i32.store)(c.code, at, source.word.size === 8 ? i32.wrap(value) : value);
    v.complete(0, pointer);
  });

/** The immediate: source element in bits 6 and 7, place in 4 and 5, places to clear in 0 to 3. */
const insertSingle: Semantics = vector((v, c) => {
  const select8 = immediate(c, 2);
  const source = v.pointer(1, 'read');
  const from = c.isMemory(1) ? source : i32.add(source, i32.and(i32.shr_u(select8, n(4)), n(12)));
  const value = c.let(I32, i32.load(from));
  const pointer = v.pointer(0, 'write');
  i32.store(c.code, i32.add(pointer, i32.and(i32.shr_u(select8, n(2)), n(12))), value);
  v128.store(c.code, pointer, v128.andnot(v128.load(pointer), mask32(select8)));
});

/** Byte numbers of doublewords by their numbers. */
const doublewordBytes = (numbers: Expr): Expr =>
  i32x4.add(i32x4.mul(numbers, doublewords(new Array<number>(4).fill(0x04040404))), doublewords(new Array<number>(4).fill(0x03020100)));

/** Four numbers of two bits each. */
const twoBits = (selector: number): number[] => [0, 2, 4, 6].map((shift) => (selector >> shift) & 3);

const shuffleDoublewords = vector((v, c) => {
  const selector = immediate(c, 2);
  if (typeof selector.value === 'number') {
    const source = v.read(1);
    return v.write(0, i8x16.shuffle(source, source, elements(4, twoBits(selector.value))));
  }
  v.write(0, i8x16.swizzle(v.read(1), doublewordBytes(selectors32(selector))));
});

const FIRST = 0x0100;
const FIFTH = 0x0908;
const IN_PLACE = [0x0100, 0x0302, 0x0504, 0x0706, 0x0908, 0x0b0a, 0x0d0c, 0x0f0e];

/** Words of one half by the immediate, those of the other as they are. */
const shuffleWords = (upper: boolean): Semantics =>
  vector((v, c) => {
    const selector = immediate(c, 2);
    if (typeof selector.value === 'number') {
      const moved = twoBits(selector.value).map((number) => (upper ? 4 : 0) + number);
      const source = v.read(1);
      return v.write(0, i8x16.shuffle(source, source, elements(2, upper ? [0, 1, 2, 3, ...moved] : [...moved, 4, 5, 6, 7])));
    }
    const base = IN_PLACE.map((place, i) => (i >= 4 === upper ? (upper ? FIFTH : FIRST) : place));
    const numbers = i16x8.mul(selectors16(selector, upper), words(new Array<number>(8).fill(0x0202)));
    v.write(0, i8x16.swizzle(v.read(1), i16x8.add(numbers, words(base))));
  });

const BOTH_HALVES = elements(8, [0, 3]);

/** The low half from the destination, the high half from the source. */
const shuffleBoth = (numbers: (selector: Expr) => Expr, size: 4 | 8): Semantics =>
  vector((v, c) => {
    const selector = immediate(c, 2);
    const b = v.read(1);
    const a = v.read(0);
    const { value } = selector;
    if (typeof value === 'number') {
      const [first, second, third, fourth] = twoBits(value);
      const chosen = size === 4 ? [first, second, 4 + third, 4 + fourth] : [value & 1, 2 + ((value >> 1) & 1)];
      return v.write(0, i8x16.shuffle(a, b, elements(size, chosen)));
    }
    const places = v.let(numbers(selector));
    v.write(0, i8x16.shuffle(i8x16.swizzle(a, places), i8x16.swizzle(b, places), BOTH_HALVES));
  });

/** Eight bytes from the lower or the upper half, by each of two bits. */
const quadwordBytes = (selector: Expr): Expr =>
  v128.bitselect(v128.const(elements(8, [1, 1])), v128.const(elements(8, [0, 0])), mask64(selector));

const blend = (places: (bits: Expr) => Expr): Semantics =>
  vector((v, c) => {
    const bits = immediate(c, 2);
    const b = v.read(1);
    v.write(0, v128.bitselect(b, v.read(0), places(bits)));
  });

const replicate = (size: number, numbers: readonly number[]): Semantics => unary((b) => i8x16.shuffle(b, b, elements(size, numbers)));

export const VECTOR_MOVES: Readonly<Record<string, Semantics>> = {
  movd: moveInteger,
  movq: moveQuadword,
  moveAligned: move(false),
  moveUnaligned: move(true),
  movss: moveScalar((to, from) => i32x4.replace(to, 0, i32x4.extract(from, 0))),
  movsd: moveScalar((to, from) => i64x2.replace(to, 0, i64x2.extract(from, 0))),
  loadLow: moveHalf(0, 0),
  storeLow: moveHalf(0, 0),
  loadHigh: moveHalf(1, 0),
  storeHigh: moveHalf(0, 1),
  movhlps: moveHalf(0, 1),
  movlhps: moveHalf(1, 0),
  movsldup: replicate(4, [0, 0, 2, 2]),
  movshdup: replicate(4, [1, 1, 3, 3]),
  movddup: replicate(8, [0, 0]),
  maskmov: maskedStore,
  movmskps: mask(i32x4.bitmask),
  movmskpd: mask(i64x2.bitmask),
  pmovmskb: mask(i8x16.bitmask),
  pinsrb: insert(1),
  pinsrw: insert(2),
  pinsrd: insert(4),
  pinsrq: insert(8),
  pextrb: extract(1),
  pextrw: extract(2),
  pextrd: extract(4),
  pextrq: extract(8),
  extractps: extract(4),
  insertps: insertSingle,
  pshufd: shuffleDoublewords,
  pshufw: shuffleWords(false),
  pshuflw: shuffleWords(false),
  pshufhw: shuffleWords(true),
  shufps: shuffleBoth((selector) => doublewordBytes(selectors32(selector)), 4),
  shufpd: shuffleBoth(quadwordBytes, 8),
  blendps: blend(mask32),
  blendpd: blend(mask64),
};
