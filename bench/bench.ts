/** The benchmark: the same guests on every engine that is here, one process at a time. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type BenchEngine, type GuestFiles, ours, type Peer, peerEngines, type Tiers } from './engines';
import { BenchError } from './errors';
import { EngineRunner, type Outcome } from './guest-process';
import { expectedChecksum, type Row, ROWS } from './guests';
import { guestImage, romImage } from './image';
import { type MeanResult, means, type RowResult, rowResult } from './results';
import { type Pair, Table } from './table';

export interface BenchOptions {
  readonly against: readonly Peer[];
  readonly tiers: readonly Tiers[];
  /** Names of guests, with or without their width; all if empty. */
  readonly only: readonly string[];
  /** A tenth of the work. */
  readonly quick: boolean;
  /** The best of so many runs. */
  readonly repeat: number;
  /** Seconds after which one run has failed. */
  readonly limitSeconds: number;
  /** The command line's own program, which is started again as an engine. */
  readonly program: string;
}

export interface BenchReport {
  readonly host: { readonly processor: string; readonly node: string };
  readonly engines: readonly { readonly name: string; readonly version: string; readonly missing?: string }[];
  readonly quick: boolean;
  readonly repeat: number;
  readonly guests: readonly RowResult[];
  readonly means: readonly MeanResult[];
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
  private closed = false;

  constructor(options: BenchOptions) {
    this.options = options;
    this.folder = benchFolder(options.program);
  }

  close(): void {
    this.closed = true;
    this.runner.stop();
    rmSync(this.work, { recursive: true, force: true });
  }

  /** @param say gets the table as it comes */
  async run(say: (text: string) => void): Promise<BenchReport> {
    const { against, tiers, only, quick, repeat, program } = this.options;
    const rows = chooseRows(only);
    const all = peerEngines(this.folder);
    const mine = tiers.map((choice) => ours(program, choice));
    const peers = against.map((name) => all[name]);
    const engines = [...mine, ...peers];
    const present = engines.filter(({ missing }) => missing === undefined);
    const pairs: Pair[] = mine.flatMap((own) => present.flatMap(({ name, peer }) => (peer ? [{ ours: own.name, peer: name }] : [])));
    for (const { name, missing, version } of peers) say(`${name}: ${missing ?? version}\n`);
    const table = new Table(
      present.map(({ name }) => name),
      pairs,
    );
    say(`\n${table.header()}`);
    const guests: RowResult[] = [];
    for (const row of rows) {
      const result = await this.measure(row, present);
      if (this.closed) break;
      guests.push(result);
      say(table.row(result));
    }
    const summary = means(guests, pairs);
    say(`\n${table.means(summary)}`);
    return {
      host: { processor: cpus()[0]?.model ?? 'unknown', node: process.version },
      engines: engines.map(({ name, version, missing }) => ({ name, version, missing })),
      quick,
      repeat,
      guests,
      means: summary,
    };
  }

  private async measure(row: Row, engines: readonly BenchEngine[]): Promise<RowResult> {
    const { quick, repeat, limitSeconds } = this.options;
    const rounds = roundsOf(row, quick);
    const files: GuestFiles = { image: join(this.work, 'guest.bin'), rom: join(this.work, 'rom.bin'), folder: this.work };
    writeFileSync(files.image, guestImage(this.folder, row, rounds));
    writeFileSync(files.rom, romImage(this.folder, files.image));
    const expected = expectedChecksum(row, rounds).toString(16).padStart(8, '0');
    const outcomes = new Map<string, Outcome>();
    for (const engine of engines.filter(({ widths }) => widths.includes(row.width))) {
      const runs: Outcome[] = [];
      for (let run = 0; run < repeat && !this.closed; run++) {
        runs.push(await this.runner.run(engine.way(files, row.width), { limitSeconds, counts: engine.counts }));
        if ('problem' in runs[run]) break;
      }
      if (runs.length > 0) outcomes.set(engine.name, best(runs, expected));
    }
    const own = engines.filter(({ peer }) => peer === undefined).map(({ name }) => name);
    return rowResult({ id: row.id, kind: row.kind, width: row.width, rounds, expected }, outcomes, own);
  }
}

/** Whether an engine's result was wrong, or one of ours did not come to its end. */
export function hasFailed({ guests, engines }: BenchReport): boolean {
  const peers = new Set<string>(['v86', 'bochs', 'qemu']);
  const own = new Set(engines.map(({ name }) => name).filter((name) => !peers.has(name)));
  return guests.some((row) =>
    Object.entries(row.engines).some(([name, { correct, problem }]) => (problem === undefined ? !correct : own.has(name))),
  );
}
