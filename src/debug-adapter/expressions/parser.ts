/** From text to a syntax tree: operators and their precedence are C's, memory operands are NASM's. */
import { type Token, tokenize } from './lexer';
import { type Assignment, type BinaryOperator, type Expression, ExpressionError, type Size, type UnaryOperator } from './syntax';

/** From the loosest to the tightest. */
const LEVELS: readonly (readonly string[])[] = [
  ['||'],
  ['&&'],
  ['|'],
  ['^'],
  ['&'],
  ['==', '!=', '<>'],
  ['<', '<=', '>', '>='],
  ['<<', '>>'],
  ['+', '-'],
  ['*', '/', '%'],
];
const SIZES: Readonly<Record<string, Size>> = { byte: 1, word: 2, dword: 4, qword: 8 };
const SPACES: Readonly<Record<string, 'linear' | 'physical'>> = { linear: 'linear', phys: 'physical', physical: 'physical' };
const UNARY: ReadonlySet<string> = new Set(['-', '+', '~', '!']);
const ASSIGNMENTS = /^(<<|>>|[-+*/%&|^])?=$/;
/** Deeper nesting is no expression of a person, and must not exhaust the stack. */
const MAX_DEPTH = 100;

/** @throws ExpressionError with the place */
export function parseExpression(text: string): Expression {
  const parser = new Parser(text);
  const expression = parser.expression();
  parser.expectEnd();
  return expression;
}

/** The same, where an assignment may stand. */
export function parseStatement(text: string): Expression | Assignment {
  const parser = new Parser(text);
  const target = parser.expression();
  const { at, text: operator } = parser.token;
  const match = parser.token.kind === 'operator' ? ASSIGNMENTS.exec(operator) : null;
  if (!match) {
    parser.expectEnd();
    return target;
  }
  parser.advance();
  const value = parser.expression();
  parser.expectEnd();
  return { kind: 'assignment', target, operator: match[1] as BinaryOperator | undefined, value, at };
}

class Parser {
  private readonly tokens: readonly Token[];
  private next = 0;
  private depth = 0;

  constructor(text: string) {
    this.tokens = tokenize(text);
  }

  get token(): Token {
    return this.tokens[this.next];
  }

  advance(): Token {
    const { token } = this;
    if (token.kind !== 'end') this.next++;
    return token;
  }

  fail(expected: string): never {
    const { token } = this;
    if (token.kind === 'operator' && token.text === '=') throw new ExpressionError("'=' assigns; to compare write '=='", token.at);
    throw new ExpressionError(`expected ${expected}, found ${token.kind === 'end' ? 'the end' : `'${token.text}'`}`, token.at);
  }

  expectEnd(): void {
    if (this.token.kind !== 'end') this.fail('an operator');
  }

  private is(text: string): boolean {
    return this.token.kind === 'operator' && this.token.text === text;
  }

  private expect(text: string): void {
    if (!this.is(text)) this.fail(`'${text}'`);
    this.advance();
  }

  /** An operation, or a far address of two. */
  expression(): Expression {
    if (++this.depth > MAX_DEPTH) throw new ExpressionError('the expression is nested too deeply', this.token.at);
    const first = this.binary(0);
    const whole = this.is(':') ? this.colon(first) : first;
    this.depth--;
    return whole;
  }

  private colon(left: Expression): Expression {
    const { at } = this.advance();
    const right = this.binary(0);
    const name = left.kind === 'name' ? left.name.toLowerCase() : '';
    const space = Object.hasOwn(SPACES, name) ? SPACES[name] : undefined;
    return space ? { kind: 'space', space, of: right, at: left.at } : { kind: 'far', segment: left, offset: right, at };
  }

  private binary(level: number): Expression {
    if (level === LEVELS.length) return this.unary();
    let left = this.binary(level + 1);
    while (this.token.kind === 'operator' && LEVELS[level].includes(this.token.text)) {
      const { text, at } = this.advance();
      const operator = (text === '<>' ? '!=' : text) as BinaryOperator;
      left = { kind: 'binary', operator, left, right: this.binary(level + 1), at };
    }
    return left;
  }

  private unary(): Expression {
    const { token } = this;
    if (token.kind !== 'operator' || !UNARY.has(token.text)) return this.primary();
    this.advance();
    if (++this.depth > MAX_DEPTH) throw new ExpressionError('the expression is nested too deeply', token.at);
    const of = this.unary();
    this.depth--;
    return { kind: 'unary', operator: token.text as UnaryOperator, of, at: token.at };
  }

  private primary(): Expression {
    const { token } = this;
    if (token.kind === 'number') {
      this.advance();
      return { kind: 'number', value: token.value, at: token.at, ...(/^\d+$/.test(token.text) && { decimal: true }) };
    }
    if (token.kind === 'fraction') {
      this.advance();
      return { kind: 'fraction', text: token.text, at: token.at };
    }
    if (token.kind === 'name') return this.named();
    if (this.is('[')) return this.memory(undefined, token.at);
    if (this.is('(')) {
      this.advance();
      const inner = this.expression();
      this.expect(')');
      return inner;
    }
    return this.fail('a number, a register, a symbol, or [an address]');
  }

  private named(): Expression {
    const { text, at } = this.advance();
    const size = Object.hasOwn(SIZES, text.toLowerCase()) ? SIZES[text.toLowerCase()] : undefined;
    if (size !== undefined) return this.sized(size, at);
    if (!this.is('(')) return { kind: 'name', name: text, at };
    this.advance();
    const argument = this.expression();
    this.expect(')');
    return { kind: 'call', name: text.toLowerCase(), argument, at };
  }

  private sized(size: Size, at: number): Expression {
    if (this.token.kind === 'name' && this.token.text.toLowerCase() === 'ptr') this.advance();
    if (this.is('[')) return this.memory(size, at);
    // MASM's `word ptr es:[di]`.
    const of = this.unary();
    if (this.is(':') && of.kind === 'name') {
      this.advance();
      if (!this.is('[')) this.fail("'['");
      const inner = this.memory(size, at);
      if (inner.kind !== 'memory') return inner;
      return { ...inner, address: { kind: 'far', segment: of, offset: inner.address, at: of.at } };
    }
    return { kind: 'cast', size, of, at };
  }

  private memory(size: Size | undefined, at: number): Expression {
    this.expect('[');
    const address = this.expression();
    this.expect(']');
    return { kind: 'memory', size, address, at };
  }
}
