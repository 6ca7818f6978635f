/** The packaged VS Code workbench (npm's code-server), served on a loopback address: for `npm start` and the browser tests. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { installPackages, root, run, say } from './shell.mjs';

export const workbenchFolder = join(root, 'test/workbench');
const modules = join(workbenchFolder, 'node_modules');
const vscode = join(modules, 'code-server/lib/vscode');

/** The workbench needs a newer Node than ours may be; npm has it as a package for each system. */
function nodePath() {
  const packaged = join(modules, `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`, 'bin/node');
  if (existsSync(packaged)) return packaged;
  if (Number(process.versions.node.split('.')[0]) >= 22) return process.execPath;
  throw new Error(`the packaged workbench needs Node 22 or newer on ${process.platform}-${process.arch}`);
}

/** Installs the workbench: about half a minute and 800 MB the first time, nothing later. */
export async function installWorkbench() {
  await installPackages('test/workbench');
  const stamp = join(vscode, 'node_modules/.ringside-installed');
  if (existsSync(stamp)) return;
  say("installing the workbench's own packages …");
  const node = nodePath();
  const env = { ...process.env, PATH: `${dirname(node)}:${process.env.PATH}` };
  const npm = ['install', '--no-save', '--no-package-lock', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund'];
  if ((await run('npm', npm, { cwd: vscode, env, stdio: ['ignore', 'ignore', 'inherit'] })) !== 0)
    throw new Error('the workbench could not be installed');
  // Without these two, output channels stay empty; they need a compiler, so their absence is no failure.
  const rebuild = ['rebuild', '--foreground-scripts', '@vscode/spdlog', '@vscode/native-watchdog'];
  const headers = { ...env, npm_config_nodedir: dirname(dirname(node)) };
  spawnSync('npm', rebuild, { cwd: vscode, env: headers, stdio: 'ignore' });
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, '');
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

const SETTINGS = {
  'workbench.startupEditor': 'none',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.tips.enabled': false,
  'window.autoDetectColorScheme': false,
  'window.autoDetectHighContrast': false,
  'chat.disableAIFeatures': true,
  'debug.openDebug': 'openOnSessionStart',
  'telemetry.telemetryLevel': 'off',
  'extensions.autoCheckUpdates': false,
  'update.mode': 'none',
};

/** code-server would otherwise read, and make, a configuration in the user's home. */
function emptyConfig(data) {
  const path = join(data, 'config.yaml');
  mkdirSync(data, { recursive: true });
  writeFileSync(path, '{}\n');
  return path;
}

/**
 * Serves a workbench with a private home, a fresh data folder and a free port.
 * @param options.smoke enables the URL's extension-development keys and `window.driver`
 * @param options.settings user settings on top of the usual
 * @param options.keep leave the data folder for the next start
 * @param options.env for the server and so for the extension host
 */
export async function startWorkbench({
  smoke = false,
  settings = {},
  env = {},
  keep = false,
  data = mkdtempSync(join(tmpdir(), 'ringside-workbench-')),
} = {}) {
  const port = await freePort();
  const userData = join(data, 'user');
  mkdirSync(join(userData, 'User'), { recursive: true });
  writeFileSync(join(userData, 'User/settings.json'), JSON.stringify({ ...SETTINGS, ...settings }, undefined, 2));
  for (const name of ['home', 'tmp']) mkdirSync(join(data, name), { recursive: true });
  const args = [
    join(modules, 'code-server/out/node/entry.js'),
    ...['--config', emptyConfig(data), '--auth', 'none', '--bind-addr', `127.0.0.1:${port}`],
    ...['--user-data-dir', userData, '--extensions-dir', join(data, 'extensions')],
    ...[
      '--disable-telemetry',
      '--disable-update-check',
      '--disable-workspace-trust',
      '--disable-getting-started-override',
      '--disable-proxy',
    ],
    ...(smoke ? ['--vscode-option', 'enable-smoke-test-driver'] : []),
  ];
  const home = join(data, 'home');
  const node = nodePath();
  const base = { ...process.env, HOME: home, XDG_CONFIG_HOME: home, XDG_DATA_HOME: home, XDG_CACHE_HOME: home, TMPDIR: join(data, 'tmp') };
  const environment = { ...base, PATH: `${dirname(node)}:${process.env.PATH}`, ...env };
  let log = '';
  const child = spawn(node, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'], detached: process.platform !== 'win32' });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (log = (log + chunk).slice(-200_000)));
  const exited = new Promise((resolve) => child.on('exit', resolve));
  const stop = async () => {
    try {
      process.kill(process.platform === 'win32' ? child.pid : -child.pid);
    } catch {
      // It has ended by itself.
    }
    await exited;
    if (!keep) rmSync(data, { recursive: true, force: true });
  };
  const origin = `http://127.0.0.1:${port}`;
  const ended = exited.then((code) => Promise.reject(new Error(`the workbench ended with status ${code}:\n${log}`)));
  ended.catch(() => {});
  await Promise.race([healthy(origin), ended]);
  return { origin, port, data, stop, extensions: join(data, 'extensions'), log: () => log, ended };
}

async function healthy(origin) {
  for (let tries = 0; tries < 600; tries++) {
    try {
      const response = await fetch(`${origin}/healthz`);
      if (response.ok) return;
    } catch {
      // Not listening yet.
    }
    await new Promise((resume) => setTimeout(resume, 100));
  }
  throw new Error('the workbench does not answer');
}

/** Installs a .vsix into a workbench's extensions folder. */
export function installExtension(vsix, { data }) {
  const args = [join(modules, 'code-server/out/node/entry.js'), '--config', emptyConfig(data)];
  const folders = ['--user-data-dir', join(data, 'user'), '--extensions-dir', join(data, 'extensions')];
  const home = join(data, 'home');
  mkdirSync(home, { recursive: true });
  const env = { ...process.env, HOME: home, XDG_CONFIG_HOME: home, XDG_DATA_HOME: home };
  const result = spawnSync(nodePath(), [...args, ...folders, '--install-extension', vsix, '--force'], { env, encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`the extension could not be installed:\n${result.stdout}${result.stderr}`);
}

/** The URL that opens a folder, with keys that only the smoke-test driver allows. */
export function workbenchUrl({ origin, port }, folder, payload = []) {
  const keys = [
    ['skipWelcome', 'true'],
    ...payload.map(([key, path]) => [key, path.startsWith('/') ? `vscode-remote://127.0.0.1:${port}${path}` : path]),
  ];
  return `${origin}/?folder=${encodeURIComponent(folder)}&payload=${encodeURIComponent(JSON.stringify(keys))}`;
}
