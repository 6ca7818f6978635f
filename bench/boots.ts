/** Debian's kernels from the start of the process to their shell's prompt: the packed kernel, which unpacks itself. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Tiers } from './as-engine';
import { type BenchEngine, ownCommand, ownName } from './engines';
import type { Command, EngineRunner, Outcome } from './guest-process';
import { digits } from './table';

/** As src/tooling/debian-kernels.mjs leaves them. */
const KERNELS = ['amd64', '686'] as const;
type Kernel = (typeof KERNELS)[number];

const MEGABYTES = 256;
const PROMPT = 'guest# ';
/** Nothing that needs a clock of the real world, and the devices that all machines have. */
export const COMMAND_LINE = [
  'console=ttyS0 panic=-1 reboot=t nokaslr mitigations=off tsc=reliable no_timer_check lpj=4000000 cryptomgr.notests',
  'acpi=off nolapic noapic pci=off nosmp',
].join(' ');
/** v86 has no loader without a BIOS. */
const SEABIOS = '/usr/share/seabios/bios.bin';

export interface BootResult {
  readonly kernel: Kernel;
  /** To the prompt, as ours counts them. */
  readonly instructions?: number;
  /** By engine. */
  readonly engines: Readonly<Record<string, { readonly seconds?: number; readonly problem?: string }>>;
}

interface Booter {
  readonly name: string;
  readonly missing?: string;
  readonly kernels: readonly Kernel[];
  readonly counts?: boolean;
  command(kernel: Kernel, bzImage: string, initramfs: string): Command;
}

export interface BootOptions {
  /** Of the benchmark. */
  readonly folder: string;
  readonly program: string;
  readonly tiers: readonly Tiers[];
  readonly peers: readonly BenchEngine[];
  readonly limitSeconds: number;
  readonly cpuTime: boolean;
}

function booters({ folder, program, tiers, peers }: BootOptions): Booter[] {
  const own = tiers.map(
    (choice): Booter => ({
      name: ownName(choice),
      kernels: KERNELS,
      counts: true,
      command: (_kernel, kernel, initrd) =>
        ownCommand(program, { launch: { kernel, initrd, append: COMMAND_LINE, memory: MEGABYTES << 20, tiers: choice }, until: PROMPT }),
    }),
  );
  const others: Readonly<Record<string, Omit<Booter, 'name'>>> = {
    qemu: {
      kernels: KERNELS,
      command: (kernel, bzImage, initramfs) => ({
        program: kernel === 'amd64' ? 'qemu-system-x86_64' : 'qemu-system-i386',
        args: [
          ['-accel', 'tcg', '-cpu', 'max', '-m', String(MEGABYTES), '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
          ['-serial', 'stdio', '-kernel', bzImage, '-initrd', initramfs, '-append', COMMAND_LINE],
        ].flat(),
      }),
    },
    v86: {
      kernels: ['686'],
      missing: existsSync(SEABIOS) ? undefined : `needs ${SEABIOS} (Debian: seabios)`,
      command: (_kernel, bzImage, initramfs) => ({
        program: process.execPath,
        args: [join(folder, 'v86.mjs'), 'linux', SEABIOS, bzImage, initramfs, COMMAND_LINE, String(MEGABYTES)],
      }),
    },
  };
  const asked = peers.flatMap(({ name, missing }) =>
    others[name] ? [{ name, ...others[name], missing: missing ?? others[name].missing }] : [],
  );
  return [...own, ...asked];
}

/** @param say gets a line for each boot */
export async function runBoots(options: BootOptions, runner: EngineRunner, say: (text: string) => void): Promise<BootResult[]> {
  const results: BootResult[] = [];
  say("\nfrom the start of the process to the shell of Debian's kernels\n");
  for (const kernel of KERNELS) {
    const files = ['vmlinuz', 'initramfs.cpio'].map((name) => join(options.folder, '../.cache/kernels', kernel, name));
    if (!files.every((file) => existsSync(file))) {
      say(`${kernel}: not here; node src/tooling/debian-kernels.mjs fetches it\n`);
      continue;
    }
    const outcomes = new Map<string, Outcome>();
    for (const booter of booters(options).filter(({ kernels }) => kernels.includes(kernel))) {
      const { name, missing, counts } = booter;
      const outcome: Outcome = missing
        ? { problem: missing }
        : await runner.run(
            { kind: 'stdout', command: booter.command(kernel, files[0], files[1]) },
            { limitSeconds: options.limitSeconds, cpuTime: options.cpuTime, counts, from: 'process', until: new RegExp(`^${PROMPT}`, 'm') },
          );
      outcomes.set(name, outcome);
      const told =
        'problem' in outcome
          ? outcome.problem
          : `${digits(outcome.seconds)} s${outcome.instructions === undefined ? '' : `, ${(outcome.instructions / 1e6).toFixed(0)} M instructions`}`;
      say(`${kernel.padEnd(8)}${name.padEnd(14)}${told}\n`);
    }
    const instructions = [...outcomes.values()].flatMap((outcome) => ('problem' in outcome ? [] : (outcome.instructions ?? []))).at(0);
    const engines = Object.fromEntries(
      [...outcomes].map(([name, outcome]) => [name, 'problem' in outcome ? { problem: outcome.problem } : { seconds: outcome.seconds }]),
    );
    results.push({ kernel, instructions, engines });
  }
  return results;
}
