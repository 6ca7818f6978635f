/** The command line as users start it: a process of its own. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { esbuildPlugins } from '../../src/tooling/plugins.mjs';

const root = resolve(import.meta.dirname, '../..');
let bundled: Promise<string> | undefined;

/** Bundles the command line once for each test process. @returns path of the program */
export function bundle(): Promise<string> {
  bundled ??= (async () => {
    const outfile = resolve(root, `node_modules/.cache/ringside/test-${process.pid}/cli.cjs`);
    mkdirSync(resolve(outfile, '..'), { recursive: true });
    await build({
      entryPoints: [resolve(root, 'src/cli/main.ts')],
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'cjs',
      plugins: esbuildPlugins,
      outfile,
    });
    return outfile;
  })();
  return bundled;
}

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Surroundings {
  readonly input?: string;
  /** Closes the reading end of standard output after its first bytes, as `head` does. */
  readonly closeOutput?: boolean;
}

/** Runs `ringside …` to its end. */
export async function ringside(args: readonly string[], { input = '', closeOutput = false }: Surroundings = {}): Promise<Outcome> {
  const child = spawn(process.execPath, [await bundle(), ...args], { cwd: folder });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString('latin1');
    if (closeOutput) child.stdout.destroy();
  });
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  // A program that ends before it has read everything is no failure of the test.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  return new Promise((done) => child.on('close', (status) => done({ status, stdout, stderr })));
}

/** Where the test's files are; also the command's working folder. */
export const folder = mkdtempSync(join(tmpdir(), 'ringside-cli-'));

/** @returns the file's name within `folder` */
export function file(name: string, content: string | Uint8Array): string {
  writeFileSync(join(folder, name), content);
  return name;
}
