/** Splits one source line into tokens. The preprocessor and the parser both work on these. */

import type { SourceLine } from './source';

export const TokenKind = {
  Identifier: 1,
  /** An integer as written, with radix marks and underscores. */
  Number: 2,
  /** A number with a point or an exponent. */
  Float: 3,
  /** A string with its quotes. */
  String: 4,
  /** Punctuation and operators. */
  Operator: 5,
  /** Anything that begins with a percent sign: directives, `%1`, `%%local`, `%$context`, `%{...}`, `%[...]`, `%+`. */
  Preprocessor: 6,
  /** A character that can stand nowhere. */
  Unknown: 7,
} as const;
export type TokenKind = (typeof TokenKind)[keyof typeof TokenKind];

export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  /** White space stood before it. */
  readonly space: boolean;
  readonly line: SourceLine;
  /** 0-based, in `line.text`. */
  readonly column: number;
  /** Where a single-line macro wrote this token: the token that called the macro. */
  readonly via?: Token | undefined;
}

const START = 1;
const PART = 2;
const DIGIT = 4;
const CLASS = new Uint8Array(128);
for (const c of 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_') CLASS[c.charCodeAt(0)] = START | PART | DIGIT;
for (const c of '.?@') CLASS[c.charCodeAt(0)] = START | PART;
for (const c of '$#~') CLASS[c.charCodeAt(0)] = PART;
for (const c of '0123456789') CLASS[c.charCodeAt(0)] = PART | DIGIT;

/** Letters, digits and underscores: what a number may go on with. */
const isNumberPart = (code: number): boolean => code < 128 && (CLASS[code] & DIGIT) !== 0;
const isDigit = (code: number): boolean => code >= 48 && code <= 57;

/** Letters, `_ . ? @` and everything beyond ASCII. */
const isIdentifierStart = (code: number): boolean => (code < 128 ? (CLASS[code] & START) !== 0 : code >= 128);
const isIdentifierPart = (code: number): boolean => (code < 128 ? (CLASS[code] & PART) !== 0 : code >= 128);

const OPERATORS: readonly string[] = ['<=>', '<<<', '>>>', '<<', '>>', '<=', '>=', '<>', '==', '!=', '&&', '||', '^^', '//', '%%'];
const OPERATOR_STARTS = new Map<string, readonly string[]>();
for (const operator of OPERATORS) {
  OPERATOR_STARTS.set(operator[0], [...(OPERATOR_STARTS.get(operator[0]) ?? []), operator]);
}
const SINGLE: readonly string[] = Array.from({ length: 128 }, (_, code) => String.fromCharCode(code));

function scanNumber(text: string, start: number): { end: number; float: boolean } {
  let i = start;
  let hex = text[i] === '$';
  if (hex) i++;
  let float = false;
  let exponent = false;
  for (; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (!hex && (c === 0x65 || c === 0x45)) {
      exponent = true;
      const sign = text[i + 1];
      if (sign === '+' || sign === '-') {
        i++;
        float = true;
      }
    } else if (c === 0x68 || c === 0x48 || c === 0x78 || c === 0x58) {
      hex = true;
    } else if (c === 0x70 || c === 0x50) {
      float = true;
      const sign = text[i + 1];
      if (sign === '+' || sign === '-') i++;
    } else if (isNumberPart(c)) {
      continue;
    } else if (c === 0x2e) {
      float = true;
    } else {
      break;
    }
  }
  return { end: i, float: float || (exponent && !hex) };
}

/** End of the string that opens at `start`, or -1 where it is never closed. */
function scanString(text: string, start: number): number {
  const quote = text[start];
  if (quote !== '`') {
    const end = text.indexOf(quote, start + 1);
    return end < 0 ? -1 : end + 1;
  }
  for (let i = start + 1; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '`') return i + 1;
  }
  return -1;
}

/** End of a bracketed preprocessor token (`%{…}`, `%[…]`), minding nesting and strings; the line's end where it is never closed. */
function scanBracketed(text: string, start: number, open: string, close: string): number {
  let depth = 0;
  for (let i = start; i < text.length; i++) {
    const c = text[i];
    if (c === open) depth++;
    else if (c === close && --depth === 0) return i + 1;
    else if (open === '[' && (c === "'" || c === '"' || c === '`')) {
      const end = scanString(text, i);
      if (end > 0) i = end - 1;
    }
  }
  return text.length;
}

/** End of the token that begins with the percent sign at `start`; `start + 1` where it is the remainder operator. */
function scanPercent(text: string, start: number): number {
  const next = text[start + 1] ?? '';
  const code = text.charCodeAt(start + 1);
  let i = start + 1;
  if (next === '{') return scanBracketed(text, i, '{', '}');
  if (next === '[') return scanBracketed(text, i, '[', ']');
  if (next === '!') {
    i++;
    const quote = text[i];
    if (quote === "'" || quote === '"' || quote === '`') return Math.max(scanString(text, i), i);
    while (i < text.length && isIdentifierPart(text.charCodeAt(i))) i++;
    return i;
  }
  if (next === '+' || next === '-') {
    i++;
    const digits = i;
    while (isDigit(text.charCodeAt(i))) i++;
    return i > digits ? i : next === '+' ? i : start + 1;
  }
  if (next === '?') {
    while (text[i] === '?') i++;
    return i;
  }
  if (next === '*' && text[i + 1] === '?') {
    i += 2;
    while (text[i] === '?') i++;
    return i;
  }
  if (next === ',') return i + 1;
  if (isDigit(code)) {
    while (isDigit(text.charCodeAt(i))) i++;
    return i;
  }
  if (next === '%') {
    const after = text.charCodeAt(i + 1);
    if (!isIdentifierPart(after)) return start + 1;
    i++;
  } else if (next === '$') {
    while (text[i] === '$') i++;
  } else if (!isIdentifierStart(code)) {
    return start + 1;
  }
  while (i < text.length && isIdentifierPart(text.charCodeAt(i))) i++;
  return i;
}

/**
 * Tokens of one line. A comment ends the line.
 *
 * @param unterminated called with the column of a string that is never closed; the string is then taken to the line's end
 */
export function tokenize(line: SourceLine, unterminated?: (column: number) => void): Token[] {
  const text = line.text;
  const tokens: Token[] = [];
  const end = text.length;
  let space = false;
  let i = 0;
  while (i < end) {
    const code = text.charCodeAt(i);
    if (code === 32 || code === 9 || code === 13 || code === 12 || code === 11) {
      space = true;
      i++;
      continue;
    }
    if (code === 0x3b) break;
    const start = i;
    let kind: TokenKind = TokenKind.Operator;
    if (isIdentifierStart(code)) {
      i++;
      while (i < end && isIdentifierPart(text.charCodeAt(i))) i++;
      kind = code === 0x3f && i === start + 1 ? TokenKind.Operator : TokenKind.Identifier;
    } else if (isDigit(code) || (code === 0x24 && isDigit(text.charCodeAt(i + 1)))) {
      const number = scanNumber(text, i);
      i = number.end;
      kind = number.float ? TokenKind.Float : TokenKind.Number;
    } else if (code === 0x22 || code === 0x27 || code === 0x60) {
      const close = scanString(text, i);
      if (close < 0) unterminated?.(i);
      i = close < 0 ? end : close;
      kind = TokenKind.String;
    } else if (code === 0x25) {
      i = scanPercent(text, i);
      if (i > start + 1) kind = TokenKind.Preprocessor;
      else i += text[i] === '%' ? 1 : 0;
      if (i === start) i++;
    } else if (code === 0x24) {
      i++;
      if (isIdentifierStart(text.charCodeAt(i))) {
        while (i < end && isIdentifierPart(text.charCodeAt(i))) i++;
        kind = TokenKind.Identifier;
      } else if (text[i] === '$') {
        i++;
      }
    } else {
      const longer = OPERATOR_STARTS.get(text[i])?.find((operator) => text.startsWith(operator, start));
      i += longer ? longer.length : 1;
      if (code < 32 || code === 127) kind = TokenKind.Unknown;
    }
    const length = i - start;
    const written = length === 1 && code < 128 ? SINGLE[code] : text.slice(start, i);
    // `%{1}` is `%1`: the braces only set it off from what follows.
    const value =
      kind === TokenKind.Preprocessor && written[1] === '{' ? `%${written.slice(2, written.endsWith('}') ? -1 : undefined)}` : written;
    tokens.push({ kind, text: value, space, line, column: start });
    space = false;
  }
  return tokens;
}

/** The tokens as text again, with one blank where there was white space. */
export function detokenize(tokens: readonly Token[]): string {
  let text = '';
  for (const token of tokens) text += token.space && text ? ` ${token.text}` : token.text;
  return text;
}
