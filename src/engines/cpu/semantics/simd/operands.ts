/**
 * Vector operands of one instruction: XMM registers, MMX registers, memory of any width. A value is a v128; of an MMX register, or of
 * memory narrower than 16 bytes, it is the low part with zeros above.
 */
import { X87_STATUS, X87_TAGS } from '../../layout';
import { type Expr, i32, i64, V128 } from '../../wasm/code';
import { i64x2, v128 } from '../../wasm/vector';
import type { Context, Semantics } from '../context';

const STATE = i32.const(0);
const FLOATING_POINT_ERROR = 16;
const SUMMARY = 0x80;
const TOP = 7 << 11;

/** Reserves the unit that the instruction works in, with the faults that come before all others (manual, "Exception Conditions"). */
function enter(c: Context, usesXmm: boolean, usesMmx: boolean): void {
  c.requireUnit(usesXmm ? 'sse' : 'mmx');
  if (usesMmx) c.faultIf(i32.and(i32.load(STATE, X87_STATUS), i32.const(SUMMARY)), FLOATING_POINT_ERROR);
}

function clearTop(c: Context): void {
  i32.store(c.code, STATE, i32.and(i32.load(STATE, X87_STATUS), i32.const(~TOP)), X87_STATUS);
}

/** What every MMX instruction does to the x87 state: TOP becomes 0 and all registers valid (manual, "MMX Instructions and the x87 FPU"). */
export function setMmxState(c: Context, tags: number): void {
  clearTop(c);
  i32.store(c.code, STATE, i32.const(tags), X87_TAGS);
}

export const ALL_VALID = 0xff;
export const ALL_EMPTY = 0;

export class Vectors {
  readonly c: Context;
  /** The instruction works on 64-bit registers. */
  readonly mmx: boolean;
  private readonly usesMmx: boolean;
  /** 16-byte operands in memory have to be aligned. */
  private readonly aligned: boolean;

  constructor(c: Context, aligned: boolean) {
    this.c = c;
    this.aligned = aligned;
    const kinds = Array.from({ length: c.operandCount }, (_, i) => c.kindOf(i));
    this.usesMmx = kinds.includes('mmx');
    this.mmx = this.usesMmx && !kinds.includes('xmm');
    enter(c, kinds.includes('xmm'), this.usesMmx);
    // TOP is cleared even where the store then faults: so do the processors of today.
    if (this.usesMmx && kinds[0] === 'memory') clearTop(c);
  }

  /** Bytes of a register of the instruction's kind. */
  get width(): 8 | 16 {
    return this.mmx ? 8 : 16;
  }

  private bytes(index: number): number {
    const kind = this.c.kindOf(index);
    return kind === 'xmm' ? 16 : kind === 'mmx' ? 8 : this.c.sizeOf(index);
  }

  pointer(index: number, access: 'read' | 'write' | 'update'): Expr {
    const bytes = this.bytes(index);
    return this.c.pointer(index, access, bytes, this.aligned && bytes === 16);
  }

  /** Evaluated now: it may fault. */
  read(index: number): Expr {
    return this.c.let(V128, this.load(this.pointer(index, 'read'), this.bytes(index)));
  }

  private load(pointer: Expr, bytes: number): Expr {
    switch (bytes) {
      case 16:
        return v128.load(pointer);
      case 8:
        return v128.load64_zero(pointer);
      case 4:
        return v128.load32_zero(pointer);
      default:
        return i64x2.replace(v128.const([]), 0, i64.extend_u(i32.load16u(pointer)));
    }
  }

  /** The whole of a register, or memory of whatever width: the last thing that the instruction does. */
  write(index: number, value: Expr): void {
    const { c } = this;
    const kept = c.let(V128, value);
    const pointer = this.pointer(index, 'write');
    if (this.bytes(index) === 16) v128.store(c.code, pointer, kept);
    else if (this.bytes(index) === 8) i64.store(c.code, pointer, i64x2.extract(kept, 0));
    else i32.store(c.code, pointer, i32.wrap(i64x2.extract(kept, 0)));
    this.complete(index, pointer);
  }

  /** After a write through `pointer`. */
  complete(index: number, pointer: Expr): void {
    const { c } = this;
    if (c.isMemory(index)) c.commit(pointer);
    if (c.kindOf(index) === 'mmx') i32.store16(c.code, pointer, i32.const(0xffff), 8);
    this.finish();
  }

  /** For instructions that write no vector. */
  finish(): void {
    if (this.usesMmx) setMmxState(this.c, ALL_VALID);
  }

  let(value: Expr): Expr {
    return this.c.let(V128, value);
  }
}

interface Traits {
  /** 16 bytes in memory may lie anywhere. */
  readonly unaligned?: boolean;
}

export const vector =
  (describe: (v: Vectors, c: Context) => void, { unaligned = false }: Traits = {}): Semantics =>
  (c) =>
    describe(new Vectors(c, !unaligned), c);

/** `destination = op(destination, source)`. */
export const binary = (op: (a: Expr, b: Expr, v: Vectors) => Expr): Semantics =>
  vector((v) => {
    const b = v.read(1);
    const a = v.read(0);
    v.write(0, op(a, b, v));
  });

/** `destination = op(source)`. */
export const unary = (op: (b: Expr, v: Vectors) => Expr): Semantics => vector((v) => v.write(0, op(v.read(1), v)));

/** The immediate operand as an i32 of 0 to 255. */
export function immediate(c: Context, index: number): Expr {
  return c.let(i32.type, i32.and(c.operand(index).read(), i32.const(0xff)));
}
