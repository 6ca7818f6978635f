/** What both projections of the semantics have in common: operands, memory, the stack, strings and faults in terms of `Fields`. */
import {
  EFLAGS,
  ES,
  REGISTER_SIZE,
  REGISTERS,
  SEG,
  SEGMENT_SIZE,
  SEGMENTS,
  MMX_GATE,
  SSE_GATE,
  VECTOR,
  X87_GATE,
  TIME_END,
  TIME_OFFSET,
} from '../layout';
import type { Context, Facts, FlagSink, MemoryPlace, Place } from '../semantics/context';
import { type Word, word } from '../semantics/words';
import { type Code, type Expr, get, I32, i32, i64, type ValueType } from '../wasm/code';
import type { Library } from '../wasm/library';
import { Access, at, type CodeWidth, LongCode, NarrowCode, state } from './code-width';
import { bulkOf } from './bulk';
import type { Fields, SegmentPlace } from './fields';
import { Exit } from '../interpreter/records';

/** What the flags are now; all but the status byte as an i32 of 0 or 1. */
interface FlagReader {
  holds(condition: number): Expr;
  carryNow(): Expr;
  overflowNow(): Expr;
  adjustNow(): Expr;
  /** The low byte of EFLAGS. */
  statusByte(): Expr;
}

/** See `Context.repeat`. */
export interface Bulk {
  readonly kind: 'copy' | 'fill';
  readonly element: Word;
}

export interface Repetition {
  /** Writes one iteration; where it faults the flags are those from before the instruction. */
  iterate(iteration: () => void): void;
  /** Writes the way out when all is done. */
  finish(done: () => void): void;
  /** What is written from here on is for a run that is broken off, in code common to all ways, and on that way alone. */
  interrupt(): void;
  takeBack(): void;
  /** Instructions that may still run. */
  budget(): Expr;
  spend(instructions: Expr): void;
}

/** One operand of a form. */
export type FormOperand =
  | { readonly kind: 'register' | 'memory' | 'immediate' | 'xmm' | 'mmx' | 'x87'; readonly size: number }
  | { readonly kind: 'relative' }
  | { readonly kind: 'other' };

export const EQUAL = 4;
export const NOT_EQUAL = 5;
const DF_BIT = 10;
const EBP = 5;
const ESP = 4;
const ECX = 1;
const GENERAL_PROTECTION = 13;
const SS = SEGMENTS + 2 * SEGMENT_SIZE;
const GATES = { x87: X87_GATE, mmx: MMX_GATE, sse: SSE_GATE } as const;

const log2 = (n: number): number => 31 - Math.clz32(n);

export abstract class BaseContext implements Context {
  readonly code: Code;
  readonly facts: Facts;
  abstract readonly flags: FlagSink & FlagReader;
  protected readonly operands: readonly FormOperand[];
  protected readonly fields: Fields;
  protected readonly width: CodeWidth;
  private readonly functions: Library;
  protected readonly undo: (() => void)[] = [];

  /** @param flat see `NarrowCode` */
  constructor(code: Code, facts: Facts, operands: readonly FormOperand[], fields: Fields, functions: Library, flat: boolean) {
    this.code = code;
    this.facts = facts;
    this.operands = operands;
    this.fields = fields;
    this.functions = functions;
    this.width = facts.long ? new LongCode(code, fields) : new NarrowCode(code, fields, flat);
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
    return word(this.sizeOf(index));
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

  kindOf(index: number): FormOperand['kind'] {
    return this.operands[index].kind;
  }

  private readonly places: Place[] = [];

  operand(index: number): Place {
    return (this.places[index] ??= this.makePlace(index));
  }

  private makePlace(index: number): Place {
    const operand = this.operands[index];
    switch (operand?.kind) {
      case 'register':
        return this.registerOperand(index, word(operand.size));
      case 'immediate': {
        const w = word(operand.size);
        const refuse = (): never => {
          throw new Error('an immediate is not written');
        };
        return { word: w, read: () => w.zero(this.immediate(index, w)), update: refuse, write: refuse };
      }
      case 'memory':
        return this.memory(index);
      default:
        throw new Error(`operand ${index} is no value`);
    }
  }

  /** General register operand `index`. */
  protected abstract registerOperand(index: number, w: Word): Place;
  /** Immediate operand `index`, of the word's type. */
  protected abstract immediate(index: number, w: Word): Expr;
  /** What `pointer` gives for register operand `index`. */
  protected abstract registerPointer(index: number, access: 'read' | 'write' | 'update'): Expr;
  abstract register(number: number, w: Word): Place;
  abstract highByte(number: number): Place;

  pointer(index: number, access: 'read' | 'write' | 'update', bytes: number, aligned = false): Expr {
    if (this.operands[index].kind !== 'memory') return this.registerPointer(index, access);
    const segment = this.fields.operandSegment();
    const address = this.width.operandAddress();
    if (aligned) this.faultIf(i32.and(this.width.linearLow(segment, address), at(bytes - 1)), GENERAL_PROTECTION);
    return this.host(segment, address, bytes, Access[access]);
  }

  farAddress(index: number): { segment: Expr; offset: Expr } {
    if (this.operands[index]?.kind !== 'memory') throw new Error(`operand ${index} is not in memory`);
    const address = this.width.operandAddress();
    return {
      segment: i32.load(this.fields.operandSegment().register, SEG.selector),
      offset: this.facts.long ? address : i64.extend_u(address),
    };
  }

  requireUnit(unit: 'x87' | 'mmx' | 'sse'): void {
    const vector = this.let(I32, state(GATES[unit]));
    this.code.unlikely(vector, () => {
      this.setState(VECTOR, vector);
      this.leave(Exit.exception);
    });
  }

  memory(index: number): MemoryPlace {
    const operand = this.operands[index];
    if (operand?.kind !== 'memory') throw new Error(`operand ${index} is not in memory`);
    const segment = this.fields.operandSegment();
    return this.memoryPlace(operand.size, segment, this.width.operandAddress());
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
        return this.memoryPlace(part, segment, this.width.move(address, wide));
      },
    };
  }

  counter(): Place {
    return this.register(ECX, word(this.facts.addressSize));
  }

  // --- memory

  /** The host offset at which an access can be made, now that segment and page allow it. */
  private host(segment: SegmentPlace, address: Expr, size: number, access: Access, stack = false): Expr {
    const cache = segment.flat ? this.fields.pageCache(stack) : undefined;
    return this.width.host(segment, address, size, access, (pointer) => this.faultUnless(pointer), cache);
  }

  /** Leaves the code if an access gave no pointer; CURRENT is set by then. */
  protected faultUnless(pointer: Expr): void {
    this.code.unlikely(i32.eqz(pointer), () => this.leave(Exit.fault));
  }

  abstract commit(pointer: Expr): void;

  // --- faults and exits

  /** Leaves the code with the instruction not done. */
  protected leave(reason: Exit): void {
    for (const undo of this.undo) undo();
    this.exit(reason);
  }

  protected abstract exit(reason: Exit): void;

  faultIf(condition: Expr, vector: number): void {
    this.code.unlikely(condition, () => {
      this.setState(VECTOR, at(vector));
      this.leave(Exit.exception);
    });
  }

  guard(undo: () => void, body: () => void): void {
    this.undo.push(undo);
    body();
    this.undo.pop();
  }

  abstract helper(name: string): void;

  library(name: string, ...args: Expr[]): Expr[] {
    return this.functions.call(this.code, name, ...args);
  }

  // --- flags

  holds(condition: number): Expr {
    return this.flags.holds(condition);
  }

  carry(): Expr {
    return this.flags.carryNow();
  }

  overflow(): Expr {
    return this.flags.overflowNow();
  }

  adjust(): Expr {
    return this.flags.adjustNow();
  }

  statusByte(): Expr {
    return this.flags.statusByte();
  }

  direction(): Expr {
    return i32.and(i32.shr_u(state(EFLAGS), at(DF_BIT)), at(1));
  }

  setDirection(down: boolean): void {
    this.setState(EFLAGS, down ? i32.or(state(EFLAGS), at(1 << DF_BIT)) : i32.and(state(EFLAGS), at(~(1 << DF_BIT))));
  }

  // --- stack

  private stackAt(register: number, distance: Expr, size: number, access: Access): { offset: Expr; pointer: Expr } {
    const offset = this.width.stackOffset(register, distance);
    return { offset, pointer: this.host(this.fields.segment(SS), offset, size, access, true) };
  }

  push(w: Word, value: Expr): void {
    const kept = this.let(w.type, value);
    const { offset, pointer } = this.stackAt(ESP, at(-w.size), w.size, Access.write);
    w.store(this.code, pointer, kept);
    this.commit(pointer);
    this.width.setStackPointer(offset);
  }

  peek(w: Word, skip = 0): Expr {
    return w.load(this.stackAt(ESP, at(skip), w.size, Access.read).pointer);
  }

  release(bytes: Expr): void {
    this.width.setStackPointer(this.width.stackOffset(ESP, bytes));
  }

  stackPointer(): Place {
    return this.register(ESP, this.width.word);
  }

  peekAtFrame(w: Word): Expr {
    return w.load(this.stackAt(EBP, at(0), w.size, Access.read).pointer);
  }

  releaseFrame(bytes: number): void {
    this.width.setStackPointer(this.width.stackOffset(EBP, at(bytes)));
  }

  // --- strings

  stringSource(w: Word): Place {
    return this.stringPlace(w, this.fields.operandSegment(), 6);
  }

  stringDestination(w: Word): Place {
    return this.stringPlace(w, this.fields.segment(ES), 7);
  }

  private stringPlace(w: Word, segment: SegmentPlace, register: number): Place {
    return this.memoryPlace(w.size, segment, this.width.stringAddress(register, this.facts.addressSize));
  }

  advance(register: number, w: Word): void {
    const place = this.register(register, word(this.facts.addressSize));
    const step = i32.sub(at(w.size), i32.and(i32.shr_u(state(EFLAGS), at(DF_BIT - 1 - log2(w.size))), at(2 * w.size)));
    const aw = place.word;
    place.write(aw.add(place.read(), aw.size === 8 ? i64.extend_s(step) : step));
  }

  /** What the interpreter and the compiler do differently about a repeated instruction's flags and its budget. */
  protected abstract repetition(until: 'count' | 'zero'): Repetition;

  repeat(iteration: () => void, until: 'count' | 'zero', bulk?: Bulk): void {
    if (this.facts.repeat === 'none') {
      iteration();
      return;
    }
    const c = this.code;
    const run = this.repetition(until);
    c.block((done) => {
      const counter = this.counter();
      const w = counter.word;
      c.if(w.eqz(counter.read()), done);
      c.loop((again) => {
        const left = c.local(w.type);
        const count = (elements: Expr): void => {
          c.set(left, w.zero(w.sub(counter.read(), elements)));
          counter.write(get(left));
        };
        const one = (): void => {
          run.iterate(iteration);
          count(w.const(1));
        };
        if (bulk) {
          const elements = bulkOf(this, this.width, this.fields, bulk, run.budget());
          c.if(
            elements,
            () => {
              run.spend(i32.sub(elements, at(1)));
              count(w.from(elements));
            },
            one,
          );
        } else one();
        const finish = (): void => run.finish(done);
        c.if(w.eqz(get(left)), finish);
        if (until === 'zero') c.if(this.holds(this.facts.repeat === 'rep' ? NOT_EQUAL : EQUAL), finish);
        run.interrupt();
        // Every iteration counts as an instruction: an interrupt may come between any two.
        c.if(i32.le_s(run.budget(), at(0)), () => {
          run.takeBack();
          this.exit(Exit.partial);
        });
        run.spend(at(1));
        again();
      });
    });
  }

  // --- control flow

  get offsets(): Word {
    return this.width.word;
  }

  abstract instructionIp(): Expr;

  state(offset: number): Expr {
    return state(offset);
  }

  /** Instructions that may still run, as far as has been paid for whole blocks, and those of the running one from this on. */
  protected abstract unused(): Expr;

  timeStamp(): Expr {
    return i64.sub(i64.add(i64.load(at(0), TIME_END), i64.load(at(0), TIME_OFFSET)), i64.extend_u(this.unused()));
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

  abstract jump(target: Expr): void;
}

/** State offset of a general register, or of AH to BH by numbers 0 to 3. */
export const generalOffset = (number: number): number => REGISTERS + number * REGISTER_SIZE;
