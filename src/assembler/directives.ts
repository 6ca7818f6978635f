/** The assembler's own directives, in their primitive form: `[bits 16]`, `[section .data align=8]`. */

import type { Bits } from '../isa/types';
import { AbsoluteLocation, type Assembly } from './assembly';
import { Cursor } from './cursor';
import { type Expression, parseExpression } from './expressions';
import { type Token, TokenKind } from './lexer';
import type { SectionAttributes } from './sections';
import { stringText } from './strings';
import { ExternalSymbol, type LinkAttributes } from './symbols';
import { relative } from './values';

type Directive = (assembly: Assembly, cursor: Cursor, at: Token) => void;

function expression(assembly: Assembly, cursor: Cursor): Expression {
  return parseExpression(cursor, (token, code, message) => assembly.warn(token, code, message));
}

/** A number that must be known by the last pass. */
function number(assembly: Assembly, cursor: Cursor, what: string): number {
  const { token } = cursor;
  return Number(assembly.evaluateNumber(expression(assembly, cursor), token, what) ?? 0);
}

function end(cursor: Cursor): void {
  if (!cursor.done) cursor.fail(`expected the end of the directive, found ${cursor.describe()}`);
}

/** Tokens without white space between them, as one name. */
function name(cursor: Cursor, what: string): { text: string; token: Token } {
  const { token } = cursor;
  if (cursor.done) cursor.fail(`expected ${what}`);
  cursor.at++;
  if (token.kind === TokenKind.String) return { text: stringText(token.text), token };
  let { text } = token;
  while (!cursor.done && !cursor.token.space && cursor.token.text !== ':' && cursor.token.text !== ',') text += cursor.next().text;
  return { text, token };
}

const bits: Directive = (assembly, cursor) => {
  const { token } = cursor;
  const value = number(assembly, cursor, 'the code size');
  if (value !== 16 && value !== 32 && value !== 64) cursor.fail(`expected 16, 32 or 64 after BITS, found ${value}`, token);
  if (value === 64 && assembly.format.name === 'elf32') cursor.fail('the output format elf32 has no 64-bit code', token);
  if (value > 16 && assembly.level !== undefined && assembly.level < (value === 64 ? 8 : 3)) {
    cursor.fail(`the processor that CPU names has no ${value}-bit code`, token);
  }
  assembly.bits = value as Bits;
  end(cursor);
};

const setDefault: Directive = (assembly, cursor) => {
  const { token, text } = name(cursor, 'REL or ABS after DEFAULT');
  const word = text.toLowerCase();
  if (word === 'rel' || word === 'abs') assembly.defaultRelative = word === 'rel';
  else if (word !== 'bnd' && word !== 'nobnd') cursor.fail(`expected REL or ABS after DEFAULT, found '${text}'`, token);
};

/** Processor generations as the encoder counts them; everything from the 64-bit processors on allows all. */
const CPU_LEVELS: readonly (readonly [level: number, names: string])[] = [
  [0, '8086'],
  [1, '186 80186 i186'],
  [2, '286 80286 i286'],
  [3, '386 80386 i386'],
  [4, '486 80486 i486'],
  [5, '586 pentium i586'],
  [6, '686 p6 ppro pentiumpro p2 p3 katmai i686'],
  [7, 'p4 willamette prescott'],
  [
    Number.POSITIVE_INFINITY,
    'x64 x86-64 ia64 ia-64 itanium itanic merced nehalem westmere sandybridge future any default all latevex evex vex generic',
  ],
];
const CPU_LEVEL_OF: ReadonlyMap<string, number> = new Map(
  CPU_LEVELS.flatMap(([level, names]) => names.split(' ').map((each) => [each, level] as const)),
);

const cpu: Directive = (assembly, cursor) => {
  const { text, token } = name(cursor, 'a processor after CPU');
  const level = CPU_LEVEL_OF.get(text.toLowerCase());
  if (level === undefined) cursor.fail(`unknown processor '${text}'`, token);
  assembly.level = Number.isFinite(level) ? level : undefined;
  cursor.at = cursor.tokens.length;
};

const org: Directive = (assembly, cursor, at) => {
  if (assembly.format.name !== 'bin') cursor.fail(`ORG is for flat images; the output format is ${assembly.format.name}`, at);
  const { token } = cursor;
  const value = assembly.evaluateNumber(expression(assembly, cursor), token, 'the origin');
  end(cursor);
  if (value === undefined) return;
  if (value < 0) cursor.fail('the origin cannot be negative', token);
  if (assembly.originSet && assembly.origin !== value) cursor.fail('program origin redefined', at);
  assembly.origin = value;
  assembly.originSet = true;
};

/** Attributes that are words alone. */
const FLAGS: Readonly<Record<string, SectionAttributes>> = {
  progbits: { nobits: false, implied: false },
  nobits: { nobits: true, implied: false },
};

const ELF_FLAGS: Readonly<Record<string, SectionAttributes>> = {
  ...FLAGS,
  alloc: { alloc: true },
  noalloc: { alloc: false },
  exec: { exec: true },
  noexec: { exec: false },
  write: { write: true },
  nowrite: { write: false },
  tls: { tls: true },
  notls: { tls: false },
  merge: { merge: true },
  nomerge: { merge: false },
  strings: { strings: true, merge: true },
  nostrings: { strings: false },
  note: { type: 7 },
  init_array: { type: 14 },
  fini_array: { type: 15 },
  preinit_array: { type: 16 },
};

const ELEMENT_SIZES: Readonly<Record<string, number>> = {
  byte: 1,
  word: 2,
  dword: 4,
  qword: 8,
  tword: 10,
  oword: 16,
  yword: 32,
  zword: 64,
  pointer: 0,
};

const NUMERIC = ['align', 'start', 'vstart', 'valign'] as const;

function sectionAttribute(assembly: Assembly, cursor: Cursor, attributes: SectionAttributes): void {
  const { token } = cursor;
  const word = cursor.next().text.toLowerCase();
  const flat = assembly.format.name === 'bin';
  if (cursor.take('=')) {
    const numeric = NUMERIC.find((key) => key === word);
    if (numeric && (flat || numeric === 'align')) {
      const at = cursor.token;
      const value = number(assembly, cursor, `the value of ${word}`);
      if ((numeric === 'align' || numeric === 'valign') && (value < 1 || !Number.isInteger(Math.log2(value)))) {
        cursor.fail(`the alignment ${value} is no power of two`, at);
      }
      attributes[numeric] = value;
    } else if (flat && (word === 'follows' || word === 'vfollows')) {
      attributes[word] = name(cursor, 'the name of a section').text;
    } else if (!flat && (word === 'size' || word === 'entsize')) {
      attributes.entrySize = number(assembly, cursor, 'the size of an entry');
    } else if (!flat && word === 'type') {
      attributes.type = number(assembly, cursor, 'the type');
    } else {
      name(cursor, `a value of ${word}`);
      assembly.warn(token, 'other', `ignoring unknown section attribute '${token.text}'`);
    }
    return;
  }
  const flags = (flat ? FLAGS : ELF_FLAGS)[word];
  if (flags) Object.assign(attributes, flags);
  else if (!flat && Object.hasOwn(ELEMENT_SIZES, word)) attributes.entrySize = ELEMENT_SIZES[word] || assembly.format.defaultBits / 8;
  else assembly.warn(token, 'other', `ignoring unknown section attribute '${token.text}'`);
}

const section: Directive = (assembly, cursor, at) => {
  const { text, token } = name(cursor, 'the name of a section');
  const attributes: SectionAttributes = {};
  while (!cursor.done) {
    if (cursor.take(',')) continue;
    sectionAttribute(assembly, cursor, attributes);
  }
  const { section: target, known } = assembly.enterSection(text, attributes, assembly.place(token));
  if (known) for (const [key, value] of Object.entries(attributes)) mergeAttribute(assembly, target.attributes, key, value, at);
};

/** A section that is opened again may add attributes, not change them. */
function mergeAttribute(assembly: Assembly, attributes: SectionAttributes, key: string, value: unknown, at: Token): void {
  const all = attributes as Record<string, unknown>;
  const before = all[key];
  if (key === 'align' || key === 'valign') {
    all[key] = Math.max(Number(before ?? 1), Number(value));
    return;
  }
  if (before !== undefined && before !== value && assembly.pass > 1 && assembly.final) {
    assembly.warn(at, 'section-attributes', `section attribute ${key} differs from its first value`);
  }
  all[key] = value;
}

const absolute: Directive = (assembly, cursor) => {
  const { token } = cursor;
  const value = assembly.evaluate(expression(assembly, cursor));
  assembly.relocatable(value, token);
  end(cursor);
  assembly.location = new AbsoluteLocation(value);
};

const sectalign: Directive = (assembly, cursor) => {
  const { token } = cursor;
  const word = token.text.toLowerCase();
  if (word === 'on' || word === 'off') return;
  const value = number(assembly, cursor, 'the alignment');
  if (value < 1 || !Number.isInteger(Math.log2(value))) cursor.fail(`the alignment ${value} is no power of two`, token);
  const { current } = assembly;
  if (current && value > (current.attributes.align ?? 1)) current.attributes.align = value;
};

/** Each name of a list, with what stands behind its colon. */
function symbolList(assembly: Assembly, cursor: Cursor, what: string, each: (full: string, token: Token, rest: Cursor) => void): void {
  do {
    const { token } = cursor;
    if (token.kind !== TokenKind.Identifier) cursor.fail(`expected the name of a symbol after ${what}, found ${cursor.describe()}`);
    cursor.at++;
    const text = token.text.startsWith('$') ? token.text.slice(1) : token.text;
    const rest: Token[] = [];
    if (cursor.take(':')) while (!cursor.done && !cursor.is(',')) rest.push(cursor.next());
    each(assembly.symbols.fullName(text), token, new Cursor(rest, cursor.line, cursor.expansion));
    if (!cursor.done && !cursor.is(',')) cursor.fail(`expected a comma or the end of the list, found ${cursor.describe()}`);
  } while (cursor.take(','));
}

const LINK_WORDS: Readonly<Record<string, Partial<LinkAttributes>>> = {
  function: { type: 'function' },
  data: { type: 'object' },
  object: { type: 'object' },
  notype: { type: 'notype' },
  tls: { type: 'tls' },
  weak: { binding: 'weak' },
  strong: { binding: 'global' },
  default: { visibility: 'default' },
  internal: { visibility: 'internal' },
  hidden: { visibility: 'hidden' },
  protected: { visibility: 'protected' },
};

function linkage(assembly: Assembly, rest: Cursor, onto: LinkAttributes): void {
  while (!rest.done) {
    const word = rest.token.text.toLowerCase();
    if (rest.token.kind !== TokenKind.Identifier || !Object.hasOwn(LINK_WORDS, word)) break;
    rest.at++;
    Object.assign(onto, LINK_WORDS[word]);
  }
  if (rest.done) return;
  // Of common symbols a number is the alignment, and the caller's.
  onto.size = number(assembly, rest, 'the size of the symbol');
  end(rest);
}

const global: Directive = (assembly, cursor) => {
  symbolList(assembly, cursor, 'GLOBAL', (full, _token, rest) => {
    const entry = assembly.symbols.entry(full);
    if (entry.linkage.binding === 'local') entry.linkage.binding = 'global';
    linkage(assembly, rest, entry.linkage);
  });
};

const local: Directive = (assembly, cursor) => {
  symbolList(assembly, cursor, 'STATIC', (full) => {
    assembly.symbols.entry(full);
  });
};

const extern: Directive = (assembly, cursor, at) => declareExternal(assembly, cursor, at, false);
const required: Directive = (assembly, cursor, at) => declareExternal(assembly, cursor, at, true);

function declareExternal(assembly: Assembly, cursor: Cursor, at: Token, needed: boolean): void {
  if (assembly.format.name === 'bin') cursor.fail('a flat image has no external symbols', at);
  symbolList(assembly, cursor, 'EXTERN', (full, token, rest) => {
    const entry = assembly.symbols.entry(full);
    if (needed) entry.required = true;
    if (entry.definedIn > 0 && entry.kind !== 'external') {
      // A definition after the declaration wins, as GLOBAL.
      entry.linkage.binding = 'global';
      return;
    }
    if (entry.kind !== 'external') {
      entry.kind = 'external';
      entry.value = relative(new ExternalSymbol(full, 'external'), 0);
      entry.place = assembly.place(token);
      entry.linkage.binding = 'global';
    }
    assembly.symbols.number(entry);
    linkage(assembly, rest, entry.linkage);
  });
}

const common: Directive = (assembly, cursor, at) => {
  if (assembly.format.name === 'bin') cursor.fail('a flat image has no common symbols', at);
  const { token } = cursor;
  if (token.kind !== TokenKind.Identifier) cursor.fail(`expected the name of a symbol after COMMON, found ${cursor.describe()}`);
  cursor.at++;
  const size = number(assembly, cursor, 'the size of the common block');
  let alignment = 0;
  const full = assembly.symbols.fullName(token.text);
  const entry = assembly.symbols.entry(full);
  if (cursor.take(':')) {
    while (!cursor.done && Object.hasOwn(LINK_WORDS, cursor.token.text.toLowerCase())) {
      Object.assign(entry.linkage, LINK_WORDS[cursor.next().text.toLowerCase()]);
    }
    if (!cursor.done) alignment = number(assembly, cursor, 'the alignment');
  }
  end(cursor);
  assembly.symbols.number(entry);
  if (entry.kind === 'common') return;
  const symbol = new ExternalSymbol(full, 'common');
  symbol.size = size;
  symbol.alignment = alignment;
  entry.kind = 'common';
  entry.value = relative(symbol, 0);
  entry.place = assembly.place(token);
  entry.linkage.binding = 'global';
};

const warning: Directive = (assembly, cursor) => {
  const word = cursor.token.text.toLowerCase();
  if (word === 'push') assembly.silencedStack.push(assembly.silenced);
  else if (word === 'pop') assembly.silenced = assembly.silencedStack.pop() ?? new Set();
  if (word === 'push' || word === 'pop') return;
  const sign = cursor.next().text;
  const code = name(cursor, 'the name of a class of warnings').text.toLowerCase();
  const silenced = new Set(assembly.silenced);
  if (sign === '-') silenced.add(code);
  else silenced.delete(code);
  assembly.silenced = silenced;
};

const nothing: Directive = () => undefined;

const DIRECTIVES: Readonly<Record<string, Directive>> = {
  bits,
  default: setDefault,
  cpu,
  org,
  section,
  segment: section,
  absolute,
  sectalign,
  global,
  static: local,
  extern,
  required,
  common,
  warning,
  float: nothing,
  list: nothing,
  debug: nothing,
  pragma: nothing,
  osabi: nothing,
  map: nothing,
};

/**
 * Carries out a directive.
 * @throws SourceError for unknown ones and wrong arguments
 */
export function runDirective(assembly: Assembly, directive: string, tokens: readonly Token[], at: Token): void {
  const source = assembly.statement?.source;
  if (!Object.hasOwn(DIRECTIVES, directive)) assembly.fail(at, `unknown directive '${directive}'`);
  DIRECTIVES[directive](assembly, new Cursor(tokens, at.line, source?.expansion), at);
}
