/** The profile of a run as text. */
import type { Statistics } from '../shared/statistics';

/** Adds up the time that some calls take. */
export class Stopwatch {
  private milliseconds = 0;

  readonly measure = (work: () => void): void => {
    const started = performance.now();
    try {
      work();
    } finally {
      this.milliseconds += performance.now() - started;
    }
  };

  get seconds(): number {
    return this.milliseconds / 1000;
  }
}

export interface RunFacts {
  readonly instructions: number;
  readonly seconds: number;
  readonly compileSeconds: number;
}

/** Mnemonics listed one by one; the others are one line. */
const MOST_MNEMONICS = 24;
const LABEL = 26;
const NUMBER = 16;

const line = (label: string, value: number, more = ''): string =>
  `${label.padEnd(LABEL)}${value.toLocaleString('en').padStart(NUMBER)}${more}`;
const percent = (part: number, whole: number): string => (whole === 0 ? '' : `${((100 * part) / whole).toFixed(1).padStart(8)} %`);

/** The largest entries of a table that has them first, with their shares, and one for the rest. */
function shares(table: Readonly<Record<string, number>>, most = Infinity): string[] {
  const entries = Object.entries(table);
  const total = entries.reduce((sum, [, count]) => sum + count, 0);
  const rest = entries.slice(most).reduce((sum, [, count]) => sum + count, 0);
  const lines = entries.slice(0, most).map(([name, count]) => line(`  ${name}`, count, percent(count, total)));
  return rest > 0 ? [...lines, line(`  ${entries.length - most} others`, rest, percent(rest, total))] : lines;
}

/** Titles of the tables among the statistics, in the order in which they are shown. */
const TABLES: Readonly<Record<string, readonly [title: string, most?: number]>> = {
  instructionsByTier: ['instructions by tier'],
  instructionsByClass: ['instructions by class'],
  instructionsByMnemonic: ['instructions by mnemonic', MOST_MNEMONICS],
  regionExits: ['exits from compiled code'],
};

/** @returns lines for people, each ended */
export function profileTable(stats: Statistics, { instructions, seconds, compileSeconds }: RunFacts): string {
  const lines = [
    // What the guest wrote need not have ended its line.
    '',
    line('instructions', instructions, `   in ${seconds.toFixed(3)} s, of which ${compileSeconds.toFixed(3)} s in the compiler`),
  ];
  for (const [name, [title, most]] of Object.entries(TABLES)) {
    const table = stats[name];
    if (typeof table !== 'object') continue;
    const some = Object.fromEntries(Object.entries(table).filter(([, count]) => count !== 0));
    lines.push('', title, ...shares(some, most));
  }
  lines.push('', 'counters');
  for (const [name, value] of Object.entries(stats)) {
    if (typeof value !== 'number') continue;
    // `invalidatedBlocks` is "invalidated blocks".
    lines.push(line(`  ${name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)}`, value));
  }
  return `${lines.join('\n')}\n`;
}
