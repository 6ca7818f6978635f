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

const PIECES: readonly { readonly title: string; readonly bytes: number }[] = [
  { title: '16', bytes: 16 },
  { title: '256', bytes: 256 },
  { title: '4k', bytes: 4096 },
  { title: '1m', bytes: 1 << 20 },
];

/** memcpy and memset, by string instructions and by loops, in pieces of several sizes; 64-bit at one size alone. */
const MEMORY_GUESTS: readonly Guest[] = [true, false].flatMap((copy) =>
  [true, false].flatMap((rep) =>
    PIECES.map(({ title, bytes }) =>
      guest(
        `${copy ? 'memcpy' : 'memset'}-${rep ? 'rep' : 'loop'}-${title}`,
        copy ? 'memcpy' : 'memset',
        300,
        copy ? models.memcpy : models.memset,
        {
          source: 'memory',
          widths: bytes === 4096 ? BOTH : [32],
          defines: { SIZE: String(bytes), ...(copy ? { COPY: '' } : {}), ...(rep ? { REP: '' } : {}) },
          finish: copy ? models.memcpyFinish : models.memsetFinish,
        },
      ),
    ),
  ),
);

/** Sized so that QEMU takes 0.3 s and more on a machine of 2020. */
export const GUESTS: readonly Guest[] = [
  guest('loop-tight', 'integer loop', 150, models.loopTight),
  guest('loop-registers', 'integer loop', 2000, models.loopRegisters),
  guest('loop-memory', 'integer loop', 5000, models.loopMemory),
  guest('sieve', 'sieve', 250, models.sieve),
  guest('crc32', 'CRC32', 1000, models.crc32),
  guest('sha256', 'SHA-256', 2500, models.sha256),
  guest('quicksort', 'quicksort', 200, models.quicksort),
  ...MEMORY_GUESTS,
  guest('list-walk', 'linked-list walk', 600, models.listWalk),
  guest('indirect-jumps', 'indirect calls', 3000, models.byteCode, { source: 'byte-code' }),
  guest('indirect-calls', 'indirect calls', 3000, models.byteCode, { source: 'byte-code', defines: { CALLS: '' } }),
  guest('fib', 'call and return', 2000, models.fib),
  guest('self-modify', 'self-modifying code', 15, models.selfModify),
  guest('code-generator', 'self-modifying code', 2000, models.codeGenerator),
  guest('page-faults', 'page faults', 600, models.pageFaults),
  guest('system-calls-int', 'system calls', 500, models.systemCalls, { source: 'system-calls', defines: { CALL: '1' } }),
  guest('sysenter', 'system calls', 1500, models.systemCalls, { source: 'system-calls', defines: { CALL: '2' }, widths: [32] }),
  guest('syscall', 'system calls', 1500, models.systemCalls, { source: 'system-calls', defines: { CALL: '3' }, widths: [64] }),
  guest('interrupts', 'interrupts', 1000, models.interrupts),
  guest('port-io', 'port I/O', 1500, models.portIo),
  guest('x87', 'x87', 800, models.x87),
  guest('sse-scalar', 'SSE', 400, models.sseScalar),
  guest('sse-packed', 'SSE', 2500, models.ssePacked),
  guest('sse-integer', 'SSE', 1500, models.sseInteger),
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
