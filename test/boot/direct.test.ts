/** Kernels that are entered directly: PVH against QEMU's loader, Linux' boot protocol by what the kernel is told. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { assemble, type FormatName } from '../../src/assembler/assemble';
import { detectProgram } from '../../src/engines/program/detect';
import { missing } from '../support/programs';
import { runKernel } from './support';

const folder = mkdtempSync(join(tmpdir(), 'ringside-boot-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const guests = join(import.meta.dirname, 'guests');
const linkerMissing = missing({ ld: 'binutils' });
const qemuMissing = missing({ 'qemu-system-i386': 'qemu-system-x86', ld: 'binutils' });

function assembled(text: string, format: FormatName = 'bin'): Uint8Array {
  const read = (name: string): string => readFileSync(join(guests, name), 'utf8');
  const result = assemble({ path: join(guests, 'guest.asm'), text, format, read: (name) => read(name.slice(name.lastIndexOf('/') + 1)) });
  if (!result.ok) throw new Error(result.diagnostics.map(({ line, message }) => `${line}: ${message}`).join('\n'));
  return result.image;
}

/** An ELF32 program that begins at `address`. */
function linked(name: string, text: string, address: string): Uint8Array {
  writeFileSync(join(folder, `${name}.o`), assembled(text, 'elf32'));
  execFileSync('ld', ['-m', 'elf_i386', `-Ttext-segment=${address}`, '-o', join(folder, name), join(folder, `${name}.o`)], {
    stdio: 'pipe',
  });
  return new Uint8Array(readFileSync(join(folder, name)));
}

describe('PVH', () => {
  const source = readFileSync(join(guests, 'pvh.asm'), 'utf8');
  const initrd = new TextEncoder().encode('initial RAM disk');

  it.skipIf(qemuMissing)(
    `tells a kernel what QEMU tells it${qemuMissing ? ` (${qemuMissing})` : ''}`,
    () => {
      const kernel = linked('pvh', source, '0x200000');
      expect(detectProgram('pvh', kernel)).toEqual({ kind: 'pvh' });
      const ours = runKernel(
        { kernel: '/pvh', initrd: '/initrd', append: 'quiet one=1', memory: 32 << 20 },
        { '/pvh': kernel, '/initrd': initrd },
      );
      writeFileSync(join(folder, 'initrd'), initrd);
      const run = (): string => {
        try {
          return execFileSync(
            'qemu-system-i386',
            [
              ['-M', 'pc', '-m', '32', '-display', 'none', '-nodefaults', '-serial', 'stdio', '-no-reboot'],
              ['-kernel', join(folder, 'pvh'), '-initrd', join(folder, 'initrd'), '-append', 'quiet one=1'],
              ['-device', 'isa-debug-exit,iobase=0xf4,iosize=4'],
            ].flat(),
            { encoding: 'latin1', timeout: 30_000 },
          );
        } catch (error) {
          // isa-debug-exit ends with an odd status.
          return (error as { stdout?: string }).stdout ?? '';
        }
      };
      const theirs = run();
      const said = theirs.slice(theirs.indexOf('magic'));
      expect(ours.reason).toBe('exited');
      expect(ours.serial.split('\n')).toEqual(said.split('\n'));
    },
    40_000,
  );
});

describe("Linux' boot protocol", () => {
  /** A bzImage of one setup sector: its header is of version 2.15, its kernel prints what it is told. */
  const image = (code: string, version = 0x20f): Uint8Array =>
    assembled(`
      bits 16
      org 0x100000 - 1024
file: times 0x1f1 db 0
      db 1                              ; setup sectors behind the first
      dw 0
      dd (kernel_end - kernel) / 16
      dw 0, 0, 0
      dw 0xaa55
      db 0xeb, header_end - file - 0x202       ; jump over the header
      db 'HdrS'
      dw ${version}
      times 0x211 - ($ - $$) db 0
      db 1                              ; loaded high
      times 0x214 - ($ - $$) db 0
      dd 0x100000
      times 0x22c - ($ - $$) db 0
      dd 0x37ffffff, 0x1000
      db 1, 0
      dw 3                              ; 64-bit entry, above 4 GiB
      dd 40
      times 0x258 - ($ - $$) db 0
      dq 0x400000
      dd 0x200000
      dd 0
header_end:
      times 1024 - ($ - $$) db 0
kernel:
      bits 32
      mov esp, 0x8000
      jmp main
      %include "serial.inc"
main:
      ${code}
      jmp finish
      times 0x200 - ($ - kernel) db 0
      bits 64
      mov rax, rsi
      mov ecx, 0xc0000080
      xor esi, esi
      rdmsr
      shr eax, 8
      and eax, 5
      add al, '0'
      mov dx, 0x3f8
      out dx, al
      mov rbx, 0x90202
      mov eax, [rbx]
      cmp eax, 'HdrS'
      mov al, 'b'
      jne .bad
      mov rbx, cr3
      mov al, 'g'
.bad:
      out dx, al
      mov al, 0
      out 0xf4, al
kernel_end:
    `);
  const told = `
      say "state "
      mov eax, ebp
      or eax, edi
      or eax, ebx
      call print_hex
      mov eax, cr0
      and eax, 0x80000001
      call print_hex
      mov ax, cs
      lar ecx, eax
      mov eax, cs
      call print_hex
      mov eax, ecx
      and eax, 0xdf9a00
      call print_hex
      mov ax, 0x18
      mov ss, ax
      mov eax, ds
      call print_hex
      call print_line
      say "command line "
      mov ebx, esi
      mov esi, [ebx + 0x228]
      call print
      call print_line
      say "header "
      mov eax, [ebx + 0x202]
      call print_hex
      movzx eax, byte [ebx + 0x210]
      call print_hex
      movzx eax, byte [ebx + 0x1ef]
      call print_hex
      call print_line
      say "initrd "
      mov eax, [ebx + 0x218]
      call print_hex
      mov edx, eax
      mov eax, [ebx + 0x21c]
      call print_hex
      mov eax, [edx]
      call print_hex
      call print_line
      movzx ecx, byte [ebx + 0x1e8]
      lea edx, [ebx + 0x2d0]
.range:
      mov eax, [edx]
      call print_hex
      mov eax, [edx + 8]
      call print_hex
      mov eax, [edx + 16]
      call print_hex
      call print_line
      add edx, 20
      loop .range
      say "rsdp "
      mov edx, [ebx + 0x70]
      mov eax, [edx]
      call print_hex
      say "screen "
      mov eax, [ebx + 6]
      call print_hex
      movzx eax, word [ebx + 14]
      call print_hex
      call print_line
  `;

  it('is kept: state, header, command line, initial RAM disk, memory map', () => {
    const kernel = image(told);
    const initrd = new TextEncoder().encode('initial');
    expect(detectProgram('/k', kernel)).toEqual({ kind: 'linux' });
    const { serial, reason, entry } = runKernel(
      { kernel: '/k', initrd: '/i', append: 'console=ttyS0', memory: 32 << 20 },
      { '/k': kernel, '/i': initrd },
    );
    expect({ reason, entry }).toEqual({ reason: 'exited', entry: 0x100000 });
    expect(serial.split('\n')).toEqual([
      'state 00000000 00000001 00000010 00CF9A00 00000018 ',
      'command line console=ttyS0',
      'header 53726448 000000FF 00000000 ',
      'initrd 01FFF000 00000007 74696E69 ',
      '00000000 0009FC00 00000001 ',
      '0009FC00 00000400 00000002 ',
      '000F0000 00010000 00000002 ',
      '00100000 01F00000 00000001 ',
      'FFFC0000 00040000 00000002 ',
      'rsdp 20445352 screen 00005003 00000119 ',
      '',
    ]);
  });

  it('has a 64-bit entry', () => {
    const { serial, reason, entry } = runKernel({ kernel: '/k', kernelEntry: '64' }, { '/k': image('') });
    expect({ serial, reason, entry }).toEqual({ serial: '5g', reason: 'exited', entry: 0x100200 });
  });

  it('says in one line what cannot be', () => {
    const files = { '/k': image(told), '/big': new Uint8Array(40 << 20), '/cut': image(told).subarray(0, 1024) };
    const attempt = (options: object) => () => runKernel({ kernel: '/k', ...options }, files);
    expect(attempt({ append: 'x'.repeat(41) })).toThrow("/k: the command line of 41 bytes is longer than the kernel's 40");
    expect(attempt({ initrd: '/big', memory: 32 << 20 })).toThrow('the initial RAM disk of 41943040 bytes does not fit');
    expect(attempt({ initrd: '/k,/k' })).toThrow('Linux takes one initial RAM disk');
    expect(attempt({ memory: 4 << 20 })).toThrow('the kernel needs 6 MiB of memory to unpack itself; there are 4');
    expect(attempt({ kernelEntry: 'pvh' })).toThrow('no PVH entry before it is unpacked');
    expect(attempt({ unpackKernel: true })).toThrow("the kernel's header does not say where its payload is");
    expect(attempt({ kernel: '/cut' })).toThrow('the kernel image is cut off');
    expect(attempt({ kernel: '/none' })).toThrow('/none: the file cannot be read');
  });
});

describe('ELF kernels', () => {
  const source = `
    bits 32
    global _start
    section .text
    dd 0x1badb002, 0, -0x1badb002
_start:
    mov esp, 0x90000
    %include "serial.inc"
    ; section headers: how many, then the names of the symbols at the symbol table's string table
    mov eax, [ebx]
    and eax, 0x20
    call print_hex
    mov ecx, [ebx + 28]
    mov edi, [ebx + 36]
.section:
    cmp dword [edi + 4], 2
    je .symbols
    add edi, [ebx + 32]
    loop .section
    jmp finish
.symbols:
    mov eax, [edi + 24]
    mul dword [ebx + 32]
    add eax, [ebx + 36]
    mov esi, [eax + 12]
    mov edx, [eax + 20]
    add edx, esi
    ; every name, where it holds "marker"
.name:
    cmp esi, edx
    jae finish
    cmp dword [esi], 'mark'
    jne .skip
    call print
    call print_line
    jmp finish
.skip:
    inc esi
    jmp .name
    global marker_of_this_kernel
marker_of_this_kernel:
  `;

  it.skipIf(linkerMissing)(`find their own symbols by Multiboot${linkerMissing ? ` (${linkerMissing})` : ''}`, () => {
    const kernel = linked('symbols', source, '0x200000');
    const { serial } = runKernel({ kernel: '/k' }, { '/k': kernel });
    expect(serial).toBe('00000020 marker_of_this_kernel\n');
  });

  it('that nobody can load are refused', () => {
    const elf = Uint8Array.from([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, ...new Array<number>(60).fill(0)]);
    expect(detectProgram('/k', elf)).toEqual({ problem: 'the ELF file is not for x86' });
  });
});
