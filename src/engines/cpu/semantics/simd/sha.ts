/** The round functions of SHA-1 and SHA-256 (FIPS 180-4). The lanes' order is the manual's: the first word is the highest. */
import { variable } from '../../float/kit';
import { type Code, type Expr, get, i32, I32, V128 } from '../../wasm/code';
import type { LibraryFunction } from '../../wasm/library';
import { i32x4 } from '../../wasm/vector';
import { ZERO } from './lanes';

const n = i32.const;
const [A, B, C] = [get(0), get(1), get(2)];

/** The lanes of a vector, lowest first. */
const split = (code: Code, value: Expr): Expr[] => [0, 1, 2, 3].map((lane) => code.let(I32, i32x4.extract(value, lane)));
const joined = (lanes: readonly Expr[]): Expr => lanes.reduce((vector, lane, i) => i32x4.replace(vector, i, lane), ZERO);

const sum = (...terms: Expr[]): Expr => terms.reduce(i32.add);
const either = (...terms: Expr[]): Expr => terms.reduce(i32.xor);
const rotr = (value: Expr, by: number): Expr => i32.rotr(value, n(by));
const rotl = (value: Expr, by: number): Expr => i32.rotl(value, n(by));

const choose = (x: Expr, y: Expr, z: Expr): Expr => i32.xor(i32.and(x, y), i32.and(i32.xor(x, n(-1)), z));
const parity = (x: Expr, y: Expr, z: Expr): Expr => either(x, y, z);
const majority = (x: Expr, y: Expr, z: Expr): Expr => either(i32.and(x, y), i32.and(x, z), i32.and(y, z));

/** Function and constant of each twenty rounds. */
const SHA1_PHASES = [
  { mix: choose, constant: 0x5a827999 },
  { mix: parity, constant: 0x6ed9eba1 },
  { mix: majority, constant: 0x8f1bbcdc },
  { mix: parity, constant: 0xca62c1d6 },
];

/** State A to D, words (E added to the first), phase. */
const sha1Rounds: LibraryFunction = {
  name: 'sha1-rounds',
  parameters: [V128, V128, I32],
  results: [V128],
  body(code) {
    const initial = split(code, A);
    const words = split(code, B);
    SHA1_PHASES.forEach(({ mix, constant }, phase) => {
      code.if(i32.eq(C, n(phase)), () => {
        let [a, b, c, d] = [initial[3], initial[2], initial[1], initial[0]];
        let e: Expr = n(0);
        for (let round = 0; round < 4; round++) {
          const next = code.let(I32, sum(mix(b, c, d), rotl(a, 5), words[3 - round], e, n(constant | 0)));
          [a, b, c, d, e] = [next, a, code.let(I32, rotl(b, 30)), c, d];
        }
        code.return(joined([d, c, b, a]));
      });
    });
  },
};

const sha1Next: LibraryFunction = {
  name: 'sha1-next',
  parameters: [V128, V128],
  results: [V128],
  body: (code) => code.return(i32x4.replace(B, 3, i32.add(i32x4.extract(B, 3), rotl(i32x4.extract(A, 3), 30)))),
};

const sha1Message1: LibraryFunction = {
  name: 'sha1-message-1',
  parameters: [V128, V128],
  results: [V128],
  body(code) {
    const [w3, w2, w1, w0] = split(code, A);
    const [, , w5, w4] = split(code, B);
    code.return(joined([i32.xor(w5, w3), i32.xor(w4, w2), i32.xor(w3, w1), i32.xor(w2, w0)]));
  },
};

const sha1Message2: LibraryFunction = {
  name: 'sha1-message-2',
  parameters: [V128, V128],
  results: [V128],
  body(code) {
    const [a0, a1, a2, a3] = split(code, A);
    const [w15, w14, w13] = split(code, B);
    const w16 = code.let(I32, rotl(i32.xor(a3, w13), 1));
    const w17 = rotl(i32.xor(a2, w14), 1);
    const w18 = rotl(i32.xor(a1, w15), 1);
    const w19 = rotl(i32.xor(a0, w16), 1);
    code.return(joined([w19, w18, w17, w16]));
  },
};

/** State C D G H, state A B E F, two words with their constants added. */
const sha256Rounds: LibraryFunction = {
  name: 'sha256-rounds',
  parameters: [V128, V128, V128],
  results: [V128],
  body(code) {
    const names = [...split(code, B).reverse(), ...split(code, A).reverse()];
    const [a0, b0, e0, f0, c0, d0, g0, h0] = names;
    const state = [a0, b0, c0, d0, e0, f0, g0, h0].map((value) => variable(code, I32, value));
    const words = split(code, C);
    for (let round = 0; round < 2; round++) {
      const [a, b, c, d, e, f, g, h] = state.map(({ get: value }) => code.let(I32, value));
      const first = code.let(I32, sum(choose(e, f, g), either(rotr(e, 6), rotr(e, 11), rotr(e, 25)), words[round], h));
      const next = [sum(first, majority(a, b, c), either(rotr(a, 2), rotr(a, 13), rotr(a, 22))), a, b, c, i32.add(first, d), e, f, g];
      next.forEach((value, i) => state[i].set(value));
    }
    const [a, b, , , e, f] = state.map(({ get: value }) => value);
    code.return(joined([f, e, b, a]));
  },
};

const small0 = (x: Expr): Expr => either(rotr(x, 7), rotr(x, 18), i32.shr_u(x, n(3)));
const small1 = (x: Expr): Expr => either(rotr(x, 17), rotr(x, 19), i32.shr_u(x, n(10)));

const sha256Message1: LibraryFunction = {
  name: 'sha256-message-1',
  parameters: [V128, V128],
  results: [V128],
  body(code) {
    const [w0, w1, w2, w3] = split(code, A);
    const [w4] = split(code, B);
    code.return(joined([sum(w0, small0(w1)), sum(w1, small0(w2)), sum(w2, small0(w3)), sum(w3, small0(w4))]));
  },
};

const sha256Message2: LibraryFunction = {
  name: 'sha256-message-2',
  parameters: [V128, V128],
  results: [V128],
  body(code) {
    const [a0, a1, a2, a3] = split(code, A);
    const [, , w14, w15] = split(code, B);
    const w16 = code.let(I32, sum(a0, small1(w14)));
    const w17 = code.let(I32, sum(a1, small1(w15)));
    const w18 = sum(a2, small1(w16));
    const w19 = sum(a3, small1(w17));
    code.return(joined([w16, w17, w18, w19]));
  },
};

export const SHA_LIBRARY: readonly LibraryFunction[] = [
  sha1Rounds,
  sha1Next,
  sha1Message1,
  sha1Message2,
  sha256Rounds,
  sha256Message1,
  sha256Message2,
];
