/**
 * The interpreter's projection: a semantics function given this context becomes the handler of one form. Operands are
 * read out of the record that the handler's only parameter points to; registers and flags live in the state.
 */
import {
  BUDGET,
  CURRENT,
  EFLAGS,
  FLAG_ADJUST,
  FLAG_CARRY,
  FLAG_SIGN,
  FLAG_ZERO,
  IP,
  REGISTERS,
  REGISTER_SIZE,
  SCRATCH,
  SEG,
  SEGMENTS,
  SEGMENT_SIZE,
  STACK_MASK,
  TLB,
  TLB_BASE,
  TLB_ENTRIES,
  VECTOR,
} from '../layout';
import type { Context, Facts, FlagSink, MemoryPlace, Place, StatusBits } from '../semantics/context';
import { type Word, word } from '../semantics/words';
import { Code, type Expr, call, get, I32, i32, i64, type ValueType } from '../wasm/code';
import { Exit, RECORD, RECORD_SIZE } from './records';

/** Function indexes that handlers call; the imports come first (see handlers.ts). */
export interface Callees {
  /** (record, segment's state offset, offset, size | access << 8) → host offset, or 0 for a fault. */
  readonly memory: number;
  /** (record): completes a write that went to SCRATCH. */
  readonly commit: number;
  /** (record) → exit reason + 1, or 0 to go on. */
  readonly helper: number;
  /** (record): tail-called to go on at IP through the jump cache. */
  readonly lookup: number;
  /** Type index of handlers. */
  readonly handlerType: number;
}

export const Access = { read: 0, write: 1, update: 2 } as const;
export type Access = (typeof Access)[keyof typeof Access];

/** One operand of a form. */
export type FormOperand =
  | { readonly kind: 'register' | 'memory' | 'immediate'; readonly size: number }
  | { readonly kind: 'relative' }
  | { readonly kind: 'other' };

const SIGN_BIT = 0x80000000 | 0;
const DF_BIT = 10;
const ESP = 4;
const EBP = 5;
const ECX = 1;
const GENERAL_PROTECTION = 13;
const CS = SEGMENTS + 1 * SEGMENT_SIZE;
const SS = SEGMENTS + 2 * SEGMENT_SIZE;
const ES = SEGMENTS;
const PAGE_MASK = 0xfffff000 | 0;

const record = get(0);
const field = (offset: number): Expr => i32.load(record, offset);
const at = (offset: number): Expr => i32.const(offset);
const state = (offset: number): Expr => i32.load(at(0), offset);

export class HandlerContext implements Context {
  readonly code = new Code(1);
  readonly facts: Facts;
  readonly flags: FlagSink;
  private readonly operands: readonly FormOperand[];
  private readonly callees: Callees;
  private readonly undo: (() => void)[] = [];

  constructor(facts: Facts, operands: readonly FormOperand[], callees: Callees) {
    this.facts = facts;
    this.operands = operands;
    this.callees = callees;
    this.flags = new StateFlags(this);
  }

  let(type: ValueType, value: Expr): Expr {
    return this.code.let(type, value);
  }

  if(condition: Expr, then: () => void, otherwise?: () => void): void {
    this.code.if(condition, then, otherwise);
  }

  setState(offset: number, value: Expr): void {
    i32.store(this.code, at(0), value, offset);
  }

  // --- operands

  get operandCount(): number {
    return this.operands.length;
  }

  wordOf(index: number): Word {
    const operand = this.operands[index];
    if (!operand || !('size' in operand)) throw new Error(`operand ${index} has no size`);
    return word(operand.size);
  }

  isMemory(index: number): boolean {
    return this.operands[index]?.kind === 'memory';
  }

  isImmediate(index: number): boolean {
    return this.operands[index]?.kind === 'immediate';
  }

  isRelative(index: number): boolean {
    return this.operands[index]?.kind === 'relative';
  }

  private readonly places = new Map<number, Place>();

  operand(index: number): Place {
    let place = this.places.get(index);
    if (!place) this.places.set(index, (place = this.makePlace(index)));
    return place;
  }

  private makePlace(index: number): Place {
    const operand = this.operands[index];
    switch (operand?.kind) {
      case 'register': {
        const earlier = this.operands.slice(0, index).filter((other) => other.kind === 'register').length;
        // Only the double shifts have a third, and it is always CL.
        if (earlier === 2) return this.register(ECX, word(operand.size));
        return this.registerPlace(word(operand.size), field(earlier === 0 ? RECORD.first : RECORD.second), 0);
      }
      case 'immediate': {
        const w = word(operand.size);
        const read = (): Expr => (w.size === 8 ? i64.load(record, RECORD.immediate) : field(RECORD.immediate));
        const refuse = (): never => {
          throw new Error('an immediate is not written');
        };
        return { word: w, read: () => w.zero(read()), update: refuse, write: refuse };
      }
      case 'memory':
        return this.memory(index);
      default:
        throw new Error(`operand ${index} is no value`);
    }
  }

  memory(index: number): MemoryPlace {
    const operand = this.operands[index];
    if (operand?.kind !== 'memory') throw new Error(`operand ${index} is not in memory`);
    const segment = this.let(I32, field(RECORD.segment));
    const address = this.let(
      I32,
      i32.and(
        i32.add(
          i32.add(i32.load(field(RECORD.base)), i32.shl(i32.load(field(RECORD.index)), field(RECORD.shift))),
          field(RECORD.displacement),
        ),
        field(RECORD.mask),
      ),
    );
    return this.memoryPlace(operand.size, segment, address, field(RECORD.mask));
  }

  private memoryPlace(size: number, segment: Expr, address: Expr, mask: Expr): MemoryPlace {
    let pointer: Expr | undefined;
    return {
      get word() {
        return word(size);
      },
      read: () => {
        const w = word(size);
        return this.let(w.type, w.load(this.host(segment, address, size, Access.read)));
      },
      update: () => {
        const w = word(size);
        pointer = this.host(segment, address, size, Access.update);
        return this.let(w.type, w.load(pointer));
      },
      write: (value) => {
        const to = pointer ?? this.host(segment, address, size, Access.write);
        word(size).store(this.code, to, value);
        this.commit(to);
      },
      address: () => address,
      at: (distance) => this.memoryPlace(size, segment, this.let(I32, i32.and(i32.add(address, distance), mask)), mask),
    };
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

  counter(): Place {
    return this.register(ECX, word(this.facts.addressSize));
  }

  // --- memory

  /**
   * The host offset at which an access can be made, now that segment and page allow it. The quick way is the TLB's;
   * everything else, faults included, is `callees.memory`'s.
   */
  private host(segment: Expr, offset: Expr, size: number, access: Access): Expr {
    const c = this.code;
    const pointer = c.local(I32);
    const span = access === Access.read ? SEG.readSpan : SEG.writeSpan;
    const tag = access === Access.read ? TLB.read : TLB.write;
    c.block((done) => {
      c.if(i32.lt_u(i32.sub(offset, i32.load(segment, SEG.low)), i32.load(segment, span)), () => {
        const linear = c.let(I32, i32.add(i32.load(segment, SEG.base), offset));
        const entry = c.let(I32, i32.add(state(TLB_BASE), i32.and(i32.shr_u(linear, at(8)), at((TLB_ENTRIES - 1) << 4))));
        const last = size === 1 ? linear : i32.add(linear, at(size - 1));
        c.if(i32.eq(i32.load(entry, tag), i32.and(last, at(PAGE_MASK))), () => {
          c.set(pointer, i32.add(i32.load(entry, TLB.addend), linear));
          done();
        });
      });
      c.set(pointer, call(this.callees.memory, record, segment, offset, at(size | (access << 8))));
      c.if(i32.eqz(get(pointer)), () => this.leave(Exit.fault));
    });
    return get(pointer);
  }

  private commit(pointer: Expr): void {
    this.code.if(i32.eq(pointer, at(SCRATCH)), () => this.code.call(this.callees.commit, record));
  }

  // --- faults and exits

  private leave(reason: Exit): void {
    for (const undo of this.undo) undo();
    this.setState(CURRENT, record);
    this.code.return(at(reason));
  }

  faultIf(condition: Expr, vector: number): void {
    this.if(condition, () => {
      this.setState(VECTOR, at(vector));
      this.leave(Exit.exception);
    });
  }

  guard(undo: () => void, body: () => void): void {
    this.undo.push(undo);
    body();
    this.undo.pop();
  }

  helper(): void {
    const result = this.let(I32, call(this.callees.helper, record));
    this.if(result, () => {
      this.setState(CURRENT, record);
      this.code.return(i32.sub(result, at(1)));
    });
  }

  // --- flags

  holds(condition: number): Expr {
    const zero = (): Expr => i32.eqz(state(FLAG_ZERO));
    const sign = (): Expr => i32.shr_u(state(FLAG_SIGN), at(31));
    const less = (): Expr => i32.xor(sign(), this.overflow());
    const positive = [
      () => this.overflow(),
      () => this.carry(),
      zero,
      () => i32.or(this.carry(), zero()),
      sign,
      () => parity(),
      less,
      () => i32.or(less(), zero()),
    ][condition >> 1]();
    return condition & 1 ? i32.eqz(positive) : positive;
  }

  carry(): Expr {
    return i32.shr_u(state(FLAG_CARRY), at(31));
  }

  overflow(): Expr {
    return i32.shr_u(i32.xor(state(FLAG_CARRY), i32.shl(state(FLAG_CARRY), at(1))), at(31));
  }

  adjust(): Expr {
    return i32.and(i32.shr_u(state(FLAG_ADJUST), at(4)), at(1));
  }

  statusByte(): Expr {
    const parts = [
      this.carry(),
      at(2),
      i32.shl(parity(), at(2)),
      i32.and(state(FLAG_ADJUST), at(0x10)),
      i32.shl(i32.eqz(state(FLAG_ZERO)), at(6)),
      i32.and(i32.shr_u(state(FLAG_SIGN), at(24)), at(0x80)),
    ];
    return this.let(
      I32,
      parts.reduce((sum, part) => i32.or(sum, part)),
    );
  }

  direction(): Expr {
    return i32.and(i32.shr_u(state(EFLAGS), at(DF_BIT)), at(1));
  }

  setDirection(down: boolean): void {
    this.setState(EFLAGS, down ? i32.or(state(EFLAGS), at(1 << DF_BIT)) : i32.and(state(EFLAGS), at(~(1 << DF_BIT))));
  }

  // --- stack

  private stackPointer(base: Expr, distance: Expr): Expr {
    return this.let(I32, i32.and(i32.add(base, distance), state(STACK_MASK)));
  }

  private setStackPointer(offset: Expr): void {
    const esp = REGISTERS + ESP * REGISTER_SIZE;
    this.setState(esp, i32.xor(state(esp), i32.and(i32.xor(state(esp), offset), state(STACK_MASK))));
  }

  push(w: Word, value: Expr): void {
    const kept = this.let(w.type, value);
    const offset = this.stackPointer(state(REGISTERS + ESP * REGISTER_SIZE), at(-w.size));
    const pointer = this.host(at(SS), offset, w.size, Access.write);
    w.store(this.code, pointer, kept);
    this.commit(pointer);
    this.setStackPointer(offset);
  }

  peek(w: Word, skip = 0): Expr {
    const offset = this.stackPointer(state(REGISTERS + ESP * REGISTER_SIZE), at(skip));
    return w.load(this.host(at(SS), offset, w.size, Access.read));
  }

  release(bytes: Expr): void {
    this.setStackPointer(this.stackPointer(state(REGISTERS + ESP * REGISTER_SIZE), bytes));
  }

  peekAtFrame(w: Word): Expr {
    const offset = this.stackPointer(state(REGISTERS + EBP * REGISTER_SIZE), at(0));
    return w.load(this.host(at(SS), offset, w.size, Access.read));
  }

  releaseFrame(bytes: number): void {
    this.setStackPointer(this.stackPointer(state(REGISTERS + EBP * REGISTER_SIZE), at(bytes)));
  }

  // --- strings

  private addressMask(): Expr {
    return at(this.facts.addressSize === 2 ? 0xffff : -1);
  }

  stringSource(w: Word): Place {
    return this.stringPlace(w, this.let(I32, field(RECORD.segment)), 6);
  }

  stringDestination(w: Word): Place {
    return this.stringPlace(w, at(ES), 7);
  }

  private stringPlace(w: Word, segment: Expr, register: number): Place {
    const address = this.let(I32, i32.and(state(REGISTERS + register * REGISTER_SIZE), this.addressMask()));
    return this.memoryPlace(w.size, segment, address, this.addressMask());
  }

  advance(register: number, w: Word): void {
    const place = this.register(register, word(this.facts.addressSize));
    const step = i32.sub(at(w.size), i32.and(i32.shr_u(state(EFLAGS), at(DF_BIT - 1 - log2(w.size))), at(2 * w.size)));
    place.write(i32.add(place.read(), step));
  }

  repeat(iteration: () => void, until: 'count' | 'zero'): void {
    if (this.facts.repeat === 'none') {
      iteration();
      return;
    }
    const c = this.code;
    // A comparison that is broken off shows the flags from before it (manual, REP): only the last iteration's count.
    const flags = until === 'zero' ? FLAG_WORDS.map((offset) => ({ offset, value: this.let(I32, state(offset)) })) : [];
    const restore = (): void => {
      for (const { offset, value } of flags) this.setState(offset, value);
    };
    c.block((done) => {
      const counter = this.counter();
      c.if(i32.eqz(counter.read()), done);
      c.loop((again) => {
        this.guard(restore, iteration);
        const left = this.let(I32, counter.word.zero(i32.sub(counter.read(), at(1))));
        counter.write(left);
        c.if(i32.eqz(left), done);
        if (until === 'zero') c.if(this.holds(this.facts.repeat === 'rep' ? NOT_EQUAL : EQUAL), done);
        // Every iteration counts as an instruction: an interrupt may come between any two.
        c.if(i32.le_s(state(BUDGET), at(0)), () => {
          restore();
          this.setState(CURRENT, record);
          c.return(at(Exit.partial));
        });
        this.setState(BUDGET, i32.sub(state(BUDGET), at(1)));
        again();
      });
    });
  }

  // --- control flow

  nextIp(): Expr {
    return i32.add(state(IP), field(RECORD.next));
  }

  target(): Expr {
    const target = i32.add(state(IP), field(RECORD.target));
    return this.facts.operandSize === 2 ? i32.and(target, at(0xffff)) : target;
  }

  checkTarget(target: Expr): void {
    this.faultIf(i32.gt_u(target, state(CS + SEG.limit)), GENERAL_PROTECTION);
  }

  jump(target: Expr): void {
    this.setState(IP, target);
    const link = this.let(I32, field(RECORD.link));
    this.if(link, () => this.code.returnCallIndirect(this.callees.handlerType, i32.load(link), link));
    this.code.returnCall(this.callees.lookup, record);
  }

  /** The end of every handler: on to the next record. */
  finish(): Uint8Array {
    const next = this.let(I32, i32.add(record, at(RECORD_SIZE)));
    this.code.returnCallIndirect(this.callees.handlerType, i32.load(next, RECORD.handler), next);
    return this.code.finish();
  }
}

const FLAG_WORDS = [FLAG_ZERO, FLAG_SIGN, FLAG_CARRY, FLAG_ADJUST];
const EQUAL = 4;
const NOT_EQUAL = 5;

const log2 = (n: number): number => 31 - Math.clz32(n);

const parity = (): Expr => i32.xor(i32.and(i32.popcnt(i32.and(state(FLAG_SIGN), at(0xff))), at(1)), at(1));

/** Status flags as four words from which each flag can be read without knowing what set it: see layout.ts. */
class StateFlags implements FlagSink {
  private readonly c: HandlerContext;

  constructor(c: HandlerContext) {
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
    this.sum(w, a, b, result, w.or(w.and(a, b), w.and(w.or(a, b), w.xor(result, w.const(-1)))));
  }

  sub(w: Word, a: Expr, b: Expr, result: Expr): void {
    this.sum(w, a, b, result, w.or(w.and(w.xor(a, w.const(-1)), w.or(b, result)), w.and(b, result)));
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
}
