/** AND to TEST, and the flag instructions that touch status flags alone. */
import { type Expr, i32 } from '../wasm/code';
import type { Semantics } from './context';
import { type Word, word } from './words';

const logical =
  (combine: (w: Word, a: Expr, b: Expr) => Expr): Semantics =>
  (c) => {
    const dst = c.operand(0);
    const w = dst.word;
    const b = c.let(w.type, c.operand(1).read());
    const result = c.let(w.type, combine(w, dst.update(), b));
    dst.write(result);
    c.flags.logic(w, result);
  };

export const and = logical((w, a, b) => w.and(a, b));
export const or = logical((w, a, b) => w.or(a, b));
export const xor = logical((w, a, b) => w.xor(a, b));

export const test: Semantics = (c) => {
  const dst = c.operand(0);
  const w = dst.word;
  const b = c.let(w.type, c.operand(1).read());
  c.flags.logic(w, c.let(w.type, w.and(dst.read(), b)));
};

export const not: Semantics = (c) => {
  const dst = c.operand(0);
  const w = dst.word;
  dst.write(c.let(w.type, w.xor(dst.update(), w.const(-1))));
};

export const clc: Semantics = (c) => c.flags.carry(i32.const(0));
export const stc: Semantics = (c) => c.flags.carry(i32.const(1));
export const cmc: Semantics = (c) => c.flags.carry(c.let(i32.type, i32.eqz(c.carry())));
export const cld: Semantics = (c) => c.setDirection(false);
export const std: Semantics = (c) => c.setDirection(true);

export const lahf: Semantics = (c) => c.highByte(0).write(c.statusByte());
export const sahf: Semantics = (c) => {
  const overflow = c.let(i32.type, c.overflow());
  c.flags.explicit(c.let(i32.type, c.highByte(0).read()), overflow);
};

export const salc: Semantics = (c) => c.register(0, word(1)).write(i32.sub(i32.const(0), c.carry()));
