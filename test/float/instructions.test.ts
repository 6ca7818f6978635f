import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { format } from '../../src/isa/formatter';
import { INSTRUCTIONS } from '../../src/isa/table';
import { type Case, dataRegion, makeCase, type Outcome, runOnSilicon, Subject } from './instructions';
import { Random } from './operands';
import { comparedMoreClosely, isTranscendental, isX87 } from './rows';

/** Cases of each row; set RINGSIDE_FUZZ for a long run. */
const COUNT = Number(process.env.RINGSIDE_FUZZ ?? 100);
const SEED = Number(process.env.RINGSIDE_SEED ?? 1);
const ONLY = process.env.RINGSIDE_ONLY;
const BATCH = 5_000;
const SHOWN = 6;

const directory = mkdtempSync(join(tmpdir(), 'ringside-float-'));
const program = join(directory, 'harness');
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** @returns why the harness cannot be built here */
function build(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'needs Linux on an x86-64 processor';
  const source = new URL('state-harness.c', import.meta.url).pathname;
  return spawnSync('gcc', ['-O1', '-static-pie', '-o', program, source]).status === 0
    ? undefined
    : 'needs a C compiler: apt-get install gcc';
}
const missing = build();

const ROWS = INSTRUCTIONS.filter((row) => comparedMoreClosely(row) && !isTranscendental(row) && (!ONLY || row.mnemonic.startsWith(ONLY)));

const hex = (bytes: Uint8Array, from: number, to: number): string => Buffer.from(bytes.subarray(from, to)).reverse().toString('hex');
const STATUS_FLAGS = 0x8d5;
const PAGE_FAULT = 14;

/** What differs, in words. */
function differences(ours: Outcome, theirs: Outcome): string[] {
  const wrong: string[] = [];
  const same = (what: string, a: unknown, b: unknown): void => {
    if (a !== b) wrong.push(`${what} ${String(a)}, silicon ${String(b)}`);
  };
  // Outside the two regions lies the harness itself.
  if (ours.vector === PAGE_FAULT && theirs.vector !== PAGE_FAULT) return [];
  same('vector', ours.vector, theirs.vector);
  if (ours.vector !== theirs.vector) return wrong;
  same('rip', ours.rip, theirs.rip);
  // Whether a page is present is told otherwise of the kernel's half.
  same('error', ours.error & ~1, theirs.error & ~1);
  ours.registers.forEach((value, i) => same(`register ${i}`, value.toString(16), theirs.registers[i].toString(16)));
  same('eflags', (ours.eflags & STATUS_FLAGS).toString(16), (theirs.eflags & STATUS_FLAGS).toString(16));
  same('changes', ours.changes.map((x) => x.toString(16)).join(), theirs.changes.map((x) => x.toString(16)).join());
  for (const [what, from, to] of [
    ['control', 0, 2],
    ['status', 2, 4],
    ['tags', 4, 5],
    ['opcode', 6, 8],
    ['ip', 8, 16],
    ['dp', 16, 24],
    ['mxcsr', 24, 28],
  ] as const) {
    same(what, hex(ours.fx, from, to), hex(theirs.fx, from, to));
  }
  for (let i = 0; i < 8; i++) same(`st${i}`, hex(ours.fx, 32 + i * 16, 42 + i * 16), hex(theirs.fx, 32 + i * 16, 42 + i * 16));
  for (let i = 0; i < 16; i++) same(`xmm${i}`, hex(ours.fx, 160 + i * 16, 176 + i * 16), hex(theirs.fx, 160 + i * 16, 176 + i * 16));
  return wrong;
}

function describeCase({ instruction, code, bytes }: Case): string {
  const fx = bytes.subarray(152);
  const x87 = `fcw ${hex(fx, 0, 2)} fsw ${hex(fx, 2, 4)} tags ${hex(fx, 4, 5)} st0 ${hex(fx, 32, 42)} st1 ${hex(fx, 48, 58)}`;
  const sse = `mxcsr ${hex(fx, 24, 28)}`;
  return `${format(instruction)} [${Buffer.from(code).toString('hex')}] ${isX87(instruction.row) ? x87 : sse}`;
}

describe.skipIf(missing !== undefined)(`x87 and SSE instructions against the silicon ${missing ?? ''}`, () => {
  it('finds rows that have their meaning', () => expect(ROWS.length).toBeGreaterThan(0));

  const data = dataRegion(new Random(SEED));
  let subject: Subject | undefined;
  it.each(ROWS.map((row) => ({ row, name: `${row.mnemonic} ${row.encoding}: ${row.operands.join()}` })))(
    '$name',
    ({ row }) => {
      subject ??= new Subject(data);
      const random = new Random(SEED * 65536 + row.id);
      const found = new Map<string, string>();
      let total = 0;
      for (let done = 0; done < COUNT; done += BATCH) {
        const cases: Case[] = [];
        for (let tries = 0; cases.length < Math.min(BATCH, COUNT - done) && tries < COUNT * 50; tries++) {
          const made = makeCase(row, random);
          if (made) cases.push(made);
        }
        const theirs = runOnSilicon(program, data, cases);
        cases.forEach((test, i) => {
          const wrong = differences((subject as Subject).run(test), theirs[i]);
          if (wrong.length === 0) return;
          total++;
          const kind = wrong[0].split(' ')[0];
          if (found.size < SHOWN && !found.has(kind)) found.set(kind, `${describeCase(test)}: ${wrong.join('; ')}`);
        });
      }
      expect([...found.values()], `${total} of ${COUNT} differ`).toEqual([]);
    },
    Math.max(120_000, COUNT * 2),
  );
});
