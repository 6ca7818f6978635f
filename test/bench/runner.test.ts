/** The benchmark's runner with engines that misbehave, its means, and the command. */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { benchFolder, hasFailed } from '../../bench/bench';
import { BY_LINES, EngineRunner, type Outcome, type Way } from '../../bench/guest-process';
import { runMemory } from '../../bench/memory';
import { means, rowResult } from '../../bench/results';
import { bundle, file, folder, ringside } from '../cli/command-line';
import { missing } from '../support/programs';

// The command's temporary files are seen, apart from those of other runs.
process.env.TMPDIR = folder;
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** An engine that is a line of JavaScript. */
const engine = (code: string): Way => ({ kind: 'stdout', command: { program: process.execPath, args: ['-e', code] } });
const say = (text: string): string => `process.stdout.write(${JSON.stringify(text)})`;
const later = (code: string): string => `setTimeout(() => { ${code} }, 300)`;
const FOREVER = 'setInterval(() => {}, 1000)';

describe('an engine', () => {
  const run = (way: Way, limitSeconds = 60, counts = false): Promise<Outcome> =>
    new EngineRunner().run(way, { ...BY_LINES, limitSeconds, counts });

  it('is timed from START to DONE, and then ended', async () => {
    const outcome = await run(engine(`${say('noise\nSTART\n')}; ${later(say('DONE 0000002a\n'))}; ${FOREVER}`));
    expect(outcome).toMatchObject({ checksum: '0000002a' });
    expect((outcome as { seconds: number }).seconds).toBeGreaterThan(0);
  });

  it('may say its lines in pieces, and its count behind them', async () => {
    const pieces = [say('STA'), say('RT\n'), say('DONE 00'), say('00002a\nCOU'), say('NT 7\n')];
    const code = pieces.map((piece, i) => `setTimeout(() => { ${piece} }, ${20 * i})`).join(';');
    expect(await run(engine(`${code}; ${FOREVER}`), 60, true)).toMatchObject({ checksum: '0000002a', instructions: 7 });
  });

  it.each([
    ['hangs', `${say('START\n')}; ${FOREVER}`, 1, /^no end within 1 s \(/],
    ['says nothing and ends', 'process.exit(3)', 60, /^ended with status 3 before its guest did \(its guest said nothing\)$/],
    ['complains and ends', "console.error('a\\nno such thing'); process.exit(1)", 60, /: no such thing$/],
    ['is killed', "process.kill(process.pid, 'SIGTERM')", 60, /^ended with SIGTERM/],
    ['has a guest with an exception', `${say('START\nFAULT 14\n')}; ${FOREVER}`, 60, /^its guest ended with "FAULT 14"$/],
    ['is done at once', `${say('START\nDONE 00000000\n')}; ${FOREVER}`, 60, /^too short to be measured$/],
  ])('that %s is reported', async (_what, code, limit, says) => {
    expect(((await run(engine(code), limit)) as { problem: string }).problem).toMatch(says);
  });

  it('that only waits takes no time on a processor', async (ctx) => {
    if (!existsSync('/proc/self/schedstat')) ctx.skip('needs Linux, which tells the time of each thread');
    const wait = engine(`${say('START\n')}; setTimeout(() => { ${say('DONE 00000000\n')} }, 1500); ${FOREVER}`);
    const watch = { ...BY_LINES, limitSeconds: 60 };
    const [passed, used] = [await new EngineRunner().run(wait, watch), await new EngineRunner().run(wait, { ...watch, cpuTime: true })];
    expect((passed as { seconds: number }).seconds).toBeGreaterThan(1);
    expect((used as { seconds: number }).seconds).toBeLessThan(1);
  });

  it('is ended when the run is', async () => {
    const runner = new EngineRunner();
    const running = runner.run(engine(FOREVER), { ...BY_LINES, limitSeconds: 60 });
    runner.stop();
    expect(await running).toMatchObject({ problem: expect.stringMatching(/^ended with SIGKILL/) });
  });

  it('that does not exist is reported', async () => {
    const outcome = await run({ kind: 'stdout', command: { program: '/no/such/program', args: [] } });
    expect(outcome).toMatchObject({ problem: expect.stringMatching(/^does not start: .*ENOENT/) });
  });
});

describe('results', () => {
  const facts = { id: 'a-32', kind: 'a', width: 32, rounds: 1, expected: '00000001' };
  const good = (seconds: number): Outcome => ({ seconds, checksum: '00000001', instructions: 3e6 });
  const outcomes = (theirs: Outcome, own: Outcome = good(2)) => new Map(Object.entries({ ringside: own, qemu: theirs }));
  const report = (row: ReturnType<typeof rowResult>) => ({
    host: { processor: '', node: '' },
    engines: [
      { name: 'ringside', own: true, version: '' },
      { name: 'qemu', own: false, version: '' },
    ],
    quick: false,
    repeat: 1,
    cpuTime: false,
    guests: [row],
    means: [],
  });

  it('compare speeds, not times', () => {
    const row = rowResult(facts, outcomes(good(1)), ['ringside']);
    expect(row.ratios).toEqual({ ringside: { qemu: 0.5 } });
    expect(row.engines.ringside.mips).toBeCloseTo(1.5);
    expect(hasFailed(report(row))).toBe(false);
  });

  it('leave out and report what is wrong', () => {
    const row = rowResult(facts, outcomes({ seconds: 1, checksum: '00000002' }), ['ringside']);
    expect(row.ratios).toEqual({});
    expect(hasFailed(report(row))).toBe(true);
  });

  it('do not fail for a peer that does not come to its end, but for ours', () => {
    expect(hasFailed(report(rowResult(facts, outcomes({ problem: 'hangs' }), ['ringside'])))).toBe(false);
    expect(hasFailed(report(rowResult(facts, outcomes(good(1), { problem: 'hangs' }), ['ringside'])))).toBe(true);
  });

  it('count a kind once, however many guests it has', () => {
    const row = (id: string, kind: string, seconds: number) => rowResult({ ...facts, id, kind }, outcomes(good(seconds)), ['ringside']);
    const [mean] = means([row('a', 'x', 2), row('b', 'x', 8), row('c', 'y', 16)], [{ ours: 'ringside', peer: 'qemu' }]);
    expect(mean).toMatchObject({ rows: 3, kinds: 2 });
    // Ratios 1, 4 and 8.
    expect(mean.overRows).toBeCloseTo(32 ** (1 / 3));
    expect(mean.overKinds).toBeCloseTo(Math.sqrt(2 * 8));
  });
});

describe('the memory of a long run', () => {
  it.skipIf(process.platform !== 'linux')('is what the process has, at the end of all its instructions', async () => {
    const options = {
      folder: benchFolder(import.meta.dirname),
      work: folder,
      program: await bundle(),
      quick: false,
      only: ['loop-tight-64'],
    };
    const signal = new AbortController().signal;
    let said = '';
    const [result] = await runMemory({ ...options, instructions: 500e6, signal }, (text) => (said += text));
    expect(result.problem).toBeUndefined();
    expect(result).toMatchObject({ guest: 'loop-tight-64', instructions: 500e6 });
    expect(result.most).toBeGreaterThan(10);
    expect(result.most).toBeLessThan(264);
    expect(said).toMatch(/^loop-tight-64 +at the end \d+, at most \d+/m);
  });

  it('is not told where the guest ends otherwise', async () => {
    const options = {
      folder: benchFolder(import.meta.dirname),
      work: folder,
      program: '/no/such/program',
      quick: false,
      only: ['loop-tight-64'],
    };
    const [result] = await runMemory({ ...options, signal: new AbortController().signal }, () => {});
    expect(result.problem).toBe('ended with status 1');
  });
});

describe('ringside bench', () => {
  const leftovers = (): string[] => readdirSync(folder).filter((name) => name.startsWith('ringside-bench-'));

  it.each([
    [['--against', 'v86,vmware'], /^ringside: --against: "vmware" is none of v86, bochs, qemu\n$/],
    [['--only', 'seive'], /^ringside: --only: there is no guest "seive"; there are loop-tight, .*\n$/],
    [['--repeat', '0'], /^ringside: --repeat: 0 is not between 1 and 1000\n$/],
    [['--limit', 'long'], /^ringside: --limit: "long" is no number\n$/],
    [['--tiers', 'none'], /^ringside: --tiers: "none" is none of all, interpreter\n$/],
    [['now'], /^ringside: bench takes no "now"\n$/],
    [['--json', 'no/such/folder.json'], /^ringside: no\/such\/folder\.json: cannot be written \(ENOENT\)\n$/],
  ])('refuses %j in one line', async (args, says) => {
    const { status, stdout, stderr } = await ringside(['bench', ...args]);
    expect(stderr).toMatch(says);
    expect(stdout).toBe('');
    expect(status).toBe(2);
  });

  const shortest = ['--only', 'fib-32,list-walk-64', '--quick'];

  it('prints a table and writes JSON, with no peer at all', async () => {
    file('report.json', '');
    const { status, stdout, stderr } = await ringside(['bench', ...shortest, '--against', '', '--json', 'report.json']);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/^guest +M instr\. +/m);
    expect(stdout).toMatch(/^fib-32 +\d/m);
    const report = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8'));
    expect(report.guests.map(({ id }: { id: string }) => id)).toEqual(['fib-32', 'list-walk-64']);
    for (const { instructions, engines } of report.guests) {
      expect(instructions).toBeGreaterThan(100_000);
      for (const result of Object.values(engines)) expect(result).toMatchObject({ correct: true });
    }
    expect(leftovers()).toEqual([]);
  });

  it.for<[string, string | undefined, number]>([
    ['v86', undefined, 1],
    ['bochs', missing({ bochs: 'bochs' }), 2],
    ['qemu', missing({ 'qemu-system-i386': 'qemu-system-x86', 'qemu-system-x86_64': 'qemu-system-x86' }), 2],
  ])('runs the same guests on %s', async ([peer, lacking, rows], ctx) => {
    if (lacking) ctx.skip(lacking);
    const { status, stdout, stderr } = await ringside(['bench', ...shortest, '--against', peer, '--json', '-']);
    expect(stderr).toMatch(/speed, ours over theirs/);
    const report = JSON.parse(stdout);
    const results = report.guests.flatMap(({ engines }: { engines: Record<string, unknown> }) => engines[peer] ?? []);
    expect(results).toHaveLength(rows);
    for (const result of results) expect(result).toMatchObject({ correct: true });
    expect(report.means).toEqual(expect.arrayContaining([expect.objectContaining({ peer, rows })]));
    expect(status).toBe(0);
  });

  it('goes on without peers that are not there, and says so', async () => {
    const path = process.env.PATH;
    process.env.PATH = folder;
    try {
      const { status, stdout } = await ringside(['bench', '--only', 'fib-32', '--quick', '--against', 'bochs,qemu']);
      expect(stdout).toMatch(/^bochs: needs bochs/m);
      expect(stdout).toMatch(/^qemu: needs qemu-system-i386/m);
      expect(stdout).toMatch(/^fib-32 +\d/m);
      expect(status).toBe(0);
    } finally {
      process.env.PATH = path;
    }
  });
});
