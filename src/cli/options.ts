/** Reading the command line's values. */
import { parseArgs, type ParseArgsConfig } from 'node:util';

/** Wrong use: told in one line, exit status 2. */
export class UsageError extends Error {}

type Options = NonNullable<ParseArgsConfig['options']>;

export interface ParsedOptions {
  readonly values: Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;
  readonly positionals: readonly string[];
}

/** @throws UsageError for an option that does not exist or lacks its value */
export function parseOptions(args: readonly string[], options: Options): ParsedOptions {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(explain(error as NodeJS.ErrnoException));
  }
}

/** Node's messages in one line. */
function explain({ message }: NodeJS.ErrnoException): string {
  const [first] = message.split('\n');
  const ambiguous = /^Option '([^' ]+).*argument is ambiguous/.exec(first);
  if (ambiguous) return `${ambiguous[1]} lacks its value; one that begins with a dash is given as ${ambiguous[1]}=-…`;
  return first.replace(/\. To specify.*$/, '');
}

const UNITS: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** `64M`, `1G`, `65536`, `0x10000`. @returns bytes */
export function parseSize(text: string, option: string): number {
  const [, digits, unit] = /^(0x[0-9a-f]+|\d+)([kmg]?)i?b?$/i.exec(text) ?? [];
  if (digits === undefined) throw new UsageError(`--${option}: "${text}" is no size; expected a number with K, M or G behind it`);
  return Number(digits) * UNITS[unit.toLowerCase()];
}

/** A number in decimal or 0x notation; underscores and the suffixes k, M, G (thousands) are read. */
export function parseNumber(text: string, option: string): number {
  const [, digits, unit] = /^(0x[0-9a-f]+|\d+)([kmg]?)$/i.exec(text.replaceAll('_', '')) ?? [];
  const value = digits === undefined ? Number.NaN : Number(digits) * 1000 ** ['', 'k', 'm', 'g'].indexOf(unit.toLowerCase());
  if (!Number.isSafeInteger(value)) throw new UsageError(`--${option}: "${text}" is no number`);
  return value;
}
