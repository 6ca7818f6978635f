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

/** One step of macro expansion: the line below was written out by this macro, called at this place. */
export interface Expansion {
  readonly macro: string;
  /** Line of the call and 0-based column in it. */
  readonly line: SourceLine;
  readonly column: number;
  readonly length: number;
  readonly parent: Expansion | undefined;
}

export interface Position {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** Characters, at least 1. */
  readonly length: number;
}

export type Severity = 'error' | 'warning';

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

/**
 * The diagnostic for a place. Inside macros the user's own call is the place that is marked; the lines of the macros it went through
 * are told as related places.
 */
export function diagnose(severity: Severity, place: Place, message: string, code?: string): Diagnostic {
  let primary = position(place.line, place.column, place.length);
  const related: (Position & { message: string })[] = [];
  for (let step = place.expansion; step; step = step.parent) {
    related.push({ ...primary, message: `in macro '${step.macro}'` });
    primary = position(step.line, step.column, step.length);
  }
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
