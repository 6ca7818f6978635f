/** The adapter as a process of its own, as clients start it, and a client for it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { DebugClient } from '@vscode/debugadapter-testsupport';
import type { DebugProtocol as P } from '@vscode/debugprotocol';
import { build } from 'esbuild';
import { afterAll } from 'vitest';
import { esbuildPlugins } from '../../src/tooling/plugins.mjs';

const root = resolve(import.meta.dirname, '../..');
let bundled: Promise<string> | undefined;
let folder = '';

afterAll(() => {
  if (folder) rmSync(folder, { recursive: true, force: true });
});

/** Bundles the adapter once for each test process. @returns path of the program */
export function bundleAdapter(): Promise<string> {
  bundled ??= (async () => {
    folder = mkdtempSync(join(tmpdir(), 'ringside-adapter-'));
    const outfile = join(folder, 'debug-adapter.cjs');
    await build({
      entryPoints: [resolve(root, 'src/debug-adapter/main.ts')],
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'cjs',
      plugins: esbuildPlugins,
      outfile,
    });
    return outfile;
  })();
  return bundled;
}

export type Stopped = P.StoppedEvent['body'];

/** A client with the few things that tests do again and again. */
export class Client extends DebugClient {
  readonly events: P.Event[] = [];

  static async start(): Promise<Client> {
    const client = new Client(process.execPath, await bundleAdapter(), 'ringside');
    client.defaultTimeout = 20_000;
    client.on('output', (event: P.Event) => client.events.push(event));
    await client.start();
    return client;
  }

  /** Any request by name. */
  ask<T = Record<string, never>>(command: string, args?: unknown): Promise<T> {
    return this.send(command, args).then(({ body }) => body as T);
  }

  /** The one line that a request fails with. */
  async failure(command: string, args?: unknown): Promise<string> {
    try {
      await this.send(command, args);
    } catch (error) {
      return (error as Error).message;
    }
    throw new Error(`${command} was expected to fail`);
  }

  /** Initializes and launches; `configure` sets breakpoints before the guest starts. */
  async begin(args: Record<string, unknown>, configure?: () => Promise<unknown>): Promise<void> {
    const initialized = this.waitForEvent('initialized');
    await this.initializeRequest({
      adapterID: 'ringside',
      clientID: 'tests',
      linesStartAt1: true,
      columnsStartAt1: true,
      pathFormat: 'path',
    });
    await this.ask('launch', args);
    await initialized;
    await configure?.();
    await this.ask('configurationDone', {});
  }

  /** Does something that lets the guest run, and waits for its next stop. Fails when the guest ends instead. */
  async stopAfter(action: () => Promise<unknown>): Promise<Stopped> {
    let over: (event: P.Event) => void = () => {};
    const ended = new Promise<never>((_, reject) => {
      over = () => reject(new Error('the guest ended'));
    });
    const stopped = new Promise<P.Event>((resume) => this.once('stopped', resume));
    this.once('terminated', over);
    try {
      await Promise.all([action(), Promise.race([stopped, ended])]);
      return (await stopped).body as Stopped;
    } finally {
      this.off('terminated', over);
    }
  }

  /** A step or continue of the first processor. */
  run(command: 'continue' | 'next' | 'stepIn' | 'stepOut' | 'pause', more: Record<string, unknown> = {}): Promise<Stopped> {
    return this.stopAfter(() => this.ask(command, { threadId: 1, ...more }));
  }

  async frames(): Promise<P.StackFrame[]> {
    return (await this.ask<P.StackTraceResponse['body']>('stackTrace', { threadId: 1 })).stackFrames;
  }

  async evaluate(expression: string, context = 'watch'): Promise<string> {
    return (await this.ask<P.EvaluateResponse['body']>('evaluate', { expression, context })).result;
  }

  async register(name: string): Promise<number> {
    return Number((await this.evaluate(name)).split(' ')[0]);
  }
}
