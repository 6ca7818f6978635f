/**
 * Makes the interpreter's handlers while the project is built instead of at every start: `prebuilt.wasm` is their module,
 * `prebuilt.json` the keys of their forms in the order of the function table. For esbuild and, for the tests, for Vite.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runSource } from './run-source.mjs';

const SOURCE = 'src/engines/cpu/interpreter/handlers.ts';

async function made() {
  const { exports, files } = await runSource(SOURCE);
  const { bytes, indexes } = exports.buildHandlers();
  const keys = [...indexes.keys()];
  const first = indexes.get(keys[0]);
  if (keys.some((key, i) => indexes.get(key) !== first + i))
    throw new Error('the handlers of the forms are not numbered one after another');
  return { bytes, json: JSON.stringify({ first, keys: keys.join('\n') }), files };
}

const FILE = 'handlers.wasm';
/** A program that has the module in a file beside it. */
const FROM_FILE = `
  const { readFileSync } = require('node:fs');
  const { join } = require('node:path');
  module.exports = { __esModule: true, default: readFileSync(join(__dirname, '${FILE}')) };
`;

/** @param folder where to put the module, for Node programs that are built into it; within the programs if left out */
export const esbuildHandlers = (folder) => ({
  name: 'handlers',
  setup(context) {
    context.onResolve({ filter: /\/prebuilt\.(wasm|json)$/ }, ({ path }) => ({ path: path.replace('./', ''), namespace: 'handlers' }));
    context.onLoad({ filter: /.*/, namespace: 'handlers' }, async ({ path }) => {
      const { bytes, json, files } = await made();
      if (folder !== undefined && path.endsWith('.wasm')) {
        writeFileSync(join(folder, FILE), bytes);
        return { contents: FROM_FILE, loader: 'js', watchFiles: files };
      }
      return path.endsWith('.wasm')
        ? { contents: bytes, loader: 'binary', watchFiles: files }
        : { contents: json, loader: 'json', watchFiles: files };
    });
  },
});

const VIRTUAL = '\0ringside-handlers:';

export const viteHandlers = {
  name: 'handlers',
  enforce: 'pre',
  resolveId(id) {
    return /\/prebuilt\.(wasm|json)$/.test(id) ? `${VIRTUAL}${id.endsWith('wasm') ? 'module' : 'keys'}` : undefined;
  },
  async load(id) {
    if (!id.startsWith(VIRTUAL)) return undefined;
    const { bytes, json, files } = await made();
    for (const file of files) this.addWatchFile(file);
    if (id.endsWith('keys')) return `export const { first, keys } = ${json};`;
    return `export default Uint8Array.from(Buffer.from(${JSON.stringify(Buffer.from(bytes).toString('base64'))}, 'base64'));`;
  },
};
