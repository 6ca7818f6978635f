/** Text comparison, AES, carry-less multiplication and SHA: operands for the functions of `library.ts`. */
import { XMM } from '../../layout';
import { type Expr, i32, I32, select, V128 } from '../../wasm/code';
import { i32x4, i64x2, v128 } from '../../wasm/vector';
import type { Context, Semantics } from '../context';
import { word } from '../words';
import { doublewords, ZERO } from './lanes';
import { immediate, vector } from './operands';
import { Text } from './text';

const n = i32.const;
const EAX = 0;
const ECX = 1;
const EDX = 2;
const STATE = n(0);

/** A length in EAX or EDX: its absolute value, at most the number of elements. */
function statedLength(c: Context, register: number, count: Expr): Expr {
  const w = word(c.facts.operandSize === 8 ? 8 : 4);
  const value = c.let(w.type, c.register(register, w).read());
  const magnitude = c.let(w.type, select(w.lt_s(value, w.const(0)), w.sub(w.const(0), value), value));
  return c.let(I32, select(w.lt_u(magnitude, w.from(count)), w.low(magnitude), count));
}

const compareText = (lengths: 'explicit' | 'implicit', result: 'index' | 'mask'): Semantics =>
  vector(
    (v, c) => {
      const control = immediate(c, 2);
      const b = v.read(1);
      const a = v.read(0);
      const count = c.let(I32, i32.shr_u(n(16), i32.and(control, n(Text.words))));
      const lengthOf = (value: Expr, register: number): Expr =>
        lengths === 'explicit' ? statedLength(c, register, count) : c.library('text-length', value, control)[0];
      const lengthA = lengthOf(a, EAX);
      const lengthB = lengthOf(b, EDX);
      const [bits] = c.library('text-compare', a, b, lengthA, lengthB, control);
      const last = i32.and(control, n(Text.last));
      if (result === 'index') {
        const place = select(last, i32.sub(n(31), i32.clz(bits)), i32.ctz(bits));
        c.register(ECX, word(4)).write(c.let(I32, select(bits, place, count)));
      } else {
        const plain = i32x4.replace(ZERO, 0, bits);
        v128.store(c.code, STATE, select(last, c.library('text-mask', bits, control)[0], plain), XMM);
      }
      const zero = i32.shl(i32.lt_u(lengthB, count), n(6));
      const sign = i32.shl(i32.lt_u(lengthA, count), n(7));
      const carry = i32.ne(bits, n(0));
      c.flags.explicit(c.let(I32, i32.or(carry, i32.or(zero, sign))), c.let(I32, i32.and(bits, n(1))));
    },
    { unaligned: true },
  );

/** A round on the destination, then the source as the round's key. */
const round = (name: string): Semantics =>
  vector((v, c) => {
    const key = v.read(1);
    v.write(0, v128.xor(c.library(name, v.read(0))[0], key));
  });

const keyAssist: Semantics = vector((v, c) => {
  const constant = i32x4.splat(immediate(c, 2));
  const [words] = c.library('aes-key', v.read(1));
  v.write(0, v128.xor(words, v128.and(constant, doublewords([0, -1, 0, -1]))));
});

const carryLess: Semantics = vector((v, c) => {
  const select8 = immediate(c, 2);
  const b = v.read(1);
  const a = v.read(0);
  const half = (value: Expr, bit: number): Expr => select(i32.and(select8, n(bit)), i64x2.extract(value, 1), i64x2.extract(value, 0));
  const [low, high] = c.library('multiply-carry-less', half(a, 1), half(b, 0x10));
  v.write(0, i64x2.replace(i64x2.splat(low), 1, high));
});

/** Destination and source. */
const both = (name: string): Semantics =>
  vector((v, c) => {
    const b = v.read(1);
    const [result] = c.library(name, v.read(0), b);
    v.write(0, result);
  });

export const SPECIALS: Readonly<Record<string, Semantics>> = {
  pcmpestri: compareText('explicit', 'index'),
  pcmpestrm: compareText('explicit', 'mask'),
  pcmpistri: compareText('implicit', 'index'),
  pcmpistrm: compareText('implicit', 'mask'),
  aesenc: round('aes-encrypt'),
  aesenclast: round('aes-encrypt-last'),
  aesdec: round('aes-decrypt'),
  aesdeclast: round('aes-decrypt-last'),
  aesimc: vector((v, c) => v.write(0, c.library('aes-unmix', v.read(1))[0])),
  aeskeygenassist: keyAssist,
  pclmulqdq: carryLess,
  sha1rnds4: vector((v, c) => {
    const phase = c.let(I32, i32.and(immediate(c, 2), n(3)));
    const words = v.read(1);
    v.write(0, c.library('sha1-rounds', v.read(0), words, phase)[0]);
  }),
  sha1nexte: both('sha1-next'),
  sha1msg1: both('sha1-message-1'),
  sha1msg2: both('sha1-message-2'),
  sha256rnds2: vector((v, c) => {
    const state = v.read(1);
    const words = c.let(V128, v128.load(STATE, XMM));
    v.write(0, c.library('sha256-rounds', v.read(0), state, words)[0]);
  }),
  sha256msg1: both('sha256-message-1'),
  sha256msg2: both('sha256-message-2'),
};
