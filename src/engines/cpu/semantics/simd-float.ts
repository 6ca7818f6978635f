/**
 * Floating point in XMM registers. Lane by lane through the kernels of ../float, which take the processor's own arithmetic where
 * that is sure to be exact. An instruction reads all its lanes, notes all their exceptions, and writes only if none is unmasked
 * (manual, "SIMD Floating-Point Exceptions").
 */
import { ALL_EXCEPTIONS, any, BEFORE_OPERATION, Flag, Mxcsr, n, q, type Variable, variable } from '../float/kit';
import { MXCSR, SYS, SYSTEM, X87_STATUS } from '../layout';
import { type Expr, I32, I64, i32, i64, select, type ValueType } from '../wasm/code';
import type { LibraryFunction } from '../wasm/library';
import type { Context, Semantics } from './context';
import { ALL_VALID, setMmxState } from './simd/operands';

const STATE = n(0);
const INVALID_OPCODE = 6;
const GENERAL_PROTECTION = 13;
const FLOATING_POINT_ERROR = 16;
const SIMD_ERROR = 19;
const OSXMMEXCPT = 1 << 10;
const X87_SUMMARY = 0x80;
/** Bits of MXCSR that exist. */
const MXCSR_BITS = 0xffff;

/** What a lane holds. */
interface Lane {
  readonly bytes: 4 | 8;
  readonly type: ValueType;
  readonly load: typeof i32.load;
  readonly store: typeof i32.store;
}
const DWORD: Lane = { bytes: 4, type: I32, load: i32.load, store: i32.store };
const QWORD: Lane = { bytes: 8, type: I64, load: i64.load, store: i64.store };

interface Kind {
  readonly suffix: 'ps' | 'pd' | 'ss' | 'sd';
  readonly format: 'f32' | 'f64';
  readonly lane: Lane;
  readonly lanes: number;
}
const PS: Kind = { suffix: 'ps', format: 'f32', lane: DWORD, lanes: 4 };
const PD: Kind = { suffix: 'pd', format: 'f64', lane: QWORD, lanes: 2 };
const SS: Kind = { suffix: 'ss', format: 'f32', lane: DWORD, lanes: 1 };
const SD: Kind = { suffix: 'sd', format: 'f64', lane: QWORD, lanes: 1 };
const ALL = [PS, PD, SS, SD];
const PACKED = [PS, PD];

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
    return Array.from({ length: count }, (_, i) => this.c.let(lane.type, lane.load(pointer, i * lane.bytes)));
  }

  /** Calls a kernel whose last result is flags. @param ignored exceptions that do not count */
  compute(kernel: string, args: readonly Expr[], mxcsr = this.mxcsr, ignored?: Expr): Expr {
    const [result, flags] = this.c.library(kernel, ...args, mxcsr);
    this.note(ignored ? i32.and(flags, i32.xor(ignored, n(-1))) : flags);
    return result;
  }

  note(flags: Expr): void {
    this.flags.set(i32.or(this.flags.get, flags));
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
    values.forEach((value, i) => lane.store(this.c.code, pointer, value, i * lane.bytes));
  }

  clearUpperHalf(): void {
    i64.store(this.c.code, this.c.pointer(0, 'write', 16), q(0), 8);
  }
}

const simd =
  (describe: (s: Simd, c: Context) => void): Semantics =>
  (c) =>
    describe(new Simd(c), c);

const table: Record<string, Semantics> = {};

/** The immediate operand `index`, 0 to 255. */
const immediate = (c: Context, index: number): Expr => c.let(I32, i32.and(c.operand(index).read(), n(0xff)));

// --- arithmetic

for (const { suffix, format, lane, lanes } of ALL) {
  for (const operation of ['add', 'sub', 'mul', 'div', 'min', 'max']) {
    table[operation + suffix] = simd((s) => {
      const b = s.read(1, lane, lanes);
      const a = s.read(0, lane, lanes);
      const results = a.map((value, i) => s.compute(`${format}_${operation}`, [value, b[i]]));
      s.settle();
      s.write(lane, results);
    });
  }
  table[`sqrt${suffix}`] = simd((s) => {
    const results = s.read(1, lane, lanes).map((value) => s.compute(`${format}_sqrt`, [value]));
    s.settle();
    s.write(lane, results);
  });
}

for (const { suffix, lane, lanes } of [PS, SS]) {
  for (const operation of ['rcp', 'rsqrt']) {
    table[operation + suffix] = simd((s, c) =>
      s.write(
        lane,
        s.read(1, lane, lanes).map((value) => c.library(`f32_${operation}`, value)[0]),
      ),
    );
  }
}

for (const { suffix, format, lane, lanes } of PACKED) {
  table[`addsub${suffix}`] = simd((s) => {
    const b = s.read(1, lane, lanes);
    const a = s.read(0, lane, lanes);
    const results = a.map((value, i) => s.compute(`${format}_${i % 2 ? 'add' : 'sub'}`, [value, b[i]]));
    s.settle();
    s.write(lane, results);
  });
  for (const operation of ['add', 'sub']) {
    table[`h${operation}${suffix}`] = simd((s) => {
      const b = s.read(1, lane, lanes);
      const values = [...s.read(0, lane, lanes), ...b];
      const results = Array.from({ length: lanes }, (_, i) => s.compute(`${format}_${operation}`, [values[2 * i], values[2 * i + 1]]));
      s.settle();
      s.write(lane, results);
    });
  }
  table[`dp${suffix}`] = simd((s, c) => {
    const b = s.read(1, lane, lanes);
    const a = s.read(0, lane, lanes);
    const mask = immediate(c, 2);
    const bit = (number: number): Expr => i32.and(i32.shr_u(mask, n(number)), n(1));
    const none = lane === DWORD ? n(0) : q(0);
    let sums = a.map((value, i) => {
      const product = variable(c.code, lane.type, none);
      c.if(bit(4 + i), () => product.set(s.compute(`${format}_mul`, [value, b[i]])));
      return product.get;
    });
    s.settle();
    // Each lane has its own order, which shows in whose NaN it gets: the processor adds a vector to itself with lanes exchanged.
    for (let distance = 1; distance < lanes; distance *= 2) {
      sums = sums.map((value, i) => {
        const other = sums[i ^ distance];
        return s.compute(`${format}_add`, distance === 1 && lanes === 4 ? [other, value] : [value, other]);
      });
      s.settle();
    }
    s.write(
      lane,
      sums.map((value, i) => select(bit(i), value, none)),
    );
  });
}

// --- comparisons

/** Predicates that take a quiet NaN for an operand like any other: equal, unordered, and their opposites. */
const isQuiet = (predicate: Expr): Expr => i32.eqz(i32.and(i32.xor(predicate, i32.shr_u(predicate, n(1))), n(1)));

/** simd_predicate: (relation, predicate 0 to 7) → 0 or 1. */
const predicate: LibraryFunction = {
  name: 'simd_predicate',
  parameters: [I32, I32],
  results: [I32],
  body: (c) => {
    const [relation, number] = [0, 1].map(
      (local): Expr =>
        (code) => {
          code.byte(0x20);
          code.unsigned(local);
        },
    );
    const is = (value: number): Expr => i32.eq(relation, n(value));
    const base = c.let(I32, i32.and(number, n(3)));
    const equal = is(0x40);
    const less = is(0x01);
    const low = select(i32.eqz(base), equal, less);
    const high = select(i32.eq(base, n(2)), i32.or(less, equal), is(0x45));
    c.return(i32.xor(select(i32.lt_u(base, n(2)), low, high), i32.shr_u(i32.and(number, n(4)), n(2))));
  },
};

for (const { suffix, format, lane, lanes } of ALL) {
  table[`cmp${suffix}`] = simd((s, c) => {
    const b = s.read(1, lane, lanes);
    const a = s.read(0, lane, lanes);
    const number = c.let(I32, i32.and(immediate(c, 2), n(7)));
    const quiet = c.let(I32, isQuiet(number));
    const results = a.map((value, i) => {
      const [relation, flags] = c.library(`${format}_compare`, value, b[i], s.mxcsr, quiet);
      s.note(flags);
      const mask = c.let(I32, i32.sub(n(0), c.library('simd_predicate', relation, number)[0]));
      return lane === DWORD ? mask : i64.extend_s(mask);
    });
    s.settle();
    s.write(lane, results);
  });
}

for (const { suffix, format, lane } of [SS, SD]) {
  for (const [name, quiet] of [
    ['comi', 0],
    ['ucomi', 1],
  ] as const) {
    table[name + suffix] = simd((s, c) => {
      const [b] = s.read(1, lane, 1);
      const [a] = s.read(0, lane, 1);
      const [relation, flags] = c.library(`${format}_compare`, a, b, s.mxcsr, n(quiet));
      s.note(flags);
      s.settle();
      c.flags.explicit(relation, n(0));
    });
  }
}

// --- conversions

const CHOP = 0x6000;
const chopped = (s: Simd): Expr => i32.or(s.mxcsr, n(CHOP));

/** Integers of `bits` from floating point, as the lanes that hold them. */
function integers(s: Simd, format: Kind['format'], values: readonly Expr[], bits: 32 | 64, truncates: boolean): Expr[] {
  const mxcsr = s.c.let(I32, truncates ? chopped(s) : s.mxcsr);
  return values.map((value) => {
    const [integer, flags] = s.c.library(`${format}_to_i64`, value, mxcsr, n(bits));
    s.note(flags);
    return bits === 32 ? i32.wrap(integer) : integer;
  });
}

for (const { suffix, format, lane } of [SS, SD]) {
  table[`cvtsi2${suffix}`] = simd((s, c) => {
    const place = c.operand(1);
    const value = place.read();
    const result = s.compute(`i64_to_${format}`, [place.word.size === 8 ? value : i64.extend_s(value)]);
    s.settle();
    s.write(lane, [result]);
  });
  for (const truncates of [false, true]) {
    table[`cvt${truncates ? 't' : ''}${suffix}2si`] = simd((s, c) => {
      const bits = c.wordOf(0).size === 8 ? 64 : 32;
      const [result] = integers(s, format, s.read(1, lane, 1), bits, truncates);
      s.settle();
      c.operand(0).write(result);
    });
  }
}

for (const truncates of [false, true]) {
  const t = truncates ? 't' : '';
  table[`cvt${t}ps2dq`] = simd((s) => {
    const results = integers(s, 'f32', s.read(1, DWORD, 4), 32, truncates);
    s.settle();
    s.write(DWORD, results);
  });
  table[`cvt${t}pd2dq`] = simd((s) => {
    const results = integers(s, 'f64', s.read(1, QWORD, 2), 32, truncates);
    s.settle();
    s.write(DWORD, results);
    s.clearUpperHalf();
  });
  for (const [format, lane] of [
    ['f32', DWORD],
    ['f64', QWORD],
  ] as const) {
    table[`cvt${t}p${format === 'f32' ? 's' : 'd'}2pi`] = simd((s, c) => {
      checkX87(c);
      const values = s.read(1, lane, 2);
      // Also when an exception then keeps the result from being written.
      setMmxState(c, ALL_VALID);
      const results = integers(s, format, values, 32, truncates);
      s.settle();
      const pointer = c.pointer(0, 'write', 8);
      results.forEach((value, i) => i32.store(c.code, pointer, value, i * 4));
      i32.store16(c.code, pointer, n(0xffff), 8);
    });
  }
}

/** What works on MMX registers reports pending x87 exceptions. */
const checkX87 = (c: Context): void => c.faultIf(i32.and(i32.load(STATE, X87_STATUS), n(X87_SUMMARY)), FLOATING_POINT_ERROR);

for (const { suffix, format, lane } of PACKED) {
  table[`cvtpi2${suffix}`] = simd((s, c) => {
    // From memory nothing of MMX takes part.
    const fromMmx = c.kindOf(1) === 'mmx';
    if (fromMmx) checkX87(c);
    const values = s.read(1, DWORD, 2);
    if (fromMmx) setMmxState(c, ALL_VALID);
    const results = values.map((value) => s.compute(`i64_to_${format}`, [i64.extend_s(value)]));
    s.settle();
    s.write(lane, results);
  });
}
table.cvtdq2ps = simd((s) => {
  const results = s.read(1, DWORD, 4).map((value) => s.compute('i64_to_f32', [i64.extend_s(value)]));
  s.settle();
  s.write(DWORD, results);
});
table.cvtdq2pd = simd((s) => {
  const results = s.read(1, DWORD, 2).map((value) => s.compute('i64_to_f64', [i64.extend_s(value)]));
  s.write(QWORD, results);
});
table.cvtps2pd = simd((s) => {
  const results = s.read(1, DWORD, 2).map((value) => s.compute('f32_to_f64', [value]));
  s.settle();
  s.write(QWORD, results);
});
table.cvtpd2ps = simd((s) => {
  const results = s.read(1, QWORD, 2).map((value) => s.compute('f64_to_f32', [value]));
  s.settle();
  s.write(DWORD, results);
  s.clearUpperHalf();
});
table.cvtss2sd = simd((s) => {
  const [value] = s.read(1, DWORD, 1);
  const result = s.compute('f32_to_f64', [value]);
  s.settle();
  s.write(QWORD, [result]);
});
table.cvtsd2ss = simd((s) => {
  const [value] = s.read(1, QWORD, 1);
  const result = s.compute('f64_to_f32', [value]);
  s.settle();
  s.write(DWORD, [result]);
});

/** Bits of ROUNDSD's immediate beside the rounding mode. */
const BY_MXCSR = 4;
const QUIET_PRECISION = 8;
const ROUNDING_SHIFT = 13;

for (const { suffix, format, lane, lanes } of ALL) {
  table[`round${suffix}`] = simd((s, c) => {
    const values = s.read(1, lane, lanes);
    const mode = immediate(c, 2);
    const own = any(i32.and(s.mxcsr, n(~Mxcsr.rounding)), i32.shl(i32.and(mode, n(3)), n(ROUNDING_SHIFT)));
    const mxcsr = c.let(I32, select(i32.and(mode, n(BY_MXCSR)), s.mxcsr, own));
    const ignored = c.let(I32, select(i32.and(mode, n(QUIET_PRECISION)), n(Flag.precision), n(0)));
    const results = values.map((value) => s.compute(`${format}_round`, [value], mxcsr, ignored));
    s.settle();
    s.write(lane, results);
  });
}

// --- the control and status register

table.ldmxcsr = (c) => {
  c.requireUnit('sse');
  const value = c.operand(0).read();
  c.faultIf(i32.and(value, n(~MXCSR_BITS)), GENERAL_PROTECTION);
  i32.store(c.code, STATE, value, MXCSR);
};
table.stmxcsr = (c) => {
  c.requireUnit('sse');
  c.operand(0).write(i32.load(STATE, MXCSR));
};

export const SIMD_FLOAT: Readonly<Record<string, Semantics>> = table;
export const SIMD_FLOAT_LIBRARY: readonly LibraryFunction[] = [predicate];
