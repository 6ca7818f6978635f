/** The benchmark's guests: what they calculate, held against another way to calculate it, and their images against nasm's. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { benchFolder } from '../../bench/bench';
import { expectedChecksum, GUESTS, ROWS, type Row } from '../../bench/guests';
import { assembleGuest, guestImage, romImage } from '../../bench/image';
import { launch } from '../../src/engines/launcher';
import { missing } from '../support/programs';

const folder = benchFolder(import.meta.filename);
const work = mkdtempSync(join(tmpdir(), 'ringside-bench-test-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Enough to see that rounds do not disturb each other. */
const ROUNDS = 3;
const MOST_INSTRUCTIONS = 50e6;

function run(image: Uint8Array): { serial: string; reason: string } {
  const { engine } = launch({ kernel: '/guest', memory: 64 << 20 }, () => image);
  let serial = '';
  engine.onOutput = (channel, byte) => {
    if (channel === 'serial0') serial += String.fromCharCode(byte);
  };
  const { reason } = engine.run({ instructions: MOST_INSTRUCTIONS });
  return { serial, reason };
}

it.each(ROWS.map((row): [string, Row] => [row.id, row]))('%s calculates what its model does', (_id, row) => {
  const checksum = expectedChecksum(row, ROUNDS).toString(16).padStart(8, '0');
  expect(run(guestImage(folder, row, ROUNDS))).toEqual({ serial: `START\nDONE ${checksum}\n`, reason: 'exited' });
});

it('has a source, a name of its own and work to do for every guest', () => {
  expect(new Set(GUESTS.map(({ name }) => name)).size).toBe(GUESTS.length);
  for (const { rounds, widths } of GUESTS) {
    expect(rounds).toBeGreaterThanOrEqual(10);
    expect(widths).not.toEqual([]);
  }
});

it('tells an exception in a guest', () => {
  mkdirSync(join(work, 'guests'));
  copyFileSync(join(folder, 'guests/common.inc'), join(work, 'guests/common.inc'));
  writeFileSync(join(work, 'guests/wrong.asm'), '%include "common.inc"\nprepare: ret\nround: ud2\n');
  for (const width of [32, 64]) {
    const image = assembleGuest(work, 'wrong', { WIDTH: String(width), ROUNDS: '1' });
    expect(run(image).serial).toBe('START\nFAULT 06\n');
  }
});

describe('images', () => {
  const lacking = missing({ nasm: 'nasm' });
  it.skipIf(lacking)(`are nasm's, byte for byte${lacking ? ` (${lacking})` : ''}`, () => {
    const output = join(work, 'nasm.bin');
    for (const row of ROWS) {
      const macros = Object.entries({ ...row.defines, WIDTH: row.width, ROUNDS }).map(([name, value]) => `-D${name}=${value}`);
      execFileSync('nasm', [...macros, `${row.source}.asm`, '-o', output], { cwd: join(folder, 'guests') });
      expect(Buffer.compare(readFileSync(output), guestImage(folder, row, ROUNDS)), row.id).toBe(0);
    }
  });

  it('fit a ROM, however its file is called', () => {
    const image = resolve(folder, 'guests/common.inc');
    const rom = romImage(folder, image);
    expect(rom).toHaveLength(128 << 10);
    expect(rom.subarray(0, 100)).toEqual(new Uint8Array(readFileSync(image)).subarray(0, 100));
  });
});
