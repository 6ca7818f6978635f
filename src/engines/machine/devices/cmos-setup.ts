/** What a set-up program left in the CMOS RAM: memory sizes, disks and boot order, at the places that QEMU's PCs use. */
import type { DiskGeometry } from './block';
import type { Rtc } from './rtc';

export interface CmosOptions {
  /** Bytes of RAM below 4 GiB, the hole at 640 KiB included. */
  memory: number;
  cpus: number;
  /** Geometry of the first ATA disk as its BIOS sees it; absent: no disk. */
  disk?: DiskGeometry;
  /** A PS/2 mouse is connected. */
  mouse: boolean;
}

const MEBIBYTE = 1 << 20;

/** Fills the CMOS RAM. Disk type 47 means "geometry at 0x1b". */
export function setUpCmos(rtc: Rtc, options: CmosOptions): void {
  const word = (index: number, value: number): void => {
    rtc.setByte(index, value);
    rtc.setByte(index + 1, value >>> 8);
  };
  const base = Math.min(640, options.memory >>> 10);
  const extended = Math.min(0xffff, Math.max(0, options.memory - MEBIBYTE) >>> 10);
  word(0x15, base);
  word(0x17, extended);
  word(0x30, extended);
  word(0x34, Math.min(0xffff, Math.max(0, options.memory - 16 * MEBIBYTE) >>> 16));
  // Nothing above 4 GiB.
  for (const index of [0x5b, 0x5c, 0x5d]) rtc.setByte(index, 0);
  rtc.setByte(0x5f, options.cpus - 1);
  rtc.setByte(0x10, 0x00);
  rtc.setByte(0x14, 0x02 | (options.mouse ? 0x04 : 0));
  // First boot device: hard disk; no check of the floppy's signature.
  rtc.setByte(0x3d, 0x02);
  rtc.setByte(0x38, 0x01);
  if (options.disk) {
    const { cylinders, heads, sectors } = options.disk;
    rtc.setByte(0x12, 0xf0);
    rtc.setByte(0x19, 47);
    word(0x1b, cylinders);
    rtc.setByte(0x1d, heads);
    // No write precompensation.
    word(0x1e, 0xffff);
    rtc.setByte(0x20, 0xc0 | (heads > 8 ? 0x08 : 0));
    word(0x21, cylinders);
    rtc.setByte(0x23, sectors);
    // Translation by logical block addresses where cylinders do not fit INT 13h's 1,024.
    rtc.setByte(0x39, cylinders > 1024 || heads > 16 ? 1 : 0);
  }
  let sum = 0;
  for (let index = 0x10; index <= 0x2d; index++) sum += rtc.byte(index);
  rtc.setByte(0x2e, sum >>> 8);
  rtc.setByte(0x2f, sum);
}
