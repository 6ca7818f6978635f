/** SSE floating point lane by lane, through the exact kernels alone: approximations, dot products, and what works on MMX registers. */
import { ALL_EXCEPTIONS, BEFORE_OPERATION, Mxcsr, n, q, type Variable, variable } from '../float/kit';
import { MXCSR, SYS, SYSTEM, X87_STATUS } from '../layout';
import { type Expr, I32, i32, i64, select } from '../wasm/code';
import type { Context, Semantics } from './context';
import { CHOP, DWORD, INVALID_OPCODE, type Lane, PD, PS, SIMD_ERROR, SS } from './simd-float-exact';
import { immediate } from './simd-float-operands';
import { ALL_VALID, setMmxState } from './simd/operands';

const STATE = n(0);
const FLOATING_POINT_ERROR = 16;
const OSXMMEXCPT = 1 << 10;
const X87_SUMMARY = 0x80;
const PACKED = [PS, PD];

const table: Record<string, Semantics> = {};

/** One instruction under description. */
class Simd {
  readonly c: Context;
  readonly mxcsr: Expr;
  private readonly flags: Variable;

  constructor(c: Context) {
    this.c = c;
    c.requireUnit('sse');
    this.mxcsr = c.let(I32, i32.load(STATE, MXCSR));
    this.flags = variable(c.code, I32, n(0));
  }

  /** Values side by side in operand `index`, `bytes` in all, which in memory are aligned if they are 16. */
  read(index: number, lane: Lane, count: number): Expr[] {
    const bytes = lane.bytes * count;
    const pointer = this.c.pointer(index, 'read', bytes, bytes === 16);
    const { load } = lane === DWORD ? i32 : i64;
    return Array.from({ length: count }, (_, i) => this.c.let(lane.type, load(pointer, i * lane.bytes)));
  }

  /** Calls a kernel whose last result is flags. */
  compute(kernel: string, ...args: readonly Expr[]): Expr {
    const [result, flags] = this.c.library(kernel, ...args);
    this.flags.set(i32.or(this.flags.get, flags));
    return result;
  }

  /**
   * Leaves with #XM (or #UD, if the operating system does not expect that) when an exception is not masked. May be called after each
   * of several steps.
   */
  settle(): void {
    const { c, mxcsr, flags } = this;
    const masks = c.let(I32, i32.shr_u(mxcsr, n(Mxcsr.masks)));
    const unmasked = (): Expr => i32.and(i32.and(flags.get, i32.xor(masks, n(-1))), n(ALL_EXCEPTIONS));
    // Then nothing has been computed, in no lane.
    c.if(i32.and(unmasked(), n(BEFORE_OPERATION)), () => flags.set(i32.and(flags.get, n(BEFORE_OPERATION))));
    i32.store(c.code, STATE, i32.or(i32.load(STATE, MXCSR), i32.and(flags.get, n(ALL_EXCEPTIONS))), MXCSR);
    c.if(unmasked(), () => {
      const expected = i32.and(i32.load(STATE, SYSTEM + SYS.cr4 * 8), n(OSXMMEXCPT));
      c.faultIf(i32.eqz(expected), INVALID_OPCODE);
      c.faultIf(n(1), SIMD_ERROR);
    });
    flags.set(n(0));
  }

  /** Puts values side by side into the low part of register operand 0. */
  write(lane: Lane, values: readonly Expr[]): void {
    const pointer = this.c.pointer(0, 'write', lane.bytes * values.length);
    const { store } = lane === DWORD ? i32 : i64;
    values.forEach((value, i) => store(this.c.code, pointer, value, i * lane.bytes));
  }
}

const simd =
  (describe: (s: Simd, c: Context) => void): Semantics =>
  (c) =>
    describe(new Simd(c), c);

for (const { suffix, lane, count } of [PS, SS]) {
  for (const operation of ['rcp', 'rsqrt']) {
    table[operation + suffix] = simd((s, c) =>
      s.write(
        lane,
        s.read(1, lane, count).map((value) => c.library(`f32_${operation}`, value)[0]),
      ),
    );
  }
}

for (const { suffix, format, lane, count } of PACKED) {
  table[`addsub${suffix}`] = simd((s) => {
    const b = s.read(1, lane, count);
    const a = s.read(0, lane, count);
    const results = a.map((value, i) => s.compute(`${format}_${i % 2 ? 'add' : 'sub'}`, value, b[i], s.mxcsr));
    s.settle();
    s.write(lane, results);
  });
  table[`dp${suffix}`] = simd((s, c) => {
    const b = s.read(1, lane, count);
    const a = s.read(0, lane, count);
    const mask = immediate(c, 2);
    const bit = (number: number): Expr => i32.and(i32.shr_u(mask, n(number)), n(1));
    const none = lane === DWORD ? n(0) : q(0);
    let sums = a.map((value, i) => {
      const product = variable(c.code, lane.type, none);
      c.if(bit(4 + i), () => product.set(s.compute(`${format}_mul`, value, b[i], s.mxcsr)));
      return product.get;
    });
    s.settle();
    // Each lane has its own order, which shows in whose NaN it gets: the processor adds a vector to itself with lanes exchanged.
    for (let distance = 1; distance < count; distance *= 2) {
      sums = sums.map((value, i) => {
        const other = sums[i ^ distance];
        const operands = distance === 1 && count === 4 ? [other, value] : [value, other];
        return s.compute(`${format}_add`, ...operands, s.mxcsr);
      });
      s.settle();
    }
    s.write(
      lane,
      sums.map((value, i) => select(bit(i), value, none)),
    );
  });
}

/** What works on MMX registers reports pending x87 exceptions. */
const checkX87 = (c: Context): void => c.faultIf(i32.and(i32.load(STATE, X87_STATUS), n(X87_SUMMARY)), FLOATING_POINT_ERROR);

for (const { suffix, format, lane } of PACKED) {
  for (const truncates of [false, true]) {
    table[`cvt${truncates ? 't' : ''}${suffix}2pi`] = simd((s, c) => {
      checkX87(c);
      const values = s.read(1, lane, 2);
      // Also when an exception then keeps the result from being written.
      setMmxState(c, ALL_VALID);
      const mxcsr = c.let(I32, truncates ? i32.or(s.mxcsr, n(CHOP)) : s.mxcsr);
      const results = values.map((value) => i32.wrap(s.compute(`${format}_to_i64`, value, mxcsr, n(32))));
      s.settle();
      const pointer = c.pointer(0, 'write', 8);
      results.forEach((value, i) => i32.store(c.code, pointer, value, i * 4));
      i32.store16(c.code, pointer, n(0xffff), 8);
    });
  }
  table[`cvtpi2${suffix}`] = simd((s, c) => {
    // From memory nothing of MMX takes part.
    const fromMmx = c.kindOf(1) === 'mmx';
    if (fromMmx) checkX87(c);
    const values = s.read(1, DWORD, 2);
    if (fromMmx) setMmxState(c, ALL_VALID);
    const results = values.map((value) => s.compute(`i64_to_${format}`, i64.extend_s(value), s.mxcsr));
    s.settle();
    s.write(lane, results);
  });
}

export const SIMD_FLOAT_LANES: Readonly<Record<string, Semantics>> = table;
