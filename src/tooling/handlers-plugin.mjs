/**
 * Makes the interpreter's handlers while the project is built instead of at every start: `prebuilt.wasm` is their module,
 * `prebuilt.json` the keys of their forms in the order of the function table. For esbuild and, for the tests, for Vite.
 */
import { runSource } from './run-source.mjs';

const SOURCE = 'src/engines/cpu/interpreter/handlers.ts';

async function made() {
  const { exports, files } = await runSource(SOURCE);
  const { bytes, indexes } = exports.buildHandlers();
  return { bytes, json: JSON.stringify([...indexes]), files };
}

export const esbuildHandlers = {
  name: 'handlers',
  setup(context) {
    context.onResolve({ filter: /\/prebuilt\.(wasm|json)$/ }, ({ path }) => ({ path: path.replace('./', ''), namespace: 'handlers' }));
    context.onLoad({ filter: /.*/, namespace: 'handlers' }, async ({ path }) => {
      const { bytes, json, files } = await made();
      return path.endsWith('.wasm')
        ? { contents: bytes, loader: 'binary', watchFiles: files }
        : { contents: json, loader: 'json', watchFiles: files };
    });
  },
};

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
    if (id.endsWith('keys')) return `export default ${json};`;
    return `export default Uint8Array.from(Buffer.from(${JSON.stringify(Buffer.from(bytes).toString('base64'))}, 'base64'));`;
  },
};
