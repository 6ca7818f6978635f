/** Debug information out of a line table and a symbol table. */
import type { LinearAddress } from '../shared/addresses';
import type { DebugInfo, LineRange, ProgramSymbol } from './debug-info';
import type { LineTable } from './line-table';
import { SymbolTable } from './symbol-table';

export class ProgramInfo implements DebugInfo {
  readonly name: string;
  readonly path: string;
  private readonly lines: LineTable;
  private readonly table: SymbolTable;

  /** @param unsizedReach how far a symbol without a size is taken to go, in bytes */
  constructor(path: string, lines: LineTable, symbols: readonly ProgramSymbol[], unsizedReach?: number) {
    this.path = path;
    this.name = path.replace(/^.*[/\\]/, '');
    this.lines = lines;
    this.table = new SymbolTable(symbols, unsizedReach);
  }

  get files(): readonly string[] {
    return this.lines.files;
  }

  get symbols(): readonly ProgramSymbol[] {
    return this.table.symbols;
  }

  positionAt(address: LinearAddress): LineRange | undefined {
    return this.lines.at(address);
  }

  rangesOf(path: string, line: number): readonly LineRange[] {
    return this.lines.rangesOf(path, line);
  }

  codeLines(path: string, from: number, to: number): readonly number[] {
    return this.lines.codeLines(path, from, to);
  }

  rangesWithin(from: LinearAddress, to: LinearAddress): readonly LineRange[] {
    return this.lines.within(from, to);
  }

  symbolAt(address: number): { readonly symbol: ProgramSymbol; readonly offset: number } | undefined {
    return this.table.at(address);
  }

  symbolNamed(name: string): ProgramSymbol | undefined {
    return this.table.named(name);
  }
}
