/** What a crossing writes of itself: a row of the transition log, as `transition-rows.ts` lays it out. */
import type { TransitionKind } from '../../../shared/transition';
import {
  FIRST_WORD,
  FROM_SHIFT,
  kindNumber,
  NUMBER,
  packPlace,
  Present,
  ROW_BYTES,
  TO_SHIFT,
  VCPU_SHIFT,
  WORD,
} from '../../transition-rows';
import { LOG_CAPACITY, LOG_ROWS, LOGGED, PROCESSOR, SEG, SYS, VMX_PLACE } from '../layout';
import { at, state } from '../staged/code-width';
import { Reg, Seg } from '../state';
import { type Expr, f64, i32, i64, select } from '../wasm/code';
import type { Crossing, DescriptorWords } from './crossing';

/** What is known of a transition before anything changes. */
export interface Origin {
  /** Instructions completed before, an f64. */
  readonly count: Expr;
  /** Offset in CS of the instruction. */
  readonly at: Expr;
  readonly kind: TransitionKind | Expr;
  readonly name: Expr;
  /** Vector, or -1. */
  readonly cause: Expr;
  /** Error code, or -1. */
  readonly errorCode?: Expr;
  /** 1 where another stack is taken. */
  readonly switched: Expr;
}

const ABSENT = at(-1);
const NOTHING = f64.convert_i32_s(ABSENT);

/** A row that is being written: first what was, then what is. */
export class LogRow {
  private readonly crossing: Crossing;
  private readonly row: Expr;
  private readonly switched: Expr;
  /** Bits of what is there. */
  private present: Expr = at(Present.fromSelector | Present.toSelector);

  /** There is room for it. */
  static need(crossing: Crossing): void {
    crossing.need(i32.lt_u(state(LOGGED), at(LOG_CAPACITY)));
  }

  constructor(crossing: Crossing, origin: Origin) {
    this.crossing = crossing;
    this.row = crossing.let(i32.add(at(LOG_ROWS), i32.mul(state(LOGGED), at(ROW_BYTES))));
    const { kind, cause, errorCode } = origin;
    const head = typeof kind === 'string' ? at(kindNumber(kind)) : kind;
    const from = i32.shl(this.place(crossing.sys(SYS.cpl)), at(FROM_SHIFT));
    this.word('head', i32.or(i32.or(head, from), i32.shl(state(PROCESSOR), at(VCPU_SHIFT))));
    this.word('name', origin.name);
    this.word('cause', cause);
    this.word('fromSelector', crossing.segment(Seg.cs, SEG.selector));
    this.word('errorCode', errorCode ?? ABSENT);
    if (cause.value === undefined) this.have(i32.mul(i32.ge_s(cause, at(0)), at(Present.cause)));
    if (errorCode) this.have(i32.mul(i32.ge_s(errorCode, at(0)), at(Present.errorCode)));
    f64.store(crossing.code, this.row, origin.count, NUMBER.count * 8);
    const address = crossing.long ? origin.at : i32.add(crossing.segment(Seg.cs, SEG.base), origin.at);
    this.number('address', address);
    this.number('fromOffset', origin.at);
    this.switched = origin.switched;
    this.stack('from');
    this.have(i32.mul(this.switched, at(Present.fromStackSelector | Present.toStackSelector)));
  }

  /** The stack as it is now, where there is a switch. */
  private stack(side: 'from' | 'to'): void {
    const { crossing, switched } = this;
    this.word(`${side}StackSelector`, select(switched, crossing.segment(Seg.ss, SEG.selector), ABSENT));
    const pointer = this.double(crossing.register(Reg.esp));
    f64.store(crossing.code, this.row, select(switched, pointer, NOTHING), NUMBER[`${side}StackOffset`] * 8);
  }

  private double(offset: Expr): Expr {
    return this.crossing.long ? f64.convert_i64_s(offset) : f64.convert_i64_u(i64.extend_u(offset));
  }

  private place(ring: Expr): Expr {
    const mode = this.crossing.long ? 'long' : 'protected-32';
    // Both the ring and what the guest takes it for.
    return i32.or(i32.or(i32.mul(ring, at(5)), at(packPlace({ ring: 0, guestRing: 0, mode, vmx: 'off' }))), state(VMX_PLACE));
  }

  private have(bits: Expr): void {
    this.present = this.crossing.let(i32.or(this.present, bits));
  }

  private word(field: keyof typeof WORD, value: Expr): void {
    i32.store(this.crossing.code, this.row, value, (FIRST_WORD + WORD[field]) * 4);
  }

  private number(field: keyof typeof NUMBER, offset: Expr): void {
    f64.store(this.crossing.code, this.row, this.double(offset), NUMBER[field] * 8);
  }

  /** Writes the rest and counts the row. The state is the new one. */
  finish(
    ring: 0 | 3,
    to: {
      readonly gate?: DescriptorWords;
      readonly target?: DescriptorWords;
      /** An address. */
      readonly extra?: Expr;
      readonly offset: Expr;
    },
  ): void {
    const { code } = this.crossing;
    i32.store(code, this.row, i32.or(i32.load(this.row, FIRST_WORD * 4), i32.shl(this.place(at(ring)), at(TO_SHIFT))), FIRST_WORD * 4);
    this.word('toSelector', this.crossing.segment(Seg.cs, SEG.selector));
    this.number('toOffset', to.offset);
    this.stack('to');
    this.word('gateLow', to.gate?.low ?? ABSENT);
    this.word('gateHigh', to.gate?.high ?? ABSENT);
    if (to.gate) this.have(at(Present.gateLow | Present.gateHigh));
    this.word('targetHigh', to.target?.high ?? ABSENT);
    if (to.target) this.have(at(Present.targetHigh));
    f64.store(code, this.row, to.extra ?? NOTHING, NUMBER.extra * 8);
    this.word('present', this.present);
    this.crossing.store(LOGGED, i32.add(state(LOGGED), at(1)));
  }
}
