/**
 * 64-bit system behaviour held against Bochs and QEMU: the same image, the same lines on COM1. Where an oracle and the manual
 * disagree the manual wins, and the table here names what differs and why.
 */
import { describe, expect, it } from 'vitest';
import { EmulatorEngine } from '../../src/engines/emulator/engine';
import { assembleGuest, compareGuest, type Fault, LONG, type Machine, makeRom, type Oracle, oracleMissing } from './harness';

interface Guest {
  readonly name: string;
  readonly machine?: Machine;
  /** Oracles that are not asked at all, with the reason. */
  readonly without?: Partial<Record<Oracle, string>>;
  readonly faults?: readonly Fault[];
  /** What the manual demands where no oracle does it. */
  readonly manual?: readonly string[];
}

const GUESTS: readonly Guest[] = [
  { name: 'long-modes', without: { qemu: 'it takes reserved bits and modes that do not go together, and does not come back' } },
];

describe.each(GUESTS)('the guest $name', ({ name, machine = LONG, without = {}, faults = [], manual }) => {
  for (const oracle of ['qemu', 'bochs'] as const) {
    if (without[oracle]) continue;
    it(`says the same on ${oracle} and on ours`, async (ctx) => {
      if (oracleMissing[oracle]) ctx.skip(oracleMissing[oracle]);
      await compareGuest(makeRom(assembleGuest(`${name}.asm`)), oracle, { faults, manual }, machine);
    });
  }
});

it('comes back from a guest whose every fault leads to the next', () => {
  const engine = new EmulatorEngine({ memory: 4 << 20, bios: makeRom(assembleGuest('endless.asm')) });
  let stop = engine.run({ instructions: 10_000 });
  for (let i = 0; i < 10 && stop.reason === 'slice'; i++) stop = engine.run({ instructions: 10_000 });
  expect(stop.reason).toBe('slice');
  expect(engine.instructionCount).toBeGreaterThanOrEqual(100_000);
});
