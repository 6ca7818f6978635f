/** An engine as a process of its own, and the time that passes between two things its guest says. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
}

/** Where COM1 comes out: on standard output, or over a connection that the engine makes to a port of ours. */
export type Way = { readonly kind: 'stdout'; readonly command: Command } | { readonly kind: 'tcp'; command(port: number): Command };

export interface Measured {
  readonly seconds: number;
  /** What stands behind DONE; empty for guests that do not say it. */
  readonly checksum: string;
  /** Instructions of that time, where the engine counts them. */
  readonly instructions?: number;
}
export interface Failed {
  readonly problem: string;
}
export type Outcome = Measured | Failed;

export interface Watch {
  readonly limitSeconds: number;
  /** The engine says `COUNT <instructions>` behind the end. */
  readonly counts?: boolean;
  /** Time that the engine's threads were on a processor, instead of time that passed. */
  readonly cpuTime?: boolean;
  /** Where time begins: when the guest has said START, or with the process. */
  readonly from: 'start-line' | 'process';
  /** What the guest says at the end. */
  readonly until: RegExp;
}

/** The guests of the table: a checksum behind DONE. */
export const BY_LINES = { from: 'start-line', until: /^DONE ([0-9a-f]{8})\r?\n/m } as const;

/** Errors of an engine, as far as they are kept. */
const ERRORS_KEPT = 2000;

/** Milliseconds that a process's threads have been on a processor, by Linux' own account. @throws Error on other systems */
export function cpuMilliseconds(pid: number | 'self'): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.reduce((sum, thread) => {
    try {
      return sum + Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
    } catch {
      // A thread that ended meanwhile.
      return sum;
    }
  }, 0);
}

/** NaN when it is gone already. */
function childMilliseconds({ pid }: ChildProcess): number {
  try {
    return cpuMilliseconds(pid!);
  } catch {
    return Number.NaN;
  }
}

/** Runs one engine at a time, and ends what it started when it is told to. */
export class EngineRunner {
  private child: ChildProcess | undefined;

  /** Kills what is running. */
  stop(): void {
    this.child?.kill('SIGKILL');
  }

  /** Runs an engine until its guest has said the end, and kills it. */
  async run(way: Way, watch: Watch): Promise<Outcome> {
    if (way.kind === 'stdout') return this.watch(way.command, watch, undefined);
    const server = createServer();
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    try {
      return await this.watch(way.command((server.address() as AddressInfo).port), watch, server);
    } finally {
      server.close();
    }
  }

  private watch({ program, args }: Command, watch: Watch, server: Server | undefined): Promise<Outcome> {
    return new Promise((done) => {
      const started = performance.now();
      const child = spawn(program, args, { stdio: ['ignore', server ? 'ignore' : 'pipe', 'pipe'] });
      this.child = child;
      const lines = new GuestLines(watch, watch.cpuTime ? 0 : started);
      let errors = '';
      let outcome: Outcome | undefined;
      const end = (how: Outcome): void => {
        outcome ??= how;
        clearTimeout(timer);
        child.kill('SIGKILL');
      };
      const { limitSeconds } = watch;
      const timer = setTimeout(() => end({ problem: `no end within ${limitSeconds} s${lines.said()}` }), limitSeconds * 1000);
      const listen = (chunk: Buffer): void => {
        const now = watch.cpuTime ? childMilliseconds(child) : performance.now();
        const result = lines.take(chunk.toString('latin1'), now);
        if (result) end(result);
      };
      child.stdout?.on('data', listen);
      server?.on('connection', (socket) => socket.on('data', listen).on('error', () => {}));
      child.stderr?.on('data', (chunk: Buffer) => {
        errors = (errors + chunk.toString()).slice(-ERRORS_KEPT);
      });
      child.on('error', ({ message }) => {
        end({ problem: `does not start: ${message}` });
        // A process that never was does not close.
        if (child.pid === undefined) done(outcome!);
      });
      child.on('close', (status, signal) => {
        clearTimeout(timer);
        this.child = undefined;
        const [why = ''] = errors.trim().split('\n').slice(-1);
        done(outcome ?? { problem: `ended with ${signal ?? `status ${status}`} before its guest did${lines.said()}${why && `: ${why}`}` });
      });
    });
  }
}

/** What a guest says on COM1, read as it arrives. */
class GuestLines {
  private text = '';
  private started: number | undefined;
  private result: Measured | undefined;
  private readonly way: Watch;

  /** @param now milliseconds, when the process is started */
  constructor(way: Watch, now: number) {
    this.way = way;
    this.started = way.from === 'process' ? now : undefined;
  }

  /** For messages: the last line. */
  said(): string {
    const [last] = this.text.trim().split('\n').slice(-1);
    return last ? ` (it said "${last.trim().slice(0, 100)}")` : ' (its guest said nothing)';
  }

  /** @param now milliseconds @returns the outcome as soon as it is known */
  take(chunk: string, now: number): Outcome | undefined {
    const { until, counts } = this.way;
    this.text += chunk;
    if (this.started === undefined && /^START\r?\n/m.test(this.text)) {
      this.started = now;
      if (until.test(this.text)) return { problem: 'too short to be measured' };
    }
    const fault = /^FAULT.*\n/m.exec(this.text);
    if (fault) return { problem: `its guest ended with "${fault[0].trim()}"` };
    if (this.started === undefined) return undefined;
    if (!this.result) {
      const end = until.exec(this.text);
      if (!end) return undefined;
      const seconds = (now - this.started) / 1000;
      if (!(seconds > 0)) return { problem: 'its time on a processor could not be read' };
      this.result = { seconds, checksum: end[1] ?? '' };
    }
    if (!counts) return this.result;
    const [, count] = /^COUNT (\d+)\n/m.exec(this.text) ?? [];
    return count === undefined ? undefined : { ...this.result, instructions: Number(count) };
  }
}
