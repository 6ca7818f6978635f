/**
 * Floating point in XMM registers. The processor's own arithmetic where that is sure to be right (simd-float-native.ts), else the exact
 * kernels (simd-float-exact.ts). An instruction reads all its lanes, notes all their exceptions, and writes only if none is unmasked
 * (manual, "SIMD Floating-Point Exceptions").
 */
import { Mxcsr, n } from '../float/kit';
import { MXCSR } from '../layout';
import { type Expr, f32, f64, I32, i32, select, V128 } from '../wasm/code';
import { f32x4, f64x2, i8x16 } from '../wasm/vector';
import type { Context, Semantics } from './context';
import { SIMD_FLOAT_CONVERSIONS } from './simd-float-convert';
import { ALL, BY_MXCSR, type Kind, PD, PS, QUIET_PRECISION, SD, SS } from './simd-float-exact';
import { SIMD_FLOAT_LANES } from './simd-float-lanes';
import { MAY_BE_INEXACT, type Native, nativeOf, NEAREST, NEAREST_SUM } from './simd-float-native';
import { compute, immediate, isScalar, read, readOnce, resultOf, type Source, sse, write } from './simd-float-operands';
import { alternate, doublewords, elements, ZERO } from './simd/lanes';

const STATE = n(0);
const GENERAL_PROTECTION = 13;
/** Bits of MXCSR that exist. */
const MXCSR_BITS = 0xffff;
const PACKED = [PS, PD];
const SCALAR = [SS, SD];

const table: Record<string, Semantics> = { ...SIMD_FLOAT_CONVERSIONS, ...SIMD_FLOAT_LANES };

// --- arithmetic

type Operation = 'add' | 'sub' | 'mul' | 'div';

function operate(c: Context, kind: Kind, operation: Operation, a: Source, b: Source): Expr {
  const native = nativeOf(kind);
  const sum = operation === 'add' || operation === 'sub';
  const before = [sum ? NEAREST_SUM : NEAREST, ...native.noDenormals([a.bits, b.bits])];
  const value = native[operation](a.value, b.value);
  const after = (result: Expr): Expr[] => [sum ? native.finite(result) : native.normal(result)];
  return compute(c, resultOf(kind), { before, value, after }, operation + kind.suffix, [a.bits, b.bits]);
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
    const quick = { before: [NEAREST, native.positive(bits)], value: native.sqrt(value) };
    write(c, kind, compute(c, resultOf(kind), quick, `sqrt${kind.suffix}`, [bits]));
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
      write(c, kind, compute(c, resultOf(kind), { before, value }, operation + kind.suffix, [a, b]));
    });
  }
}

/** A comparison's conditions on its operands, scalar. */
const comparable = (native: Native, a: Source, b: Source): Expr[] => [
  native.ordered([a.value, b.value]),
  ...native.noDenormals([a.bits, b.bits]),
];

for (const kind of SCALAR) {
  const native = nativeOf(kind);
  const float = kind === SS ? f32 : f64;
  for (const operation of ['min', 'max'] as const) {
    table[operation + kind.suffix] = sse((c) => {
      const b = readOnce(c, 1, kind);
      const a = readOnce(c, 0, kind);
      const first = (operation === 'min' ? float.lt : float.gt)(a.value, b.value);
      const quick = { before: comparable(native, a, b), value: select(first, a.value, b.value) };
      write(c, kind, compute(c, resultOf(kind), quick, operation + kind.suffix, [a.bits, b.bits]));
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

const ALL_ONES = doublewords([-1, -1, -1, -1]);

/** The mask of predicate `number` (0 to 7) where nothing is a NaN, in the kind's lanes or the lowest of them. */
function mask(kind: Kind, number: number, a: Expr, b: Expr): Expr {
  const lanes = kind.format === 'f32' ? f32x4 : f64x2;
  const relations = [lanes.eq, lanes.lt, lanes.le, () => ZERO, lanes.ne, lanes.ge, lanes.gt, () => ALL_ONES];
  if (!isScalar(kind)) return relations[number](a, b);
  return lanes.extract(relations[number](lanes.splat(a), lanes.splat(b)), 0);
}

for (const kind of ALL) {
  const native = nativeOf(kind);
  const name = `cmp${kind.suffix}`;
  table[name] = sse((c) => {
    const b = readOnce(c, 1, kind);
    const a = readOnce(c, 0, kind);
    const number = c.let(I32, i32.and(immediate(c, 2), n(7)));
    // The predicate is known where code is compiled.
    const { value } = number;
    const quick =
      typeof value === 'number'
        ? { before: comparable(native, a, b), value: mask(kind, value, a.value, b.value) }
        : { before: [n(0)], value: a.value };
    write(c, kind, compute(c, resultOf(kind), quick, name, [a.bits, b.bits, number]));
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
      const b = readOnce(c, 1, kind);
      const a = readOnce(c, 0, kind);
      const value = i32.or(float.lt(a.value, b.value), i32.shl(float.eq(a.value, b.value), n(6)));
      const quick = { before: comparable(native, a, b), value };
      c.flags.explicit(compute(c, { type: I32 }, quick, `comi${kind.suffix}`, [a.bits, b.bits, n(quiet)]), n(0));
    });
  }
}

// --- rounding to an integral value

const DENORMALS_ARE_NUMBERS = i32.eqz(i32.and(i32.load(STATE, MXCSR), n(Mxcsr.denormalsAreZeros)));

for (const kind of ALL) {
  const native = nativeOf(kind);
  const name = `round${kind.suffix}`;
  table[name] = sse((c) => {
    const a = readOnce(c, 1, kind);
    const mode = immediate(c, 2);
    const { value: known } = mode;
    const modes = [native.nearest, native.floor, native.ceil, native.trunc];
    // In the direction that MXCSR says, and where code is not compiled, exactly.
    const quick =
      typeof known === 'number' && !(known & BY_MXCSR)
        ? {
            before: [DENORMALS_ARE_NUMBERS, ...(known & QUIET_PRECISION ? [] : [MAY_BE_INEXACT]), native.ordered([a.value])],
            value: modes[known & 3](a.value),
          }
        : { before: [n(0)], value: a.value };
    write(c, kind, compute(c, resultOf(kind), quick, name, [a.bits, mode]));
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
