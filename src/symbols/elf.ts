/** Reads ELF files (System V ABI, "Object Files"), 32- and 64-bit, little-endian. */
import { ByteReader, SymbolFileError } from './byte-reader';

export interface ElfSection {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly address: number;
  /** In the file. */
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly entrySize: number;
}

export interface ElfSegment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly virtualAddress: number;
  readonly physicalAddress: number;
  readonly fileSize: number;
  readonly memorySize: number;
}

export interface ElfSymbol {
  readonly name: string;
  readonly value: number;
  readonly size: number;
  /** STT_… */
  readonly type: number;
  /** STB_… */
  readonly binding: number;
  /** Section index; SHN_UNDEF is 0. */
  readonly section: number;
}

export interface ElfNote {
  readonly name: string;
  readonly type: number;
  readonly contents: Uint8Array;
}

const SectionType = { symbols: 2, strings: 3, rela: 4, note: 7, nobits: 8, rel: 9, dynamicSymbols: 11 } as const;
export const SectionFlag = { allocated: 2, executable: 4, compressed: 0x800 } as const;
export const SymbolType = { none: 0, object: 1, function: 2, section: 3, file: 4 } as const;
export const SymbolSection = { undefined: 0, absolute: 0xfff1 } as const;

/** More sections or symbols than any real file has are a broken count. */
const MAX_ENTRIES = 1 << 22;

export class ElfFile {
  readonly bytes: Uint8Array;
  /** As error messages name it. */
  readonly name: string;
  readonly is64: boolean;
  readonly type: number;
  readonly machine: number;
  readonly entry: number;
  readonly segments: readonly ElfSegment[];
  readonly sections: readonly ElfSection[];

  /** @throws SymbolFileError for what is no ELF file that can be read */
  constructor(bytes: Uint8Array, name = 'the ELF file') {
    this.bytes = bytes;
    this.name = name;
    if (bytes.length < 52 || bytes[0] !== 0x7f || bytes[1] !== 0x45 || bytes[2] !== 0x4c || bytes[3] !== 0x46) {
      throw new SymbolFileError(`${name}: no ELF file`);
    }
    if (bytes[4] !== 1 && bytes[4] !== 2) throw new SymbolFileError(`${name}: ELF class ${bytes[4]} is neither 32- nor 64-bit`);
    if (bytes[5] !== 1) throw new SymbolFileError(`${name}: not little-endian`);
    this.is64 = bytes[4] === 2;
    const word = this.wordSize;
    const reader = new ByteReader(bytes, name, 16);
    this.type = reader.u16();
    this.machine = reader.u16();
    reader.skip(4);
    this.entry = reader.word(word);
    const segmentTable = reader.word(word);
    const sectionTable = reader.word(word);
    reader.skip(6);
    const [segmentSize, segmentCount, sectionSize, sectionCount, names] = [0, 0, 0, 0, 0].map(() => reader.u16());
    this.segments = this.readTable(segmentTable, segmentSize, segmentCount, (at) => this.readSegment(at));
    const sections = this.readSections(sectionTable, sectionSize, sectionCount);
    const nameIndex = names === 0xffff ? (sections[0]?.link ?? 0) : names;
    this.sections = this.nameSections(sections, sections[nameIndex]);
  }

  get wordSize(): 4 | 8 {
    return this.is64 ? 8 : 4;
  }

  private readTable<T>(offset: number, size: number, count: number, read: (reader: ByteReader) => T): T[] {
    if (offset === 0 || count === 0) return [];
    if (count > MAX_ENTRIES || size === 0 || offset < 0 || offset + size * count > this.bytes.length) {
      throw new SymbolFileError(
        `${this.name}: a table of ${count} entries of ${size} bytes at 0x${offset.toString(16)} reaches beyond the file`,
      );
    }
    return Array.from({ length: count }, (_, i) => read(new ByteReader(this.bytes, this.name, offset + i * size, offset + (i + 1) * size)));
  }

  private readSections(offset: number, size: number, count: number): (ElfSection & { nameOffset: number })[] {
    if (offset === 0) return [];
    // With too many sections for 16 bits, the first header's size has the count.
    const first = this.readTable(offset, size, 1, (reader) => this.readSection(reader, 0));
    let index = 0;
    return this.readTable(offset, size, count === 0 ? first[0].size : count, (reader) => this.readSection(reader, index++));
  }

  private readSegment(reader: ByteReader): ElfSegment {
    const word = this.wordSize;
    const type = reader.u32();
    const early = this.is64 ? reader.u32() : 0;
    const [offset, virtualAddress, physicalAddress, fileSize, memorySize] = [0, 0, 0, 0, 0].map(() => reader.word(word));
    const flags = this.is64 ? early : reader.u32();
    return { type, flags, offset, virtualAddress, physicalAddress, fileSize, memorySize };
  }

  private readSection(reader: ByteReader, index: number): ElfSection & { nameOffset: number } {
    const word = this.wordSize;
    const nameOffset = reader.u32();
    const type = reader.u32();
    const [flags, address, offset, size] = [0, 0, 0, 0].map(() => reader.word(word));
    const link = reader.u32();
    const info = reader.u32();
    reader.skip(word);
    const entrySize = reader.word(word);
    return { index, name: '', nameOffset, type, flags, address, offset, size, link, info, entrySize };
  }

  private nameSections(sections: (ElfSection & { nameOffset: number })[], names: ElfSection | undefined): ElfSection[] {
    const strings = names && this.readerOf(names);
    return sections.map(({ nameOffset, ...section }) => ({ ...section, name: strings ? textAt(strings, nameOffset) : '' }));
  }

  section(name: string): ElfSection | undefined {
    return this.sections.find((section) => section.name === name);
  }

  /** @returns the bytes; empty for a section without any in the file */
  contents(section: ElfSection): Uint8Array {
    if (section.type === SectionType.nobits) return new Uint8Array(0);
    const { offset, size } = section;
    if (offset < 0 || size < 0 || offset + size > this.bytes.length) {
      throw new SymbolFileError(`${this.name}: section ${section.index} (${section.name}) reaches beyond the file`);
    }
    return this.bytes.subarray(offset, offset + size);
  }

  private readerOf(section: ElfSection): ByteReader {
    return new ByteReader(this.contents(section), section.name || `section ${section.index}`);
  }

  /** All symbols of `.symtab`, or of `.dynsym` where there is none. */
  symbols(): ElfSymbol[] {
    const table =
      this.sections.find(({ type }) => type === SectionType.symbols) ??
      this.sections.find(({ type }) => type === SectionType.dynamicSymbols);
    const names = table && this.sections[table.link];
    if (!table || !names) return [];
    const strings = this.readerOf(names);
    const entry = this.is64 ? 24 : 16;
    const reader = this.readerOf(table);
    const symbols: ElfSymbol[] = [];
    for (let i = 0; i < Math.floor(table.size / entry); i++) {
      reader.position = i * entry;
      symbols.push(this.readSymbol(reader, strings));
    }
    return symbols;
  }

  private readSymbol(reader: ByteReader, strings: ByteReader): ElfSymbol {
    const nameOffset = reader.u32();
    let value = 0;
    let size = 0;
    if (!this.is64) {
      value = reader.u32();
      size = reader.u32();
    }
    const info = reader.u8();
    reader.skip(1);
    const section = reader.u16();
    if (this.is64) {
      value = reader.u64();
      size = reader.u64();
    }
    return { name: textAt(strings, nameOffset), value, size, type: info & 15, binding: info >> 4, section };
  }

  /** The notes of all note sections. */
  notes(): ElfNote[] {
    return this.sections.filter(({ type }) => type === SectionType.note).flatMap((section) => this.readNotes(this.readerOf(section)));
  }

  private readNotes(reader: ByteReader): ElfNote[] {
    const notes: ElfNote[] = [];
    const pad = (length: number): number => (length + 3) & ~3;
    while (reader.end - reader.position >= 12) {
      const nameSize = reader.u32();
      const size = reader.u32();
      const type = reader.u32();
      const nameAt = reader.position;
      reader.skip(Math.min(pad(nameSize), reader.end - nameAt));
      const at = reader.position;
      if (nameAt + nameSize > reader.end || at + size > reader.end) reader.fail('a note that reaches beyond its section');
      const name = new TextDecoder().decode(reader.bytes.subarray(nameAt, nameAt + Math.max(0, nameSize - 1)));
      notes.push({ name, type, contents: reader.bytes.subarray(at, at + size) });
      reader.skip(Math.min(pad(size), reader.end - at));
    }
    return notes;
  }
}

/** A name that lies outside its table is none. */
function textAt(strings: ByteReader, offset: number): string {
  if (offset >= strings.end) return '';
  strings.position = offset;
  return strings.text();
}
