/** Flags that compiled code carries along as what they come from, put into the state's words; see jit/lazy-flags.ts. */
import { FLAG_CARRY } from '../layout';
import { word, type WordSize } from '../semantics/words';
import { type Code, type Expr, get, I32, i32, I64, type Label } from '../wasm/code';
import type { LibraryFunction } from '../wasm/library';
import { at } from './code-width';
import { StateFlags } from './state-flags';

/** What set the flags, and the two values that tell them all. */
export const FLAG_SOURCES = [
  /** The first operand and the result, of additions without a carry. */
  'add',
  /** Both operands, of subtractions without a borrow. */
  'sub',
  /** Nothing, and the result. */
  'logic',
  /** CF from before, and the result. */
  'increment',
  'decrement',
  /** CF, OF and AF in bits 0, 1 and 2, and the result. */
  'bits',
] as const;
export type FlagSource = (typeof FLAG_SOURCES)[number];

const SIZES: readonly WordSize[] = [1, 2, 4, 8];

/** 0 stands for flags that are in the state's words already. */
export const flagKind = (source: FlagSource, size: WordSize): number =>
  1 + FLAG_SOURCES.indexOf(source) * SIZES.length + SIZES.indexOf(size);

/** The kinds in which the first value is CF: from the first on to, not including, the last. */
export const CARRY_KINDS = { first: flagKind('increment', 1), last: flagKind('bits', 1) } as const;

const [KIND, FIRST, SECOND] = [get(0), get(1), get(2)];

function describe(code: Code, source: FlagSource, size: WordSize): void {
  const w = word(size);
  const flags = new StateFlags({
    let: (type, value) => code.let(type, value),
    setState: (offset, value) => i32.store(code, at(0), value, offset),
  });
  const operand = (value: Expr): Expr => (size === 8 ? value : i32.wrap(value));
  const [first, second] = [operand(FIRST), operand(SECOND)];
  const kept = (value: Expr): Expr => code.let(w.type, value);
  switch (source) {
    case 'add':
      return flags.add(w, first, kept(w.zero(w.sub(second, first))), second);
    case 'sub':
      return flags.sub(w, first, second, kept(w.sub(first, second)));
    case 'logic':
      return flags.logic(w, second);
    case 'increment':
    case 'decrement': {
      i32.store(code, at(0), i32.shl(i32.wrap(FIRST), at(31)), FLAG_CARRY);
      const before = w.zero((source === 'increment' ? w.sub : w.add)(second, w.const(1)));
      return flags[source](w, kept(before), second);
    }
    case 'bits': {
      const bit = (number: number): Expr => i32.and(i32.shr_u(i32.wrap(FIRST), at(number)), at(1));
      return flags.result(w, second, { carry: bit(0), overflow: bit(1), adjust: bit(2) });
    }
  }
}

export const FLAG_LIBRARY: readonly LibraryFunction[] = [
  {
    name: 'flag_words',
    parameters: [I32, I64, I64],
    results: [],
    body: (code) => {
      const kinds = FLAG_SOURCES.flatMap((source) => SIZES.map((size) => ({ source, size })));
      const labels: Label[] = kinds.map(() => code.open()).reverse();
      const none = code.open();
      code.branchTable(KIND, [none, ...labels]);
      code.close();
      code.returnMany();
      for (const { source, size } of kinds) {
        code.close();
        describe(code, source, size);
        code.returnMany();
      }
    },
  },
];
