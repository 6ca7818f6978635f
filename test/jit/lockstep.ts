/**
 * One guest on two machines, compared after every slice of instructions. They differ in their tiers, and in who changes privilege: in
 * the first, which has a probe on every transition, TypeScript alone.
 */
import type { Engine } from '../../src/engines/engine';
import { RESERVED } from '../../src/engines/cpu/layout';
import { randomSource } from '../isa/random';
import { memoryDifference, sideOf, stateDifference } from './state';

/** Makes the machine, switched on. */
export type Make = (tiers: 'all' | 'interpreter', heat: number) => Engine;

export interface LockstepOptions {
  /** Times that a block runs before it is compiled. */
  readonly heat: number;
  /** At most so many. */
  readonly instructions: number;
  readonly seed?: number;
  /** Instructions between two comparisons of all memory. */
  readonly memoryEvery?: number;
}

/** How long a slice is: mostly short ones of any length, now and then one in which loops become hot. */
function sliceLength(random: () => number): number {
  const kind = random() % 64;
  if (kind < 48) return 1 + (random() % 300);
  if (kind < 63) return 1 + (random() % 5000);
  return 1 + (random() % 200_000);
}

export interface LockstepResult {
  /** What differed, and where; empty for nothing. */
  readonly difference: string;
  readonly instructions: number;
  /** How the guest ended, or `slice` where it did not. */
  readonly reason: string;
  readonly stats: Readonly<Record<string, number>>;
  readonly serial: string;
}

/** The first row that differs of those logged since. */
function logDifference([a, b]: readonly [Engine, Engine], since: number): string {
  const [x, y] = [a.transitions, b.transitions];
  for (let row = since; row < Math.max(x.total, y.total); row++) {
    const rows = [x.raw(row), y.raw(row)].map((found) => JSON.stringify(found));
    if (rows[0] !== rows[1]) return ` transition ${row}: ${rows.join(' | ')}`;
  }
  return '';
}

/** @returns where the two part */
export function lockstep(make: Make, { heat, instructions, seed = 1, memoryEvery = 2_000_000 }: LockstepOptions): LockstepResult {
  const engines = [make('interpreter', heat), make('all', heat)] as const;
  const random = randomSource(seed);
  const said = ['', ''];
  engines.forEach((engine, i) => {
    engine.onOutput = (channel, byte) => {
      if (channel === 'serial0') said[i] += String.fromCharCode(byte);
    };
  });
  let checked = 0;
  engines[0].probes.add({ kind: 'transition' }, () => false);
  const [a, b] = engines.map(sideOf);
  let logged = 0;
  for (;;) {
    const before = engines[0].instructionCount;
    const ip = a.cpus.current.state.instructionAddress;
    const length = Math.min(sliceLength(random), instructions - before);
    const [x, y] = engines.map((engine) => engine.run({ instructions: length }));
    let difference = x.reason === y.reason ? '' : `${x.reason} ${x.text ?? ''} | ${y.reason} ${y.text ?? ''}; `;
    difference += stateDifference(a, b) + logDifference(engines, logged);
    logged = engines[0].transitions.total;
    const now = engines[0].instructionCount;
    const over = x.reason !== 'slice' || now >= instructions;
    if (over || now - checked >= memoryEvery) {
      checked = now;
      difference += memoryDifference(a, b, RESERVED);
      if (said[0] !== said[1]) difference += ' COM1 differs';
    }
    if (difference !== '' || over) {
      const where = difference && `in ${length} instructions from 0x${ip.toString(16)}, ${before} after the start: `;
      return {
        difference: where + difference,
        instructions: now,
        reason: x.reason,
        stats: engines[1].stats() as LockstepResult['stats'],
        serial: said[0],
      };
    }
  }
}
