/** Symbols and lines of real object files, against binutils. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LinearAddress } from '../../src/shared/addresses';
import { ElfFile, SectionFlag } from '../../src/symbols/elf';
import { elfDebugInfo } from '../../src/symbols/elf-info';
import { missing } from '../support/programs';

const lacking = missing({ gcc: 'gcc', readelf: 'binutils', addr2line: 'binutils', nm: 'binutils' });
const lackingNasm = lacking ?? missing({ nasm: 'nasm', ld: 'binutils' });

const SOURCE = `
#include <stddef.h>
static int square(int x) { return x * x; }
int table[16];
int fill(size_t n)
{
    int sum = 0;
    for (size_t i = 0; i < n && i < 16; i++) {
        table[i] = square((int) i);
        if (i & 1)
            sum += table[i];
        else
            sum -= table[i];
    }
    return sum;
}

int _start(void)
{
    return fill(16) + fill(3);
}
`;

describe('ELF files of gcc', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ringside-elf-'));
    writeFileSync(join(folder, 'program.c'), SOURCE);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function compile(name: string, ...options: string[]): string {
    const output = join(folder, name);
    execFileSync('gcc', ['-nostdlib', '-ffreestanding', '-no-pie', '-fno-pic', ...options, '-o', output, 'program.c'], { cwd: folder });
    return output;
  }

  /** Asks addr2line for every address of the text. */
  function checkLines(path: string): void {
    const bytes = readFileSync(path);
    const elf = new ElfFile(bytes);
    const info = elfDebugInfo(path, bytes);
    const text = elf.section('.text');
    if (!text) throw new Error('no .text');
    const addresses = Array.from({ length: text.size }, (_, i) => text.address + i);
    const answers = execFileSync('addr2line', ['-e', path], { input: addresses.map((address) => `0x${address.toString(16)}\n`).join('') })
      .toString()
      .trim()
      .split('\n')
      .map((line) => line.replace(/ \(discriminator \d+\)$/, ''));
    const ours = addresses.map((address) => {
      const found = info.positionAt(address as LinearAddress);
      return found ? `${found.path}:${found.line}` : '??:0';
    });
    const differing = answers.flatMap((answer, i) =>
      same(answer, ours[i]) ? [] : [`0x${addresses[i].toString(16)}: addr2line ${answer}, ours ${ours[i]}`],
    );
    expect(differing).toEqual([]);
    expect(answers.filter((answer) => !answer.startsWith('??')).length).toBeGreaterThan(50);
  }

  /** addr2line says `??:?` or `??:0` for what has no line. */
  function same(answer: string, ours: string): boolean {
    return answer.startsWith('??') ? ours.startsWith('??') : answer.replace(/\/\.\//g, '/') === ours.replace(/\/\.\//g, '/');
  }

  for (const version of [2, 3, 4, 5]) {
    for (const bits of [32, 64]) {
      for (const level of ['-O0', '-O2']) {
        it.skipIf(lacking)(`reads DWARF ${version} lines, ${bits}-bit ${level}${lacking ? ` (${lacking})` : ''}`, () => {
          checkLines(compile(`d${version}-${bits}${level}`, `-gdwarf-${version}`, '-gstrict-dwarf', `-m${bits}`, level));
        });
      }
    }
  }

  for (const bits of [32, 64]) {
    it.skipIf(lacking)(`reads the symbols that nm reads, ${bits}-bit${lacking ? ` (${lacking})` : ''}`, () => {
      const path = compile(`symbols-${bits}`, `-m${bits}`, '-O0');
      const info = elfDebugInfo(path, readFileSync(path));
      const listed = execFileSync('nm', [path]).toString().trim().split('\n');
      const expected = listed.map((line) => line.split(/\s+/)).filter(([, type]) => !'aU'.includes(type));
      expect(expected.length).toBeGreaterThan(3);
      for (const [address, , name] of expected) {
        expect(
          info.symbols.some((symbol) => symbol.name === name && symbol.address === Number(`0x${address}`)),
          name,
        ).toBe(true);
      }
      const fill = info.symbolNamed('fill');
      expect(fill?.kind).toBe('code');
      expect(fill?.global).toBe(true);
      expect(info.symbolNamed('square')?.global).toBe(false);
      expect(info.symbolNamed('table')).toMatchObject({ kind: 'data', size: 64 });
      expect(info.symbolAt((fill?.address ?? 0) + 3)).toEqual({ symbol: fill, offset: 3 });
    });
  }

  it.skipIf(lacking)(`reads the sections that readelf reads${lacking ? ` (${lacking})` : ''}`, () => {
    const path = compile('sections', '-m32', '-g');
    const elf = new ElfFile(readFileSync(path));
    const listed = [
      ...execFileSync('readelf', ['-SW', path])
        .toString()
        .matchAll(/^\s+\[\s*(\d+)\] (\S*)\s+\S+\s+([0-9a-f]{8}) ([0-9a-f]{6}) ([0-9a-f]{6})/gm),
    ];
    const shown = listed
      .slice(1)
      .map(([, index, name, address, offset, size]) => [
        Number(index),
        name,
        parseInt(address, 16),
        parseInt(offset, 16),
        parseInt(size, 16),
      ]);
    expect(shown.length).toBeGreaterThan(8);
    expect(elf.sections.slice(1).map(({ index, name, address, offset, size }) => [index, name, address, offset, size])).toEqual(shown);
    expect(elf.section('.text')?.flags).toBe(SectionFlag.executable | SectionFlag.allocated);
  });

  it.skipIf(lacking)(`reads the note that the linker writes${lacking ? ` (${lacking})` : ''}`, () => {
    const path = compile('notes', '-m32', '-Wl,--build-id=0x0123456789abcdef');
    const note = new ElfFile(readFileSync(path)).notes().find(({ name, type }) => name === 'GNU' && type === 3);
    expect(Buffer.from(note?.contents ?? []).toString('hex')).toBe('0123456789abcdef');
  });

  it.skipIf(lackingNasm)(`reads the lines of nasm's elf32${lackingNasm ? ` (${lackingNasm})` : ''}`, () => {
    writeFileSync(
      join(folder, 'kernel.asm'),
      'bits 32\nglobal _start\n_start:\n  mov eax, 1\n  nop\n.again:\n  inc eax\n  jmp .again\nsection .data\nvalue: dd 5\n',
    );
    execFileSync('nasm', ['-f', 'elf32', '-g', '-F', 'dwarf', '-o', 'kernel.o', 'kernel.asm'], { cwd: folder });
    execFileSync('ld', ['-m', 'elf_i386', '-o', 'kernel', 'kernel.o'], { cwd: folder });
    const path = join(folder, 'kernel');
    const info = elfDebugInfo(path, readFileSync(path));
    const start = info.symbolNamed('_start')?.address ?? 0;
    expect(info.positionAt(start as LinearAddress)).toMatchObject({ line: 4 });
    expect(info.positionAt((start + 5) as LinearAddress)).toMatchObject({ line: 5 });
    const [file] = info.files.filter((name) => name.endsWith('kernel.asm'));
    expect(info.codeLines(file, 1, 100)).toEqual([4, 5, 7, 8]);
    expect(info.rangesOf(file, 7).map(({ address }) => address)).toEqual([start + 6]);
  });
});
