/** Programs that go through the whole language, byte for byte against nasm. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { errorsOf, hex, nasm, NO_NASM, ours, type Program } from './nasm';

const CORPUS = join(__dirname, 'corpus');
const names = readdirSync(CORPUS).filter((name) => name.endsWith('.asm'));

/** The program and all files that it may include. */
function withIncludes(name: string): Program {
  const others = readdirSync(CORPUS).filter((other) => /\.(inc|bin)$/.test(other));
  const read = (file: string): [string, Uint8Array] => [file, readFileSync(join(CORPUS, file))];
  return new Map<string, string | Uint8Array>([[name, readFileSync(join(CORPUS, name), 'utf8')], ...others.map(read)]);
}

test('the corpus is there', () => {
  expect(names.length).toBeGreaterThan(10);
});

describe.skipIf(NO_NASM)('flat images equal those of nasm', () => {
  test.each(names)('%s', (name) => {
    const files = withIncludes(name);
    const result = ours(files);
    expect(errorsOf(result)).toEqual([]);
    const theirs = nasm(files);
    expect([...theirs.errors]).toEqual([]);
    expect(hex(result.image)).toBe(hex(theirs.image));
  });
});

/** Programs whose listing has rows that we shape differently: reasons in each. */
const LISTED: readonly string[] = ['addresses.asm', 'bits.asm', 'boot-sector.asm', 'conditions.asm', 'optimisation.asm', 'prefixes.asm'];

describe.skipIf(NO_NASM)('listings equal those of nasm', () => {
  test.each(LISTED)('%s', (name) => {
    const files = withIncludes(name);
    const trimmed = (text: string): string[] => text.split('\n').map((line) => line.trimEnd());
    expect(trimmed(ours(files, 'bin', { listing: true }).listing)).toEqual(trimmed(nasm(files).listing));
  });
});

describe('what the result tells beside the image', () => {
  const files = withIncludes('boot-sector.asm');
  const result = ours(files);

  test('the origin and the size of a boot sector', () => {
    expect(result.origin).toBe(0x7c00);
    expect(result.image).toHaveLength(512);
    expect(result.image.slice(-2)).toEqual(Uint8Array.of(0x55, 0xaa));
  });

  test('lines cover the image without gaps', () => {
    let at = 0x7c00;
    for (const { address, length } of result.lines) {
      expect(address).toBe(at);
      at += length;
    }
    expect(at).toBe(0x7e00);
  });

  test('a line table entry names the line that wrote the bytes', () => {
    const lines = String(files.get('boot-sector.asm')).split('\n');
    const cli = result.lines.find(({ address }) => result.image[address - 0x7c00] === 0xfa);
    expect(lines[(cli?.line ?? 0) - 1].trim()).toBe('cli');
  });

  test('symbols have addresses, local labels the name of the label before them', () => {
    const symbol = (name: string): number => Number(result.symbols.find((each) => each.name === name)?.value);
    expect(symbol('start')).toBe(0x7c00);
    expect(symbol('gdt.end') - symbol('gdt')).toBe(24);
    expect(result.symbols.find(({ name }) => name === 'puts.done')).toMatchObject({
      kind: 'label',
      section: '.text',
      file: 'boot-sector.asm',
    });
  });
});
