/**
 * Changes of privilege as code of their own: the common case of INT, IRET, SYSCALL and their kin, and of exceptions and interrupts, in
 * WebAssembly. A crossing looks at everything first, through the TLBs alone, and changes nothing until it is sure: whatever is rare
 * (a miss, a fault, a task gate, a segment that grows down, TF, virtual-8086 mode) is left to `system/`, which begins anew.
 */
import { type Exit, RECORD, RECORD_SIZE } from '../interpreter/records';
import {
  ALL_FLAT,
  BUDGET,
  COUNT_END,
  CROSSING,
  CURRENT,
  EFLAGS,
  FLAT_SEGMENTS,
  INTERCEPTS,
  IP,
  JUMP64_CACHES,
  JUMP64_SIZE,
  JUMP_BASE,
  JUMP_CACHES,
  JUMP_SIZE,
  KERNEL_TLB,
  LOOK,
  Look,
  OWN_TRANSLATIONS,
  REGISTERS,
  SEG,
  SEGMENT_SIZE,
  SEGMENTS,
  STACK_MASK,
  SYS,
  SYSTEM,
  TLB,
  TLB64,
  TLB64_ENTRY,
  TLB_BASE,
  TLB_ENTRY,
  UNWATCHED,
  USER_TLB,
  WIDEST_ACCESS,
} from '../layout';
import { at, entryOf, state } from '../staged/code-width';
import { StateFlags } from '../staged/state-flags';
import { Attr, Flag, Seg } from '../state';
import { Code, type Expr, f64, get, I32, i32, i64, select } from '../wasm/code';
import type { ValueType } from '../wasm/code';

/** Functions that crossings call or go on in. */
export interface CrossingCallees {
  /** (record): the TypeScript helper of the instruction, as a handler. */
  readonly helper: number;
  readonly lookup: number;
  readonly lookup64: number;
  readonly deliver: number;
  readonly deliver64: number;
  /** (record, port, size): reads a port. */
  readonly portRead: number;
  /** (record, port, size, value): writes one. */
  readonly portWrite: number;
  readonly handlerType: number;
}

const FRAME = 4096;
const PAGE_MASK = ~(FRAME - 1);
const FLAT_SPAN = -(WIDEST_ACCESS - 1);
const UNUSABLE = 0x10000;
const IF_SHIFT = 9;
const { present, segment: isSegment, code: isCode, expandConform, readWrite, accessed, long: isLong, big } = Attr;

/** What a descriptor has to be for a crossing. */
const EVERY = present | isSegment | accessed;
const KIND = EVERY | isCode | expandConform | (3 << Attr.dplShift);
/** Flags with which code does not simply run on. */
const STRANGE = Flag.tf | Flag.nt | Flag.vm | Flag.ac | Flag.vif | Flag.vip;

/** The record that a handler runs. */
export const record = get(0);
export const field = (offset: number): Expr => i32.load(record, offset);

/** Writes the handler of a crossing. */
export type MakeHandler = (callees: CrossingCallees, long: boolean) => Uint8Array;

export interface DescriptorWords {
  readonly low: Expr;
  readonly high: Expr;
}

export class Crossing {
  readonly code: Code;
  readonly long: boolean;
  readonly offset: ValueType;
  private readonly giveUp: () => void;

  /** @param giveUp leaves for TypeScript, which finds everything as it was */
  constructor(code: Code, long: boolean, giveUp: (code: Code) => void) {
    this.code = code;
    this.long = long;
    this.offset = long ? i64.type : I32;
    this.giveUp = () => giveUp(code);
  }

  /** Goes on only if the condition holds. */
  need(condition: Expr): void {
    this.code.if(i32.eqz(condition), this.giveUp);
  }

  /** The code is of the right kind, and nothing has to be seen between two instructions. */
  needPlainCode(): void {
    this.need(i32.eq(state(CROSSING), at(this.long ? 64 : 32)));
    this.need(state(UNWATCHED));
  }

  /** No VMCS wants to see it. @param bit of `Intercept` */
  needNoIntercept(bit: number): void {
    this.need(i32.eqz(i32.and(state(INTERCEPTS), at(bit))));
  }

  needRing0(): void {
    this.need(i32.eqz(this.sys(SYS.cpl)));
  }

  needNo(flags: Expr, which = STRANGE): void {
    this.need(i32.eqz(i32.and(flags, at(which))));
  }

  /** As a value that may be used any number of times. */
  let(value: Expr): Expr {
    return this.code.let(I32, value);
  }

  letOffset(value: Expr): Expr {
    return this.code.let(this.offset, value);
  }

  // --- state

  sys(register: number): Expr {
    return state(SYSTEM + register * 8);
  }

  sysHigh(register: number): Expr {
    return state(SYSTEM + register * 8 + 4);
  }

  /** A system register as an offset or address of this width. */
  sysOffset(register: number): Expr {
    return (this.long ? i64 : i32).load(at(0), SYSTEM + register * 8);
  }

  setSys(register: number, value: Expr): void {
    this.store(SYSTEM + register * 8, value);
  }

  store(offset: number, value: Expr): void {
    i32.store(this.code, at(0), value, offset);
  }

  segment(segment: Seg, field: number): Expr {
    return state(SEGMENTS + segment * SEGMENT_SIZE + field);
  }

  /** A general register at the width of offsets. */
  register(number: number): Expr {
    return (this.long ? i64 : i32).load(at(0), REGISTERS + number * 8);
  }

  /** All 64 bits, of which the upper ones are zero in 32-bit code. */
  setRegister(number: number, value: Expr): void {
    i64.store(this.code, at(0), this.long ? value : i64.extend_u(value), REGISTERS + number * 8);
  }

  ip(distance: Expr): Expr {
    return this.long ? i64.add(i64.load(at(0), IP), i64.extend_u(distance)) : i32.add(state(IP), distance);
  }

  setIp(value: Expr): void {
    i64.store(this.code, at(0), this.long ? value : i64.extend_u(value), IP);
  }

  plus(offset: Expr, distance: number): Expr {
    return this.long ? i64.add(offset, i64.const(distance)) : i32.add(offset, at(distance));
  }

  /** EFLAGS as TypeScript's `eflags`. */
  flags(): Expr {
    const flags = this.statusFlags();
    const status = i32.or(flags.statusByte(), i32.shl(flags.overflowNow(), at(11)));
    return this.let(i32.or(state(EFLAGS), status));
  }

  /** @param value all of them, in a local */
  setFlags(value: Expr): void {
    const status = Flag.cf | Flag.pf | Flag.af | Flag.zf | Flag.sf | Flag.of | Flag.one;
    this.store(EFLAGS, i32.and(value, at(~status)));
    this.statusFlags().explicit(value, i32.and(i32.shr_u(value, at(11)), at(1)));
  }

  private statusFlags(): StateFlags {
    return new StateFlags({
      let: (type, value) => this.code.let(type, value),
      setState: (offset, value) => this.store(offset, value),
    });
  }

  // --- memory, by ring 0's TLB where none is named

  /** Where so many bytes at a linear address lie, if they do in one page that the TLB knows. */
  host(linear: Expr, bytes: number | Expr, write = false, tlb = state(KERNEL_TLB)): Expr {
    const { code, long } = this;
    const low = long ? this.let(i32.wrap(linear)) : linear;
    const entry = entryOf(code, low, long ? TLB64_ENTRY : TLB_ENTRY, tlb);
    const size = typeof bytes === 'number' ? at(bytes) : bytes;
    this.need(i32.le_u(i32.add(i32.and(low, at(FRAME - 1)), size), at(FRAME)));
    if (long) {
      this.need(i64.eq(i64.load(entry, write ? TLB64.write : TLB64.read), i64.and(linear, i64.const(-FRAME))));
      return this.let(i32.add(i32.load(entry, TLB64.addend), low));
    }
    this.need(i32.eq(i32.load(entry, write ? TLB.write : TLB.read), i32.and(low, at(PAGE_MASK))));
    return this.let(i32.add(i32.load(entry, TLB.addend), low));
  }

  /** A descriptor of the GDT. */
  descriptor(selector: Expr): DescriptorWords {
    this.need(i32.eqz(i32.and(selector, at(4))));
    const offset = this.let(i32.and(selector, at(0xfff8)));
    this.need(offset);
    this.need(i32.le_u(i32.add(offset, at(7)), this.sys(SYS.gdtrLimit)));
    const base = this.sysOffset(SYS.gdtrBase);
    const linear = this.letOffset(this.long ? i64.add(base, i64.extend_u(offset)) : i32.add(base, offset));
    const pointer = this.host(linear, 8);
    return { low: this.let(i32.load(pointer)), high: this.let(i32.load(pointer, 4)) };
  }

  // --- segments

  private attributes(high: Expr): Expr {
    return i32.and(i32.shr_u(high, at(8)), at(0xf0ff));
  }

  /** Code of this width that does not conform, for a ring. */
  needCode({ high }: DescriptorWords, ring: Expr): void {
    const attributes = this.attributes(high);
    const [mask, wanted] = this.long ? [isLong | big, isLong] : [big, big];
    this.need(i32.eq(i32.and(attributes, at(KIND | mask)), i32.or(at(EVERY | isCode | wanted), i32.shl(ring, at(Attr.dplShift)))));
  }

  /** A segment of 4 GiB from wherever it begins: every offset is part of it. */
  needWhole({ low, high }: DescriptorWords): void {
    const limit = i32.or(i32.and(high, at(0x8f0000)), i32.and(low, at(0xffff)));
    this.need(i32.eq(limit, at(0x8fffff)));
  }

  /** A stack for a ring that does not grow down; in 32-bit code a flat one. */
  needStack({ low, high }: DescriptorWords, ring: Expr): void {
    const attributes = this.attributes(high);
    const wanted = EVERY | readWrite;
    this.need(i32.eq(i32.and(attributes, at(KIND | readWrite)), i32.or(at(wanted), i32.shl(ring, at(Attr.dplShift)))));
    if (this.long) return;
    // Base 0 and limit 0xfffff, in pages, with 32-bit offsets.
    this.need(i32.eq(low, at(0xffff)));
    this.need(i32.eq(i32.and(high, at(0xffcf00ff | 0)), at(0x00cf0000)));
  }

  /** Loads a register with a segment that does not grow down. */
  load(segment: Seg, selector: Expr, { low, high }: DescriptorWords): void {
    const base = i32.or(i32.or(i32.shr_u(low, at(16)), i32.shl(i32.and(high, at(0xff)), at(16))), i32.and(high, at(0xff000000 | 0)));
    const raw = this.let(i32.or(i32.and(high, at(0xf0000)), i32.and(low, at(0xffff))));
    const limit = this.let(select(i32.and(high, at(1 << 23)), i32.or(i32.shl(raw, at(12)), at(0xfff)), raw));
    this.put(segment, selector, this.let(base), limit, this.let(this.attributes(high)));
  }

  /** The same with all of 4 GiB, without looking at a descriptor. */
  loadFlat(segment: Seg, selector: Expr, attributes: number): void {
    this.put(segment, selector, at(0), at(-1), at(attributes));
  }

  private put(segment: Seg, selector: Expr, base: Expr, limit: Expr, attributes: Expr): void {
    const from = SEGMENTS + segment * SEGMENT_SIZE;
    const span = this.let(select(i32.ge_u(limit, at(WIDEST_ACCESS - 2)), i32.sub(limit, at(WIDEST_ACCESS - 2)), at(0)));
    const writable = i32.and(attributes, at(readWrite));
    this.store(from + SEG.selector, selector);
    i64.store(this.code, at(0), i64.extend_u(base), from + SEG.base);
    this.store(from + SEG.limit, limit);
    this.store(from + SEG.attributes, attributes);
    this.store(from + SEG.low, at(0));
    const some = select(writable, span, at(0));
    this.store(from + SEG.readSpan, segment === Seg.cs ? some : span);
    this.store(from + SEG.writeSpan, segment === Seg.cs ? at(0) : some);
    if (segment > Seg.ds) return;
    const wide = i32.and(i32.eqz(base), i32.eq(span, at(FLAT_SPAN)));
    this.noteFlat(segment, segment === Seg.ss ? i32.and(wide, i32.and(i32.shr_u(attributes, at(14)), at(1))) : wide);
  }

  private noteFlat(segment: Seg, flat: Expr): void {
    const others = i32.and(state(FLAT_SEGMENTS), at(~(1 << segment)));
    this.store(FLAT_SEGMENTS, i32.or(others, i32.shl(flat, at(segment))));
  }

  loadNull(segment: Seg, selector: Expr): void {
    const from = SEGMENTS + segment * SEGMENT_SIZE;
    i64.store(this.code, at(0), i64.const(0), from + SEG.base);
    for (const field of [SEG.limit, SEG.low, SEG.readSpan, SEG.writeSpan]) this.store(from + field, at(0));
    this.store(from + SEG.selector, selector);
    this.store(from + SEG.attributes, at(UNUSABLE));
    if (segment <= Seg.ds) this.noteFlat(segment, at(0));
  }

  /** Data segments that an outer ring may not use become null (manual, RET and IRET, "Return to outer privilege level"). */
  dropInner(segments: readonly Seg[]): void {
    for (const segment of segments) {
      const attributes = this.let(this.segment(segment, SEG.attributes));
      const from = SEGMENTS + segment * SEGMENT_SIZE;
      this.code.if(
        i32.and(attributes, at(UNUSABLE)),
        () => {
          // Of a null selector nothing remains either, as processors have it in IA-32e mode.
          if (this.long) this.store(from + SEG.selector, at(0));
        },
        () => {
          const conforming = isCode | expandConform;
          const outer = 3 << Attr.dplShift;
          const inner = i32.ne(i32.and(attributes, at(outer)), at(outer));
          this.code.if(i32.and(inner, i32.ne(i32.and(attributes, at(conforming)), at(conforming))), () => this.loadNull(segment, at(0)));
        },
      );
    }
  }

  /** In ring 0 there is nothing to drop but null selectors. */
  dropNull(segments: readonly Seg[]): void {
    if (!this.long) return;
    for (const segment of segments) {
      const from = SEGMENTS + segment * SEGMENT_SIZE;
      this.code.if(i32.and(this.segment(segment, SEG.attributes), at(UNUSABLE)), () => this.store(from + SEG.selector, at(0)));
    }
  }

  /** What follows from a ring, and from CS and SS, which are loaded. */
  enterRing(ring: 0 | 3): void {
    const user = ring === 3 ? 1 : 0;
    this.setSys(SYS.cpl, at(ring));
    this.store(TLB_BASE, state(user ? USER_TLB : KERNEL_TLB));
    const flat = i32.eq(state(FLAT_SEGMENTS), at(ALL_FLAT));
    const jumps = this.long
      ? at(JUMP64_CACHES + user * JUMP64_SIZE)
      : i32.add(at(JUMP_CACHES + (2 + user) * JUMP_SIZE), i32.mul(flat, at(2 * JUMP_SIZE)));
    this.store(JUMP_BASE, i32.add(state(OWN_TRANSLATIONS), jumps));
    const wide = i32.and(this.segment(Seg.ss, SEG.attributes), at(big));
    this.store(STACK_MASK, select(wide, at(-1), at(0xffff)));
  }

  // --- the way on

  /** Flags let in an interrupt that waits. */
  letsIn(flags: Expr): Expr {
    return i32.and(i32.shr_u(flags, at(IF_SHIFT)), i32.and(state(LOOK), at(Look.interrupt)));
  }

  /** Instructions completed before the one at a record. */
  count(record: Expr): Expr {
    const unused = i32.add(state(BUDGET), i32.load(record, RECORD.rest));
    return f64.convert_i64_s(i64.sub(i64.load(at(0), COUNT_END), i64.extend_u(unused)));
  }

  /** On at the record behind, as the instruction ends its block and IP still is the block's start. */
  next(callees: CrossingCallees, record: Expr): void {
    const behind = this.let(i32.add(record, at(RECORD_SIZE)));
    this.code.returnCallIndirect(callees.handlerType, i32.load(behind), behind);
    this.code.unreachable();
  }

  leave(record: Expr, exit: Exit): void {
    this.store(CURRENT, record);
    this.code.return(at(exit));
  }

  /** On at IP, which is set. */
  goOn(callees: CrossingCallees, record: Expr): void {
    this.code.returnCall(this.long ? callees.lookup64 : callees.lookup, record);
    this.code.unreachable();
  }
}

/** A crossing that an instruction makes, as a handler: what it gives up is its helper's. */
export function handlerCrossing(callees: CrossingCallees, long: boolean): Crossing {
  return new Crossing(new Code(1), long, (code) => code.returnCall(callees.helper, record));
}
