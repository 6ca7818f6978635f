/** Gives a kernel its own section headers, and in memory the sections that loading alone would leave out: symbols and their names. */
import type { PhysicalMemory } from '../machine/physical-memory';
import type { ElfImage } from './elf-image';
import { put, roundUp } from './memory-map';

const NO_BITS = 8;

export interface PlacedSections {
  readonly count: number;
  readonly entrySize: number;
  /** Index of the section of names. */
  readonly names: number;
  /** Physical address of the headers. Their addresses say where each section is. */
  readonly address: number;
  readonly headers: Uint8Array;
  /** Behind what was placed. */
  readonly end: number;
}

/** @returns undefined for a file without sections, or with sections that lie outside it */
export function placeSections(
  memory: PhysicalMemory,
  bytes: Uint8Array,
  { sections, is64 }: ElfImage,
  start: number,
): PlacedSections | undefined {
  const { count, entrySize, names } = sections;
  if (count === 0) return undefined;
  const headers = sections.headers.slice();
  const view = new DataView(headers.buffer);
  const word = (at: number): number => (is64 ? Number(view.getBigUint64(at, true)) : view.getUint32(at, true));
  const fields = is64 ? { address: 16, offset: 24, size: 32 } : { address: 12, offset: 16, size: 20 };
  let end = roundUp(start, 16);
  for (let i = 1; i < count; i++) {
    const at = i * entrySize;
    const [offset, size] = [word(at + fields.offset), word(at + fields.size)];
    // What is loaded has an address already.
    if (word(at + fields.address) !== 0 || size === 0 || view.getUint32(at + 4, true) === NO_BITS) continue;
    if (offset + size > bytes.length) return undefined;
    put(memory, end, bytes.subarray(offset, offset + size));
    if (is64) view.setBigUint64(at + fields.address, BigInt(end), true);
    else view.setUint32(at + fields.address, end, true);
    end = roundUp(end + size, 16);
  }
  put(memory, end, headers);
  return { count, entrySize, names, address: end, headers, end: end + headers.length };
}
