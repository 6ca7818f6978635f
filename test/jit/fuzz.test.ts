/**
 * Random programs on both tiers, compared. `RINGSIDE_FUZZ` gives how many in each mode, `RINGSIDE_SEED` the first; `fuzz.mjs` beside
 * this runs them without end and chooses modes.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { PREBUILT_HANDLERS } from '../../src/engines/cpu/interpreter/prebuilt';
import { Fuzzer } from './fuzzer';
import { makeCase } from './program';
import { MODES } from './world';

const CASES = Number(process.env.RINGSIDE_FUZZ ?? 4);
const SEED = Number(process.env.RINGSIDE_SEED ?? 1);

const fuzzer = new Fuzzer(PREBUILT_HANDLERS);
afterAll(() => fuzzer.finish());

describe.each(MODES)('random programs in the mode $name', (mode) => {
  it(`run the same on the interpreter alone and compiled, ${CASES} of them`, { timeout: Math.max(120_000, CASES * 3000) }, () => {
    for (let seed = SEED; seed < SEED + CASES; seed++) expect(fuzzer.run(mode, seed)).toBe('');
  });
});

describe('the comparison', () => {
  it('makes the same program of the same seed', () => {
    for (const mode of MODES) expect(makeCase(mode, 7)).toEqual(makeCase(mode, 7));
  });

  it('has compiled much of what it compared', () => {
    fuzzer.finish();
    expect(fuzzer.compiled).toBeGreaterThan(100 * CASES * MODES.length);
    expect(fuzzer.invalidated).toBeGreaterThan(CASES);
    expect(fuzzer.revived).toBeGreaterThan(CASES);
    expect(fuzzer.softened).toBeGreaterThan(CASES);
  });
});
