/** The round functions of AES (FIPS 197) on a state of 16 bytes, column by column. */
import { type Expr, get, i32, V128 } from '../../wasm/code';
import type { Code } from '../../wasm/code';
import type { FunctionIndex, LibraryFunction } from '../../wasm/library';
import { call } from '../../wasm/code';
import { i8x16, v128 } from '../../wasm/vector';
import { all, bytes, elements } from './lanes';

/** Multiplication by 2 in the field of AES, for one byte. */
const double = (value: number): number => ((value << 1) ^ (value & 0x80 ? 0x11b : 0)) & 0xff;

/** The substitution and its inverse: the multiplicative inverse, then an affine map. */
function substitutions(): { readonly box: number[]; readonly inverse: number[] } {
  const box = new Array<number>(256).fill(0);
  const inverse = new Array<number>(256).fill(0);
  // 3 generates the field: p runs through its powers, r through those of the inverse of 3.
  let p = 1;
  let r = 1;
  do {
    p ^= double(p);
    r ^= r << 1;
    r ^= r << 2;
    r ^= r << 4;
    r &= 0xff;
    if (r & 0x80) r ^= 0x09;
    const rotated = (by: number): number => ((r << by) | (r >> (8 - by))) & 0xff;
    box[p] = r ^ rotated(1) ^ rotated(2) ^ rotated(3) ^ rotated(4) ^ 0x63;
  } while (p !== 1);
  box[0] = 0x63;
  for (const [from, to] of box.entries()) inverse[to] = from;
  return { box, inverse };
}

const { box: BOX, inverse: INVERSE_BOX } = substitutions();
const [A] = [get(0)];

/** Looks every byte up in a table of 256: sixteen rows, of which an index is in one. */
const lookup = (name: string, table: readonly number[]): LibraryFunction => ({
  name,
  parameters: [V128],
  results: [V128],
  body(code) {
    let result: Expr | undefined;
    for (let row = 0; row < 16; row++) {
      const found = i8x16.swizzle(bytes(table.slice(row * 16, row * 16 + 16)), i8x16.sub(A, all(row * 16)));
      result = code.let(V128, result === undefined ? found : v128.or(result, found));
    }
    code.return(result as Expr);
  },
});

const columnBytes = (row: (column: number, row: number) => number): number[] => Array.from({ length: 16 }, (_, i) => row(i >> 2, i & 3));
const SHIFT_ROWS = columnBytes((column, row) => 4 * ((column + row) & 3) + row);
const UNSHIFT_ROWS = columnBytes((column, row) => 4 * ((column - row) & 3) + row);
/** The byte so many rows further down the same column. */
const rotated = (value: Expr, by: number): Expr =>
  i8x16.shuffle(
    value,
    value,
    columnBytes((column, row) => 4 * column + ((row + by) & 3)),
  );

const doubled = (value: Expr): Expr => v128.xor(i8x16.shl(value, i32.const(1)), v128.and(i8x16.shr_s(value, i32.const(7)), all(0x1b)));

/** 2a + 3b + c + d for each row, the others being the next ones down. */
function mixColumns(code: Code, value: Expr): Expr {
  const next = code.let(V128, rotated(value, 1));
  const pairs = code.let(V128, v128.xor(value, next));
  return v128.xor(v128.xor(doubled(pairs), next), rotated(pairs, 2));
}

/** The inverse is the same after a correction by 4 times what lies two rows apart. */
function unmixColumns(code: Code, value: Expr): Expr {
  const apart = code.let(V128, v128.xor(value, rotated(value, 2)));
  const fourfold = code.let(V128, doubled(code.let(V128, doubled(apart))));
  return mixColumns(code, code.let(V128, v128.xor(value, fourfold)));
}

const step = (name: string, describe: (code: Code, index: FunctionIndex) => Expr): LibraryFunction => ({
  name,
  parameters: [V128],
  results: [V128],
  body: (code, index) => code.return(describe(code, index)),
});

const substituted = (index: FunctionIndex, value: Expr): Expr => call(index('aes-substitute'), value);
const unsubstituted = (index: FunctionIndex, value: Expr): Expr => call(index('aes-unsubstitute'), value);
const permuted = (value: Expr, numbers: readonly number[]): Expr => i8x16.shuffle(value, value, numbers);

/** What a round does to the state before the key is added. */
export const AES_LIBRARY: readonly LibraryFunction[] = [
  lookup('aes-substitute', BOX),
  lookup('aes-unsubstitute', INVERSE_BOX),
  step('aes-encrypt-last', (_, index) => substituted(index, permuted(A, SHIFT_ROWS))),
  step('aes-encrypt', (code, index) => mixColumns(code, code.let(V128, substituted(index, permuted(A, SHIFT_ROWS))))),
  step('aes-decrypt-last', (_, index) => unsubstituted(index, permuted(A, UNSHIFT_ROWS))),
  step('aes-decrypt', (code, index) => unmixColumns(code, code.let(V128, unsubstituted(index, permuted(A, UNSHIFT_ROWS))))),
  step('aes-unmix', (code) => unmixColumns(code, A)),
  // Words 1 and 3, each as it is and rotated by a byte.
  step('aes-key', (_, index) => permuted(substituted(index, A), [...elements(4, [1]), 5, 6, 7, 4, ...elements(4, [3]), 13, 14, 15, 12])),
];
