/** From what the user asked for to an engine that is ready to run, with what is known of its program. */
import type { CpuModelName } from './cpu/system/models';
import type { Technique } from '../shared/technique';
import type { DebugInfo } from '../symbols/debug-info';
import type { Engine } from './engine';
import type { KernelEntry } from './program/kernel';

export const TIERS = ['all', 'interpreter'] as const;
export type Tiers = (typeof TIERS)[number];

/** For `transitionsKept` where the counts alone are looked at. */
export const FEW_TRANSITIONS = 1 << 14;

/** The names of launch.json and, in kebab case, of the command line. */
export interface LaunchOptions {
  /** Path of the program; its kind is seen from its content. */
  readonly program?: string;
  readonly engine?: Technique;
  /** Of the engine `vmx`: `builtin`, or the path of a hypervisor of the user's own, which gets the program as its first module. */
  readonly hypervisor?: string;
  /** RAM in bytes. */
  readonly memory?: number;
  readonly cpus?: number;
  /** Which processor: `max` has all that is implemented. */
  readonly cpu?: CpuModelName;
  /** What runs the guest: the interpreter alone, or compiled code where it is hot (the default). The guest sees no difference. */
  readonly tiers?: Tiers;
  /** Count what runs where, for the engine's statistics; costs some speed. */
  readonly profile?: boolean;
  /** Rows of the transition log that are kept; counts go on behind them. A million where it is left out. */
  readonly transitionsKept?: number;
  /** Carries out each compilation of hot code: for whoever measures it. */
  readonly onCompile?: (compile: () => void) => void;
  readonly kernel?: string;
  /** Unpack a bzImage on the host, instead of letting the guest do it. */
  readonly unpackKernel?: boolean;
  /** How to enter a Linux kernel; the usual way for it if left out. */
  readonly kernelEntry?: KernelEntry;
  readonly initrd?: string;
  readonly append?: string;
  readonly disks?: readonly string[];
  readonly cdrom?: string;
  readonly bios?: string;
  /** Further files whose symbols are wanted: ELF, Linux kernels, `System.map` and the text of `/proc/kallsyms`. */
  readonly symbolFiles?: readonly string[];
  readonly args?: readonly string[];
}

/** How files are read; the engines themselves cannot. @returns undefined where there is none */
export type ReadFile = (path: string) => Uint8Array | undefined;

export interface Launched {
  readonly engine: Engine;
  readonly debugInfo: readonly DebugInfo[];
  /** Linear address of the program's first own instruction, behind the firmware's: where `stopOnEntry` stops. */
  readonly entry: number;
  /** Warnings for the user, one line each. */
  readonly notes: readonly string[];
}

/** One thing wrong with what was asked, said in one line: what and where. */
export interface LaunchProblem {
  readonly message: string;
  /** For source files. Lines and columns from 1. */
  readonly path?: string;
  readonly line?: number;
  readonly column?: number;
}

/** Thrown by `launch`: every problem found. */
export class LaunchError extends Error {
  readonly problems: readonly LaunchProblem[];

  constructor(problems: readonly LaunchProblem[]) {
    super(problems.map(formatProblem).join('\n'));
    this.problems = problems;
  }
}

/** As compilers print it: `path:line:column: message`. */
export function formatProblem({ message, path, line, column }: LaunchProblem): string {
  const place = [path, line, column].filter((part) => part !== undefined).join(':');
  return place ? `${place}: ${message}` : message;
}
