/** The 512 bytes that IDENTIFY DEVICE gives. Source: ATA/ATAPI-6 (T13 1410D), "IDENTIFY DEVICE". */
import type { DiskGeometry } from './block';

export interface IdentityOptions {
  /** Sectors on the disk. */
  sectors: number;
  geometry: DiskGeometry;
  /** Set by INITIALIZE DEVICE PARAMETERS; `cylinders` 0 when the host asked for something impossible. */
  current: DiskGeometry;
  /** Sectors a block of READ and WRITE MULTIPLE; 0 when not set. */
  multiple: number;
  writeCache: boolean;
  readLookAhead: boolean;
}

export const MAX_MULTIPLE = 16;
/** The largest number of sectors that 28-bit addresses reach. */
export const LBA28_SECTORS = 0x0fff_ffff;

export function identity(options: IdentityOptions): Uint8Array {
  const bytes = new Uint8Array(512);
  const view = new DataView(bytes.buffer);
  const word = (index: number, value: number): void => view.setUint16(index * 2, value, true);
  const double = (index: number, value: number): void => view.setUint32(index * 2, value, true);
  /** Text, two characters a word with the first in the high byte, padded with spaces. */
  const text = (index: number, words: number, value: string): void => {
    const padded = value.padEnd(words * 2);
    for (let i = 0; i < words * 2; i++) bytes[(index * 2 + i) ^ 1] = padded.charCodeAt(i);
  };
  const { geometry, current, sectors, multiple } = options;
  word(0, 0x0040);
  word(1, geometry.cylinders);
  word(3, geometry.heads);
  word(4, 512 * geometry.sectors);
  word(5, 512);
  word(6, geometry.sectors);
  text(10, 10, 'RS00001');
  word(20, 3);
  word(21, 512);
  word(22, 4);
  text(23, 4, '1.0');
  text(27, 20, 'RINGSIDE HARDDISK');
  word(47, 0x8000 | MAX_MULTIPLE);
  // 32-bit transfers; IORDY and LBA, no DMA.
  word(48, 0x0001);
  word(49, 0x0a00);
  word(50, 0x4000);
  word(51, 0x0200);
  // Words 54 to 58 and 64 to 70 are valid; 54 to 58 not while the current translation is impossible.
  word(53, current.cylinders ? 0x0003 : 0x0002);
  word(54, current.cylinders);
  word(55, current.heads);
  word(56, current.sectors);
  double(57, current.cylinders * current.heads * current.sectors);
  word(59, multiple ? 0x0100 | multiple : 0);
  double(60, Math.min(sectors, LBA28_SECTORS));
  // PIO modes 3 and 4; cycle times in nanoseconds.
  word(64, 0x0003);
  for (const index of [65, 66, 67, 68]) word(index, 120);
  // ATA-2 to ATA-6.
  word(80, 0x007c);
  word(81, 0x0019);
  // NOP, READ and WRITE BUFFER, look-ahead, write cache.
  word(82, 0x7060);
  // FLUSH CACHE (EXT), 48-bit addresses.
  word(83, 0x7400);
  word(84, 0x4000);
  word(85, 0x7000 | (options.readLookAhead ? 0x40 : 0) | (options.writeCache ? 0x20 : 0));
  word(86, 0x3400);
  word(87, 0x4000);
  // Hardware reset result: device 0 by jumper, passed.
  word(93, 0x600b);
  double(100, sectors % 2 ** 32);
  double(102, Math.floor(sectors / 2 ** 32));
  bytes[510] = 0xa5;
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes[511] = -sum & 0xff;
  return bytes;
}
