/** What a debugger knows of a program beyond its bytes, wherever it came from: assembler, ELF symbols, DWARF. */
import type { LinearAddress } from '../shared/addresses';

export interface SourcePosition {
  /** As the assembler or compiler named it; absolute where that is known. */
  readonly path: string;
  /** From 1. */
  readonly line: number;
  /** From 1; 0 where only the line is known. */
  readonly column: number;
}

/** One run of code bytes that a source line produced. */
export interface LineRange extends SourcePosition {
  readonly address: LinearAddress;
  /** Bytes. */
  readonly length: number;
}

export interface ProgramSymbol {
  readonly name: string;
  readonly address: number;
  /** Bytes; 0 where unknown. */
  readonly size: number;
  /** `constant` is an EQU: a value, no place. */
  readonly kind: 'code' | 'data' | 'label' | 'constant';
  readonly global: boolean;
}

/** A program's debug information at the addresses where it runs. */
export interface DebugInfo {
  /** Where it came from, for the modules view. */
  readonly name: string;
  readonly path: string;
  /** Source files, in no order. */
  readonly files: readonly string[];
  readonly symbols: readonly ProgramSymbol[];
  /** The source line of a code address. */
  positionAt(address: LinearAddress): LineRange | undefined;
  /** The ranges of one line of a file, ascending; empty where no code came from it. */
  rangesOf(path: string, line: number): readonly LineRange[];
  /** Lines of a file from which code came, ascending, within [from, to]. */
  codeLines(path: string, from: number, to: number): readonly number[];
  /** The nearest symbol at or below an address that is a place, with the distance. */
  symbolAt(address: number): { readonly symbol: ProgramSymbol; readonly offset: number } | undefined;
  symbolNamed(name: string): ProgramSymbol | undefined;
}
