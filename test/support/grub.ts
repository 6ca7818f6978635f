/** Makes a bootable disk with Debian's GRUB 2 that speaks on the first serial line. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { missing } from './programs';

const BOOT_IMAGE = '/usr/lib/grub/i386-pc/boot.img';
const SECTOR = 512;
/** First sector of the partition; GRUB's core lies in the gap before it. */
const PARTITION_START = 2048;

/** Why no GRUB disk can be made here, or undefined. */
export const grubMissing: string | undefined = missing({
  'grub-mkimage': 'grub-common',
  [BOOT_IMAGE]: 'grub-pc-bin',
  mformat: 'mtools',
  mcopy: 'mtools',
});

const MODULES = [
  'biosdisk',
  'serial',
  'terminal',
  'terminfo',
  'normal',
  'part_msdos',
  'fat',
  'ls',
  'lsmmap',
  'echo',
  'cat',
  'date',
  'hexdump',
  'configfile',
  'multiboot',
  'multiboot2',
  'linux',
  'boot',
  'reboot',
  'halt',
];

export interface GrubDiskOptions {
  /** Files of the FAT partition, `(hd0,msdos1)`, by path. Their folders must be in the list of `folders`. */
  files?: Readonly<Record<string, Uint8Array | string>>;
  folders?: readonly string[];
  /** Where GRUB speaks and listens: COM1 (the default), or the BIOS's screen and keyboard. */
  terminal?: 'serial' | 'console';
  /** `/grub.cfg`; without it GRUB stops at its prompt. */
  config?: string;
  /** Size of the disk in MiB, at least 4. */
  megabytes?: number;
}

/**
 * A raw disk image: GRUB's boot sector, its core image in the gap after it, and a FAT16 partition.
 * @throws Error from the tools, where they fail; check `grubMissing` first
 */
export function makeGrubDisk(options: GrubDiskOptions = {}): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'ringside-grub-'));
  try {
    const early = join(folder, 'early.cfg');
    const core = join(folder, 'core.img');
    const terminal =
      options.terminal === 'console' ? [] : ['serial --unit=0 --speed=115200', 'terminal_input serial', 'terminal_output serial'];
    writeFileSync(early, [...terminal, 'normal (hd0,msdos1)/grub.cfg', ''].join('\n'));
    execFileSync('grub-mkimage', ['-O', 'i386-pc', '-o', core, '-c', early, '-p', '(hd0,msdos1)/', ...MODULES]);
    const disk = new Uint8Array((options.megabytes ?? 16) << 20);
    const boot = readFileSync(BOOT_IMAGE);
    const coreImage = readFileSync(core);
    if (coreImage.length > (PARTITION_START - 1) * SECTOR) throw new Error(`GRUB's core of ${coreImage.length} bytes does not fit the gap`);
    // The boot sector's default is to load sector 1, and the core's first sector loads what follows it.
    disk.set(boot.subarray(0, 0x1b8));
    disk.set(coreImage, SECTOR);
    disk.set(partition(disk.length / SECTOR - PARTITION_START), 0x1be);
    disk.set([0x55, 0xaa], 510);
    const image = join(folder, 'disk.img');
    writeFileSync(image, disk);
    fillPartition(image, disk.length / SECTOR - PARTITION_START, folder, options);
    return new Uint8Array(readFileSync(image));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A table entry of a bootable FAT16 partition; cylinders, heads and sectors are left to the sector numbers. */
function partition(sectors: number): Uint8Array {
  const entry = new Uint8Array(16);
  const view = new DataView(entry.buffer);
  entry.set([0x80, 0xfe, 0xff, 0xff, 0x0e, 0xfe, 0xff, 0xff]);
  view.setUint32(8, PARTITION_START, true);
  view.setUint32(12, sectors, true);
  return entry;
}

function fillPartition(image: string, sectors: number, folder: string, options: GrubDiskOptions): void {
  const target = `${image}@@${PARTITION_START * SECTOR}`;
  execFileSync('mformat', ['-i', target, '-T', String(sectors), '-h', '16', '-s', '63', '-c', '1', '-v', 'RINGSIDE', '::']);
  for (const name of options.folders ?? []) execFileSync('mmd', ['-i', target, `::${name}`]);
  const files = { ...options.files, ...(options.config === undefined ? {} : { '/grub.cfg': options.config }) };
  const source = join(folder, 'file');
  for (const [path, content] of Object.entries(files)) {
    writeFileSync(source, content);
    execFileSync('mcopy', ['-i', target, source, `::${path}`]);
  }
}
