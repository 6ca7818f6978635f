import { afterAll, describe, expect, it } from 'vitest';
import { Native } from './native';
import { Run } from './run';
import type { Width } from './wire';

/**
 * Cases in a run of each width; set RINGSIDE_FUZZ for a long one, RINGSIDE_SEED for another, RINGSIDE_ROWS for rows alone whose
 * mnemonic, semantics or feature matches, RINGSIDE_TIER=compiled to run all of them out of compiled blocks, not one in six.
 */
const COUNT = Number(process.env.RINGSIDE_FUZZ ?? 40_000);
const SEED = Number(process.env.RINGSIDE_SEED ?? 1);
const ROWS = process.env.RINGSIDE_ROWS === undefined ? undefined : new RegExp(process.env.RINGSIDE_ROWS);
const COMPILED = process.env.RINGSIDE_TIER === 'compiled';
/** Milliseconds: a long run takes its time. */
const TIMEOUT = Math.max(180_000, COUNT * (COMPILED ? 20 : 2));

describe.each<Width>([32, 64])('%d-bit instructions against the silicon', (width) => {
  const native = new Native(width);
  afterAll(() => native.dispose());
  const { missing } = native;
  it.skipIf(missing !== undefined)(
    `do what the processor does in ${COUNT} random cases${missing ? ` (skipped: ${missing})` : ''}`,
    async () => {
      const run = new Run(width, native, { cases: COUNT, seed: SEED, rows: ROWS, compiled: COMPILED });
      expect(await run.all()).toBe('');
      expect(run.compiled).toBeGreaterThan(COUNT / (COMPILED ? 2 : 12));
    },
    TIMEOUT,
  );
});
