/** Builds everything into dist/: the extension, the debug adapter, the command line and the panels. `--watch` keeps on. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { build, context } from 'esbuild';
import { esbuildPlugins } from './src/tooling/plugins.mjs';

const watch = process.argv.includes('--watch');
const minify = process.argv.includes('--minify');

const common = {
  bundle: true,
  sourcemap: !minify,
  minify,
  logLevel: 'warning',
  plugins: esbuildPlugins,
};
const node = { ...common, platform: 'node', target: 'node20', format: 'cjs' };
const page = { ...common, platform: 'browser', target: 'es2022', format: 'iife' };

/** Entry point and output of each program. */
const targets = [
  { ...node, entryPoints: ['src/extension/extension.ts'], outfile: 'dist/extension.js', external: ['vscode'] },
  { ...node, entryPoints: ['src/debug-adapter/main.ts'], outfile: 'dist/debug-adapter.js' },
  { ...node, entryPoints: ['src/language-server/main.ts'], outfile: 'dist/language-server.js' },
  { ...node, entryPoints: ['src/cli/main.ts'], outfile: 'dist/cli-program.js' },
  { ...page, entryPoints: ['src/webview/rings.ts'], outfile: 'dist/webview/rings.js' },
  { ...page, entryPoints: ['src/webview/trap-log.ts'], outfile: 'dist/webview/trap-log.js' },
  { ...page, entryPoints: ['src/webview/page-tables.ts'], outfile: 'dist/webview/page-tables.js' },
  { ...page, entryPoints: ['src/webview/descriptors.ts'], outfile: 'dist/webview/descriptors.js' },
  { ...page, entryPoints: ['src/webview/screen.ts'], outfile: 'dist/webview/screen.js' },
].filter(({ entryPoints: [entry] }) => existsSync(entry));

if (!watch) rmSync('dist', { recursive: true, force: true });
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
