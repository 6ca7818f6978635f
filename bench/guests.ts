/** The benchmark's guests: what each does, and how much of it. */
import * as models from './models';

export type Width = 32 | 64;

/** What one call of a guest's `round` returns, by an independent calculation. @param round from 0 */
export type Model = (width: Width, round: number) => number;

export interface Guest {
  /** Its source is `guests/<source>.asm`. */
  readonly name: string;
  readonly source: string;
  /** Guests of a kind count as one in the mean over kinds. */
  readonly kind: string;
  readonly widths: readonly Width[];
  /** Calls of `round` in a whole run. */
  readonly rounds: number;
  /** Macros of the source. */
  readonly defines: Readonly<Record<string, string>>;
  readonly model: Model;
  /** Where there is one more value behind the last round. */
  readonly finish?: (width: Width, rounds: number) => number;
}

const BOTH: readonly Width[] = [32, 64];

const guest = (name: string, kind: string, rounds: number, model: Model, more: Partial<Guest> = {}): Guest => ({
  name,
  source: name,
  kind,
  rounds,
  model,
  widths: BOTH,
  defines: {},
  ...more,
});

/** Sized so that QEMU takes 0.3 s and more on a machine of 2020. */
export const GUESTS: readonly Guest[] = [
  guest('loop-tight', 'integer loop', 1000, models.loopTight),
  guest('loop-registers', 'integer loop', 5000, models.loopRegisters),
  guest('loop-memory', 'integer loop', 10_000, models.loopMemory),
  guest('sieve', 'sieve', 300, models.sieve),
  guest('crc32', 'CRC32', 1000, models.crc32),
  guest('sha256', 'SHA-256', 1000, models.sha256),
  guest('quicksort', 'quicksort', 200, models.quicksort),
];

/** One guest at one width: a row of the table. */
export interface Row extends Guest {
  readonly width: Width;
  /** `sieve-32`. */
  readonly id: string;
}

export const ROWS: readonly Row[] = GUESTS.flatMap((entry) =>
  entry.widths.map((width) => ({ ...entry, width, id: `${entry.name}-${width}` })),
).sort((a, b) => a.width - b.width);

/** As the guest folds what its rounds return. */
export function expectedChecksum({ model, finish, width }: Row, rounds: number): number {
  let checksum = 0;
  const fold = (value: number): void => {
    checksum = (((checksum << 1) | (checksum >>> 31)) + value) >>> 0;
  };
  for (let round = 0; round < rounds; round++) fold(model(width, round));
  if (finish) fold(finish(width, rounds));
  return checksum;
}
