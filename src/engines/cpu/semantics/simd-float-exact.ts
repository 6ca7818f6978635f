/**
 * Whole SSE instructions by the exact kernels of ../float: what simd-float.ts calls where the processor's own arithmetic is not
 * sure to do. All lanes are computed, then all their exceptions noted in MXCSR, and one that is not masked is reported instead of a
 * result (manual, "SIMD Floating-Point Exceptions").
 */
import { ALL_EXCEPTIONS, any, BEFORE_OPERATION, Flag, Mxcsr, n, type Variable, variable } from '../float/kit';
import { MXCSR, SYS, SYSTEM } from '../layout';
import { type Code, type Expr, get, I32, I64, i32, i64, select, V128, type ValueType } from '../wasm/code';
import { i32x4, i64x2 } from '../wasm/vector';
import type { FunctionIndex, LibraryFunction } from '../wasm/library';
import { ZERO } from './simd/lanes';

const STATE = n(0);
export const INVALID_OPCODE = 6;
export const SIMD_ERROR = 19;
const OSXMMEXCPT = 1 << 10;
const ROUNDING_SHIFT = 13;
/** Bits of ROUNDSD's immediate beside the rounding mode. */
export const BY_MXCSR = 4;
export const QUIET_PRECISION = 8;
/** Rounding towards zero, in MXCSR. */
export const CHOP = 0x6000;

/** What one lane holds, as an integer of its bits. */
export interface Lane {
  readonly bytes: 4 | 8;
  readonly type: ValueType;
}
export const DWORD: Lane = { bytes: 4, type: I32 };
export const QWORD: Lane = { bytes: 8, type: I64 };

/** `count` lanes from the lowest on: one is passed as an integer, several as a vector. */
export interface Group {
  readonly lane: Lane;
  readonly count: 1 | 2 | 4;
}

export const typeOf = ({ lane, count }: Group): ValueType => (count === 1 ? lane.type : V128);

export interface Kind extends Group {
  readonly suffix: 'ps' | 'pd' | 'ss' | 'sd';
  readonly format: 'f32' | 'f64';
}
export const PS: Kind = { suffix: 'ps', format: 'f32', lane: DWORD, count: 4 };
export const PD: Kind = { suffix: 'pd', format: 'f64', lane: QWORD, count: 2 };
export const SS: Kind = { suffix: 'ss', format: 'f32', lane: DWORD, count: 1 };
export const SD: Kind = { suffix: 'sd', format: 'f64', lane: QWORD, count: 1 };
export const ALL = [PS, PD, SS, SD];

const split = (code: Code, { lane, count }: Group, value: Expr): Expr[] =>
  count === 1 ? [value] : Array.from({ length: count }, (_, i) => code.let(lane.type, (lane === DWORD ? i32x4 : i64x2).extract(value, i)));

const join = ({ lane, count }: Group, values: readonly Expr[]): Expr =>
  count === 1 ? values[0] : values.reduce((all, value, i) => (lane === DWORD ? i32x4 : i64x2).replace(all, i, value), ZERO);

/** A function under description. */
class Exact {
  readonly code: Code;
  readonly mxcsr: Expr;
  private readonly index: FunctionIndex;
  private readonly flags: Variable;

  constructor(code: Code, index: FunctionIndex) {
    this.code = code;
    this.index = index;
    this.mxcsr = code.let(I32, i32.load(STATE, MXCSR));
    this.flags = variable(code, I32, n(0));
  }

  /** Calls a kernel whose last result is flags. @param ignored exceptions that do not count */
  kernel(name: string, type: ValueType, args: readonly Expr[], ignored?: Expr): Expr {
    const [value, flags] = this.code.callMany(this.index(name), [type, I32], ...args);
    this.flags.set(i32.or(this.flags.get, ignored ? i32.and(flags, i32.xor(ignored, n(-1))) : flags));
    return value;
  }

  call(name: string, ...args: Expr[]): Expr {
    return this.code.callMany(this.index(name), [I32], ...args)[0];
  }

  /** Returns the value and 0, or the vector of the exception to raise: #XM, or #UD if the operating system does not expect that. */
  finish(value: Expr): void {
    const { code, flags, mxcsr } = this;
    const masks = code.let(I32, i32.shr_u(mxcsr, n(Mxcsr.masks)));
    const unmasked = (): Expr => i32.and(i32.and(flags.get, i32.xor(masks, n(-1))), n(ALL_EXCEPTIONS));
    // Then nothing has been computed, in no lane.
    code.if(i32.and(unmasked(), n(BEFORE_OPERATION)), () => flags.set(i32.and(flags.get, n(BEFORE_OPERATION))));
    i32.store(code, STATE, i32.or(mxcsr, i32.and(flags.get, n(ALL_EXCEPTIONS))), MXCSR);
    const expected = i32.and(i32.load(STATE, SYSTEM + SYS.cr4 * 8), n(OSXMMEXCPT));
    code.returnMany(value, select(unmasked(), select(expected, n(SIMD_ERROR), n(INVALID_OPCODE)), n(0)));
  }
}

/**
 * @param values groups of lanes that the function is given, i32s behind them
 * @param lanes computes the lanes of the result from those of the values
 */
function exact(
  name: string,
  values: readonly Group[],
  words: number,
  result: Group,
  lanes: (e: Exact, values: readonly (readonly Expr[])[], words: readonly Expr[]) => readonly Expr[],
): LibraryFunction {
  return {
    name: `sse_${name}`,
    parameters: [...values.map(typeOf), ...Array.from({ length: words }, () => I32 as ValueType)],
    results: [typeOf(result), I32],
    body: (code, index) => {
      const e = new Exact(code, index);
      const parts = values.map((group, i) => split(code, group, get(i)));
      const rest = Array.from({ length: words }, (_, i) => get(values.length + i));
      e.finish(join(result, lanes(e, parts, rest)));
    },
  };
}

/** Predicates that take a quiet NaN for an operand like any other: equal, unordered, and their opposites. */
const isQuiet = (predicate: Expr): Expr => i32.eqz(i32.and(i32.xor(predicate, i32.shr_u(predicate, n(1))), n(1)));

/** simd_predicate: (relation, predicate 0 to 7) → 0 or 1. */
const predicate: LibraryFunction = {
  name: 'simd_predicate',
  parameters: [I32, I32],
  results: [I32],
  body: (c) => {
    const [relation, number] = [get(0), get(1)];
    const is = (value: number): Expr => i32.eq(relation, n(value));
    const base = c.let(I32, i32.and(number, n(3)));
    const equal = is(0x40);
    const less = is(0x01);
    const low = select(i32.eqz(base), equal, less);
    const high = select(i32.eq(base, n(2)), i32.or(less, equal), is(0x45));
    c.return(i32.xor(select(i32.lt_u(base, n(2)), low, high), i32.shr_u(i32.and(number, n(4)), n(2))));
  },
};

const arithmetic = (kind: Kind): LibraryFunction[] => [
  ...['add', 'sub', 'mul', 'div', 'min', 'max'].map((operation) =>
    exact(operation + kind.suffix, [kind, kind], 0, kind, (e, [a, b]) =>
      a.map((value, i) => e.kernel(`${kind.format}_${operation}`, kind.lane.type, [value, b[i], e.mxcsr])),
    ),
  ),
  exact(`sqrt${kind.suffix}`, [kind], 0, kind, (e, [a]) =>
    a.map((value) => e.kernel(`${kind.format}_sqrt`, kind.lane.type, [value, e.mxcsr])),
  ),
  // The immediate operand follows.
  exact(`round${kind.suffix}`, [kind], 1, kind, (e, [a], [mode]) => {
    const own = any(i32.and(e.mxcsr, n(~Mxcsr.rounding)), i32.shl(i32.and(mode, n(3)), n(ROUNDING_SHIFT)));
    const mxcsr = e.code.let(I32, select(i32.and(mode, n(BY_MXCSR)), e.mxcsr, own));
    const ignored = e.code.let(I32, select(i32.and(mode, n(QUIET_PRECISION)), n(Flag.precision), n(0)));
    return a.map((value) => e.kernel(`${kind.format}_round`, kind.lane.type, [value, mxcsr], ignored));
  }),
  // A lane of ones where the predicate holds, whose number (0 to 7) follows.
  exact(`cmp${kind.suffix}`, [kind, kind], 1, kind, (e, [a, b], [number]) => {
    const quiet = e.code.let(I32, isQuiet(number));
    return a.map((value, i) => {
      const relation = e.kernel(`${kind.format}_compare`, I32, [value, b[i], e.mxcsr, quiet]);
      const mask = e.code.let(I32, i32.sub(n(0), e.call('simd_predicate', relation, number)));
      return kind.lane === DWORD ? mask : i64.extend_s(mask);
    });
  }),
];

/** How the flags of a comparison stand in EFLAGS; whether a quiet NaN is no invalid operand follows. */
const comparison = (kind: Kind): LibraryFunction =>
  exact(`comi${kind.suffix}`, [kind, kind], 1, { lane: DWORD, count: 1 }, (e, [[a], [b]], [quiet]) => [
    e.kernel(`${kind.format}_compare`, I32, [a, b, e.mxcsr, quiet]),
  ]);

type Format = Kind['format'];
const laneOf = (format: Format): Lane => (format === 'f32' ? DWORD : QWORD);

const convert = (name: string, count: Group['count'], from: Format, to: Format): LibraryFunction =>
  exact(name, [{ lane: laneOf(from), count }], 0, { lane: laneOf(to), count }, (e, [a]) =>
    a.map((value) => e.kernel(`${from}_to_${to}`, laneOf(to).type, [value, e.mxcsr])),
  );

/** What is or-ed to MXCSR follows: CHOP where it truncates. */
const toIntegers = (name: string, count: Group['count'], from: Format, lane: Lane): LibraryFunction =>
  exact(name, [{ lane: laneOf(from), count }], 1, { lane, count }, (e, [a], [chop]) => {
    const mxcsr = e.code.let(I32, i32.or(e.mxcsr, chop));
    return a.map((value) => {
      const integer = e.kernel(`${from}_to_i64`, I64, [value, mxcsr, n(lane.bytes * 8)]);
      return lane === DWORD ? i32.wrap(integer) : integer;
    });
  });

const fromIntegers = (name: string, count: Group['count'], lane: Lane, to: Format): LibraryFunction =>
  exact(name, [{ lane, count }], 0, { lane: laneOf(to), count }, (e, [a]) =>
    a.map((value) => e.kernel(`i64_to_${to}`, laneOf(to).type, [lane === DWORD ? i64.extend_s(value) : value, e.mxcsr])),
  );

/**
 * Functions `sse_<mnemonic>`: (values, words) → result, and the vector of an exception or 0. They note exceptions in MXCSR.
 */
export const SIMD_FLOAT_LIBRARY: readonly LibraryFunction[] = [
  predicate,
  ...ALL.flatMap(arithmetic),
  ...[SS, SD].map(comparison),
  convert('cvtss2sd', 1, 'f32', 'f64'),
  convert('cvtsd2ss', 1, 'f64', 'f32'),
  convert('cvtps2pd', 2, 'f32', 'f64'),
  convert('cvtpd2ps', 2, 'f64', 'f32'),
  toIntegers('ss2si32', 1, 'f32', DWORD),
  toIntegers('ss2si64', 1, 'f32', QWORD),
  toIntegers('sd2si32', 1, 'f64', DWORD),
  toIntegers('sd2si64', 1, 'f64', QWORD),
  toIntegers('ps2dq', 4, 'f32', DWORD),
  toIntegers('pd2dq', 2, 'f64', DWORD),
  fromIntegers('si642ss', 1, QWORD, 'f32'),
  fromIntegers('si642sd', 1, QWORD, 'f64'),
  fromIntegers('dq2ps', 4, DWORD, 'f32'),
];
