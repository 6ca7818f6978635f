/** Small things that the set-up scripts share. Node alone; nothing of the project is installed when they start. */
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, writeFileSync, mkdirSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { delimiter, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';

/** Says what is going on, on one line. */
export function say(text) {
  process.stdout.write(`ringside: ${text}\n`);
}

/** Runs a program to its end with its output shown. @returns its exit status */
export function run(command, args, options = {}) {
  return new Promise((done) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32', ...options });
    child.on('error', () => done(127));
    child.on('exit', (code, signal) => done(signal ? 128 : (code ?? 1)));
  });
}

/** Full path of a program on PATH, or undefined. */
export function findProgram(name) {
  const suffixes = process.platform === 'win32' ? ['.exe', '.cmd', ''] : [''];
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    for (const suffix of suffixes) {
      const path = join(folder, name + suffix);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // Not in this folder.
      }
    }
  }
  return undefined;
}

const digest = (files) => files.reduce((hash, file) => hash.update(readFileSync(file)), createHash('sha256')).digest('hex');

/**
 * Installs a package's dependencies unless its lock file has not changed since they were.
 * @param folder relative to the project
 */
export async function installPackages(folder = '.') {
  const where = join(root, folder);
  const stamp = join(where, 'node_modules/.ringside-installed');
  const wanted = digest([join(where, 'package.json'), join(where, 'package-lock.json')]);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  say(`installing the packages of ${folder === '.' ? 'the project' : folder} …`);
  // Not `npm ci`: the lock file names the optional packages of some systems only, and others must install too.
  const status = await run(npm, ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: where });
  if (status !== 0) throw new Error(`npm install failed in ${folder}`);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, wanted);
}

/** Debian packages that are missing, installed where that can be done. @returns those that are still missing */
export function installDebianPackages(needs) {
  const missing = () => [
    ...new Set(
      Object.entries(needs)
        .filter(([what]) => !present(what))
        .map(([, name]) => name),
    ),
  ];
  const wanted = missing();
  if (wanted.length === 0) return [];
  if (process.getuid?.() !== 0 || !findProgram('apt-get')) return wanted;
  say(`installing Debian packages: ${wanted.join(' ')} …`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const install = () =>
    spawnSync('apt-get', ['install', '-y', '--no-install-recommends', ...wanted], { env, stdio: ['ignore', 'ignore', 'inherit'] }).status;
  if (install() !== 0) {
    spawnSync('apt-get', ['update'], { env, stdio: 'ignore' });
    install();
  }
  return missing();
}

/** A program by name, or a file by absolute path. */
const present = (what) => (what.startsWith('/') ? existsSync(what) : findProgram(what) !== undefined);
