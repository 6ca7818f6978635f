/** The benchmark's results as text. */
import type { MeanResult, RowResult } from './results';

const NAME_WIDTH = 22;
const COUNT_WIDTH = 10;
const CELL_WIDTH = 12;

const cell = (text: string, width = CELL_WIDTH): string => ` ${text.padStart(width - 1)}`;

/** Three digits that matter. */
export function digits(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value >= 10 ? value.toFixed(1) : value.toFixed(value >= 1 ? 2 : 3);
}

/** Pairs of ours and a peer. */
export interface Pair {
  readonly ours: string;
  readonly peer: string;
}

/** The interpreter alone, or all of ours. */
export const pairText = ({ ours, peer }: Pair): string => `${ours === 'interpreter' ? 'interp' : 'ours'}/${peer}`;

export class Table {
  private readonly engines: readonly string[];
  private readonly pairs: readonly Pair[];

  constructor(engines: readonly string[], pairs: readonly Pair[]) {
    this.engines = engines;
    this.pairs = pairs;
  }

  header(): string {
    const group = (title: string, count: number): string => (count > 0 ? ` ${` ${title} `.padStart(CELL_WIDTH * count - 1, '·')}` : '');
    const titles = [
      group('seconds', this.engines.length),
      group('MIPS', this.engines.length),
      group('speed, ours over theirs', this.pairs.length),
    ];
    const names = [...this.engines, ...this.engines, ...this.pairs.map((pair) => pairText(pair))].map((name) => cell(name));
    const first = `${'guest'.padEnd(NAME_WIDTH)}${cell('M instr.', COUNT_WIDTH)}`;
    return `${' '.repeat(first.length)}${titles.join('')}\n${first}${names.join('')}\n`;
  }

  row(row: RowResult): string {
    const seconds = this.engines.map((name) => {
      const outcome = row.engines[name];
      if (outcome === undefined) return '–';
      if (outcome.problem !== undefined) return 'failed';
      return outcome.correct ? outcome.seconds!.toFixed(3) : 'WRONG';
    });
    const mips = this.engines.map((name) => row.engines[name]?.mips).map((value) => (value === undefined ? '–' : digits(value)));
    const ratios = this.pairs.map(({ ours, peer }) => row.ratios[ours]?.[peer]).map((value) => (value === undefined ? '–' : digits(value)));
    const count = row.instructions === undefined ? '–' : digits(row.instructions / 1e6);
    const notes = Object.entries(row.engines).flatMap(([name, { problem, checksum, correct }]) => {
      if (problem !== undefined) return [`  ${name}: ${problem}\n`];
      return correct ? [] : [`  ${name}: wrong checksum ${checksum}, expected ${row.expected}\n`];
    });
    return `${row.id.padEnd(NAME_WIDTH)}${cell(count, COUNT_WIDTH)}${[...seconds, ...mips, ...ratios].map((text) => cell(text)).join('')}\n${notes.join('')}`;
  }

  means(means: readonly MeanResult[]): string {
    return means
      .map(({ ours, peer, overRows, rows, overKinds, kinds }) =>
        [
          `geometric mean, ${ours} over ${peer}:`.padEnd(NAME_WIDTH + COUNT_WIDTH + 4),
          `${digits(overKinds)} × over ${kinds} kinds of guests, ${digits(overRows)} × over ${rows} guests\n`,
        ].join(' '),
      )
      .join('');
  }
}
