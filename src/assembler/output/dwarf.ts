/**
 * DWARF 4 debug information of an assembly: a line program for each section with code or data, one compilation unit that covers
 * them, and the address ranges by which debuggers find it.
 */

import { store } from '../int64';
import { ByteBuffer, type LineRow, type Section } from '../sections';

/** An address that the linker fills in. */
interface DebugAddress {
  readonly offset: number;
  readonly size: number;
  /** A section of the program, or a debug section by name. */
  readonly target: Section | string;
  readonly addend: number;
}

export interface DebugSection {
  readonly name: string;
  readonly data: Uint8Array;
  readonly addresses: readonly DebugAddress[];
}

const utf8 = new TextEncoder();

const DW_LNS = { COPY: 1, ADVANCE_PC: 2, ADVANCE_LINE: 3, SET_FILE: 4 } as const;
const DW_LNE = { END_SEQUENCE: 1, SET_ADDRESS: 2 } as const;
const LINE_BASE = -5;
const LINE_RANGE = 14;
const OPCODE_BASE = 13;
/** Arguments of the standard opcodes 1 to 12. */
const OPCODE_LENGTHS: readonly number[] = [0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1];
const DW_LANG_MIPS_ASSEMBLER = 0x8001;

class Writer {
  private readonly buffer = new ByteBuffer();
  readonly addresses: DebugAddress[] = [];

  get length(): number {
    return this.buffer.length;
  }

  number(value: number, size: number): void {
    const bytes = new Uint8Array(size);
    store(bytes, 0, value, size);
    this.buffer.append(bytes);
  }

  text(text: string): void {
    this.buffer.append(utf8.encode(`${text}\0`));
  }

  unsigned(value: number): void {
    let rest = value;
    do {
      const low = rest % 128;
      rest = Math.floor(rest / 128);
      this.number(low | (rest > 0 ? 0x80 : 0), 1);
    } while (rest > 0);
  }

  signed(value: number): void {
    let rest = value;
    for (;;) {
      const low = rest & 0x7f;
      rest = Math.floor(rest / 128);
      const done = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
      this.number(done ? low : low | 0x80, 1);
      if (done) return;
    }
  }

  address(target: Section, addend: number, size: number): void {
    this.addresses.push({ offset: this.length, size, target, addend });
    this.number(0, size);
  }

  /** Offset of the start of another debug section, which the linker moves. */
  reference(section: string): void {
    this.addresses.push({ offset: this.length, size: 4, target: section, addend: 0 });
    this.number(0, 4);
  }

  /** Writes the length of everything behind the field at `at`, four bytes. */
  closeLength(at: number): void {
    const bytes = this.buffer.view();
    store(bytes, at, this.length - at - 4, 4);
  }

  finish(name: string): DebugSection {
    return { name, data: this.buffer.view().slice(), addresses: this.addresses };
  }
}

function fileNumbers(sections: readonly Section[], main: string): Map<string, number> {
  const files = new Map<string, number>([[main, 1]]);
  for (const { lines } of sections) for (const { file } of lines) if (!files.has(file)) files.set(file, files.size + 1);
  return files;
}

function row(out: Writer, lineAdvance: number, addressAdvance: number): void {
  const special = lineAdvance - LINE_BASE + LINE_RANGE * addressAdvance + OPCODE_BASE;
  if (lineAdvance >= LINE_BASE && lineAdvance < LINE_BASE + LINE_RANGE && special <= 255) {
    out.number(special, 1);
    return;
  }
  if (lineAdvance !== 0) {
    out.number(DW_LNS.ADVANCE_LINE, 1);
    out.signed(lineAdvance);
  }
  if (addressAdvance !== 0) {
    out.number(DW_LNS.ADVANCE_PC, 1);
    out.unsigned(addressAdvance);
  }
  out.number(DW_LNS.COPY, 1);
}

function sequence(out: Writer, section: Section, rows: readonly LineRow[], files: ReadonlyMap<string, number>, word: number): void {
  out.number(0, 1);
  out.unsigned(1 + word);
  out.number(DW_LNE.SET_ADDRESS, 1);
  out.address(section, rows[0].offset, word);
  let address = rows[0].offset;
  let line = 1;
  let file = 1;
  for (const each of rows) {
    const number = files.get(each.file) ?? 1;
    if (number !== file) {
      out.number(DW_LNS.SET_FILE, 1);
      out.unsigned(number);
      file = number;
    }
    row(out, each.line - line, each.offset - address);
    line = each.line;
    address = each.offset;
  }
  out.number(DW_LNS.ADVANCE_PC, 1);
  out.unsigned(section.offset - address);
  out.number(0, 1);
  out.unsigned(1);
  out.number(DW_LNE.END_SEQUENCE, 1);
}

function lineSection(sections: readonly Section[], files: ReadonlyMap<string, number>, word: number): DebugSection {
  const out = new Writer();
  out.number(0, 4);
  out.number(4, 2);
  const headerAt = out.length;
  out.number(0, 4);
  // Instruction length, operations an instruction, statements by default.
  for (const value of [1, 1, 1]) out.number(value, 1);
  out.number(LINE_BASE, 1);
  out.number(LINE_RANGE, 1);
  out.number(OPCODE_BASE, 1);
  for (const length of OPCODE_LENGTHS) out.number(length, 1);
  out.number(0, 1);
  for (const file of files.keys()) {
    out.text(file);
    for (let i = 0; i < 3; i++) out.unsigned(0);
  }
  out.number(0, 1);
  out.closeLength(headerAt);
  for (const section of sections) sequence(out, section, section.lines, files, word);
  out.closeLength(0);
  return out.finish('.debug_line');
}

/** Attribute and form of each value of the compilation unit, in order. */
const UNIT: readonly (readonly [attribute: number, form: number])[] = [
  [0x10, 0x17], // DW_AT_stmt_list, DW_FORM_sec_offset
  [0x55, 0x17], // DW_AT_ranges, DW_FORM_sec_offset
  [0x11, 0x01], // DW_AT_low_pc, DW_FORM_addr
  [0x03, 0x08], // DW_AT_name, DW_FORM_string
  [0x1b, 0x08], // DW_AT_comp_dir, DW_FORM_string
  [0x25, 0x08], // DW_AT_producer, DW_FORM_string
  [0x13, 0x05], // DW_AT_language, DW_FORM_data2
];

function abbreviations(): DebugSection {
  const out = new Writer();
  // One abbreviation: DW_TAG_compile_unit without children.
  for (const value of [1, 0x11]) out.unsigned(value);
  out.number(0, 1);
  for (const [attribute, form] of UNIT) {
    out.unsigned(attribute);
    out.unsigned(form);
  }
  for (let i = 0; i < 3; i++) out.number(0, 1);
  return out.finish('.debug_abbrev');
}

function unit(name: string, word: number): DebugSection {
  const out = new Writer();
  out.number(0, 4);
  out.number(4, 2);
  out.reference('.debug_abbrev');
  out.number(word, 1);
  out.unsigned(1);
  out.reference('.debug_line');
  out.reference('.debug_ranges');
  out.number(0, word);
  out.text(name);
  out.text('');
  out.text('ringside');
  out.number(DW_LANG_MIPS_ASSEMBLER, 2);
  out.closeLength(0);
  return out.finish('.debug_info');
}

function ranges(sections: readonly Section[], word: number): DebugSection {
  const out = new Writer();
  for (const section of sections) {
    out.address(section, 0, word);
    out.address(section, section.offset, word);
  }
  out.number(0, word);
  out.number(0, word);
  return out.finish('.debug_ranges');
}

function addressRanges(sections: readonly Section[], word: number): DebugSection {
  const out = new Writer();
  out.number(0, 4);
  out.number(2, 2);
  out.reference('.debug_info');
  out.number(word, 1);
  out.number(0, 1);
  while (out.length % (2 * word) !== 0) out.number(0, 1);
  for (const section of sections) {
    out.address(section, 0, word);
    out.number(section.offset, word);
  }
  out.number(0, word);
  out.number(0, word);
  out.closeLength(0);
  return out.finish('.debug_aranges');
}

/**
 * Debug sections for the sections that have lines.
 * @returns none where no section has any
 */
export function debugSections(program: readonly Section[], machine: 'elf32' | 'elf64', sourceName: string): DebugSection[] {
  const sections = program.filter((section) => section.lines.length > 0 && !section.nobits && section.attributes.alloc);
  if (sections.length === 0) return [];
  const word = machine === 'elf64' ? 8 : 4;
  const files = fileNumbers(sections, sourceName);
  return [
    lineSection(sections, files, word),
    unit(sourceName, word),
    abbreviations(),
    ranges(sections, word),
    addressRanges(sections, word),
  ];
}
