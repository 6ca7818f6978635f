/** Ours as one of the engines: a process that runs one image and tells what its guest says, and how many instructions it took. */
import { readFileSync, writeSync } from 'node:fs';
import { launch } from '../src/engines/launcher';
import type { Tiers } from './engines';

const MEMORY = 64 << 20;
const SLICE = 2_000_000;

/**
 * COM1 goes to standard output line by line, as it comes; behind DONE follows `COUNT`, the instructions since START.
 * @returns exit status
 */
export function runAsEngine(image: string, _tiers: Tiers): number {
  const { engine } = launch({ kernel: image, memory: MEMORY }, (path) => readFileSync(path));
  let line = '';
  let start = 0;
  engine.onOutput = (channel, byte) => {
    if (channel !== 'serial0') return;
    line += String.fromCharCode(byte);
    if (byte !== 10) return;
    if (line === 'START\n') start = engine.instructionCount;
    const count = line.startsWith('DONE') ? `COUNT ${engine.instructionCount - start}\n` : '';
    writeSync(1, line);
    if (count) writeSync(1, count);
    line = '';
  };
  for (;;) {
    const stop = engine.run({ instructions: SLICE });
    if (stop.reason === 'slice') continue;
    if (stop.text !== undefined) process.stderr.write(`${stop.text}\n`);
    return stop.reason === 'exited' ? 0 : 1;
  }
}
