/**
 * Debian's Linux kernels, for tests that boot them: each kernel image, an initial RAM disk with busybox alone and what modules tests
 * load, under `.cache/kernels/<name>/vmlinuz`, `initramfs.cpio` and `modules`; and the Xen hypervisor, `.cache/kernels/xen/xen`. What is
 * there is left alone.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { findProgram, root, say } from './shell.mjs';

const KVM = ['virt/lib/irqbypass', 'arch/x86/kvm/kvm', 'arch/x86/kvm/kvm-intel'];
/** By the name of the kernel's flavour: the package that depends on the newest image, and the architecture. */
const KERNELS = {
  amd64: {
    meta: 'linux-image-amd64',
    architecture: 'amd64',
    modules: KVM,
  },
  686: { meta: 'linux-image-686', architecture: 'i386', modules: KVM },
};
const XEN = { meta: 'xen-system-amd64', file: 'xen' };
export const KERNEL_FOLDER = join(root, '.cache/kernels');

/** @returns the names of kernels that could not be had */
export function fetchKernels() {
  const isMissing = (name, ...files) => !files.every((file) => existsSync(join(KERNEL_FOLDER, name, file)));
  const wanted = Object.entries(KERNELS)
    .filter(([name, { modules }]) => isMissing(name, 'initramfs.cpio', ...modules.map(moduleFile)))
    .map(([name]) => name);
  if (isMissing('xen', XEN.file)) wanted.push('xen');
  if (wanted.length === 0) return [];
  if (!['apt-get', 'apt-cache', 'dpkg-deb'].every(findProgram)) return wanted;
  say(`fetching Debian's kernels: ${wanted.join(', ')} …`);
  const work = mkdtempSync(join(tmpdir(), 'ringside-kernels-'));
  try {
    const apt = privateApt(work);
    apt('apt-get', ['update']);
    return wanted.filter((name) => !(name === 'xen' ? fetchXen : fetchKernel)(name, join(work, name), apt));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Runs apt with both architectures, without a change to the system's own lists. */
function privateApt(work) {
  for (const folder of ['lists/partial', 'archives/partial']) mkdirSync(join(work, folder), { recursive: true });
  const options = [
    `Dir::State::lists=${work}/lists`,
    `Dir::Cache=${work}`,
    'APT::Architectures::=amd64',
    'APT::Architectures::=i386',
    'APT::Sandbox::User=root',
  ].flatMap((option) => ['-o', option]);
  return (program, args, cwd = work) =>
    spawnSync(program, [...options, ...args], { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

function fetchKernel(name, work, apt) {
  const { meta, architecture, modules } = KERNELS[name];
  mkdirSync(work);
  const depends = apt('apt-cache', ['depends', `${meta}:${architecture}`]).stdout;
  const [, image] = /Depends: (linux-image-[^\s]+)/.exec(depends) ?? [];
  if (!image) return false;
  const packages = [`${image.replace(/:.*/, '')}:${architecture}`, `busybox-static:${architecture}`];
  if (apt('apt-get', ['download', ...packages], work).status !== 0) return false;
  for (const file of readdirSync(work).filter((entry) => entry.endsWith('.deb'))) {
    if (spawnSync('dpkg-deb', ['-x', file, 'files'], { cwd: work }).status !== 0) return false;
  }
  const kernel = readdirSync(join(work, 'files/boot')).find((file) => file.startsWith('vmlinuz-'));
  const busybox = ['bin/busybox', 'usr/bin/busybox'].map((path) => join(work, 'files', path)).find(existsSync);
  if (!kernel || !busybox) return false;
  const target = join(KERNEL_FOLDER, name);
  mkdirSync(target, { recursive: true });
  writeFileSync(join(target, 'vmlinuz'), readFileSync(join(work, 'files/boot', kernel)));
  const version = kernel.slice('vmlinuz-'.length);
  writeFileSync(join(target, 'version'), `${version}\n`);
  mkdirSync(join(target, 'modules'), { recursive: true });
  for (const module of modules)
    copyModule(join(work, 'files/lib/modules', version, 'kernel', `${module}.ko`), join(target, moduleFile(module)));
  const unfinished = join(target, 'initramfs.new');
  writeFileSync(unfinished, initramfs(readFileSync(busybox)));
  renameSync(unfinished, join(target, 'initramfs.cpio'));
  return true;
}

/** Unpacked: it is a Multiboot kernel then. */
function fetchXen(name, work, apt) {
  mkdirSync(work);
  const [, image] = /Depends: (xen-hypervisor-[^\s]+)/.exec(apt('apt-cache', ['depends', `${XEN.meta}:amd64`]).stdout) ?? [];
  if (!image || apt('apt-get', ['download', `${image.replace(/:.*/, '')}:amd64`], work).status !== 0) return false;
  const [archive] = readdirSync(work).filter((file) => file.endsWith('.deb'));
  if (spawnSync('dpkg-deb', ['-x', archive, 'files'], { cwd: work }).status !== 0) return false;
  const packed = readdirSync(join(work, 'files/boot')).find((file) => file.endsWith('.gz'));
  if (!packed) return false;
  mkdirSync(join(KERNEL_FOLDER, name), { recursive: true });
  writeFileSync(join(KERNEL_FOLDER, name, XEN.file), gunzipSync(readFileSync(join(work, 'files/boot', packed))));
  return true;
}

const moduleFile = (module) => `modules/${basename(module)}.ko`;

/** Newer packages have their modules compressed. */
function copyModule(from, to) {
  const bytes = existsSync(from) ? readFileSync(from) : spawnSync('xz', ['-dc', `${from}.xz`], { maxBuffer: 1 << 26 }).stdout;
  if (bytes?.length > 0) writeFileSync(to, bytes);
}

/** Mounts what programs expect and starts a shell on the first serial line. */
const INIT = `#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
export PATH=/bin HOME=/root TERM=dumb PS1='guest# '
cd /root
exec setsid -c sh -c 'exec sh </dev/ttyS0 >/dev/ttyS0 2>&1'
`;
const COMMANDS = 'sh mount cat ls dmesg uname poweroff reboot echo ps free head tail grep setsid sleep date env hexdump cut wc nproc'.split(
  ' ',
);
const MODE = { folder: 0o040755, file: 0o100755, link: 0o120777, device: 0o020600 };

/** An archive in cpio's "newc" format. */
function initramfs(busybox) {
  const text = new TextEncoder();
  const parts = [];
  let inode = 1;
  const add = (name, mode, content = new Uint8Array(0), device = [0, 0]) => {
    const encoded = text.encode(`${name}\0`);
    const fields = [inode++, mode, 0, 0, 1, 0, content.length, 0, 0, ...device, encoded.length, 0];
    parts.push(
      padded([text.encode(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`), encoded]),
      padded([content]),
    );
  };
  for (const folder of ['bin', 'dev', 'proc', 'root', 'sys', 'tmp']) add(folder, MODE.folder);
  // The kernel opens it before anything is mounted.
  add('dev/console', MODE.device, undefined, [5, 1]);
  add('bin/busybox', MODE.file, busybox);
  for (const command of COMMANDS) add(`bin/${command}`, MODE.link, text.encode('busybox'));
  add('init', MODE.file, text.encode(INIT));
  add('TRAILER!!!', 0);
  return Buffer.concat(parts);
}

/** To a multiple of 4 bytes. */
function padded(pieces) {
  const bytes = Buffer.concat(pieces);
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const missing = fetchKernels();
  if (missing.length > 0) say(`could not fetch: ${missing.join(', ')}`);
  process.exitCode = missing.length > 0 ? 1 : 0;
}
