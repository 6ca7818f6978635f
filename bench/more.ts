/** What else is to be quick: a run with breakpoints elsewhere, a step in the editor, the start of the process. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tiers } from './as-engine';
import { dapSteps, type DapStepResult, type StepTimes } from './dap-step';
import { ours, ownName } from './engines';
import { BY_LINES, type EngineRunner, type Outcome } from './guest-process';
import { GUESTS, type Row } from './guests';
import { assembleGuest, guestImage } from './image';

const BREAKPOINTS = 1000;
const BREAKPOINT_GUESTS = ['loop-memory', 'sieve', 'fib'];
/** The cost is a small difference of large times: the best of several runs in turns. */
const BREAKPOINT_RUNS = 3;
const STEPS = 500;
const STARTS = 15;

export interface BreakpointResult {
  readonly guest: string;
  readonly tiers: Tiers;
  /** Seconds. */
  readonly without?: number;
  readonly with?: number;
  /** Part of the time without: 0.01 is one in a hundred. */
  readonly cost?: number;
  readonly problem?: string;
}

export interface MoreResult {
  readonly breakpoints: readonly BreakpointResult[];
  readonly dapStep: DapStepResult | { readonly problem: string };
  /** Milliseconds from the start of the process to what its guest's first instructions said. */
  readonly start: StartResult | { readonly problem: string };
}

export interface StartResult {
  readonly runs: number;
  readonly median: number;
  readonly best: number;
}

export interface MoreOptions {
  /** Of the benchmark. */
  readonly folder: string;
  /** For temporary files. */
  readonly work: string;
  readonly program: string;
  readonly tiers: readonly Tiers[];
  readonly quick: boolean;
  readonly limitSeconds: number;
  readonly signal: AbortSignal;
}

/** Ended with the run, or at the limit. */
const limited = ({ signal, limitSeconds }: MoreOptions): AbortSignal => AbortSignal.any([signal, AbortSignal.timeout(limitSeconds * 1000)]);

const problemOf = (error: unknown): { problem: string } => ({ problem: error instanceof Error ? error.message : String(error) });

export async function runMore(options: MoreOptions, runner: EngineRunner, say: (text: string) => void): Promise<MoreResult> {
  say(`\n${BREAKPOINTS} breakpoints on pages where nothing runs\n`);
  const breakpoints: BreakpointResult[] = [];
  for (const tiers of options.tiers) {
    for (const name of BREAKPOINT_GUESTS) {
      const result = await breakpointCost(options, runner, name, tiers);
      breakpoints.push(result);
      const told =
        result.cost === undefined
          ? result.problem
          : `${result.without!.toFixed(3)} s without, ${result.with!.toFixed(3)} s with: ${(result.cost * 100).toFixed(1)} %`;
      say(`${name.padEnd(22)}${ownName(tiers).padEnd(14)}${told}\n`);
    }
  }

  say('\na step over the Debug Adapter Protocol\n');
  const guest = join(options.folder, '../samples/rings/rings.asm');
  const dapStep = await dapSteps({ program: process.execPath, args: [options.program, 'dap'] }, guest, STEPS, options.signal).catch(
    problemOf,
  );
  const times = ({ median, p95, worst }: StepTimes): string =>
    `median ${median.toFixed(2)} ms, 95 of 100 within ${p95.toFixed(2)} ms, worst ${worst.toFixed(2)} ms, of ${STEPS}\n`;
  say(
    'problem' in dapStep
      ? `${dapStep.problem}\n`
      : `to "stopped"          ${times(dapStep.step)}with what is shown    ${times(dapStep.shown)}`,
  );

  say('\nfrom the start of the process to the first output of its guest\n');
  const start = await startTimes(options).catch(problemOf);
  say(
    'problem' in start
      ? `${start.problem}\n`
      : `median ${start.median.toFixed(0)} ms, best ${start.best.toFixed(0)} ms, of ${start.runs}\n`,
  );
  return { breakpoints, dapStep, start };
}

async function breakpointCost(options: MoreOptions, runner: EngineRunner, name: string, tiers: Tiers): Promise<BreakpointResult> {
  const { folder, work, program, quick, limitSeconds } = options;
  const guest = GUESTS.find((entry) => entry.name === name)!;
  const row: Row = { ...guest, width: 32, id: `${name}-32` };
  const files = { image: join(work, 'guest.bin'), rom: '', folder: work };
  writeFileSync(files.image, guestImage(folder, row, Math.max(1, Math.round(guest.rounds / (quick ? 10 : 2)))));
  const run = (count: number): Promise<Outcome> =>
    runner.run(ours(program, tiers, count).way(files, 32), { ...BY_LINES, limitSeconds, counts: true });
  const best: [number, number] = [Infinity, Infinity];
  for (let turn = 0; turn < BREAKPOINT_RUNS * 2; turn++) {
    const outcome = await run(turn % 2 === 0 ? 0 : BREAKPOINTS);
    if ('problem' in outcome) return { guest: name, tiers, problem: outcome.problem };
    best[turn % 2] = Math.min(best[turn % 2], outcome.seconds);
  }
  return { guest: name, tiers, without: best[0], with: best[1], cost: best[1] / best[0] - 1 };
}

/** `ringside run` of the shortest guest there is. */
async function startTimes(options: MoreOptions): Promise<StartResult> {
  const image = join(options.work, 'first.bin');
  writeFileSync(image, assembleGuest(options.folder, 'first', {}));
  const signal = limited(options);
  const times: number[] = [];
  for (let run = 0; run < STARTS; run++) times.push(await startTime([options.program, 'run', image], signal));
  times.sort((a, b) => a - b);
  return { runs: STARTS, median: times[STARTS >> 1], best: times[0] };
}

function startTime(args: readonly string[], signal: AbortSignal): Promise<number> {
  return new Promise((done, failed) => {
    const started = performance.now();
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'], signal, killSignal: 'SIGKILL' });
    let first: number | undefined;
    child.stdout.on('data', () => (first ??= performance.now() - started));
    child.on('error', failed);
    child.on('close', () => (first === undefined ? failed(new Error('a run of the shortest guest said nothing')) : done(first)));
  });
}
