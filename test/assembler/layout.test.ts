/** Flat images of several sections, with addresses and alignments of their own, against nasm. */
import { describe, expect, test } from 'vitest';
import { errorsOf, hex, nasm, NO_NASM, ours, program } from './nasm';
import { type Random, seededRandom } from './random-program';

const NAMES = ['.text', '.data', '.bss', 'one', 'two', 'empty'];

function attributes(name: string, level: number, random: Random): string {
  let text = name === 'empty' ? ' nobits' : '';
  if (level >= 1 && random(3) === 0) text += ` align=${1 << random(6)}`;
  if (level >= 2 && random(4) === 0) text += ` vstart=${0x1000 * (1 + random(8))}`;
  if (level >= 3 && random(4) === 0) text += ` valign=${1 << random(6)}`;
  return text;
}

/** Sections in random order; .text ends with the addresses of all. */
function randomSections(level: number, random: Random): string {
  const lines: string[] = random(2) ? [`org ${random(2) ? 0x100 : 0x7c00}`] : [];
  const order: string[] = [];
  for (const name of NAMES) if (random(3)) order.splice(random(order.length + 1), 0, name);
  const reserves = (name: string): boolean => name === '.bss' || name === 'empty';
  for (const [i, name] of order.entries()) {
    lines.push(`section ${name}${attributes(name, level, random)}`, `label_${i}:`);
    lines.push(reserves(name) ? `resb ${random(20)}` : `times ${random(9)} db ${i}`);
  }
  lines.push('section .text', ...order.map((_, i) => `dw label_${i}`));
  const again = order[random(Math.max(1, order.length))];
  if (again) lines.push(`section ${again}`, reserves(again) ? 'resb 3' : 'db 0x77');
  return `${lines.join('\n')}\n`;
}

describe.skipIf(NO_NASM)('random sections', () => {
  test.each([
    [0, 'in source order'],
    [1, 'with alignments'],
    [2, 'with addresses of their own in memory'],
    [3, 'with alignments in memory'],
  ])('%i: %s', (level) => {
    const random = seededRandom(level + 1);
    let accepted = 0;
    for (let i = 0; i < 60; i++) {
      const text = randomSections(level, random);
      const [mine, theirs] = [ours(program(text)), nasm(program(text))];
      expect(mine.ok, `${text}${errorsOf(mine).join('\n')}`).toBe(theirs.image !== undefined);
      if (theirs.image) {
        accepted++;
        expect(hex(mine.image), text).toBe(hex(theirs.image));
      }
    }
    expect(accepted).toBeGreaterThan(30);
  });
});

test('sections tell where they lie', () => {
  const { sections } = ours(program('org 0x100\ndb 1\nsection .data align=16\ndb 2\nsection .bss\nresb 5\n'));
  expect(sections).toEqual([
    { name: '.text', address: 0x100, position: 0, size: 1 },
    { name: '.data', address: 0x110, position: 16, size: 1 },
    { name: '.bss', address: 0x114, position: -1, size: 5 },
  ]);
});
