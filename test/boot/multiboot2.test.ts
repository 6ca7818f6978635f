/** A Multiboot 2 kernel loaded by us and by GRUB, on the same machine. */
import { describe, expect, it } from 'vitest';
import { assemble } from '../../src/assembler/assemble';
import bios from '../../src/engines/emulator/bios/bios.asm';
import { sealOptionRom } from '../../src/engines/machine/option-rom';
import vgaBios from '../../src/engines/emulator/bios/vga-bios.asm';
import { grubMissing, makeGrubDisk } from '../support/grub';
import { runMachine } from '../support/machine';
import { runKernel } from './support';
import kernel from './guests/multiboot2.asm';

const MODULE = new TextEncoder().encode('modular');
const files = { '/kernel': kernel, '/module': MODULE };

describe('Multiboot 2', () => {
  it.skipIf(grubMissing)(
    `gives a kernel what GRUB gives it${grubMissing ? ` (${grubMissing})` : ''}`,
    () => {
      const ours = runKernel({ kernel: '/kernel', initrd: '/module one,/module', append: 'a "b c"', memory: 32 << 20 }, files);
      const disk = makeGrubDisk({
        files,
        config: 'multiboot2 /kernel a "b c"\nmodule2 /module one\nmodule2 /module\nboot\n',
      });
      const theirs = runMachine({ disk, bios, vgaBios: sealOptionRom(vgaBios), limit: 400e6 });
      const said = theirs.serial.slice(theirs.serial.lastIndexOf('magic '));
      expect(ours.reason).toBe('exited');
      expect(said).toMatch(/end\n$/);
      expect(ours.serial).toContain('screen 000B8000 000000A0 00000050 00000019 00000002');
      // GRUB says nothing of a text screen. It neither passes its own path nor keeps a module's; tags come in another order.
      const lines = (text: string): string[] =>
        text
          .replaceAll('/kernel ', '')
          .replaceAll('/module one', 'one')
          .replaceAll('/module', '')
          .replaceAll("'", '"')
          .split('\n')
          .filter((line) => !line.startsWith('screen '))
          .sort();
      expect(lines(ours.serial)).toEqual(lines(said));
    },
    60_000,
  );

  it('refuses a kernel that demands what is not there', () => {
    const source = (tags: string): Uint8Array => {
      const result = assemble({
        path: 'k.asm',
        text: `bits 32\norg 0x100000\nh: dd 0xe85250d6, 0, e - h, -(0xe85250d6 + e - h)\n${tags}\ndw 0, 0\ndd 8\ne: hlt`,
      });
      if (!result.ok) throw new Error(result.diagnostics[0].message);
      return result.image;
    };
    const attempt = (tags: string) => () => runKernel({ kernel: '/k' }, { '/k': source(tags) });
    expect(attempt('dw 1, 0\ndd 16, 1, 12')).toThrow('/k: the Multiboot 2 header requires information of type 12');
    expect(attempt('dw 5, 0\ndd 20, 1024, 768, 32, 0')).toThrow('requires a graphics framebuffer');
    expect(attempt('dw 77, 0\ndd 8')).toThrow('requires feature 77');
    expect(attempt('dw 2, 0\ndd 24, h, h, 0, 0')).toThrow('gives a load address but no entry');
    expect(attempt('dw 2, 0\ndd 400, h, h, 0, 0')).toThrow('tag 2 of the Multiboot 2 header reaches beyond it');
    expect(attempt('dw 3, 0\ndd 12, h\ndd 0')).toThrow('no ELF file and its Multiboot 2 header gives no addresses');
  });
});
