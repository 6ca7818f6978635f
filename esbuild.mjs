/** Builds everything into dist/: the extension, the debug adapter, the command line and the panels. `--watch` keeps on. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { build, context } from 'esbuild';
import { esbuildPluginsInto } from './src/tooling/plugins.mjs';

const watch = process.argv.includes('--watch');
const minify = process.argv.includes('--minify');

const common = {
  bundle: true,
  sourcemap: !minify,
  minify,
  logLevel: 'warning',
  plugins: esbuildPluginsInto('dist'),
};
const node = { ...common, platform: 'node', target: 'node20', format: 'cjs' };
const page = { ...common, platform: 'browser', target: 'es2022', format: 'iife' };

/**
 * Libraries that make large tables, and in fflate's case load threads, when they are loaded: that is put off to their first use.
 * The loops that make them would have V8 compile the whole program's outermost function, too.
 */
const LATER = { fflate: ['fflate/browser', 'gunzipSync'], fzstd: ['fzstd', 'decompress'] };
const later = {
  name: 'later',
  setup(context) {
    const filter = new RegExp(`^(${Object.keys(LATER).join('|')})$`);
    context.onResolve({ filter }, ({ path, kind }) => (kind === 'import-statement' ? { path, namespace: 'later' } : undefined));
    context.onLoad({ filter: /.*/, namespace: 'later' }, ({ path }) => {
      const [library, name] = LATER[path];
      return { contents: `export const ${name} = (...args) => require('${library}').${name}(...args);`, resolveDir: import.meta.dirname };
    });
  },
};

/** What the command line starts: one function that cli-start.cjs calls, and without what it seldom needs. */
const commandLine = {
  ...node,
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  banner: { js: '(function (exports, require, module, __filename, __dirname) {' },
  footer: { js: '})' },
  supported: { 'dynamic-import': false },
  plugins: [
    ...node.plugins,
    later,
    {
      name: 'tools',
      setup: (context) => context.onResolve({ filter: /^\.\/tools$/ }, () => ({ path: './cli-tools.js', external: true })),
    },
  ],
};

/** Entry point and output of each program. */
const targets = [
  { ...node, entryPoints: ['src/extension/extension.ts'], outfile: 'dist/extension.js', external: ['vscode'] },
  { ...node, entryPoints: ['src/debug-adapter/main.ts'], outfile: 'dist/debug-adapter.js' },
  { ...node, entryPoints: ['src/language-server/main.ts'], outfile: 'dist/language-server.js' },
  { ...commandLine, entryPoints: ['src/cli/main.ts'], outfile: 'dist/cli-program.js' },
  { ...node, entryPoints: ['src/cli/tools.ts'], outfile: 'dist/cli-tools.js' },
  { ...page, entryPoints: ['src/webview/rings.ts'], outfile: 'dist/webview/rings.js' },
  { ...page, entryPoints: ['src/webview/trap-log.ts'], outfile: 'dist/webview/trap-log.js' },
  { ...page, entryPoints: ['src/webview/vmcs.ts'], outfile: 'dist/webview/vmcs.js' },
  { ...page, entryPoints: ['src/webview/page-tables.ts'], outfile: 'dist/webview/page-tables.js' },
  { ...page, entryPoints: ['src/webview/descriptors.ts'], outfile: 'dist/webview/descriptors.js' },
  { ...page, entryPoints: ['src/webview/screen.ts'], outfile: 'dist/webview/screen.js' },
].filter(({ entryPoints: [entry] }) => existsSync(entry));

if (!watch) rmSync('dist', { recursive: true, force: true });
mkdirSync('dist', { recursive: true });
for (const target of targets) {
  if (watch) await (await context(target)).watch();
  else await build(target);
}
// `npx ringside` starts it as a program.
copyFileSync('src/tooling/cli-start.cjs', 'dist/cli.js');
chmodSync('dist/cli.js', 0o755);
// What V8 compiled is only good for the very same program: not while it changes.
if (watch) rmSync('dist/cli-program.js.cache', { force: true });
else execFileSync(process.execPath, ['src/tooling/code-cache.mjs', resolve('dist/cli.js'), 'bench/guests/first.asm']);
