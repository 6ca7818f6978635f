/** What the preprocessor works on: lines in tokens, and the frames (files, macro bodies, repetitions) that they come from. */

import type { Cursor } from '../cursor';
import { type Token, TokenKind, tokenize } from '../lexer';
import type { Diagnostics, Expansion, SourceLine } from '../source';
import type { Condition } from './conditions';
import type { MacroCall, TokenLine } from './multi-line';
import type { MacroTable } from './single-line';

/** One line for the parser. */
export interface LogicalLine {
  readonly tokens: readonly Token[];
  readonly line: SourceLine;
  /** The line that line tables and listings name: the call's where a macro is hidden, else the same as `line`. */
  readonly shown: SourceLine;
  readonly expansion: Expansion | undefined;
  /** Depth of macro calls that the listing shows; 0 for lines of files. */
  readonly level: number;
  /** Last line of the main file that was read for this. */
  readonly read: number;
}

export interface PreprocessorHost {
  read(path: string): string | Uint8Array | undefined;
  readonly includePaths: readonly string[];
  readonly format: string;
  readonly diagnostics: Diagnostics;
  /** Value of an expression that must be known now. Sets `usesSymbols` where a label or `$` is in it. */
  evaluate(cursor: Cursor): number | bigint;
  /** Code size at this point. */
  bits(): number;
}

export interface Context {
  readonly name: string | undefined;
  readonly serial: number;
  readonly macros: MacroTable;
}

export interface Frame {
  readonly kind: 'file' | 'macro' | 'repetition';
  readonly lines: readonly TokenLine[];
  next: number;
  readonly file: string;
  readonly expansion: Expansion | undefined;
  readonly level: number;
  /** In hidden macros, the line of the call. */
  readonly shown: SourceLine | undefined;
  /** The macro call whose parameters count here. */
  readonly call: MacroCall | undefined;
  readonly conditions: Condition[];
  /** Of repetitions: rounds still to come after this one. */
  remaining: number;
  /** %exitrep or %exitmacro was met: the rest is skipped. */
  left: boolean;
}

/** A %macro or %rep whose lines are being collected. */
export interface Collection {
  readonly kind: 'macro' | 'rep';
  readonly at: Token;
  readonly lines: TokenLine[];
  depth: number;
  /** Called with the lines at the closing directive. */
  readonly finish: (lines: readonly TokenLine[]) => void;
}

/** The lines of a file, continued ones joined, in tokens. */
export function tokenLines(file: string, text: string): TokenLine[] {
  const physical = text.split(/\r\n|\n|\r/);
  if (physical.at(-1) === '') physical.pop();
  const lines: TokenLine[] = [];
  for (let i = 0; i < physical.length; i++) {
    const number = i + 1;
    let content = physical[i];
    const continuations: number[] = [];
    while (content.endsWith('\\') && i + 1 < physical.length) {
      content = content.slice(0, -1);
      continuations.push(content.length);
      content += physical[++i];
    }
    const line: SourceLine = continuations.length ? { file, number, text: content, continuations } : { file, number, text: content };
    lines.push(tokenLine(line));
  }
  return lines;
}

function tokenLine(line: SourceLine): TokenLine {
  let unterminated: number | undefined;
  const tokens = tokenize(line, (column) => {
    unterminated = column;
  });
  return { line, tokens, special: tokens.some((token) => token.kind === TokenKind.Preprocessor), unterminated };
}
