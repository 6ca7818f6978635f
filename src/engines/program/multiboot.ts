/** Loading by the Multiboot Specification, version 0.6.96 ("Multiboot 1"). */
import type { PhysicalMemory } from '../machine/physical-memory';
import { type ElfImage, isElf, readElfImage } from './elf-image';
import { placeSections } from './elf-symbols';
import type { EntryState } from './entry-state';
import { type BootModule, loadSegments, memoryMap, PAGE, put, RecordWriter, roundUp, type Segment, textRoom } from './memory-map';

const HEADER_MAGIC = 0x1badb002;
const LOADER_MAGIC = 0x2badb002;
/** The header must lie in the first so many bytes, 4-byte aligned. */
const SEARCH = 8192;
const FLAG_ADDRESSES = 1 << 16;
/** Requirements that this loader meets: page-aligned modules, memory information. Bit 2 (video mode) is met by text mode. */
const KNOWN_REQUIREMENTS = 0x7;

export interface MultibootHeader {
  /** Offset in the file. */
  readonly offset: number;
  readonly flags: number;
}

/** Section 3.1.1, "The layout of Multiboot header". */
export function findMultibootHeader(bytes: Uint8Array): MultibootHeader | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let offset = 0; offset + 12 <= Math.min(bytes.length, SEARCH); offset += 4) {
    if (view.getUint32(offset, true) !== HEADER_MAGIC) continue;
    const flags = view.getUint32(offset + 4, true);
    if (((HEADER_MAGIC + flags + view.getUint32(offset + 8, true)) | 0) === 0) return { offset, flags };
  }
  return undefined;
}

export interface MultibootImage {
  readonly segments: readonly Segment[];
  readonly entry: number;
  /** The ELF file, where that says what to load: its sections are told to the kernel. */
  readonly elf?: { readonly image: ElfImage; readonly bytes: Uint8Array };
}

/**
 * The parts of a kernel and where they go.
 * @throws Error with one line that says what is wrong with the file
 */
export function readMultibootImage(bytes: Uint8Array): MultibootImage {
  const header = findMultibootHeader(bytes);
  if (!header) throw new Error('no Multiboot header');
  const unknown = header.flags & 0xffff & ~KNOWN_REQUIREMENTS;
  if (unknown) throw new Error(`the Multiboot header requires features 0x${unknown.toString(16)} that do not exist`);
  if (header.flags & FLAG_ADDRESSES) return fromAddressFields(bytes, header);
  if (!isElf(bytes)) throw new Error('the file is no ELF file and its Multiboot header gives no addresses');
  const image = readElfImage(bytes);
  return { segments: image.segments, entry: image.entry, elf: { image, bytes } };
}

/** Section 3.1.3, "The address fields of Multiboot header". */
function fromAddressFields(bytes: Uint8Array, { offset }: MultibootHeader): MultibootImage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (offset + 32 > bytes.length) throw new Error('the Multiboot header is cut off');
  const [headerAddress, loadAddress, loadEnd, bssEnd, entry] = [12, 16, 20, 24, 28].map((at) => view.getUint32(offset + at, true));
  return { segments: [flatSegment(bytes, { offset, headerAddress, loadAddress, loadEnd, bssEnd })], entry };
}

export interface AddressFields {
  /** Of the header in the file. */
  readonly offset: number;
  readonly headerAddress: number;
  readonly loadAddress: number;
  /** 0 for the end of the file. */
  readonly loadEnd: number;
  /** 0 for none. */
  readonly bssEnd: number;
}

/** The one segment of a kernel whose header says where it goes. */
export function flatSegment(bytes: Uint8Array, { offset, headerAddress, loadAddress, loadEnd, bssEnd }: AddressFields): Segment {
  const start = offset - (headerAddress - loadAddress);
  if (start < 0 || headerAddress < loadAddress) throw new Error('the Multiboot header lies outside what it says is loaded');
  const length = loadEnd === 0 ? bytes.length - start : loadEnd - loadAddress;
  if (length < 0 || start + length > bytes.length) throw new Error('the Multiboot header says to load more than the file has');
  const size = bssEnd === 0 ? length : bssEnd - loadAddress;
  if (size < length) throw new Error('the Multiboot header ends the BSS before the data');
  return { address: loadAddress, bytes: bytes.subarray(start, start + length), size };
}

export interface MultibootBoot {
  readonly image: MultibootImage;
  readonly commandLine: string;
  readonly modules: readonly BootModule[];
  /** RAM of the machine in bytes. */
  readonly memory: number;
}

/** Section 3.3, "Boot information format". */
const INFO_SIZE = 88;
const INFO = {
  flags: 0,
  memLower: 4,
  memUpper: 8,
  commandLine: 16,
  moduleCount: 20,
  modules: 24,
  sectionCount: 28,
  sectionSize: 32,
  sections: 36,
  sectionNames: 40,
  mapLength: 44,
  map: 48,
  loaderName: 64,
} as const;
const INFO_FLAGS = (1 << 0) | (1 << 2) | (1 << 3) | (1 << 6) | (1 << 9);
const INFO_SECTIONS = 1 << 5;
export const LOADER_NAME = 'ringside';
const MODULE_SIZE = 16;
const MAP_ENTRY = 24;

/** Puts modules behind a kernel, each on a page of its own. @returns where they are, and the address behind the last */
export function placeModules(memory: PhysicalMemory, modules: readonly BootModule[], start: number) {
  let end = start;
  const placed = modules.map(({ bytes, text }) => {
    const at = roundUp(end, PAGE);
    put(memory, at, bytes);
    end = at + bytes.length;
    return { start: at, end, text };
  });
  return { placed, end };
}

/**
 * Puts the kernel, its modules and the boot information into memory.
 * @returns the state in which to enter it
 * @throws Error with one line when something does not fit
 */
export function loadMultiboot(memory: PhysicalMemory, boot: MultibootBoot): EntryState {
  const kernelEnd = loadSegments(memory, boot.image.segments, boot.memory);
  const sections = boot.image.elf && placeSections(memory, boot.image.elf.bytes, boot.image.elf.image, kernelEnd);
  const { placed, end } = placeModules(memory, boot.modules, sections?.end ?? kernelEnd);
  const map = memoryMap(boot.memory);
  const room =
    placed.reduce((sum, { text }) => sum + MODULE_SIZE + textRoom(text), 0) +
    map.length * MAP_ENTRY +
    textRoom(LOADER_NAME) +
    textRoom(boot.commandLine);
  const info = new RecordWriter(roundUp(end, PAGE), INFO_SIZE, room);
  const moduleTable = info.take(placed.length * MODULE_SIZE);
  const mapTable = info.take(map.length * MAP_ENTRY);
  info.u32(INFO.flags, INFO_FLAGS | (sections ? INFO_SECTIONS : 0));
  info.u32(INFO.memLower, 639);
  info.u32(INFO.memUpper, (boot.memory - 0x100000) / 1024);
  info.u32(INFO.commandLine, info.text(boot.commandLine));
  info.u32(INFO.moduleCount, placed.length);
  info.u32(INFO.modules, info.base + moduleTable);
  placed.forEach((module, i) => {
    [module.start, module.end, info.text(module.text), 0].forEach((value, word) =>
      info.u32(moduleTable + i * MODULE_SIZE + word * 4, value),
    );
  });
  if (sections) {
    info.u32(INFO.sectionCount, sections.count);
    info.u32(INFO.sectionSize, sections.entrySize);
    info.u32(INFO.sections, sections.address);
    info.u32(INFO.sectionNames, sections.names);
  }
  info.u32(INFO.mapLength, map.length * MAP_ENTRY);
  info.u32(INFO.map, info.base + mapTable);
  map.forEach(({ base, length, type }, i) => {
    const at = mapTable + i * MAP_ENTRY;
    // The size does not count itself.
    info.u32(at, MAP_ENTRY - 4);
    info.u64(at + 4, base);
    info.u64(at + 12, length);
    info.u32(at + 20, type);
  });
  info.u32(INFO.loaderName, info.text(LOADER_NAME));
  put(memory, info.base, info.bytes);
  return multibootEntry(boot.image.entry, LOADER_MAGIC, info.base);
}

/** Section 3.2, "Machine state". */
export function multibootEntry(entry: number, magic: number, info: number): EntryState {
  return { mode: 'protected', ip: entry, registers: { eax: magic, ebx: info }, code: 0x08, data: 0x10 };
}
