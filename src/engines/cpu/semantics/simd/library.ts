/** Loops over bits, and the inner steps of AES, SHA and the text instructions, as functions that handlers share. */
import { variable } from '../../float/kit';
import { type Code, type Expr, get, i32, I32, i64, I64, select } from '../../wasm/code';
import type { LibraryFunction } from '../../wasm/library';
import { AES_LIBRARY } from './aes';
import { SHA_LIBRARY } from './sha';
import { TEXT_LIBRARY } from './text';

const n = i32.const;
const q = i64.const;
const [A, B, C] = [get(0), get(1), get(2)];

/** Polynomial 11EDC6F41, reflected. */
const CRC32C = 0x82f63b78 | 0;

const crc32c: LibraryFunction = {
  name: 'crc32c',
  parameters: [I32, I64, I32],
  results: [I32],
  body(code) {
    const crc = variable(code, I32, A);
    const data = variable(code, I64, B);
    const left = variable(code, I32, C);
    code.loop((again) => {
      const low = code.let(I32, i32.and(i32.xor(crc.get, i32.wrap(data.get)), n(1)));
      crc.set(i32.xor(i32.shr_u(crc.get, n(1)), i32.and(i32.sub(n(0), low), n(CRC32C))));
      data.set(i64.shr_u(data.get, q(1)));
      left.set(i32.sub(left.get, n(1)));
      code.if(left.get, again);
    });
    code.return(crc.get);
  },
};

/** A loop over the set bits of a mask, lowest first; `each` is given the bit alone. */
function overBits(code: Code, mask: Expr, each: (bit: Expr) => void): void {
  const left = variable(code, I64, mask);
  code.block((done) => {
    code.loop((again) => {
      code.if(i64.eqz(left.get), done);
      each(code.let(I64, i64.and(left.get, i64.sub(q(0), left.get))));
      left.set(i64.and(left.get, i64.sub(left.get, q(1))));
      again();
    });
  });
}

const deposit: LibraryFunction = {
  name: 'bits-deposit',
  parameters: [I64, I64],
  results: [I64],
  body(code) {
    const source = variable(code, I64, A);
    const result = variable(code, I64, q(0));
    overBits(code, B, (bit) => {
      result.set(i64.or(result.get, i64.and(bit, i64.sub(q(0), i64.and(source.get, q(1))))));
      source.set(i64.shr_u(source.get, q(1)));
    });
    code.return(result.get);
  },
};

const extract: LibraryFunction = {
  name: 'bits-extract',
  parameters: [I64, I64],
  results: [I64],
  body(code) {
    const place = variable(code, I64, q(1));
    const result = variable(code, I64, q(0));
    overBits(code, B, (bit) => {
      result.set(select(i64.eqz(i64.and(A, bit)), result.get, i64.or(result.get, place.get)));
      place.set(i64.shl(place.get, q(1)));
    });
    code.return(result.get);
  },
};

/** The product of two unsigned quadwords: low and high half. */
const multiplyWide: LibraryFunction = {
  name: 'multiply-wide',
  parameters: [I64, I64],
  results: [I64, I64],
  body(code) {
    const low = (value: Expr): Expr => i64.and(value, q(0xffffffff));
    const high = (value: Expr): Expr => i64.shr_u(value, q(32));
    const lowest = code.let(I64, i64.mul(low(A), low(B)));
    const middle = code.let(I64, i64.add(i64.mul(high(A), low(B)), high(lowest)));
    const other = code.let(I64, i64.add(i64.mul(low(A), high(B)), low(middle)));
    code.returnMany(i64.mul(A, B), i64.add(i64.add(i64.mul(high(A), high(B)), high(middle)), high(other)));
  },
};

/** A product without carries: low and high half. */
const multiplyCarryLess: LibraryFunction = {
  name: 'multiply-carry-less',
  parameters: [I64, I64],
  results: [I64, I64],
  body(code) {
    const low = variable(code, I64, q(0));
    const high = variable(code, I64, q(0));
    overBits(code, B, (bit) => {
      const place = code.let(I64, i64.ctz(bit));
      low.set(i64.xor(low.get, i64.shl(A, place)));
      // By 64 less the place, in two steps: a shift by 64 would be none.
      high.set(i64.xor(high.get, i64.shr_u(i64.shr_u(A, q(1)), i64.sub(q(63), place))));
    });
    code.returnMany(low.get, high.get);
  },
};

export const SIMD_LIBRARY: readonly LibraryFunction[] = [
  crc32c,
  deposit,
  extract,
  multiplyWide,
  multiplyCarryLess,
  ...AES_LIBRARY,
  ...SHA_LIBRARY,
  ...TEXT_LIBRARY,
];
