/** Gives expressions their values in one pass. */

import type { AssemblerRegister } from '../isa/encoder';
import { type Expression, INTEGER_OPERATIONS, integerLog2, isDivision } from './expressions';
import type { Int } from './int64';
import type { Token } from './lexer';
import { addValues, type Base, hasRegisters, isInt, isUnknown, multiplyValue, relocatable, type Sum, UNKNOWN, type Value } from './values';

/** What expressions may ask of the pass that they are evaluated in. */
export interface Scope {
  /** Value of a symbol; `UNKNOWN` where it will be defined later and the pass allows for it. Fails for undefined symbols. */
  symbol(name: string, token: Token): Value;
  here(): Value;
  base(): Value;
  /** The segment base of a section or external symbol, where the output format has such. */
  segmentOf(value: Value, token: Token): Value;
  special(name: string, token: Token): Sum['wrt'];
  fail(token: Token, message: string): never;
}

function registerValue(register: AssemblerRegister): Sum {
  return { constant: 0, terms: [{ of: register, coefficient: 1, scaled: false }], unknown: false };
}

function scalar(value: Value, what: string, token: Token, scope: Scope): Int | undefined {
  if (isInt(value)) return value;
  if (isUnknown(value)) return undefined;
  return scope.fail(token, `${what} takes plain numbers only, and this is ${describe(value)}`);
}

function describe(value: Sum): string {
  if (hasRegisters(value)) return 'a register';
  return 'an address whose final value is not known at this point';
}

function evaluateUnary(expression: Expression & { op: 'unary' }, scope: Scope): Value {
  const { operator, token } = expression;
  const operand = evaluate(expression.operand, scope);
  if (operator === '-') return multiplyValue(operand, -1, false);
  if (operator === 'seg') return scope.segmentOf(operand, token);
  const value = scalar(operand, operator.startsWith('ilog2') ? 'ilog2' : `the operator ${operator}`, token, scope);
  if (value === undefined) return UNKNOWN;
  if (operator === '~') return INTEGER_OPERATIONS['^'](value, -1);
  if (operator === '!') return value === 0 ? 1 : 0;
  return integerLog2(value, operator) ?? scope.fail(token, 'the argument of ilog2 is not a power of two');
}

function evaluateProduct(expression: Expression & { op: 'binary' }, a: Value, b: Value, scope: Scope): Value {
  if (isInt(b)) return multiplyValue(a, b, true);
  if (isInt(a)) return multiplyValue(b, a, true);
  if (isUnknown(a) || isUnknown(b)) return UNKNOWN;
  return scope.fail(expression.token, 'one factor of a product must be a plain number');
}

/** Comparisons see two addresses of one section as numbers: their difference is known. */
function evaluateComparison(expression: Expression & { op: 'binary' }, a: Value, b: Value, scope: Scope): Value {
  const difference = addValues(a, multiplyValue(b, -1, false));
  if (isUnknown(difference)) return UNKNOWN;
  const { operator } = expression;
  if (isInt(difference)) return INTEGER_OPERATIONS[operator](difference, 0);
  // Addresses of different sections are never equal, but there is no telling which is larger.
  if (operator === '==') return 0;
  if (operator === '!=') return 1;
  return scope.fail(expression.token, `the operator ${operator} cannot compare addresses of different sections`);
}

const COMPARISONS: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>=', '<=>']);

function evaluateBinary(expression: Expression & { op: 'binary' }, scope: Scope): Value {
  const { operator, token } = expression;
  const a = evaluate(expression.left, scope);
  const b = evaluate(expression.right, scope);
  if (operator === '+') return addValues(a, b);
  if (operator === '-') return addValues(a, multiplyValue(b, -1, false));
  if (operator === '*') return evaluateProduct(expression, a, b, scope);
  if (COMPARISONS.has(operator)) return evaluateComparison(expression, a, b, scope);
  const x = scalar(a, `the operator ${operator}`, token, scope);
  const y = scalar(b, `the operator ${operator}`, token, scope);
  if (y === 0 && isDivision(operator)) return scope.fail(token, 'division by zero');
  return x === undefined || y === undefined ? UNKNOWN : INTEGER_OPERATIONS[operator](x, y);
}

function evaluateWrt(expression: Expression & { op: 'wrt' }, scope: Scope): Value {
  const operand = evaluate(expression.operand, scope);
  const sum: Sum = isInt(operand) ? { constant: operand, terms: [], unknown: false } : operand;
  const { target, token } = expression;
  const special = target.op === 'symbol' && target.name.startsWith('..') ? scope.special(target.name, token) : undefined;
  if (special) return { ...sum, wrt: special };
  const against = relocatable(evaluate(target, scope), undefined);
  if (!against) return scope.fail(token, 'expected a section or a special symbol of the output format after WRT');
  if (against.unknown || sum.unknown) return UNKNOWN;
  const base: Base | undefined = against.base;
  return base ? { ...sum, wrt: { kind: 'base', base } } : operand;
}

/**
 * Value of an expression in this scope.
 * @throws SourceError, by way of the scope, where it has none
 */
export function evaluate(expression: Expression, scope: Scope): Value {
  switch (expression.op) {
    case 'integer':
      return expression.value;
    case 'symbol':
      return scope.symbol(expression.name, expression.token);
    case 'here':
      return scope.here();
    case 'base':
      return scope.base();
    case 'register':
      return registerValue(expression.register);
    case 'unary':
      return evaluateUnary(expression, scope);
    case 'binary':
      return evaluateBinary(expression, scope);
    case 'conditional': {
      const condition = scalar(evaluate(expression.condition, scope), 'the condition of ?:', expression.token, scope);
      if (condition === undefined) return UNKNOWN;
      return evaluate(condition !== 0 ? expression.yes : expression.no, scope);
    }
    case 'wrt':
      return evaluateWrt(expression, scope);
  }
}
