/**
 * The second tier: compiles hot blocks, puts the functions where handlers are found, and takes them away again when their code
 * changes or when there are too many.
 *
 * The ENTER record of a block that a region can be entered at has the region's function as its handler. So everything that finds
 * blocks (links, jump caches, the processor's loop) finds the compiled ones without knowing.
 */
import type { Statistics } from '../../../shared/statistics';
import type { HostMemory } from '../../machine/host-memory';
import { type Block, type BlockCache, kindOf, NEVER_HOT } from '../interpreter/blocks';
import { ACCESS, ACCESS64, type HandlerIndex, type Handlers } from '../interpreter/handlers';
import { ENTER, RECORD } from '../interpreter/records';
import { COUNTER, COUNTERS, REGION_HEAT, REGION_HEAT_WORDS } from '../layout';
import { LIBRARY } from '../semantics/library';
import type { ValueType } from '../wasm/code';
import type { Library } from '../wasm/library';
import { encodeModule, HANDLER, type Signature } from '../wasm/module';
import { findRegion, type Region } from './region';
import { EXIT_COUNTERS, RegionCode } from './region-code';

/** Times that a block is entered before it is compiled: an instruction's compilation costs, all threads counted, what running it so often saves. */
export const DEFAULT_HEAT = 6000;
/** Bytes of WebAssembly that may be in use; the oldest regions go first. */
const MAX_BYTES = 8 << 20;
/** Times that all of a page is compiled anew, and by what its hot code has to have grown for that. */
const MAX_VERSIONS = 10;
const GROWTH = 1.2;
const GROWTH_STEP = 50;
/** Runs that make a block belong to a region that leads to it, but no more than this part of the heat, which does in the same page. */
const WARM_RUNS = 1000;
const WARM = 1 / 2;
/** Times that a region is entered before it is joined with what it leads to, with a heat of so much; four times as many each next time. */
const JOIN_HEAT = 500_000;
const FULL_HEAT = 2000;
const MAX_JOINED = 3;
/** Entries at least of what is joined without a direct way to it, and how much of that. */
const OFTEN = 32;
const MAX_FAR = 64;
/** Farther away nothing is joined, in bytes. */
const MAX_DISTANCE = 1 << 30;
const TABLE_STEP = 256;

const SIGNATURES: ReadonlyMap<string, Signature> = new Map<string, Signature>([
  ...LIBRARY.map(({ name, parameters, results }) => [name, { parameters, results }] as const),
  ['go', HANDLER],
  ['go64', HANDLER],
  ['run', HANDLER],
  ['access', ACCESS],
  ['access64', ACCESS64],
]);

/** Functions of the handlers' module that a region's module imports as it comes to need them. */
class Imports implements Library {
  readonly list: { readonly name: string; readonly type: number }[] = [];
  readonly types: Signature[] = [HANDLER];
  private readonly indexes = new Map<string, number>();
  private readonly typeNumbers = new Map<string, number>([[`${HANDLER.parameters.join()}>${HANDLER.results.join()}`, 0]]);

  readonly index = (name: string): number => {
    let index = this.indexes.get(name);
    if (index === undefined) {
      index = this.list.push({ name, type: this.typeOf(this.signature(name)) }) - 1;
      this.indexes.set(name, index);
    }
    return index;
  };

  private signature(name: string): Signature {
    const signature = SIGNATURES.get(name);
    if (!signature) throw new Error(`no function ${name}`);
    return signature;
  }

  private typeOf(signature: Signature): number {
    const key = `${signature.parameters.join()}>${signature.results.join()}`;
    let number = this.typeNumbers.get(key);
    if (number === undefined) {
      number = this.types.push(signature) - 1;
      this.typeNumbers.set(key, number);
    }
    return number;
  }

  call: Library['call'] = (code, name, ...args) => {
    const results: readonly ValueType[] = this.signature(name).results;
    return code.callMany(this.index(name), results, ...args);
  };
}

/** What is compiled of a frame, as one kind of code. */
interface Page {
  readonly regions: Set<Compiled>;
  /** Times that all of it was made anew, and instructions in the last of them. */
  versions: number;
  size: number;
}

/** What a region is made of. */
interface Plan {
  /** All regions of the page give way to it. */
  readonly whole: boolean;
  readonly seeds: readonly Block[];
  readonly forced: readonly Block[];
  /** See `Compiled`; above 0 it takes in whatever runs, in any page. */
  readonly joined: number;
}

interface Compiled {
  readonly handler: number;
  readonly page: Page;
  /** How many times it was made larger because it was entered so often. */
  readonly joined: number;
  readonly blocks: readonly Block[];
  /** Blocks whose ENTER records lead here. */
  readonly entries: Set<Block>;
  /** All blocks that it can be entered at, and what their records are to hold. */
  readonly ways: ReadonlyMap<Block, { readonly entry: number; readonly distance: number }>;
  /** Blocks whose code is not there: the region sleeps until all have come back. */
  readonly missing: Set<Block>;
  readonly bytes: number;
}

export interface CompilerStatistics extends Statistics {
  /** Since the start: regions compiled, the guest instructions in them, bytes of WebAssembly. */
  readonly regions: number;
  readonly compiledInstructions: number;
  readonly compiledBytes: number;
  /** Regions dropped because their code changed, and to make room. */
  readonly invalidatedRegions: number;
  readonly evictedRegions: number;
  /** Those that were dropped and came back with their code. */
  readonly revivedRegions: number;
  readonly liveRegions: number;
}

function addTo<K, V>(map: Map<K, Set<V>>, key: K, value: V): void {
  const others = map.get(key);
  if (others) others.add(value);
  else map.set(key, new Set([value]));
}

function removeFrom<K, V>(map: Map<K, Set<V>>, key: K, value: V): void {
  const others = map.get(key);
  others?.delete(value);
  if (others?.size === 0) map.delete(key);
}

/** What the compiler may ask of the code around a block. */
export interface Surroundings {
  /** The frame that a linear page runs from, by its distance in pages from the block's own; undefined where that is not known. */
  frameAt(page: number): number | undefined;
  /** ENTER records that the jump cache knows, with their distances from the start of the block's page, in bytes. */
  known(): readonly { readonly distance: number; readonly record: number }[];
}

export class Compiler {
  private readonly host: HostMemory;
  private readonly handlers: Handlers;
  private readonly cache: BlockCache;
  private readonly index: HandlerIndex;
  private readonly firstHandler: number;
  private readonly profiled: boolean;
  private readonly imports: WebAssembly.Imports;
  private readonly live = new Set<Compiled>();
  private readonly byBlock = new Map<Block, Set<Compiled>>();
  /** Regions of which code has changed, and their blocks. */
  private readonly asleep = new Set<Compiled>();
  private readonly asleepByBlock = new Map<Block, Set<Compiled>>();
  private readonly free: number[] = [];
  private readonly pages = new Map<number, Page>();
  /** Blocks that became hot although regions held them. */
  private readonly forced = new Set<Block>();
  /** Blocks that are in regions, or have been. */
  private readonly proven = new Set<Block>();
  /** Hot blocks that are not worth making their page's region anew. */
  private readonly waiting = new Set<Block>();
  private bytes = 0;
  private readonly counts = {
    regions: 0,
    compiledInstructions: 0,
    compiledBytes: 0,
    invalidatedRegions: 0,
    evictedRegions: 0,
    revivedRegions: 0,
  };

  /** @param heat see DEFAULT_HEAT */
  constructor(host: HostMemory, handlers: Handlers, cache: BlockCache, index: HandlerIndex, heat = DEFAULT_HEAT, profiled = false) {
    this.profiled = profiled;
    this.host = host;
    this.handlers = handlers;
    this.cache = cache;
    this.index = index;
    this.firstHandler = handlers.table.length;
    this.imports = { host: { ...handlers.functions, memory: host.memory } };
    cache.heat = heat;
    cache.onDrop = (block) => this.invalidate(block);
    cache.onRevive = (block) => this.revive(block);
    cache.onForgotten = (block) => {
      for (const compiled of this.asleepByBlock.get(block) ?? []) this.discard(compiled);
    };
  }

  /** Guest instructions that regions ran, while profiled. */
  get instructions(): number {
    return this.counter(COUNTER.instructions);
  }

  private counter(number: number): number {
    return Number(this.host.view.getBigInt64(COUNTERS + number * 8, true));
  }

  get statistics(): CompilerStatistics {
    const profile: Statistics = this.profiled
      ? {
          regionEntries: this.counter(COUNTER.entries),
          regionExits: Object.fromEntries(EXIT_COUNTERS.map((name, i) => [name, this.counter(COUNTER.exits + i)])),
        }
      : {};
    return { ...this.counts, ...profile, liveRegions: this.live.size };
  }

  /** Compiles the block at an ENTER record and what belongs to it. */
  compile(record: number, around: Surroundings): void {
    const block = this.cache.blockAt(record);
    if (!block || kindOf(block).probed) return this.setHeat(record, NEVER_HOT);
    const page = this.pageOf(block);
    const plan = this.joining(block) ?? this.plan(block, page);
    this.setHeat(record, plan ? NEVER_HOT : this.cache.heat);
    if (!plan) return;
    const frames = new Map<number, number | undefined>([[0, block.frame]]);
    const region = findRegion(
      {
        cache: this.cache,
        isHelper: (instruction) => !this.index.isStaged(instruction),
        belongs: (other) => (plan.joined > 0 ? this.isWarm(other) : this.belongs(other, block, plan.whole)),
        frameAt: (distance) => {
          if (!frames.has(distance)) frames.set(distance, around.frameAt(distance));
          return frames.get(distance);
        },
        owns: (distance) => distance === 0 || plan.joined > 0,
      },
      block,
      plan.seeds,
      plan.forced,
      plan.joined > 0 ? this.oftenEntered(block, around.known()) : [],
    );
    // A region that only hands its first instruction to the interpreter gains nothing.
    if (region.blocks.every(({ list, helper }) => helper && list.length === 1)) return;
    if (plan.whole) {
      for (const other of page.regions) this.remove(other);
      page.versions++;
      page.size = region.blocks.reduce((sum, { list }) => sum + list.length, 0);
    }
    this.install(region, page, plan.joined);
    // Entered often from elsewhere, too, it becomes an entry.
    if (!region.entries.some(({ head }) => head.block === block)) this.setHeat(record, this.cache.heat);
  }

  private pageOf({ frame, key }: Block): Page {
    const number = frame * 8 + (key % 8);
    let page = this.pages.get(number);
    if (!page) this.pages.set(number, (page = { regions: new Set(), versions: 0, size: 0 }));
    return page;
  }

  /**
   * Whether all of a page's hot code is made into one region again, as when it has grown, or the block alone with what no region has yet;
   * undefined where the block waits.
   */
  private plan(block: Block, page: Page): Plan | undefined {
    if (this.byBlock.has(block)) this.forced.add(block);
    if (page.versions >= MAX_VERSIONS) return { whole: false, seeds: [], forced: [block], joined: 0 };
    const hot = this.cache.blocksLike(block).filter((other) => this.isSeed(other));
    const size = hot.reduce((sum, { instructions }) => sum + instructions, 0);
    // A little more than what is compiled waits for more, or for its second time.
    if (page.versions > 0 && size < page.size * GROWTH + GROWTH_STEP && !this.waiting.has(block)) {
      this.waiting.add(block);
      return undefined;
    }
    const joined = [...page.regions].reduce((most, region) => Math.max(most, region.joined), 0);
    return { whole: true, seeds: hot, forced: hot.filter((other) => this.forced.has(other)), joined };
  }

  /** What to do when a region has been entered so often that leaving it and coming back has cost more than compiling it with others. */
  private joining(block: Block): Plan | undefined {
    const handler = this.host.i32[(block.start + RECORD.handler) >> 2];
    for (const { handler: own, joined, page } of this.byBlock.get(block) ?? []) {
      if (own !== handler || this.heatWord(own) === undefined || this.host.i32[(this.heatWord(own) as number) >> 2] !== 0) continue;
      if (joined >= MAX_JOINED) return undefined;
      const seeds = this.cache.blocksLike(block).filter((other) => this.isSeed(other));
      return { whole: page.regions.size > 0, seeds, forced: seeds.filter((other) => this.forced.has(other)), joined: joined + 1 };
    }
    return undefined;
  }

  /** Of the places known to the jump cache those whose regions are entered about as often as one that is to be joined: mostly by indirect jumps from it. */
  private oftenEntered(around: Block, known: ReturnType<Surroundings['known']>): number[] {
    const { i32 } = this.host;
    const isOften = ({ distance, record }: (typeof known)[number]): boolean => {
      const block = this.cache.blockAt(record);
      if (!block || block.second || block.key % 8 !== around.key % 8 || Math.abs(distance) > MAX_DISTANCE) return false;
      const handler = i32[record >> 2];
      const word = this.heatWord(handler);
      const region = [...(this.byBlock.get(block) ?? [])].find((each) => each.handler === handler);
      if (!region || word === undefined) return false;
      return this.joinHeat * 4 ** region.joined - i32[word >> 2] >= Math.max(this.joinHeat / 2, OFTEN);
    };
    return known
      .filter(isOften)
      .slice(0, MAX_FAR)
      .map(({ distance }) => distance);
  }

  private isWarm(block: Block): boolean {
    return this.heatLeft(block) <= this.cache.heat - Math.min(WARM_RUNS, this.cache.heat * WARM);
  }

  private isSeed(block: Block): boolean {
    return this.heatLeft(block) <= this.cache.heat * (1 - WARM);
  }

  /** Host offset of the word that counts a region's entries down. */
  private heatWord(handler: number): number | undefined {
    const index = handler - this.firstHandler;
    return index < REGION_HEAT_WORDS ? REGION_HEAT + index * 4 : undefined;
  }

  /** Whether a block that is reached belongs to a region around another. */
  private belongs(block: Block, around: Block, whole: boolean): boolean {
    const { heat } = this.cache;
    if (block.frame !== around.frame) return !this.byBlock.has(block) && this.heatLeft(block) <= heat / 2;
    return (whole || !this.byBlock.has(block)) && this.isWarm(block);
  }

  /** With a low heat, as tests give it, regions are joined after few entries, too. */
  private get joinHeat(): number {
    return Math.ceil(JOIN_HEAT * Math.min(1, (this.cache.heat / FULL_HEAT) ** 2));
  }

  /** How often a block has to run to become hot; 0 where it is compiled, or waits to be. */
  private heatLeft(block: Block): number {
    if (this.waiting.has(block) || this.proven.has(block)) return 0;
    const heat = this.host.i32[(block.start + ENTER.heat) >> 2];
    return heat > NEVER_HOT / 2 ? 0 : Math.min(heat, this.cache.heat);
  }

  private install(region: Region, page: Page, joined: number): void {
    const [{ block: first }] = region.blocks;
    const { bits, flat } = kindOf(first);
    const long = bits === 64;
    const handler = this.takeHandler();
    const heatAt = this.heatWord(handler);
    if (heatAt !== undefined) this.host.i32[heatAt >> 2] = this.joinHeat * 4 ** joined;
    const imports = new Imports();
    const callees = {
      memory: long ? -1 : imports.index('access'),
      memory64: long ? imports.index('access64') : -1,
      go: imports.index(long ? 'go64' : 'go'),
      run: imports.index('run'),
    };
    const code = new RegionCode(region, { long, flat, handler, heatAt, profiled: this.profiled }, callees, imports);
    const body = code.emit();
    const bytes = encodeModule({
      types: imports.types,
      imports: imports.list,
      functions: [{ type: 0, body, hints: code.code.hints }],
      exports: { region: imports.list.length },
    });
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), this.imports);
    this.handlers.table.set(handler, instance.exports.region);
    const blocks = region.blocks.map(({ block }) => block);
    const ways = new Map(
      region.entries.map((trace) => [trace.head.block, { entry: code.entryNumber(trace), distance: trace.head.distance }]),
    );
    this.bytes += bytes.length;
    this.wake({ handler, page, joined, blocks, ways, entries: new Set(), missing: new Set(), bytes: bytes.length });
    this.counts.regions++;
    this.counts.compiledInstructions += region.blocks.reduce((sum, { list }) => sum + list.length, 0);
    this.counts.compiledBytes += bytes.length;
    this.makeRoom();
  }

  /** Puts a region in force. */
  private wake(compiled: Compiled): void {
    compiled.page.regions.add(compiled);
    this.live.add(compiled);
    for (const block of compiled.blocks) {
      this.waiting.delete(block);
      this.proven.add(block);
      addTo(this.byBlock, block, compiled);
    }
    for (const [block, { entry, distance }] of compiled.ways) this.enter(compiled, block, entry, distance);
  }

  /** Leads a block's ENTER record to a region; the one it led to before goes when nothing leads there any more. */
  private enter(compiled: Compiled, block: Block, entry: number, distance: number): void {
    for (const other of this.byBlock.get(block) ?? []) {
      if (!other.entries.delete(block) || other.entries.size > 0) continue;
      this.remove(other);
    }
    const { i32 } = this.host;
    i32[(block.start + RECORD.handler) >> 2] = compiled.handler;
    i32[(block.start + ENTER.entry) >> 2] = entry;
    i32[(block.start + ENTER.distance) >> 2] = distance;
    compiled.entries.add(block);
  }

  private takeHandler(): number {
    const { table } = this.handlers;
    if (this.free.length === 0) {
      const first = table.grow(TABLE_STEP);
      for (let i = TABLE_STEP - 1; i >= 0; i--) this.free.push(first + i);
    }
    return this.free.pop() as number;
  }

  private setHeat(record: number, heat: number): void {
    this.host.i32[(record + ENTER.heat) >> 2] = heat;
  }

  private remove(compiled: Compiled): void {
    if (this.withdraw(compiled)) this.release(compiled);
  }

  /** Takes a region out of force. */
  private withdraw(compiled: Compiled): boolean {
    if (!this.live.delete(compiled)) return false;
    compiled.page.regions.delete(compiled);
    const { i32 } = this.host;
    for (const block of compiled.blocks) removeFrom(this.byBlock, block, compiled);
    for (const { start, key } of compiled.entries) {
      const at = (start + RECORD.handler) >> 2;
      if (i32[at] !== compiled.handler) continue;
      i32[at] = this.cache.enterHandler(kindOf({ key } as Block).bits === 64);
      this.setHeat(start, this.cache.heat);
    }
    compiled.entries.clear();
    return true;
  }

  private release(compiled: Compiled): void {
    this.handlers.table.set(compiled.handler, null);
    this.free.push(compiled.handler);
    this.bytes -= compiled.bytes;
  }

  private invalidate(block: Block): void {
    this.forced.delete(block);
    this.proven.delete(block);
    this.waiting.delete(block);
    for (const compiled of this.byBlock.get(block) ?? []) {
      this.withdraw(compiled);
      this.asleep.add(compiled);
      for (const part of compiled.blocks) addTo(this.asleepByBlock, part, compiled);
      this.counts.invalidatedRegions++;
    }
    for (const compiled of this.asleepByBlock.get(block) ?? []) compiled.missing.add(block);
  }

  /** Wakes regions whose code is all there again, unless others have taken their places. */
  private revive(block: Block): void {
    for (const compiled of this.asleepByBlock.get(block) ?? []) {
      compiled.missing.delete(block);
      if (compiled.missing.size > 0) continue;
      if ([...compiled.ways.keys()].some(({ start }) => this.isEntry(start))) {
        this.discard(compiled);
        continue;
      }
      this.forgetAsleep(compiled);
      this.wake(compiled);
      this.counts.revivedRegions++;
    }
  }

  private isEntry(start: number): boolean {
    const handler = this.host.i32[(start + RECORD.handler) >> 2];
    return handler !== this.cache.enterHandler(false) && handler !== this.cache.enterHandler(true);
  }

  private forgetAsleep(compiled: Compiled): void {
    this.asleep.delete(compiled);
    for (const block of compiled.blocks) removeFrom(this.asleepByBlock, block, compiled);
  }

  /** Gives a sleeping region up. */
  private discard(compiled: Compiled): void {
    this.forgetAsleep(compiled);
    this.release(compiled);
  }

  /** The region that was made last stays in any case. */
  private makeRoom(): void {
    for (const compiled of this.asleep) {
      if (this.bytes <= MAX_BYTES) return;
      this.discard(compiled);
    }
    for (const compiled of this.live) {
      if (this.bytes <= MAX_BYTES || this.live.size === 1) return;
      this.remove(compiled);
      this.counts.evictedRegions++;
    }
  }

  /** Forgets everything: the records are gone. */
  clear(): void {
    for (const { handler } of [...this.live, ...this.asleep]) {
      this.handlers.table.set(handler, null);
      this.free.push(handler);
    }
    this.live.clear();
    this.asleep.clear();
    this.asleepByBlock.clear();
    this.byBlock.clear();
    this.forced.clear();
    this.proven.clear();
    this.waiting.clear();
    this.pages.clear();
    this.bytes = 0;
  }
}
