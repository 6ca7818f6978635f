/** Cases by the batch: made and run here, run by the silicon beside it, compared. */
import { cpuModel } from '../../src/engines/cpu/system/models';
import { createDecoder, type Decode } from '../../src/isa/decoder';
import { type Case, type CaseFilter, CaseSource, Input } from './cases';
import { Comparison, reachesHarness, sideOf } from './compare';
import type { Native } from './native';
import { Results, sizeAt } from './results';
import { Subject } from './subject';
import { inputHead, type Width } from './wire';

const BATCH = 20_000;

export interface RunOptions {
  readonly cases: number;
  /** Which random cases. */
  readonly seed: number;
  /** Rows alone whose mnemonic, semantics or feature matches. */
  readonly rows?: RegExp;
  /** All cases run out of compiled blocks, not some of them. */
  readonly compiled?: boolean;
}

interface Batch {
  readonly input: Uint8Array;
  readonly cases: readonly Case[];
  /** Our results, and where in them each lies. */
  readonly ours: Uint8Array;
  readonly places: readonly number[];
  readonly silicon: Promise<Uint8Array>;
}

export class Run {
  private readonly width: Width;
  private readonly native: Native;
  private readonly options: RunOptions;
  private readonly decode: Decode;
  private readonly filter: CaseFilter;
  private readonly differences = new Map<string, string[]>();
  /** Instructions that our side compiled for the cases so far. */
  compiled = 0;

  constructor(width: Width, native: Native, options: RunOptions) {
    this.width = width;
    this.options = options;
    this.native = native;
    const model = cpuModel('max');
    this.decode = createDecoder((row) => model.has(row.feature));
    const { rows, compiled } = options;
    const wants: CaseFilter['wants'] = rows && ((row) => [row.mnemonic, row.semantics, row.feature].some((text) => rows.test(text)));
    this.filter = { shares: native.shares, wants, compiled };
  }

  /** @returns what differed */
  async all(): Promise<string> {
    const { cases, seed } = this.options;
    let before: Batch | undefined;
    for (let done = 0, batch = 0; done < cases; done += BATCH, batch++) {
      const next = this.start(seed * 100_000 + batch, Math.min(BATCH, cases - done));
      if (before) await this.finish(before);
      before = next;
    }
    if (before) await this.finish(before);
    return [...this.differences].map(([key, list]) => `${key}: ${list.length}\n  ${list.slice(0, 3).join('\n  ')}`).join('\n');
  }

  /** Makes cases, runs them here, and lets the silicon begin. */
  private start(seed: number, count: number): Batch {
    const source = new CaseSource(this.width, seed, this.decode, this.filter);
    const data = source.data();
    const subject = new Subject(this.width, data);
    const input = new Input(count + 1);
    const results = new Results();
    const cases: Case[] = [];
    const places: number[] = [];
    while (cases.length < count) {
      const test = source.next(input);
      const place = subject.run(test, input.bytes, results);
      if (place === undefined || reachesHarness(results, place, this.width)) {
        input.end = test.at;
        if (place !== undefined) results.drop(place);
        continue;
      }
      cases.push(test);
      places.push(place);
    }
    this.compiled += subject.compiled;
    const { bytes } = input;
    const silicon = this.native.run(inputHead(data, cases.length), bytes.subarray(0, input.end));
    return { input: bytes, cases, ours: results.u8, places, silicon };
  }

  private async finish({ input, cases, ours, places, silicon: promised }: Batch): Promise<void> {
    const silicon = sideOf(await promised);
    const comparison = new Comparison(input, sideOf(ours), silicon);
    let at = 0;
    cases.forEach((test, i) => {
      if (at >= silicon.u8.length) throw new Error(`the harness ended at ${comparison.describe(cases[Math.max(0, i - 1)])}`);
      const found = comparison.difference(test, places[i], at);
      at += sizeAt(silicon.u16, at);
      if (!found) return;
      const key = test.instruction?.row.mnemonic ?? 'no instruction of ours';
      this.differences.set(key, [...(this.differences.get(key) ?? []), `${comparison.describe(test)}: ${found}`]);
    });
  }
}
