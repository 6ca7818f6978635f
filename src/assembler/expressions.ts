/**
 * Expressions: NASM's grammar as a tree. Constants are folded while parsing; everything else is evaluated once a pass.
 *
 * From loosest to tightest: WRT; ?:; ||; ^^; &&; comparisons; |; ^; &; shifts; + -; * / // % %%; unary.
 */

import type { AssemblerRegister } from '../isa/encoder';
import type { Cursor } from './cursor';
import { encodeFloat, BFLOAT16, FLOAT_FORMATS, specialFloat } from './floats';
import * as int64 from './int64';
import type { Int } from './int64';
import { isOperationName, keywordOf } from './keywords';
import { TokenKind, type Token } from './lexer';
import { MAX_EXPRESSION_DEPTH } from './limits';
import { parseInteger } from './numbers';
import { characterConstant } from './strings';

export type BinaryOperator =
  | '||'
  | '^^'
  | '&&'
  | '=='
  | '!='
  | '<'
  | '<='
  | '>'
  | '>='
  | '<=>'
  | '|'
  | '^'
  | '&'
  | '<<'
  | '>>'
  | '<<<'
  | '>>>'
  | '+'
  | '-'
  | '*'
  | '/'
  | '//'
  | '%'
  | '%%';

export type UnaryOperator = '-' | '~' | '!' | 'seg' | 'ilog2e' | 'ilog2w' | 'ilog2f' | 'ilog2c';

export type Expression =
  | { readonly op: 'integer'; readonly value: Int }
  | { readonly op: 'symbol'; readonly name: string; readonly token: Token }
  /** `$`. */
  | { readonly op: 'here'; readonly token: Token }
  /** `$$`. */
  | { readonly op: 'base'; readonly token: Token }
  | { readonly op: 'register'; readonly register: AssemblerRegister; readonly token: Token }
  | { readonly op: 'unary'; readonly operator: UnaryOperator; readonly operand: Expression; readonly token: Token; readonly depth: number }
  | {
      readonly op: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
      readonly token: Token;
      readonly depth: number;
    }
  | {
      readonly op: 'conditional';
      readonly condition: Expression;
      readonly yes: Expression;
      readonly no: Expression;
      readonly token: Token;
      readonly depth: number;
    }
  | { readonly op: 'wrt'; readonly operand: Expression; readonly target: Expression; readonly token: Token; readonly depth: number };

/** What a parser is told of the problems that do not stop it. */
export type Warn = (token: Token, code: string, message: string) => void;

/** Longest chain of operators that is evaluated by recursion. */
const MAX_TREE_DEPTH = 2500;

const LEVELS: readonly (readonly string[])[] = [
  ['||'],
  ['^^'],
  ['&&'],
  ['==', '=', '!=', '<>', '<', '<=', '>', '>=', '<=>'],
  ['|'],
  ['^'],
  ['&'],
  ['<<', '>>', '<<<', '>>>'],
  ['+', '-'],
  ['*', '/', '//', '%', '%%'],
];
const LEVEL_OF = new Map<string, number>();
for (const [level, operators] of LEVELS.entries()) for (const operator of operators) LEVEL_OF.set(operator, level);
const SYNONYMS: Readonly<Record<string, BinaryOperator>> = { '=': '==', '<>': '!=' };

const FUNCTIONS = /^__\??(ilog2[ewfc]|float8|float16|bfloat16|float32|float64|float80m|float80e|float128l|float128h)\??__$/i;

const truth = (value: boolean): Int => (value ? 1 : 0);

/** The operators on plain integers; division by zero is the caller's to rule out. */
export const INTEGER_OPERATIONS: Readonly<Record<BinaryOperator, (a: Int, b: Int) => Int>> = {
  '||': (a, b) => truth(a !== 0 || b !== 0),
  '^^': (a, b) => truth((a !== 0) !== (b !== 0)),
  '&&': (a, b) => truth(a !== 0 && b !== 0),
  '==': (a, b) => truth(a === b),
  '!=': (a, b) => truth(a !== b),
  // Orders are decided by the sign of the difference, which wraps; and <=> never gives -1. Both are NASM 2.16's ways.
  '<': (a, b) => truth(int64.subtract(a, b) < 0),
  '<=': (a, b) => truth(int64.subtract(a, b) <= 0),
  '>': (a, b) => truth(int64.subtract(a, b) > 0),
  '>=': (a, b) => truth(int64.subtract(a, b) >= 0),
  '<=>': (a, b) => truth(int64.subtract(a, b) > 0),
  '|': int64.or,
  '^': int64.xor,
  '&': int64.and,
  '<<': int64.shiftLeft,
  '<<<': int64.shiftLeft,
  '>>': int64.shiftRightUnsigned,
  '>>>': int64.shiftRightSigned,
  '+': int64.add,
  '-': int64.subtract,
  '*': int64.multiply,
  '/': int64.divideUnsigned,
  '//': int64.divideSigned,
  '%': int64.remainderUnsigned,
  '%%': int64.remainderSigned,
};

export const isDivision = (operator: BinaryOperator): boolean =>
  operator === '/' || operator === '//' || operator === '%' || operator === '%%';

const depthOf = (expression: Expression): number => ('depth' in expression ? expression.depth : 0);

/** Integer base-2 logarithm. @returns undefined where the argument is no power of two and the variant (`e`) insists on one */
export function integerLog2(value: Int, variant: UnaryOperator): Int | undefined {
  const bits = int64.unsigned(value);
  if (bits === 0n) return variant === 'ilog2e' ? undefined : 0;
  const floor = bits.toString(2).length - 1;
  const exact = bits === 1n << BigInt(floor);
  if (variant === 'ilog2e' && !exact) return undefined;
  return variant === 'ilog2c' && !exact ? floor + 1 : floor;
}

class ExpressionParser {
  private readonly cursor: Cursor;
  private readonly warn: Warn;
  private nesting = 0;

  constructor(cursor: Cursor, warn: Warn) {
    this.cursor = cursor;
    this.warn = warn;
  }

  whole(): Expression {
    const operand = this.conditional();
    const token = this.cursor.token;
    if (token.kind !== TokenKind.Identifier || keywordOf(token.text)?.kind !== 'operator' || token.text.toLowerCase() !== 'wrt') {
      return operand;
    }
    this.cursor.at++;
    return { op: 'wrt', operand, target: this.unary(), token, depth: depthOf(operand) + 1 };
  }

  private conditional(): Expression {
    const condition = this.binary(0);
    if (!this.cursor.is('?')) return condition;
    const token = this.cursor.next();
    this.enter();
    const yes = this.conditional();
    this.cursor.expect(':', 'between the two results of the ?: operator');
    const no = this.conditional();
    this.nesting--;
    if (condition.op === 'integer') return condition.value !== 0 ? yes : no;
    return { op: 'conditional', condition, yes, no, token, depth: Math.max(depthOf(condition), depthOf(yes), depthOf(no)) + 1 };
  }

  /** Operator precedence: operators of `level` and tighter. */
  private binary(level: number): Expression {
    let left = this.unary();
    for (;;) {
      const token = this.cursor.token;
      const found = token.kind === TokenKind.Operator ? LEVEL_OF.get(token.text) : undefined;
      if (found === undefined || found < level) return left;
      this.cursor.at++;
      this.enter();
      const right = this.binary(found + 1);
      this.nesting--;
      left = this.combine(token, left, right);
    }
  }

  private combine(token: Token, left: Expression, right: Expression): Expression {
    const operator = SYNONYMS[token.text] ?? (token.text as BinaryOperator);
    if (left.op === 'integer' && right.op === 'integer' && !(isDivision(operator) && right.value === 0)) {
      return { op: 'integer', value: INTEGER_OPERATIONS[operator](left.value, right.value) };
    }
    const depth = Math.max(depthOf(left), depthOf(right)) + 1;
    if (depth > MAX_TREE_DEPTH) this.cursor.fail('the expression is too long to evaluate', token);
    return { op: 'binary', operator, left, right, token, depth };
  }

  private enter(): void {
    if (++this.nesting > MAX_EXPRESSION_DEPTH) this.cursor.fail('the expression is nested too deeply');
  }

  private unary(): Expression {
    const token = this.cursor.token;
    if (token.kind === TokenKind.Operator) {
      if (token.text === '(') return this.parenthesised();
      if (token.text === '+' || token.text === '-' || token.text === '~' || token.text === '!') {
        this.cursor.at++;
        return this.applied(token, token.text);
      }
      if (token.text === '$' || token.text === '$$') {
        this.cursor.at++;
        return { op: token.text === '$' ? 'here' : 'base', token };
      }
    }
    return this.primary(token);
  }

  private applied(token: Token, operator: '+' | UnaryOperator): Expression {
    this.enter();
    const operand = this.unary();
    this.nesting--;
    if (operator === '+') return operand;
    if (operand.op === 'integer') {
      if (operator === '-') return { op: 'integer', value: int64.negate(operand.value) };
      if (operator === '~') return { op: 'integer', value: int64.not(operand.value) };
      if (operator === '!') return { op: 'integer', value: truth(operand.value === 0) };
    }
    return { op: 'unary', operator, operand, token, depth: depthOf(operand) + 1 };
  }

  private parenthesised(): Expression {
    this.cursor.at++;
    this.enter();
    const inner = this.conditional();
    this.nesting--;
    this.cursor.expect(')', 'to close the parenthesis');
    return inner;
  }

  private primary(token: Token): Expression {
    switch (token.kind) {
      case TokenKind.Number:
        return this.integer(token);
      case TokenKind.String: {
        const { value, overflow } = characterConstant(token.text);
        if (overflow) this.warn(token, 'other', 'character constant too long');
        this.cursor.at++;
        return { op: 'integer', value };
      }
      case TokenKind.Identifier:
        return this.identifier(token);
      case TokenKind.Float:
        return this.cursor.fail('a floating-point constant can stand only in DB, DW, DD, DQ, DT, DO and in __?floatN?__()');
      default:
        return this.cursor.fail(`expected an expression, found ${this.cursor.describe()}`);
    }
  }

  private integer(token: Token): Expression {
    const constant = parseInteger(token.text);
    if (!constant) this.cursor.fail(`'${token.text}' is no number: expected digits of its radix`);
    if (constant.overflow) this.warn(token, 'number-overflow', `numeric constant ${token.text} does not fit in 64 bits`);
    this.cursor.at++;
    return { op: 'integer', value: constant.value };
  }

  private identifier(token: Token): Expression {
    const escaped = token.text.startsWith('$');
    const keyword = escaped ? undefined : keywordOf(token.text);
    if (keyword?.kind === 'register') {
      this.cursor.at++;
      return { op: 'register', register: keyword.register, token };
    }
    if (keyword?.kind === 'operator' && keyword.name === 'seg') {
      this.cursor.at++;
      return this.applied(token, 'seg');
    }
    if (keyword && !isOperationName(token.text)) this.cursor.fail(`expected an expression, found the keyword '${token.text}'`);
    const call = token.text.startsWith('__') ? FUNCTIONS.exec(token.text) : null;
    if (call) return this.call(token, call[1].toLowerCase());
    this.cursor.at++;
    return { op: 'symbol', name: escaped ? token.text.slice(1) : token.text, token };
  }

  private call(token: Token, name: string): Expression {
    this.cursor.at++;
    if (name.startsWith('ilog2')) return this.logarithm(token, name as UnaryOperator);
    this.cursor.expect('(', `after ${token.text}`);
    const negative = this.cursor.is('-');
    if (negative || this.cursor.is('+')) this.cursor.at++;
    const argument = this.cursor.next();
    const bytes = floatArgument(argument, negative, name);
    if (!bytes) this.cursor.fail('expected a floating-point constant', argument);
    this.cursor.expect(')', 'after the floating-point constant');
    return { op: 'integer', value: int64.wrap(bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n)) };
  }

  private logarithm(token: Token, operator: UnaryOperator): Expression {
    if (!this.cursor.is('(')) this.cursor.fail(`expected '(' after ${token.text}, found ${this.cursor.describe()}`);
    const operand = this.parenthesised();
    if (operand.op !== 'integer') return { op: 'unary', operator, operand, token, depth: depthOf(operand) + 1 };
    const value = integerLog2(operand.value, operator);
    if (value === undefined) this.cursor.fail('the argument of ilog2 is not a power of two', token);
    return { op: 'integer', value };
  }
}

/** What each function takes from the constant: format, first byte, bytes. */
const FLOAT_FUNCTIONS: Readonly<Record<string, readonly [size: number, from: number, to: number]>> = {
  float8: [1, 0, 1],
  float16: [2, 0, 2],
  bfloat16: [-2, 0, 2],
  float32: [4, 0, 4],
  float64: [8, 0, 8],
  float80m: [10, 0, 8],
  float80e: [10, 8, 10],
  float128l: [16, 0, 8],
  float128h: [16, 8, 16],
};

function floatArgument(token: Token, negative: boolean, name: string): Uint8Array | undefined {
  const [size, from, to] = FLOAT_FUNCTIONS[name];
  const text = token.kind === TokenKind.Identifier ? specialFloat(token.text) : token.text;
  if (text === undefined || (token.kind !== TokenKind.Identifier && token.kind !== TokenKind.Float && token.kind !== TokenKind.Number)) {
    return undefined;
  }
  return encodeFloat(text, negative, size < 0 ? BFLOAT16 : FLOAT_FORMATS[size])?.bytes.slice(from, to);
}

/**
 * Parses one expression at the cursor and leaves the cursor behind it.
 * @throws SourceError where there is none
 */
export function parseExpression(cursor: Cursor, warn: Warn): Expression {
  return new ExpressionParser(cursor, warn).whole();
}
