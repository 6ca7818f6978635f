/** Loading by the Multiboot2 Specification, version 2.0. */
import type { PhysicalMemory } from '../machine/physical-memory';
import { isElf, readElfImage } from './elf-image';
import { placeSections } from './elf-symbols';
import type { EntryState } from './entry-state';
import { type BootModule, loadSegments, memoryMap, PAGE, put, RecordWriter, roundUp, type Segment, textRoom } from './memory-map';
import { flatSegment, LOADER_NAME, multibootEntry, type MultibootImage, placeModules } from './multiboot';

const HEADER_MAGIC = 0xe85250d6;
const LOADER_MAGIC = 0x36d76289;
const ARCHITECTURE_I386 = 0;
/** The header must lie in the first so many bytes, 8-byte aligned. */
const SEARCH = 32768;
const HEADER_SIZE = 16;

/** Tags of the header (section 3.1). */
const HeaderTag = {
  end: 0,
  informationRequest: 1,
  address: 2,
  entry: 3,
  console: 4,
  framebuffer: 5,
  moduleAlignment: 6,
  efiBootServices: 7,
  efiEntry32: 8,
  efiEntry64: 9,
  relocatable: 10,
} as const;
const OPTIONAL = 1;

/** Tags of the boot information (section 3.6). */
const Tag = {
  end: 0,
  commandLine: 1,
  loaderName: 2,
  module: 3,
  basicMemory: 4,
  memoryMap: 6,
  framebuffer: 8,
  elfSections: 9,
  acpiOld: 14,
  acpiNew: 15,
  loadBase: 21,
} as const;

export interface Multiboot2Image extends MultibootImage {
  /** The kernel can be loaded elsewhere; it is not, but is told where it is. */
  readonly relocatable: boolean;
}

interface HeaderTagData {
  readonly type: number;
  readonly optional: boolean;
  /** Offset in the file of what follows type, flags and size. */
  readonly at: number;
  readonly size: number;
}

export interface Multiboot2Header {
  /** Offset in the file. */
  readonly offset: number;
  readonly length: number;
  readonly architecture: number;
}

/** Section 3.1.1, "The layout of Multiboot2 header". */
export function findMultiboot2Header(bytes: Uint8Array): Multiboot2Header | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let offset = 0; offset + HEADER_SIZE <= Math.min(bytes.length, SEARCH); offset += 8) {
    if (view.getUint32(offset, true) !== HEADER_MAGIC) continue;
    const [architecture, length, checksum] = [4, 8, 12].map((field) => view.getUint32(offset + field, true));
    if (((HEADER_MAGIC + architecture + length + checksum) | 0) === 0) return { offset, length, architecture };
  }
  return undefined;
}

function readTags(bytes: Uint8Array, { offset, length }: Multiboot2Header): HeaderTagData[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = Math.min(bytes.length, offset + length);
  const tags: HeaderTagData[] = [];
  for (let at = offset + HEADER_SIZE; at + 8 <= end; ) {
    const [type, flags] = [view.getUint16(at, true), view.getUint16(at + 2, true)];
    const size = view.getUint32(at + 4, true);
    if (type === HeaderTag.end) return tags;
    if (size < 8 || at + size > end) throw new Error(`tag ${type} of the Multiboot 2 header reaches beyond it`);
    tags.push({ type, optional: (flags & OPTIONAL) !== 0, at: at + 8, size: size - 8 });
    at = roundUp(at + size, 8);
  }
  throw new Error('the Multiboot 2 header has no end tag');
}

/** Information that can be given. */
const GIVEN: ReadonlySet<number> = new Set([
  Tag.commandLine,
  Tag.loaderName,
  Tag.module,
  Tag.basicMemory,
  Tag.memoryMap,
  Tag.framebuffer,
  Tag.elfSections,
  Tag.acpiOld,
]);

/**
 * The parts of a kernel and where they go.
 * @throws Error with one line that says what is wrong with the file, or what it demands and cannot have
 */
export function readMultiboot2Image(bytes: Uint8Array): Multiboot2Image {
  const header = findMultiboot2Header(bytes);
  if (!header) throw new Error('no Multiboot 2 header');
  if (header.architecture !== ARCHITECTURE_I386)
    throw new Error(`the Multiboot 2 header is for architecture ${header.architecture}, not x86`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (tag: HeaderTagData, index: number): number => {
    if (index * 4 + 4 > tag.size) throw new Error(`tag ${tag.type} of the Multiboot 2 header is too short`);
    return view.getUint32(tag.at + index * 4, true);
  };
  let segment: Segment | undefined;
  let entry: number | undefined;
  let relocatable = false;
  for (const tag of readTags(bytes, header)) {
    switch (tag.type) {
      case HeaderTag.informationRequest:
        for (let i = 0; i < Math.floor(tag.size / 4); i++) {
          const wanted = word(tag, i);
          if (!tag.optional && !GIVEN.has(wanted))
            throw new Error(`the Multiboot 2 header requires information of type ${wanted}, which does not exist`);
        }
        break;
      case HeaderTag.address:
        segment = flatSegment(bytes, {
          offset: header.offset,
          headerAddress: word(tag, 0),
          loadAddress: word(tag, 1),
          loadEnd: word(tag, 2),
          bssEnd: word(tag, 3),
        });
        break;
      case HeaderTag.entry:
        entry = word(tag, 0);
        break;
      case HeaderTag.framebuffer:
        // A depth of 0 is text, or no preference.
        if (!tag.optional && word(tag, 2) !== 0)
          throw new Error('not implemented: a Multiboot 2 kernel that requires a graphics framebuffer');
        break;
      case HeaderTag.relocatable:
        relocatable = true;
        break;
      // The console is EGA text, modules are page-aligned, and there is no EFI.
      case HeaderTag.console:
      case HeaderTag.moduleAlignment:
      case HeaderTag.efiBootServices:
      case HeaderTag.efiEntry32:
      case HeaderTag.efiEntry64:
        break;
      default:
        if (!tag.optional) throw new Error(`the Multiboot 2 header requires feature ${tag.type}, which does not exist`);
    }
  }
  if (segment) {
    if (entry === undefined) throw new Error('the Multiboot 2 header gives a load address but no entry');
    return { segments: [segment], entry, relocatable };
  }
  if (!isElf(bytes)) throw new Error('the file is no ELF file and its Multiboot 2 header gives no addresses');
  const image = readElfImage(bytes);
  return { segments: image.segments, entry: entry ?? image.entry, elf: { image, bytes }, relocatable };
}

export interface Multiboot2Boot {
  readonly image: Multiboot2Image;
  readonly commandLine: string;
  readonly modules: readonly BootModule[];
  /** RAM of the machine in bytes. */
  readonly memory: number;
  /** ACPI's root pointer (20 bytes of version 1, or 36), where there is one. */
  readonly rsdp?: Uint8Array;
}

const MAP_ENTRY = 24;
const TEXT_BUFFER = { address: 0xb8000, pitch: 160, width: 80, height: 25, bits: 16, type: 2 } as const;

/** Writes tags one behind the other, each at a multiple of 8 bytes. */
class TagWriter {
  private readonly record: RecordWriter;

  constructor(base: number, room: number) {
    this.record = new RecordWriter(base, 8, room);
  }

  /** @param size of what follows type and size @returns writers for its fields */
  tag(
    type: number,
    size: number,
  ): { u32(at: number, value: number): void; u64(at: number, value: number): void; set(at: number, bytes: Uint8Array): void } {
    const { record } = this;
    const at = record.take(8 + size, 8);
    record.u32(at, type);
    record.u32(at + 4, 8 + size);
    return {
      u32: (offset, value) => record.u32(at + 8 + offset, value),
      u64: (offset, value) => record.u64(at + 8 + offset, value),
      set: (offset, bytes) => record.set(at + 8 + offset, bytes),
    };
  }

  text(type: number, value: string, before: readonly number[] = []): void {
    const bytes = new TextEncoder().encode(`${value}\0`);
    const tag = this.tag(type, before.length * 4 + bytes.length);
    before.forEach((word, i) => tag.u32(i * 4, word));
    tag.set(before.length * 4, bytes);
  }

  finish(): Uint8Array {
    this.tag(Tag.end, 0);
    this.record.take(0, 8);
    this.record.u32(0, this.record.bytes.length);
    return this.record.bytes;
  }
}

/**
 * Puts the kernel, its modules and the boot information into memory.
 * @returns the state in which to enter it
 * @throws Error with one line when something does not fit
 */
export function loadMultiboot2(memory: PhysicalMemory, boot: Multiboot2Boot): EntryState {
  const { image, modules, rsdp } = boot;
  const kernelEnd = loadSegments(memory, image.segments, boot.memory);
  const sections = image.elf && placeSections(memory, image.elf.bytes, image.elf.image, kernelEnd);
  const { placed, end } = placeModules(memory, modules, sections?.end ?? kernelEnd);
  const texts = [boot.commandLine, LOADER_NAME, ...modules.map(({ text }) => text)];
  const room = 512 + texts.reduce((sum, text) => sum + 32 + textRoom(text), 0) + (sections?.headers.length ?? 0) + 8 * MAP_ENTRY;
  const base = roundUp(end, PAGE);
  const tags = new TagWriter(base, room);
  tags.text(Tag.commandLine, boot.commandLine);
  tags.text(Tag.loaderName, LOADER_NAME);
  for (const module of placed) tags.text(Tag.module, module.text, [module.start, module.end]);
  const basic = tags.tag(Tag.basicMemory, 8);
  basic.u32(0, 639);
  basic.u32(4, (boot.memory - 0x100000) / 1024);
  const map = memoryMap(boot.memory);
  const mapTag = tags.tag(Tag.memoryMap, 8 + map.length * MAP_ENTRY);
  mapTag.u32(0, MAP_ENTRY);
  map.forEach((range, i) => {
    mapTag.u64(8 + i * MAP_ENTRY, range.base);
    mapTag.u64(16 + i * MAP_ENTRY, range.length);
    mapTag.u32(24 + i * MAP_ENTRY, range.type);
  });
  const buffer = tags.tag(Tag.framebuffer, 24);
  buffer.u64(0, TEXT_BUFFER.address);
  buffer.u32(8, TEXT_BUFFER.pitch);
  buffer.u32(12, TEXT_BUFFER.width);
  buffer.u32(16, TEXT_BUFFER.height);
  buffer.u32(20, TEXT_BUFFER.bits | (TEXT_BUFFER.type << 8));
  if (sections) {
    const tag = tags.tag(Tag.elfSections, 12 + sections.headers.length);
    tag.u32(0, sections.count);
    tag.u32(4, sections.entrySize);
    tag.u32(8, sections.names);
    tag.set(12, sections.headers);
  }
  if (rsdp) {
    tags.tag(Tag.acpiOld, 20).set(0, rsdp.subarray(0, 20));
    if (rsdp.length > 20) tags.tag(Tag.acpiNew, rsdp.length).set(0, rsdp);
  }
  if (image.relocatable) tags.tag(Tag.loadBase, 4).u32(0, Math.min(...image.segments.map(({ address }) => address)));
  put(memory, base, tags.finish());
  return multibootEntry(image.entry, LOADER_MAGIC, base);
}
