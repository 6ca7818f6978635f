/**
 * The two tiers over whole guests, compared after slices of instructions of any length. `RINGSIDE_FUZZ` (any number above 1000)
 * runs all guests to their ends and the kernels for tens of millions of instructions; `RINGSIDE_GUESTS` those alone whose name matches.
 */
import { describe, expect, it } from 'vitest';
import { WHOLE_GUESTS } from './guests';
import { lockstep } from './lockstep';

const LONG = Number(process.env.RINGSIDE_FUZZ ?? 0) > 1000;
const SEED = Number(process.env.RINGSIDE_SEED ?? 1);
const CHOSEN = new RegExp(process.env.RINGSIDE_GUESTS ?? '');
const HEATS = LONG ? [1, 20] : [2];

describe.each(WHOLE_GUESTS.filter(({ name, short }) => (LONG || short > 0) && CHOSEN.test(name)))(
  '$name',
  ({ make, short, long, memoryEvery, missing, reason }) => {
    it.skipIf(missing).for(HEATS)(
      `runs the same on the interpreter alone and compiled after %i runs of a block${missing ? ` (${missing})` : ''}`,
      { timeout: 1_800_000 },
      (heat) => {
        const result = lockstep(make(), { heat, instructions: LONG ? long : short, seed: SEED, memoryEvery });
        expect(result.difference).toBe('');
        expect(result.stats.compiledInstructions).toBeGreaterThan(0);
        if (LONG) expect(result.reason, result.serial).toBe(reason);
      },
    );
  },
);
