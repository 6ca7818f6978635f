/** A position in a line's tokens, shared by everything that reads them. */

import { type Token, TokenKind } from './lexer';
import { type Expansion, type Place, SourceError, type SourceLine } from './source';

const LINE_END: Token = { kind: TokenKind.Operator, text: '', space: false, line: { file: '', number: 0, text: '' }, column: 0 };

/** Where a token is, for diagnostics: the user's own text where a single-line macro wrote it. */
export function placeOf(token: Token, expansion: Expansion | undefined): Place {
  let outer = token;
  while (outer.via) outer = outer.via;
  return { line: outer.line, column: outer.column, length: outer.text.length, expansion };
}

export class Cursor {
  readonly tokens: readonly Token[];
  readonly line: SourceLine;
  readonly expansion: Expansion | undefined;
  at: number;

  constructor(tokens: readonly Token[], line: SourceLine, expansion: Expansion | undefined, at = 0) {
    this.tokens = tokens;
    this.line = line;
    this.expansion = expansion;
    this.at = at;
  }

  /** The current token; at the line's end one whose text is empty. */
  get token(): Token {
    return this.at < this.tokens.length ? this.tokens[this.at] : LINE_END;
  }

  peek(ahead = 1): Token {
    return this.tokens[this.at + ahead] ?? LINE_END;
  }

  get done(): boolean {
    return this.at >= this.tokens.length;
  }

  /** True where the current token is this operator. */
  is(operator: string): boolean {
    const token = this.token;
    return token.kind === TokenKind.Operator && token.text === operator;
  }

  /** Steps over the operator if it is there. */
  take(operator: string): boolean {
    if (!this.is(operator)) return false;
    this.at++;
    return true;
  }

  next(): Token {
    const token = this.token;
    this.at++;
    return token;
  }

  /** Place of a token, by default the current one; behind the last token at the line's end. */
  place(token: Token = this.token): Place {
    if (token !== LINE_END) return placeOf(token, this.expansion);
    const last = this.tokens.at(-1);
    if (!last) return { line: this.line, column: 0, length: 1, expansion: this.expansion };
    const place = placeOf(last, this.expansion);
    return { ...place, column: place.column + place.length, length: 1 };
  }

  /** Name of the current token for messages. */
  describe(): string {
    return this.done ? 'the end of the line' : `'${this.token.text}'`;
  }

  fail(message: string, token?: Token): never {
    throw new SourceError(this.place(token), message);
  }

  expect(operator: string, after: string): void {
    if (!this.take(operator)) this.fail(`expected '${operator}' ${after}, found ${this.describe()}`);
  }
}
