/** Calls of multi-line macros: which line is one, and what its frame is. */

import { type Token, TokenKind } from '../lexer';
import * as limits from '../limits';
import type { Expansion, SourceLine } from '../source';
import type { LogicalLine } from './frames';
import { type MacroCall, type MultiMacro, match, withDefaults } from './multi-line';
import type { Preprocessor } from './preprocessor';
import { isOperator, written } from './single-line';

/** What came of a line that calls a macro: a label before the call is a line of its own. */
export interface Called {
  readonly label: LogicalLine | undefined;
}

/** The calls that are open, with what they cost. */
export class MacroCalls {
  private readonly pp: Preprocessor;
  private depth = 0;
  /** Tokens in the arguments of open calls. */
  private open = 0;

  constructor(pp: Preprocessor) {
    this.pp = pp;
  }

  /** Enters the macro that a line of expanded tokens calls. @returns undefined where it calls none */
  enter(tokens: readonly Token[], line: SourceLine): Called | undefined {
    const [first] = tokens;
    if (first.kind !== TokenKind.Identifier) return undefined;
    let at = 0;
    let macros = this.callable(first);
    if (macros.length === 0) {
      at = isOperator(tokens[1], ':') ? 2 : 1;
      const second = tokens[at];
      if (second?.kind !== TokenKind.Identifier) return undefined;
      macros = this.callable(second);
      if (macros.length === 0) return undefined;
    }
    const name = tokens[at];
    const found = match(macros, tokens.slice(at + 1));
    if (found) return this.push(found.macro, found.values, name, tokens.slice(0, at), line);
    const count = tokens.length > at + 1 ? 'the given number of' : 'no';
    this.pp.warn(name, 'pp-macro-params-multi', `multi-line macro '${name.text}' exists, but not taking ${count} parameters`);
    return undefined;
  }

  leave({ macro, size }: MacroCall): void {
    macro.inProgress--;
    this.open -= size;
    this.depth--;
  }

  /** Macros of the name that may be called here: one that is being expanded stands for itself unless it is recursive. */
  private callable(name: Token): readonly MultiMacro[] {
    const macros = this.pp.macrosNamed(name.text);
    return macros.length === 0 ? macros : macros.filter((macro) => macro.recursive || macro.inProgress === 0);
  }

  private push(macro: MultiMacro, given: readonly Token[][], name: Token, label: readonly Token[], line: SourceLine): Called {
    const { pp } = this;
    const values = withDefaults(macro, given);
    const size = values.reduce((sum, value) => sum + value.length, 0);
    this.count(size, name);
    const serial = pp.nextSerial();
    const call: MacroCall = { macro, name: name.text, values, count: values.length, label: label.slice(0, 1), serial, size, rotation: 0 };
    const { frame } = pp;
    const labelLine = label.length > 0 && !macro.takesLabel ? this.labelLine(label[0], line) : undefined;
    const { line: at, column, length, expansion: parent } = pp.place(name);
    const expansion: Expansion = { macro: macro.name, line: at, column, length, parent };
    macro.inProgress++;
    const level = frame.level + (macro.hidden ? 0 : 1);
    const shown = macro.hidden ? (frame.shown ?? line) : frame.shown;
    pp.push({ kind: 'macro', lines: macro.body, file: frame.file, expansion, level, shown, call, remaining: 0 });
    return { label: labelLine };
  }

  private count(size: number, name: Token): void {
    const { pp } = this;
    if (++this.depth > limits.MAX_MACRO_DEPTH) pp.fatal(name, `macro calls are nested more than ${limits.MAX_MACRO_DEPTH} deep`);
    this.open += size;
    if (this.open > limits.MAX_OPEN_TOKENS)
      pp.fatal(name, `the arguments of open macro calls have more than ${limits.MAX_OPEN_TOKENS} tokens`);
  }

  /** A label before a macro call needs no colon. */
  private labelLine(label: Token, line: SourceLine): LogicalLine {
    const { frame, read } = this.pp;
    const { expansion, level, shown = line } = frame;
    return { tokens: [label, written(TokenKind.Operator, ':', label, false)], line, shown, expansion, level, read };
  }
}
