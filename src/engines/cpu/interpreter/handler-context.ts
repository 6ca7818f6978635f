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
  SEGMENT_SIZE,
  SEGMENTS,
  MMX_GATE,
  SSE_GATE,
  VECTOR,
  X87_GATE,
} from '../layout';
import type { Context, Facts, FlagSink, MemoryPlace, Place } from '../semantics/context';
import { type Word, word } from '../semantics/words';
import { Code, type Expr, call, I32, i32, i64, type ValueType } from '../wasm/code';
import { Access, at, type Callees, type CodeWidth, field, LONG, NARROW, record, type SegmentPlace, state } from './code-width';
import { Exit, RECORD, RECORD_SIZE } from './records';
import { FLAG_WORDS, parity, StateFlags } from './state-flags';

/** One operand of a form. */
export type FormOperand =
  | { readonly kind: 'register' | 'memory' | 'immediate' | 'xmm' | 'mmx' | 'x87'; readonly size: number }
  | { readonly kind: 'relative' }
  | { readonly kind: 'other' };

const DF_BIT = 10;
const EBP = 5;
const ESP = 4;
const ECX = 1;
const GENERAL_PROTECTION = 13;
const SS = SEGMENTS + 2 * SEGMENT_SIZE;
const ES = SEGMENTS;
const REGISTER_FIELDS = [RECORD.first, RECORD.second, RECORD.third];
const REGISTER_KINDS: ReadonlySet<string> = new Set(['register', 'xmm', 'mmx', 'x87']);
const GATES = { x87: X87_GATE, mmx: MMX_GATE, sse: SSE_GATE } as const;

export class HandlerContext implements Context {
  readonly code = new Code(1);
  readonly facts: Facts;
  readonly flags: FlagSink;
  private readonly operands: readonly FormOperand[];
  private readonly callees: Callees;
  private readonly width: CodeWidth;
  private readonly undo: (() => void)[] = [];

  constructor(facts: Facts, operands: readonly FormOperand[], callees: Callees) {
    this.facts = facts;
    this.operands = operands;
    this.callees = callees;
    this.width = facts.long ? LONG : NARROW;
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

  sizeOf(index: number): number {
    const operand = this.operands[index];
    if (!operand || !('size' in operand)) throw new Error(`operand ${index} has no size`);
    return operand.size;
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
        return this.registerPlace(word(operand.size), this.registerField(index), 0);
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

  /** State offset of a register operand. */
  private registerField(index: number): Expr {
    return field(REGISTER_FIELDS[this.operands.slice(0, index).filter(({ kind }) => REGISTER_KINDS.has(kind)).length]);
  }

  kindOf(index: number): FormOperand['kind'] {
    return this.operands[index].kind;
  }

  pointer(index: number, access: 'read' | 'write' | 'update', bytes: number, aligned = false): Expr {
    if (this.operands[index].kind !== 'memory') return this.registerField(index);
    const segment = this.width.operandSegment(this.code);
    const address = this.width.operandAddress(this.code);
    if (aligned) this.faultIf(i32.and(this.width.linearLow(segment, address), at(bytes - 1)), GENERAL_PROTECTION);
    return this.host(segment, address, bytes, Access[access]);
  }

  farAddress(index: number): { segment: Expr; offset: Expr } {
    if (this.operands[index]?.kind !== 'memory') throw new Error(`operand ${index} is not in memory`);
    const address = this.width.operandAddress(this.code);
    return {
      segment: i32.load(this.width.operandSegment(this.code).register, SEG.selector),
      offset: this.facts.long ? address : i64.extend_u(address),
    };
  }

  requireUnit(unit: 'x87' | 'mmx' | 'sse'): void {
    const vector = this.let(I32, state(GATES[unit]));
    this.if(vector, () => {
      this.setState(VECTOR, vector);
      this.leave(Exit.exception);
    });
  }

  memory(index: number): MemoryPlace {
    const operand = this.operands[index];
    if (operand?.kind !== 'memory') throw new Error(`operand ${index} is not in memory`);
    const segment = this.width.operandSegment(this.code);
    return this.memoryPlace(operand.size, segment, this.width.operandAddress(this.code));
  }

  private memoryPlace(size: number, segment: SegmentPlace, address: Expr): MemoryPlace {
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
      address: () => (this.facts.long && this.facts.addressSize < 8 ? i32.wrap(address) : address),
      at: (distance, part = size) => {
        const wide = this.facts.long && this.facts.addressSize < 8 ? i64.extend_s(distance) : distance;
        return this.memoryPlace(part, segment, this.width.move(this.code, address, wide));
      },
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
   * everything else, faults included, is TypeScript's.
   */
  private host(segment: SegmentPlace, address: Expr, size: number, access: Access): Expr {
    const pointer = this.width.host(this.code, this.callees, segment, address, size, access);
    this.if(i32.eqz(pointer), () => this.leave(Exit.fault));
    return pointer;
  }

  commit(pointer: Expr): void {
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

  library(name: string, ...args: Expr[]): Expr[] {
    return this.callees.library.call(this.code, name, ...args);
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

  private stackAt(register: number, distance: Expr, size: number, access: Access): { offset: Expr; pointer: Expr } {
    const offset = this.width.stackOffset(this.code, register, distance);
    return { offset, pointer: this.host(this.width.segment(SS), offset, size, access) };
  }

  push(w: Word, value: Expr): void {
    const kept = this.let(w.type, value);
    const { offset, pointer } = this.stackAt(ESP, at(-w.size), w.size, Access.write);
    w.store(this.code, pointer, kept);
    this.commit(pointer);
    this.width.setStackPointer(this.code, offset);
  }

  peek(w: Word, skip = 0): Expr {
    return w.load(this.stackAt(ESP, at(skip), w.size, Access.read).pointer);
  }

  release(bytes: Expr): void {
    this.width.setStackPointer(this.code, this.width.stackOffset(this.code, ESP, bytes));
  }

  stackPointer(): Place {
    return this.register(ESP, this.width.word);
  }

  peekAtFrame(w: Word): Expr {
    return w.load(this.stackAt(EBP, at(0), w.size, Access.read).pointer);
  }

  releaseFrame(bytes: number): void {
    this.width.setStackPointer(this.code, this.width.stackOffset(this.code, EBP, at(bytes)));
  }

  // --- strings

  stringSource(w: Word): Place {
    return this.stringPlace(w, this.width.operandSegment(this.code), 6);
  }

  stringDestination(w: Word): Place {
    return this.stringPlace(w, this.width.segment(ES), 7);
  }

  private stringPlace(w: Word, segment: SegmentPlace, register: number): Place {
    return this.memoryPlace(w.size, segment, this.width.stringAddress(this.code, register, this.facts.addressSize));
  }

  advance(register: number, w: Word): void {
    const place = this.register(register, word(this.facts.addressSize));
    const step = i32.sub(at(w.size), i32.and(i32.shr_u(state(EFLAGS), at(DF_BIT - 1 - log2(w.size))), at(2 * w.size)));
    const aw = place.word;
    place.write(aw.add(place.read(), aw.size === 8 ? i64.extend_s(step) : step));
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
      const w = counter.word;
      c.if(w.eqz(counter.read()), done);
      c.loop((again) => {
        this.guard(restore, iteration);
        const left = this.let(w.type, w.zero(w.sub(counter.read(), w.const(1))));
        counter.write(left);
        c.if(w.eqz(left), done);
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

  get offsets(): Word {
    return this.width.word;
  }

  instructionIp(): Expr {
    return i64.add(i64.load(at(0), IP), i64.extend_u(field(RECORD.here)));
  }

  nextIp(): Expr {
    return this.width.nextIp();
  }

  target(): Expr {
    return this.width.target(this.facts.operandSize);
  }

  checkTarget(target: Expr): void {
    this.faultIf(this.width.badTarget(target), GENERAL_PROTECTION);
  }

  jump(target: Expr): void {
    this.width.setIp(this.code, target);
    const link = this.let(I32, field(RECORD.link));
    this.if(link, () => this.code.returnCallIndirect(this.callees.handlerType, i32.load(link), link));
    this.code.returnCall(this.width.lookup(this.callees), record);
  }

  /** The end of every handler: on to the next record. */
  finish(): Uint8Array {
    const next = this.let(I32, i32.add(record, at(RECORD_SIZE)));
    this.code.returnCallIndirect(this.callees.handlerType, i32.load(next, RECORD.handler), next);
    return this.code.finish();
  }
}

const EQUAL = 4;
const NOT_EQUAL = 5;

const log2 = (n: number): number => 31 - Math.clz32(n);
