/** The comparison of PCMPESTRI and its relatives (manual, "Packed String Comparison"), which their immediate describes. */
import { variable } from '../../float/kit';
import { type Code, type Expr, get, i32, I32, V128 } from '../../wasm/code';
import type { LibraryFunction } from '../../wasm/library';
import { i16x8, i8x16, v128 } from '../../wasm/vector';
import { bytes, elements, IOTA, words, ZERO } from './lanes';

/** Bits of the immediate. */
export const Text = { words: 1, signed: 2, negate: 0x10, maskedNegation: 0x20, last: 0x40 } as const;

const n = i32.const;
const [A, B, LENGTH_A, LENGTH_B, CONTROL] = [get(0), get(1), get(2), get(3), get(4)];
const isSet = (bit: number): Expr => i32.and(CONTROL, n(bit));

interface Elements {
  readonly size: 1 | 2;
  readonly count: 16 | 8;
  readonly lanes: typeof i8x16 | typeof i16x8;
  readonly iota: Expr;
}
const BYTES: Elements = { size: 1, count: 16, lanes: i8x16, iota: IOTA };
const WORDS: Elements = { size: 2, count: 8, lanes: i16x8, iota: words([0, 1, 2, 3, 4, 5, 6, 7]) };

/** Element `number` in every place. */
const everywhere = ({ size, count }: Elements, value: Expr, number: number): Expr =>
  i8x16.shuffle(value, value, elements(size, new Array<number>(count).fill(number)));
/** Ones in every lane if the i32 condition holds. */
const filled = (condition: Expr): Expr => i8x16.splat(i32.sub(n(0), condition));
const each = ({ count }: Elements, term: (number: number) => Expr, join: (a: Expr, b: Expr) => Expr, step = 1): Expr =>
  Array.from({ length: count / step }, (_, i) => term(i * step)).reduce(join);

/** Which elements of the second operand are there. */
const validB = ({ lanes, iota }: Elements): Expr => lanes.lt_u(iota, lanes.splat(LENGTH_B));
const validA = ({ lanes, iota }: Elements): Expr => lanes.lt_u(iota, lanes.splat(LENGTH_A));

const equalAny = (e: Elements): Expr =>
  v128.and(
    each(e, (i) => v128.and(e.lanes.eq(B, everywhere(e, A, i)), filled(i32.lt_u(n(i), LENGTH_A))), v128.or),
    validB(e),
  );

const ranges = (e: Elements, signed: boolean): Expr => {
  const [atLeast, atMost] = signed ? [e.lanes.ge_s, e.lanes.le_s] : [e.lanes.ge_u, e.lanes.le_u];
  const inRange = (i: number): Expr => v128.and(atLeast(B, everywhere(e, A, i)), atMost(B, everywhere(e, A, i + 1)));
  return v128.and(
    each(e, (i) => v128.and(inRange(i), filled(i32.lt_u(n(i + 1), LENGTH_A))), v128.or, 2),
    validB(e),
  );
};

/** Where both strings have ended they are equal. */
const equalEach = (e: Elements): Expr =>
  v128.or(v128.and(e.lanes.eq(A, B), v128.and(validA(e), validB(e))), v128.not(v128.or(validA(e), validB(e))));

/** The first string begins at each place of the second, as far as both are there to see. */
const equalOrdered = (code: Code, e: Elements): Expr => {
  const valid = code.let(V128, validB(e));
  const moved = (value: Expr, by: number): Expr =>
    i8x16.shuffle(
      value,
      ZERO,
      Array.from({ length: 16 }, (_, byte) => Math.min(byte + by * e.size, 16)),
    );
  return each(
    e,
    (i) => {
      const outside = bytes(Array.from({ length: 16 }, (_, byte) => (byte >= 16 - i * e.size ? 0xff : 0)));
      const equal = v128.and(e.lanes.eq(moved(B, i), everywhere(e, A, i)), moved(valid, i));
      return v128.or(v128.or(equal, outside), filled(i32.ge_u(n(i), LENGTH_A)));
    },
    v128.and,
  );
};

/** One bit an element: IntRes1 of the manual. */
function aggregate(code: Code, e: Elements, set: (bits: Expr) => void): void {
  const kind = code.let(I32, i32.and(i32.shr_u(CONTROL, n(2)), n(3)));
  const put = (value: Expr): void => set(e.lanes.bitmask(value));
  code.if(i32.eqz(kind), () => put(equalAny(e)));
  code.if(i32.eq(kind, n(1)), () =>
    code.if(
      isSet(Text.signed),
      () => put(ranges(e, true)),
      () => put(ranges(e, false)),
    ),
  );
  code.if(i32.eq(kind, n(2)), () => put(equalEach(e)));
  code.if(i32.eq(kind, n(3)), () => put(equalOrdered(code, e)));
}

/** Operands, their lengths in elements, the immediate. @returns one bit an element: IntRes2 of the manual */
const compare: LibraryFunction = {
  name: 'text-compare',
  parameters: [V128, V128, I32, I32, I32],
  results: [I32],
  body(code) {
    const result = variable(code, I32, n(0));
    const count = variable(code, I32, n(16));
    code.if(
      isSet(Text.words),
      () => {
        count.set(n(8));
        aggregate(code, WORDS, (value) => result.set(value));
      },
      () => aggregate(code, BYTES, (value) => result.set(value)),
    );
    code.if(isSet(Text.negate), () => {
      const whole = (length: Expr): Expr => i32.sub(i32.shl(n(1), length), n(1));
      code.if(
        isSet(Text.maskedNegation),
        () => result.set(i32.xor(result.get, whole(LENGTH_B))),
        () => result.set(i32.xor(result.get, whole(count.get))),
      );
    });
    code.return(result.get);
  },
};

/** A string and the immediate. @returns how many elements lie before the first that is zero */
const length: LibraryFunction = {
  name: 'text-length',
  parameters: [V128, I32],
  results: [I32],
  body(code) {
    code.if(i32.and(get(1), n(Text.words)), () => code.return(i32.ctz(i32.or(i16x8.bitmask(i16x8.eq(A, ZERO)), n(0x100)))));
    code.return(i32.ctz(i32.or(i8x16.bitmask(i8x16.eq(A, ZERO)), n(0x10000))));
  },
};

/** Bits and the immediate. @returns them widened to elements of ones or zeros */
const mask: LibraryFunction = {
  name: 'text-mask',
  parameters: [I32, I32],
  results: [V128],
  body(code) {
    const ofWords = words(Array.from({ length: 8 }, (_, i) => 1 << i));
    code.if(i32.and(get(1), n(Text.words)), () => code.return(i16x8.eq(v128.and(i16x8.splat(get(0)), ofWords), ofWords)));
    const ofBytes = bytes(Array.from({ length: 16 }, (_, i) => 1 << (i & 7)));
    const halves = i8x16.swizzle(i16x8.splat(get(0)), bytes(Array.from({ length: 16 }, (_, i) => i >> 3)));
    code.return(i8x16.eq(v128.and(halves, ofBytes), ofBytes));
  },
};

export const TEXT_LIBRARY: readonly LibraryFunction[] = [compare, length, mask];
