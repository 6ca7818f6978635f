/**
 * Lets TypeScript import assembly: `import image from './bios.asm'` gives the bytes that our own assembler makes of it, and
 * `import labels from './bios.asm?labels'` its labels but local ones, with their values, ascending.
 * For esbuild and, for the tests, for Vite.
 */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { runSource } from './run-source.mjs';

/** Assembles a flat image; throws all its errors as one text. */
async function assembleFile(path) {
  const { assemble } = (await runSource('src/assembler/assemble.ts')).exports;
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
  const places = result.symbols.filter(({ kind, name, section }) => kind === 'label' && section !== undefined && !name.includes('.'));
  const labels = places.map(({ name, value }) => [name, Number(value)]).sort(([, a], [, b]) => a - b);
  return { image: result.image, labels, files: [...files] };
}

/** Behind the path of what imports labels. */
const LABELS = '?labels';

export const esbuildAssembly = {
  name: 'assembly',
  setup(context) {
    context.onLoad({ filter: /\.asm$/ }, async ({ path, suffix }) => {
      const { image, labels, files } = await assembleFile(path);
      if (suffix === LABELS) return { contents: JSON.stringify(labels), loader: 'json', watchFiles: files };
      return { contents: image, loader: 'binary', watchFiles: files };
    });
  },
};

export const viteAssembly = {
  name: 'assembly',
  enforce: 'pre',
  async load(id) {
    const wantsLabels = id.endsWith(`.asm${LABELS}`);
    if (!wantsLabels && !id.endsWith('.asm')) return undefined;
    const { image, labels, files } = await assembleFile(wantsLabels ? id.slice(0, -LABELS.length) : id);
    for (const file of files) this.addWatchFile(file);
    if (wantsLabels) return `export default ${JSON.stringify(labels)};`;
    return `export default Uint8Array.from(Buffer.from(${JSON.stringify(Buffer.from(image).toString('base64'))}, 'base64'));`;
  },
};
