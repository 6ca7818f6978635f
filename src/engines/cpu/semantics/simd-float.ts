/**
 * Floating point in XMM registers. The processor's own arithmetic where that is sure to be right (simd-float-native.ts), else the exact
 * kernels (simd-float-exact.ts). An instruction reads all its lanes, notes all their exceptions, and writes only if none is unmasked
 * (manual, "SIMD Floating-Point Exceptions").
 */
import { ALL_EXCEPTIONS, BEFORE_OPERATION, Mxcsr, n, q, type Variable, variable } from '../float/kit';
import { MXCSR, SYS, SYSTEM, X87_STATUS } from '../layout';
import { type Expr, f32, f64, get, I32, I64, i32, i64, select, truncate, V128, type ValueType } from '../wasm/code';
import { f32x4, f64x2, i32x4, i64x2, i8x16, truncateLanes, v128 } from '../wasm/vector';
import type { Context, Semantics } from './context';
import {
  ALL,
  BY_MXCSR,
  CHOP,
  DWORD,
  type Group,
  INVALID_OPCODE,
  type Kind,
  type Lane,
  PD,
  PS,
  QUIET_PRECISION,
  SD,
  SIMD_ERROR,
  SS,
  typeOf,
} from './simd-float-exact';
import { MAY_BE_INEXACT, type Native, nativeOf, NEAREST, NEAREST_SUM } from './simd-float-native';
import { alternate, doublewords, elements, ZERO } from './simd/lanes';
import { ALL_VALID, setMmxState } from './simd/operands';

const STATE = n(0);
const GENERAL_PROTECTION = 13;
const FLOATING_POINT_ERROR = 16;
const OSXMMEXCPT = 1 << 10;
const X87_SUMMARY = 0x80;
/** Bits of MXCSR that exist. */
const MXCSR_BITS = 0xffff;
const PACKED = [PS, PD];
const SCALAR = [SS, SD];

const table: Record<string, Semantics> = {};

/** The immediate operand `index`, 0 to 255. */
const immediate = (c: Context, index: number): Expr => c.let(I32, i32.and(c.operand(index).read(), n(0xff)));

// --- operands

/** An operand, read. */
interface Source {
  readonly bits: Expr;
  /** As native arithmetic takes it: read anew, if it is in a register. */
  readonly value: Expr;
}

const bytesOf = ({ lane, count }: Group): number => lane.bytes * count;

/** Operand `index`; 16 bytes in memory have to be aligned. */
function read(c: Context, index: number, kind: Kind): Source {
  const bytes = bytesOf(kind);
  const pointer = c.pointer(index, 'read', bytes, bytes === 16);
  if (kind.count > 1) {
    const value = c.let(V128, v128.load(pointer));
    return { bits: value, value };
  }
  const { load } = kind.lane === DWORD ? i32 : i64;
  return { bits: c.let(kind.lane.type, load(pointer)), value: nativeOf(kind).load(pointer) };
}

/** A group of lanes in operand `index`, zeros above them. */
function readGroup(c: Context, index: number, group: Group): Expr {
  const bytes = bytesOf(group);
  const pointer = c.pointer(index, 'read', bytes, bytes === 16);
  if (group.count === 1) return c.let(group.lane.type, (group.lane === DWORD ? i32 : i64).load(pointer));
  return c.let(V128, (bytes === 8 ? v128.load64_zero : v128.load)(pointer));
}

/** Puts a group into the low part of register operand 0. */
function write(c: Context, group: Group, value: Expr): void {
  const pointer = c.pointer(0, 'write', bytesOf(group));
  if (group.count === 1) (group.lane === DWORD ? i32 : i64).store(c.code, pointer, value);
  else if (bytesOf(group) === 16) v128.store(c.code, pointer, value);
  else i64.store(c.code, pointer, i64x2.extract(value, 0));
}

/** Runs `then` where all conditions hold; those behind the first one that does not are not looked at. */
function whenAll(c: Context, conditions: readonly Expr[], then: () => void): void {
  if (conditions.length === 0) return then();
  c.if(conditions[0], () => whenAll(c, conditions.slice(1), then));
}

/**
 * A result that is computed natively if that is sure to be right, else by an exact function.
 * @param before conditions on operands; `after` on the result
 */
function compute(
  c: Context,
  type: ValueType,
  { before, value, after = () => [] }: { before: readonly Expr[]; value: Expr; after?: (result: Expr) => Expr[] },
  exact: string,
  args: readonly Expr[],
): Expr {
  const local = c.code.local(type);
  const result = get(local);
  c.code.block((done) => {
    whenAll(c, before, () => {
      c.code.set(local, value);
      whenAll(c, after(result), done);
    });
    exactly(c, local, exact, args);
  });
  return result;
}

/** Sets a local by an exact function, or raises what is not masked. */
function exactly(c: Context, local: number, name: string, args: readonly Expr[]): void {
  const [value, vector] = c.library(`sse_${name}`, ...args);
  c.if(vector, () => {
    c.faultIf(i32.eq(vector, n(INVALID_OPCODE)), INVALID_OPCODE);
    c.faultIf(n(1), SIMD_ERROR);
  });
  c.code.set(local, value);
}

const sse =
  (describe: (c: Context) => void): Semantics =>
  (c) => {
    c.requireUnit('sse');
    describe(c);
  };

// --- arithmetic

type Operation = 'add' | 'sub' | 'mul' | 'div';

function operate(c: Context, kind: Kind, operation: Operation, a: Source, b: Source): Expr {
  const native = nativeOf(kind);
  const sum = operation === 'add' || operation === 'sub';
  const before = [sum ? NEAREST_SUM : NEAREST, ...native.noDenormals([a.bits, b.bits])];
  const value = native.toBits(native[operation](a.value, b.value));
  const after = (result: Expr): Expr[] => [sum ? native.finite(result) : native.normal(result)];
  return compute(c, typeOf(kind), { before, value, after }, operation + kind.suffix, [a.bits, b.bits]);
}

for (const kind of ALL) {
  const native = nativeOf(kind);
  for (const operation of ['add', 'sub', 'mul', 'div'] as const) {
    table[operation + kind.suffix] = sse((c) => {
      const b = read(c, 1, kind);
      const a = read(c, 0, kind);
      write(c, kind, operate(c, kind, operation, a, b));
    });
  }
  table[`sqrt${kind.suffix}`] = sse((c) => {
    const { bits, value } = read(c, 1, kind);
    const quick = { before: [NEAREST, native.positive(bits)], value: native.toBits(native.sqrt(value)) };
    write(c, kind, compute(c, typeOf(kind), quick, `sqrt${kind.suffix}`, [bits]));
  });
}

// Of two zeros, and where one operand is a NaN, the second one is the result (manual, MINSD).
for (const kind of PACKED) {
  const native = nativeOf(kind);
  for (const operation of ['min', 'max'] as const) {
    table[operation + kind.suffix] = sse((c) => {
      const { bits: b } = read(c, 1, kind);
      const { bits: a } = read(c, 0, kind);
      const lanes = kind === PS ? f32x4 : f64x2;
      const before = [native.ordered([a, b]), ...native.noDenormals([a, b])];
      const value = (operation === 'min' ? lanes.pmin : lanes.pmax)(b, a);
      write(c, kind, compute(c, V128, { before, value }, operation + kind.suffix, [a, b]));
    });
  }
}

/** A comparison's conditions on its operands, scalar. */
const comparable = (native: Native, a: Source, b: Source): Expr[] => [
  native.ordered([a.value, b.value]),
  ...native.noDenormals([a.bits, b.bits]),
];

/** Both as locals, for more than one use. */
const kept = (c: Context, native: Native, { bits, value }: Source): Source => ({ bits, value: c.let(native.type, value) });

for (const kind of SCALAR) {
  const native = nativeOf(kind);
  const float = kind === SS ? f32 : f64;
  for (const operation of ['min', 'max'] as const) {
    table[operation + kind.suffix] = sse((c) => {
      const b = kept(c, native, read(c, 1, kind));
      const a = kept(c, native, read(c, 0, kind));
      const first = (operation === 'min' ? float.lt : float.gt)(a.value, b.value);
      const quick = { before: comparable(native, a, b), value: select(first, a.bits, b.bits) };
      write(c, kind, compute(c, typeOf(kind), quick, operation + kind.suffix, [a.bits, b.bits]));
    });
  }
}

for (const kind of PACKED) {
  for (const operation of ['add', 'sub'] as const) {
    table[`h${operation}${kind.suffix}`] = sse((c) => {
      const { bits: b } = read(c, 1, kind);
      const { bits: a } = read(c, 0, kind);
      const [even, odd] = ([0, 1] as const).map((first) => {
        const value = c.let(V128, kind === PS ? alternate(a, b, 4, first) : i8x16.shuffle(a, b, elements(8, [first, 2 + first])));
        return { bits: value, value };
      });
      write(c, kind, operate(c, kind, operation, even, odd));
    });
  }
}

// --- comparisons

/** Predicates of CMPPS by number; the rest are what needs a NaN. */
const LANES = { [PS.suffix]: f32x4, [PD.suffix]: f64x2 };
const ALL_ONES = doublewords([-1, -1, -1, -1]);
const ONES = { 4: n(-1), 8: q(-1) } as const;

/** The mask of predicate `number` (0 to 7) where nothing is a NaN. */
function packedMask(kind: Kind, number: number, a: Expr, b: Expr): Expr {
  const lanes = LANES[kind.suffix];
  const relations = [lanes.eq, lanes.lt, lanes.le, () => ZERO, lanes.ne, lanes.ge, lanes.gt, () => ALL_ONES];
  return relations[number](a, b);
}

function scalarMask(kind: Kind, number: number, a: Expr, b: Expr): Expr {
  const float = kind === SS ? f32 : f64;
  const relations = [float.eq, float.lt, float.le, () => n(0), float.ne, float.ge, float.gt, () => n(1)];
  const mask = i32.sub(n(0), relations[number](a, b));
  return kind === SS ? mask : i64.extend_s(mask);
}

for (const kind of ALL) {
  const native = nativeOf(kind);
  const name = `cmp${kind.suffix}`;
  table[name] = sse((c) => {
    const sources = [read(c, 1, kind), read(c, 0, kind)];
    const number = c.let(I32, i32.and(immediate(c, 2), n(7)));
    const [b, a] = kind.count > 1 ? sources : sources.map((source) => kept(c, native, source));
    // The predicate is known where code is compiled.
    const { value } = number;
    const known = typeof value === 'number';
    const mask = known
      ? (kind.count > 1 ? packedMask : scalarMask)(kind, value, a.value, b.value)
      : kind.count > 1
        ? ZERO
        : ONES[kind.lane.bytes];
    const before = known ? comparable(native, a, b) : [n(0)];
    write(c, kind, compute(c, typeOf(kind), { before, value: mask }, name, [a.bits, b.bits, number]));
  });
}

for (const kind of SCALAR) {
  const native = nativeOf(kind);
  const float = kind === SS ? f32 : f64;
  for (const [name, quiet] of [
    ['comi', 0],
    ['ucomi', 1],
  ] as const) {
    table[name + kind.suffix] = sse((c) => {
      const b = kept(c, native, read(c, 1, kind));
      const a = kept(c, native, read(c, 0, kind));
      const value = i32.or(float.lt(a.value, b.value), i32.shl(float.eq(a.value, b.value), n(6)));
      const quick = { before: comparable(native, a, b), value };
      c.flags.explicit(compute(c, I32, quick, `comi${kind.suffix}`, [a.bits, b.bits, n(quiet)]), n(0));
    });
  }
}

// --- conversions

/** Converts operand 1 into operand 0. */
function conversion(
  from: Group,
  to: Group,
  exact: string,
  quick: (source: Expr) => { before: Expr[]; value: Expr; after?: (result: Expr) => Expr[] },
  words: readonly Expr[] = [],
): Semantics {
  return sse((c) => {
    const source = readGroup(c, 1, from);
    write(c, to, compute(c, typeOf(to), quick(source), exact, [source, ...words]));
  });
}

const TWO_SINGLES: Group = { lane: DWORD, count: 2 };
const TWO_INTEGERS: Group = { lane: DWORD, count: 2 };
const FOUR_INTEGERS: Group = { lane: DWORD, count: 4 };

const [single, singles] = [nativeOf(SS), nativeOf(PS)];

table.cvtss2sd = conversion(SS, SD, 'cvtss2sd', (a) => ({
  before: [f32.eq(f32.fromBits(a), f32.fromBits(a)), ...single.noDenormals([a])],
  value: f64.toBits(f64.promote(f32.fromBits(a))),
}));
table.cvtsd2ss = conversion(SD, SS, 'cvtsd2ss', (a) => ({
  before: [NEAREST],
  value: f32.toBits(f32.demote(f64.fromBits(a))),
  after: (result) => [single.normal(result)],
}));
table.cvtps2pd = conversion(TWO_SINGLES, PD, 'cvtps2pd', (a) => ({
  before: [singles.ordered([a]), ...singles.noDenormals([a])],
  value: f64x2.promote_low_f32x4(a),
}));
table.cvtpd2ps = conversion(PD, FOUR_INTEGERS, 'cvtpd2ps', (a) => ({
  before: [NEAREST],
  value: f32x4.demote_f64x2(a),
  // The upper half is zero, and here as if it were one.
  after: (result) => [singles.normal(v128.or(result, doublewords([0, 0, 0x3f800000, 0x3f800000])))],
}));
table.cvtdq2ps = conversion(FOUR_INTEGERS, PS, 'dq2ps', (a) => ({ before: [NEAREST], value: f32x4.convert_i32x4_s(a) }));
table.cvtdq2pd = sse((c) => write(c, PD, f64x2.convert_low_i32x4_s(readGroup(c, 1, TWO_INTEGERS))));

/** Half as many as there are integers that fit, as a floating-point number's bits. */
const LIMIT = {
  f32: { 32: n(0x4f000000), 64: n(0x5f000000) },
  f64: { 32: q(0x41e0000000000000n), 64: q(0x43e0000000000000n) },
} as const;

for (const kind of SCALAR) {
  const float = kind === SS ? f32 : f64;
  // Integers up to this magnitude are exact.
  const exact = kind === SS ? 1n << 24n : 1n << 53n;
  table[`cvtsi2${kind.suffix}`] = sse((c) => {
    const place = c.operand(1);
    const wide = place.word.size === 8;
    const value = c.let(place.word.type, place.read());
    if (kind === SD && !wide) return write(c, kind, f64.toBits(f64.convert_i32_s(value)));
    const integer = wide ? value : c.let(I64, i64.extend_s(value));
    const fits = i64.le_u(i64.add(integer, q(exact)), q(2n * exact));
    const quick = {
      before: [i32.or(fits, NEAREST)],
      value: float.toBits(wide ? float.convert_i64_s(integer) : float.convert_i32_s(value)),
    };
    write(c, kind, compute(c, typeOf(kind), quick, `si642${kind.suffix}`, [integer]));
  });
  for (const truncates of [false, true]) {
    table[`cvt${truncates ? 't' : ''}${kind.suffix}2si`] = sse((c) => {
      const wide = c.wordOf(0).size === 8;
      const bits = wide ? 64 : 32;
      const source = readGroup(c, 1, kind);
      const value = c.let(nativeOf(kind).type, nativeOf(kind).fromBits(source));
      const narrow = kind === SS ? truncate.i32_f32_s : truncate.i32_f64_s;
      const broad = kind === SS ? truncate.i64_f32_s : truncate.i64_f64_s;
      const quick = {
        before: [truncates ? MAY_BE_INEXACT : NEAREST, float.lt(float.abs(value), float.fromBits(LIMIT[kind.format][bits]))],
        value: (wide ? broad : narrow)(truncates ? value : float.nearest(value)),
        // Rounding may have reached the limit.
        after: (result: Expr) => (truncates ? [] : [(wide ? i64 : i32).ne(result, wide ? q((1n << 63n) - 1n) : n(0x7fffffff))]),
      };
      const result = compute(c, wide ? I64 : I32, quick, `${kind.suffix}2si${bits}`, [source, n(truncates ? CHOP : 0)]);
      c.operand(0).write(result);
    });
  }
}

const splat = (kind: Kind, pattern: number): Expr =>
  doublewords(kind === PS ? [pattern, pattern, pattern, pattern] : [0, pattern, 0, pattern]);

for (const kind of PACKED) {
  const lanes = kind === PS ? f32x4 : f64x2;
  const toIntegers = kind === PS ? truncateLanes.i32x4_f32x4_s : truncateLanes.i32x4_f64x2_s;
  const limit = splat(kind, kind === PS ? 0x4effffff : 0x41dfffff);
  for (const truncates of [false, true]) {
    // The limit is below the largest integer, so that rounding does not reach beyond.
    table[`cvt${truncates ? 't' : ''}${kind.suffix}2dq`] = conversion(
      kind,
      FOUR_INTEGERS,
      `${kind.suffix}2dq`,
      (a) => ({
        before: [truncates ? MAY_BE_INEXACT : NEAREST, (kind === PS ? i32x4 : i64x2).allTrue(lanes.le(lanes.abs(a), limit))],
        value: toIntegers(truncates ? a : lanes.nearest(a)),
      }),
      [n(truncates ? CHOP : 0)],
    );
  }
}

// --- rounding to an integral value

const DENORMALS_ARE_NUMBERS = i32.eqz(i32.and(i32.load(STATE, MXCSR), n(Mxcsr.denormalsAreZeros)));

for (const kind of ALL) {
  const native = nativeOf(kind);
  const name = `round${kind.suffix}`;
  table[name] = sse((c) => {
    const source = read(c, 1, kind);
    const a = kind.count > 1 ? source : kept(c, native, source);
    const mode = immediate(c, 2);
    const { value: known } = mode;
    const modes = [native.nearest, native.floor, native.ceil, native.trunc];
    // In the direction that MXCSR says, and where code is not compiled, exactly.
    const quick =
      typeof known === 'number' && !(known & BY_MXCSR)
        ? {
            before: [DENORMALS_ARE_NUMBERS, ...(known & QUIET_PRECISION ? [] : [MAY_BE_INEXACT]), native.ordered([a.value])],
            value: native.toBits(modes[known & 3](a.value)),
          }
        : { before: [n(0)], value: a.bits };
    write(c, kind, compute(c, typeOf(kind), quick, name, [a.bits, mode]));
  });
}

// --- lane by lane: what is rare

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
