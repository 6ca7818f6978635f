/**
 * `npm start`: installs, builds, and opens the debugger in a real VS Code with the samples, F5 ready.
 * With `--headless` it plays a scripted session in the terminal instead.
 */
import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { findProgram, installPackages, root, run, say } from './shell.mjs';
import { installExtension, installWorkbench, startWorkbench } from './workbench.mjs';

const samples = join(root, 'samples');

async function build() {
  say('building …');
  if ((await run(process.execPath, ['esbuild.mjs'])) !== 0) throw new Error('the build failed');
}

/** A VS Code that the user has. */
function openInstalled(code) {
  say(`opening ${code}`);
  const child = spawn(code, ['--extensionDevelopmentPath', root, samples, '--goto', `${join(samples, 'rings/rings.asm')}:1`], {
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  return new Promise((done) => child.on('exit', (status) => done(status ?? 0)));
}

/** The packaged workbench, until the user ends it. */
async function openPackaged() {
  await installWorkbench();
  const vsix = join(root, 'node_modules/.cache/ringside/ringside.vsix');
  mkdirSync(join(root, 'node_modules/.cache/ringside'), { recursive: true });
  say('packing the extension …');
  const packed = await run(
    process.execPath,
    [
      join(root, 'node_modules/@vscode/vsce/vsce'),
      'package',
      '--no-dependencies',
      '--allow-missing-repository',
      '--no-rewrite-relative-links',
      '-o',
      vsix,
    ],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  if (packed !== 0) throw new Error('the extension could not be packed');
  say('starting VS Code …');
  const data = join(root, 'node_modules/.cache/ringside/workbench');
  mkdirSync(data, { recursive: true });
  installExtension(vsix, { data });
  // The user works on a copy, so that trying things out changes nothing of the project.
  const folder = join(data, 'samples');
  if (!existsSync(folder)) cpSync(samples, folder, { recursive: true });
  const workbench = await startWorkbench({ data, keep: true });
  say(`VS Code is ready at ${workbench.origin}/?folder=${encodeURIComponent(folder)}`);
  say('open rings/rings.asm there and press F5. Ctrl+C here ends it.');
  await new Promise((done) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, done);
  });
  await workbench.stop();
  return 0;
}

async function main() {
  await installPackages();
  await build();
  if (process.argv.includes('--headless')) return run(process.execPath, [join(root, 'src/tooling/headless-session.mjs')]);
  const code = process.argv.includes('--packaged') ? undefined : findProgram('code');
  return code ? openInstalled(code) : openPackaged();
}

process.exitCode = await main();
