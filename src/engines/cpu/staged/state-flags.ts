/** Status flags as words from which each can be read without knowing what set it: see layout.ts. */
import { FLAG_ADJUST, FLAG_CARRY, FLAG_SIGN, FLAG_ZERO } from '../layout';
import type { FlagSink, StatusBits } from '../semantics/context';
import type { Word } from '../semantics/words';
import { type Expr, I32, i32, type ValueType } from '../wasm/code';
import { at, state } from './code-width';

export const FLAG_WORDS = [FLAG_ZERO, FLAG_SIGN, FLAG_CARRY, FLAG_ADJUST];
const SIGN_BIT = 0x80000000 | 0;

/** Where the words are written. */
export interface FlagTarget {
  let(type: ValueType, value: Expr): Expr;
  setState(offset: number, value: Expr): void;
}

export class StateFlags implements FlagSink {
  private readonly c: FlagTarget;

  constructor(c: FlagTarget) {
    this.c = c;
  }

  private value(w: Word, result: Expr): void {
    if (w.size === 8) {
      this.c.setState(FLAG_ZERO, i32.or(w.low(result), w.high(result)));
      this.c.setState(FLAG_SIGN, i32.or(i32.and(w.high(result), at(SIGN_BIT)), i32.and(w.low(result), at(0xff))));
      return;
    }
    const signed = this.c.let(I32, w.signed(result));
    this.c.setState(FLAG_ZERO, signed);
    this.c.setState(FLAG_SIGN, signed);
  }

  private sum(w: Word, a: Expr, b: Expr, result: Expr, carries: Expr): void {
    this.value(w, result);
    this.c.setState(FLAG_CARRY, w.high(carries));
    this.c.setState(FLAG_ADJUST, w.low(w.xor(w.xor(a, b), result)));
  }

  add(w: Word, a: Expr, b: Expr, result: Expr): void {
    this.sum(w, a, b, result, additionCarries(w, a, b, result));
  }

  sub(w: Word, a: Expr, b: Expr, result: Expr): void {
    this.sum(w, a, b, result, subtractionBorrows(w, a, b, result));
  }

  logic(w: Word, result: Expr): void {
    this.value(w, result);
    this.c.setState(FLAG_CARRY, at(0));
    this.c.setState(FLAG_ADJUST, at(0));
  }

  increment(w: Word, a: Expr, result: Expr): void {
    this.count(w, a, result, w.and(w.xor(a, w.const(-1)), result));
  }

  decrement(w: Word, a: Expr, result: Expr): void {
    this.count(w, a, result, w.and(a, w.xor(result, w.const(-1))));
  }

  private count(w: Word, a: Expr, result: Expr, overflow: Expr): void {
    this.value(w, result);
    this.c.setState(FLAG_ADJUST, w.low(w.xor(w.xor(a, w.const(1)), result)));
    this.setCarryWord(i32.and(state(FLAG_CARRY), at(SIGN_BIT)), i32.and(w.high(overflow), at(SIGN_BIT)));
  }

  /** CF and OF, each in bit 31. */
  private setCarryWord(carry: Expr, overflow: Expr): void {
    const cf = this.c.let(I32, carry);
    this.c.setState(FLAG_CARRY, i32.or(cf, i32.shr_u(i32.xor(cf, overflow), at(1))));
  }

  private readonly top = (bit: Expr | undefined): Expr => (bit ? i32.shl(bit, at(31)) : at(0));

  result(w: Word, result: Expr, bits: StatusBits): void {
    this.value(w, result);
    this.carryOverflow(bits.carry ?? at(0), bits.overflow ?? at(0));
    this.c.setState(FLAG_ADJUST, bits.adjust ? i32.shl(bits.adjust, at(4)) : at(0));
  }

  carry(carry: Expr): void {
    const old = this.c.let(I32, state(FLAG_CARRY));
    this.setCarryWord(this.top(carry), i32.and(i32.xor(old, i32.shl(old, at(1))), at(SIGN_BIT)));
  }

  carryOverflow(carry: Expr, overflow: Expr): void {
    this.setCarryWord(this.top(carry), this.top(overflow));
  }

  zero(value: Expr): void {
    this.c.setState(FLAG_ZERO, value);
  }

  explicit(eflags: Expr, overflow: Expr): void {
    this.c.setState(FLAG_ZERO, i32.and(i32.xor(eflags, at(-1)), at(0x40)));
    this.c.setState(
      FLAG_SIGN,
      i32.or(i32.and(i32.shl(eflags, at(24)), at(SIGN_BIT)), i32.and(i32.shr_u(i32.xor(eflags, at(-1)), at(2)), at(1))),
    );
    this.c.setState(FLAG_ADJUST, i32.and(eflags, at(0x10)));
    this.carryOverflow(i32.and(eflags, at(1)), overflow);
  }

  // --- reading the words

  /** i32 of 0 or 1: the condition code holds. */
  holds(condition: number): Expr {
    const zero = (): Expr => i32.eqz(state(FLAG_ZERO));
    const sign = (): Expr => i32.shr_u(state(FLAG_SIGN), at(31));
    const less = (): Expr => i32.xor(sign(), this.overflowNow());
    const positive = [
      () => this.overflowNow(),
      () => this.carryNow(),
      zero,
      () => i32.or(this.carryNow(), zero()),
      sign,
      () => parity(state(FLAG_SIGN)),
      less,
      () => i32.or(less(), zero()),
    ][condition >> 1]();
    return condition & 1 ? i32.eqz(positive) : positive;
  }

  carryNow(): Expr {
    return i32.shr_u(state(FLAG_CARRY), at(31));
  }

  overflowNow(): Expr {
    return i32.shr_u(i32.xor(state(FLAG_CARRY), i32.shl(state(FLAG_CARRY), at(1))), at(31));
  }

  adjustNow(): Expr {
    return i32.and(i32.shr_u(state(FLAG_ADJUST), at(4)), at(1));
  }

  /** The low byte of EFLAGS. */
  statusByte(): Expr {
    const parts = [
      this.carryNow(),
      at(2),
      i32.shl(parity(state(FLAG_SIGN)), at(2)),
      i32.and(state(FLAG_ADJUST), at(0x10)),
      i32.shl(i32.eqz(state(FLAG_ZERO)), at(6)),
      i32.and(i32.shr_u(state(FLAG_SIGN), at(24)), at(0x80)),
    ];
    return this.c.let(
      I32,
      parts.reduce((sum, part) => i32.or(sum, part)),
    );
  }
}

/** PF of a result's low byte, as 0 or 1. */
export const parity = (result: Expr): Expr => i32.xor(i32.and(i32.popcnt(i32.and(result, at(0xff))), at(1)), at(1));

/** The carry out of every bit position of `result = a + b` (+ 1). */
export const additionCarries = (w: Word, a: Expr, b: Expr, result: Expr): Expr =>
  w.or(w.and(a, b), w.and(w.or(a, b), w.xor(result, w.const(-1))));

/** The borrow into every bit position beyond of `result = a - b` (- 1). */
export const subtractionBorrows = (w: Word, a: Expr, b: Expr, result: Expr): Expr =>
  w.or(w.and(w.xor(a, w.const(-1)), w.or(b, result)), w.and(b, result));
