/** Debian's nasm as the oracle: assembles in a folder of its own. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { assemble, type AssemblyResult, type FormatName } from '../../src/assembler/assemble';
import { missing } from '../support/programs';

/** Why tests against nasm cannot run here; undefined where they can. */
export const NO_NASM = missing({ nasm: 'nasm' });

/** Files by name; the first is the program. */
export type Program = ReadonlyMap<string, string | Uint8Array>;

export interface NasmResult {
  /** Undefined where nasm refuses the program. */
  readonly image: Uint8Array | undefined;
  /** Lines of the program with errors, with the first message of each. */
  readonly errors: ReadonlyMap<number, string>;
  readonly listing: string;
}

/** Runs `use` with a folder that has the files. */
export function inFolder<T>(files: Program, use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'ringside-nasm-'));
  try {
    for (const [name, content] of files) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function nasm(files: Program, format: FormatName = 'bin', seconds = 60): NasmResult {
  const [main] = files.keys();
  return inFolder(files, (folder) => {
    const run = spawnSync('nasm', ['-w-all', '-f', format, '-o', 'out', '-l', 'list', main], {
      cwd: folder,
      encoding: 'latin1',
      maxBuffer: 1 << 28,
      timeout: seconds * 1000,
    });
    const errors = new Map<number, string>();
    for (const match of run.stderr.matchAll(/^[^:\n]+:(\d+): (?:error|fatal): (.*)$/gm)) {
      if (!errors.has(Number(match[1]))) errors.set(Number(match[1]), match[2]);
    }
    const listing = existing(join(folder, 'list'));
    return { image: run.status === 0 ? readFileSync(join(folder, 'out')) : undefined, errors, listing: listing?.toString('latin1') ?? '' };
  });
}

function existing(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}

/** The same program with our assembler. */
export function ours(
  files: Program,
  format: FormatName = 'bin',
  more: { debug?: boolean; listing?: boolean; maxDiagnostics?: number } = {},
): AssemblyResult {
  const [main] = files.keys();
  const text = files.get(main);
  return assemble({ path: main, text: String(text), read: (path) => files.get(path), format, ...more });
}

export const program = (text: string): Program => new Map([['program.asm', text]]);

export const hex = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString('hex');

export const errorsOf = (result: AssemblyResult): string[] =>
  result.diagnostics
    .filter(({ severity }) => severity === 'error')
    .map(({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`);
