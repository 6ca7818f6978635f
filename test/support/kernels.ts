/** Debian's kernels and their initial RAM disks, as src/tooling/debian-kernels.mjs fetches them. */
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const folder = resolve(import.meta.dirname, '../../.cache/kernels');

export type KernelName = 'amd64' | '686';

/** Why a kernel cannot be booted here, or undefined. */
export const kernelMissing = (name: KernelName): string | undefined =>
  existsSync(join(folder, name, 'initramfs.cpio')) ? undefined : `needs Debian's kernel ${name}: node src/tooling/debian-kernels.mjs`;

/** The Xen hypervisor, or undefined. */
export function xenImage(): Uint8Array | undefined {
  const path = join(folder, 'xen/xen');
  return existsSync(path) ? new Uint8Array(readFileSync(path)) : undefined;
}

/** A module of that kernel, or undefined. */
export function kernelModule(name: KernelName, module: string): Uint8Array | undefined {
  const path = join(folder, name, 'modules', `${module}.ko`);
  return existsSync(path) ? new Uint8Array(readFileSync(path)) : undefined;
}

export interface KernelFiles {
  readonly '/vmlinuz': Uint8Array;
  readonly '/initramfs': Uint8Array;
}

export function kernelFiles(name: KernelName): KernelFiles {
  const read = (file: string): Uint8Array => new Uint8Array(readFileSync(join(folder, name, file)));
  return { '/vmlinuz': read('vmlinuz'), '/initramfs': read('initramfs.cpio') };
}
