/** An engine as a process of its own, and the time between two lines that its guest says. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer, type Server, type AddressInfo } from 'node:net';

export interface Command {
  readonly program: string;
  readonly args: readonly string[];
}

/** Where COM1 comes out: on standard output, or over a connection that the engine makes to a port of ours. */
export type Way = { readonly kind: 'stdout'; readonly command: Command } | { readonly kind: 'tcp'; command(port: number): Command };

export interface Measured {
  /** From the arrival of the line START to that of the line DONE. */
  readonly seconds: number;
  /** What stands behind DONE. */
  readonly checksum: string;
  /** Instructions between the two, where the engine counts them. */
  readonly instructions?: number;
}
export type Outcome = Measured | { readonly problem: string };

export interface Watch {
  readonly limitSeconds: number;
  /** The engine says `COUNT <instructions>` behind DONE. */
  readonly counts?: boolean;
}

/** Runs one engine at a time, and ends what it started when it is told to. */
export class EngineRunner {
  private child: ChildProcess | undefined;

  /** Kills what is running. */
  stop(): void {
    this.child?.kill('SIGKILL');
  }

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

  private watch({ program, args }: Command, { limitSeconds, counts }: Watch, server: Server | undefined): Promise<Outcome> {
    return new Promise((done) => {
      const child = spawn(program, args, { stdio: ['ignore', server ? 'ignore' : 'pipe', 'pipe'] });
      this.child = child;
      const lines = new GuestLines(counts === true);
      let errors = '';
      let outcome: Outcome | undefined;
      const end = (how: Outcome): void => {
        outcome ??= how;
        clearTimeout(timer);
        child.kill('SIGKILL');
      };
      const timer = setTimeout(() => end({ problem: `no end within ${limitSeconds} s${lines.said()}` }), limitSeconds * 1000);
      const listen = (chunk: Buffer): void => {
        const result = lines.take(chunk.toString('latin1'), performance.now());
        if (result) end(result);
      };
      child.stdout?.on('data', listen);
      server?.on('connection', (socket) => socket.on('data', listen).on('error', () => {}));
      child.stderr?.on('data', (chunk: Buffer) => {
        errors = (errors + chunk.toString()).slice(-2000);
      });
      child.on('error', ({ message }) => end({ problem: `does not start: ${message}` }));
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
  private readonly counts: boolean;

  constructor(counts: boolean) {
    this.counts = counts;
  }

  /** For messages: the last line. */
  said(): string {
    const last = this.text.trim().split('\n').slice(-1)[0];
    return last ? ` (it said "${last.slice(0, 100)}")` : ' (its guest said nothing)';
  }

  /** @param now milliseconds @returns the outcome as soon as it is known */
  take(chunk: string, now: number): Outcome | undefined {
    this.text += chunk;
    if (this.started === undefined && /^START\r?\n/m.test(this.text)) {
      this.started = now;
      if (/^DONE .*\n/m.test(this.text)) return { problem: 'too short to be measured' };
    }
    const fault = /^FAULT.*$/m.exec(this.text);
    if (fault && this.text.endsWith('\n')) return { problem: `its guest ended with "${fault[0].trim()}"` };
    const [, checksum] = /^DONE ([0-9a-f]{8})\r?\n/m.exec(this.text) ?? [];
    if (checksum === undefined || this.started === undefined) return undefined;
    this.result ??= { seconds: (now - this.started) / 1000, checksum };
    if (!this.counts) return this.result;
    const [, count] = /^COUNT (\d+)\n/m.exec(this.text) ?? [];
    return count === undefined ? undefined : { ...this.result, instructions: Number(count) };
  }
}
