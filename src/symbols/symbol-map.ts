/** Symbols in text, a line each: a kernel's `System.map`, and what Linux shows in `/proc/kallsyms` (nm's notation). */
import { SymbolFileError } from './byte-reader';
import type { DebugInfo, ProgramSymbol } from './debug-info';
import { LineTableBuilder } from './line-table';
import { ProgramInfo } from './program-info';

export interface MapEntry {
  /** Linear: signed where it has 64 bits. */
  readonly address: number;
  /** nm's letter: upper case for a global symbol. */
  readonly type: string;
  readonly name: string;
}

const LINE = /^([\da-f]{8}|[\da-f]{16}) ([a-zA-Z?]) (\S+)(?:\s+\[(\S+)\])?$/;
/** A function with nothing behind it is taken to be at most so long. */
const LAST_SIZE = 4096;
const HEAD = 4096;

/** Whether a file is such a list, by its first line. */
export function isSymbolMap(bytes: Uint8Array): boolean {
  const [first] = new TextDecoder('latin1').decode(bytes.subarray(0, HEAD)).split('\n');
  return /^[\da-f]{8,16} [a-zA-Z?] \S/.test(first);
}

/** @throws SymbolFileError for a line that is none, a list without addresses, and one that says it is no real one */
export function symbolMapInfo(path: string, bytes: Uint8Array): DebugInfo {
  const lines = new TextDecoder('latin1').decode(bytes).split(/\r?\n/);
  const entries: MapEntry[] = [];
  for (const [i, line] of lines.entries()) {
    if (line === '') continue;
    const match = LINE.exec(line);
    if (!match) throw new SymbolFileError(`${path}:${i + 1}: no symbol; a line is address, type and name${stubHint(line)}`);
    entries.push({ address: addressOf(match[1]), type: match[2], name: match[3] });
  }
  if (entries.every(({ address }) => address === 0)) {
    throw new SymbolFileError(`${path}: all addresses are 0: Linux shows them to root alone`);
  }
  return new ProgramInfo(path, new LineTableBuilder().build(), symbolsOf(entries));
}

/** Debian's System.map has one line of prose. */
const stubHint = (line: string): string => (/dbg package/.test(line) ? ' (this is a stub that names the package of the real one)' : '');

const addressOf = (digits: string): number =>
  digits.length === 8 ? Number.parseInt(digits, 16) : Number(BigInt.asIntN(64, BigInt(`0x${digits}`)));

const CODE = /[tT]/;
const ABSOLUTE = /[aA]/;
/** Not defined here, or nm does not know. */
const NOWHERE = /[uU?]/;

/** Each symbol goes up to the next address that has one. */
export function symbolsOf(entries: readonly MapEntry[]): ProgramSymbol[] {
  const places = entries.filter(({ type }) => !ABSOLUTE.test(type) && !NOWHERE.test(type)).map(({ address }) => address);
  const sorted = [...new Set(places)].sort((a, b) => a - b);
  const next = new Map(sorted.map((address, i) => [address, sorted[i + 1] ?? address + LAST_SIZE]));
  return entries.flatMap(({ address, type, name }): ProgramSymbol[] => {
    if (NOWHERE.test(type)) return [];
    const global = type !== type.toLowerCase();
    if (ABSOLUTE.test(type)) return [{ name, address, size: 0, kind: 'constant', global }];
    // Weak functions and weak variables have one letter; what they are is not told.
    const kind = CODE.test(type) ? 'code' : /[wW]/.test(type) ? 'label' : 'data';
    return [{ name, address, size: (next.get(address) ?? address) - address, kind, global }];
  });
}
