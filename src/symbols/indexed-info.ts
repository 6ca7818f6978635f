/** Debug information from plain lists of lines and symbols, indexed for the debugger's questions. */
import type { LinearAddress } from '../shared/addresses';
import type { DebugInfo, LineRange, ProgramSymbol } from './debug-info';

export interface DebugLists {
  readonly name: string;
  readonly path: string;
  readonly files: readonly string[];
  /** In any order. */
  readonly lines: readonly LineRange[];
  readonly symbols: readonly ProgramSymbol[];
}

/** Index of the last element that is not above `key`, or -1. */
function lastNotAbove<T>(list: readonly T[], key: number, value: (element: T) => number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (value(list[middle]) <= key) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Builds the indexes once; all lists are copied. */
export function indexDebugInfo({ name, path, files, lines, symbols }: DebugLists): DebugInfo {
  const byAddress = [...lines].sort((a, b) => a.address - b.address);
  const byFile = new Map<string, Map<number, LineRange[]>>();
  for (const range of byAddress) {
    const ofFile = byFile.get(range.path) ?? new Map<number, LineRange[]>();
    byFile.set(range.path, ofFile);
    const ofLine = ofFile.get(range.line);
    if (ofLine) ofLine.push(range);
    else ofFile.set(range.line, [range]);
  }
  const places = symbols.filter(({ kind }) => kind !== 'constant').sort((a, b) => a.address - b.address);
  const byName = new Map<string, ProgramSymbol>();
  for (const symbol of symbols) if (!byName.has(symbol.name) || symbol.global) byName.set(symbol.name, symbol);
  return {
    name,
    path,
    files,
    symbols,
    positionAt(address: LinearAddress) {
      const range = byAddress[lastNotAbove(byAddress, address, (line) => line.address)];
      return range && address < range.address + range.length ? range : undefined;
    },
    rangesOf: (file, line) => byFile.get(file)?.get(line) ?? [],
    codeLines: (file, from, to) => [...(byFile.get(file)?.keys() ?? [])].filter((line) => line >= from && line <= to).sort((a, b) => a - b),
    symbolAt(address) {
      const symbol = places[lastNotAbove(places, address, (place) => place.address)];
      return symbol && { symbol, offset: address - symbol.address };
    },
    symbolNamed: (symbol) => byName.get(symbol),
  };
}
