/** The benchmark: the same guests on every engine that is here, one process at a time. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Tiers } from './as-engine';
import { type BootResult, runBoots } from './boots';
import { type BenchEngine, type GuestFiles, ours, type Peer, peerEngines } from './engines';
import { BenchError } from './errors';
import { BY_LINES, EngineRunner, type Outcome } from './guest-process';
import { expectedChecksum, type Row, ROWS } from './guests';
import { guestImage, romImage } from './image';
import { type MemoryResult, runMemory } from './memory';
import { type MoreResult, runMore } from './more';
import { type MeanResult, means, type RowResult, rowResult } from './results';
import { type Pair, Table } from './table';
import { runVmx, type VmxResult } from './vmx';

export interface BenchOptions {
  readonly against: readonly Peer[];
  readonly tiers: readonly Tiers[];
  /** Names of guests, with or without their width; all if empty. */
  readonly only: readonly string[];
  /** A tenth of the work. */
  readonly quick: boolean;
  /** The best of so many runs. */
  readonly repeat: number;
  /** Time on a processor instead of time that passed, in the table and the boots. */
  readonly cpuTime: boolean;
  /** The table of guests. */
  readonly table: boolean;
  /** Debian's kernels too. */
  readonly boots: boolean;
  /** Breakpoints, steps and the start too. */
  readonly more: boolean;
  /** What a long run takes of the host's memory, too. */
  readonly memory: boolean;
  /** What hardware assistance costs, too. */
  readonly vmx: boolean;
  /** Seconds after which one run has failed. */
  readonly limitSeconds: number;
  /** The command line's own program, which is started again as an engine. */
  readonly program: string;
}

export interface BenchReport {
  readonly host: { readonly processor: string; readonly node: string };
  readonly engines: readonly { readonly name: string; readonly own: boolean; readonly version: string; readonly missing?: string }[];
  readonly quick: boolean;
  readonly repeat: number;
  readonly cpuTime: boolean;
  readonly guests: readonly RowResult[];
  readonly means: readonly MeanResult[];
  readonly boots?: readonly BootResult[];
  readonly more?: MoreResult;
  readonly memory?: readonly MemoryResult[];
  readonly vmx?: VmxResult;
}

/** The folder of the guests' sources. @param program path of the command line, somewhere in the project */
export function benchFolder(program: string): string {
  for (let folder = dirname(program); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'bench/guests/common.inc'))) return join(folder, 'bench');
    if (folder === dirname(folder)) throw new BenchError("bench needs the project's folder bench/, which is not there");
  }
}

/** @throws BenchError for a name that no guest has */
export function chooseRows(only: readonly string[]): readonly Row[] {
  const unknown = only.find((name) => !ROWS.some((row) => row.name === name || row.id === name));
  if (unknown !== undefined) {
    const names = [...new Set(ROWS.map(({ name }) => name))];
    throw new BenchError(`--only: there is no guest "${unknown}"; there are ${names.join(', ')}, each also with -32 or -64`);
  }
  return only.length === 0 ? ROWS : ROWS.filter((row) => only.includes(row.name) || only.includes(row.id));
}

/** Seconds that a kernel's way to its shell may take at least. */
const BOOT_LIMIT = 900;

const roundsOf = ({ rounds }: Row, quick: boolean): number => (quick ? Math.max(1, Math.round(rounds / 10)) : rounds);

/** Of wrong results any, else the quickest. */
function best(outcomes: readonly Outcome[], expected: string): Outcome {
  const bad = outcomes.find((outcome) => 'problem' in outcome || outcome.checksum !== expected);
  return bad ?? outcomes.reduce((least, next) => ('seconds' in least && 'seconds' in next && next.seconds < least.seconds ? next : least));
}

/** A run of the benchmark. `close` ends it early and takes away what it made. */
export class Bench {
  private readonly options: BenchOptions;
  private readonly folder: string;
  private readonly work = mkdtempSync(join(tmpdir(), 'ringside-bench-'));
  private readonly runner = new EngineRunner();
  private readonly abort = new AbortController();
  private closed = false;

  constructor(options: BenchOptions) {
    this.options = options;
    this.folder = benchFolder(options.program);
  }

  close(): void {
    this.closed = true;
    this.abort.abort();
    this.runner.stop();
    rmSync(this.work, { recursive: true, force: true });
  }

  /** @param say gets the table as it comes */
  async run(say: (text: string) => void): Promise<BenchReport> {
    const { against, tiers, quick, repeat, cpuTime, program, limitSeconds } = this.options;
    const rows = this.options.table ? chooseRows(this.options.only) : [];
    const all = peerEngines(this.folder);
    const mine = tiers.map((choice) => ours(program, choice));
    const peers = against.map((name) => all[name]);
    const engines = [...mine, ...peers];
    for (const { name, missing, version } of peers) say(`${name}: ${missing ?? version}\n`);
    const present = engines.filter(({ missing }) => missing === undefined);
    const pairs: Pair[] = mine.flatMap((own) => present.flatMap(({ name, peer }) => (peer ? [{ ours: own.name, peer: name }] : [])));
    const guests = await this.runTable(rows, present, pairs, say);
    const common = { folder: this.folder, program, tiers };
    const boots = this.options.boots
      ? await runBoots({ ...common, peers, cpuTime, limitSeconds: Math.max(limitSeconds, BOOT_LIMIT) }, this.runner, say)
      : undefined;
    const more = this.options.more
      ? await runMore({ ...common, work: this.work, quick, limitSeconds, signal: this.abort.signal }, this.runner, say)
      : undefined;
    const { only } = this.options;
    const memory = this.options.memory
      ? await runMemory({ ...common, work: this.work, quick, only, signal: this.abort.signal }, say)
      : undefined;
    const vmx = this.options.vmx
      ? await runVmx({ ...common, work: this.work, quick, repeat, cpuTime, limitSeconds, only }, this.runner, say)
      : undefined;
    return {
      host: { processor: cpus()[0]?.model ?? 'unknown', node: process.version },
      engines: engines.map(({ name, version, missing, peer }) => ({ name, own: peer === undefined, version, missing })),
      quick,
      repeat,
      cpuTime,
      guests,
      means: means(guests, pairs),
      boots,
      more,
      memory,
      vmx,
    };
  }

  private async runTable(
    rows: readonly Row[],
    engines: readonly BenchEngine[],
    pairs: readonly Pair[],
    say: (text: string) => void,
  ): Promise<RowResult[]> {
    if (rows.length === 0) return [];
    const table = new Table(
      engines.map(({ name }) => name),
      pairs,
    );
    say(`\n${table.header()}`);
    const guests: RowResult[] = [];
    for (const row of rows) {
      const result = await this.measure(row, engines);
      if (this.closed) break;
      guests.push(result);
      say(table.row(result));
    }
    say(`\n${table.means(means(guests, pairs))}`);
    return guests;
  }

  private async measure(row: Row, engines: readonly BenchEngine[]): Promise<RowResult> {
    const { quick, repeat, cpuTime, limitSeconds } = this.options;
    const rounds = roundsOf(row, quick);
    const files: GuestFiles = { image: join(this.work, 'guest.bin'), rom: join(this.work, 'rom.bin'), folder: this.work };
    writeFileSync(files.image, guestImage(this.folder, row, rounds));
    writeFileSync(files.rom, romImage(this.folder, files.image));
    const expected = expectedChecksum(row, rounds).toString(16).padStart(8, '0');
    const outcomes = new Map<string, Outcome>();
    for (const engine of engines.filter(({ widths }) => widths.includes(row.width))) {
      const runs: Outcome[] = [];
      for (let run = 0; run < repeat && !this.closed; run++) {
        runs.push(await this.runner.run(engine.way(files, row.width), { ...BY_LINES, limitSeconds, cpuTime, counts: engine.counts }));
        if ('problem' in runs[run]) break;
      }
      if (runs.length > 0) outcomes.set(engine.name, best(runs, expected));
    }
    const own = engines.filter(({ peer }) => peer === undefined).map(({ name }) => name);
    return rowResult({ id: row.id, kind: row.kind, width: row.width, rounds, expected }, outcomes, own);
  }
}

/** Whether a result was wrong, or one of ours did not come to its end. A peer that fails is the peer's affair. */
export function hasFailed({ guests, engines, boots, more, memory, vmx }: BenchReport): boolean {
  const own = new Set(engines.flatMap(({ name, own }) => (own ? [name] : [])));
  const wrong = guests.some((row) =>
    Object.entries(row.engines).some(([name, { correct, problem }]) => (problem === undefined ? !correct : own.has(name))),
  );
  const unbooted = (boots ?? []).some((boot) =>
    Object.entries(boot.engines).some(([name, { problem }]) => problem !== undefined && own.has(name)),
  );
  const missed =
    more && [...more.breakpoints, more.dapStep, more.start].some((result) => 'problem' in result && result.problem !== undefined);
  const unmeasured = (memory ?? []).some(({ problem }) => problem !== undefined);
  const unassisted = vmx !== undefined && [vmx.exit, ...vmx.guests].some((result) => 'problem' in result);
  return wrong || unbooted || unmeasured || unassisted || missed === true;
}
