/** ELF relocatable objects, 32 and 64 bits. */

import type { Assembly } from '../assembly';
import { add, type Int, store, subtract } from '../int64';
import { type Section, type SectionFixup, ByteBuffer } from '../sections';
import type { ExternalSymbol, SymbolEntry } from '../symbols';
import { type Base, isInt } from '../values';
import { type DebugSection, debugSections } from './dwarf';
import { type Machine, relocationType } from './relocations';

const utf8 = new TextEncoder();

const SHT = { PROGBITS: 1, SYMTAB: 2, STRTAB: 3, RELA: 4, NOBITS: 8, REL: 9 } as const;
const SHF = { WRITE: 1, ALLOC: 2, EXEC: 4, MERGE: 0x10, STRINGS: 0x20, TLS: 0x400 } as const;
const SHN_ABS = 0xfff1;
const SHN_COMMON = 0xfff2;
const STT_SECTION = 3;
const STT_FILE = 4;

const BINDINGS = { local: 0, global: 1, weak: 2 } as const;
const TYPES = { notype: 0, object: 1, function: 2, tls: 6 } as const;
const VISIBILITIES = { default: 0, internal: 1, hidden: 2, protected: 3 } as const;

/** They need the symbol itself; for the others its section and an offset do. */
const NAMES_SYMBOL: ReadonlySet<string> = new Set(['..sym', '..got', '..plt', '..tlsie', '..gottpoff']);

class Strings {
  readonly bytes = new ByteBuffer();
  private readonly known = new Map<string, number>();

  constructor() {
    this.add('');
  }

  /** Offset of the string in the table. */
  add(text: string): number {
    const before = this.known.get(text);
    if (before !== undefined) return before;
    const at = this.bytes.length;
    this.known.set(text, at);
    this.bytes.append(utf8.encode(`${text}\0`));
    return at;
  }
}

interface OutputSection {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly data: Uint8Array;
  /** Bytes in memory; differs from the data's length for NOBITS. */
  readonly size: number;
  readonly align: number;
  readonly entrySize: number;
  link: number;
  info: number;
}

interface OutputSymbol {
  readonly name: string;
  readonly value: Int;
  readonly size: number;
  readonly info: number;
  readonly other: number;
  readonly sectionIndex: number;
}

interface OutputRelocation {
  readonly offset: number;
  readonly type: number;
  readonly symbol: number;
  readonly addend: Int;
}

class ObjectWriter {
  private readonly assembly: Assembly;
  private readonly machine: Machine;
  private readonly wide: boolean;
  /** Sections of the program that are written, numbered from 1. */
  private readonly program: Section[];
  private readonly indexes = new Map<Base, number>();
  private readonly symbols: OutputSymbol[] = [];
  private readonly symbolIndexes = new Map<SymbolEntry | Base, number>();
  private readonly debugSymbols = new Map<string, number>();
  /** Global symbols by section, for relocations that name the symbol itself. */
  private readonly globals = new Map<Base, SymbolEntry[]>();
  private locals = 0;

  constructor(assembly: Assembly) {
    this.assembly = assembly;
    this.machine = assembly.format.name as Machine;
    this.wide = this.machine === 'elf64';
    // The section that is there without being declared comes last, if anything is in it.
    const rankOf = ({ rank }: Section): number => (rank > 0 ? rank : Number.POSITIVE_INFINITY);
    this.program = [...assembly.sections.values()]
      .filter(({ rank, offset }) => rank > 0 || offset > 0)
      .sort((a, b) => rankOf(a) - rankOf(b));
    for (const [i, section] of this.program.entries()) this.indexes.set(section, i + 1);
  }

  write(sourceName: string, withDebug: boolean): Uint8Array {
    const debug = withDebug ? debugSections(this.program, this.machine, sourceName) : [];
    this.collectSymbols(sourceName, debug);
    const names = new Strings();
    const strings = new Strings();
    const table = this.symbolTable(strings);
    const outputs: OutputSection[] = this.program.map((section) => this.programSection(section));
    const first = outputs.length + 1;
    for (const section of debug) outputs.push(this.debugSection(section));
    const relocations = [
      ...this.program.map((section, i) => ({ name: section.name, target: i + 1, entries: this.relocations(section, outputs[i].data) })),
      ...debug.map((section, i) => ({
        name: section.name,
        target: first + i,
        entries: this.debugRelocations(section, outputs[first + i - 1].data),
      })),
    ].filter(({ entries }) => entries.length > 0);
    const symtab = outputs.length + 2;
    outputs.push({ ...plain('.shstrtab', SHT.STRTAB), data: new Uint8Array(0), size: 0 });
    outputs.push({
      ...plain('.symtab', SHT.SYMTAB),
      data: table,
      size: table.length,
      align: this.wide ? 8 : 4,
      entrySize: this.wide ? 24 : 16,
      link: symtab + 1,
      info: this.locals,
    });
    outputs.push({ ...plain('.strtab', SHT.STRTAB), data: strings.bytes.view(), size: strings.bytes.length });
    for (const { name, target, entries } of relocations) {
      const data = this.relocationTable(entries);
      const type = this.wide ? SHT.RELA : SHT.REL;
      outputs.push({
        ...plain(`${this.wide ? '.rela' : '.rel'}${name}`, type),
        data,
        size: data.length,
        align: this.wide ? 8 : 4,
        entrySize: this.wide ? 24 : 8,
        link: symtab,
        info: target,
      });
    }
    for (const output of outputs) names.add(output.name);
    const at = outputs.findIndex(({ name }) => name === '.shstrtab');
    outputs[at] = { ...outputs[at], data: names.bytes.view(), size: names.bytes.length };
    return this.file(outputs, names, at + 1);
  }

  private programSection(section: Section): OutputSection {
    const { attributes } = section;
    let flags = 0;
    if (attributes.write) flags |= SHF.WRITE;
    if (attributes.alloc) flags |= SHF.ALLOC;
    if (attributes.exec) flags |= SHF.EXEC;
    if (attributes.merge) flags |= SHF.MERGE;
    if (attributes.strings) flags |= SHF.STRINGS;
    if (attributes.tls) flags |= SHF.TLS;
    return {
      name: section.name,
      type: attributes.nobits ? SHT.NOBITS : (attributes.type ?? SHT.PROGBITS),
      flags,
      data: section.nobits ? new Uint8Array(0) : section.data.view().slice(),
      size: section.offset,
      align: attributes.align ?? 1,
      entrySize: attributes.entrySize ?? 0,
      link: 0,
      info: 0,
    };
  }

  private debugSection(section: DebugSection): OutputSection {
    return { ...plain(section.name, SHT.PROGBITS), data: section.data.slice(), size: section.data.length };
  }

  private collectSymbols(sourceName: string, debug: readonly DebugSection[]): void {
    const put = (symbol: OutputSymbol): number => this.symbols.push(symbol) - 1;
    put({ name: '', value: 0, size: 0, info: 0, other: 0, sectionIndex: 0 });
    put({ name: sourceName, value: 0, size: 0, info: STT_FILE, other: 0, sectionIndex: SHN_ABS });
    for (const section of this.program) {
      const index = put({ name: '', value: 0, size: 0, info: STT_SECTION, other: 0, sectionIndex: this.indexes.get(section) ?? 0 });
      this.symbolIndexes.set(section, index);
    }
    for (const [i, { name }] of debug.entries()) {
      const sectionIndex = this.program.length + 1 + i;
      this.debugSymbols.set(name, put({ name: '', value: 0, size: 0, info: STT_SECTION, other: 0, sectionIndex }));
    }
    const referenced = this.referencedBases();
    const entries = [...this.assembly.symbols.all.values()].sort((a, b) => a.order - b.order);
    const shown = entries.filter((entry) => this.isShown(entry, referenced));
    for (const entry of shown.filter(({ linkage }) => linkage.binding === 'local')) this.putEntry(entry, put);
    this.locals = this.symbols.length;
    for (const entry of shown.filter(({ linkage }) => linkage.binding !== 'local')) this.putEntry(entry, put);
  }

  private referencedBases(): Set<Base> {
    const bases = new Set<Base>();
    for (const section of this.program) for (const { base } of section.fixups) if (base) bases.add(base);
    return bases;
  }

  private isShown(entry: SymbolEntry, referenced: ReadonlySet<Base>): boolean {
    if (entry.kind === 'external') return entry.required || referenced.has(baseOf(entry) as Base);
    if (entry.kind === 'common') return true;
    if (entry.definedIn === 0) return false;
    return !(entry.name.startsWith('..') && !entry.name.startsWith('..@'));
  }

  private putEntry(entry: SymbolEntry, put: (symbol: OutputSymbol) => number): void {
    const { linkage, value } = entry;
    const base = baseOf(entry);
    let type: keyof typeof TYPES = linkage.type;
    let sectionIndex = SHN_ABS;
    let size = linkage.size;
    let number: Int = isInt(value) ? value : value.constant;
    if (entry.kind === 'external') sectionIndex = 0;
    else if (entry.kind === 'common') {
      sectionIndex = SHN_COMMON;
      size = (base as ExternalSymbol).size;
      number = (base as ExternalSymbol).alignment;
    } else if (base) {
      sectionIndex = this.indexes.get(base) ?? SHN_ABS;
      if ((base as Section).attributes.tls) type = 'tls';
    }
    const info = (BINDINGS[linkage.binding] << 4) | TYPES[type];
    const index = put({ name: entry.name, value: number, size, info, other: VISIBILITIES[linkage.visibility], sectionIndex });
    this.symbolIndexes.set(entry, index);
    if (entry.kind !== 'label' && entry.kind !== 'equ') {
      if (base) this.symbolIndexes.set(base, index);
    } else if (base && linkage.binding !== 'local') {
      const list = this.globals.get(base);
      if (list) list.push(entry);
      else this.globals.set(base, [entry]);
    }
  }

  private symbolTable(strings: Strings): Uint8Array {
    const size = this.wide ? 24 : 16;
    const bytes = new Uint8Array(size * this.symbols.length);
    for (const [i, symbol] of this.symbols.entries()) {
      const at = i * size;
      store(bytes, at, strings.add(symbol.name), 4);
      if (this.wide) {
        bytes[at + 4] = symbol.info;
        bytes[at + 5] = symbol.other;
        store(bytes, at + 6, symbol.sectionIndex, 2);
        store(bytes, at + 8, symbol.value, 8);
        store(bytes, at + 16, symbol.size, 8);
      } else {
        store(bytes, at + 4, symbol.value, 4);
        store(bytes, at + 8, symbol.size, 4);
        bytes[at + 12] = symbol.info;
        bytes[at + 13] = symbol.other;
        store(bytes, at + 14, symbol.sectionIndex, 2);
      }
    }
    return bytes;
  }

  /** Relocations of a section; what they leave in place is written into `data`. */
  private relocations(section: Section, data: Uint8Array): OutputRelocation[] {
    const result: OutputRelocation[] = [];
    for (const fixup of section.fixups) {
      const entry = this.relocation(fixup, data);
      if (entry) result.push(entry);
    }
    return result;
  }

  private relocation(given: SectionFixup, data: Uint8Array): OutputRelocation | undefined {
    // ELF32 knows no quadwords: the low half is relocated and the high half is zero.
    const fixup = this.wide || given.size !== 8 ? given : { ...given, size: 4 };
    const { offset, size, base } = fixup;
    let addend = fixup.relative ? add(subtract(fixup.addend, fixup.from), offset) : fixup.addend;
    if (!base) {
      // The distance to a plain number cannot be known here: ELF64 has no relocation for it, ELF32 the null symbol.
      store(data, offset, fixup.relative && fixup.from !== 0 ? subtract(fixup.addend, fixup.from - offset) : addend, size);
      return this.wide ? undefined : { offset, type: relocationType(this.machine, fixup) ?? 0, symbol: 0, addend };
    }
    const type = relocationType(this.machine, fixup);
    if (type === undefined) {
      const what = fixup.wrt?.kind === 'special' ? ` with respect to ${fixup.wrt.name}` : '';
      this.assembly.diagnostics.error(fixup.place, `the output format ${this.machine} has no relocation of ${size} bytes${what}`);
      return undefined;
    }
    let symbol = this.symbolIndexes.get(base) ?? 0;
    if (fixup.wrt?.kind === 'special' && base.kind === 'section' && NAMES_SYMBOL.has(fixup.wrt.name)) {
      const named = this.globalAt(base, addend, fixup);
      if (!named) {
        this.assembly.diagnostics.error(fixup.place, 'expected a global symbol before WRT');
        return undefined;
      }
      addend = subtract(addend, valueOf(named));
      symbol = this.symbolIndexes.get(named) ?? 0;
    }
    // The value is to count from the start of the section, the relocation counts from the field.
    if (!this.wide && fixup.wrt?.kind === 'special' && fixup.wrt.name === '..gotpc') addend = add(addend, offset);
    store(data, offset, this.wide ? 0 : addend, size);
    return { offset, type, symbol, addend };
  }

  /** The global symbol that an address is meant to be: the last one at or before it. */
  private globalAt(base: Base, addend: Int, fixup: SectionFixup): SymbolEntry | undefined {
    const wanted = fixup.relative ? fixup.addend : addend;
    let best: SymbolEntry | undefined;
    for (const entry of this.globals.get(base) ?? []) {
      const value = valueOf(entry);
      if (value <= wanted && (!best || value > valueOf(best))) best = entry;
    }
    return best;
  }

  private debugRelocations(section: DebugSection, data: Uint8Array): OutputRelocation[] {
    return section.addresses.map(({ offset, target, addend, size }) => {
      if (!this.wide) store(data, offset, addend, size);
      const type = this.wide ? (size === 8 ? 1 : 10) : 1;
      return { offset, type, symbol: this.symbolOf(target), addend };
    });
  }

  private symbolOf(target: DebugSection['addresses'][number]['target']): number {
    return (typeof target === 'string' ? this.debugSymbols.get(target) : this.symbolIndexes.get(target)) ?? 0;
  }

  private relocationTable(entries: readonly OutputRelocation[]): Uint8Array {
    const size = this.wide ? 24 : 8;
    const bytes = new Uint8Array(size * entries.length);
    for (const [i, { offset, type, symbol, addend }] of entries.entries()) {
      const at = i * size;
      if (this.wide) {
        store(bytes, at, offset, 8);
        store(bytes, at + 8, type, 4);
        store(bytes, at + 12, symbol, 4);
        store(bytes, at + 16, addend, 8);
      } else {
        store(bytes, at, offset, 4);
        store(bytes, at + 4, symbol * 256 + type, 4);
      }
    }
    return bytes;
  }

  private file(sections: readonly OutputSection[], names: Strings, nameTable: number): Uint8Array {
    const headerSize = this.wide ? 64 : 52;
    const entrySize = this.wide ? 64 : 40;
    const tableAt = 64;
    let end = tableAt + entrySize * (sections.length + 1);
    const offsets = sections.map(({ data, align }) => {
      const unit = Math.max(16, Math.min(align, 4096));
      end = Math.ceil(end / unit) * unit;
      const at = end;
      end += data.length;
      return at;
    });
    const bytes = new Uint8Array(end);
    this.header(bytes, headerSize, entrySize, tableAt, sections.length + 1, nameTable);
    for (const [i, section] of sections.entries()) {
      bytes.set(section.data, offsets[i]);
      this.sectionHeader(bytes, tableAt + entrySize * (i + 1), section, names.add(section.name), offsets[i]);
    }
    return bytes;
  }

  private header(bytes: Uint8Array, size: number, entry: number, table: number, count: number, nameTable: number): void {
    const word = this.wide ? 8 : 4;
    bytes.set([0x7f, 0x45, 0x4c, 0x46, this.wide ? 2 : 1, 1, 1]);
    store(bytes, 16, 1, 2);
    store(bytes, 18, this.wide ? 62 : 3, 2);
    store(bytes, 20, 1, 4);
    const at = 24 + 3 * word;
    store(bytes, 24 + 2 * word, table, word);
    store(bytes, at + 4, size, 2);
    store(bytes, at + 10, entry, 2);
    store(bytes, at + 12, count, 2);
    store(bytes, at + 14, nameTable, 2);
  }

  private sectionHeader(bytes: Uint8Array, at: number, section: OutputSection, name: number, offset: number): void {
    const word = this.wide ? 8 : 4;
    store(bytes, at, name, 4);
    store(bytes, at + 4, section.type, 4);
    const fields = [section.flags, 0, offset, section.size];
    for (const [i, value] of fields.entries()) store(bytes, at + 8 + i * word, value, word);
    const rest = at + 8 + 4 * word;
    store(bytes, rest, section.link, 4);
    store(bytes, rest + 4, section.info, 4);
    store(bytes, rest + 8, section.align, word);
    store(bytes, rest + 8 + word, section.entrySize, word);
  }
}

function plain(name: string, type: number): OutputSection {
  return { name, type, flags: 0, data: new Uint8Array(0), size: 0, align: 1, entrySize: 0, link: 0, info: 0 };
}

function baseOf(entry: SymbolEntry): Base | undefined {
  const { value } = entry;
  if (isInt(value)) return undefined;
  const term = value.terms.find(({ of }) => 'kind' in of);
  return term?.of as Base | undefined;
}

const valueOf = (entry: SymbolEntry): Int => (isInt(entry.value) ? entry.value : entry.value.constant);

/**
 * The object file of a finished assembly.
 * @param sourceName of the symbol table's FILE entry and the line table
 * @param withDebug adds .debug_line and what debuggers need to find it
 */
export function writeObject(assembly: Assembly, sourceName: string, withDebug: boolean): Uint8Array {
  return new ObjectWriter(assembly).write(sourceName, withDebug);
}
