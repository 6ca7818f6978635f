/** Storage behind a disk controller. */

export const SECTOR_SIZE = 512;

export interface DiskGeometry {
  readonly cylinders: number;
  readonly heads: number;
  /** A track, numbered from 1. */
  readonly sectors: number;
}

export interface BlockDevice {
  /** Size in sectors of 512 bytes. */
  readonly sectors: number;
  /** @returns `count` × 512 bytes, a copy. @throws RangeError past the end */
  read(lba: number, count: number): Uint8Array;
  /** @param bytes a multiple of 512. @throws RangeError past the end */
  write(lba: number, bytes: Uint8Array): void;
  /** What was written since the start, for snapshots. */
  save(): unknown;
  load(state: unknown): void;
}

interface ImageState {
  lbas: number[];
  bytes: Uint8Array;
}

/** A disk image in memory. What the guest writes goes to a copy of the sector: the given bytes never change. */
export class MemoryBlockDevice implements BlockDevice {
  readonly sectors: number;
  private readonly image: Uint8Array;
  private written = new Map<number, Uint8Array>();

  /** @param image a last sector that is not full reads with zeros after its end */
  constructor(image: Uint8Array) {
    this.image = image;
    this.sectors = Math.ceil(image.length / SECTOR_SIZE);
  }

  read(lba: number, count: number): Uint8Array {
    this.check(lba, count);
    const bytes = new Uint8Array(count * SECTOR_SIZE);
    bytes.set(this.image.subarray(lba * SECTOR_SIZE, (lba + count) * SECTOR_SIZE));
    if (this.written.size) {
      for (let i = 0; i < count; i++) {
        const sector = this.written.get(lba + i);
        if (sector) bytes.set(sector, i * SECTOR_SIZE);
      }
    }
    return bytes;
  }

  write(lba: number, bytes: Uint8Array): void {
    const count = bytes.length / SECTOR_SIZE;
    this.check(lba, count);
    for (let i = 0; i < count; i++) this.written.set(lba + i, bytes.slice(i * SECTOR_SIZE, (i + 1) * SECTOR_SIZE));
  }

  private check(lba: number, count: number): void {
    if (lba < 0 || count < 0 || !Number.isInteger(count) || lba + count > this.sectors) {
      throw new RangeError(`sectors ${lba} to ${lba + count - 1} are not on a disk of ${this.sectors} sectors`);
    }
  }

  save(): ImageState {
    const lbas = [...this.written.keys()];
    const bytes = new Uint8Array(lbas.length * SECTOR_SIZE);
    lbas.forEach((lba, i) => bytes.set(this.written.get(lba)!, i * SECTOR_SIZE));
    return { lbas, bytes };
  }

  load(state: ImageState): void {
    this.written = new Map(state.lbas.map((lba, i) => [lba, state.bytes.slice(i * SECTOR_SIZE, (i + 1) * SECTOR_SIZE)]));
  }
}

/** The largest disk that cylinders, heads and sectors can name. */
const CHS_SECTORS = 16_383 * 16 * 63;

/**
 * Geometry of a disk: where a partition table names one (its last partition ends at the end of a cylinder), that one, as
 * the disk was partitioned under it; else 16 heads and 63 sectors.
 */
export function geometryOf(disk: BlockDevice): DiskGeometry {
  const total = Math.min(disk.sectors, CHS_SECTORS);
  const guessed = total > 0 ? guessFromPartitions(disk.read(0, 1)) : undefined;
  const { heads, sectors } = guessed ?? { heads: 16, sectors: 63 };
  const cylinders = Math.floor(total / (heads * sectors));
  return { cylinders: Math.min(16_383, Math.max(2, cylinders)), heads, sectors };
}

function guessFromPartitions(sector: Uint8Array): { heads: number; sectors: number } | undefined {
  if (sector[510] !== 0x55 || sector[511] !== 0xaa) return undefined;
  for (let entry = 0x1be; entry < 0x1fe; entry += 16) {
    const count = sector[entry + 12] | sector[entry + 13] | sector[entry + 14] | sector[entry + 15];
    const endHead = sector[entry + 5];
    if (!count || !endHead) continue;
    const heads = endHead + 1;
    const sectors = sector[entry + 6] & 63;
    // Only what an ATA drive can have; larger head counts are a BIOS's translation.
    if (sectors && heads <= 16) return { heads, sectors };
  }
  return undefined;
}
