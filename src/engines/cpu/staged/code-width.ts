/**
 * What differs between 16- and 32-bit code and 64-bit code: the width of offsets, how segments take part, which TLB is asked,
 * and where the instruction pointer may go.
 */
import {
  SEG,
  SEGMENT_SIZE,
  SEGMENTS,
  STACK_MASK,
  TLB,
  TLB64,
  TLB64_ENTRY,
  TLB_BASE,
  TLB_ENTRIES,
  TLB_ENTRY,
  WIDEST_ACCESS,
} from '../layout';
import { type Word, word } from '../semantics/words';
import { type Code, type Expr, call, get, I32, i32, i64, select } from '../wasm/code';
import type { Fields, PageCache, SegmentPlace } from './fields';

export const Access = { read: 0, write: 1, update: 2 } as const;
export type Access = (typeof Access)[keyof typeof Access];

/** Beside size and access: the access is made by compiled code. */
export const COMPILED = 1 << 16;

const ESP = 4;
const CS = SEGMENTS + 1 * SEGMENT_SIZE;
const PAGE_MASK = 0xfffff000 | 0;
const UPPER_HALF = 16;

export const at = i32.const;
export const state = (offset: number): Expr => i32.load(at(0), offset);

export interface CodeWidth {
  /** Of offsets and the instruction pointer: 4 or 8 bytes. */
  readonly word: Word;
  operandAddress(): Expr;
  /** An address moved by a distance of the same width, and wrapped as the memory operand wraps. */
  move(address: Expr, distance: Expr): Expr;
  /** (R/E)SI or (R/E)DI at the address size. */
  stringAddress(register: number, addressSize: number): Expr;
  /**
   * The host offset at which an access can be made, by the TLB or else by TypeScript.
   * @param unless writes the way out that is taken when a pointer is 0: the access faults
   */
  host(segment: SegmentPlace, address: Expr, size: number, access: Access, unless: (pointer: Expr) => void, cache?: PageCache): Expr;
  /**
   * A host offset for any access that lies in the page of an address, if the TLB knows the page; else 0.
   * @param span the segment has to allow all of so many bytes from there
   */
  known(segment: SegmentPlace, address: Expr, access: Access, span: number): Expr;
  /** The low 32 bits of the linear address. */
  linearLow(segment: SegmentPlace, address: Expr): Expr;
  /** An offset in the stack at some distance from a register's value. */
  stackOffset(register: number, distance: Expr): Expr;
  setStackPointer(offset: Expr): void;
  nextIp(): Expr;
  target(operandSize: number): Expr;
  /** An offset beyond CS's limit, or not canonical. */
  badTarget(target: Expr): Expr;
}

/** A pointer by the TLB's entry if its tag fits, else by `slow`, and then checked. */
function through(c: Code, quick: (done: (pointer: Expr) => void) => void, slow: Expr, unless: (pointer: Expr) => void): Expr {
  const pointer = c.local(I32);
  c.block((done) => {
    quick((found) => {
      c.set(pointer, found);
      done();
    });
    c.set(pointer, slow);
    unless(get(pointer));
  });
  return get(pointer);
}

/** Offsets in a page at which any access lies in it wholly. */
const SPAN = 4096 - (WIDEST_ACCESS - 1);

/**
 * The host offset of the TLB entry for a linear address's low half; see `tlbEntry` in layout.ts.
 * @param size bytes of an entry @param tlb which one: the one in force where it is left out
 */
export function entryOf(c: Code, low: Expr, size: number, tlb = state(TLB_BASE)): Expr {
  const shift = Math.log2(size);
  const folded = i32.xor(i32.shr_u(low, at(12 - shift)), i32.shr_u(low, at(22 - shift)));
  return c.let(I32, i32.add(tlb, i32.and(folded, at((TLB_ENTRIES - 1) << shift))));
}

/** The stack's offsets have 32 bits: known where segments are known to be flat. */
export class NarrowCode implements CodeWidth {
  readonly word = word(4);
  private readonly c: Code;
  private readonly f: Fields;
  private readonly flat: boolean;

  /** @param flat all of CS, DS, ES and SS cover 4 GiB from 0, and SS is a 32-bit segment */
  constructor(c: Code, fields: Fields, flat: boolean) {
    this.c = c;
    this.f = fields;
    this.flat = flat;
  }

  operandAddress(): Expr {
    const { f } = this;
    return this.c.let(I32, i32.and(i32.add(i32.add(f.base(), i32.shl(f.index(), f.shift())), f.displacement()), f.mask()));
  }

  move(address: Expr, distance: Expr): Expr {
    return this.c.let(I32, i32.and(i32.add(address, distance), this.f.mask()));
  }

  stringAddress(register: number, addressSize: number): Expr {
    return this.c.let(I32, i32.and(this.f.register(register), at(addressSize === 2 ? 0xffff : -1)));
  }

  host(segment: SegmentPlace, address: Expr, size: number, access: Access, unless: (pointer: Expr) => void, cache?: PageCache): Expr {
    const { c, f } = this;
    const tag = access === Access.read ? TLB.read : TLB.write;
    const look = (linear: Expr, done: (pointer: Expr) => void): void => {
      if (cache) {
        const distance = c.let(I32, i32.sub(linear, get(cache.page)));
        c.likely(i32.lt_u(distance, get(cache.span)), () => done(i32.add(distance, get(cache.host))));
      }
      const entry = entryOf(c, linear, TLB_ENTRY);
      if (cache) {
        const base = c.let(I32, i32.and(linear, at(PAGE_MASK)));
        c.if(i32.eq(i32.load(entry, TLB.write), base), () => {
          c.set(cache.page, base);
          c.set(cache.host, i32.add(i32.load(entry, TLB.addend), base));
          c.set(cache.span, at(SPAN));
        });
      }
      const last = size === 1 ? linear : i32.add(linear, at(size - 1));
      c.likely(i32.eq(i32.load(entry, tag), i32.and(last, at(PAGE_MASK))), () => done(i32.add(i32.load(entry, TLB.addend), linear)));
    };
    return through(
      c,
      (done) => {
        if (segment.flat) return look(address, done);
        const span = access === Access.read ? SEG.readSpan : SEG.writeSpan;
        c.if(i32.lt_u(i32.sub(address, i32.load(segment.register, SEG.low)), i32.load(segment.register, span)), () =>
          look(c.let(I32, i32.add(i32.load(segment.base), address)), done),
        );
      },
      call(f.callees.memory, f.record, segment.register, address, at(size | (access << 8) | f.origin)),
      unless,
    );
  }

  known(segment: SegmentPlace, address: Expr, access: Access, span: number): Expr {
    const { c } = this;
    const linear = c.let(I32, this.linearLow(segment, address));
    const entry = entryOf(c, linear, TLB_ENTRY);
    const tagged = i32.eq(i32.load(entry, access === Access.read ? TLB.read : TLB.write), i32.and(linear, at(PAGE_MASK)));
    const pointer = i32.add(i32.load(entry, TLB.addend), linear);
    if (segment.flat) return c.let(I32, select(tagged, pointer, at(0)));
    const from = c.let(I32, i32.sub(address, i32.load(segment.register, SEG.low)));
    const limit = c.let(I32, i32.load(segment.register, access === Access.read ? SEG.readSpan : SEG.writeSpan));
    const allowed = i32.and(i32.lt_u(from, limit), i32.gt_u(i32.sub(limit, from), at(span)));
    return c.let(I32, select(i32.and(tagged, allowed), pointer, at(0)));
  }

  linearLow(segment: SegmentPlace, address: Expr): Expr {
    return segment.flat ? address : i32.add(i32.load(segment.base), address);
  }

  stackOffset(register: number, distance: Expr): Expr {
    const offset = i32.add(this.f.register(register), distance);
    return this.c.let(I32, this.flat ? offset : i32.and(offset, state(STACK_MASK)));
  }

  setStackPointer(offset: Expr): void {
    const { f } = this;
    if (this.flat) return f.setRegister(ESP, offset);
    f.setRegister(ESP, i32.xor(f.register(ESP), i32.and(i32.xor(f.register(ESP), offset), state(STACK_MASK))));
  }

  nextIp(): Expr {
    return i32.add(this.f.ip(), this.f.next());
  }

  target(operandSize: number): Expr {
    const target = i32.add(this.f.ip(), this.f.target());
    return operandSize === 2 ? i32.and(target, at(0xffff)) : target;
  }

  badTarget(target: Expr): Expr {
    return this.flat ? at(0) : i32.gt_u(target, state(CS + SEG.limit));
  }
}

export class LongCode implements CodeWidth {
  readonly word = word(8);
  private readonly c: Code;
  private readonly f: Fields;

  constructor(c: Code, fields: Fields) {
    this.c = c;
    this.f = fields;
  }

  operandAddress(): Expr {
    const { f } = this;
    return this.c.let(
      i64.type,
      i64.and(i64.add(i64.add(f.base(), i64.shl(f.index(), i64.extend_u(f.shift()))), f.displacement()), f.mask()),
    );
  }

  move(address: Expr, distance: Expr): Expr {
    return this.c.let(i64.type, i64.and(i64.add(address, distance), this.f.mask()));
  }

  stringAddress(register: number, addressSize: number): Expr {
    const whole = this.f.register(register);
    return this.c.let(i64.type, addressSize === 4 ? i64.and(whole, i64.const(0xffffffff)) : whole);
  }

  private linear({ base, flat }: SegmentPlace, address: Expr): Expr {
    return flat ? address : this.c.let(i64.type, i64.add(i64.load(base), address));
  }

  host(segment: SegmentPlace, address: Expr, size: number, access: Access, unless: (pointer: Expr) => void, cache?: PageCache): Expr {
    const { c, f } = this;
    const tag = access === Access.read ? TLB64.read : TLB64.write;
    const linear = this.linear(segment, address);
    return through(
      c,
      (done) => {
        if (cache) {
          const distance = c.let(i64.type, i64.sub(linear, get(cache.page)));
          c.likely(i64.lt_u(distance, i64.extend_u(get(cache.span))), () => done(i32.add(i32.wrap(distance), get(cache.host))));
        }
        const low = c.let(I32, i32.wrap(linear));
        const entry = entryOf(c, low, TLB64_ENTRY);
        if (cache) {
          const base = c.let(i64.type, i64.and(linear, i64.const(-4096)));
          c.if(i64.eq(i64.load(entry, TLB64.write), base), () => {
            c.set(cache.page, base);
            c.set(cache.host, i32.add(i32.load(entry, TLB64.addend), i32.wrap(base)));
            c.set(cache.span, at(SPAN));
          });
        }
        const last = size === 1 ? linear : i64.add(linear, i64.const(size - 1));
        c.likely(i64.eq(i64.load(entry, tag), i64.and(last, i64.const(-4096))), () => done(i32.add(i32.load(entry, TLB64.addend), low)));
      },
      call(f.callees.memory64, f.record, segment.register, linear, at(size | (access << 8) | f.origin)),
      unless,
    );
  }

  known(segment: SegmentPlace, address: Expr, access: Access): Expr {
    const { c } = this;
    const linear = this.linear(segment, address);
    const low = c.let(I32, i32.wrap(linear));
    const entry = entryOf(c, low, TLB64_ENTRY);
    const tag = i64.load(entry, access === Access.read ? TLB64.read : TLB64.write);
    return c.let(I32, select(i64.eq(tag, i64.and(linear, i64.const(-4096))), i32.add(i32.load(entry, TLB64.addend), low), at(0)));
  }

  linearLow({ base, flat }: SegmentPlace, address: Expr): Expr {
    return flat ? i32.wrap(address) : i32.add(i32.load(base), i32.wrap(address));
  }

  stackOffset(register: number, distance: Expr): Expr {
    return this.c.let(i64.type, i64.add(this.f.register(register), i64.extend_s(distance)));
  }

  setStackPointer(offset: Expr): void {
    this.f.setRegister(ESP, offset);
  }

  nextIp(): Expr {
    return i64.add(this.f.ip(), i64.extend_s(this.f.next()));
  }

  target(): Expr {
    return i64.add(this.f.ip(), i64.extend_s(this.f.target()));
  }

  badTarget(target: Expr): Expr {
    return i64.ne(i64.shr_s(i64.shl(target, i64.const(UPPER_HALF)), i64.const(UPPER_HALF)), target);
  }
}
