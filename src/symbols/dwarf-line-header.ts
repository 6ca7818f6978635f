/** The header of one line-number program (DWARF 5, 6.2.4, "The Line Number Program Header"). */
import type { ByteReader } from './byte-reader';

export interface LineHeader {
  readonly version: number;
  readonly addressSize: number;
  readonly minimumInstructionLength: number;
  readonly maximumOperations: number;
  readonly defaultIsStatement: boolean;
  readonly lineBase: number;
  readonly lineRange: number;
  readonly opcodeBase: number;
  /** Number of LEB128 operands of each standard opcode; index is the opcode. */
  readonly operandCounts: readonly number[];
  readonly directories: readonly string[];
  /** Full names by file number: from 1 up to version 4, from 0 in version 5. */
  readonly files: string[];
  /** Where the program ends. */
  readonly end: number;
}

export interface StringSections {
  readonly line: ByteReader | undefined;
  readonly plain: ByteReader | undefined;
}

/** A header that names more files than this is broken. */
const MAX_FILES = 1 << 20;
const DWARF64 = 0xffffffff;

/**
 * Reads the header and leaves the reader at the program's first opcode.
 * @param directory that the compiler ran in, for versions whose header does not have it
 */
export function readLineHeader(reader: ByteReader, strings: StringSections, targetAddressSize: number, directory = ''): LineHeader {
  const first = reader.u32();
  const offsetSize = first === DWARF64 ? 8 : 4;
  if (first >= 0xfffffff0 && first !== DWARF64) reader.fail('a reserved unit length');
  const length = offsetSize === 8 ? reader.u64() : first;
  const end = reader.position + length;
  if (length < 0 || end > reader.end) reader.fail(`a unit of ${length} bytes reaches beyond the section`);
  const version = reader.u16();
  if (version < 2 || version > 5) reader.fail(`line table version ${version}; versions 2 to 5 are read`);
  let addressSize = targetAddressSize;
  if (version === 5) {
    addressSize = reader.u8();
    if (addressSize !== 4 && addressSize !== 8) reader.fail(`addresses of ${addressSize} bytes`);
    reader.skip(1);
  }
  const headerLength = reader.word(offsetSize);
  const program = reader.position + headerLength;
  if (headerLength < 0 || program > end) reader.fail('a header longer than its unit');
  const minimumInstructionLength = reader.u8();
  const maximumOperations = version >= 4 ? reader.u8() : 1;
  const defaultIsStatement = reader.u8() !== 0;
  const lineBase = reader.i8();
  const lineRange = reader.u8();
  const opcodeBase = reader.u8();
  if (lineRange === 0) reader.fail('a line range of 0');
  if (opcodeBase === 0) reader.fail('an opcode base of 0');
  const operandCounts = [0, ...Array.from({ length: opcodeBase - 1 }, () => reader.u8())];
  const tables = version === 5 ? readTables5(reader, strings, offsetSize) : readTables(reader, directory);
  reader.position = program;
  return {
    version,
    addressSize,
    minimumInstructionLength,
    maximumOperations,
    defaultIsStatement,
    lineBase,
    lineRange,
    opcodeBase,
    operandCounts,
    ...tables,
    end,
  };
}

interface Tables {
  readonly directories: string[];
  readonly files: string[];
}

/** Up to version 4: lists that end with an empty name. Directory 0 is the compilation's, which is not in here. */
function readTables(reader: ByteReader, directory: string): Tables {
  const directories = [directory];
  for (let name = reader.text(); name !== ''; name = reader.text()) directories.push(joinPath(directory, name));
  const files = [''];
  for (let name = reader.text(); name !== ''; name = reader.text()) {
    files.push(joinPath(directories[reader.uleb()] ?? '', name));
    reader.uleb();
    reader.uleb();
  }
  return { directories, files };
}

export function joinPath(directory: string, name: string): string {
  if (directory === '' || name.startsWith('/') || /^[a-zA-Z]:/.test(name)) return name;
  return `${directory.replace(/\/$/, '')}/${name}`;
}

const CONTENT_PATH = 1;
const CONTENT_DIRECTORY = 2;

function readTables5(reader: ByteReader, strings: StringSections, offsetSize: number): Tables {
  const directories = readEntries(reader, strings, offsetSize).map(({ path }) => path);
  // Directory 0 is the compilation's; the others are under it unless absolute.
  const full = directories.map((directory, i) => (i === 0 ? directory : joinPath(directories[0], directory)));
  const files = readEntries(reader, strings, offsetSize).map(({ path, directory }) => joinPath(full[directory] ?? '', path));
  return { directories: full, files };
}

function readEntries(reader: ByteReader, strings: StringSections, offsetSize: number): { path: string; directory: number }[] {
  const format = Array.from({ length: reader.u8() }, () => [reader.uleb(), reader.uleb()] as const);
  const count = reader.uleb();
  if (count > MAX_FILES || (format.length === 0 && count > 0)) reader.fail(`a table of ${count} names`);
  return Array.from({ length: count }, () => {
    let path = '';
    let directory = 0;
    for (const [content, form] of format) {
      const value = readForm(reader, form, strings, offsetSize);
      if (content === CONTENT_PATH && typeof value === 'string') path = value;
      if (content === CONTENT_DIRECTORY && typeof value === 'number') directory = value;
    }
    return { path, directory };
  });
}

const FORM = {
  block2: 0x03,
  block4: 0x04,
  data2: 0x05,
  data4: 0x06,
  data8: 0x07,
  string: 0x08,
  block: 0x09,
  block1: 0x0a,
  data1: 0x0b,
  strp: 0x0e,
  udata: 0x0f,
  data16: 0x1e,
  lineStrp: 0x1f,
} as const;

function readForm(reader: ByteReader, form: number, strings: StringSections, offsetSize: number): string | number | undefined {
  switch (form) {
    case FORM.string:
      return reader.text();
    case FORM.lineStrp:
      return stringAt(strings.line, reader.word(offsetSize), reader);
    case FORM.strp:
      return stringAt(strings.plain, reader.word(offsetSize), reader);
    case FORM.udata:
      return reader.uleb();
    case FORM.data1:
      return reader.u8();
    case FORM.data2:
      return reader.u16();
    case FORM.data4:
      return reader.u32();
    case FORM.data8:
      reader.skip(8);
      return undefined;
    case FORM.data16:
      reader.skip(16);
      return undefined;
    case FORM.block:
      reader.skip(reader.uleb());
      return undefined;
    case FORM.block1:
      reader.skip(reader.u8());
      return undefined;
    case FORM.block2:
      reader.skip(reader.u16());
      return undefined;
    case FORM.block4:
      reader.skip(reader.u32());
      return undefined;
    default:
      return reader.fail(`form 0x${form.toString(16)} in a table of names`);
  }
}

function stringAt(strings: ByteReader | undefined, offset: number, reader: ByteReader): string {
  if (!strings || offset < 0 || offset >= strings.end) return reader.fail(`a name at 0x${offset.toString(16)} outside its section`);
  strings.position = offset;
  return strings.text();
}
