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
  readonly text: string;
  readonly offset: number | undefined;
  /** Marked bytes: hex with brackets around fields that are still to be filled in. */
  readonly code: readonly string[];
}

const hex = (byte: number): string => byte.toString(16).toUpperCase().padStart(2, '0');

/** Bytes in hex, relocatable fields (with what is to be added to their base) in brackets, relative ones in parentheses. */
function marked(code: Uint8Array, start: number, fixups: readonly SectionFixup[]): string[] {
  const bytes = code.slice();
  for (const { offset, size, addend } of fixups) if (offset - start + size <= bytes.length) store(bytes, offset - start, addend, size);
  const pieces = Array.from(bytes, hex);
  for (const { offset, size, relative } of fixups) {
    const first = offset - start;
    const last = first + size - 1;
    if (first < 0 || last >= pieces.length) continue;
    pieces[first] = (relative ? '(' : '[') + pieces[first];
    pieces[last] += relative ? ')' : ']';
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
    const { file, number, text } = source.shown;
    this.entries.push({ file, line: number, level: source.level, text, offset, code });
  }

  private code(
    assembly: Assembly,
    body: Body,
    before: { offset: number; fixups: number },
    length: number,
    times: boolean,
  ): string[] {
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
    const plain = (number: number): void => {
      output.push(`${String(number).padStart(6)} ${' '.repeat(31)}   ${lines[number - 1] ?? ''}`.trimEnd());
    };
    for (const entry of this.entries) {
      if (entry.file === mainFile && entry.level === 0) {
        while (next < entry.line) plain(next++);
        if (next === entry.line) next++;
      }
      output.push(...format(entry));
    }
    while (next <= lines.length) plain(next++);
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

function format(entry: Entry): string[] {
  const number = String(entry.line).padStart(6);
  const level = entry.level > 0 ? `<${entry.level}>`.padStart(5) : '    ';
  if (entry.offset === undefined) return [`${number} ${' '.repeat(8)} ${' '.repeat(19)}${level} ${entry.text}`.trimEnd()];
  let offset = entry.offset;
  return entry.code.map((code, i) => {
    const position = offset.toString(16).toUpperCase().padStart(8, '0');
    offset += (code.match(/[0-9A-F]{2}/g) ?? []).length;
    const head = `${number} ${position} ${code.padEnd(19)}`;
    return (i === 0 ? `${head}${level} ${entry.text}` : head).trimEnd();
  });
}
