/** Random programs against nasm; a program that nasm refuses must be refused. RINGSIDE_FUZZ=n tries n of them. */
import { describe, expect, test } from 'vitest';
import { errorsOf, hex, nasm, NO_NASM, ours, program } from './nasm';
import { ProgramWriter, seededRandom } from './random-program';

const COUNT = Number(process.env.RINGSIDE_FUZZ ?? 150);

describe.skipIf(NO_NASM)('random programs', () => {
  test('give the same image as nasm, or are refused by both', () => {
    let accepted = 0;
    for (let seed = 1; seed <= COUNT; seed++) {
      const random = seededRandom(seed);
      const text = new ProgramWriter(random).write(20 + random(400));
      const theirs = nasm(program(text));
      const mine = ours(program(text));
      const context = `seed ${seed}\n${errorsOf(mine).slice(0, 5).join('\n')}\nnasm: ${[...theirs.errors].slice(0, 5).join('\n')}\n`;
      expect(mine.ok, context).toBe(theirs.image !== undefined);
      if (!theirs.image) continue;
      accepted++;
      if (hex(mine.image) !== hex(theirs.image)) expect.fail(`${context}images differ\n${text}`);
    }
    expect(accepted).toBeGreaterThan(COUNT / 3);
  });
});
