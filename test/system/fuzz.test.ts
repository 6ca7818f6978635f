/**
 * Guests of random bytes: they must neither throw, hang nor differ between two runs of the same seed. `RINGSIDE_FUZZ` gives
 * the instructions of one guest for a long run (10000000); `RINGSIDE_FUZZ_SEED` another first seed, `RINGSIDE_FUZZ_SEEDS` how many.
 */
import { describe, expect, it } from 'vitest';
import { EmulatorEngine } from '../../src/engines/emulator/engine';
import { assembleGuest, makeRom } from './harness';
import { digest, random } from './support';

const INSTRUCTIONS = Number(process.env.RINGSIDE_FUZZ ?? 100_000);
const FIRST_SEED = Number(process.env.RINGSIDE_FUZZ_SEED ?? 1);
const SEEDS = Number(process.env.RINGSIDE_FUZZ_SEEDS ?? 1);
const MEMORY = 4 << 20;
const SLICE = 50_000;
/** Where the guest puts its random code, by fuzz.asm. */
const CODE = 0x10000;
const CODE_SIZE = 0x10000;
/** Instructions after which the guest has been copied and has made its mode. */
const START = 60_000;
/** A guest that ends at once counts as so many instructions: a new machine takes its time. */
const RESTART_COST = 5_000;

interface Outcome {
  readonly reasons: string;
  readonly state: string;
  readonly instructions: number;
}

/** Runs one guest, restarted by the guest's own handlers or by the reset, whichever it takes. */
function runRandom(rom: Uint8Array, seed: number): Outcome {
  const engine = new EmulatorEngine({ memory: MEMORY, bios: rom });
  const next = random(seed);
  const reasons: string[] = [];
  // Up to where the guest has made its mode and is about to enter the random bytes.
  const start = (): void => {
    engine.restart();
    engine.run({ instructions: START });
  };
  start();
  let executed = 0;
  while (executed < INSTRUCTIONS) {
    const bytes = Uint8Array.from({ length: CODE_SIZE }, () => next() & 0xff);
    engine.writeMemory(0, 'physical', CODE, bytes);
    const before = engine.instructionCount;
    const stop = engine.run({ instructions: SLICE });
    executed += Math.max(engine.instructionCount - before, RESTART_COST);
    if (stop.reason === 'error') throw new Error(`seed ${seed} after ${engine.instructionCount} instructions: ${stop.text}`);
    reasons.push(stop.reason);
    if (stop.reason !== 'slice') {
      start();
    }
  }
  return { reasons: reasons.join(), state: digest(engine, MEMORY), instructions: engine.instructionCount };
}

describe.each(['real', 'protected', 'paged', 'user', 'virtual'])('random bytes in %s mode', (mode) => {
  it(`neither throw nor hang nor differ, ${INSTRUCTIONS} instructions a seed`, { timeout: 3_600_000 }, () => {
    const rom = makeRom(assembleGuest('fuzz.asm', { MODE: mode.toUpperCase() }));
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
      const first = runRandom(rom, seed);
      expect(runRandom(rom, seed), `seed ${seed}`).toEqual(first);
    }
  });
});
