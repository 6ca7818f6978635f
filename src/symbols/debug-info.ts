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
  /** What the bytes are, where that is known; a line of data has ranges too, but no instruction. */
  readonly content?: 'code' | 'data';
  /** Code size that the assembler wrote for. */
  readonly bits?: 16 | 32 | 64;
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
  /** The ranges of one line of a file, ascending; empty where nothing came from it. */
  rangesOf(path: string, line: number): readonly LineRange[];
  /** Lines of a file from which code came, ascending, within [from, to]. */
  codeLines(path: string, from: number, to: number): readonly number[];
  /** The ranges that begin within [from, to), ascending: where instructions are known to start. */
  rangesWithin(from: LinearAddress, to: LinearAddress): readonly LineRange[];
  /** The nearest symbol at or below an address that is a place, with the distance. */
  symbolAt(address: number): { readonly symbol: ProgramSymbol; readonly offset: number } | undefined;
  symbolNamed(name: string): ProgramSymbol | undefined;
}
