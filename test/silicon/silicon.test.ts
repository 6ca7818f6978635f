import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { cpuModel } from '../../src/engines/cpu/system/models';
import { format } from '../../src/isa/formatter';
import { type Case, type CaseFilter, CaseSource, type Width } from './cases';
import { type Outcome, Subject } from './subject';

/** Cases in a run of each width; set RINGSIDE_FUZZ for a long one, RINGSIDE_ROWS for rows whose mnemonic or feature matches alone. */
const COUNT = Number(process.env.RINGSIDE_FUZZ ?? 40_000);
const BATCH = 20_000;
/** Milliseconds: a long run takes its time. */
const TIMEOUT = Math.max(180_000, COUNT * 2);
const SEED = Number(process.env.RINGSIDE_SEED ?? 1);
const ROWS = new RegExp(process.env.RINGSIDE_ROWS ?? '');

const directory = mkdtempSync(join(tmpdir(), 'ringside-silicon-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const harnessOf = (width: Width): string => join(directory, `harness${width}`);

/** @returns why the harness cannot be built here */
function buildHarness(width: Width): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'needs Linux on an x86-64 processor';
  const source = new URL('harness.c', import.meta.url).pathname;
  const built = spawnSync('gcc', [`-m${width}`, '-O1', '-static', '-o', harnessOf(width), source], { encoding: 'utf8' });
  return built.status === 0 ? undefined : `needs a C compiler for ${width}-bit programs: apt-get install gcc gcc-multilib`;
}

/** Where CPUID shows a set, as leaf's place in the harness's answer, register and bit. */
const HOST_BITS: Readonly<Record<string, readonly [leaf: number, register: number, bit: number]>> = {
  sse3: [0, 2, 0],
  pclmulqdq: [0, 2, 1],
  ssse3: [0, 2, 9],
  'sse4.1': [0, 2, 19],
  'sse4.2': [0, 2, 20],
  movbe: [0, 2, 22],
  popcnt: [0, 2, 23],
  aes: [0, 2, 25],
  bmi1: [1, 1, 3],
  bmi2: [1, 1, 8],
  adx: [1, 1, 19],
  sha: [1, 1, 29],
  clflushopt: [1, 1, 23],
  clwb: [1, 1, 24],
  lzcnt: [3, 2, 5],
  prefetchw: [3, 2, 8],
};

/** Sets that the processors of both sides have. */
function sharedFeatures(width: Width): CaseFilter['hasFeature'] {
  const output = execFileSync(harnessOf(width), ['cpuid']);
  const model = cpuModel('max');
  return (feature) => {
    const bit = HOST_BITS[feature];
    const onHost = bit === undefined || ((output.readUInt32LE(bit[0] * 16 + bit[1] * 4) >>> bit[2]) & 1) === 1;
    return onHost && model.has(feature);
  };
}

const CASE_SIZE = 664;
const RESULT_SIZE = 688;

function encodeCase({ registers, eflags, fx, code }: Case): Uint8Array {
  const bytes = new Uint8Array(CASE_SIZE);
  const view = new DataView(bytes.buffer);
  registers.forEach((value, i) => view.setBigUint64(i * 8, value, true));
  view.setUint32(128, eflags, true);
  bytes.set(fx, 136);
  bytes[648] = code.length;
  bytes.set(code, 649);
  return bytes;
}

function runOnSilicon(width: Width, data: Uint8Array, cases: readonly Case[]): Outcome[] {
  const input = Buffer.concat([data, ...cases.map(encodeCase)]);
  const output = execFileSync(harnessOf(width), { input, maxBuffer: 2 ** 30 });
  const outcomes: Outcome[] = [];
  for (let at = 0; at < output.length; ) {
    const word = (index: number): bigint => output.readBigUInt64LE(at + index * 8);
    const count = Number(word(21));
    const list = at + RESULT_SIZE;
    const changes = Array.from({ length: count }, (_, i) => output.readUInt16LE(list + i * 4) * 256 + output[list + 2 + i * 4]);
    outcomes.push({
      registers: Array.from({ length: width === 64 ? 16 : 8 }, (_, i) => word(i)),
      eflags: Number(word(16)),
      ip: word(17),
      vector: Number(word(18)),
      error: Number(word(19)),
      cr2: word(20),
      fx: output.subarray(at + 176, at + RESULT_SIZE),
      changes,
    });
    at = list + count * 4;
  }
  return outcomes;
}

const FLAG_BITS: Readonly<Record<string, number>> = { c: 0x1, p: 0x4, a: 0x10, z: 0x40, s: 0x80, o: 0x800 };
const COMPARED_FLAGS = 0xcd5;
const maskOf = (letters: string): number => [...letters].reduce((mask, letter) => mask | (FLAG_BITS[letter] ?? 0), 0);
const hex = (value: number | bigint): string => BigInt.asUintN(64, BigInt(value)).toString(16).padStart(8, '0');

/** Results that the manual leaves open and processors differ in. */
function undefinedResult({ instruction, registers }: Case): boolean {
  const { row, operandSize } = instruction;
  // A double shift of a word by more than 16.
  if ((row.semantics === 'shld' || row.semantics === 'shrd') && operandSize === 2) {
    const count = instruction.operands[2];
    return ((count.kind === 'immediate' ? count.value : Number(registers[1] & 31n)) & 31) > 16;
  }
  return row.semantics === 'bswap' && operandSize === 2;
}

/** Our page fault lies where the harness may have memory of its own: its program, heap or stack. */
function reachesHarness({ vector, cr2, ip }: Outcome, width: Width): boolean {
  const own = (address: bigint): boolean =>
    width === 32
      ? (address >= 0x08000000n && address < 0x0c000000n) || address >= 0xf0000000n
      : (address >= 0x400000n && address < 0x01000000n) ||
        (address >= 0x02000000n && address < 1n << 47n) ||
        address >= 0xffffffffff600000n;
  return vector === 14 && (own(cr2) || own(ip));
}

const FX_PARTS: readonly (readonly [name: string, at: number, length: number])[] = [
  ['FCW', 0, 2],
  ['FSW', 2, 2],
  ['FTW', 4, 1],
  ['MXCSR', 24, 4],
  ...Array.from({ length: 8 }, (_, i): [string, number, number] => [`ST${i}`, 32 + i * 16, 10]),
  ...Array.from({ length: 16 }, (_, i): [string, number, number] => [`XMM${i}`, 160 + i * 16, 16]),
];
const image = (bytes: Uint8Array): string =>
  [...bytes]
    .reverse()
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('');

/** What differs, or an empty text. */
function difference(test: Case, ours: Outcome, silicon: Outcome): string {
  const parts: string[] = [];
  const compare = (name: string, a: number | bigint, b: number | bigint): void => {
    if (a !== b) parts.push(`${name} ours ${hex(a)} silicon ${hex(b)}`);
  };
  compare('vector', ours.vector, silicon.vector);
  compare('ip', ours.ip, silicon.ip);
  const fault = ours.vector !== 3;
  if (fault && ours.vector === silicon.vector && ours.ip === 0x01100800n) {
    // Of addresses of its own Linux always says that the page is present.
    const hidden = ours.vector === 14 && ours.cr2 >= 1n << 47n ? 1 : 0;
    compare('error code', ours.error | hidden, silicon.error | hidden);
    if (ours.vector === 14) compare('cr2', ours.cr2, silicon.cr2);
  }
  if (undefinedResult(test)) return parts.join('; ');
  // Processors cut the registers of a repeated string instruction with 32-bit addresses even where it does nothing.
  const cut = test.width === 64 && test.instruction.addressSize === 32 && test.instruction.prefixes.repeat !== 'none';
  ours.registers.forEach((value, i) => {
    const width = cut ? 32 : 64;
    compare(`register ${i}`, BigInt.asUintN(width, value), BigInt.asUintN(width, silicon.registers[i]));
  });
  const mask = COMPARED_FLAGS & ~maskOf(test.instruction.row.flags.undefined);
  compare('eflags', ours.eflags & mask, silicon.eflags & mask);
  if (ours.changes.slice(0, 1024).join() !== silicon.changes.join())
    parts.push(`memory ours ${ours.changes.map(hex).join().slice(0, 200)} silicon ${silicon.changes.map(hex).join().slice(0, 200)}`);
  for (const [name, at, length] of FX_PARTS) {
    if (test.width === 32 && at >= 288) break;
    const [a, b, before] = [ours.fx, silicon.fx, test.fx].map((fx) => image(fx.subarray(at, at + length)));
    if (a !== b) parts.push(`${name} was ${before} ours ${a} silicon ${b}`);
  }
  return parts.join('; ');
}

describe.each<Width>([32, 64])('%d-bit instructions against the silicon', (width) => {
  const reason = buildHarness(width);
  it.skipIf(reason !== undefined)(
    `do what the processor does in ${COUNT} random cases${reason ? ` (skipped: ${reason})` : ''}`,
    () => {
      const differences = new Map<string, string[]>();
      const filter: CaseFilter = {
        hasFeature: sharedFeatures(width),
        wants: ({ mnemonic, feature }) => ROWS.test(mnemonic) || ROWS.test(feature),
      };
      for (let done = 0, batch = 0; done < COUNT; done += BATCH, batch++) {
        const source = new CaseSource(width, SEED + batch, filter);
        const data = source.data();
        const subject = new Subject(width, data);
        const cases: Case[] = [];
        const ours: Outcome[] = [];
        while (cases.length < Math.min(BATCH, COUNT - done)) {
          const test = source.next();
          const outcome = subject.run(test);
          if (reachesHarness(outcome, width)) continue;
          cases.push(test);
          ours.push(outcome);
        }
        const silicon = runOnSilicon(width, data, cases);
        expect(silicon.length).toBe(cases.length);
        cases.forEach((test, i) => {
          const found = difference(test, ours[i], silicon[i]);
          if (!found) return;
          const code = [...test.code].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
          const text = `${format(test.instruction)} [${code}] registers ${test.registers.map(hex).join(' ')} eflags ${hex(test.eflags)}: ${found}`;
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
