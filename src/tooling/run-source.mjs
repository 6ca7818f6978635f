/** Runs the project's own TypeScript while it is being built. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const { build } = createRequire(import.meta.url)('esbuild');

const loaded = new Map();

/** The module at a path from the project's root, bundled; and the files that went into it. Bundled once. */
export function runSource(entry) {
  let module = loaded.get(entry);
  if (!module) loaded.set(entry, (module = bundleAndImport(entry)));
  return module;
}

async function bundleAndImport(entry) {
  const folder = mkdtempSync(join(tmpdir(), 'ringside-build-'));
  try {
    const outfile = join(folder, 'module.mjs');
    const { metafile } = await build({
      entryPoints: [resolve(root, entry)],
      bundle: true,
      format: 'esm',
      platform: 'neutral',
      outfile,
      metafile: true,
      absWorkingDir: root,
    });
    const files = Object.keys(metafile.inputs).map((path) => resolve(root, path));
    return { exports: await import(pathToFileURL(outfile).href), files };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
