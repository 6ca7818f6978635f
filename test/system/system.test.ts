/**
 * The 16- and 32-bit system behaviour held against QEMU and Bochs: the same image, the same lines on COM1. Where an oracle
 * and the manual disagree the manual wins, and the table here names what differs and why.
 */
import { describe, it } from 'vitest';
import { assembleGuest, compareGuest, type Fault, makeRom, type Oracle, oracleMissing } from './harness';

interface Guest {
  readonly name: string;
  /** Oracles that are not asked at all, with the reason. */
  readonly without?: Partial<Record<Oracle, string>>;
  readonly faults?: readonly Fault[];
  /** What the manual demands where no oracle does it. */
  readonly manual?: readonly string[];
}

const GUESTS: readonly Guest[] = [
  { name: 'segments' },
  { name: 'limits', without: { qemu: 'TCG checks neither limits nor types of segments at an access' } },
];

describe.each(GUESTS)('the guest $name', ({ name, without = {}, faults = [], manual }) => {
  for (const oracle of ['qemu', 'bochs'] as const) {
    if (without[oracle]) continue;
    it(`says the same on ${oracle} and on ours`, async (ctx) => {
      if (oracleMissing[oracle]) ctx.skip(oracleMissing[oracle]);
      await compareGuest(makeRom(assembleGuest(`${name}.asm`)), oracle, { faults, manual });
    });
  }

  it('has an oracle for each line where one of them is at fault', () => {
    const faulty = (oracle: Oracle): readonly string[] =>
      faults.filter((fault) => fault.oracle === oracle).flatMap(({ experiments }) => experiments);
    const named = (line: string): string => line.split(': ')[0];
    const alone = faulty('qemu').filter((experiment) => without.bochs || faulty('bochs').includes(experiment));
    const aloneToo = without.qemu ? faulty('bochs') : [];
    const open = [...alone, ...aloneToo].filter((experiment) => !(manual ?? []).some((line) => named(line) === experiment));
    if (open.length > 0) throw new Error(`neither an oracle nor the manual is quoted for: ${open.join('; ')}`);
  });
});
