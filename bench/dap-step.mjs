/**
 * How long a step takes over the Debug Adapter Protocol: `next` to `stopped` over stdio, and with what an editor asks for
 * after each stop. Run: `node bench/dap-step.mjs [steps]`, after `npm run build`.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const adapter = process.env.RINGSIDE_ADAPTER ?? resolve(root, 'dist/debug-adapter.js');
const steps = Number(process.argv[2] ?? 1000);

if (!existsSync(adapter)) {
  process.stderr.write(`${adapter} is not there: run "npm run build" first\n`);
  process.exit(2);
}

const child = spawn(process.execPath, [adapter], { stdio: ['pipe', 'pipe', 'inherit'] });
const waiting = new Map();
const listeners = new Map();
let buffer = Buffer.alloc(0);
let sequence = 1;

child.stdout.on('data', (chunk) => {
  buffer = Buffer.concat([buffer, chunk]);
  for (;;) {
    const end = buffer.indexOf('\r\n\r\n');
    if (end < 0) return;
    const length = Number(/Content-Length: (\d+)/.exec(buffer.subarray(0, end).toString())[1]);
    if (buffer.length < end + 4 + length) return;
    const message = JSON.parse(buffer.subarray(end + 4, end + 4 + length).toString());
    buffer = buffer.subarray(end + 4 + length);
    if (message.type === 'response') {
      const { accept, reject } = waiting.get(message.request_seq);
      waiting.delete(message.request_seq);
      if (message.success) accept(message.body);
      else reject(new Error(message.message));
    } else {
      listeners.get(message.event)?.(message.body);
      listeners.delete(message.event);
    }
  }
});

function ask(command, args = {}) {
  const body = JSON.stringify({ seq: sequence, type: 'request', command, arguments: args });
  child.stdin.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  return new Promise((accept, reject) => waiting.set(sequence++, { accept, reject }));
}

const once = (event) => new Promise((happened) => listeners.set(event, happened));

async function stopAfter(command, args) {
  const stopped = once('stopped');
  await ask(command, args);
  return stopped;
}

/** What an editor asks for at every stop. */
async function refresh() {
  await ask('threads');
  const { stackFrames } = await ask('stackTrace', { threadId: 1, startFrame: 0, levels: 20 });
  const { scopes } = await ask('scopes', { frameId: stackFrames[0].id });
  await ask('variables', { variablesReference: scopes[0].variablesReference });
}

function report(name, times) {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))].toFixed(2);
  process.stdout.write(`${name.padEnd(34)} median ${at(0.5)} ms, p95 ${at(0.95)} ms, worst ${at(1)} ms over ${times.length} steps\n`);
}

await ask('initialize', { adapterID: 'ringside' });
const initialized = once('initialized');
await ask('launch', { program: resolve(root, 'samples/rings/rings.asm'), stopOnEntry: true });
await initialized;
await stopAfter('configurationDone');

const plain = [];
const whole = [];
for (let i = 0; i < steps; i++) {
  const start = performance.now();
  await stopAfter('stepIn', { threadId: 1, granularity: 'instruction' });
  plain.push(performance.now() - start);
}
for (let i = 0; i < steps; i++) {
  const start = performance.now();
  await stopAfter('next', { threadId: 1, granularity: 'instruction' });
  await refresh();
  whole.push(performance.now() - start);
}
report('stepIn to stopped', plain);
report('next to stopped, and what it shows', whole);
await ask('disconnect');
