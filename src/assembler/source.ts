/** Where things stand in the user's files, and how problems are told. */

/** One physical line of a file (several, where backslashes continue it). */
export interface SourceLine {
  readonly file: string;
  /** From 1. */
  readonly number: number;
  readonly text: string;
  /** For a continued line: where each further physical line begins in `text`. */
  readonly continuations?: readonly number[];
}

/** Text that is no file of the user's: standard macros and definitions from outside. */
export const internalFile = (name: string): string => `<${name}>`;
const isInternal = (file: string): boolean => file.startsWith('<');

/** One step of macro expansion: the line below was written out by this macro, called at this place. */
export interface Expansion {
  readonly macro: string;
  /** Line of the call and 0-based column in it. */
  readonly line: SourceLine;
  readonly column: number;
  readonly length: number;
  readonly parent: Expansion | undefined;
}

interface Position {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** Characters, at least 1. */
  readonly length: number;
}

type Severity = 'error' | 'warning';

/** A problem in the source. */
export interface Diagnostic extends Position {
  readonly severity: Severity;
  /** Says what is wrong and what was expected. */
  readonly message: string;
  /** The class of a warning, in NASM's names (`number-overflow`). */
  readonly code?: string;
  /** Places inside macros that the line went through, innermost first. */
  readonly related?: readonly (Position & { readonly message: string })[];
}

/** A place: a line, a 0-based column, a length, and how the text came to be there. */
export interface Place {
  readonly line: SourceLine;
  readonly column: number;
  readonly length: number;
  readonly expansion: Expansion | undefined;
}

function position(line: SourceLine, column: number, length: number): Position {
  let number = line.number;
  let start = 0;
  for (const next of line.continuations ?? []) {
    if (column < next) break;
    number++;
    start = next;
  }
  return { file: line.file, line: number, column: column - start + 1, length: Math.max(1, length) };
}

/** The calls that led to a place, innermost first. */
function callsOf(place: Place): Expansion[] {
  const calls: Expansion[] = [];
  for (let step = place.expansion; step; step = step.parent) calls.push(step);
  return calls;
}

/**
 * The diagnostic for a place. Inside macros the user's own call is the place that is marked, or the argument in it that is to blame;
 * the lines of the macros on the way are told as related places.
 */
function diagnose(severity: Severity, place: Place, message: string, code?: string): Diagnostic {
  const exact = position(place.line, place.column, place.length);
  const calls = callsOf(place);
  const outermost = calls.at(-1);
  const fromArgument = outermost?.line === place.line;
  // Each call stands in the body of the macro that the next one calls.
  const places = [...(fromArgument ? [] : [exact]), ...calls.map(({ line, column, length }) => position(line, column, length))];
  const primary = fromArgument || !outermost ? exact : places[places.length - 1];
  const shift = fromArgument ? 1 : 0;
  const related = places
    .slice(0, -1)
    .map((each, i) => ({ ...each, message: `in macro '${calls[i + shift].macro}'` }))
    .filter(({ file }) => !isInternal(file));
  const diagnostic = { severity, ...primary, message };
  return { ...diagnostic, ...(code ? { code } : {}), ...(related.length ? { related } : {}) };
}

/** A problem that ends the work on the current line. */
export class SourceError extends Error {
  readonly place: Place;

  constructor(place: Place, message: string) {
    super(message);
    this.place = place;
  }
}

/** A problem that ends the whole assembly: a limit was passed, or `%fatal`. */
export class FatalSourceError extends SourceError {}

/** Collects diagnostics, each once, and no more than a person would read. */
export class Diagnostics {
  readonly list: Diagnostic[] = [];
  private readonly seen = new Set<string>();
  private readonly limit: number;
  private errors = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  get hasErrors(): boolean {
    return this.errors > 0;
  }

  get full(): boolean {
    return this.list.length >= this.limit;
  }

  add(diagnostic: Diagnostic): void {
    if (diagnostic.severity === 'error') this.errors++;
    if (this.full) return;
    const key = `${diagnostic.file}:${diagnostic.line}:${diagnostic.column}:${diagnostic.message}`;
    if (this.seen.has(key)) return;
    this.seen.add(key);
    this.list.push(diagnostic);
  }

  error(place: Place, message: string): void {
    this.add(diagnose('error', place, message));
  }

  warning(place: Place, code: string, message: string): void {
    this.add(diagnose('warning', place, message, code));
  }
}
