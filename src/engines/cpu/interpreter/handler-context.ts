/**
 * The interpreter's projection of the semantics: one function for a form of operands, which finds the particulars of each
 * instruction in the decoded record that its parameter points to; registers and flags live in the state.
 */
import { BUDGET, CURRENT, IP, REGISTER_SIZE, REGISTERS, SCRATCH } from '../layout';
import type { Facts } from '../semantics/context';
import type { Place } from '../semantics/context';
import { type Word, word } from '../semantics/words';
import { BaseContext, type FormOperand, generalOffset, type Repetition } from '../staged/base-context';
import { at, state } from '../staged/code-width';
import type { AccessCallees, Fields } from '../staged/fields';
import { FLAG_WORDS, StateFlags } from '../staged/state-flags';
import { Code, type Expr, call, get, I32, i32, i64 } from '../wasm/code';
import type { Library } from '../wasm/library';
import { Exit, RECORD, RECORD_SIZE } from './records';

/** Function indexes that handlers call (see handlers.ts). */
export interface Callees extends AccessCallees {
  /** (record): completes a write that went to SCRATCH. */
  readonly commit: number;
  /** (record) → exit reason + 1, or 0 to go on. */
  readonly helper: number;
  /** (record): tail-called to go on at IP through the jump cache, in 16- and 32-bit code and in 64-bit code. */
  readonly lookup: number;
  readonly lookup64: number;
  /** Type index of handlers. */
  readonly handlerType: number;
  /** Functions shared by many handlers. */
  readonly library: Library;
}

const REGISTER_FIELDS = [RECORD.first, RECORD.second, RECORD.third];
const REGISTER_KINDS: ReadonlySet<string> = new Set(['register', 'xmm', 'mmx', 'x87']);

const record = get(0);
const field = (offset: number): Expr => i32.load(record, offset);

/** What the decoded record says. */
function recordFields(code: Code, callees: AccessCallees, long: boolean): Fields {
  const load = long ? i64.load : i32.load;
  return {
    record,
    callees,
    origin: 0,
    pageCache: () => undefined,
    ip: () => load(at(0), IP),
    next: () => field(RECORD.next),
    target: () => field(RECORD.target),
    register: (number) => load(at(0), generalOffset(number)),
    setRegister: (number, value) => i64.store(code, at(0), long ? value : i64.extend_u(value), generalOffset(number)),
    base: () => load(field(RECORD.base)),
    index: () => load(field(RECORD.index)),
    shift: () => field(RECORD.shift),
    displacement: () => load(record, RECORD.displacement),
    mask: () => load(record, RECORD.mask),
    operandSegment: () => {
      if (long) return { register: field(RECORD.segment), base: field(RECORD.segmentBase) };
      const register = code.let(I32, field(RECORD.segment));
      return { register, base: register };
    },
    // In 64-bit code instructions imply ES and SS alone, which begin at 0 there.
    segment: (offset) => ({ register: at(offset), base: at(offset), flat: long }),
    setIp: (target) => (long ? i64 : i32).store(code, at(0), target, IP),
  };
}

export class HandlerContext extends BaseContext {
  readonly flags: StateFlags;
  private readonly callees: Callees;

  constructor(facts: Facts, operands: readonly FormOperand[], callees: Callees) {
    const code = new Code(1);
    super(code, facts, operands, recordFields(code, callees, facts.long), callees.library, false);
    this.callees = callees;
    this.flags = new StateFlags(this);
  }

  // --- operands

  protected registerOperand(index: number, w: Word): Place {
    return this.registerPlace(w, this.registerPointer(index), 0);
  }

  protected immediate(_index: number, w: Word): Expr {
    return w.size === 8 ? i64.load(record, RECORD.immediate) : field(RECORD.immediate);
  }

  /** State offset of a register operand. */
  protected registerPointer(index: number): Expr {
    return field(REGISTER_FIELDS[this.operands.slice(0, index).filter(({ kind }) => REGISTER_KINDS.has(kind)).length]);
  }

  register(number: number, w: Word): Place {
    return this.registerPlace(w, at(0), REGISTERS + number * REGISTER_SIZE);
  }

  highByte(number: number): Place {
    return this.registerPlace(word(1), at(0), REGISTERS + number * REGISTER_SIZE + 1);
  }

  private registerPlace(w: Word, base: Expr, offset: number): Place {
    const load = (): Expr => (c) =>
      (w.size === 1 ? i32.load8u : w.size === 2 ? i32.load16u : w.size === 4 ? i32.load : i64.load)(base, offset)(c);
    return {
      word: w,
      // Read into a local at once: a later write to the same register must not be seen.
      read: () => this.let(w.type, load()),
      update: () => this.let(w.type, load()),
      write: (value) => {
        if (w.size === 4) i64.store(this.code, base, i64.extend_u(value), offset);
        else w.store(this.code, base, value, offset);
      },
    };
  }

  commit(pointer: Expr): void {
    this.code.unlikely(i32.eq(pointer, at(SCRATCH)), () => this.code.call(this.callees.commit, record));
  }

  // --- faults and exits

  protected exit(reason: Exit): void {
    this.setState(CURRENT, record);
    this.code.return(at(reason));
  }

  helper(): void {
    const result = this.let(I32, call(this.callees.helper, record));
    this.if(result, () => {
      this.setState(CURRENT, record);
      this.code.return(i32.sub(result, at(1)));
    });
  }

  protected repetition(until: 'count' | 'zero'): Repetition {
    // A comparison that is broken off shows the flags from before it (manual, REP): only the last iteration's count.
    const flags = until === 'zero' ? FLAG_WORDS.map((offset) => ({ offset, value: this.let(I32, state(offset)) })) : [];
    const takeBack = (): void => {
      for (const { offset, value } of flags) this.setState(offset, value);
    };
    return {
      iterate: (iteration) => this.guard(takeBack, iteration),
      finish: (done) => done(),
      interrupt: () => {},
      takeBack,
      budget: () => state(BUDGET),
      spend: (instructions) => this.setState(BUDGET, i32.sub(state(BUDGET), instructions)),
    };
  }

  // --- control flow

  protected unused(): Expr {
    return i32.add(state(BUDGET), field(RECORD.rest));
  }

  instructionIp(): Expr {
    return i64.add(i64.load(at(0), IP), i64.extend_u(field(RECORD.here)));
  }

  jump(target: Expr): void {
    this.fields.setIp(target);
    const link = this.let(I32, field(RECORD.link));
    this.if(link, () => this.code.returnCallIndirect(this.callees.handlerType, i32.load(link), link));
    this.code.returnCall(this.facts.long ? this.callees.lookup64 : this.callees.lookup, record);
  }

  /** The end of every handler: on to the next record. */
  finish(): Uint8Array {
    const next = this.let(I32, i32.add(record, at(RECORD_SIZE)));
    this.code.returnCallIndirect(this.callees.handlerType, i32.load(next, RECORD.handler), next);
    return this.code.finish();
  }
}
