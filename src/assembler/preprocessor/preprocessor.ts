/**
 * The preprocessor: hands on the source line by line with all macros expanded and all directives carried out.
 *
 * Lines come from a stack of frames (files, macro bodies, repetitions). Expressions in directives may use labels, whose values
 * depend on the pass, so the assembler supplies their evaluation and is told when one was used.
 */

import { Cursor, placeOf } from '../cursor';
import { type Token, TokenKind, tokenize } from '../lexer';
import * as limits from '../limits';
import { type Expansion, FatalSourceError, internalFile, type Place, SourceError, type SourceLine } from '../source';
import { stringText } from '../strings';
import { runBranch } from './branches';
import { MacroCalls } from './calls';
import type { ConditionHost } from './conditions';
import { DIRECTIVES } from './directives';
import { type Collection, type Context, type Frame, type LogicalLine, type PreprocessorHost, tokenLines } from './frames';
import { type MultiMacro, substituteParameters, type TokenLine } from './multi-line';
import { type ExpansionHost, expandTokens, MacroTable, type SingleMacro, written, writtenText } from './single-line';
import { newFrame, type StackFrame } from './stack-frames';
import { PACKAGES, STANDARD_MACROS, standardDefinitions } from './standard';

const decoder = new TextDecoder('utf-8');

export class Preprocessor {
  readonly host: PreprocessorHost;
  readonly macros = new MacroTable();
  /** By name; insensitive ones by lower-case name with a blank before it. */
  readonly multi = new Map<string, MultiMacro[]>();
  readonly contexts: Context[] = [];
  readonly frames: Frame[] = [];
  readonly packages = new Set<string>();
  collection: Collection | undefined;
  stackFrame: StackFrame = newFrame('large');
  /** Set by %line: added to line numbers, and the name of the file. */
  override: { readonly file: string; readonly offset: number; readonly step: number } | undefined;
  private readonly sources: Map<string, TokenLine[]>;
  private serial = 0;
  private emitted = 0;
  private spent = 0;
  private readonly calls = new MacroCalls(this);
  private steps = 0;
  private readonly expansionHost: ExpansionHost;
  private readonly conditionHost: ConditionHost;

  /** @param sources tokens of files that were read already; kept from pass to pass */
  constructor(host: PreprocessorHost, sources: Map<string, TokenLine[]>) {
    this.host = host;
    this.sources = sources;
    this.expansionHost = this.makeExpansionHost();
    this.conditionHost = this.makeConditionHost();
    this.defineBuiltins();
    for (const [name, text] of standardDefinitions(host.format)) this.defineText(name, text);
    this.runText(internalFile('standard macros'), STANDARD_MACROS);
  }

  private makeExpansionHost(): ExpansionHost {
    return {
      find: (name) => this.macros.find(name),
      contextMacros: (token) => this.contextMacros(token),
      evaluate: (tokens, call) => String(this.evaluate(tokens, call, 'the argument')),
      warn: (token, code, message) => this.warn(token, code, message),
      spend: (tokens, at) => this.spend(tokens, at),
      expansion: () => this.expansion,
    };
  }

  private makeConditionHost(): ConditionHost {
    return {
      expand: (tokens) => this.expand(tokens),
      evaluateNumber: (tokens, at, what) => this.evaluate(tokens, at, what),
      isDefined: (token) => this.isDefined(token),
      macrosNamed: (name) => this.macrosNamed(name),
      contextName: () => this.contexts.at(-1)?.name,
      isPackageUsed: (name) => this.packages.has(name),
      isPackageKnown: (name) => Object.hasOwn(PACKAGES, name) || name === 'smartalign',
      expansion: () => this.expansion,
    };
  }

  /** Counts tokens that macros write. */
  private spend(tokens: number, at: Token): void {
    this.spent += tokens;
    if (this.spent > limits.MAX_EXPANDED_TOKENS) this.fatal(at, `macros write more than ${limits.MAX_EXPANDED_TOKENS} tokens`);
  }

  private defineBuiltins(): void {
    const define = (name: string, builtin: (call: Token) => readonly Token[]): void => {
      for (const spelling of [`__?${name}?__`, `__${name}__`]) {
        this.macros.define({ name: spelling, caseSensitive: true, parameters: undefined, body: [], builtin, inProgress: 0 });
      }
    };
    define('FILE', (call) => [written(TokenKind.String, `'${this.position.file}'`, call)]);
    define('LINE', (call) => writtenText(String(this.position.line), call));
    define('BITS', (call) => writtenText(String(this.host.bits()), call));
  }

  /** File and line as the program sees them, as %line has changed them. */
  get position(): { file: string; line: number } {
    const { frame, override } = this;
    const line = frame.shown ?? frame.lines[Math.max(0, frame.next - 1)]?.line;
    if (!line) return { file: frame.file, line: 0 };
    return override ? { file: override.file, line: line.number * override.step + override.offset } : { file: line.file, line: line.number };
  }

  get expansion(): Expansion | undefined {
    return this.frames.at(-1)?.expansion;
  }

  /** The innermost frame; there is one whenever a line is worked on. */
  get frame(): Frame {
    return this.frames[this.frames.length - 1];
  }

  place(token: Token): Place {
    return placeOf(token, this.expansion);
  }

  fail(token: Token, message: string): never {
    throw new SourceError(this.place(token), message);
  }

  fatal(token: Token, message: string): never {
    throw new FatalSourceError(this.place(token), message);
  }

  warn(token: Token, code: string, message: string): void {
    this.host.diagnostics.warning(this.place(token), code, message);
  }

  /** Defines a parameterless macro by text, as `-D name=text` does. */
  defineText(name: string, text: string): void {
    const body = tokenize({ file: internalFile('definition'), number: 1, text });
    this.macros.define({ name, caseSensitive: true, parameters: undefined, body, inProgress: 0 });
  }

  /** Carries out text that consists of preprocessor directives alone. */
  runText(file: string, text: string): void {
    const before = this.frames.length;
    this.pushFile(file, tokenLines(file, text));
    while (this.frames.length > before) {
      const line = this.step();
      if (line) throw new Error(`${file}: line ${line.line.number} is no directive`);
    }
  }

  pushFile(file: string, lines: readonly TokenLine[]): void {
    this.push({ kind: 'file', lines, file, expansion: undefined, level: 0, shown: undefined, call: undefined, remaining: 0 });
  }

  push(frame: Omit<Frame, 'next' | 'conditions' | 'left'>): void {
    // Field by field: a spread takes several times as long, and programs make millions of frames.
    const { kind, lines, file, expansion, level, shown, call, remaining } = frame;
    this.frames.push({ kind, lines, next: 0, file, expansion, level, shown, call, conditions: [], remaining, left: false });
  }

  /** Opens the main file or an included one. @returns false where it cannot be read */
  openFile(path: string): boolean {
    const found = this.find(path);
    if (!found) return false;
    let lines = this.sources.get(found.path);
    if (!lines) {
      const text = typeof found.content === 'string' ? found.content : decoder.decode(found.content);
      lines = tokenLines(found.path, text);
      this.sources.set(found.path, lines);
    }
    this.pushFile(found.path, lines);
    return true;
  }

  /** Looks a file up beside the program and in the include paths. */
  find(path: string): { path: string; content: string | Uint8Array } | undefined {
    for (const prefix of ['', ...this.host.includePaths]) {
      const full = prefix && !prefix.endsWith('/') ? `${prefix}/${path}` : prefix + path;
      const content = this.host.read(full);
      if (content !== undefined) return { path: full, content };
    }
    return undefined;
  }

  nextSerial(): number {
    return this.serial++;
  }

  macrosNamed(name: string): readonly MultiMacro[] {
    const exact = this.multi.get(name);
    const folded = this.multi.get(` ${name.toLowerCase()}`);
    return exact && folded ? [...exact, ...folded] : (exact ?? folded ?? []);
  }

  /** The macro or label that `%$name` means: one context further out for each further dollar sign. */
  contextMacros(token: Token): { table: MacroTable | undefined; name: string; label: string } {
    const dollars = /^%(\$+)/.exec(token.text)?.[1].length ?? 1;
    const name = token.text.slice(1 + dollars);
    const context = this.contexts.at(-dollars);
    if (!context) {
      const depth = this.contexts.length;
      this.fail(token, depth === 0 ? `'${token.text}': the context stack is empty` : `'${token.text}': only ${depth} contexts are open`);
    }
    return { table: context.macros, name, label: `..@${context.serial}.${name}` };
  }

  isDefined(token: Token): boolean {
    if (token.kind === TokenKind.Preprocessor && token.text.startsWith('%$')) {
      const { table, name } = this.contextMacros(token);
      return table?.has(name) ?? false;
    }
    if (token.kind === TokenKind.Preprocessor && token.text.startsWith('%!')) return false;
    return this.macros.has(token.text);
  }

  expand(tokens: readonly Token[]): Token[] {
    return expandTokens(tokens, this.expansionHost);
  }

  /** Number that an expression of expanded tokens gives. */
  evaluate(tokens: readonly Token[], at: Token, what: string): number | bigint {
    const cursor = new Cursor(tokens, at.line, this.expansion);
    if (tokens.length === 0) this.fail(at, `expected an expression for ${what}`);
    const value = this.host.evaluate(cursor);
    if (!cursor.done) this.warn(cursor.token, 'pp-trailing', `'${cursor.token.text}' after the expression is ignored`);
    return value;
  }

  /** The next line for the parser; undefined at the end of the program. Problems in a line are reported and the line left out. */
  next(): LogicalLine | undefined {
    while (this.frames.length > 0) {
      try {
        const line = this.step();
        if (line) {
          if (++this.emitted > limits.MAX_LINES) {
            throw new FatalSourceError(new Cursor(line.tokens, line.line, line.expansion).place(), `more than ${limits.MAX_LINES} lines`);
          }
          return line;
        }
      } catch (error) {
        if (!(error instanceof SourceError) || error instanceof FatalSourceError) throw error;
        this.host.diagnostics.error(error.place, error.message);
        if (this.host.diagnostics.full) return undefined;
      }
    }
    return undefined;
  }

  /** Works on one line of the innermost frame, or leaves it at its end. */
  private step(): LogicalLine | undefined {
    const { frame } = this;
    if (frame.next >= frame.lines.length) {
      this.leave(frame);
      return undefined;
    }
    const source = frame.lines[frame.next++];
    this.countStep(source.line);
    const { collection } = this;
    const emitting = this.emitting;
    let { tokens } = source;
    const skipped = !emitting || frame.left;
    if (source.unterminated !== undefined && !skipped && !collection) {
      throw new SourceError(
        { line: source.line, column: source.unterminated, length: 1, expansion: frame.expansion },
        'the string is not closed: expected its quote before the end of the line',
      );
    }
    if (source.special) {
      if (!collection && !skipped) tokens = this.substitute(tokens);
      if (this.directive(tokens)) return undefined;
    }
    if (this.collection) {
      this.collection.lines.push(source);
      return undefined;
    }
    if (skipped) return undefined;
    return this.emit(tokens, source.line);
  }

  private countStep(line: SourceLine): void {
    if (++this.steps <= limits.MAX_STEPS) return;
    throw new FatalSourceError(
      { line, column: 0, length: 1, expansion: this.expansion },
      `the preprocessor has gone through ${limits.MAX_STEPS} lines: some repetition is too long`,
    );
  }

  /** The lines at this point are handed on. */
  get emitting(): boolean {
    const { conditions } = this.frame;
    return conditions.length === 0 || conditions[conditions.length - 1].active;
  }

  /** Puts in macro parameters, `%%names` and `%[...]`. */
  substitute(tokens: readonly Token[]): Token[] {
    const result = substituteParameters(tokens, this.frame.call, this.expansion, (token) => {
      const inner = writtenText(token.text.slice(2, token.text.endsWith(']') ? -1 : undefined), token);
      if (++this.nesting > limits.MAX_EXPRESSION_DEPTH) this.fatal(token, `%[...] is nested more than ${limits.MAX_EXPRESSION_DEPTH} deep`);
      const expanded = this.expand(this.substitute(inner));
      this.nesting--;
      return expanded;
    });
    if (result.length > limits.MAX_LINE_TOKENS) this.fatal(tokens[0], `macros make this line longer than ${limits.MAX_LINE_TOKENS} tokens`);
    if (tokens.length > 0) this.spend(result.length, tokens[0]);
    return result;
  }

  /** Depth of `%[...]` within each other. */
  private nesting = 0;

  private emit(tokens: readonly Token[], line: SourceLine): LogicalLine | undefined {
    const expanded = this.mayExpand(tokens) ? this.expand(tokens) : tokens;
    const { expansion, level } = this.frame;
    if (expanded.length === 0) return undefined;
    const called = this.calls.enter(expanded, line);
    if (called) return called.label;
    return { tokens: expanded, line, shown: this.frame.shown ?? line, expansion, level, read: this.read };
  }

  /** Last line of the main file that was read. */
  get read(): number {
    const [main] = this.frames;
    return main.lines[main.next - 1]?.line.number ?? 0;
  }

  private mayExpand(tokens: readonly Token[]): boolean {
    for (const token of tokens) {
      if (token.kind === TokenKind.Identifier ? this.macros.has(token.text) : token.kind === TokenKind.Preprocessor) return true;
    }
    return false;
  }

  /** Begins a %rep whose lines are known. */
  repeat(lines: readonly TokenLine[], count: number): void {
    const { frame } = this;
    const { file, expansion, shown, call } = frame;
    this.push({ kind: 'repetition', lines, file, expansion, level: frame.level + 1, shown, call, remaining: count - 1 });
  }

  private leave(frame: Frame): void {
    const open = frame.conditions.at(-1);
    if (open) {
      frame.conditions.length = 0;
      const place: Place = { line: open.line, column: open.column, length: 3, expansion: frame.expansion };
      this.host.diagnostics.error(
        place,
        `this condition is still open at the end of ${frame.kind === 'file' ? 'the file' : `the ${frame.kind}`}: expected %endif`,
      );
    }
    if (frame.kind === 'repetition' && frame.remaining > 0 && !frame.left) {
      this.countStep(frame.lines[0]?.line ?? { file: frame.file, number: 1, text: '' });
      frame.remaining--;
      frame.next = 0;
      return;
    }
    const { collection } = this;
    if (collection && frame.kind === 'file' && !this.frames.slice(0, -1).some(({ kind }) => kind === 'file')) {
      this.collection = undefined;
      this.host.diagnostics.error(
        this.place(collection.at),
        `expected %end${collection.kind === 'rep' ? 'rep' : 'macro'} before the end of the file`,
      );
    }
    this.frames.pop();
    if (frame.kind === 'macro' && frame.call) this.calls.leave(frame.call);
  }

  /** Carries out a directive. @returns false where the line is none, or is to be collected */
  private directive(tokens: readonly Token[]): boolean {
    const [at] = tokens;
    if (at?.kind !== TokenKind.Preprocessor) return false;
    const code = at.text.charCodeAt(1) | 0x20;
    if (code < 0x61 || code > 0x7a) return false;
    const name = at.text.slice(1).toLowerCase();
    const rest = tokens.slice(1);
    if (this.collection) return this.collect(name, at);
    if (runBranch(this, this.conditionHost, name, at, rest)) return true;
    if (!this.emitting || this.frame.left) return true;
    const run = Object.hasOwn(DIRECTIVES, name) ? DIRECTIVES[name] : undefined;
    if (!run) this.fail(at, `unknown preprocessor directive '${at.text}'`);
    run(this, rest, at);
    return true;
  }

  /** Directives within lines that are being collected count only by nesting. */
  private collect(name: string, at: Token): boolean {
    const collection = this.collection as Collection;
    const opens = collection.kind === 'rep' ? name === 'rep' : /^i?r?macro$/.test(name);
    const closes = collection.kind === 'rep' ? name === 'endrep' : name === 'endmacro' || name === 'endm';
    if (opens) collection.depth++;
    if (!closes) return false;
    if (collection.depth > 0) {
      collection.depth--;
      return false;
    }
    this.collection = undefined;
    if (collection.lines.length > limits.MAX_LINES) this.fatal(at, `more than ${limits.MAX_LINES} lines`);
    collection.finish(collection.lines);
    return true;
  }

  /** The frame of the innermost macro call or repetition that %exitmacro or %exitrep leaves; all frames up to it are left. */
  exit(kind: 'macro' | 'repetition', at: Token): void {
    const index = this.frames.findLastIndex((frame) => frame.kind === kind);
    if (index < 0) this.fail(at, `${at.text} stands outside ${kind === 'macro' ? 'a macro' : '%rep'}`);
    for (const frame of this.frames.slice(index)) {
      frame.left = true;
      frame.remaining = 0;
      frame.next = frame.lines.length;
      frame.conditions.length = 0;
    }
  }

  include(path: string, at: Token): void {
    if (this.frames.filter(({ kind }) => kind === 'file').length > limits.MAX_INCLUDE_DEPTH) {
      this.fatal(at, `files include each other more than ${limits.MAX_INCLUDE_DEPTH} deep`);
    }
    if (!this.openFile(path)) this.fail(at, `cannot read the file '${path}'`);
  }

  usePackage(name: string, at: Token): void {
    if (this.packages.has(name)) return;
    if (name === 'smartalign') this.fail(at, 'the macro package smartalign is not implemented');
    if (!Object.hasOwn(PACKAGES, name)) this.fail(at, `unknown macro package '${name}'`);
    this.packages.add(name);
    this.defineText(`__?USE_${name.toUpperCase()}?__`, '');
    this.runText(internalFile(`package ${name}`), PACKAGES[name]);
  }

  /** Text of a file name or message: the string if there is one, else the words as they stand. */
  textOf(tokens: readonly Token[]): string {
    const [first] = tokens;
    if (first?.kind === TokenKind.String) return stringText(first.text);
    return tokens.map((token, i) => (token.space && i > 0 ? ` ${token.text}` : token.text)).join('');
  }

  /** The table that a macro name belongs to, and the name in it. */
  target(token: Token): { table: MacroTable; name: string } {
    if (token.kind === TokenKind.Preprocessor && token.text.startsWith('%$')) {
      const { table, name } = this.contextMacros(token);
      return { table: table as MacroTable, name };
    }
    if (token.kind !== TokenKind.Identifier) this.fail(token, `expected a macro name, found '${token.text}'`);
    return { table: this.macros, name: token.text };
  }

  define(token: Token, macro: Omit<SingleMacro, 'name' | 'inProgress'>): void {
    const { table, name } = this.target(token);
    if (!table.define({ ...macro, name, inProgress: 0 })) {
      this.fail(token, `macro '${name}' is defined without parameters already`);
    }
  }
}
