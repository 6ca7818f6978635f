/** The state of one assembly: where the current pass stands, what is defined, and the ways to write to the output. */

import type { Bits } from '../isa/types';
import type { Cursor } from './cursor';
import { evaluate, type Scope } from './evaluate';
import { type Expression, parseExpression } from './expressions';
import type { Int } from './int64';
import * as int64 from './int64';
import type { Token } from './lexer';
import * as limits from './limits';
import type { Listing } from './listing';
import type { Format } from './output/format';
import { Section, type SectionAttributes, type SectionFixup } from './sections';
import { type Diagnostics, FatalSourceError, type Place, SourceError } from './source';
import type { Statement } from './statements';
import { type SymbolEntry, SymbolTable, sameValue } from './symbols';
import { addValues, isInt, isUnknown, type Relocatable, relative, relocatable, UNKNOWN, type Value } from './values';

/** Where the next byte goes: into a section, or nowhere (ABSOLUTE), where only addresses are counted. */
export type Location = Section | AbsoluteLocation;

export class AbsoluteLocation {
  readonly kind = 'absolute' as const;
  /** Address that ABSOLUTE gives; it may lie in a section. */
  readonly start: Value;
  offset = 0;

  constructor(start: Value) {
    this.start = start;
  }
}

export class Assembly {
  readonly symbols = new SymbolTable();
  /** In order of first appearance. */
  readonly sections = new Map<string, Section>();
  readonly format: Format;
  readonly read: (path: string) => string | Uint8Array | undefined;
  readonly includePaths: readonly string[];
  /** Problems of the current pass; those of the last one count. */
  diagnostics: Diagnostics;
  readonly listing: Listing | undefined;

  pass = 0;
  /** The pass that writes the output. */
  final = false;
  /**
   * Labels further on are taken to move as far as those before. Jumps over code that grows then settle in few passes where they would
   * take hundreds; they grow no more than they must either way.
   */
  hasty = false;
  /** Symbols whose value changed in this pass. */
  changes = 0;
  /** A value was not known yet. */
  unresolved = false;
  bits: Bits;
  defaultRelative = false;
  location: Location;
  /** Silenced warning classes, with those of outer [warning push]. */
  silenced: ReadonlySet<string> = new Set();
  readonly silencedStack: ReadonlySet<string>[] = [];
  /** Processor generation that CPU sets, as the encoder counts; undefined for all. */
  level: number | undefined;
  origin: Int = 0;
  originSet = false;
  private ranks = 0;
  /** Where the current statement begins: `$`, in all repetitions of TIMES and all items of a data definition. */
  private start: Value = 0;
  /** The statement that is being worked on. */
  statement: Statement | undefined;
  /** Something asked for labels in the preprocessor: it must run anew in each pass. */
  preprocessorUsesSymbols = false;
  private readonly scope: Scope;

  constructor(
    format: Format,
    read: (path: string) => string | Uint8Array | undefined,
    includePaths: readonly string[],
    diagnostics: Diagnostics,
    listing: Listing | undefined,
  ) {
    this.format = format;
    this.read = read;
    this.includePaths = includePaths;
    this.diagnostics = diagnostics;
    this.listing = listing;
    this.bits = format.defaultBits;
    this.location = this.section('.text', undefined, undefined);
    this.scope = this.makeScope();
  }

  private makeScope(): Scope {
    return {
      symbol: (name, token) => this.symbolValue(name, token),
      here: () => this.start,
      base: () => this.baseValue(),
      segmentOf: (_value, token) => this.fail(token, `the output format ${this.format.name} has no segment bases`),
      special: (name) => (this.format.specials.has(name) ? { kind: 'special', name } : undefined),
      fail: (token, message) => this.fail(token, message),
    };
  }

  startPass(final: boolean): void {
    this.pass++;
    this.final = final;
    this.changes = 0;
    this.unresolved = false;
    this.bits = this.format.defaultBits;
    this.defaultRelative = false;
    this.level = undefined;
    this.silenced = new Set();
    this.silencedStack.length = 0;
    this.symbols.startPass();
    for (const section of this.sections.values()) section.startPass();
    this.location = this.section('.text', undefined, undefined);
    this.statement = undefined;
  }

  /** The section of this name; made, with the format's attributes, where there is none. */
  section(name: string, attributes: SectionAttributes | undefined, place: Place | undefined): Section {
    let section = this.sections.get(name);
    if (!section) {
      if (this.sections.size >= limits.MAX_SECTIONS && place)
        throw new FatalSourceError(place, `more than ${limits.MAX_SECTIONS} sections`);
      section = new Section(name, { ...this.format.attributesOf(name), ...attributes }, place);
      this.sections.set(name, section);
    }
    return section;
  }

  /** Notes that a section is declared: sections stand in the output in this order. */
  private use(section: Section): void {
    if (section.rank === 0) section.rank = ++this.ranks;
  }

  /**
   * Carries out SECTION: the section of this name becomes the current one.
   * @param attributes what the directive states
   */
  enterSection(name: string, attributes: SectionAttributes, place: Place): { section: Section; known: boolean } {
    const before = this.sections.get(name);
    const known = before !== undefined && before.rank > 0;
    const section = before ?? this.section(name, {}, place);
    if (!known) {
      // A section that is declared with attributes has the least alignment unless it states one.
      const stated = Object.keys(attributes).length > 0 && this.format.name !== 'bin';
      Object.assign(section.attributes, stated ? { align: 1 } : {}, attributes);
      section.place = place;
    }
    this.use(section);
    this.location = section;
    return { section, known };
  }

  place(token: Token): Place {
    let outer = token;
    while (outer.via) outer = outer.via;
    return { line: outer.line, column: outer.column, length: outer.text.length, expansion: this.statement?.source.expansion };
  }

  fail(token: Token, message: string): never {
    throw new SourceError(this.place(token), message);
  }

  /** An error that does not stop the statement; told in the last pass. */
  report(token: Token, message: string): void {
    if (this.final) this.diagnostics.error(this.place(token), message);
  }

  /** Warnings are told once, in the last pass. */
  warn(token: Token, code: string, message: string): void {
    if (this.final && !this.silenced.has(code) && !this.silenced.has('all')) this.diagnostics.warning(this.place(token), code, message);
  }

  /** The section that code goes to; undefined under ABSOLUTE. */
  get current(): Section | undefined {
    return this.location.kind === 'section' ? this.location : undefined;
  }

  here(): Value {
    const { location } = this;
    return location.kind === 'section' ? relative(location, location.offset) : addValues(location.start, location.offset);
  }

  private baseValue(): Value {
    const { location } = this;
    return location.kind === 'section' ? relative(location, 0) : location.start;
  }

  private symbolValue(name: string, token: Token): Value {
    const entry = this.symbols.find(name);
    if (entry && (entry.definedIn > 0 || entry.kind === 'external' || entry.kind === 'common')) {
      return this.hasty && entry.definedIn < this.pass && entry.kind === 'label' ? this.drifted(entry.value) : entry.value;
    }
    this.unresolved = true;
    if (this.final) this.fail(token, this.undefinedMessage(name));
    return UNKNOWN;
  }

  /** A label further on, moved as far as the labels before this place have moved already. */
  private drifted(value: Value): Value {
    const { current } = this;
    if (!current || current.drift === 0 || isInt(value) || value.terms.length !== 1 || value.terms[0].of !== current) return value;
    return relative(current, int64.add(value.constant, current.drift));
  }

  private undefinedMessage(name: string): string {
    const full = this.symbols.fullName(name);
    return `symbol '${full}' is not defined`;
  }

  evaluate(expression: Expression): Value {
    return expression.op === 'integer' ? expression.value : evaluate(expression, this.scope);
  }

  /** A plain number; undefined where it is not known yet. */
  evaluateNumber(expression: Expression, token: Token, what: string): Int | undefined {
    const value = this.evaluate(expression);
    if (isInt(value)) return value;
    if (isUnknown(value)) return undefined;
    return this.fail(token, `${what} must be a plain number, and this is an address`);
  }

  /** A number for the preprocessor, which cannot wait for one. */
  evaluateNow(cursor: Cursor): Int {
    const { token } = cursor;
    const expression = parseExpression(cursor, (at, code, message) => this.diagnostics.warning(cursor.place(at), code, message));
    if (expression.op === 'integer') return expression.value;
    this.preprocessorUsesSymbols = true;
    const value = evaluate(expression, {
      ...this.scope,
      here: () => this.here(),
      symbol: (name, at) => {
        const entry = this.symbols.find(name);
        if (!entry || entry.definedIn === 0) return cursor.fail(`symbol '${name}' is not defined before its use here`, at);
        return entry.value;
      },
      fail: (at, message) => cursor.fail(message, at),
    });
    if (!isInt(value)) return cursor.fail('expected a plain number, and this is an address', token);
    return value;
  }

  /** The value as something that can be written here. */
  relocatable(value: Value, token: Token): Relocatable {
    return relocatable(value, this.current) ?? this.fail(token, 'the expression is no plain number and no address plus a number');
  }

  beginStatement(statement: Statement): void {
    this.statement = statement;
    this.start = this.here();
  }

  /** Gives a symbol its value in this pass. @param name full name */
  define(name: string, token: Token, kind: 'label' | 'equ', value: Value): void {
    const entry = this.symbols.entry(name);
    if (entry.kind === 'external' || entry.kind === 'common')
      this.fail(token, `symbol '${name}' is declared ${entry.kind} and cannot be defined here`);
    if (entry.definedIn === this.pass) {
      if (!sameValue(entry.value, value)) this.fail(token, `symbol '${name}' is defined twice: first ${describePlace(entry)}`);
      this.warn(token, 'label-redef', `symbol '${name}' is defined again with the same value`);
      return;
    }
    if (entry.definedIn === 0 || !sameValue(entry.value, value)) {
      this.changes++;
      if (kind === 'label' && entry.definedIn > 0) this.noteDrift(entry.value, value);
    }
    entry.kind = kind;
    entry.value = value;
    entry.definedIn = this.pass;
    this.symbols.number(entry);
    entry.place = this.place(token);
  }

  private noteDrift(before: Value, now: Value): void {
    const { current } = this;
    if (current && !isInt(before) && !isInt(now)) current.drift = Number(int64.subtract(now.constant, before.constant));
  }

  private checkRoom(count: number, token: Token): void {
    const { location } = this;
    if (location.kind === 'section' && !location.hasRoom(count)) {
      throw new FatalSourceError(this.place(token), `section ${location.name} grows beyond ${limits.MAX_IMAGE_BYTES} bytes`);
    }
  }

  /** Whether bytes can be written here; warns where they are dropped. */
  private writable(token: Token): Section | undefined {
    const { location } = this;
    if (location.kind !== 'section') {
      this.report(token, 'attempt to assemble code in ABSOLUTE space: only RESB and its like can stand here');
      return undefined;
    }
    if (location.nobits) {
      this.warn(token, 'other', `attempt to initialize memory in the nobits section ${location.name}: ignored`);
      return undefined;
    }
    return location;
  }

  /** Writes bytes; fix-ups count from their start. */
  emit(bytes: Uint8Array | readonly number[], token: Token): void {
    if (bytes.length === 0) return;
    this.checkRoom(bytes.length, token);
    if (this.final) this.writable(token)?.data.append(bytes);
    this.location.offset += bytes.length;
  }

  /** Notes a fix-up of bytes that are about to be written at `offset` of the current section. */
  fixup(fixup: SectionFixup): void {
    const { current } = this;
    if (this.final && current && !current.nobits) current.fixups.push(fixup);
  }

  /** Leaves room: zeros in sections with contents. */
  reserve(count: number, token: Token): void {
    if (count === 0) return;
    this.checkRoom(count, token);
    const { current } = this;
    if (this.final && current && !current.nobits) {
      this.warn(token, 'zeroing', `uninitialized space declared in section ${current.name}: zeroing`);
      current.data.zeros(count);
    }
    this.location.offset += count;
  }

  /** Writes the last `length` bytes `times` more times. */
  repeatLast(length: number, times: number, token: Token): void {
    if (times <= 0 || length === 0) return;
    this.checkRoom(length * times, token);
    const { current } = this;
    if (this.final && current && !current.nobits) current.data.repeatLast(length, times);
    this.location.offset += length * times;
  }

  /** Writes a number or an address as `size` bytes of data. */
  emitValue(value: Value, size: number, token: Token): void {
    const parts = this.relocatable(value, token);
    const bytes = new Uint8Array(size);
    if (parts.base || parts.minus || parts.wrt) {
      const { offset } = this.location;
      this.fixup({
        offset,
        size,
        base: parts.base,
        addend: parts.offset,
        relative: parts.minus !== undefined,
        from: 0,
        wrt: parts.wrt,
        signed: false,
        place: this.place(token),
      });
    } else {
      if (!parts.unknown && !int64.fitsEither(parts.offset, size * 8)) {
        this.warn(token, 'number-overflow', `${SIZE_NAMES[size] ?? 'data'} data exceeds bounds`);
      }
      int64.store(bytes, 0, parts.offset, size);
    }
    this.emit(bytes, token);
  }
}

const SIZE_NAMES: Readonly<Record<number, string>> = { 1: 'byte', 2: 'word', 4: 'dword', 8: 'qword' };

function describePlace(entry: SymbolEntry): string {
  return entry.place ? `at ${entry.place.line.file}:${entry.place.line.number}` : 'elsewhere';
}
