/** How long a step takes over the Debug Adapter Protocol: `next` to `stopped` over stdio, and with what an editor asks for after each stop. */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Command } from './guest-process';

export interface StepTimes {
  /** Milliseconds: the median, 95 of 100, the worst. */
  readonly median: number;
  readonly p95: number;
  readonly worst: number;
}

export interface DapStepResult {
  readonly steps: number;
  /** From `stepIn` to `stopped`. */
  readonly step: StepTimes;
  /** From `next` to the last of the answers that an editor shows. */
  readonly shown: StepTimes;
}

interface Message {
  readonly type: string;
  readonly event?: string;
  readonly request_seq?: number;
  readonly success?: boolean;
  readonly message?: string;
  readonly body?: unknown;
}

interface Waiter {
  accept(body: unknown): void;
  reject(error: Error): void;
}

/** A client of a debug adapter's process. */
class Client {
  private readonly child: ChildProcess;
  /** Requests by number, and events by name. */
  private readonly waiting = new Map<number | string, Waiter>();
  private buffer = Buffer.alloc(0);
  private sequence = 1;
  private ended: Error | undefined;

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout!.on('data', (chunk: Buffer) => this.receive(chunk));
    child.stdin!.on('error', () => {});
    child.on('close', (status) => this.fail(new Error(`the debug adapter ended with status ${status}`)));
    child.on('error', (error) => this.fail(error));
  }

  private fail(error: Error): void {
    this.ended = error;
    for (const waiter of this.waiting.values()) waiter.reject(error);
    this.waiting.clear();
  }

  private receive(chunk: Buffer): void {
    this.buffer = Buffer.concat([this.buffer, chunk]);
    for (;;) {
      const end = this.buffer.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = Number(/Content-Length: (\d+)/.exec(this.buffer.subarray(0, end).toString())?.[1]);
      if (this.buffer.length < end + 4 + length) return;
      this.dispatch(JSON.parse(this.buffer.subarray(end + 4, end + 4 + length).toString()) as Message);
      this.buffer = this.buffer.subarray(end + 4 + length);
    }
  }

  private dispatch({ type, event, request_seq, success, message, body }: Message): void {
    const key = (type === 'response' ? request_seq : event) ?? '';
    const waiter = this.waiting.get(key);
    this.waiting.delete(key);
    if (type !== 'response' || success) waiter?.accept(body);
    else waiter?.reject(new Error(message));
  }

  ask<Body>(command: string, args: object = {}): Promise<Body> {
    if (this.ended) return Promise.reject(this.ended);
    const body = JSON.stringify({ seq: this.sequence, type: 'request', command, arguments: args });
    this.child.stdin!.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    return this.wait(this.sequence++) as Promise<Body>;
  }

  private wait(key: number | string): Promise<unknown> {
    return new Promise((accept, reject) => this.waiting.set(key, { accept, reject }));
  }

  /** Sends a request and waits for what it leads to. */
  async askUntil(event: string, command: string, args: object = {}): Promise<void> {
    await Promise.all([this.wait(event), this.ask(command, args)]);
  }
}

function summary(times: readonly number[]): StepTimes {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
  return { median: at(0.5), p95: at(0.95), worst: at(1) };
}

/**
 * Steps through a guest under a debug adapter.
 * @param command what speaks the protocol on its standard input and output
 * @param guest path of the program to step through
 * @param signal ends it early
 * @throws Error when the adapter ends or refuses
 */
export async function dapSteps({ program, args }: Command, guest: string, steps: number, signal: AbortSignal): Promise<DapStepResult> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'ignore'], signal, killSignal: 'SIGKILL' });
  const client = new Client(child);
  const stepping = { threadId: 1, granularity: 'instruction' };
  try {
    await client.ask('initialize', { adapterID: 'ringside' });
    await client.askUntil('initialized', 'launch', { program: guest, stopOnEntry: true });
    await client.askUntil('stopped', 'configurationDone');
    const plain: number[] = [];
    const shown: number[] = [];
    for (let step = 0; step < steps; step++) {
      const start = performance.now();
      await client.askUntil('stopped', 'stepIn', stepping);
      plain.push(performance.now() - start);
    }
    for (let step = 0; step < steps; step++) {
      const start = performance.now();
      await client.askUntil('stopped', 'next', stepping);
      await client.ask('threads');
      const { stackFrames } = await client.ask<{ stackFrames: { id: number }[] }>('stackTrace', { threadId: 1, startFrame: 0, levels: 20 });
      const { scopes } = await client.ask<{ scopes: { variablesReference: number }[] }>('scopes', { frameId: stackFrames[0].id });
      await client.ask('variables', { variablesReference: scopes[0].variablesReference });
      shown.push(performance.now() - start);
    }
    return { steps, step: summary(plain), shown: summary(shown) };
  } finally {
    child.kill('SIGKILL');
  }
}
