/** The preprocessor's directives except the %if family, by lower-case name without the percent sign. */

import * as limits from '../limits';
import { detokenize, type Token, TokenKind, tokenize } from '../lexer';
import { internalFile } from '../source';
import { quoteBytes, quoteText, stringBytes, stringText } from '../strings';
import { packageName } from './conditions';
import { type MultiMacro, parseSignature, splitArguments, type TokenLine } from './multi-line';
import type { Preprocessor } from './preprocessor';
import { declareArguments, declareLocals, setStackSize } from './stack-frames';
import { isOperator, MacroTable, type Parameter, written, writtenText } from './single-line';

type Directive = (pp: Preprocessor, tokens: readonly Token[], at: Token) => void;

function nameOf(pp: Preprocessor, tokens: readonly Token[], at: Token): Token {
  const [name] = tokens;
  if (name === undefined) pp.fail(at, `expected a macro name after ${at.text}`);
  pp.target(name);
  return name;
}

/** The parameter list of %define; the parenthesis must follow the name directly. */
function parameterList(pp: Preprocessor, tokens: readonly Token[]): { parameters: Parameter[] | undefined; used: number } {
  if (!isOperator(tokens[0], '(') || tokens[0].space) return { parameters: undefined, used: 0 };
  const parameters: Parameter[] = [];
  let flags = '';
  let name = '';
  for (let i = 1; i < tokens.length; i++) {
    const token = tokens[i];
    if (isOperator(token, ',') || isOperator(token, ')')) {
      const empty = name === '' && flags === '' && isOperator(token, ')') && parameters.length === 0;
      if (!empty) {
        parameters.push({ name, evaluate: flags.includes('='), quote: flags.includes('&'), greedy: flags.includes('+') });
      }
      if (isOperator(token, ')')) return { parameters, used: i + 1 };
      flags = '';
      name = '';
    } else if (token.kind === TokenKind.Identifier && name === '') {
      name = token.text;
    } else if (token.kind === TokenKind.Operator && /^[=&+!/]+$/.test(token.text)) {
      flags += token.text;
    } else {
      pp.fail(token, `expected a parameter name, found '${token.text}'`);
    }
  }
  return pp.fail(tokens[0], "expected ')' to end the parameters");
}

function define(caseSensitive: boolean, expand: boolean): Directive {
  return (pp: Preprocessor, tokens: readonly Token[], at: Token) => {
    const name = nameOf(pp, tokens, at);
    const { parameters, used } = parameterList(pp, tokens.slice(1));
    const rest = tokens.slice(1 + used);
    pp.define(name, { caseSensitive, parameters, body: expand ? pp.expand(rest) : rest });
  };
}

const undef: Directive = (pp: Preprocessor, tokens: readonly Token[], at: Token) => {
  const { table, name } = pp.target(nameOf(pp, tokens, at));
  table.undefine(name);
};

function alias(caseSensitive: boolean): Directive {
  return (pp: Preprocessor, tokens: readonly Token[], at: Token) => {
    const name = nameOf(pp, tokens, at);
    const target = tokens[1];
    if (target === undefined) {
      undef(pp, tokens, at);
      return;
    }
    pp.define(name, { caseSensitive, parameters: undefined, body: [], alias: target.text });
  };
}

/** Defines a macro as text computed from the rest of the line. */
function computed(caseSensitive: boolean, compute: (pp: Preprocessor, tokens: readonly Token[], at: Token) => Token[]): Directive {
  return (pp: Preprocessor, tokens: readonly Token[], at: Token) => {
    const name = nameOf(pp, tokens, at);
    pp.define(name, { caseSensitive, parameters: undefined, body: compute(pp, tokens.slice(1), at) });
  };
}

const assign = (pp: Preprocessor, tokens: readonly Token[], at: Token): Token[] =>
  writtenText(String(pp.evaluate(pp.expand(tokens), at, at.text)), at, false);

const string = (at: Token, text: string): Token[] => [written(TokenKind.String, text, at, false)];

const defstr = (pp: Preprocessor, tokens: readonly Token[], at: Token): Token[] => string(at, quoteText(detokenize(pp.expand(tokens))));

const deftok = (pp: Preprocessor, tokens: readonly Token[], at: Token): Token[] => {
  const [text] = pp.expand(tokens);
  if (text?.kind !== TokenKind.String) pp.fail(at, `expected a string after ${at.text}`);
  return writtenText(stringText(text.text), text, false);
};

function stringAt(pp: Preprocessor, tokens: readonly Token[], at: Token): Token {
  const [text] = tokens;
  if (text?.kind !== TokenKind.String) pp.fail(text ?? at, `expected a string after ${at.text}`);
  return text;
}

const strlen = (pp: Preprocessor, tokens: readonly Token[], at: Token): Token[] =>
  writtenText(String(stringBytes(stringAt(pp, pp.expand(tokens), at).text).length), at, false);

const strcat = (pp: Preprocessor, tokens: readonly Token[], at: Token): Token[] => {
  const bytes: number[] = [];
  for (const token of pp.expand(tokens)) {
    if (token.kind === TokenKind.String) for (const byte of stringBytes(token.text)) bytes.push(byte);
    else if (!isOperator(token, ',')) pp.fail(token, `expected strings and commas after ${at.text}, found '${token.text}'`);
  }
  if (bytes.length > limits.MAX_STRING_BYTES) pp.fail(at, `a string longer than ${limits.MAX_STRING_BYTES} bytes`);
  return string(at, quoteBytes(Uint8Array.from(bytes)));
};

/** `%substr name string start[,count]`: bytes from 1; a negative count is a position from the end. */
const substr = (pp: Preprocessor, tokens: readonly Token[], at: Token): Token[] => {
  const expanded = pp.expand(tokens);
  const bytes = stringBytes(stringAt(pp, expanded, at).text);
  const rest = isOperator(expanded[1], ',') ? expanded.slice(2) : expanded.slice(1);
  const [start, length] = splitArguments(rest);
  const from = Number(pp.evaluate(start ?? [], at, 'the start'));
  let count = length === undefined ? 1 : Number(pp.evaluate(length, at, 'the length'));
  if (count < 0) count = bytes.length + count + 2 - from;
  const begin = Math.max(1, from);
  return string(at, quoteBytes(bytes.slice(begin - 1, Math.max(begin - 1, from - 1 + count))));
};

const pathsearch = (pp: Preprocessor, tokens: readonly Token[], at: Token): Token[] => {
  const path = pp.textOf(pp.expand(tokens));
  return string(at, quoteText(pp.find(path)?.path ?? path));
};

function macro(caseSensitive: boolean, recursive: boolean): Directive {
  return (pp: Preprocessor, tokens: readonly Token[], at: Token) => {
    const [name, ...rest] = tokens;
    if (name === undefined) pp.fail(at, `expected a macro name after ${at.text}`);
    if (name.kind !== TokenKind.Identifier) pp.fail(name, `expected a macro name, found '${name.text}'`);
    const signature = parseSignature(rest);
    if (!signature) pp.fail(rest[0] ?? name, `expected the number of parameters of macro '${name.text}'`);
    if (signature.minimum > signature.maximum) pp.fail(rest[0], 'the least number of parameters is greater than the greatest');
    const { used, ...counts } = signature;
    const given = rest.slice(used);
    if (isOperator(given[0], '+') || isOperator(given[0], '.')) pp.fail(given[0], `expected defaults, found '${given[0].text}'`);
    const defaults = splitArguments(given);
    const finish = (body: readonly TokenLine[]): void => {
      const takesLabel = body.some((line) => line.special && line.tokens.some(({ text }) => text === '%00' || text.includes('%00')));
      addMacro(pp, { name: name.text, caseSensitive, recursive, ...counts, defaults, body, takesLabel, inProgress: 0 });
    };
    pp.collection = { kind: 'macro', at, lines: [], depth: 0, finish };
  };
}

const keyOf = (name: string, caseSensitive: boolean): string => (caseSensitive ? name : ` ${name.toLowerCase()}`);

function addMacro(pp: Preprocessor, added: MultiMacro): void {
  const key = keyOf(added.name, added.caseSensitive);
  const others = (pp.multi.get(key) ?? []).filter((other) => other.minimum !== added.minimum || other.maximum !== added.maximum);
  pp.multi.set(key, [added, ...others]);
}

function unmacro(caseSensitive: boolean): Directive {
  return (pp: Preprocessor, tokens: readonly Token[], at: Token) => {
    const [name, ...rest] = tokens;
    const signature = parseSignature(rest);
    if (name === undefined || !signature) pp.fail(at, `expected a macro name and its number of parameters after ${at.text}`);
    const key = keyOf(name.text, caseSensitive);
    const others = (pp.multi.get(key) ?? []).filter(
      (other) => other.minimum !== signature.minimum || other.maximum !== signature.maximum || other.greedy !== signature.greedy,
    );
    if (others.length) pp.multi.set(key, others);
    else pp.multi.delete(key);
  };
}

const rep: Directive = (pp: Preprocessor, tokens: readonly Token[], at: Token) => {
  const expanded = pp.expand(tokens);
  const hidden = expanded.at(-1)?.text.toLowerCase() === '.nolist';
  const count = Number(pp.evaluate(hidden ? expanded.slice(0, -1) : expanded, at, at.text));
  if (count > limits.MAX_REPETITIONS) pp.fail(at, `%rep ${count} is beyond the limit of ${limits.MAX_REPETITIONS} repetitions`);
  const finish = (lines: readonly TokenLine[]): void => {
    if (count > 0) pp.repeat(lines, count);
  };
  pp.collection = { kind: 'rep', at, lines: [], depth: 0, finish };
};

const rotate: Directive = (pp: Preprocessor, tokens: readonly Token[], at: Token) => {
  const { call } = pp.frame;
  if (!call) pp.fail(at, '%rotate stands outside a macro');
  const by = Number(pp.evaluate(pp.expand(tokens), at, at.text));
  const { length } = call.values;
  if (length > 0) call.rotation = (((call.rotation + by) % length) + length) % length;
};

function contextName(tokens: readonly Token[]): string | undefined {
  return tokens[0]?.text;
}

const push: Directive = (pp: Preprocessor, tokens: readonly Token[], at: Token) => {
  if (pp.contexts.length >= limits.MAX_MACRO_DEPTH) pp.fatal(at, `more than ${limits.MAX_MACRO_DEPTH} contexts are open`);
  pp.contexts.push({ name: contextName(tokens), serial: pp.nextSerial(), macros: new MacroTable() });
};

const pop: Directive = (pp: Preprocessor, tokens: readonly Token[], at: Token) => {
  const top = pp.contexts.at(-1);
  if (!top) pp.fail(at, `${at.text}: the context stack is empty`);
  const name = contextName(tokens);
  if (name !== undefined && name.toLowerCase() !== top.name?.toLowerCase()) {
    pp.fail(at, `${at.text} '${name}': the innermost context is '${top.name ?? 'unnamed'}'`);
  }
  pp.contexts.pop();
};

const repl: Directive = (pp: Preprocessor, tokens: readonly Token[], at: Token) => {
  const top = pp.contexts.pop();
  if (!top) pp.fail(at, `${at.text}: the context stack is empty`);
  pp.contexts.push({ name: contextName(tokens), serial: top.serial, macros: top.macros });
};

const include: Directive = (pp: Preprocessor, tokens: readonly Token[], at: Token) => {
  const expanded = pp.expand(tokens);
  if (expanded.length === 0) pp.fail(at, `expected a file name after ${at.text}`);
  pp.include(pp.textOf(expanded), at);
};

function message(pp: Preprocessor, tokens: readonly Token[]): string {
  return pp.textOf(tokens[0]?.kind === TokenKind.String ? pp.expand(tokens) : tokens);
}

const line: Directive = (pp: Preprocessor, tokens: readonly Token[], at: Token) => {
  const [spec, ...rest] = tokens;
  const number = Number(spec?.text);
  if (!Number.isInteger(number)) pp.fail(at, 'expected a line number after %line');
  const stepped = isOperator(rest[0], '+');
  const step = stepped ? Number(rest[1]?.text) : 1;
  if (!Number.isInteger(step)) pp.fail(at, 'expected a number after the plus sign of %line');
  const name = stepped ? rest.slice(2) : rest;
  const file = name.length > 0 ? pp.textOf(name) : (pp.override?.file ?? pp.frame.file);
  pp.override = { file, offset: number - at.line.number * step, step };
};

const use: Directive = (pp: Preprocessor, tokens: readonly Token[], at: Token) => {
  const [name] = pp.expand(tokens);
  if (name === undefined) pp.fail(at, 'expected the name of a macro package after %use');
  pp.usePackage(packageName(name), at);
};

const nothing: Directive = () => undefined;

const unsupported: Directive = (pp: Preprocessor, _tokens: readonly Token[], at: Token) => pp.fail(at, `${at.text} is not implemented`);

const stray =
  (opening: string): Directive =>
  (pp: Preprocessor, _tokens: readonly Token[], at: Token) =>
    pp.fail(at, `${at.text} without ${opening} before it`);

export const DIRECTIVES: Readonly<Record<string, Directive>> = {
  define: define(true, false),
  idefine: define(false, false),
  xdefine: define(true, true),
  ixdefine: define(false, true),
  undef,
  undefalias: undef,
  defalias: alias(true),
  idefalias: alias(false),
  assign: computed(true, assign),
  iassign: computed(false, assign),
  defstr: computed(true, defstr),
  idefstr: computed(false, defstr),
  deftok: computed(true, deftok),
  ideftok: computed(false, deftok),
  strlen: computed(true, strlen),
  istrlen: computed(false, strlen),
  strcat: computed(true, strcat),
  istrcat: computed(false, strcat),
  substr: computed(true, substr),
  isubstr: computed(false, substr),
  pathsearch: computed(true, pathsearch),
  ipathsearch: computed(false, pathsearch),
  macro: macro(true, false),
  imacro: macro(false, false),
  rmacro: macro(true, true),
  irmacro: macro(false, true),
  unmacro: unmacro(true),
  unimacro: unmacro(false),
  endmacro: stray('%macro'),
  endm: stray('%macro'),
  exitmacro: (pp: Preprocessor, _tokens: readonly Token[], at: Token) => pp.exit('macro', at),
  rep,
  endrep: stray('%rep'),
  exitrep: (pp: Preprocessor, _tokens: readonly Token[], at: Token) => pp.exit('repetition', at),
  rotate,
  push,
  pop,
  repl,
  include,
  use,
  line,
  error: (pp: Preprocessor, tokens: readonly Token[], at: Token) => pp.fail(at, message(pp, tokens) || '%error'),
  fatal: (pp: Preprocessor, tokens: readonly Token[], at: Token) => pp.fatal(at, message(pp, tokens) || '%fatal'),
  warning: (pp: Preprocessor, tokens: readonly Token[], at: Token) => pp.warn(at, 'user', message(pp, tokens) || '%warning'),
  note: nothing,
  depend: nothing,
  pragma: nothing,
  aliases: nothing,
  clear: unsupported,
  arg: declareArguments,
  local: declareLocals,
  stacksize: setStackSize,
};

/** Definitions given from outside, as with -D. */
export function predefine(pp: Preprocessor, name: string, text: string): void {
  const [token] = tokenize({ file: internalFile('definition'), number: 1, text: name });
  if (token?.kind === TokenKind.Identifier && token.text === name) pp.defineText(name, text);
}
