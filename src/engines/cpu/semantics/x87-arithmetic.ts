/** x87 arithmetic and comparisons. */
import { BEFORE_OPERATION, n, q } from '../float/kit';
import { type Expr, I32, i32, i64, select } from '../wasm/code';
import type { Context, Semantics } from './context';
import { fromFloat, fromInteger } from './x87-widen';
import { type Extended, type Fpu, INDEFINITE_NUMBER, Status, UNDERFLOW, x87 } from './x87-unit';

const EXPONENT = 0x7fff;

interface Source {
  readonly number: Extended;
  /** Flag.denormal or 0. */
  readonly flags?: Expr;
}

/** The operand in memory, read now. */
function memorySource(c: Context, integer: boolean): Source {
  const place = c.operand(0);
  const value = place.read();
  if (integer) return { number: fromInteger(c, i64.extend_s(place.word.signed(value))) };
  return place.word.size === 4 ? fromFloat(c, 4, value, 'f32_widen', []) : fromFloat(c, 8, value, 'f64_widen', []);
}

/** The exceptions of an operation on `a` and a source in memory. */
function withSource(fpu: Fpu, flags: Expr, a: Extended, source: Source | undefined): Expr {
  const { c } = fpu;
  if (!source?.flags) return flags;
  const local = c.code.local(I32);
  c.code.set(local, flags);
  const all: Expr = (code) => {
    code.byte(0x20);
    code.unsigned(local);
  };
  c.if(source.flags, () => c.code.set(local, c.library('f80_denormal_source', all, ...a, fpu.control)[0]));
  return all;
}

interface Shape {
  readonly reverse?: boolean;
  readonly pops?: boolean;
  readonly integer?: boolean;
}

/** destination = destination op source, in the order that the mnemonic says. */
const arithmetic = (kernel: string, { reverse = false, pops = false, integer = false }: Shape): Semantics =>
  x87((fpu, c) => {
    const source = c.isMemory(0) ? memorySource(c, integer) : undefined;
    const target = source ? fpu.top() : fpu.operand(0);
    const other = source ? target : fpu.operand(1);
    c.if(
      i32.or(fpu.empty(target), fpu.empty(other)),
      () =>
        fpu.underflow(() => {
          fpu.write(target, INDEFINITE_NUMBER);
          if (pops) fpu.pop();
        }),
      () => {
        const a = fpu.read(target);
        const b = source ? source.number : fpu.read(other);
        const operands = reverse ? [...b, ...a] : [...a, ...b];
        const [significand, signExponent, flags] = c.library(kernel, ...operands, fpu.control);
        fpu.complete(withSource(fpu, flags, a, source), () => {
          fpu.write(target, [significand, signExponent]);
          if (pops) fpu.pop();
        });
      },
    );
  });

export const fadd = arithmetic('f80_add', {});
export const faddp = arithmetic('f80_add', { pops: true });
export const fiadd = arithmetic('f80_add', { integer: true });
export const fmul = arithmetic('f80_mul', {});
export const fmulp = arithmetic('f80_mul', { pops: true });
export const fimul = arithmetic('f80_mul', { integer: true });
export const fsub = arithmetic('f80_sub', {});
export const fsubp = arithmetic('f80_sub', { pops: true });
export const fisub = arithmetic('f80_sub', { integer: true });
export const fsubr = arithmetic('f80_sub', { reverse: true });
export const fsubrp = arithmetic('f80_sub', { reverse: true, pops: true });
export const fisubr = arithmetic('f80_sub', { reverse: true, integer: true });
export const fdiv = arithmetic('f80_div', {});
export const fdivp = arithmetic('f80_div', { pops: true });
export const fidiv = arithmetic('f80_div', { integer: true });
export const fdivr = arithmetic('f80_div', { reverse: true });
export const fdivrp = arithmetic('f80_div', { reverse: true, pops: true });
export const fidivr = arithmetic('f80_div', { reverse: true, integer: true });

/** ST(0) = f(ST(0)). */
const onTop = (kernel: string): Semantics =>
  x87((fpu, c) => {
    const top = fpu.top();
    c.if(
      fpu.empty(top),
      () => fpu.underflow(() => fpu.write(top, INDEFINITE_NUMBER)),
      () => {
        const [significand, signExponent, flags] = c.library(kernel, ...fpu.read(top), fpu.control);
        fpu.complete(flags, () => fpu.write(top, [significand, signExponent]));
      },
    );
  });

export const fsqrt = onTop('f80_sqrt');
export const frndint = onTop('f80_round');

/** ST(0) = f(ST(0), ST(1)). */
const onTopTwo = (kernel: string): Semantics =>
  x87((fpu, c) => {
    const top = fpu.top();
    const second = fpu.slot(n(16));
    c.if(
      i32.or(fpu.empty(top), fpu.empty(second)),
      () => fpu.underflow(() => fpu.write(top, INDEFINITE_NUMBER)),
      () => {
        const [significand, signExponent, flags] = c.library(kernel, ...fpu.read(top), ...fpu.read(second), fpu.control);
        fpu.complete(flags, () => fpu.write(top, [significand, signExponent]));
      },
    );
  });

export const fscale = onTopTwo('f80_scale');

/** C0 and C3 stay where the answer is a NaN, or is not given. */
const remainder = (nearest: number): Semantics =>
  x87((fpu, c) => {
    const top = fpu.top();
    const second = fpu.slot(n(16));
    c.if(
      i32.or(fpu.empty(top), fpu.empty(second)),
      () => fpu.underflow(() => fpu.write(top, INDEFINITE_NUMBER), Status.c1 | Status.c2),
      () => {
        const [significand, signExponent, flags] = c.library(
          'f80_remainder',
          ...fpu.read(top),
          ...fpu.read(second),
          fpu.control,
          n(nearest),
        );
        const isNumber = i32.ne(i32.and(signExponent, n(EXPONENT)), n(EXPONENT));
        const done = i32.and(isNumber, i32.eqz(i32.and(fpu.unmasked(flags), n(BEFORE_OPERATION))));
        const kept = c.let(I32, select(done, n(0), i32.and(fpu.status.get, n(Status.c0 | Status.c3))));
        fpu.complete(i32.or(flags, kept), () => fpu.write(top, [significand, signExponent]), Status.codes);
      },
    );
  });

export const fprem = remainder(0);
export const fprem1 = remainder(1);

/** ST(0) becomes the exponent, the significand is pushed. */
export const fxtract = x87((fpu, c) => {
  const top = fpu.top();
  const above = fpu.slot(n(-16));
  const put = (exponent: Extended, significand: Extended): void => {
    fpu.write(top, exponent);
    fpu.rotate(-1);
    fpu.write(above, significand);
  };
  c.if(
    fpu.empty(top),
    () => fpu.underflow(() => put(INDEFINITE_NUMBER, INDEFINITE_NUMBER)),
    () =>
      c.if(
        fpu.empty(above),
        () => {
          const [significand, signExponent, exponent, exponentSign, flags] = c.library('f80_extract', ...fpu.read(top), fpu.control);
          fpu.complete(flags, () => put([exponent, exponentSign], [significand, signExponent]));
        },
        () => fpu.overflow(() => put(INDEFINITE_NUMBER, INDEFINITE_NUMBER)),
      ),
  );
});

// --- comparisons

const UNORDERED_CODES = Status.c0 | Status.c2 | Status.c3;

interface Comparison {
  readonly quiet?: boolean;
  readonly pops?: 0 | 1 | 2;
  readonly integer?: boolean;
  /** Compares into EFLAGS. */
  readonly flags?: boolean;
}

const compare = ({ quiet = false, pops = 0, integer = false, flags: intoFlags = false }: Comparison): Semantics =>
  x87((fpu, c) => {
    const source = c.operandCount > 0 && c.isMemory(0) ? memorySource(c, integer) : undefined;
    const top = fpu.top();
    const other = source ? top : c.operandCount > 0 ? fpu.operand(1) : fpu.slot(n(16));
    const pop = (): void => {
      for (let i = 0; i < pops; i++) fpu.pop();
    };
    const note = (relation: Expr, exceptions: Expr, clears: number): void => {
      if (intoFlags) {
        c.flags.explicit(relation, n(0));
        fpu.complete(exceptions, pop, clears);
      } else {
        fpu.complete(i32.or(exceptions, i32.shl(relation, n(8))), pop, Status.codes);
      }
    };
    c.if(
      i32.or(fpu.empty(top), fpu.empty(other)),
      () => note(n(UNORDERED_CODES >> 8), n(UNDERFLOW), Status.c1),
      () => {
        const a = fpu.read(top);
        const b = source ? source.number : fpu.read(other);
        const [relation, exceptions] = c.library('f80_compare', ...a, ...b, fpu.control, n(quiet ? 1 : 0));
        note(relation, withSource(fpu, exceptions, a, source), 0);
      },
    );
  });

export const fcom = compare({});
export const fcomp = compare({ pops: 1 });
export const fcompp = compare({ pops: 2 });
export const fucom = compare({ quiet: true });
export const fucomp = compare({ quiet: true, pops: 1 });
export const fucompp = compare({ quiet: true, pops: 2 });
export const ficom = compare({ integer: true });
export const ficomp = compare({ integer: true, pops: 1 });
export const fcomi = compare({ flags: true });
export const fcomip = compare({ flags: true, pops: 1 });
export const fucomi = compare({ quiet: true, flags: true });
export const fucomip = compare({ quiet: true, flags: true, pops: 1 });

export const ftst = x87((fpu, c) => {
  const top = fpu.top();
  c.if(
    fpu.empty(top),
    () => fpu.raise(n(UNDERFLOW | UNORDERED_CODES), Status.codes),
    () => {
      const [relation, exceptions] = c.library('f80_compare', ...fpu.read(top), q(0), n(0), fpu.control, n(0));
      fpu.raise(i32.or(exceptions, i32.shl(relation, n(8))), Status.codes);
    },
  );
});
