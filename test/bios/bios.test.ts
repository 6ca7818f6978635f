import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import bios from '../../src/engines/emulator/bios/bios.asm';
import vgaBios from '../../src/engines/emulator/bios/vga-bios.asm';
import type { Screen } from '../../src/shared/screen';
import { EmulatorEngine } from '../../src/engines/emulator/engine';
import { MemoryBlockDevice } from '../../src/engines/machine/devices/block';
import { sealOptionRom } from '../../src/engines/machine/option-rom';
import { grubMissing, makeGrubDisk } from '../support/grub';
import { runMachine } from '../support/machine';
import { missing } from '../support/programs';
import { qemuMissing, runQemu } from '../support/qemu';
import services from './guests/services.asm';

const SEABIOS = '/usr/share/seabios/bios.bin';
const SEABIOS_LARGE = '/usr/share/seabios/bios-256k.bin';
const seabiosMissing = missing({ [SEABIOS]: 'seabios', [SEABIOS_LARGE]: 'seabios' });
const nasmMissing = missing({ nasm: 'nasm' });
const MINUTE = 60_000;

/** The guest on a disk of 20 × 16 × 63 sectors that are full of numbers. */
function servicesDisk(): Uint8Array {
  const disk = new Uint8Array(20 * 16 * 63 * 512);
  for (let i = 0; i < disk.length; i++) disk[i] = (i >> 9) * 7 + i;
  disk.set(services);
  return disk;
}

/** Lines of two runs that differ, each with what its machine says. */
function differences(ours: string, theirs: string): [string, string][] {
  const left = ours.split('\n');
  const right = theirs.split('\n');
  return left.map((line, i): [string, string] => [line, right[i] ?? '']).filter(([a, b]) => a !== b);
}

/** The characters of a text screen, row after row. */
function textOf(screen: Screen | undefined): string {
  if (screen?.kind !== 'text') throw new Error('expected a text screen');
  return String.fromCharCode(...screen.characters);
}

describe('our BIOS', () => {
  it('is 64 KiB with its entry, date and model where programs look for them', () => {
    expect(bios.length).toBe(0x10000);
    expect(bios[0xfff0]).toBe(0xea);
    expect(String.fromCharCode(...bios.subarray(0xfff5, 0xfffd))).toMatch(/^\d\d\/\d\d\/\d\d$/);
    expect(bios[0xfffe]).toBe(0xfc);
    expect(vgaBios.length).toBe(0x4000);
  });

  it.skipIf(nasmMissing)(`is what NASM makes of it, and so is the video ROM${nasmMissing ? ` (${nasmMissing})` : ''}`, () => {
    for (const [name, image] of [
      ['bios.asm', bios],
      ['vga-bios.asm', vgaBios],
    ] as const) {
      const folder = fileURLToPath(new URL('../../src/engines/emulator/bios', import.meta.url));
      const output = join(tmpdir(), `ringside-${process.pid}-${name}.bin`);
      execFileSync('nasm', ['-f', 'bin', '-o', output, name], { cwd: folder });
      const theirs = readFileSync(output);
      rmSync(output);
      expect([name, Buffer.compare(theirs, image)]).toEqual([name, 0]);
    }
  });

  it.skipIf(qemuMissing)(
    `answers as SeaBIOS does, on QEMU${qemuMissing ? ` (${qemuMissing})` : ''}`,
    async () => {
      const disk = servicesDisk();
      const ours = await runQemu({ disk, bios });
      const theirs = await runQemu({ disk });
      expect(ours.console.endsWith('tick\n')).toBe(true);
      expect(ours.status).toBe(1);
      const known = differences(ours.console, theirs.console).map(([line]) => line.split(' ax=')[0]);
      // Each is a choice that the interface leaves open: no APM and no PCI here, registers that are undefined on return.
      expect(known).toEqual([
        '13/41 check',
        '13/15 second drive',
        '15/53 no APM',
        '15/87 up',
        '17/02 no printer',
        '15/86',
        '1a/05',
        '1a/b101 no PCI',
      ]);
    },
    MINUTE,
  );

  it.skipIf(qemuMissing)(
    `answers the same on our machine as on QEMU${qemuMissing ? ` (${qemuMissing})` : ''}`,
    async () => {
      const disk = servicesDisk();
      const ours = runMachine({ disk, bios });
      const theirs = await runQemu({ disk, bios });
      expect(ours.stop).toMatchObject({ reason: 'exited', code: 1 });
      // Only the equipment differs: two serial ports here.
      expect(differences(ours.console, theirs.console).map(([line]) => line.slice(0, 6))).toEqual(['int 11']);
    },
    MINUTE,
  );

  it('says what is wrong with a disk that it cannot boot, and halts', () => {
    for (const [size, message] of [
      [1 << 20, 'The disk has no boot sector (its last two bytes are not 55 AA).'],
      [1, 'The disk has no boot sector (its last two bytes are not 55 AA).'],
      [0, 'The boot sector of the disk cannot be read.'],
    ] as const) {
      const { stop, screen } = runMachine({ disk: new Uint8Array(size), bios });
      expect([size, stop.reason]).toEqual([size, 'halted']);
      expect(textOf(screen)).toContain(message);
      expect(textOf(screen)).toContain('The machine is halted.');
    }
  });
});

const COMMANDS = [
  { after: 'grub> ', send: 'ls\r' },
  { after: 'grub> ', send: 'lsmmap\r' },
  { after: 'grub> ', send: 'cat (hd0,msdos1)/hello.txt\r' },
  { after: 'grub> ', send: 'echo forty-two\r' },
];

function expectGrub(serial: string): void {
  expect(serial).toContain('GNU GRUB  version 2');
  expect(serial).toContain('(hd0) (hd0,msdos1)');
  expect(serial).toContain('base_addr = 0x100000, length = 0x1f00000, available RAM');
  expect(serial).toContain('hello from the partition');
  expect(serial).toContain('\rforty-two');
}

it.skipIf(seabiosMissing)(
  `SeaBIOS' image of 256 KiB, which stops on QEMU's isapc, runs too${seabiosMissing ? ` (${seabiosMissing})` : ''}`,
  () => {
    const image = new Uint8Array(readFileSync(SEABIOS_LARGE));
    const { console, stop } = runMachine({ disk: servicesDisk(), bios: image, biosWritable: true, vgaBios: sealOptionRom(vgaBios) });
    expect(stop.reason).toBe('exited');
    expect(console.endsWith('tick\n')).toBe(true);
  },
);

describe('GRUB 2', () => {
  const disk = (): Uint8Array => makeGrubDisk({ files: { '/hello.txt': 'hello from the partition\n' } });

  it.skipIf(grubMissing ?? qemuMissing)(
    `reaches its prompt under our BIOS on QEMU and answers${(grubMissing ?? qemuMissing) ? ` (${grubMissing ?? qemuMissing})` : ''}`,
    async () => {
      const { serial } = await runQemu({ disk: disk(), bios, script: COMMANDS, until: 'grub> ' });
      expectGrub(serial);
    },
    MINUTE,
  );

  it.skipIf(grubMissing)(
    `reaches its prompt under our BIOS on our machine and answers${grubMissing ? ` (${grubMissing})` : ''}`,
    () => {
      const { serial } = runMachine({ disk: disk(), bios, script: COMMANDS, until: 'grub> ' });
      expectGrub(serial);
    },
    2 * MINUTE,
  );

  it.skipIf(grubMissing ?? seabiosMissing)(
    `reaches its prompt under SeaBIOS on our machine and answers${(grubMissing ?? seabiosMissing) ? ` (${grubMissing ?? seabiosMissing})` : ''}`,
    () => {
      const image = new Uint8Array(readFileSync(SEABIOS));
      const result = runMachine({
        disk: disk(),
        bios: image,
        biosWritable: true,
        vgaBios: sealOptionRom(vgaBios),
        script: COMMANDS,
        until: 'grub> ',
      });
      expectGrub(result.serial);
      expect(textOf(result.screen)).toContain('SeaBIOS (version');
    },
    2 * MINUTE,
  );

  it.skipIf(grubMissing)(
    `speaks through the screen and the keyboard, and boots again when told${grubMissing ? ` (${grubMissing})` : ''}`,
    () => {
      const engine = new EmulatorEngine({ memory: 32 << 20, bios, disk: new MemoryBlockDevice(makeGrubDisk({ terminal: 'console' })) });
      const lines = (): string[] => {
        const screen = engine.screen();
        if (screen?.kind !== 'text') return [];
        const text = String.fromCharCode(...screen.characters);
        return Array.from({ length: screen.rows }, (_, row) => text.slice(row * screen.columns, (row + 1) * screen.columns).trimEnd());
      };
      const runUntil = (condition: () => boolean): void => {
        for (const end = engine.instructionCount + 200e6; engine.instructionCount < end; ) {
          if (engine.run({ instructions: 1e6 }).reason !== 'slice' || condition()) break;
        }
        expect(condition(), lines().join('\n')).toBe(true);
      };
      const press = (...codes: string[]): void => {
        for (const code of codes) for (const pressed of [true, false]) engine.input({ kind: 'key', code, pressed });
      };
      const prompt = (): boolean => lines().findLast((line) => line !== '') === 'grub>';
      runUntil(prompt);
      press('KeyL', 'KeyS', 'Enter');
      runUntil(() => lines().includes('(hd0) (hd0,msdos1)') && prompt());
      press('KeyR', 'KeyE', 'KeyB', 'KeyO', 'KeyO', 'KeyT', 'Enter');
      runUntil(() => !lines().some((line) => line.startsWith('grub>')));
      runUntil(prompt);
      expect(lines()).not.toContain('(hd0) (hd0,msdos1)');
    },
    2 * MINUTE,
  );
});
