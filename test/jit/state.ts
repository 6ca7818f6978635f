/** The architectural state of two machines, compared where it lies. */
import {
  IP,
  REGISTERS,
  SEGMENT_SIZE,
  SEGMENTS,
  STATE_END,
  SYSTEM,
  VECTOR_STATE,
  VECTOR_STATE_END,
  ZERO,
} from '../../src/engines/cpu/layout';
import type { Processors } from '../../src/engines/cpu/processors';
import { EmulatorEngine } from '../../src/engines/emulator/engine';
import type { Engine } from '../../src/engines/engine';
import type { HostMemory } from '../../src/engines/machine/host-memory';

/** One of the two. */
export interface Side {
  readonly cpus: Processors;
  readonly host: HostMemory;
}

/** Words of the state that are the architecture's own; status flags lie elsewhere in a form that has many ways to say the same. */
const AREAS: readonly (readonly [name: string, from: number, to: number])[] = [
  ['register', REGISTERS, ZERO],
  ['IP', IP, IP + 8],
  ['segment', SEGMENTS, SEGMENTS + 8 * SEGMENT_SIZE],
  ['system', SYSTEM, STATE_END],
  ['vector', VECTOR_STATE, VECTOR_STATE_END],
];

const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');

/** What an emulator is made of. */
export function sideOf(engine: Engine): Side {
  if (!(engine instanceof EmulatorEngine)) throw new Error('another engine');
  const { pc, cpus } = Reflect.get(engine, 'machine') as { pc: object; cpus: Processors };
  return { cpus, host: Reflect.get(Reflect.get(pc, 'memory') as object, 'host') as HostMemory };
}

/**
 * What differs in the processors' states and in the count of instructions, or an empty text.
 * @param ahead instructions that the first had run more before they began
 */
export function stateDifference(a: Side, b: Side, ahead = 0): string {
  const found: string[] = [];
  const [count, otherCount] = [a.cpus.instructionCount - ahead, b.cpus.instructionCount];
  if (count !== otherCount) found.push(`count ${count} | ${otherCount}`);
  const turn = a.cpus.list.indexOf(a.cpus.current);
  const other = b.cpus.list.indexOf(b.cpus.current);
  if (turn !== other) found.push(`turn ${turn} | ${other}`);
  for (let i = a.cpus.list.length - 1; i >= 0; i--) {
    const [x, y] = [a, b].map(({ cpus }) => cpus.load((turn + i) % cpus.list.length).state);
    if (x.eflags !== y.eflags) found.push(`EFLAGS ${hex(x.eflags)} | ${hex(y.eflags)}`);
    for (const [name, from, to] of AREAS) {
      for (let at = from >> 2; at < to >> 2; at++) {
        if (a.host.u32[at] === b.host.u32[at]) continue;
        found.push(`${name}+0x${(at * 4 - from).toString(16)} ${hex(a.host.u32[at])} | ${hex(b.host.u32[at])}`);
      }
    }
  }
  return found.join('; ');
}

/** The first bytes of guest memory that differ, or an empty text. @param from host offset @param length in bytes, 0 for all there is */
export function memoryDifference(a: Side, b: Side, from: number, length = 0): string {
  const [x, y] = [a, b].map(({ host }) => host.u8.subarray(from, length ? from + length : undefined));
  if (Buffer.compare(x, y) === 0) return '';
  const at = x.findIndex((byte, i) => byte !== y[i]);
  const bytes = (all: Uint8Array): string => Buffer.from(all.subarray(at, at + 8)).toString('hex');
  return `memory+0x${at.toString(16)} ${bytes(x)} | ${bytes(y)}`;
}
