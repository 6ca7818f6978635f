/** ELF objects: what binutils say of ours equals what they say of nasm's; ld, addr2line and gdb take them. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { FormatName } from '../../src/assembler/assemble';
import { missing } from '../support/programs';
import { errorsOf, inFolder, nasm, ours, program, type Program } from './nasm';
import { ProgramWriter, seededRandom } from './random-program';

const CORPUS = join(__dirname, 'corpus/elf');
const MISSING = missing({ nasm: 'nasm', readelf: 'binutils', objdump: 'binutils', ld: 'binutils', addr2line: 'binutils' });
const NO_GDB = missing({ gdb: 'gdb' });

function run(command: string, args: readonly string[], cwd: string): string {
  const { stdout, stderr, status } = spawnSync(command, args, { cwd, encoding: 'latin1' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
  return stdout;
}

/** Everything that binutils tell of an object, without the places of things in the file. */
function description(object: Uint8Array): string[] {
  return inFolder(new Map([['o', object]]), (folder) => {
    const sections = run('readelf', ['-SW', 'o'], folder).replaceAll(/ [0-9a-f]{6} ([0-9a-f]{6}) /g, ' $1 ');
    const tables = run('readelf', ['-rsW', 'o'], folder).replaceAll(/offset 0x[0-9a-f]+ /g, '');
    const contents = run('objdump', ['-s', 'o'], folder);
    return [sections, tables, contents].join('\n').split('\n');
  });
}

const names = readdirSync(CORPUS).filter((name) => name.endsWith('.asm'));

/** Programs of one format alone. */
const FORMATS: Readonly<Record<string, readonly FormatName[]>> = {
  'relocations-64.asm': ['elf64'],
  'sections-64.asm': ['elf64'],
  'relocations-32.asm': ['elf32'],
  'relative-32.asm': ['elf32'],
};

describe.skipIf(MISSING)('sections, relocations and symbols equal those of nasm', () => {
  const cases = names.flatMap((name) => (FORMATS[name] ?? ['elf32', 'elf64']).map((format) => [name, format] as const));
  test.each(cases)('%s as %s', (name, format) => {
    const files: Program = new Map([[name, readFileSync(join(CORPUS, name), 'utf8')]]);
    const mine = ours(files, format, { debug: false });
    expect(errorsOf(mine)).toEqual([]);
    const theirs = nasm(files, format);
    expect([...theirs.errors]).toEqual([]);
    expect(description(mine.image)).toEqual(description(theirs.image ?? new Uint8Array(0)));
  });
});

describe.skipIf(MISSING)('random objects equal those of nasm', () => {
  test.each(['elf32', 'elf64'] as const)('%s', (format) => {
    let accepted = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const random = seededRandom(seed);
      const files = program(new ProgramWriter(random, format).write(20 + random(200)));
      const [mine, theirs] = [ours(files, format, { debug: false }), nasm(files, format)];
      expect(mine.ok, `seed ${seed}\n${errorsOf(mine).slice(0, 5).join('\n')}\n${[...theirs.errors].slice(0, 5).join('\n')}`).toBe(
        theirs.image !== undefined,
      );
      if (!theirs.image) continue;
      accepted++;
      expect(description(mine.image), `seed ${seed}`).toEqual(description(theirs.image));
    }
    expect(accepted).toBeGreaterThan(10);
  });
});

const MAIN = `global _start
extern other
section .text
%macro exit 1
    mov edi, %1
    mov eax, 60
    syscall
%endmacro
_start:
    call helper
    call other
    exit 3
%include "helper.inc"
section .data
message: db "hi"
section .text.second exec
    nop
`;
const HELPER = 'helper:\n    mov esi, 5\n    ret\n';
const OTHER = 'global other\nsection .text\nother: nop\n    nop\n    ret\n';
/** The line of the first instruction of each function. */
const PLACES: Readonly<Record<string, string>> = { _start: 'main.asm:10', helper: 'helper.inc:2', other: 'other.asm:3' };

/** Links the two programs and hands the folder on. */
function linked<T>(use: (folder: string) => T): T {
  const files: Program = new Map([
    ['main.asm', MAIN],
    ['other.asm', OTHER],
    ['helper.inc', HELPER],
  ]);
  return inFolder(files, (folder) => {
    for (const name of ['main', 'other']) {
      const source = `${name}.asm`;
      const result = ours(new Map([[source, String(files.get(source))], ...files]), 'elf64');
      expect(errorsOf(result)).toEqual([]);
      writeFileSync(join(folder, `${name}.o`), result.image);
    }
    run('ld', ['-o', 'linked', 'main.o', 'other.o'], folder);
    return use(folder);
  });
}

describe.skipIf(MISSING)('debug information', () => {
  test('the linked program runs', () => {
    linked((folder) => expect(spawnSync(join(folder, 'linked')).status).toBe(3));
  });

  test('addr2line finds the lines, those of included files among them', () => {
    linked((folder) => {
      const symbols = run('nm', ['linked'], folder)
        .split('\n')
        .map((line) => line.split(' '));
      for (const [name, place] of Object.entries(PLACES)) {
        const address = symbols.find((symbol) => symbol[2] === name)?.[0] ?? '';
        expect(run('addr2line', ['-e', 'linked', address], folder).trim()).toBe(place);
      }
    });
  });

  test('readelf reads it without complaint', () => {
    linked((folder) => {
      for (const file of ['main.o', 'linked']) {
        const { stdout, stderr } = spawnSync('readelf', ['--debug-dump=decodedline,info,abbrev,aranges,Ranges', file], {
          cwd: folder,
          encoding: 'utf8',
        });
        expect(stderr).toBe('');
        expect(stdout).toContain('helper.inc');
      }
    });
  });

  test.skipIf(NO_GDB)('gdb breaks at lines and functions', () => {
    linked((folder) => {
      const commands = ['break helper', 'run', 'backtrace', 'break other.asm:4', 'continue', 'info source'];
      const output = run('gdb', ['-batch', '-nx', ...commands.flatMap((each) => ['-ex', each]), 'linked'], folder);
      expect(output).toMatch(/Breakpoint 1, helper \(\) at helper.inc:2/);
      expect(output).toMatch(/_start \(\) at main.asm:10/);
      expect(output).toMatch(/Breakpoint 2, other \(\) at other.asm:4/);
      expect(output).toContain('Source language is asm');
    });
  });
});

test('a relocation that the format does not have is an error at its place', () => {
  const result = ours(program('extern far_away\n  dw far_away wrt ..plt\n'), 'elf64');
  expect(errorsOf(result)).toEqual(['program.asm:2:6: the output format elf64 has no relocation of 2 bytes with respect to ..plt']);
});
