/** %if and its relatives. */

import { Cursor } from '../cursor';
import { type Token, TokenKind } from '../lexer';
import { type Expansion, SourceError, type SourceLine } from '../source';
import { stringText } from '../strings';
import { splitArguments, parseSignature, type MultiMacro } from './multi-line';
import { isOperator } from './single-line';

/** One %if … %endif that is open. */
export interface Condition {
  readonly line: SourceLine;
  readonly column: number;
  /** The lines around it are emitted. */
  readonly outer: boolean;
  /** The lines at this point are emitted. */
  active: boolean;
  /** One branch was emitted already. */
  taken: boolean;
  seenElse: boolean;
}

/** What conditions ask of the preprocessor. */
export interface ConditionHost {
  expand(tokens: readonly Token[]): Token[];
  /** Value of an expression of expanded tokens; 0n never appears: zero is 0. */
  evaluateNumber(tokens: readonly Token[], at: Token, what: string): number | bigint;
  isDefined(token: Token): boolean;
  macrosNamed(name: string): readonly MultiMacro[];
  contextName(): string | undefined;
  isPackageUsed(name: string): boolean;
  isPackageKnown(name: string): boolean;
  expansion(): Expansion | undefined;
}

type Test = (tokens: readonly Token[], at: Token, host: ConditionHost) => boolean;

function fail(at: Token, host: ConditionHost, message: string): never {
  throw new SourceError(new Cursor([at], at.line, host.expansion()).place(at), message);
}

function numeric(tokens: readonly Token[], at: Token, host: ConditionHost): boolean {
  return host.evaluateNumber(host.expand(tokens), at, at.text) !== 0;
}

function defined(tokens: readonly Token[], at: Token, host: ConditionHost): boolean {
  if (tokens.length === 0) fail(at, host, `expected a macro name after ${at.text}`);
  return tokens.some((token) => host.isDefined(token));
}

function macro(tokens: readonly Token[], at: Token, host: ConditionHost): boolean {
  const [name, ...rest] = tokens;
  if (name?.kind !== TokenKind.Identifier) fail(at, host, `expected a macro name after ${at.text}`);
  const macros = host.macrosNamed(name.text);
  const signature = parseSignature(rest);
  if (rest.length > 0 && !signature) fail(rest[0], host, 'expected a number of parameters');
  if (!signature) return macros.length > 0;
  const maximum = signature.greedy ? Number.POSITIVE_INFINITY : signature.maximum;
  return macros.some((other) => other.minimum <= maximum && (other.greedy || other.maximum >= signature.minimum));
}

/** Whether two texts are the same; white space counts only as such. */
function identical(ignoreCase: boolean): Test {
  return (tokens, at, host) => {
    const expanded = host.expand(tokens);
    const [left, right, ...more] = splitArguments(expanded);
    if (right === undefined || more.length > 0) fail(at, host, `expected two texts with a comma between them after ${at.text}`);
    // White space before the comma belongs to the first text.
    if (left.length !== right.length || expanded.find((token) => isOperator(token, ','))?.space) return false;
    return left.every((token, i) => sameToken(token, right[i], ignoreCase) && (i === 0 || token.space === right[i].space));
  };
}

function sameToken(a: Token, b: Token, ignoreCase: boolean): boolean {
  if (a.kind === TokenKind.String && b.kind === TokenKind.String) {
    const [x, y] = [stringText(a.text), stringText(b.text)];
    return ignoreCase ? x.toLowerCase() === y.toLowerCase() : x === y;
  }
  return ignoreCase ? a.text.toLowerCase() === b.text.toLowerCase() : a.text === b.text;
}

function startsWith(test: (token: Token, next: Token | undefined) => boolean): Test {
  return (tokens, _at, host) => {
    const [first, second] = host.expand(tokens);
    return first !== undefined && test(first, second);
  };
}

function oneToken(tokens: readonly Token[], _at: Token, host: ConditionHost): boolean {
  const expanded = host.expand(tokens);
  const signed = expanded.length === 2 && (isOperator(expanded[0], '-') || isOperator(expanded[0], '+')) && isNumber(expanded[1]);
  return expanded.length === 1 || signed;
}

const isNumber = (token: Token | undefined): boolean => token?.kind === TokenKind.Number;

const TESTS: Readonly<Record<string, Test>> = {
  '': numeric,
  def: defined,
  macro,
  idn: identical(false),
  idni: identical(true),
  id: startsWith((token) => token.kind === TokenKind.Identifier || (token.kind === TokenKind.Operator && /^\$\$?$/.test(token.text))),
  num: startsWith((token, next) => isNumber(token) || ((isOperator(token, '-') || isOperator(token, '+')) && isNumber(next))),
  str: startsWith((token) => token.kind === TokenKind.String),
  token: oneToken,
  empty: (tokens, _at, host) => host.expand(tokens).length === 0,
  ctx: (tokens, _at, host) => tokens.some((token) => token.text.toLowerCase() === host.contextName()?.toLowerCase()),
  // Environment variables are no part of the input, so none is ever set.
  env: () => false,
  using: (tokens, _at, host) => tokens.some((token) => host.isPackageUsed(packageName(token))),
  usable: (tokens, _at, host) => tokens.some((token) => host.isPackageKnown(packageName(token))),
  diropt: () => true,
};

/** Name of a macro package as %use takes it: a word or a string. */
export function packageName(token: Token): string {
  return (token.kind === TokenKind.String ? stringText(token.text) : token.text).toLowerCase();
}

const CONDITIONAL = /^(if|elif)(n?)([a-z]*)$/;

export interface ConditionalDirective {
  readonly branch: 'if' | 'elif';
  readonly negated: boolean;
  readonly test: Test;
}

/** The directive that a lower-case name is; undefined for names outside the family. */
export function conditionalDirective(name: string): ConditionalDirective | undefined {
  const match = CONDITIONAL.exec(name);
  if (!match) return undefined;
  const branch = match[1] as 'if' | 'elif';
  // `%ifnum` and `%ifn` + `um`: the longer test name wins.
  const whole = match[2] + match[3];
  if (Object.hasOwn(TESTS, whole)) return { branch, negated: false, test: TESTS[whole] };
  if (match[2] && Object.hasOwn(TESTS, match[3])) return { branch, negated: true, test: TESTS[match[3]] };
  return undefined;
}
