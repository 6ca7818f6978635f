/** Clients and programs that are not as they should be: one clear line each, no crash, no hang. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { encodeMessage, MessageReader } from '../../src/debug-adapter/protocol/framing';
import { bundleAdapter, Client } from './adapter-process';
import { GUESTS } from './transcript';

const halt = resolve(GUESTS, 'halt.asm');

/** The adapter's process, spoken to in raw bytes. */
class Raw {
  readonly messages: any[] = [];
  private readonly child: ChildProcess;
  private readonly reader = new MessageReader();
  private wake: () => void = () => {};
  readonly ended: Promise<number | null>;
  errors = '';
  private sequence = 1000;

  constructor(program: string) {
    this.child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stdout?.on('data', (chunk) => {
      this.messages.push(...this.reader.push(chunk));
      this.wake();
    });
    this.child.stderr?.on('data', (chunk) => {
      this.errors += chunk;
    });
    this.ended = new Promise((resume) => this.child.once('exit', resume));
  }

  write(bytes: Uint8Array | string): void {
    this.child.stdin?.write(bytes);
  }

  send(message: object): void {
    this.write(encodeMessage(message));
  }

  /** Waits for a message. */
  async until(test: (message: any) => boolean): Promise<any> {
    for (;;) {
      const found = this.messages.find(test);
      if (found) return found;
      await new Promise<void>((resume) => {
        this.wake = resume;
      });
    }
  }

  /** The answer to a request. */
  ask(command: string, args: unknown = {}): Promise<any> {
    const seq = this.sequence++;
    this.send({ seq, type: 'request', command, arguments: args });
    return this.until(({ type, request_seq }) => type === 'response' && request_seq === seq);
  }

  end(): void {
    this.child.stdin?.end();
  }
}

describe('a client that makes mistakes', () => {
  let raw: Raw;
  beforeEach(async () => {
    raw = new Raw(await bundleAdapter());
  });
  afterEach(async () => {
    raw.end();
    expect(await raw.ended).toBe(0);
    expect(raw.errors).toBe('');
  });

  it('gets one line for each malformed message, and is served behind it', async () => {
    const malformed = [
      'Content-Length: 7\r\n\r\nnotjson',
      'Content-Length: 2\r\n\r\n[]',
      'Content-Length: 4\r\n\r\nnull',
      'Content-Length: 2\r\n\r\n{}',
      'Content-Length: -5\r\n\r\n',
      'Content-Type: x\r\n\r\n',
      encodeMessage({ seq: 'x', type: 'request', command: 'threads' }),
      encodeMessage({ seq: 1, type: 'request', command: 5 }),
      encodeMessage({ seq: 1, type: 'wish', command: 'threads' }),
    ];
    for (const bytes of malformed) raw.write(bytes);
    expect(await raw.ask('initialize', { adapterID: 'x' })).toMatchObject({ success: true });
    const outputs = raw.messages.filter(({ event }) => event === 'output').map(({ body }) => body.output);
    expect(outputs).toHaveLength(malformed.length);
    for (const output of outputs) expect(output).toMatch(/^malformed message from the client: [^\n]{5,}\n$/);
  });

  it('may send responses and events, which mean nothing', async () => {
    raw.send({ seq: 1, type: 'response', request_seq: 5, success: true });
    raw.send({ seq: 2, type: 'event', event: 'hello' });
    expect(await raw.ask('initialize', {})).toMatchObject({ success: true });
    expect(raw.messages).toHaveLength(1);
  });

  it('may cancel what does not exist', async () => {
    expect(await raw.ask('cancel', { requestId: 999 })).toMatchObject({ success: true });
    expect(await raw.ask('cancel', { progressId: 'x' })).toMatchObject({ success: true });
  });

  it('gets exactly one answer to each request, in any order and with any arguments', async () => {
    const commands = [
      'initialize',
      'attach',
      'cancel',
      'threads',
      'stackTrace',
      'scopes',
      'variables',
      'setVariable',
      'setExpression',
      'evaluate',
      'completions',
      'disassemble',
      'readMemory',
      'writeMemory',
      'setBreakpoints',
      'setFunctionBreakpoints',
      'setInstructionBreakpoints',
      'setExceptionBreakpoints',
      'setDataBreakpoints',
      'dataBreakpointInfo',
      'breakpointLocations',
      'exceptionInfo',
      'gotoTargets',
      'source',
      'loadedSources',
      'modules',
      'ringside/state',
      'ringside/transitions',
      'ringside/transition',
      'ringside/exportTransitions',
      'ringside/screen',
      'ringside/input',
      'ringside/devices',
      'pause',
      'configurationDone',
      'unheardOf',
      '__proto__',
      'constructor',
    ];
    const names = fc.constantFrom(
      'threadId',
      'frameId',
      'variablesReference',
      'name',
      'value',
      'expression',
      'memoryReference',
      'instructionCount',
      'instructionOffset',
      'offset',
      'count',
      'data',
      'source',
      'breakpoints',
      'filters',
      'filterOptions',
      'line',
      'text',
      'column',
      'start',
      'filter',
      'kind',
      'sequence',
      'context',
      'dataId',
    );
    const values = fc.oneof(
      fc.integer({ min: -5, max: 2000 }),
      fc.constantFrom('linear:0x7c00', 'eax', '[', '', 'repl', '1', 'ax = 5', 'linear:0/4', null, true, '#GP'),
      fc.constant({ path: halt }),
      fc.constant([
        { line: 3, name: 'start', instructionReference: 'linear:0x7c00', dataId: 'linear:0x7c00/1', filterId: 'port', condition: '1' },
      ]),
      fc.constant(['#GP', 'int']),
      fc.jsonValue(),
    );
    const request = fc.tuple(fc.constantFrom(...commands), fc.oneof(fc.dictionary(names, values, { maxKeys: 6 }), fc.jsonValue()));
    const sample = fc.sample(request, { numRuns: 700, seed: 42 });
    await raw.ask('initialize', {});
    const answers: any[] = [];
    for (const [i, [command, args]] of sample.entries()) {
      if (i === 200) expect(await raw.ask('launch', { program: halt, stopOnEntry: true })).toMatchObject({ success: true });
      if (i === 250) {
        await raw.ask('configurationDone');
        await raw.until(({ event }) => event === 'stopped');
      }
      const answer = await raw.ask(command, args);
      answers.push(answer);
      if (answer.success) continue;
      expect(answer.message, `${command} ${JSON.stringify(args)}`).not.toMatch(/internal error|\n/);
      expect(answer.message.length).toBeGreaterThan(5);
    }
    expect(answers).toHaveLength(700);
    expect(answers.filter(({ success }) => success).length).toBeGreaterThan(20);
    const numbers = raw.messages.filter(({ type }) => type === 'response').map(({ request_seq }) => request_seq);
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  it('may leave at any time', async () => {
    await raw.ask('initialize', {});
    await raw.ask('launch', { program: resolve(GUESTS, 'loop.asm') });
    await raw.ask('configurationDone');
    raw.end();
    expect(await raw.ended).toBe(0);
  });

  it('ends the adapter by disconnecting', async () => {
    await raw.ask('initialize', {});
    await raw.ask('launch', { program: resolve(GUESTS, 'loop.asm') });
    await raw.ask('configurationDone');
    expect(await raw.ask('disconnect')).toMatchObject({ success: true });
    raw.end();
    expect(await raw.ended).toBe(0);
  });
});

describe('programs that are none', () => {
  let folder: string;
  let client: Client;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ringside-bad-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  beforeEach(async () => {
    client = await Client.start();
    await client.initializeRequest();
  });
  afterEach(() => client.stop());

  it('are refused in one line, or run', async () => {
    const random = fc.sample(fc.uint8Array({ minLength: 1, maxLength: 600 }), { numRuns: 20, seed: 7 });
    const elf = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, 0, 0, 0);
    const files: [string, Uint8Array | string][] = [
      ['empty', ''],
      ['empty.asm', ''],
      ['elf', elf],
      ...random.map((bytes, i): [string, Uint8Array] => [`random${i}`, bytes]),
      ...random.slice(0, 5).map((bytes, i): [string, Uint8Array] => [`random${i}.asm`, bytes]),
    ];
    for (const [name, content] of files) {
      const program = join(folder, name);
      writeFileSync(program, content);
      const message = await client.failure('launch', { program });
      expect(message, name).toMatch(/^[^\n]{10,}$/);
      expect(message, name).not.toMatch(/internal error/);
      for (const key of ['kernel', 'bios', 'disks', 'symbolFiles']) {
        const list = key === 'disks' || key === 'symbolFiles';
        const args = { ...(key !== 'kernel' && key !== 'disks' && { program: halt }), [key]: list ? [program] : program };
        const answer = await client.customRequest('launch', args).then(
          () => 'taken',
          (error: Error) => error.message,
        );
        expect(answer, `${key} ${name}`).not.toMatch(/internal error|\n/);
        if (answer !== 'taken') continue;
        // It can be run: a disk of any bytes is one. The session is over then.
        await client.stop();
        client = await Client.start();
        await client.initializeRequest();
      }
    }
  });
});

it('serves several clients over TCP', async () => {
  const child = spawn(process.execPath, [await bundleAdapter(), '--port', '0'], { stdio: ['ignore', 'ignore', 'pipe'] });
  const port = await new Promise<number>((resume) => {
    let text = '';
    child.stderr.on('data', (chunk) => {
      text += chunk;
      const found = /listening on 127\.0\.0\.1:(\d+)/.exec(text);
      if (found) resume(Number(found[1]));
    });
  });
  try {
    const ask = (message: object): Promise<any> =>
      new Promise((resume, reject) => {
        const socket = connect(port, '127.0.0.1', () => socket.write(encodeMessage(message)));
        const reader = new MessageReader();
        socket.once('error', reject);
        socket.on('data', (chunk) => {
          const [answer] = reader.push(chunk);
          if (!answer) return;
          socket.destroy();
          resume(answer);
        });
      });
    const answers = await Promise.all([1, 2, 3].map((seq) => ask({ seq, type: 'request', command: 'initialize', arguments: {} })));
    expect(answers.map(({ request_seq, success }) => [request_seq, success])).toEqual([
      [1, true],
      [2, true],
      [3, true],
    ]);
  } finally {
    child.kill();
  }
});
