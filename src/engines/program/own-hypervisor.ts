/** A hypervisor of the user's own on the bare processor: it is what is run, and its guest is a module of it. */
import type { LaunchOptions } from '../launch';

/** The hypervisor's path; undefined where it is the built-in one. */
export const ownHypervisor = ({ hypervisor }: LaunchOptions): string | undefined => (hypervisor === 'builtin' ? undefined : hypervisor);

/** Options with which the hypervisor is what is run, and what its guest is called in them. */
export interface Hypervised {
  readonly options: LaunchOptions;
  /** The guest's path, and the name of the module that it becomes. */
  readonly guest?: { readonly path: string; readonly name: string };
}

/** @param hypervisor its path */
export function hypervised(options: LaunchOptions, hypervisor: string): Hypervised {
  const path = options.kernel ?? options.program;
  const { initrd, append, args } = options;
  const bare: LaunchOptions = { ...options, program: hypervisor, kernel: undefined, append: undefined, args: undefined };
  if (path === undefined) return { options: bare };
  // Names of modules end at white space, and lists of them are separated by commas.
  const name = path.replace(/^.*[/\\]/, '').replaceAll(/[\s,]/g, '_');
  const words = [name, append ?? (args ?? []).join(' ')].filter((word) => word !== '').join(' ');
  return { options: { ...bare, initrd: [words, initrd].filter(Boolean).join(',') }, guest: { path, name } };
}
