/**
 * Status flags in compiled code: not computed, but remembered as what they come from, until something reads them. What was
 * remembered and is overwritten unread has cost nothing.
 *
 * Between blocks that several ways lead to, the source travels in three locals (`FlagLocals`); outside compiled code the flags are
 * the state's words again (see `staged/state-flags.ts`).
 */
import type { FlagSink, StatusBits } from '../semantics/context';
import type { Word } from '../semantics/words';
import { at } from '../staged/code-width';
import { type FlagSource, flagKind } from '../staged/flag-library';
import { additionCarries, type FlagTarget, parity, StateFlags, subtractionBorrows } from '../staged/state-flags';
import { type Expr, I32, i32, i64 } from '../wasm/code';

/** Where the flags are at a point of the code. */
export type Flags =
  /** In the state's words. */
  | { readonly at: 'state' }
  /** In the locals, whose kind is not known here. */
  | { readonly at: 'locals' }
  | Source;

interface Source {
  readonly at: 'source';
  readonly source: FlagSource;
  readonly w: Word;
  readonly result: Expr;
  readonly a?: Expr;
  readonly b?: Expr;
  /** A carry or borrow went in. */
  readonly carried?: boolean;
  readonly carry?: Expr;
  readonly overflow?: Expr;
  readonly adjust?: Expr;
  /** Rests on values of the source that it replaced. */
  readonly keeps?: boolean;
}

export const IN_STATE: Flags = { at: 'state' };
export const IN_LOCALS: Flags = { at: 'locals' };

/** The code that flags are written into. */
export interface FlagCode extends FlagTarget {
  /** Sets the locals: a kind of flag-library.ts and its values, as i64. */
  setFlagLocals(kind: number, first: Expr | undefined, second: Expr | undefined): void;
  /** CF of what the locals say, which stay as they are. */
  flagLocalCarry(): Expr;
  /** Puts what the locals say into the state's words. */
  flushFlagLocals(): void;
}

const ZERO_EXTENDED = (w: Word, value: Expr): Expr => (w.size === 8 ? value : i64.extend_u(value));
const TOP = 31;

export class LazyFlags implements FlagSink {
  current: Flags = IN_STATE;
  private readonly c: FlagCode;
  private readonly words: StateFlags;

  constructor(c: FlagCode) {
    this.c = c;
    this.words = new StateFlags(c);
  }

  // --- where they are

  /** Makes the locals say what the flags are; `current` is left as it is, for the code on another way. */
  toLocals(flags = this.current): void {
    if (flags.at === 'locals') return;
    if (flags.at === 'state') return this.c.setFlagLocals(0, undefined, undefined);
    const { source, w, result, a, b, carry } = flags;
    const kind = (name: FlagSource): number => flagKind(name, w.size);
    const set = (name: FlagSource, first: Expr | undefined, second: Expr | undefined): void =>
      this.c.setFlagLocals(kind(name), first && ZERO_EXTENDED(w, first), second && ZERO_EXTENDED(w, second));
    const bits = (...values: readonly (Expr | undefined)[]): Expr =>
      i64.extend_u(values.map((value, i) => (value ? i32.shl(value, at(i)) : at(0))).reduce((all, value) => i32.or(all, value)));
    switch (source) {
      case 'add':
      case 'sub':
        if (!flags.carried) return source === 'add' ? set('add', a, result) : set('sub', a, b);
        return this.c.setFlagLocals(
          kind('bits'),
          bits(this.carryOf(flags), this.overflowOf(flags), this.adjustOf(flags)),
          ZERO_EXTENDED(w, result),
        );
      case 'logic':
        return set('logic', undefined, result);
      case 'increment':
      case 'decrement':
        return this.c.setFlagLocals(kind(source), i64.extend_u(carry ?? at(0)), ZERO_EXTENDED(w, result));
      case 'bits':
        return this.c.setFlagLocals(kind('bits'), bits(carry, flags.overflow, flags.adjust), ZERO_EXTENDED(w, result));
    }
  }

  /** Makes the state's words say what the flags are. */
  toState(): void {
    if (this.current.at === 'state') return;
    this.toLocals();
    this.c.flushFlagLocals();
    this.current = IN_STATE;
  }

  // --- described

  add(w: Word, a: Expr, b: Expr, result: Expr, carried = false): void {
    this.current = { at: 'source', source: 'add', w, a, b, result, carried };
  }

  sub(w: Word, a: Expr, b: Expr, result: Expr, carried = false): void {
    this.current = { at: 'source', source: 'sub', w, a, b, result, carried };
  }

  logic(w: Word, result: Expr): void {
    this.current = { at: 'source', source: 'logic', w, result };
  }

  increment(w: Word, a: Expr, result: Expr): void {
    this.current = { at: 'source', source: 'increment', w, a, result, carry: this.keptCarry() };
  }

  decrement(w: Word, a: Expr, result: Expr): void {
    this.current = { at: 'source', source: 'decrement', w, a, result, carry: this.keptCarry() };
  }

  /** CF for later. In a loop that counts it comes from the count before, and must not cost a look at all kinds of flags. */
  private keptCarry(): Expr {
    return this.current.at === 'locals' ? this.c.flagLocalCarry() : this.c.let(I32, this.carryNow());
  }

  result(w: Word, result: Expr, { carry, overflow, adjust }: StatusBits): void {
    this.current = { at: 'source', source: 'bits', w, result, carry, overflow, adjust };
  }

  carry(carry: Expr): void {
    const kept = this.c.let(I32, carry);
    this.patch(
      (flags) => ({ carry: kept, overflow: this.c.let(I32, this.overflowOf(flags)) }),
      () => this.words.carry(kept),
    );
  }

  carryOverflow(carry: Expr, overflow: Expr): void {
    this.patch(
      () => ({ carry, overflow }),
      () => this.words.carryOverflow(carry, overflow),
    );
  }

  /** Changes some bits of flags whose result is known, or of the state's words. */
  private patch(bits: (flags: Source) => StatusBits, inState: () => void): void {
    const flags = this.current;
    if (flags.at !== 'source') {
      this.toState();
      inState();
      return;
    }
    const adjust = this.c.let(I32, this.adjustOf(flags));
    this.current = { at: 'source', source: 'bits', w: flags.w, result: flags.result, ...bits(flags), adjust, keeps: true };
  }

  zero(value: Expr): void {
    this.toState();
    this.words.zero(value);
  }

  explicit(eflags: Expr, overflow: Expr): void {
    this.words.explicit(eflags, overflow);
    this.current = IN_STATE;
  }

  // --- read

  private carryOf(flags: Source): Expr {
    const { source, w, result } = flags;
    const [a, b] = [flags.a ?? result, flags.b ?? result];
    const top = (carries: Expr): Expr => i32.shr_u(w.high(carries), at(TOP));
    switch (source) {
      case 'add':
        return flags.carried ? top(additionCarries(w, a, b, result)) : w.lt_u(w.zero(result), a);
      case 'sub':
        return flags.carried ? top(subtractionBorrows(w, a, b, result)) : w.lt_u(a, b);
      default:
        return flags.carry ?? at(0);
    }
  }

  private overflowOf(flags: Source): Expr {
    const { source, w, result } = flags;
    const [a, b] = [flags.a ?? result, flags.b ?? result];
    const top = (value: Expr): Expr => i32.shr_u(w.high(value), at(TOP));
    switch (source) {
      case 'add':
        return top(w.and(w.xor(a, result), w.xor(b, result)));
      case 'sub':
        return top(w.and(w.xor(a, b), w.xor(a, result)));
      case 'increment':
        return top(w.and(w.xor(a, w.const(-1)), result));
      case 'decrement':
        return top(w.and(a, w.xor(result, w.const(-1))));
      default:
        return flags.overflow ?? at(0);
    }
  }

  private adjustOf(flags: Source): Expr {
    const { source, w, result } = flags;
    const [a, b] = [flags.a ?? result, flags.b ?? w.const(1)];
    if (source === 'logic') return at(0);
    if (source === 'bits') return flags.adjust ?? at(0);
    return i32.and(i32.shr_u(w.low(w.xor(w.xor(a, b), result)), at(4)), at(1));
  }

  private signOf({ w, result }: Source): Expr {
    return i32.shr_u(w.high(result), at(TOP));
  }

  private zeroOf({ w, result, source, a, b, carried }: Source): Expr {
    return source === 'sub' && !carried && a && b ? w.eq(a, b) : w.eqz(w.zero(result));
  }

  private parityOf({ w, result }: Source): Expr {
    return parity(w.low(result));
  }

  /** Signed and unsigned comparisons of what was subtracted, by condition code; undefined where flags have to be looked at one by one. */
  private compared({ source, w, a, b, carried }: Source, condition: number): Expr | undefined {
    if (source !== 'sub' || carried || !a || !b) return undefined;
    const [x, y] = [w.signed(a), w.signed(b)];
    switch (condition >> 1) {
      case BELOW_OR_EQUAL:
        return i32.eqz(w.lt_u(b, a));
      case LESS:
        return w.lt_s(x, y);
      case LESS_OR_EQUAL:
        return i32.eqz(w.lt_s(y, x));
      default:
        return undefined;
    }
  }

  private positive(flags: Source, condition: number): Expr {
    const compared = this.compared(flags, condition);
    if (compared) return compared;
    const less = (): Expr => (flags.source === 'logic' ? this.signOf(flags) : i32.xor(this.signOf(flags), this.overflowOf(flags)));
    return [
      () => this.overflowOf(flags),
      () => this.carryOf(flags),
      () => this.zeroOf(flags),
      () => i32.or(this.carryOf(flags), this.zeroOf(flags)),
      () => this.signOf(flags),
      () => this.parityOf(flags),
      less,
      () => i32.or(less(), this.zeroOf(flags)),
    ][condition >> 1]();
  }

  holds(condition: number): Expr {
    const flags = this.read();
    if (!flags) return this.c.let(I32, this.words.holds(condition));
    const positive = this.positive(flags, condition);
    return condition & 1 ? i32.eqz(positive) : positive;
  }

  /** What the flags come from; undefined when they are in the state's words, where they are put if only the locals know them. */
  private read(): Source | undefined {
    if (this.current.at === 'source') return this.current;
    this.toState();
    return undefined;
  }

  carryNow(): Expr {
    const flags = this.read();
    return flags ? this.carryOf(flags) : this.c.let(I32, this.words.carryNow());
  }

  overflowNow(): Expr {
    const flags = this.read();
    return flags ? this.overflowOf(flags) : this.c.let(I32, this.words.overflowNow());
  }

  adjustNow(): Expr {
    const flags = this.read();
    return flags ? this.adjustOf(flags) : this.c.let(I32, this.words.adjustNow());
  }

  statusByte(): Expr {
    this.toState();
    return this.words.statusByte();
  }
}

const BELOW_OR_EQUAL = 3;
const LESS = 6;
const LESS_OR_EQUAL = 7;
