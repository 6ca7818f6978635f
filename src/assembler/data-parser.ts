/** What stands after DB, DW, DD and the like: values, strings, floating-point numbers, `?`, `n dup (…)`, `%(…)`. */

import type { Cursor } from './cursor';
import { type Expression, parseExpression, type Warn } from './expressions';
import { encodeFloat, FLOAT_FORMATS, specialFloat } from './floats';
import { keywordOf } from './keywords';
import { type Token, TokenKind } from './lexer';
import { MAX_EXPRESSION_DEPTH } from './limits';
import type { DataItem } from './statements';
import { stringBytes } from './strings';

/** Strings fill whole elements. */
function padded(bytes: Uint8Array, size: number): Uint8Array {
  const length = Math.ceil(bytes.length / size) * size;
  if (length === bytes.length) return bytes;
  const result = new Uint8Array(length);
  result.set(bytes);
  return result;
}

class DataParser {
  private readonly cursor: Cursor;
  private readonly warn: Warn;
  private depth = 0;

  constructor(cursor: Cursor, warn: Warn) {
    this.cursor = cursor;
    this.warn = warn;
  }

  list(size: number, close: string): DataItem[] {
    const { cursor } = this;
    if (++this.depth > MAX_EXPRESSION_DEPTH) cursor.fail('the data is nested too deeply');
    const items: DataItem[] = [];
    for (;;) {
      items.push(...this.item(size));
      if (!cursor.take(',')) break;
      // A comma at the line's end is forgiven.
      if (close === '' && cursor.done) break;
    }
    this.depth--;
    if (close) cursor.expect(close, 'to end the list of data');
    return items;
  }

  private item(listSize: number): DataItem[] {
    const { cursor } = this;
    const size = this.sizeKeyword(listSize);
    const { token } = cursor;
    if (cursor.take('?')) return [{ kind: 'reserve', size }];
    if (cursor.is('%') && cursor.peek().text === '(') {
      cursor.at += 2;
      return this.list(size, ')');
    }
    if (token.kind === TokenKind.String && this.endsItem(cursor.peek())) {
      cursor.at++;
      return [{ kind: 'bytes', bytes: padded(stringBytes(token.text), size) }];
    }
    const float = this.float(size);
    if (float) return [float];
    const expression = parseExpression(cursor, this.warn);
    if (cursor.token.kind === TokenKind.Identifier && cursor.token.text.toLowerCase() === 'dup')
      return [this.repeated(expression, token, size)];
    if (size > 8) cursor.fail(`an integer cannot be ${size} bytes long: expected a floating-point constant or a string`, token);
    return [{ kind: 'value', size, expression, token }];
  }

  /** `byte 5` among words is a byte. */
  private sizeKeyword(size: number): number {
    const { cursor } = this;
    const keyword = cursor.token.kind === TokenKind.Identifier ? keywordOf(cursor.token.text) : undefined;
    if (keyword?.kind !== 'size') return size;
    cursor.at++;
    return keyword.size;
  }

  private endsItem(token: Token): boolean {
    return token.text === '' || (token.kind === TokenKind.Operator && (token.text === ',' || token.text === ')'));
  }

  private repeated(count: Expression, token: Token, size: number): DataItem {
    const { cursor } = this;
    cursor.at++;
    const own = this.sizeKeyword(size);
    if (cursor.take('(')) return { kind: 'repeat', count, token, items: this.list(own, ')') };
    if (cursor.is('%') && cursor.peek().text === '(') {
      cursor.at += 2;
      return { kind: 'repeat', count, token, items: this.list(own, ')') };
    }
    if (cursor.take('?')) return { kind: 'repeat', count, token, items: [{ kind: 'reserve', size: own }] };
    return { kind: 'repeat', count, token, items: this.item(own) };
  }

  /** A floating-point constant with its sign, if there is one at the cursor. */
  private float(size: number): DataItem | undefined {
    const { cursor } = this;
    let ahead = 0;
    let negative = false;
    while (cursor.peek(ahead).text === '-' || cursor.peek(ahead).text === '+') {
      if (cursor.peek(ahead).text === '-') negative = !negative;
      ahead++;
    }
    const token = cursor.peek(ahead);
    const special = token.kind === TokenKind.Identifier ? specialFloat(token.text) : undefined;
    if (token.kind !== TokenKind.Float && special === undefined) return undefined;
    const format = FLOAT_FORMATS[size];
    if (!format) return cursor.fail(`there is no floating-point format of ${size} bytes`, token);
    const result = encodeFloat(special ?? token.text, negative, format);
    if (!result) return cursor.fail(`'${token.text}' is no floating-point constant`, token);
    if (result.overflow) this.warn(token, 'float-overflow', 'overflow in floating-point constant');
    if (result.underflow) this.warn(token, 'float-underflow', 'underflow in floating-point constant');
    cursor.at += ahead + 1;
    return { kind: 'bytes', bytes: result.bytes };
  }
}

/** Parses the operands of a data definition whose elements have `size` bytes. */
export function parseDataItems(cursor: Cursor, size: number, warn: Warn): DataItem[] {
  if (cursor.done) {
    warn(cursor.tokens[cursor.at - 1], 'db-empty', 'no operand for data declaration');
    return [];
  }
  return new DataParser(cursor, warn).list(size, '');
}
