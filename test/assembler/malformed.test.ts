/** Truncated, shuffled and random sources, and sources made to hang or to explode: one clear error, never a crash. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { errorsOf, ours, program } from './nasm';
import { type Random, seededRandom } from './random-program';

const CORPUS = join(__dirname, 'corpus');
const texts = readdirSync(CORPUS)
  .filter((name) => name.endsWith('.asm'))
  .map((name) => readFileSync(join(CORPUS, name), 'utf8'));
const words = [...new Set(texts.join(' ').split(/\s+/))];
const CASES = Number(process.env.RINGSIDE_FUZZ ?? 1500);

const MAKERS: readonly ((random: Random) => string)[] = [
  (random) => {
    const text = texts[random(texts.length)];
    return text.slice(0, random(text.length));
  },
  (random) => Array.from({ length: random(300) }, () => words[random(words.length)] + (random(4) ? ' ' : '\n')).join(''),
  (random) =>
    Array.from({ length: random(600) }, () => String.fromCharCode(random(10) ? 32 + random(95) : random(8) ? 10 : random(65536))).join(''),
  (random) => {
    const text = texts[random(texts.length)];
    const at = random(text.length);
    return text.slice(0, at) + text.slice(at + random(60));
  },
];

test('random and broken sources are refused or assembled, never thrown on, and problems have places', () => {
  const random = seededRandom(11);
  for (let i = 0; i < CASES; i++) {
    const text = MAKERS[i % MAKERS.length](random);
    const result = ours(program(text), (['bin', 'elf32', 'elf64'] as const)[random(3)], { listing: true });
    expect(result.ok).toBe(errorsOf(result).length === 0);
    for (const { line, column, length } of result.diagnostics) expect(Math.min(line, column, length)).toBeGreaterThan(0);
  }
});

const repeat = (text: string, count: number): string => text.repeat(count);
const lines = (count: number, each: (i: number) => string): string => Array.from({ length: count }, (_, i) => each(i)).join('\n');

/** What each must be refused with. */
const HOSTILE: readonly (readonly [name: string, source: string, error: RegExp])[] = [
  ['a huge TIMES', 'times 1000000000000 db 0', /1:1: the count of TIMES is 1000000000000: the limit/],
  ['a negative TIMES', 'times -5 db 0', /cannot be negative/],
  ['sections that grow too far', 'times 200000000 db 0\ntimes 200000000 db 0', /2:1: section .text grows beyond/],
  ['a TIMES that must be evaluated each time', 'times 5000000 jmp $', /repetitions of something/],
  ['a huge %rep', '%rep 1000001\nnop\n%endrep', /beyond the limit of 1000000 repetitions/],
  ['macros that double', `%define a0 x\n${lines(40, (i) => `%define a${i + 1} a${i} a${i}`)}\ndb a40`, /longer than 200000 tokens/],
  ['%xdefine that doubles', '%define a x\n%rep 40\n%xdefine a a a\n%endrep\ndb a', /longer than 200000 tokens/],
  ['a long chain of macros', `${lines(5000, (i) => `%define a${i + 1} a${i}`)}\ndb a5000`, /nested more than 800 deep/],
  ['a macro that calls itself', '%rmacro a 0\na\n%endmacro\na', /nested more than 5000 deep/],
  ['a macro whose arguments double', '%rmacro a 1+\na %1, %1\n%endmacro\na 1', /longer than 200000 tokens/],
  ['parentheses', `db ${repeat('(', 100_000)}`, /nested too deeply/],
  ['signs', `db ${repeat('-', 100_000)}1`, /nested too deeply/],
  ['a long sum of labels', `x: db ${Array(100_000).fill('x').join('-')}`, /too long to evaluate/],
  ['nested DUP', `db ${repeat('2 dup (', 3000)}1${repeat(')', 3000)}`, /nested too deeply/],
  ['nested indirections', `${repeat('%[', 5000)}x${repeat(']', 5000)}`, /nested more than/],
  ['a file that includes itself', '%include "program.asm"', /include each other more than 64 deep/],
  ['symbols that depend on each other', 'a equ b\nb equ a\ndb a', /symbol 'b' is not defined/],
  ['a symbol that never settles', 'x: times 2-(y-x) db 0\ny:', /no stable values/],
  ['a huge reservation', 'resb 0x7fffffffffffffff', /the limit is/],
  ['DUP within DUP', 'db 1000000 dup (1000000 dup (1))', /grows beyond/],
  ['contexts without end', '%rep 100000\n%push a\n%endrep', /contexts are open/],
  ['sections without end', lines(30_000, (i) => `section s${i}`), /more than 20000 sections/],
  ['a section far away', 'section a start=0x7fffffff\ndb 1\n', /the limit is/],
  ['a string that doubles', '%define s "a"\n%rep 40\n%strcat s s, s\n%endrep\ndb s', /a string longer than/],
  ['conditions that are never closed', repeat('%if 1\n', 1000), /expected %endif/],
  ['a macro that is never closed', '%macro m 1\nnop', /expected %endmacro/],
  ['a repetition that is never closed', '%rep 3\nnop', /expected %endrep/],
];

describe('hostile sources', () => {
  test.each(HOSTILE)('%s', (_name, source, error) => {
    const errors = errorsOf(ours(program(source)));
    expect(
      errors.some((each) => error.test(each)),
      errors.slice(0, 3).join('\n'),
    ).toBe(true);
  });

  test('no more problems are told than a person would read', () => {
    const { diagnostics } = ours(program(repeat('foo bar\n', 5000)));
    expect(diagnostics).toHaveLength(1000);
  });
});
