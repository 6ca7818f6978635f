/** Ours as one of the engines: a process that runs one guest and tells what it says, and how many instructions it took. */
import { readFileSync, writeSync } from 'node:fs';
import { FEW_TRANSITIONS, type LaunchOptions } from '../src/engines/launch';
import { launch } from '../src/engines/launcher';
import type { LinearAddress } from '../src/shared/addresses';

export const TIERS = ['all', 'interpreter'] as const;
/** Which of our tiers may run. */
export type Tiers = (typeof TIERS)[number];

/** What such a process is asked for, as JSON. */
export interface EngineTask {
  readonly launch: LaunchOptions & { readonly tiers: Tiers };
  /** The count begins anew behind it, where it comes. */
  readonly from?: string;
  /** At the end of what the guest says. Behind it follows a line `COUNT`. */
  readonly until: string;
  /** Breakpoints in memory where nothing runs, one on a page. */
  readonly breakpoints?: number;
}

const SLICE = 2_000_000;
/** Milliseconds. */
const PATIENCE = 10_000;
/** Where the breakpoints are: behind all that the benchmark's guests use. */
const FIRST_BREAKPOINT = 0x2800123;
const PAGE = 4096;
/** The guests' last line is longer than what it is known by. */
const NEWLINE = 10;

/**
 * COM1 goes to standard output line by line, as it comes.
 * @returns exit status
 */
export async function runAsEngine({ launch: options, from, until, breakpoints = 0 }: EngineTask): Promise<number> {
  const { engine } = launch({ ...options, transitionsKept: FEW_TRANSITIONS }, (path) => readFileSync(path));
  for (let page = 0; page < breakpoints; page++) {
    engine.probes.add({ kind: 'code', address: (FIRST_BREAKPOINT + page * PAGE) as LinearAddress });
  }
  const wholeLine = until.endsWith('\n');
  let line = '';
  let start = 0;
  engine.onOutput = (channel, byte) => {
    if (channel !== 'serial0') return;
    line += String.fromCharCode(byte);
    const over = wholeLine ? byte === NEWLINE && line.startsWith(until.trimEnd()) : line === until;
    if (byte !== NEWLINE && !over) return;
    if (line === from) start = engine.instructionCount;
    writeSync(1, line);
    if (over) writeSync(1, `${wholeLine ? '' : '\n'}COUNT ${engine.instructionCount - start}\n`);
    line = '';
  };
  for (;;) {
    const stop = engine.run({ instructions: SLICE });
    if (stop.reason === 'slice') continue;
    if (stop.text !== undefined) process.stderr.write(`${stop.text}\n`);
    if (stop.reason !== 'exited') return 1;
    // The runner looks at this process when it has read the last line, and ends it.
    await new Promise((over) => setTimeout(over, PATIENCE));
    return 0;
  }
}
