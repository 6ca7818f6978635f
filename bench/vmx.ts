/** What hardware assistance costs: a VM exit and the way back, and guests that only compute, beside emulation. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ours } from './engines';
import { BY_LINES, type EngineRunner, type Measured, type Outcome } from './guest-process';
import { type Row, ROWS } from './guests';
import { assembleGuest, guestImage } from './image';
import { geometricMean } from './results';

/** CPUIDs in a round of `vm-exits`. */
const EXITS_A_ROUND = 10_000;
const ROUNDS = 30;
/** Kinds of guests that live on exceptions, interrupts or ports: what they cost is another matter. */
const CROSSING: ReadonlySet<string> = new Set(['page faults', 'system calls', 'interrupts', 'port I/O']);

export interface ExitCost {
  readonly exits: number;
  /** Of the hypervisor's and the exit itself, for one exit and the way back. */
  readonly nanoseconds: number;
  readonly hostInstructions: number;
  readonly exitsPerSecond: number;
}

export interface VmxRow {
  readonly guest: string;
  /** Seconds. */
  readonly emulator: number;
  readonly vmx: number;
  /** Speed under the hypervisor by that without: 1 is as fast. */
  readonly ratio: number;
}

export interface VmxResult {
  readonly exit: ExitCost | { readonly problem: string };
  readonly guests: readonly (VmxRow | { readonly guest: string; readonly problem: string })[];
  readonly mean?: number;
}

export interface VmxOptions {
  /** Of the benchmark. */
  readonly folder: string;
  readonly work: string;
  readonly program: string;
  readonly quick: boolean;
  readonly repeat: number;
  readonly cpuTime: boolean;
  readonly limitSeconds: number;
  /** Names of guests; those that compute if empty. */
  readonly only: readonly string[];
}

const TECHNIQUES = ['emulator', 'vmx'] as const;
type Times = Readonly<Record<(typeof TECHNIQUES)[number], Outcome>>;

export async function runVmx(options: VmxOptions, runner: EngineRunner, say: (text: string) => void): Promise<VmxResult> {
  const { folder, quick, only } = options;
  say('\na VM exit (CPUID) and the way back, under the built-in hypervisor\n');
  const rounds = quick ? ROUNDS / 10 : ROUNDS;
  const exit = exitCost(await measure(options, runner, assembleGuest(folder, 'vm-exits', { WIDTH: '32', ROUNDS: String(rounds) })), rounds);
  if ('problem' in exit) say(`${exit.problem}\n`);
  else {
    const { nanoseconds, hostInstructions, exitsPerSecond } = exit;
    say(
      `${nanoseconds.toFixed(0)} ns, ${hostInstructions.toFixed(1)} instructions of the hypervisor; ${exitsPerSecond.toFixed(0)} exits a second\n`,
    );
  }
  say('\nguests that compute, under the built-in hypervisor beside emulation (1 is as fast)\n');
  const guests: VmxResult['guests'][number][] = [];
  for (const row of chosen(only)) {
    const times = await measure(options, runner, guestImage(folder, row, quick ? Math.max(1, Math.round(row.rounds / 10)) : row.rounds));
    const result = compare(row, times);
    guests.push(result);
    say(
      `${row.id.padEnd(26)}${'problem' in result ? result.problem : `${result.emulator.toFixed(3)} s  ${result.vmx.toFixed(3)} s  ${result.ratio.toFixed(2)}`}\n`,
    );
  }
  const ratios = guests.flatMap((result) => ('ratio' in result ? [result.ratio] : []));
  const mean = ratios.length > 0 ? geometricMean(ratios) : undefined;
  if (mean !== undefined) say(`${'geometric mean'.padEnd(26)}${mean.toFixed(2)}\n`);
  return { exit, guests, mean };
}

const chosen = (only: readonly string[]): readonly Row[] =>
  ROWS.filter(({ id, name, kind }) => (only.length > 0 ? only.includes(id) || only.includes(name) : !CROSSING.has(kind)));

/** The best of several runs of each, in turns. */
async function measure(options: VmxOptions, runner: EngineRunner, image: Uint8Array): Promise<Times> {
  const path = join(options.work, 'vmx-guest.bin');
  writeFileSync(path, image);
  const files = { image: path, rom: path, folder: options.work };
  const { limitSeconds, cpuTime } = options;
  const runs: Record<string, Outcome> = {};
  for (let run = 0; run < Math.max(1, options.repeat); run++) {
    for (const technique of TECHNIQUES) {
      const engine = ours(options.program, 'all', 0, technique);
      const outcome = await runner.run(engine.way(files, 32), { ...BY_LINES, limitSeconds, cpuTime, counts: true });
      runs[technique] = better(runs[technique], outcome);
    }
  }
  return runs as unknown as Times;
}

function better(known: Outcome | undefined, next: Outcome): Outcome {
  if (known === undefined || 'problem' in known) return known ?? next;
  return 'problem' in next || next.seconds < known.seconds ? next : known;
}

/** Both, unless one failed or they disagree. */
function agreed({ emulator, vmx }: Times): readonly [emulator: Measured, vmx: Measured] | { readonly problem: string } {
  if ('problem' in emulator) return emulator;
  if ('problem' in vmx) return vmx;
  if (emulator.checksum !== vmx.checksum) return { problem: `wrong: ${vmx.checksum} instead of ${emulator.checksum}` };
  return [emulator, vmx];
}

function exitCost(times: Times, rounds: number): VmxResult['exit'] {
  const both = agreed(times);
  if ('problem' in both) return both;
  const [emulator, vmx] = both;
  const exits = rounds * EXITS_A_ROUND;
  const seconds = vmx.seconds - emulator.seconds;
  return {
    exits,
    nanoseconds: (seconds / exits) * 1e9,
    hostInstructions: ((vmx.instructions ?? 0) - (emulator.instructions ?? 0)) / exits,
    exitsPerSecond: exits / vmx.seconds,
  };
}

function compare({ id }: Row, times: Times): VmxResult['guests'][number] {
  const both = agreed(times);
  if ('problem' in both) return { guest: id, problem: both.problem };
  const [emulator, vmx] = both;
  return { guest: id, emulator: emulator.seconds, vmx: vmx.seconds, ratio: emulator.seconds / vmx.seconds };
}
