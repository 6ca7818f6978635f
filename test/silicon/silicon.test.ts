import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { format } from '../../src/isa/formatter';
import { type Case, CaseSource } from './cases';
import { type Outcome, Subject } from './subject';

/** Cases in a run; set RINGSIDE_FUZZ for a long one. */
const COUNT = Number(process.env.RINGSIDE_FUZZ ?? 40_000);
const BATCH = 20_000;
/** Milliseconds: a long run takes its time. */
const TIMEOUT = Math.max(120_000, COUNT * 2);
const SEED = Number(process.env.RINGSIDE_SEED ?? 1);

const directory = mkdtempSync(join(tmpdir(), 'ringside-silicon-'));
const harness = join(directory, 'harness');
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** @returns why the harness cannot be built here */
function buildHarness(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'needs Linux on an x86-64 processor';
  const source = new URL('harness.c', import.meta.url).pathname;
  const built = spawnSync('gcc', ['-m32', '-O1', '-static', '-o', harness, source], { encoding: 'utf8' });
  return built.status === 0 ? undefined : 'needs a C compiler for 32-bit programs: apt-get install gcc gcc-multilib';
}

function encodeCase({ registers, eflags, code }: Case): Uint8Array {
  const bytes = new Uint8Array(52);
  const view = new DataView(bytes.buffer);
  registers.forEach((value, i) => view.setUint32(i * 4, value, true));
  view.setUint32(32, eflags, true);
  bytes[36] = code.length;
  bytes.set(code, 37);
  return bytes;
}

function runOnSilicon(data: Uint8Array, cases: readonly Case[]): Outcome[] {
  const input = Buffer.concat([data, ...cases.map(encodeCase)]);
  const output = execFileSync(harness, { input, maxBuffer: 2 ** 30 });
  const outcomes: Outcome[] = [];
  for (let at = 0; at < output.length; ) {
    const word = (index: number): number => output.readUInt32LE(at + index * 4);
    const count = word(13);
    const changes = Array.from({ length: count }, (_, i) => output.readUInt16LE(at + 56 + i * 4) * 256 + output[at + 58 + i * 4]);
    outcomes.push({
      registers: Array.from({ length: 8 }, (_, i) => word(i)),
      eflags: word(8),
      eip: word(9),
      vector: word(10),
      error: word(11),
      cr2: word(12),
      changes,
    });
    at += 56 + count * 4;
  }
  return outcomes;
}

const FLAG_BITS: Readonly<Record<string, number>> = { c: 0x1, p: 0x4, a: 0x10, z: 0x40, s: 0x80, o: 0x800 };
const COMPARED_FLAGS = 0xcd5;
const maskOf = (letters: string): number => [...letters].reduce((mask, letter) => mask | (FLAG_BITS[letter] ?? 0), 0);
const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');

/** Results that the manual leaves open and processors differ in. */
function undefinedResult({ instruction, registers }: Case): boolean {
  const { row, operandSize } = instruction;
  // A double shift of a word by more than 16.
  if ((row.semantics === 'shld' || row.semantics === 'shrd') && operandSize === 2) {
    const count = instruction.operands[2];
    return ((count.kind === 'immediate' ? count.value : registers[1]) & 31) > 16;
  }
  return row.semantics === 'bswap' && operandSize === 2;
}

/** Our page fault lies where the harness may have memory of its own: its program, heap or stack. */
function reachesHarness({ vector, cr2, eip }: Outcome): boolean {
  const own = (address: number): boolean => (address >= 0x08000000 && address < 0x0c000000) || address >= 0xf0000000;
  return vector === 14 && (own(cr2) || own(eip));
}

/** What differs, or an empty text. */
function difference(test: Case, ours: Outcome, silicon: Outcome): string {
  const parts: string[] = [];
  const compare = (name: string, a: number, b: number): void => {
    if (a !== b) parts.push(`${name} ours ${hex(a)} silicon ${hex(b)}`);
  };
  compare('vector', ours.vector, silicon.vector);
  compare('eip', ours.eip, silicon.eip);
  const fault = ours.vector !== 3;
  if (fault && ours.vector === silicon.vector && ours.eip === 0x01100800) {
    compare('error code', ours.error, silicon.error);
    if (ours.vector === 14) compare('cr2', ours.cr2, silicon.cr2);
  }
  if (undefinedResult(test)) return parts.join('; ');
  ours.registers.forEach((value, i) => compare(`register ${i}`, value, silicon.registers[i]));
  const mask = COMPARED_FLAGS & ~maskOf(test.instruction.row.flags.undefined);
  compare('eflags', ours.eflags & mask, silicon.eflags & mask);
  if (ours.changes.slice(0, 256).join() !== silicon.changes.join())
    parts.push(`memory ours ${ours.changes.map(hex).join()} silicon ${silicon.changes.map(hex).join()}`);
  return parts.join('; ');
}

const reason = buildHarness();

describe('instructions against the silicon', () => {
  it.skipIf(reason !== undefined)(
    `does what the processor does in ${COUNT} random cases${reason ? ` (skipped: ${reason})` : ''}`,
    () => {
      const differences = new Map<string, string[]>();
      for (let done = 0, batch = 0; done < COUNT; done += BATCH, batch++) {
        const source = new CaseSource(SEED + batch);
        const data = source.data();
        const subject = new Subject(data);
        const cases: Case[] = [];
        const ours: Outcome[] = [];
        while (cases.length < Math.min(BATCH, COUNT - done)) {
          const test = source.next();
          const outcome = subject.run(test);
          if (reachesHarness(outcome)) continue;
          cases.push(test);
          ours.push(outcome);
        }
        const silicon = runOnSilicon(data, cases);
        expect(silicon.length).toBe(cases.length);
        cases.forEach((test, i) => {
          const found = difference(test, ours[i], silicon[i]);
          if (!found) return;
          const text = `${format(test.instruction)} [${[...test.code].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')}] registers ${test.registers.map(hex).join(' ')} eflags ${hex(test.eflags)}: ${found}`;
          const key = test.instruction.row.mnemonic;
          differences.set(key, [...(differences.get(key) ?? []), text]);
        });
      }
      const report = [...differences].map(([key, list]) => `${key}: ${list.length}\n  ${list.slice(0, 3).join('\n  ')}`);
      expect(report.join('\n')).toBe('');
    },
    TIMEOUT,
  );
});
