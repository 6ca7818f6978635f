/** `npm start -- --headless`: the session of samples/rings in the terminal, through the real debug adapter. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './shell.mjs';

const program = join(root, 'samples/rings/rings.asm');
const TIMEOUT = 60_000;

/** A Debug Adapter Protocol client: base protocol of the DAP specification, requests as promises, events as they come. */
class Client {
  #child = spawn(process.execPath, [join(root, 'dist/debug-adapter.js')], { stdio: ['pipe', 'pipe', 'inherit'] });
  #sequence = 1;
  #buffer = Buffer.alloc(0);
  #pending = new Map();
  #listeners = new Set();

  constructor() {
    this.#child.stdout.on('data', (chunk) => {
      this.#buffer = Buffer.concat([this.#buffer, chunk]);
      this.#read();
    });
  }

  #read() {
    for (;;) {
      const end = this.#buffer.indexOf('\r\n\r\n');
      const length = Number(/Content-Length: (\d+)/.exec(this.#buffer.subarray(0, Math.max(0, end)).toString())?.[1]);
      if (end < 0 || this.#buffer.length < end + 4 + length) return;
      const message = JSON.parse(this.#buffer.subarray(end + 4, end + 4 + length).toString());
      this.#buffer = this.#buffer.subarray(end + 4 + length);
      if (message.type === 'event') for (const listener of this.#listeners) listener(message);
      else if (message.type === 'response') this.#pending.get(message.request_seq)?.(message);
    }
  }

  async request(command, args) {
    const seq = this.#sequence++;
    const text = JSON.stringify({ seq, type: 'request', command, arguments: args });
    const answer = new Promise((resolve) => this.#pending.set(seq, resolve));
    this.#child.stdin.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
    const { success, message, body } = await within(answer, `the answer to ${command}`);
    if (!success) throw new Error(`${command}: ${message}`);
    return body;
  }

  /** The next event that matches. */
  next(what, matches) {
    const found = new Promise((resolve) => {
      const listener = (event) => {
        if (!matches(event)) return;
        this.#listeners.delete(listener);
        resolve(event);
      };
      this.#listeners.add(listener);
    });
    return within(found, what);
  }

  on(name, action) {
    this.#listeners.add(({ event, body }) => event === name && action(body));
  }

  end() {
    this.#child.kill();
  }
}

function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come within ${TIMEOUT / 1000} s`)), TIMEOUT);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const source = readFileSync(program, 'utf8').split('\n');
const lineOf = (text) => source.findIndex((line) => line.includes(text)) + 1;
const print = (text = '') => process.stdout.write(`${text}\n`);

async function main() {
  const client = new Client();
  const stopped = () => client.next('a stop', ({ event }) => event === 'stopped' || event === 'terminated');
  const threadId = 1;
  let serial = '';
  client.on('ringside/serial', ({ bytes }) => {
    serial += Buffer.from(bytes, 'base64').toString();
  });

  /** Does something that moves the guest and shows where it is then. */
  async function go(title, action) {
    const stop = stopped();
    await action();
    const { body } = await stop;
    const { stackFrames } = await client.request('stackTrace', { threadId, startFrame: 0, levels: 8 });
    const { vcpus } = await client.request('ringside/state');
    const { place } = vcpus[0];
    const [top] = stackFrames;
    print(
      `${title.padEnd(34)} ${place.mode === 'real' ? 'real mode' : `ring ${place.ring}`}  ${top.name}:${top.line}  ${(source[top.line - 1] ?? '').trim()}`,
    );
    for (const { name, presentationHint } of stackFrames) if (presentationHint === 'label') print(`${''.padEnd(34)}   ── ${name}`);
    return body;
  }

  try {
    await client.request('initialize', { adapterID: 'ringside', linesStartAt1: true, columnsStartAt1: true, pathFormat: 'path' });
    const initialized = client.next('the adapter', ({ event }) => event === 'initialized');
    const launched = client.request('launch', { program, stopOnEntry: true });
    await initialized;
    const wanted = [lineOf('program:') + 1, lineOf('service:') + 1];
    const { breakpoints } = await client.request('setBreakpoints', {
      source: { path: program },
      breakpoints: wanted.map((line) => ({ line })),
    });
    if (!breakpoints.every(({ verified }) => verified)) throw new Error('a breakpoint was not verified');
    print('Guest: samples/rings/rings.asm, through the debug adapter');
    print();
    await go('launch, stop on entry', async () => {
      await client.request('configurationDone');
      await launched;
    });
    await go('continue to a breakpoint', () => client.request('continue', { threadId }));
    await go('step', () => client.request('next', { threadId }));
    await go('step', () => client.request('next', { threadId }));
    await go('step into INT 0x80', () => client.request('stepIn', { threadId }));
    await go('step out', () => client.request('stepOut', { threadId }));
    await go('continue to the call gate', () => client.request('continue', { threadId }));
    await go('step out', () => client.request('stepOut', { threadId }));
    const exited = client.next('the end', ({ event }) => event === 'exited');
    await client.request('continue', { threadId });
    const { body } = await exited;
    print(`${'continue'.padEnd(34)} the guest ended with status ${body.exitCode}`);
    await table(client);
    print('COM1:');
    for (const line of serial.trimEnd().split('\n')) print(`  ${line}`);
    return 0;
  } finally {
    client.end();
  }
}

async function table(client) {
  const { rows, total } = await client.request('ringside/transitions', { start: 0, count: 1000 });
  const place = ({ mode, ring }) => (mode === 'real' ? 'real' : mode === 'virtual-8086' ? 'v86' : `ring ${ring}`);
  print();
  print(`Transitions: ${total}`);
  print(`${'#'.padStart(4)}  ${'count'.padStart(8)}  ${'kind'.padEnd(12)} ${'cause'.padEnd(15)} ${'from'.padEnd(7)} ${'to'.padEnd(7)} at`);
  for (const { sequence, count, kind, cause, from, to, at } of rows) {
    const where = `0x${at.address.toString(16).padStart(8, '0')} ${at.symbol ?? ''}`;
    print(
      `${String(sequence).padStart(4)}  ${String(count).padStart(8)}  ${kind.padEnd(12)} ${cause.padEnd(15)} ${place(from).padEnd(7)} ${place(to).padEnd(7)} ${where}`,
    );
  }
  print();
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`ringside: ${error.message}\n`);
  process.exitCode = 1;
}
