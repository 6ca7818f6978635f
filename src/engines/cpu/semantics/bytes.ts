/** The bytes of a word in opposite order. */
import { type Expr, i32, i64 } from '../wasm/code';
import type { Context } from './context';
import type { Word } from './words';

const swapDoubleword = (value: Expr): Expr =>
  i32.or(i32.and(i32.rotl(value, i32.const(8)), i32.const(0x00ff00ff)), i32.and(i32.rotr(value, i32.const(8)), i32.const(0xff00ff00 | 0)));

export function swapBytes(c: Context, w: Word, read: Expr): Expr {
  const value = c.let(w.type, read);
  if (w.size === 2) return i32.shr_u(swapDoubleword(value), i32.const(16));
  if (w.size === 4) return c.let(i32.type, swapDoubleword(value));
  const low = c.let(i32.type, i32.wrap(value));
  const high = c.let(i32.type, i32.wrap(i64.shr_u(value, i64.const(32))));
  return c.let(i64.type, i64.or(i64.shl(i64.extend_u(swapDoubleword(low)), i64.const(32)), i64.extend_u(swapDoubleword(high))));
}
