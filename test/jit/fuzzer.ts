/** Runs random programs on both tiers, and makes a program on which they differ small. */
import type { HandlerSet } from '../../src/engines/cpu/interpreter/handlers';
import { isFailure } from '../../src/isa/decoder';
import { format } from '../../src/isa/formatter';
import { decode } from './instructions';
import { type Action, type Case, type Layout, layOut, makeCase, type Slice } from './program';
import { memoryDifference, type Side, stateDifference } from './state';
import { CODE, codeLinear, type Mode, RAM_SIZE, World } from './world';

/** Cases after which machines are made anew. */
const CASES_A_WORLD = 400;
/** Minimising runs so many programs at most. */
const MOST_TRIES = 600;

class Diverged extends Error {}

export class Fuzzer {
  private readonly handlers: HandlerSet;
  private worlds: readonly [World, World] | undefined;
  private used = 0;
  /** Instructions that one side ran. */
  instructions = 0;
  compiled = 0;
  regions = 0;
  invalidated = 0;
  revived = 0;
  softened = 0;

  constructor(handlers: HandlerSet) {
    this.handlers = handlers;
  }

  /** @returns the two tiers' difference in the program of a seed, told at length; empty for none */
  run(mode: Mode, seed: number): string {
    const test = makeCase(mode, seed);
    const found = this.difference(test, false);
    if (found === '') return '';
    const alone = this.difference(test, true);
    if (alone === '') return `${mode.name} seed ${seed}: only after the programs before it: ${found}`;
    const small = this.minimise(test);
    return `${mode.name} seed ${seed}: ${this.difference(small, true)}\n${describe(small)}`;
  }

  /** @param fresh on machines that have run nothing before */
  difference(test: Case, fresh: boolean): string {
    if (fresh || !this.worlds || this.used++ >= CASES_A_WORLD) {
      this.countUp();
      const make = (tiers: 'all' | 'interpreter'): World => new World(this.handlers, tiers, test.heat);
      this.worlds = [make('interpreter'), make('all')];
      this.worlds.forEach((world, side) => (world.revives = side === 1));
      this.used = 0;
    }
    const [a, b] = this.worlds;
    try {
      this.compare(test, layOut(test), a, b);
      return '';
    } catch (error) {
      this.countUp();
      this.worlds = undefined;
      if (error instanceof Diverged) return error.message;
      return error instanceof Error ? `throws ${error.stack?.split('\n').slice(0, 4).join(' ') ?? error.message}` : String(error);
    }
  }

  private countUp(): void {
    const statistics = this.worlds?.[1].cpus.compiler?.statistics;
    this.compiled += statistics?.compiledInstructions ?? 0;
    this.regions += statistics?.regions ?? 0;
    this.invalidated += statistics?.invalidatedRegions ?? 0;
    this.revived += (statistics?.revivedRegions ?? 0) + (this.worlds?.[1].cpus.blocks.revived ?? 0);
    this.softened += this.worlds?.[1].cpus.blocks.dropped.softened ?? 0;
  }

  /** Adds the present machines' statistics. */
  finish(): void {
    this.countUp();
    this.worlds = undefined;
  }

  /** @throws Diverged */
  private compare(test: Case, layout: Layout, a: World, b: World): void {
    for (const world of [a, b]) {
      world.heat = test.heat;
      world.load(layout);
    }
    const sides: readonly [Side, Side] = [
      { cpus: a.cpus, host: a.host },
      { cpus: b.cpus, host: b.host },
    ];
    const bases = [a, b].map((world) => world.cpus.instructionCount - world.count);
    test.slices.forEach((slice, i) => {
      const ip = a.address;
      const ends = [a, b].map((world, side) => runSlice(world, slice, side === 0 ? 1 : slice.parts, layout));
      const found = [ends[0] === ends[1] ? '' : `${ends[0]} | ${ends[1]}`];
      found.push(stateDifference(...sides, bases[0] - bases[1]));
      found.push(memoryDifference(...sides, a.ram, RAM_SIZE));
      if (a.seen !== b.seen) found.push('devices saw other things, or at other times');
      const text = found.filter((each) => each !== '').join('; ');
      if (text) throw new Diverged(`slice ${i} of ${slice.instructions} from 0x${ip.toString(16)}: ${text.slice(0, 1200)}`);
    });
    this.instructions += a.count;
  }

  private minimise(test: Case): Case {
    let best = test;
    let tries = 0;
    const better = (candidate: Case): boolean => {
      if (tries++ > MOST_TRIES || this.difference(candidate, true) === '') return false;
      best = candidate;
      return true;
    };
    const failing = Number(/slice (\d+)/.exec(this.difference(test, true))?.[1] ?? test.slices.length);
    better({ ...best, slices: best.slices.slice(0, failing + 1) });
    better({ ...best, slices: best.slices.map(({ instructions, parts }) => ({ instructions, parts })) });
    better({ ...best, slices: best.slices.map((slice) => ({ ...slice, parts: 1 })) });
    better({ ...best, intervals: [] });
    for (let size = Math.ceil(best.items.length / 2); size >= 1; size = size > 1 ? Math.ceil(size / 2) : 0) {
      for (let from = 0; from < best.items.length; from += size) {
        if (best.items.slice(from, from + size).every(({ bytes }) => bytes.length === 0)) continue;
        better({ ...best, items: best.items.map((item, i) => (i >= from && i < from + size ? { bytes: [], fixups: [] } : item)) });
      }
    }
    for (let i = best.slices.length - 2; i >= 0; i--) {
      const [first, second] = best.slices.slice(i, i + 2);
      const joined: Slice = { ...first, instructions: first.instructions + second.instructions, parts: 1 };
      if (!second.before) better({ ...best, slices: [...best.slices.slice(0, i), joined, ...best.slices.slice(i + 2)] });
    }
    return best;
  }
}

function act(world: World, action: Action, { places, mode }: Layout): void {
  switch (action.kind) {
    case 'watch':
      return world.watch(action.addresses);
    case 'poke':
      return world.poke(CODE + places[action.item] + action.delta, Uint8Array.from(action.bytes));
    case 'probe':
      return world.probe(codeLinear(mode) + places[action.item] + action.delta, action.stops);
  }
}

/** @returns how it ended */
function runSlice(world: World, { instructions, before }: Slice, parts: number, layout: Layout): string {
  if (before) act(world, before, layout);
  const end = world.count + instructions;
  const ends: string[] = [];
  for (let part = 1; part <= parts; part++) {
    const until = part === parts ? end : end - Math.floor((instructions * (parts - part)) / parts);
    while (world.count < until) {
      const at = world.count;
      const { reason } = world.cpus.run(until - at);
      if (reason === 'limit') break;
      ends.push(`${reason} at ${world.count}`);
      if (reason !== 'requested' || ends.length > 200) return ends.join();
      world.cpu.passProbes();
    }
  }
  return ends.join();
}

/** The program, as it lies in memory. */
export function describe(test: Case): string {
  const { mode, items, registers, flags, heat, slices, intervals } = test;
  const { places, code, start } = layOut(test);
  const lines = items.flatMap((_, i) => {
    const out: string[] = [];
    for (let at = places[i]; at < places[i + 1]; ) {
      const instruction = decode(code, at, mode.bits);
      const length = isFailure(instruction) ? Math.min(1, places[i + 1] - at) : instruction.length;
      const text = isFailure(instruction) ? 'db' : format(instruction, { address: codeLinear(mode) + at });
      const bytes = Buffer.from(code.subarray(at, at + length)).toString('hex');
      out.push(`  ${(codeLinear(mode) + at).toString(16)}  ${bytes.padEnd(24)} ${text}`);
      at += length;
    }
    return out;
  });
  const values = registers.map((value) => (value >>> 0).toString(16)).join(' ');
  const cuts = slices
    .map(({ instructions, parts, before }) => `${before ? `${JSON.stringify(before)} ` : ''}${instructions}/${parts}`)
    .join(', ');
  const head = `  IP ${start.toString(16)} flags ${flags.toString(16)} heat ${heat} timer ${intervals.join()} registers ${values}\n  slices ${cuts}`;
  return [head, ...lines].join('\n');
}
