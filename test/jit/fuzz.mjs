/**
 * `node test/jit/fuzz.mjs [--seed 1] [--cases 1000] [--mode 64-ring0] [--most 10]`: random programs on both tiers, compared, for as
 * many seeds in each mode whose name matches. A program on which they differ is made small and printed; after `most` of them it ends.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { esbuildPlugins } from '../../src/tooling/plugins.mjs';

const folder = mkdtempSync(join(tmpdir(), 'ringside-fuzz-'));
const outfile = join(folder, 'fuzz.mjs');
try {
  const entryPoints = [join(import.meta.dirname, 'fuzz.ts')];
  await build({ entryPoints, outfile, bundle: true, platform: 'node', target: 'node20', format: 'esm', plugins: esbuildPlugins });
  await import(pathToFileURL(outfile).href);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
