/** The command line's contract, as docs/cli.md states it. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { LaunchError } from '../../src/engines/launch';
import { launch } from '../../src/engines/launcher';
import { missing } from '../support/programs';
import { file, folder, type Outcome, ringside } from './command-line';

const samples = resolve(import.meta.dirname, '../../samples');
const rings = join(samples, 'rings/rings.asm');

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The boot sector's end: halt for good, so that nothing is left to wait for. */
const HALT = 'cli\nhlt\n';
const sector = (name: string, code: string): string => file(name, `bits 16\norg 0x7c00\nstart:\n${code}\n`);

/** Prints its command line and its modules' first bytes; then ends with status 7. */
const KERNEL = `
start:  mov edx, 0x3f8
        mov esi, [ebx+16]
.text:  lodsb
        test al, al
        jz .modules
        out dx, al
        jmp .text
.modules:
        mov al, '|'
        out dx, al
        mov ecx, [ebx+20]
        mov edi, [ebx+24]
.next:  jecxz .end
        mov esi, [edi]
        lodsb
        out dx, al
        add edi, 16
        dec ecx
        jmp .next
.end:   mov al, 3
        out 0xf4, al
`;
const ELF_KERNEL = `bits 32\nsection .text\nalign 4\ndd 0x1badb002, 3, -(0x1badb002 + 3)\nglobal start\n${KERNEL}`;
const FLAT_KERNEL = `bits 32
org 0x100000
header: dd 0x1badb002, 0x10003, -(0x1badb002 + 0x10003), header, header, 0, 0, start
${KERNEL}`;

describe('exit statuses', () => {
  it.each([
    ['0 when the guest halts', 'halts.asm', HALT, [], 0],
    ['2n + 1 from port 0xF4', 'exits.asm', 'mov al, 5\nout 0xf4, al', [], 11],
    ['3 for a triple fault', 'triple.asm', 'lidt [zero]\nint3\nzero: dw 0, 0, 0', [], 3],
    ['4 at the instruction limit', 'loops.asm', 'jmp start', ['--max-instructions', '100k'], 4],
    ['0 at a breakpoint', 'breaks.asm', `nop\nhere: ${HALT}`, ['--break', 'here'], 0],
  ])('%s', async (_what, name, code, options, status) => {
    const outcome = await ringside(['run', sector(name, code), ...options]);
    expect(outcome.stdout).toBe('');
    expect(outcome.status, outcome.stderr).toBe(status);
  });
});

describe('run', () => {
  it('prints one JSON object with the keys of the contract', async () => {
    const { status, stdout } = await ringside(['run', rings, '--json', '--trace', 'trace.jsonl', '--serial', 'serial.txt']);
    expect(status).toBe(1);
    const result = JSON.parse(stdout);
    expect(Object.keys(result)).toEqual([
      'engine',
      'stop',
      'instructions',
      'seconds',
      'registers',
      'transitions',
      'serial',
      'engineStats',
      'vmx',
      'vmcs',
      'entryChecks',
    ]);
    expect(result).toMatchObject({ vmx: null, vmcs: null, entryChecks: null });
    expect(Object.keys(result.stop)).toEqual(['reason', 'code', 'address', 'vcpu']);
    expect(result.stop).toMatchObject({ reason: 'exited', code: 1, vcpu: 0 });
    expect(Object.keys(result.transitions)).toEqual(['total', 'byKind', 'byCause']);
    for (const [name, value] of Object.entries(result.registers)) {
      expect(name).toBe(name.toLowerCase());
      expect(value).toMatch(/^0x[0-9a-f]+$/);
    }
    const sum = (counts: Record<string, number>) => Object.values(counts).reduce((total, count) => total + count, 0);
    expect(sum(result.transitions.byKind)).toBe(result.transitions.total);
    expect(sum(result.transitions.byCause)).toBe(result.transitions.total);
    expect(readFileSync(join(folder, 'serial.txt'), 'latin1')).toBe(result.serial);
    const trace = readFileSync(join(folder, 'trace.jsonl'), 'utf8').trim().split('\n');
    expect(trace.map((line) => JSON.parse(line).sequence)).toEqual(Array.from({ length: result.transitions.total }, (_, i) => i));
  });

  it('says its version, and what it can be asked', async () => {
    const { version } = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../package.json'), 'utf8'));
    expect(await ringside(['--version'])).toEqual({ status: 0, stdout: `ringside ${version}\n`, stderr: '' });
    const { stdout, status } = await ringside(['run', '--help']);
    expect(status).toBe(0);
    for (const [, option] of readFileSync(resolve(import.meta.dirname, '../../docs/cli.md'), 'utf8').matchAll(/^\| `(--[a-z-]+)/gm)) {
      expect(stdout).toContain(`  ${option}`);
    }
  });

  it('profiles into the JSON, or as a table on standard error', async () => {
    const source = sector('profiled.asm', `mov cx, 40000\nagain: add ax, cx\ndec cx\njnz again\n${HALT}`);
    const { stdout } = await ringside(['run', source, '--json', '--profile']);
    const { instructions, compileSeconds, engineStats } = JSON.parse(stdout);
    const sum = (counts: Record<string, number>) => Object.values(counts).reduce((total, count) => total + count, 0);
    expect(sum(engineStats.instructionsByTier)).toBe(instructions);
    expect(sum(engineStats.instructionsByMnemonic) + engineStats.repeatedIterations).toBe(instructions);
    expect(sum(engineStats.instructionsByClass)).toBe(sum(engineStats.instructionsByMnemonic));
    expect(engineStats.instructionsByMnemonic.add).toBeGreaterThanOrEqual(40000);
    expect(engineStats.instructionsByTier.compiled).toBeGreaterThan(100_000);
    expect(compileSeconds).toBeGreaterThan(0);
    const again = await ringside(['run', source, '--json', '--profile']);
    expect(JSON.parse(again.stdout).engineStats).toEqual(engineStats);
    const table = await ringside(['run', source, '--profile']);
    expect(table).toMatchObject({ status: 0, stdout: '' });
    const add = engineStats.instructionsByMnemonic.add.toLocaleString('en');
    expect(table.stderr).toMatch(new RegExp(`^  add +${add} +\\d+\\.\\d %$`, 'm'));
  });

  it('says where it stopped', async () => {
    const source = sector('where.asm', `nop\nhere: ${HALT}`);
    for (const place of ['here', '0x7c01', '31745']) {
      const { stdout } = await ringside(['run', source, '--json', '--break', place]);
      expect(JSON.parse(stdout).stop).toEqual({ reason: 'breakpoint', code: null, address: '0x7c01', vcpu: 0 });
    }
  });

  it('types standard input into COM1', async () => {
    const echo = sector(
      'echo.asm',
      `mov dx, 0x3fd
.wait: in al, dx
test al, 1
jz .wait
mov dx, 0x3f8
in al, dx
out dx, al
mov dx, 0x3fd
cmp al, '.'
jne .wait
${HALT}`,
    );
    expect(await ringside(['run', echo], { input: 'hello.' })).toEqual({ status: 0, stdout: 'hello.', stderr: '' });
  });

  it('prints port 0xE9 on standard error', async () => {
    const source = sector('console.asm', `mov al, 'x'\nout 0xe9, al\n${HALT}`);
    expect(await ringside(['run', source])).toEqual({ status: 0, stdout: '', stderr: 'x' });
  });

  it('gives a Multiboot kernel its command line and modules', async () => {
    file('a.mod', 'A');
    file('b.mod', 'B');
    await ringside(['asm', file('flat.asm', FLAT_KERNEL), '-f', 'bin', '-o', 'flat.bin']);
    const options = ['--append', 'x=1 y', '--initrd', 'a.mod with arguments,b.mod'];
    expect(await ringside(['run', '--kernel', 'flat.bin', ...options])).toEqual({ status: 7, stdout: 'flat.bin x=1 y|AB', stderr: '' });
    expect(await ringside(['run', 'flat.bin', '--', 'p', 'q'])).toEqual({ status: 7, stdout: 'flat.bin p q|', stderr: '' });
  });

  it('runs a kernel as ld lays it out, with its headers before the first mebibyte', async (ctx) => {
    const lacking = missing({ ld: 'binutils' });
    if (lacking) ctx.skip(lacking);
    await ringside(['asm', file('kernel.asm', ELF_KERNEL), '-f', 'elf32', '-o', 'kernel.o']);
    execFileSync('ld', ['-m', 'elf_i386', '-Ttext', '0x100000', '-e', 'start', '-o', 'kernel.elf', 'kernel.o'], { cwd: folder });
    expect(await ringside(['run', 'kernel.elf'])).toEqual({ status: 7, stdout: 'kernel.elf|', stderr: '' });
    const { stdout } = await ringside(['run', 'kernel.elf', '--break', 'start', '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ stop: { reason: 'breakpoint' }, registers: { eax: '0x2badb002' } });

    // Cut off anywhere, it either lacks nothing that is loaded, or is refused in one line.
    const whole = readFileSync(join(folder, 'kernel.elf'));
    let refused = 0;
    for (let length = 0; length < whole.length; length++) {
      try {
        launch({ kernel: 'kernel.elf' }, () => whole.subarray(0, length));
      } catch (error) {
        expect(error).toBeInstanceOf(LaunchError);
        expect((error as Error).message).toMatch(/^kernel\.elf: [^\n]+$/);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(4096);
  });

  it('ends quietly when nobody reads its output any more', async () => {
    const endless = sector('endless.asm', `mov dx, 0x3f8\n.again: mov al, 'x'\nout dx, al\njmp .again`);
    const { status, stderr } = await ringside(['run', endless], { closeOutput: true });
    expect(stderr).toBe('');
    expect(status).toBe(141);
  });
});

describe('asm and disasm', () => {
  it('looks up -I and -D', async () => {
    mkdirSync(join(folder, 'include'));
    file('include/part.inc', 'db 2');
    const source = file('defined.asm', 'db VALUE\n%include "part.inc"\n');
    const outcome = await ringside(['asm', source, '-f', 'bin', '-o', 'defined.bin', '-I', 'include', '-DVALUE=1', '-l', 'defined.lst']);
    expect(outcome).toEqual({ status: 0, stdout: '', stderr: '' });
    expect([...readFileSync(join(folder, 'defined.bin'))]).toEqual([1, 2]);
    expect(readFileSync(join(folder, 'defined.lst'), 'utf8')).toContain('db VALUE');
  });

  it('tells every error in a line of its own, with its place, and ends with 1', async () => {
    const { status, stderr } = await ringside(['asm', file('wrong.asm', 'mov eax\nnop\ndb missing\n'), '-o', 'wrong.bin']);
    expect(status).toBe(1);
    expect(stderr).toMatch(/^wrong\.asm:1:\d+: error: .+\nwrong\.asm:3:\d+: error: .+\n$/);
  });

  it.each([
    ['16', '0x7c00', '00007C00  E8FDFF                  call 0x7c00\n'],
    ['32', '0x123456000', '123456000  E8FDFF0000              call 0x23466002\n'],
    ['64', '0x123456789000', '0000123456789000  E8FDFF0000              call 0x123456799002\n'],
    ['64', '0xffffffff80000000', 'FFFFFFFF80000000  E8FDFF0000              call 0xffffffff80010002\n'],
  ])('shows %s-bit code at %s', async (bits, origin, expected) => {
    const name = file(`call${bits}.bin`, Uint8Array.of(0xe8, 0xfd, 0xff, ...(bits === '16' ? [] : [0, 0])));
    expect(await ringside(['disasm', name, '--bits', bits, '--origin', origin])).toEqual({ status: 0, stdout: expected, stderr: '' });
  });
});

/** Status 2, nothing on standard output, and one line that is ours. */
function expectRefusal({ status, stdout, stderr }: Outcome, says: RegExp): void {
  expect(stderr).toMatch(/^ringside: [^\n]+\n$/);
  expect(stderr).toMatch(says);
  expect(stdout).toBe('');
  expect(status).toBe(2);
}

describe('wrong use is told in one line, with status 2', () => {
  const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 151 + 17) & 0xff);
  file('empty', '');
  file('bytes', bytes(5000));
  file('short', bytes(100));
  sector('good.asm', HALT);
  it.each([
    [['frobnicate'], /there is no command/],
    [['compare', 'x'], /not implemented/],
    [['run'], /nothing to run/],
    [['run', 'nothere'], /nothere: no such file/],
    [['run', '.'], /is a directory/],
    [['run', 'empty'], /the file is empty/],
    [['run', 'bytes'], /no program/],
    [['run', 'short'], /no program/],
    [['run', '--kernel', 'bytes'], /no program/],
    [['run', '--disk', 'empty'], /empty: the file is empty/],
    [['run', '--disk', 'bytes'], /boot signature/],
    [['run', '--bios', 'bytes'], /bytes: BIOS image of 5000 bytes/],
    [['run', '--bios', '.'], /is a directory/],
    [['run', 'good.asm', 'good.asm'], /one too many/],
    [['run', 'good.asm', '--kernel', 'x'], /not both/],
    [['run', 'good.asm', '--append', 'x'], /needs a kernel/],
    [['run', 'good.asm', '--disk', 'bytes'], /second disk/],
    [['run', 'good.asm', '--engine', 'paravirt'], /not implemented/],
    [['run', 'good.asm', '--engine', 'x'], /--engine/],
    [['run', 'good.asm', '--cpus', '9'], /9 processors: expected 1 to 8/],
    [['run', 'good.asm', '--memory', '64X'], /--memory/],
    [['run', 'good.asm', '--memory', '1'], /memory of 1 bytes/],
    [['run', 'good.asm', '--max-instructions', 'many'], /--max-instructions/],
    [['run', 'good.asm', '--max-instructions', '-5'], /--max-instructions=-/],
    [['run', 'good.asm', '--break', 'nowhere'], /nowhere/],
    [['run', 'good.asm', '--serial', 'no/where'], /cannot be written/],
    [['run', 'good.asm', '--trace', '.'], /cannot be written/],
    [['run', 'good.asm', '--whatever'], /--whatever/],
    [['asm', 'good.asm'], /-o/],
    [['asm', 'good.asm', '-o', '.'], /cannot be written/],
    [['asm', 'good.asm', '-f', 'coff', '-o', 'x'], /coff/],
    [['disasm', 'bytes'], /--bits/],
    [['disasm', 'bytes', '--bits', '64', '--origin', '0x8000000000000000'], /canonical/],
    [['dap', '--port', '99999'], /no port/],
  ] as const)('%j', async (args, says) => {
    expectRefusal(await ringside(args), says);
  });
});
