/**
 * The assembler: NASM's dialect into flat images and ELF objects. Pure functions of their input.
 *
 * Lexer → preprocessor → parser → passes until no symbol moves → encoder → output. Passes begin with the shortest forms and let
 * them grow, so that the result is NASM's.
 */

import type { Bits } from '../isa/types';
import { Assembly } from './assembly';
import { execute } from './execute';
import type { Int } from './int64';
import * as limits from './limits';
import { Listing } from './listing';
import { layOut, type PlacedSection, resolve, writeImage } from './output/bin';
import { writeObject } from './output/elf';
import { FORMATS, type FormatName } from './output/format';
import { parseLine } from './parser';
import { predefine } from './preprocessor/directives';
import type { LogicalLine } from './preprocessor/frames';
import { Preprocessor } from './preprocessor/preprocessor';
import type { TokenLine } from './preprocessor/multi-line';
import { type Diagnostic, Diagnostics, FatalSourceError, SourceError } from './source';
import type { Statement } from './statements';
import { isInt } from './values';

export type { Diagnostic } from './source';
export type { FormatName } from './output/format';

export interface AssemblyRequest {
  /** Name of the program in diagnostics and line tables. */
  readonly path: string;
  readonly text: string;
  /** Contents of a file for %include and INCBIN; undefined where there is none. Paths are as the source or `includePaths` give them. */
  readonly read?: (path: string) => string | Uint8Array | undefined;
  /** `bin` where it is left out. */
  readonly format?: FormatName;
  /** Directories that are searched after the path as written. */
  readonly includePaths?: readonly string[];
  /** Macros that are defined from the start, name to text. */
  readonly defines?: Readonly<Record<string, string>>;
  /** Whether objects get .debug_line and the like; true where it is left out. */
  readonly debug?: boolean;
  /** Problems after which no more are looked for; 1000 where it is left out. */
  readonly maxDiagnostics?: number;
  /** Makes `listing`, which costs time. */
  readonly listing?: boolean;
}

/** The bytes that one line of source wrote. */
export interface LineEntry {
  readonly section: string;
  /** From the start of the section. */
  readonly offset: number;
  /** In memory for flat images; the same as `offset` for objects. */
  readonly address: number;
  /** Bytes. */
  readonly length: number;
  readonly file: string;
  /** From 1. Where a macro wrote the bytes, the line in its body; for macros that hide themselves (.nolist) the line of the call. */
  readonly line: number;
  /** Code size of the instructions; undefined for data. */
  readonly bits: Bits | undefined;
}

export interface SymbolInfo {
  /** Full name: a local label's with the label it belongs to. */
  readonly name: string;
  /** Address for flat images, offset in the section for objects; the number of an `equ`. */
  readonly value: Int;
  /** Undefined for plain numbers and external symbols. */
  readonly section: string | undefined;
  readonly global: boolean;
  readonly kind: 'label' | 'equ' | 'external' | 'common';
  readonly file: string | undefined;
  /** From 1; 0 where there is none. */
  readonly line: number;
}

export interface SectionInfo {
  readonly name: string;
  readonly address: number;
  /** In a flat image; -1 for sections without contents. */
  readonly position: number;
  readonly size: number;
}

export interface AssemblyResult {
  /** No errors: the image is complete. */
  readonly ok: boolean;
  /** Flat image or object file; empty where there are errors. */
  readonly image: Uint8Array;
  /** Address that ORG gives. */
  readonly origin: Int;
  /** By section, then by offset. */
  readonly lines: readonly LineEntry[];
  readonly symbols: readonly SymbolInfo[];
  readonly sections: readonly SectionInfo[];
  /** Empty unless it was asked for. */
  readonly listing: string;
  /** In the order of the source within each file. */
  readonly diagnostics: readonly Diagnostic[];
  /** Files that were read, the program first. */
  readonly files: readonly string[];
}

/** Statements that write instructions. */
const CODE: ReadonlySet<string> = new Set(['instruction', 'prefixes']);

/** The statements of a program, pass after pass. */
class Runner {
  private readonly request: AssemblyRequest;
  private readonly assembly: Assembly;
  /** Problems of reading and parsing: the same in each pass. */
  private readonly fixed: Diagnostics;
  private readonly sources = new Map<string, TokenLine[]>();
  private statements: Statement[] = [];
  private complete = false;

  constructor(request: AssemblyRequest, assembly: Assembly, fixed: Diagnostics) {
    this.request = request;
    this.assembly = assembly;
    this.fixed = fixed;
  }

  get files(): string[] {
    return [...this.sources.keys()];
  }

  mainLines(): string[] {
    return this.request.text.split(/\r\n|\n|\r/);
  }

  /** Runs passes until nothing moves, then the one that writes. */
  run(): void {
    const { assembly } = this;
    let stalled = 0;
    let patient = limits.PATIENT_PASSES;
    let fewest = Number.POSITIVE_INFINITY;
    for (;;) {
      assembly.hasty = patient <= 0;
      this.runPass(false);
      if (this.fixed.full) return;
      const { changes } = assembly;
      patient--;
      if (changes === 0) {
        if (!assembly.hasty) break;
        // What the estimates have settled on is checked without them.
        patient = limits.PATIENT_PASSES;
        continue;
      }
      if (changes < fewest) {
        fewest = changes;
        stalled = 0;
      } else if (assembly.pass > 1) stalled++;
      if (stalled > limits.MAX_STALLED_PASSES || assembly.pass >= limits.MAX_PASSES) {
        this.unstable();
        return;
      }
    }
    this.runPass(true);
    if (assembly.changes > 0 && !assembly.diagnostics.hasErrors && !this.fixed.hasErrors) this.unstable();
  }

  private unstable(): void {
    const line = { file: this.request.path, number: 1, text: '' };
    const message = `no stable values for the symbols after ${this.assembly.pass} passes: some definition depends on itself`;
    this.fixed.error({ line, column: 0, length: 1, expansion: undefined }, message);
  }

  private runPass(final: boolean): void {
    const { assembly } = this;
    assembly.startPass(final);
    assembly.diagnostics = new Diagnostics(this.request.maxDiagnostics ?? limits.MAX_DIAGNOSTICS);
    if (this.complete && !assembly.preprocessorUsesSymbols) {
      for (const statement of this.statements) this.carryOut(statement);
      return;
    }
    this.statements = [];
    const preprocessor = this.makePreprocessor();
    for (;;) {
      const line = preprocessor.next();
      if (!line || this.fixed.full) break;
      const statement = this.parse(line);
      if (!statement) continue;
      this.statements.push(statement);
      this.carryOut(statement);
    }
    this.complete = true;
  }

  private makePreprocessor(): Preprocessor {
    const { assembly, request } = this;
    const preprocessor = new Preprocessor(
      {
        read: (path) => (path === request.path ? request.text : assembly.read(path)),
        includePaths: assembly.includePaths,
        format: assembly.format.name,
        diagnostics: this.fixed,
        evaluate: (cursor) => assembly.evaluateNow(cursor),
        bits: () => assembly.bits,
      },
      this.sources,
    );
    for (const [name, text] of Object.entries(request.defines ?? {})) predefine(preprocessor, name, text);
    preprocessor.openFile(request.path);
    return preprocessor;
  }

  private parse(line: LogicalLine): Statement | undefined {
    try {
      return parseLine(line, this.fixed);
    } catch (error) {
      if (!(error instanceof SourceError) || error instanceof FatalSourceError) throw error;
      this.fixed.error(error.place, error.message);
      return undefined;
    }
  }

  private carryOut(statement: Statement): void {
    const { assembly } = this;
    const { listing } = assembly;
    const { location } = assembly;
    const start = location.offset;
    if (assembly.final) listing?.begin(assembly);
    try {
      execute(assembly, statement);
    } catch (error) {
      if (!(error instanceof SourceError) || error instanceof FatalSourceError) throw error;
      assembly.diagnostics.error(error.place, error.message);
    }
    if (!assembly.final) return;
    listing?.end(assembly, statement);
    if (location.kind === 'section' && location === assembly.location && location.offset > start) {
      const { source } = statement;
      let root = source.expansion;
      while (root?.parent) root = root.parent;
      const line = root?.line ?? source.line;
      const bits = CODE.has(statement.body.kind) ? assembly.bits : undefined;
      location.lines.push({ offset: start, length: location.offset - start, file: line.file, line: line.number, bits });
    }
  }
}

function lineEntries(assembly: Assembly): LineEntry[] {
  const flat = assembly.format.name === 'bin';
  const entries: LineEntry[] = [];
  for (const section of assembly.sections.values()) {
    const base = flat ? section.address : 0;
    for (const { offset, length, file, line, bits } of section.lines) {
      entries.push({ section: section.name, offset, address: base + offset, length, file, line, bits });
    }
  }
  return entries;
}

function symbolInfos(assembly: Assembly): SymbolInfo[] {
  const flat = assembly.format.name === 'bin';
  const infos: SymbolInfo[] = [];
  for (const entry of assembly.symbols.all.values()) {
    if (entry.definedIn === 0 && entry.kind !== 'external' && entry.kind !== 'common') continue;
    const { value } = entry;
    const base = isInt(value) ? undefined : value.terms.find((term) => 'kind' in term.of && term.of.kind === 'section')?.of;
    infos.push({
      name: entry.name,
      value: flat ? resolve(value) : isInt(value) ? value : value.constant,
      section: base?.name,
      global: entry.linkage.binding !== 'local',
      kind: entry.kind,
      file: entry.place?.line.file,
      line: entry.place?.line.number ?? 0,
    });
  }
  return infos;
}

function sectionInfos(assembly: Assembly, placed: readonly PlacedSection[]): SectionInfo[] {
  const positions = new Map(placed.map((each) => [each.section, each.position]));
  return [...assembly.sections.values()].map((section) => ({
    name: section.name,
    address: section.address,
    position: positions.get(section) ?? -1,
    size: section.offset,
  }));
}

function inSourceOrder(diagnostics: readonly Diagnostic[], files: readonly string[]): Diagnostic[] {
  const rank = (file: string): number => {
    const index = files.indexOf(file);
    return index < 0 ? files.length : index;
  };
  return [...diagnostics].sort((a, b) => rank(a.file) - rank(b.file) || a.line - b.line || a.column - b.column);
}

/**
 * Assembles one program.
 *
 * Never throws for bad source: all problems are in `diagnostics`, each with its place and what was expected.
 */
export function assemble(request: AssemblyRequest): AssemblyResult {
  const format = FORMATS[request.format ?? 'bin'];
  const fixed = new Diagnostics(request.maxDiagnostics ?? limits.MAX_DIAGNOSTICS);
  const listing = request.listing ? new Listing() : undefined;
  const read = request.read ?? (() => undefined);
  const assembly = new Assembly(format, read, request.includePaths ?? [], fixed, listing);
  const runner = new Runner(request, assembly, fixed);
  try {
    runner.run();
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    fixed.error(error.place, error.message);
  }
  const failed = (): boolean => fixed.hasErrors || assembly.diagnostics.hasErrors;
  let image: Uint8Array = new Uint8Array(0);
  let placed: readonly PlacedSection[] = [];
  if (!failed() && format.name === 'bin') {
    placed = layOut(assembly);
    image = writeImage(assembly, placed);
  } else if (!failed()) {
    image = writeObject(assembly, request.path, request.debug ?? true);
  }
  const ok = !failed();
  const diagnostics = inSourceOrder([...fixed.list, ...(assembly.diagnostics === fixed ? [] : assembly.diagnostics.list)], runner.files);
  return {
    ok,
    image: ok ? image : new Uint8Array(0),
    origin: assembly.origin,
    lines: ok ? lineEntries(assembly) : [],
    symbols: symbolInfos(assembly),
    sections: sectionInfos(assembly, placed),
    listing: listing?.text(request.path, runner.mainLines()) ?? '',
    diagnostics,
    files: runner.files,
  };
}
