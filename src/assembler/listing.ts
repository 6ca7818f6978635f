/** The listing: line number, offset, bytes and source, in NASM's columns. */

import type { Assembly, Location } from './assembly';
import { store } from './int64';
import type { SectionFixup } from './sections';
import type { Body, Statement } from './statements';

/** Width of the byte column. */
const BYTE_COLUMNS = 18;

interface Entry {
  readonly file: string;
  readonly line: number;
  readonly level: number;
  /** Last line of the main file that was read before. */
  readonly read: number;
  readonly text: string;
  readonly offset: number | undefined;
  /** Marked bytes: hex with brackets around fields that are still to be filled in. */
  readonly code: readonly string[];
}

const hex = (byte: number): string => byte.toString(16).toUpperCase().padStart(2, '0');

/** Bytes in hex; a relocatable field (with what is to be added to its base) is one piece in brackets, a relative one in parentheses. */
function marked(code: Uint8Array, start: number, fixups: readonly SectionFixup[]): string[] {
  const bytes = code.slice();
  const fields = new Map<number, SectionFixup>();
  for (const fixup of fixups) {
    const at = fixup.offset - start;
    if (at + fixup.size > bytes.length) continue;
    store(bytes, at, fixup.addend, fixup.size);
    fields.set(at, fixup);
  }
  const pieces: string[] = [];
  for (let i = 0; i < bytes.length; ) {
    const { size = 1, relative = false } = fields.get(i) ?? {};
    const text = Array.from(bytes.subarray(i, i + size), hex).join('');
    pieces.push(fields.has(i) ? (relative ? `(${text})` : `[${text}]`) : text);
    i += size;
  }
  return pieces;
}

/** Breaks pieces into rows of the byte column; all but the last end in a dash. */
function rows(pieces: readonly string[]): string[] {
  const result: string[] = [];
  let row = '';
  for (const piece of pieces) {
    if (row.length + piece.length > BYTE_COLUMNS) {
      result.push(row);
      row = '';
    }
    row += piece;
  }
  result.push(row);
  return result.map((each, i) => (i < result.length - 1 ? `${each}-` : each));
}

/** Collects what the last pass writes, statement by statement. */
export class Listing {
  private readonly entries: Entry[] = [];
  private before: { location: Location; offset: number; fixups: number } | undefined;

  begin(assembly: Assembly): void {
    const { location } = assembly;
    this.before = { location, offset: location.offset, fixups: assembly.current?.fixups.length ?? 0 };
  }

  /** Notes a statement that has been carried out. */
  end(assembly: Assembly, statement: Statement): void {
    const { before } = this;
    if (!before) return;
    const { source } = statement;
    const same = assembly.location === before.location;
    const length = same ? assembly.location.offset - before.offset : 0;
    const code = length > 0 ? this.code(assembly, statement.body, before, length, statement.times !== undefined) : [];
    const offset = length > 0 ? before.offset : undefined;
    // The line of the call stands for what a hidden macro does, once.
    if (source.shown !== source.line && length === 0) return;
    const { file, number, text } = source.shown;
    this.entries.push({ file, line: number, level: source.level, read: source.read, text, offset, code });
  }

  private code(assembly: Assembly, body: Body, before: { offset: number; fixups: number }, length: number, times: boolean): string[] {
    const tag = (text: string): string[] => [`<${text} ${length.toString(16).toUpperCase()}h>`];
    if (body.kind === 'reserve') return tag('res');
    if (body.kind === 'incbin') return tag('bin');
    const { current } = assembly;
    if (!current || current.nobits) return tag('res');
    const fixups = current.fixups.slice(before.fixups);
    const bytes = current.data.view().subarray(before.offset, before.offset + length);
    const period = times ? repetition(bytes) : length;
    const pieces = marked(bytes.subarray(0, period), before.offset, fixups);
    if (period < length) pieces.push(`<rep ${(length / period).toString(16).toUpperCase()}h>`);
    return rows(pieces);
  }

  /** The listing as text: every line of the main file, and what macros and included files wrote between them. */
  text(mainFile: string, lines: readonly string[]): string {
    const output: string[] = [];
    let next = 1;
    const plain = (upTo: number): void => {
      for (; next <= upTo; next++) output.push(row(next, undefined, '', 0, lines[next - 1] ?? ''));
    };
    for (const entry of this.entries) {
      const own = entry.file === mainFile && entry.level === 0;
      plain(own ? entry.line - 1 : entry.read);
      if (own && next === entry.line) next++;
      // Lines of macros that write nothing are not worth a row.
      if (own || entry.offset !== undefined) output.push(...format(entry));
    }
    plain(lines.at(-1) === '' ? lines.length - 1 : lines.length);
    return `${output.join('\n')}\n`;
  }
}

/** Length of the shortest piece that the bytes repeat. */
function repetition(bytes: Uint8Array): number {
  for (let period = 1; period <= Math.min(32, bytes.length / 2); period++) {
    if (bytes.length % period !== 0) continue;
    let same = true;
    for (let i = period; i < bytes.length && same; i++) same = bytes[i] === bytes[i - period];
    if (same) return period;
  }
  return bytes.length;
}

/** One row: line number in 6 columns, offset in 8, bytes in 19, level in 5, text. */
function row(line: number, offset: number | undefined, code: string, level: number, text: string | undefined): string {
  const position = offset === undefined ? '        ' : offset.toString(16).toUpperCase().padStart(8, '0');
  const head = `${String(line).padStart(6)} ${position} ${code.padEnd(19)}`;
  if (text === undefined) return head.trimEnd();
  return `${head}${level > 0 ? `${`<${level}>`.padStart(4)} ` : '     '}${text}`.trimEnd();
}

function format(entry: Entry): string[] {
  // In macros the white space at the start of the line says nothing of the structure around it.
  const text = entry.level > 0 ? entry.text.replace(/^\s+/, ' ').trimEnd() : entry.text;
  if (entry.offset === undefined) return [row(entry.line, undefined, '', entry.level, text)];
  let { offset } = entry;
  return entry.code.map((code, i) => {
    const at = offset;
    offset += (code.replace(/<.*/, '').match(/[0-9A-F]{2}/g) ?? []).length;
    return row(entry.line, at, code, entry.level, i === 0 ? text : undefined);
  });
}
