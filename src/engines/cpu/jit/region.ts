/**
 * Regions: blocks that are compiled together into one function, found by following direct transfers of control from a hot block
 * through what has been decoded, that is, run at least once.
 *
 * Places in a region are distances in bytes from its origin, the start of the linear page in which it was found, so that it serves
 * every linear address and CS base that its physical pages are run at.
 */
import type { Instruction } from '../../../isa/types';
import { FRAME_SIZE } from '../../machine/physical-memory';
import type { Block, BlockCache } from '../interpreter/blocks';
import { RECORD_SIZE } from '../interpreter/records';
import type { GraphNode } from './structure';

const MAX_BLOCKS = 600;
/** V8's optimizing compiler takes more memory for a function the larger that is, and out of proportion: at 2400, twice as much as at 1500. */
const MAX_INSTRUCTIONS = 1000;

/** Control leaves a block to these distances. */
interface Ways {
  /** The target of a direct transfer, and what follows the block where control can get there directly. */
  readonly taken?: number;
  readonly fall?: number;
  /** Where control will come back to: from a call, or from the interpreter that carries out the last instruction. */
  readonly back?: number;
}

export interface RegionBlock extends Ways {
  readonly block: Block;
  readonly distance: number;
  readonly list: readonly Instruction[];
  /** The last instruction is for the interpreter. */
  readonly helper: boolean;
}

/** Blocks one behind the other, of which the first alone is entered from elsewhere: a node of the region's graph. */
export class Trace implements GraphNode {
  readonly blocks: RegionBlock[];
  successors: readonly Trace[] = [];

  constructor(first: RegionBlock) {
    this.blocks = [first];
  }

  get head(): RegionBlock {
    return this.blocks[0];
  }

  get instructions(): number {
    return this.blocks.reduce((sum, { list }) => sum + list.length, 0);
  }
}

export interface Region {
  readonly blocks: readonly RegionBlock[];
  readonly traces: readonly Trace[];
  readonly entries: readonly Trace[];
  /** The trace that starts at a distance. */
  readonly starts: ReadonlyMap<number, Trace>;
}

export interface RegionSource {
  readonly cache: BlockCache;
  /** Whether the interpreter has to carry out an instruction. */
  isHelper(instruction: Instruction): boolean;
  /** Whether a block that a way leads to becomes part of the region. */
  belongs(block: Block): boolean;
  /** The frame that a page of the region's linear neighbourhood is known to run from; the origin's is number 0. */
  frameAt(page: number): number | undefined;
  /** Whether blocks of a page may be entries. */
  owns(page: number): boolean;
}

function instructionsOf(cache: BlockCache, block: Block): Instruction[] {
  return Array.from({ length: block.instructions }, (_, i) => cache.instructionAt(block.start + (i + 1) * RECORD_SIZE) as Instruction);
}

function waysOf(list: readonly Instruction[], helper: boolean, end: number): Ways {
  const last = list[list.length - 1];
  const [operand] = last.operands;
  const taken = operand?.kind === 'relative' ? end + operand.displacement : undefined;
  if (helper) return { back: end };
  switch (last.row.flow) {
    case 'branch':
      return { taken, fall: end };
    case 'jump':
      return { taken };
    case 'call':
      return { taken, back: end };
    case 'next':
    case 'serialize':
      return { fall: end };
    default:
      return {};
  }
}

/**
 * Finds the region of a block.
 * @param seeds blocks of its page that belong to it even if no way leads there
 * @param forced those of them that have to be entries
 * @param far entries in any page, as distances
 */
export function findRegion(
  source: RegionSource,
  first: Block,
  seeds: readonly Block[],
  forced: readonly Block[],
  far: readonly number[] = [],
): Region {
  const { cache } = source;
  const known = new Map<number, RegionBlock>();
  const entries = new Set<number>([...forced.map((block) => block.from), ...far]);
  const queue: number[] = [first.from, ...seeds.map((block) => block.from), ...far];
  let instructions = 0;
  const blockAt = (distance: number): Block | undefined => {
    const frame = source.frameAt(Math.floor(distance / FRAME_SIZE));
    return frame === undefined ? undefined : cache.alike(first, frame, distance & (FRAME_SIZE - 1));
  };
  for (let distance = queue.shift(); distance !== undefined; distance = queue.shift()) {
    if (known.has(distance) || known.size >= MAX_BLOCKS || instructions >= MAX_INSTRUCTIONS) continue;
    const block = blockAt(distance);
    if (!block || (block !== first && !source.belongs(block))) continue;
    const list = instructionsOf(cache, block);
    const helper = source.isHelper(list[list.length - 1]);
    const ways = waysOf(list, helper, distance + block.to - block.from);
    known.set(distance, { block, distance, list, helper, ...ways });
    instructions += list.length;
    for (const next of [ways.fall, ways.taken]) if (next !== undefined) queue.push(next);
    const owned = (to: number): boolean => source.owns(Math.floor(to / FRAME_SIZE));
    // What lies in another page is entered through that page's own regions.
    if (!owned(distance)) continue;
    if (ways.back !== undefined && owned(ways.back)) {
      queue.push(ways.back);
      entries.add(ways.back);
    }
    // Loops are entered at their heads again after interrupts, functions from elsewhere.
    const head = ways.taken !== undefined && (ways.taken <= distance || list[list.length - 1].row.flow === 'call');
    if (head && owned(ways.taken)) entries.add(ways.taken);
  }
  return arrange([...known.values()], entries);
}

/** Adds what direct ways lead to from a block. */
function reach(from: RegionBlock | undefined, byDistance: ReadonlyMap<number, RegionBlock>, reached: Set<RegionBlock>): void {
  const queue = [from];
  for (let block = queue.pop(); block; block = queue.pop()) {
    if (reached.has(block)) continue;
    reached.add(block);
    for (const to of [block.taken, block.fall]) {
      const next = to === undefined ? undefined : byDistance.get(to);
      if (next) queue.push(next);
    }
  }
}

/** Puts blocks that can only follow one another into traces. */
function arrange(blocks: readonly RegionBlock[], wanted: ReadonlySet<number>): Region {
  const byDistance = new Map(blocks.map((block) => [block.distance, block]));
  const ways = new Map<number, number>();
  for (const { taken, fall } of blocks) {
    for (const to of [taken, fall]) if (to !== undefined) ways.set(to, (ways.get(to) ?? 0) + 1);
  }
  // Where nothing leads inside the region, something else does.
  const entryDistances = new Set([...wanted, ...blocks.map(({ distance }) => distance).filter((distance) => !ways.has(distance))]);
  // So it is with a circle of blocks into which nothing leads: one of them has to be an entry.
  const reached = new Set<RegionBlock>();
  for (const distance of entryDistances) reach(byDistance.get(distance), byDistance, reached);
  for (const block of blocks) {
    if (reached.has(block)) continue;
    entryDistances.add(block.distance);
    reach(block, byDistance, reached);
  }
  const follower = ({ taken, fall }: RegionBlock): RegionBlock | undefined => {
    const to = fall ?? taken;
    return to === undefined || ways.get(to) !== 1 || entryDistances.has(to) ? undefined : byDistance.get(to);
  };
  const followers = new Set(blocks.map(follower));
  const starts = new Map<number, Trace>();
  for (const block of blocks) {
    if (followers.has(block)) continue;
    const trace = new Trace(block);
    for (let next = follower(block); next; next = follower(next)) trace.blocks.push(next);
    starts.set(block.distance, trace);
  }
  const traces = [...starts.values()];
  for (const trace of traces) {
    const targets = trace.blocks.flatMap(({ taken, fall }) => [taken, fall]).map((to) => (to === undefined ? undefined : starts.get(to)));
    trace.successors = [...new Set(targets.filter((target) => target !== undefined))];
  }
  const entries = traces.filter(({ head }) => entryDistances.has(head.distance));
  return { blocks, traces, entries, starts };
}
