/** Arithmetic at one operand size, so that a semantics function is written once for bytes to quadwords. */
import { type Expr, i32, i64, type ValueType } from '../wasm/code';

export type WordSize = 1 | 2 | 4 | 8;

/** The operations that exist for 32 and 64 bits alike. */
type Arithmetic = Pick<
  typeof i32,
  | 'const'
  | 'add'
  | 'sub'
  | 'mul'
  | 'and'
  | 'or'
  | 'xor'
  | 'shl'
  | 'shr_s'
  | 'shr_u'
  | 'rotl'
  | 'rotr'
  | 'clz'
  | 'ctz'
  | 'eq'
  | 'ne'
  | 'lt_u'
  | 'lt_s'
  | 'gt_u'
  | 'ge_u'
  | 'eqz'
>;

/**
 * Values of sizes 1, 2 and 4 are WebAssembly i32s, of size 8 i64s. What an operand reads is zero-extended; results of
 * arithmetic may have anything above the operand size, and `zero` or `signed` clean them where it matters.
 */
export interface Word extends Arithmetic {
  readonly size: WordSize;
  readonly bits: 8 | 16 | 32 | 64;
  readonly type: ValueType;
  /** Zero-extends from the operand size. */
  readonly zero: (value: Expr) => Expr;
  /** Sign-extends from the operand size. */
  readonly signed: (value: Expr) => Expr;
  /** The low 32 bits as an i32. */
  readonly low: (value: Expr) => Expr;
  /** Bits 32 to 63 for quadwords; for smaller sizes the value moved so that its top bit is bit 31. */
  readonly high: (value: Expr) => Expr;
  /** An i32 as a word, zero-extended. */
  readonly from: (value: Expr) => Expr;
  readonly load: (address: Expr) => Expr;
  readonly store: typeof i32.store;
}

const identity = (value: Expr): Expr => value;

function narrow(size: 1 | 2 | 4): Word {
  const shift = 32 - size * 8;
  const mask = size === 1 ? 0xff : 0xffff;
  return {
    ...i32,
    size,
    bits: (size * 8) as 8 | 16 | 32,
    type: i32.type,
    zero: size === 4 ? identity : (value) => i32.and(value, i32.const(mask)),
    signed: size === 4 ? identity : size === 2 ? i32.extend16_s : i32.extend8_s,
    low: identity,
    high: shift === 0 ? identity : (value) => i32.shl(value, i32.const(shift)),
    from: identity,
    load: size === 4 ? i32.load : size === 2 ? i32.load16u : i32.load8u,
    store: size === 4 ? i32.store : size === 2 ? i32.store16 : i32.store8,
  };
}

const quad: Word = {
  ...i64,
  size: 8,
  bits: 64,
  type: i64.type,
  zero: identity,
  signed: identity,
  low: i32.wrap,
  high: (value) => i32.wrap(i64.shr_u(value, i64.const(32))),
  from: i64.extend_u,
  load: i64.load,
  store: i64.store,
};

const WORDS: Readonly<Record<WordSize, Word>> = { 1: narrow(1), 2: narrow(2), 4: narrow(4), 8: quad };

export const word = (size: number): Word => {
  const found = WORDS[size as WordSize];
  if (!found) throw new Error(`no word of ${size} bytes`);
  return found;
};
