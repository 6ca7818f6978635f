/** Single-line macros: what %define and its relatives define, and how lines are expanded. */

import { placeOf } from '../cursor';
import { detokenize, type Token, TokenKind, tokenize } from '../lexer';
import { MAX_LINE_TOKENS, MAX_SINGLE_DEPTH } from '../limits';
import { type Expansion, FatalSourceError, SourceError } from '../source';
import { quoteText } from '../strings';

export interface Parameter {
  readonly name: string;
  /** `=`: the argument is evaluated to a number. */
  readonly evaluate: boolean;
  /** `&`: the argument becomes a string. */
  readonly quote: boolean;
  /** `+`: takes the rest of the arguments. */
  readonly greedy: boolean;
}

export interface SingleMacro {
  readonly name: string;
  readonly caseSensitive: boolean;
  /** Undefined for a macro that is called without parentheses. */
  readonly parameters: readonly Parameter[] | undefined;
  readonly body: readonly Token[];
  /** %defalias: another name for the macro of this name. */
  readonly alias?: string;
  /** Macros whose value is computed at the call, `__?LINE?__` and the like. */
  readonly builtin?: (call: Token) => readonly Token[];
  /** Calls that are being expanded: within them the name stands for itself. */
  inProgress: number;
}

/** Macros of one scope: the file's, or a context's. */
export class MacroTable {
  private readonly exact = new Map<string, SingleMacro[]>();
  private readonly folded = new Map<string, SingleMacro[]>();

  find(name: string): readonly SingleMacro[] | undefined {
    const exact = this.exact.get(name);
    if (this.folded.size === 0) return exact;
    const folded = this.folded.get(name.toLowerCase());
    return exact && folded ? [...exact, ...folded] : (exact ?? folded);
  }

  has(name: string): boolean {
    return this.find(name) !== undefined;
  }

  /** Adds a macro in place of one with as many parameters. @returns false where macros with and without parameters would be mixed */
  define(macro: SingleMacro): boolean {
    const group = this.find(macro.name) ?? [];
    const mixed = group.some((other) => (other.parameters === undefined) !== (macro.parameters === undefined));
    if (mixed && macro.parameters !== undefined) return false;
    for (const other of group) {
      if (mixed || other.parameters?.length === macro.parameters?.length) this.remove(other);
    }
    const map = macro.caseSensitive ? this.exact : this.folded;
    const key = macro.caseSensitive ? macro.name : macro.name.toLowerCase();
    const list = map.get(key);
    if (list) list.push(macro);
    else map.set(key, [macro]);
    return true;
  }

  undefine(name: string): void {
    this.exact.delete(name);
    this.folded.delete(name.toLowerCase());
  }

  private remove(macro: SingleMacro): void {
    const map = macro.caseSensitive ? this.exact : this.folded;
    const key = macro.caseSensitive ? macro.name : macro.name.toLowerCase();
    const rest = (map.get(key) ?? []).filter((other) => other !== macro);
    if (rest.length) map.set(key, rest);
    else map.delete(key);
  }
}

/** What the expansion of a line asks of the preprocessor. */
export interface ExpansionHost {
  find(name: string): readonly SingleMacro[] | undefined;
  /** The macro or label name that a `%$name` token stands for. */
  contextMacros(token: Token): { readonly table: MacroTable | undefined; readonly name: string; readonly label: string };
  evaluate(tokens: readonly Token[], call: Token): string;
  warn(token: Token, code: string, message: string): void;
  /** Counts tokens that macros write, and fails beyond the limit of one assembly. */
  spend(tokens: number, at: Token): void;
  expansion(): Expansion | undefined;
}

export const isOperator = (token: Token | undefined, text: string): boolean =>
  token !== undefined && token.kind === TokenKind.Operator && token.text === text;

/** A token in the place of another: its text as if written there. */
export function written(kind: TokenKind, text: string, at: Token, space = at.space): Token {
  return { kind, text, space, line: at.line, column: at.column, via: at.via };
}

/** The tokens of text that stands in the place of `at`. */
export function writtenText(text: string, at: Token, space = at.space): Token[] {
  return tokenize({ ...at.line, text }).map((token, i) => ({
    ...written(token.kind, token.text, at, i === 0 ? space : token.space),
  }));
}

/** Joins two tokens into what their texts together are. */
export function joined(left: Token, right: Token): Token[] {
  return writtenText(left.text + right.text, left);
}

/**
 * One line's expansion, in NASM's order: the line is read once from left to right; what a macro stands for is put before the rest of
 * the line token by token from its end, and each of these tokens may be a call again, with the text behind it as arguments. So calls
 * inside a macro's text are expanded before those around them, and nothing is read a second time.
 */
class Expander {
  private readonly host: ExpansionHost;
  /** The rest of the line, last token first. */
  private readonly rest: Token[];
  /** Height of `rest` below which nothing was written by the call that is being expanded. */
  private floor = 0;
  private depth = 0;

  constructor(host: ExpansionHost, tokens: readonly Token[]) {
    this.host = host;
    this.rest = [...tokens].reverse();
  }

  run(): Token[] {
    const output: Token[] = [];
    for (;;) {
      const token = this.rest.pop();
      if (token === undefined) return output;
      this.floor = this.rest.length;
      if (this.expand(token)) while (this.rest.length > this.floor) output.push(this.rest.pop() as Token);
      else output.push(token);
    }
  }

  private fatal(token: Token, message: string): never {
    throw new FatalSourceError(placeOf(token, this.host.expansion()), message);
  }

  /** Puts what the token stands for before the rest of the line. @returns false where it stands for itself */
  private expand(token: Token): boolean {
    if (token.kind === TokenKind.Identifier) {
      const macros = this.host.find(token.text);
      return macros !== undefined && this.call(token, macros);
    }
    if (token.kind !== TokenKind.Preprocessor || !token.text.startsWith('%$')) return false;
    const { table, name, label } = this.host.contextMacros(token);
    const macros = table?.find(name);
    if (!macros || !this.call(token, macros)) this.rest.push(written(TokenKind.Identifier, label, token));
    return true;
  }

  private call(token: Token, macros: readonly SingleMacro[]): boolean {
    const { alias } = macros[0];
    const plain = alias === undefined ? macros.find((macro) => macro.parameters === undefined) : macros[0];
    if (plain) {
      if (plain.inProgress > 0) return false;
      if (alias !== undefined) this.write(plain, [written(TokenKind.Identifier, alias, token)], token);
      else this.write(plain, plain.builtin ? plain.builtin(token) : this.substitute(plain, [], token), token);
      return true;
    }
    const open = this.rest.length - 1;
    if (!isOperator(this.rest[open], '(')) return false;
    const { values, commas, end } = this.arguments(open, token);
    const macro = macros.find((candidate) => accepts(candidate, values.length));
    if (!macro) {
      const count = `${values.length} parameter${values.length === 1 ? '' : 's'}`;
      this.host.warn(token, 'pp-macro-params-single', `single-line macro '${token.text}' exists, but not taking ${count}`);
      return false;
    }
    if (macro.inProgress > 0) return false;
    this.rest.length = end;
    this.floor = Math.min(this.floor, end);
    macro.inProgress++;
    try {
      const all = gather(macro, values, commas).map((value, i) => this.argument(macro.parameters?.[i], value, token));
      this.write(macro, this.substitute(macro, all, token), token);
    } finally {
      macro.inProgress--;
    }
    return true;
  }

  /** Puts tokens before the rest of the line, expanding each. */
  private write(macro: SingleMacro, tokens: readonly Token[], call: Token): void {
    this.host.spend(tokens.length + 1, call);
    if (this.rest.length + tokens.length > MAX_LINE_TOKENS) this.fatal(call, `macros make this line longer than ${MAX_LINE_TOKENS} tokens`);
    if (++this.depth > MAX_SINGLE_DEPTH) this.fatal(call, `single-line macros are nested more than ${MAX_SINGLE_DEPTH} deep`);
    macro.inProgress++;
    try {
      for (let i = tokens.length - 1; i >= 0; i--) {
        const token = i === 0 && tokens[0].space !== call.space ? { ...tokens[0], space: call.space } : tokens[i];
        if (!this.expand(token)) this.rest.push(token);
      }
    } finally {
      macro.inProgress--;
    }
    this.depth--;
  }

  /** Arguments of a call whose parenthesis is at `open` of `rest`; `end` is the height of what is left behind them. */
  private arguments(open: number, call: Token): { values: Token[][]; commas: Token[]; end: number } {
    const values: Token[][] = [];
    const commas: Token[] = [];
    let current: Token[] = [];
    let depth = 0;
    let braces = 0;
    for (let at = open - 1; at >= 0; at--) {
      const item = this.rest[at];
      const text = item.kind === TokenKind.Operator ? item.text : '';
      if (braces === 0 && text === '(') depth++;
      else if (braces === 0 && text === ')') {
        if (depth === 0) {
          if (values.length > 0 || current.length > 0) values.push(current);
          return { values: values.map(unbraced), commas, end: at };
        }
        depth--;
      } else if (braces === 0 && depth === 0 && text === ',') {
        values.push(current);
        commas.push(item);
        current = [];
        continue;
      } else if (text === '{') braces++;
      else if (text === '}' && braces > 0) braces--;
      current.push(item);
    }
    throw new SourceError(placeOf(call, this.host.expansion()), `expected ')' to end the call of macro '${call.text}'`);
  }

  private argument(parameter: Parameter | undefined, value: Token[], call: Token): Token[] {
    if (parameter?.evaluate) {
      const expanded = expandTokens(value, this.host);
      return writtenText(this.host.evaluate(expanded, call), expanded[0] ?? call);
    }
    if (parameter?.quote) return [written(TokenKind.String, quoteText(detokenize(value)), value[0] ?? call)];
    return value;
  }

  private substitute(macro: SingleMacro, values: readonly (readonly Token[])[], call: Token): Token[] {
    const tokens: Token[] = [];
    for (const token of macro.body) {
      const index = token.kind === TokenKind.Identifier ? (macro.parameters?.findIndex(({ name }) => name === token.text) ?? -1) : -1;
      if (index >= 0) {
        const value = values[index] ?? [];
        for (let i = 0; i < value.length; i++) tokens.push(i === 0 ? { ...value[0], space: token.space } : value[i]);
      } else if (token.kind === TokenKind.Preprocessor && (token.text === '%?' || token.text === '%??')) {
        tokens.push({ ...written(TokenKind.Identifier, token.text === '%?' ? call.text : macro.name, token), via: call });
      } else {
        tokens.push({ kind: token.kind, text: token.text, space: token.space, line: token.line, column: token.column, via: call });
      }
    }
    return tokens;
  }
}

/** Takes the braces off an argument that is wholly in braces. */
function unbraced(tokens: Token[]): Token[] {
  return isOperator(tokens[0], '{') && isOperator(tokens.at(-1), '}') ? tokens.slice(1, -1) : tokens;
}

function accepts(macro: SingleMacro, count: number): boolean {
  const parameters = macro.parameters ?? [];
  if (parameters.at(-1)?.greedy) return count >= parameters.length - 1;
  // One pair of parentheses with nothing in it is one empty argument or none, as the macro wants.
  return count === parameters.length || (count === 0 && parameters.length === 1);
}

/** Gives the last parameter the rest of the arguments where it is greedy. */
function gather(macro: SingleMacro, values: Token[][], commas: readonly Token[]): Token[][] {
  const count = macro.parameters?.length ?? 0;
  if (values.length <= count) return values;
  const rest = values.slice(count - 1).flatMap((value, i) => (i === 0 ? value : [commas[count - 2 + i], ...value]));
  return [...values.slice(0, count - 1), rest];
}

/** Joins what stands on the two sides of each `%+`. */
function paste(tokens: readonly Token[]): Token[] {
  const output: Token[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i];
    if (token.kind !== TokenKind.Preprocessor || token.text !== '%+') {
      output.push(token);
      continue;
    }
    const left = output.pop();
    const right = tokens[++i];
    if (left && right) output.push(...joined(left, right));
    else if (left) output.push(left);
    else if (right) output.push(right);
  }
  return output;
}

const isPaste = (token: Token): boolean => token.kind === TokenKind.Preprocessor && token.text === '%+';

export const isWord = (token: Token): boolean =>
  token.kind === TokenKind.Identifier || token.kind === TokenKind.Number || token.kind === TokenKind.Float;

/** Words that expansion has put directly beside each other are one word: `%{$name}_size`. */
function joinWords(tokens: Token[]): Token[] {
  const touching = (i: number): boolean => !tokens[i].space && isWord(tokens[i]) && isWord(tokens[i - 1]);
  let first = 1;
  while (first < tokens.length && !touching(first)) first++;
  if (first >= tokens.length) return tokens;
  const output = tokens.slice(0, first);
  for (let i = first; i < tokens.length; i++) {
    const left = output.at(-1);
    if (left && !tokens[i].space && isWord(tokens[i]) && isWord(left)) output.splice(-1, 1, ...joined(left, tokens[i]));
    else output.push(tokens[i]);
  }
  return output;
}

/** Expands all single-line macros of a run of tokens. */
export function expandTokens(tokens: readonly Token[], host: ExpansionHost): Token[] {
  let result = new Expander(host, tokens).run();
  while (result.some(isPaste)) result = new Expander(host, paste(result)).run();
  return joinWords(result);
}
