/** Debug information of a flat program that our assembler wrote. */
import type { AssemblyResult } from '../assembler/assemble';
import type { DebugInfo, ProgramSymbol } from './debug-info';
import { LineTableBuilder } from './line-table';
import { ProgramInfo } from './program-info';

/**
 * @param path of the program's source
 * @param offset where the image runs, less where the source says it does (ORG): 0 for a program that is loaded where it says
 */
export function assemblyDebugInfo(path: string, result: AssemblyResult, offset = 0): DebugInfo {
  const builder = new LineTableBuilder();
  for (const file of result.files) builder.fileId(file);
  const codeStarts = new Set<number>();
  for (const { address, length, file, line, bits } of result.lines) {
    const content = bits === undefined ? 'data' : 'code';
    builder.add(builder.fileId(file), { address: address + offset, length, line, column: 0, content, bits });
    if (content === 'code') codeStarts.add(address);
  }
  const ends = placeEnds(result);
  const symbols = result.symbols
    .filter(({ kind }) => kind === 'label' || kind === 'equ')
    .map((symbol): ProgramSymbol => {
      const { name, global } = symbol;
      const value = Number(symbol.value);
      // A number has no section; a place that EQU names has one.
      if (symbol.section === undefined) return { name, address: value, size: 0, kind: 'constant', global };
      const size = Math.max(0, (ends.get(value) ?? value) - value);
      return { name, address: value + offset, size, kind: codeStarts.has(value) ? 'code' : 'data', global };
    });
  // A label without a size stands at its section's end.
  return new ProgramInfo(path, builder.build(), symbols, 1);
}

/** For each address with a label, where the next label or the end of the section is. */
function placeEnds({ symbols, sections }: AssemblyResult): Map<number, number> {
  const ends = new Map<number, number>();
  for (const { name, address, size } of sections) {
    const places = symbols.filter(({ section }) => section === name).map(({ value }) => Number(value));
    const sorted = [...new Set([...places, address + size])].sort((a, b) => a - b);
    sorted.forEach((place, i) => ends.set(place, sorted[i + 1] ?? place));
  }
  return ends;
}
