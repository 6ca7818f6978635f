/** Comparisons, and SSE's minimum and maximum. */
import { I32, i32, i64, select } from '../wasm/code';
import type { LibraryFunction } from '../wasm/library';
import { denormalFlag, zeroDenormals } from './arithmetic';
import { controlOf, type Format, isNaN, isNormal, isSignaling, isUnsupported, isZero, needsNaN, operands } from './formats';
import { any, both, n, not, variable } from './kit';

/** What a comparison finds, as ZF, PF and CF stand in EFLAGS; shifted left by 8, as C3, C2 and C0 in the x87 status word. */
export const Relation = { greater: 0, less: 0x01, equal: 0x40, unordered: 0x45 } as const;

/** name: (a, b, control, quiet) → relation, flags. A quiet NaN is an invalid operand unless `quiet`. */
export function compare(format: Format): LibraryFunction {
  return {
    name: `${format.name}_compare`,
    parameters: [...format.types, ...format.types, I32, I32],
    results: [I32, I32],
    body: (c) => {
      const { values, rest } = operands(format, 2);
      const [a, b] = values.map((value) => format.unpack(c, value));
      const flags = variable(c, I32, n(0));
      c.if(not(i32.and(isNormal(format, a), isNormal(format, b))), () => {
        c.if(needsNaN(format, a, b), () => {
          const signaling = any(...[a, b].flatMap((x) => [isUnsupported(format, x), i32.and(isNaN(format, x), isSignaling(x))]));
          c.returnMany(n(Relation.unordered), i32.or(signaling, not(rest(1))));
        });
        zeroDenormals(c, format, controlOf(c, format, rest(0)), a, b);
        flags.set(denormalFlag(a, b));
        c.if(i32.and(isZero(a), isZero(b)), () => c.returnMany(n(Relation.equal), flags.get));
        // A pseudo-denormal equals the normal number of the same significand; a zero keeps its exponent.
        for (const x of [a, b]) c.if(both(not(x.exponent.get), i64.lt_s(x.significand.get, i64.const(0))), () => x.exponent.set(n(1)));
      });
      const found = (less: number | ReturnType<typeof n>): void =>
        c.returnMany(select(typeof less === 'number' ? n(less) : less, n(Relation.less), n(Relation.greater)), flags.get);
      c.if(i32.ne(a.sign.get, b.sign.get), () => found(a.sign.get));
      c.if(i32.ne(a.exponent.get, b.exponent.get), () => found(i32.xor(i32.lt_u(a.exponent.get, b.exponent.get), a.sign.get)));
      c.if(i64.ne(a.significand.get, b.significand.get), () => found(i32.xor(i64.lt_u(a.significand.get, b.significand.get), a.sign.get)));
      c.returnMany(n(Relation.equal), flags.get);
    },
  };
}

/** name: (a, b, mxcsr) → result, flags. The second operand where either is a NaN or both are zeros (manual, MINSD). */
export function extreme(format: Format, which: 'min' | 'max'): LibraryFunction {
  return {
    name: `${format.name}_${which}`,
    parameters: [...format.types, ...format.types, I32],
    results: [...format.types, I32],
    body: (c, index) => {
      const { values, rest } = operands(format, 2);
      const control = controlOf(c, format, rest(0));
      const [a, b] = values.map((value) => format.unpack(c, value));
      const [relation, flags] = c.callMany(index(`${format.name}_compare`), [I32, I32], ...values.flat(), rest(0), n(0));
      zeroDenormals(c, format, control, a, b);
      const pack = (x: typeof a) => format.pack(x.sign.get, x.exponent.get, x.significand.get);
      c.if(i32.eq(relation, n(which === 'min' ? Relation.less : Relation.greater)), () => c.returnMany(...pack(a), flags));
      c.returnMany(...pack(b), flags);
    },
  };
}
