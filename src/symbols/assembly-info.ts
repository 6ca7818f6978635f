/** Debug information of a flat image that our assembler made. */
import type { AssemblyResult } from '../assembler/assemble';
import type { LinearAddress } from '../shared/addresses';
import type { DebugInfo, ProgramSymbol } from './debug-info';
import { indexDebugInfo } from './indexed-info';

/** @param path of the program, as the user gave it. Addresses are those that ORG and the sections give. */
export function assemblyDebugInfo(path: string, result: AssemblyResult): DebugInfo {
  return indexDebugInfo({
    name: path.replace(/^.*[/\\]/, ''),
    path,
    files: result.files,
    lines: result.lines.map(({ file, line, address, length }) => ({ path: file, line, column: 0, address: address as LinearAddress, length })),
    symbols: result.symbols.flatMap(({ name, value, kind, global }): ProgramSymbol[] =>
      kind === 'label' || kind === 'equ'
        ? [{ name, address: Number(value), size: 0, kind: kind === 'equ' ? 'constant' : 'label', global }]
        : [],
    ),
  });
}
