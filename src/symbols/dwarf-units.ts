/**
 * The compilation units of `.debug_info`, as far as the line tables need them: up to version 4 those do not hold the
 * directory that the compiler ran in (DWARF 5, section 3.1, "Unit Entries", and 7.5, "Format of Debugging Information").
 */
import { ByteReader } from './byte-reader';
import type { ElfFile } from './elf';

const ATTRIBUTE = { statementList: 0x10, compilationDirectory: 0x1b } as const;
const UNIT_TYPE = { compile: 1, type: 2, partial: 3, skeleton: 4, splitCompile: 5, splitType: 6 } as const;
const DWARF64 = 0xffffffff;

/** Sizes that a form depends on. */
interface UnitFormat {
  readonly version: number;
  readonly addressSize: number;
  readonly offsetSize: 4 | 8;
}

/**
 * Compilation directories by the offset of their line table in `.debug_line`.
 * Units that cannot be read are left out: the lines then have relative paths.
 */
export function compilationDirectories(elf: ElfFile): ReadonlyMap<number, string> {
  const directories = new Map<number, string>();
  const section = elf.section('.debug_info');
  const abbreviations = elf.section('.debug_abbrev');
  if (!section || !abbreviations) return directories;
  const reader = new ByteReader(elf.contents(section), '.debug_info');
  const abbreviationReader = new ByteReader(elf.contents(abbreviations), '.debug_abbrev');
  const strings = elf.section('.debug_str');
  const lineStrings = elf.section('.debug_line_str');
  const texts = {
    plain: strings && new ByteReader(elf.contents(strings), '.debug_str'),
    line: lineStrings && new ByteReader(elf.contents(lineStrings), '.debug_line_str'),
  };
  try {
    while (!reader.done) readUnit(reader, abbreviationReader, texts, directories);
  } catch {
    // What was read so far is good.
  }
  return directories;
}

interface Texts {
  readonly plain: ByteReader | undefined;
  readonly line: ByteReader | undefined;
}

function readUnit(reader: ByteReader, abbreviations: ByteReader, texts: Texts, directories: Map<number, string>): void {
  const first = reader.u32();
  const offsetSize = first === DWARF64 ? 8 : 4;
  const length = offsetSize === 8 ? reader.u64() : first;
  const end = reader.position + length;
  if (length < 0 || end > reader.end) reader.fail('a unit that reaches beyond the section');
  const version = reader.u16();
  const modern = version >= 5;
  const type = modern ? reader.u8() : UNIT_TYPE.compile;
  let addressSize = modern ? reader.u8() : 0;
  const abbreviationOffset = reader.word(offsetSize);
  if (!modern) addressSize = reader.u8();
  if (type === UNIT_TYPE.skeleton || type === UNIT_TYPE.splitCompile) reader.skip(8);
  if (type === UNIT_TYPE.type || type === UNIT_TYPE.splitType) reader.skip(8 + offsetSize);
  const code = reader.uleb();
  const attributes = findAbbreviation(abbreviations, abbreviationOffset, code);
  let lines: number | undefined;
  let directory: string | undefined;
  for (const { name, form, constant } of attributes) {
    const value = readForm(reader, form, { version, addressSize, offsetSize }, texts, constant);
    if (name === ATTRIBUTE.statementList && typeof value === 'number') lines = value;
    if (name === ATTRIBUTE.compilationDirectory && typeof value === 'string') directory = value;
  }
  if (lines !== undefined && directory !== undefined) directories.set(lines, directory);
  reader.position = end;
}

interface AttributeSpec {
  readonly name: number;
  readonly form: number;
  /** For the form that has its value here. */
  readonly constant: number;
}

const IMPLICIT_CONSTANT = 0x21;

/** The attributes of the entry with a code. */
function findAbbreviation(reader: ByteReader, offset: number, wanted: number): AttributeSpec[] {
  reader.position = offset;
  for (;;) {
    const code = reader.uleb();
    if (code === 0) return [];
    reader.uleb();
    reader.skip(1);
    const attributes: AttributeSpec[] = [];
    for (;;) {
      const name = reader.uleb();
      const form = reader.uleb();
      const constant = form === IMPLICIT_CONSTANT ? reader.sleb() : 0;
      if (name === 0 && form === 0) break;
      attributes.push({ name, form, constant });
    }
    if (code === wanted) return attributes;
  }
}

type FormReader = (reader: ByteReader, format: UnitFormat, texts: Texts, constant: number) => number | string | undefined;

const skip =
  (size: number): FormReader =>
  (reader) => {
    reader.skip(size);
    return undefined;
  };
const uleb: FormReader = (reader) => reader.uleb();
const offset: FormReader = (reader, { offsetSize }) => reader.word(offsetSize);
const block =
  (length: (reader: ByteReader) => number): FormReader =>
  (reader) => {
    reader.skip(length(reader));
    return undefined;
  };
const textIn =
  (which: keyof Texts): FormReader =>
  (reader, { offsetSize }, texts) => {
    const at = reader.word(offsetSize);
    const strings = texts[which];
    if (!strings || at < 0 || at >= strings.end) return reader.fail('a text outside its section');
    strings.position = at;
    return strings.text();
  };

/** By form (DWARF 5, 7.5.6, "Form Encodings"). */
const FORMS: Readonly<Record<number, FormReader>> = {
  0x01: (reader, { addressSize }) => {
    reader.skip(addressSize);
    return undefined;
  },
  0x03: block((reader) => reader.u16()),
  0x04: block((reader) => reader.u32()),
  0x05: (reader) => reader.u16(),
  0x06: (reader) => reader.u32(),
  0x07: skip(8),
  0x08: (reader) => reader.text(),
  0x09: block((reader) => reader.uleb()),
  0x0a: block((reader) => reader.u8()),
  0x0b: (reader) => reader.u8(),
  0x0c: skip(1),
  0x0d: (reader) => reader.sleb(),
  0x0e: textIn('plain'),
  0x0f: uleb,
  0x10: (reader, { version, addressSize, offsetSize }) => {
    reader.skip(version <= 2 ? addressSize : offsetSize);
    return undefined;
  },
  0x11: skip(1),
  0x12: skip(2),
  0x13: skip(4),
  0x14: skip(8),
  0x15: uleb,
  0x17: offset,
  0x18: block((reader) => reader.uleb()),
  0x19: () => 1,
  0x1a: uleb,
  0x1b: uleb,
  0x1e: skip(16),
  0x1f: textIn('line'),
  0x20: skip(8),
  0x21: (_reader, _format, _texts, constant) => constant,
  0x22: uleb,
  0x23: uleb,
  0x25: skip(1),
  0x26: skip(2),
  0x27: skip(3),
  0x28: skip(4),
  0x29: skip(1),
  0x2a: skip(2),
  0x2b: skip(3),
  0x2c: skip(4),
};

function readForm(reader: ByteReader, form: number, format: UnitFormat, texts: Texts, constant: number): number | string | undefined {
  const read = FORMS[form];
  return read ? read(reader, format, texts, constant) : reader.fail(`form 0x${form.toString(16)}`);
}
