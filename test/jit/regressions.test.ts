/** Programs on which the tiers once differed, made small. */
import { describe, expect, it } from 'vitest';
import { PREBUILT_HANDLERS } from '../../src/engines/cpu/interpreter/prebuilt';
import { Fuzzer } from './fuzzer';
import { type Case, makeCase } from './program';
import { MODES } from './world';

interface Regression {
  readonly what: string;
  readonly mode: string;
  /** Instructions one after the other, in hex, from CODE on. */
  readonly code: string;
  readonly heat?: number;
  readonly flags?: number;
  readonly registers?: Readonly<Record<number, number>>;
  /** Instructions between comparisons. */
  readonly slices?: readonly number[];
  readonly intervals?: readonly number[];
}

const REGRESSIONS: readonly Regression[] = [
  { what: 'store to the flat code segment', mode: '32-ring3', code: 'ff 05 10 00 02 00 2e 0f 9c 35 f1 0f 02 00 f4' },
  { what: 'store to the flat code segment in ring 0', mode: '32-ring0', code: 'ff 05 10 00 02 00 2e 89 05 10 00 02 00 f4' },
  {
    what: 'iterations that take the budget of blocks behind them',
    mode: '32-ring0',
    heat: 20,
    code: 'be 00 00 02 00 bf 00 04 02 00 b9 03 00 00 00 f3 a4 74 02 90 90 31 c0 40 90 eb e5',
    registers: { 6: 0x20000, 7: 0x20400 },
    slices: [1000, ...Array.from({ length: 60 }, (_, i) => 1 + (i % 11))],
  },
];

function caseOf({ mode: name, code, heat = 1, flags = 2, registers = {}, slices = [60, 60], intervals = [] }: Regression): Case {
  const mode = MODES.find((each) => each.name === name);
  if (!mode) throw new Error(`no mode ${name}`);
  const made = makeCase(mode, 1);
  const bytes = [...Buffer.from(code.replaceAll(' ', ''), 'hex')];
  return {
    ...made,
    heat,
    items: [{ bytes, fixups: [] }],
    origin: 0,
    mutations: [],
    table: [],
    resumes: made.resumes.map(() => 0),
    registers: made.registers.map((value, i) => registers[i] ?? value),
    flags,
    intervals,
    slices: slices.map((instructions) => ({ instructions, parts: 1 })),
  };
}

describe('compiled code does what the interpreter does', () => {
  const fuzzer = new Fuzzer(PREBUILT_HANDLERS);
  it.each(REGRESSIONS.map((each) => [`${each.what} (${each.mode})`, each] as const))('%s', (_title, each) => {
    expect(fuzzer.difference(caseOf(each), true)).toBe('');
  });
});
