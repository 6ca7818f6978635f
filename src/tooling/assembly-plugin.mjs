/**
 * Lets TypeScript import assembly: `import image from './bios.asm'` gives the bytes that our own assembler makes of it.
 * For esbuild and, for the tests, for Vite.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const { build } = createRequire(import.meta.url)('esbuild');

let loaded;

/** The assembler, bundled from its TypeScript. */
async function assembler() {
  loaded ??= (async () => {
    const entry = resolve(root, 'src/assembler/assemble.ts');
    const folder = mkdtempSync(join(tmpdir(), 'ringside-assembler-'));
    try {
      const outfile = join(folder, 'assembler.mjs');
      await build({ entryPoints: [entry], bundle: true, format: 'esm', platform: 'neutral', outfile });
      return await import(pathToFileURL(outfile).href);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  })();
  return loaded;
}

/** Assembles a flat image; throws all its errors as one text. */
async function assembleFile(path) {
  const { assemble } = await assembler();
  const files = new Set([path]);
  const result = assemble({
    path,
    text: readFileSync(path, 'utf8'),
    read: (name) => {
      const file = resolve(dirname(path), name);
      try {
        const bytes = readFileSync(file);
        files.add(file);
        return /\.(asm|inc)$/.test(file) ? bytes.toString('utf8') : bytes;
      } catch {
        return undefined;
      }
    },
  });
  if (!result.ok) throw new Error(result.diagnostics.map((d) => `${d.file}:${d.line}:${d.column}: ${d.message}`).join('\n'));
  return { image: result.image, files: [...files] };
}

export const esbuildAssembly = {
  name: 'assembly',
  setup(context) {
    context.onLoad({ filter: /\.asm$/ }, async ({ path }) => {
      const { image, files } = await assembleFile(path);
      return { contents: image, loader: 'binary', watchFiles: files };
    });
  },
};

export const viteAssembly = {
  name: 'assembly',
  enforce: 'pre',
  async load(id) {
    if (!id.endsWith('.asm')) return undefined;
    const { image, files } = await assembleFile(id);
    for (const file of files) this.addWatchFile(file);
    return `export default Uint8Array.from(Buffer.from(${JSON.stringify(Buffer.from(image).toString('base64'))}, 'base64'));`;
  },
};
