/** What a loader needs of an ELF file: the parts to load, the entry, notes and sections (System V ABI, "Program Loading"). */
import type { Segment } from './memory-map';

const PT_LOAD = 1;
const PT_NOTE = 4;
const MACHINE_386 = 3;
const MACHINE_X86_64 = 62;

export interface ElfImage {
  readonly is64: boolean;
  readonly segments: readonly Segment[];
  /** Physical address. */
  readonly entry: number;
  readonly notes: readonly { readonly name: string; readonly type: number; readonly contents: Uint8Array }[];
  readonly sections: ElfSections;
}

/** The section headers as they are in the file, for kernels that look for their own symbols. */
export interface ElfSections {
  readonly count: number;
  readonly entrySize: number;
  readonly names: number;
  /** Contents of the section header table; empty without one. */
  readonly headers: Uint8Array;
}

export const isElf = (bytes: Uint8Array): boolean => bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;

interface ProgramHeader {
  readonly type: number;
  readonly offset: number;
  readonly virtual: bigint;
  readonly address: number;
  readonly fileSize: number;
  readonly size: number;
}

/**
 * Reads a 32- or 64-bit x86 ELF file that is to be loaded at its physical addresses.
 * @throws Error with one line that says what is wrong with the file
 */
export function readElfImage(bytes: Uint8Array): ElfImage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 52 || !isElf(bytes)) throw new Error('the file is no ELF file');
  const is64 = bytes[4] === 2;
  const machine = view.getUint16(18, true);
  if (bytes[5] !== 1 || machine !== (is64 ? MACHINE_X86_64 : MACHINE_386)) throw new Error('the ELF file is not for x86');
  if (is64 && bytes.length < 64) throw new Error('the ELF file is cut off');
  const word = (at: number): number => (is64 ? Number(view.getBigUint64(at, true)) : view.getUint32(at, true));
  const entry = is64 ? view.getBigUint64(24, true) : BigInt(view.getUint32(24, true));
  const table = word(is64 ? 32 : 28);
  const counts = is64 ? 54 : 42;
  const [entrySize, count] = [view.getUint16(counts, true), view.getUint16(counts + 2, true)];
  const smallest = is64 ? 56 : 32;
  const segments: Segment[] = [];
  const notes: ElfImage['notes'][number][] = [];
  let physicalEntry = Number(entry);
  for (let i = 0; i < count; i++) {
    const at = table + i * entrySize;
    if (entrySize < smallest || at + smallest > bytes.length) throw new Error(`program header ${i} lies outside the ELF file`);
    const header = is64 ? readHeader64(view, at) : readHeader32(view, at);
    const { type, offset, virtual, address, fileSize, size } = header;
    if (type !== PT_LOAD && type !== PT_NOTE) continue;
    if (offset + fileSize > bytes.length) throw new Error(`segment ${i} reaches beyond the end of the ELF file`);
    const contents = bytes.subarray(offset, offset + fileSize);
    if (type === PT_NOTE) {
      notes.push(...readNotes(contents));
      continue;
    }
    if (size < fileSize) throw new Error(`segment ${i} is smaller in memory than in the file`);
    const holdsEntry = entry >= virtual && entry < virtual + BigInt(size);
    segments.push({ address, bytes: contents, size, headersOnly: offset === 0 && !holdsEntry });
    // An entry point given as a virtual address is meant where its segment is loaded.
    if (holdsEntry) physicalEntry = Number(entry - virtual) + address;
  }
  if (segments.length === 0) throw new Error('the ELF file has nothing to load');
  return { is64, segments, entry: physicalEntry, notes, sections: readSections(bytes, view, is64) };
}

function readHeader32(view: DataView, at: number): ProgramHeader {
  const [type, offset, virtual, address, fileSize, size] = [0, 4, 8, 12, 16, 20].map((field) => view.getUint32(at + field, true));
  return { type, offset, virtual: BigInt(virtual), address, fileSize, size };
}

function readHeader64(view: DataView, at: number): ProgramHeader {
  const [offset, address, fileSize, size] = [8, 24, 32, 40].map((field) => Number(view.getBigUint64(at + field, true)));
  return { type: view.getUint32(at, true), offset, virtual: view.getBigUint64(at + 16, true), address, fileSize, size };
}

function readNotes(bytes: Uint8Array): ElfImage['notes'][number][] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const notes: ElfImage['notes'][number][] = [];
  const pad = (length: number): number => (length + 3) & ~3;
  for (let at = 0; at + 12 <= bytes.length; ) {
    const [nameSize, size, type] = [0, 4, 8].map((field) => view.getUint32(at + field, true));
    const contents = at + 12 + pad(nameSize);
    if (nameSize > bytes.length || size > bytes.length || contents + size > bytes.length) break;
    const name = new TextDecoder().decode(bytes.subarray(at + 12, at + 12 + Math.max(0, nameSize - 1)));
    notes.push({ name, type, contents: bytes.subarray(contents, contents + size) });
    at = contents + pad(size);
  }
  return notes;
}

function readSections(bytes: Uint8Array, view: DataView, is64: boolean): ElfSections {
  const offset = is64 ? Number(view.getBigUint64(40, true)) : view.getUint32(32, true);
  const [entrySize, count, names] = [0, 2, 4].map((field) => view.getUint16((is64 ? 58 : 46) + field, true));
  const present = offset !== 0 && entrySize === (is64 ? 64 : 40) && offset + entrySize * count <= bytes.length;
  if (!present) return { count: 0, entrySize: 0, names: 0, headers: new Uint8Array(0) };
  return { count, entrySize, names, headers: bytes.slice(offset, offset + entrySize * count) };
}
