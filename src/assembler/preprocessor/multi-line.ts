/** Multi-line macros: definitions, calls, and what `%1`, `%0`, `%%local` and the like stand for inside them. */

import { placeOf } from '../cursor';
import { type Token, TokenKind } from '../lexer';
import { type Expansion, SourceError, type SourceLine } from '../source';
import { isOperator, isWord, joined, written, writtenText } from './single-line';

/** A line of a macro's body. */
export interface TokenLine {
  readonly line: SourceLine;
  readonly tokens: readonly Token[];
  /** Some token begins with a percent sign. */
  readonly special: boolean;
  /** Column of a string that is never closed. */
  readonly unterminated?: number | undefined;
}

export interface MultiMacro {
  readonly name: string;
  readonly caseSensitive: boolean;
  readonly minimum: number;
  /** Infinity for `*`. */
  readonly maximum: number;
  /** `+`: the last parameter takes the rest of the line. */
  readonly greedy: boolean;
  readonly defaults: readonly (readonly Token[])[];
  /** Standard macros and `.nolist`: their lines are listed with the call. */
  readonly hidden: boolean;
  /** %rmacro: may call itself. */
  readonly recursive: boolean;
  readonly body: readonly TokenLine[];
  /** `%00` is used: the label before the call belongs to the macro. */
  readonly takesLabel: boolean;
  inProgress: number;
}

/** One call that is being expanded. */
export interface MacroCall {
  readonly macro: MultiMacro;
  /** The name as the call writes it. */
  readonly name: string;
  readonly values: readonly (readonly Token[])[];
  /** How many arguments `%0` tells. */
  readonly count: number;
  readonly label: readonly Token[];
  /** Makes `%%names` of this call differ from those of all others. */
  readonly serial: number;
  /** Tokens in all values. */
  readonly size: number;
  /** Of %rotate. */
  rotation: number;
}

/** Signature of a macro: `2`, `1-3`, `1-*`, `2+`, `1-2+.nolist`. */
export function parseSignature(
  tokens: readonly Token[],
): { minimum: number; maximum: number; greedy: boolean; hidden: boolean; used: number } | undefined {
  let text = '';
  let used = 0;
  for (const token of tokens) {
    if (used > 0 && token.space && !/[-]$/.test(text) && !/^[-+.*]/.test(token.text)) break;
    text += token.text;
    used++;
    if (/\.nolist$/i.test(text)) break;
  }
  const match = /^([0-9]+)(?:-([0-9]+|\*))?(\+)?(\.nolist)?$/i.exec(text);
  if (!match) return undefined;
  const minimum = Number(match[1]);
  const maximum = match[2] === undefined ? minimum : match[2] === '*' ? Number.POSITIVE_INFINITY : Number(match[2]);
  return { minimum, maximum, greedy: match[3] !== undefined, hidden: match[4] !== undefined, used };
}

/** Splits arguments at commas; braces hold an argument with commas together. */
export function splitArguments(tokens: readonly Token[]): Token[][] {
  if (tokens.length === 0) return [];
  const values: Token[][] = [];
  let current: Token[] = [];
  let depth = 0;
  let braced = false;
  for (const token of tokens) {
    const text = token.kind === TokenKind.Operator ? token.text : '';
    if (depth === 0 && text === ',') {
      values.push(current);
      current = [];
      braced = false;
      continue;
    }
    if (text === '{' && (depth > 0 || current.length === 0) && !braced) {
      depth++;
      if (depth === 1) continue;
    } else if (text === '}' && depth > 0) {
      depth--;
      if (depth === 0) {
        braced = true;
        continue;
      }
    }
    current.push(token);
  }
  values.push(current);
  return values;
}

/**
 * The macro among those of one name that takes these arguments.
 * @returns the macro and its arguments, the rest of the line joined where the macro is greedy, without defaults
 */
export function match(macros: readonly MultiMacro[], tokens: readonly Token[]): { macro: MultiMacro; values: Token[][] } | undefined {
  const values = splitArguments(tokens);
  for (const macro of macros) {
    if (values.length < macro.minimum || (values.length > macro.maximum && !macro.greedy)) continue;
    // An empty last argument counts for the choice of the macro, but is then as if left out.
    const dropped = isOperator(tokens.at(-1), ',') ? 1 : 0;
    const kept = dropped ? values.slice(0, -1) : values;
    if (!macro.greedy || kept.length <= macro.maximum) return { macro, values: kept };
    return { macro, values: regrouped(dropped ? tokens.slice(0, -1) : tokens, kept, macro.maximum) };
  }
  // A comma at the line's end is forgiven where the macro does not take one argument more.
  if (values.length > 1 && values.at(-1)?.length === 0) {
    const shorter = values.slice(0, -1);
    const macro = macros.find(({ minimum, maximum }) => shorter.length >= minimum && shorter.length <= maximum);
    if (macro) return { macro, values: shorter };
  }
  return undefined;
}

/** The first `count - 1` arguments, and the rest of the line as it stands. */
function regrouped(tokens: readonly Token[], values: Token[][], count: number): Token[][] {
  if (count === 0) return [];
  let commas = 0;
  let depth = 0;
  for (let i = 0; i < tokens.length; i++) {
    if (isOperator(tokens[i], '{')) depth++;
    else if (isOperator(tokens[i], '}') && depth > 0) depth--;
    else if (depth === 0 && isOperator(tokens[i], ',') && ++commas === count - 1)
      return [...values.slice(0, count - 1), tokens.slice(i + 1)];
  }
  return [[...tokens]];
}

/** Puts defaults in the place of arguments that the call leaves out. */
export function withDefaults(macro: MultiMacro, values: readonly Token[][]): Token[][] {
  const all = [...values];
  if (macro.defaults.length === 0) return all;
  for (let i = values.length; i < macro.minimum + macro.defaults.length; i++) all.push([...(macro.defaults[i - macro.minimum] ?? [])]);
  return all;
}

const INVERSE: Readonly<Record<string, string>> = {
  a: 'na',
  ae: 'nae',
  b: 'nb',
  be: 'nbe',
  c: 'nc',
  e: 'ne',
  g: 'ng',
  ge: 'nge',
  l: 'nl',
  le: 'nle',
  o: 'no',
  p: 'np',
  pe: 'po',
  po: 'pe',
  s: 'ns',
  z: 'nz',
  na: 'a',
  nae: 'ae',
  nb: 'b',
  nbe: 'be',
  nc: 'c',
  ne: 'e',
  ng: 'g',
  nge: 'ge',
  nl: 'l',
  nle: 'le',
  no: 'o',
  np: 'p',
  ns: 's',
  nz: 'z',
};
const UNINVERTIBLE: ReadonlySet<string> = new Set(['cxz', 'ecxz', 'rcxz']);

function argument(call: MacroCall, index: number): readonly Token[] {
  const { length } = call.values;
  if (index < 0 || index >= length) return [];
  return call.values[(index + call.rotation) % length];
}

function conditionCode(call: MacroCall, token: Token, expansion: Expansion | undefined): Token[] {
  const index = Number(token.text.slice(2));
  const value = argument(call, index - 1);
  const name = value.length === 1 ? value[0].text.toLowerCase() : '';
  const fail = (message: string): never => {
    throw new SourceError(placeOf(token, expansion), message);
  };
  if (!(name in INVERSE) && !UNINVERTIBLE.has(name)) fail(`expected macro parameter ${index} to be a condition code`);
  if (token.text[1] === '+') return [written(TokenKind.Identifier, name, token)];
  if (!(name in INVERSE)) fail(`the condition code '${name}' cannot be inverted`);
  return [written(TokenKind.Identifier, INVERSE[name], token)];
}

/** `%{2:4}`: arguments with commas between them; negative numbers count from the end. */
function range(call: MacroCall, token: Token): Token[] | undefined {
  const match = /^%(-?[0-9]+):(-?[0-9]+)$/.exec(token.text);
  if (!match) return undefined;
  const count = call.values.length;
  const from = resolve(Number(match[1]), count);
  const to = resolve(Number(match[2]), count);
  if (from < 1 || to < 1 || from > count || to > count) return [];
  const tokens: Token[] = [];
  const step = from <= to ? 1 : -1;
  for (let i = from; ; i += step) {
    tokens.push(...argument(call, i - 1));
    if (i === to) return tokens;
    tokens.push(written(TokenKind.Operator, ',', token, false));
  }
}

const resolve = (index: number, count: number): number => (index < 0 ? count + 1 + index : index);

/** What a token stands for in a macro; undefined where it has no meaning there. */
function replacement(call: MacroCall | undefined, token: Token, expansion: Expansion | undefined): readonly Token[] | undefined {
  const { text } = token;
  const code = text.charCodeAt(1);
  if (code === 0x25) {
    const serial = call?.serial;
    if (serial === undefined) throw new SourceError(placeOf(token, expansion), `'${text}' stands outside a macro`);
    return [written(TokenKind.Identifier, `..@${serial}.${text.slice(2)}`, token)];
  }
  if (text === '%?' || text === '%??' || text === '%*?' || text === '%*??') {
    return call ? [written(TokenKind.Identifier, text.endsWith('??') ? call.macro.name : call.name, token)] : undefined;
  }
  const numbered = (code >= 48 && code <= 57) || ((code === 0x2b || code === 0x2d) && text.length > 2);
  if (!numbered) return undefined;
  if (!call) throw new SourceError(placeOf(token, expansion), `'${text}' stands outside a macro`);
  if (text.includes(':')) return range(call, token);
  if (code === 0x2b || code === 0x2d) return conditionCode(call, token, expansion);
  if (text === '%0') return writtenText(String(call.count), token);
  if (text === '%00') return call.label;
  return argument(call, Number(text.slice(1)) - 1);
}

/** Appends tokens; what a substitution puts directly beside a word becomes one word with it. */
function append(output: Token[], tokens: readonly Token[], space: boolean, glue: boolean): void {
  for (let i = 0; i < tokens.length; i++) {
    const token = i === 0 && tokens[0].space !== space ? { ...tokens[0], space } : tokens[i];
    const left = output.at(-1);
    if (i === 0 && glue && !space && left && isWord(left) && isWord(token)) {
      output.pop();
      output.push(...joined(left, token));
    } else {
      output.push(token);
    }
  }
}

/**
 * Puts in what macro parameters, `%%local` names and `%[...]` stand for.
 *
 * @param indirect expands the inside of `%[...]`
 */
export function substituteParameters(
  tokens: readonly Token[],
  call: MacroCall | undefined,
  expansion: Expansion | undefined,
  indirect: (token: Token) => readonly Token[],
): Token[] {
  const output: Token[] = [];
  let glue = false;
  let space = false;
  for (const token of tokens) {
    let value: readonly Token[] | undefined;
    if (token.kind === TokenKind.Preprocessor) {
      value = token.text.startsWith('%[') ? indirect(token) : replacement(call, token, expansion);
    }
    space ||= token.space;
    append(output, value ?? [token], space, glue || value !== undefined);
    // What stands on the two sides of an empty argument joins up, but white space before it stays.
    glue = value !== undefined;
    if (value?.length !== 0) space = false;
  }
  return output;
}
