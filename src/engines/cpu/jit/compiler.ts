/**
 * The second tier: compiles hot blocks, puts the functions where handlers are found, and takes them away again when their code
 * changes or when there are too many.
 *
 * The ENTER record of a block that a region can be entered at has the region's function as its handler. So everything that finds
 * blocks (links, jump caches, the processor's loop) finds the compiled ones without knowing.
 */
import type { HostMemory } from '../../machine/host-memory';
import { type Block, type BlockCache, kindOf, NEVER_HOT } from '../interpreter/blocks';
import { type HandlerIndex, type Handlers, Special } from '../interpreter/handlers';
import { ENTER, RECORD } from '../interpreter/records';
import { LIBRARY } from '../semantics/library';
import { I32, type ValueType } from '../wasm/code';
import type { Library } from '../wasm/library';
import { encodeModule, HANDLER, type Signature } from '../wasm/module';
import { findRegion, type Region } from './region';
import { RegionCode } from './region-code';

/** Times that a block is entered before it is compiled. */
export const DEFAULT_HEAT = 400;
/** Bytes of WebAssembly that may be in use; the oldest regions go first. */
const MAX_BYTES = 8 << 20;
/** Regions made for a page before each of its hot blocks gets one of its own. */
const MAX_VERSIONS = 12;
/** The part of the heat that makes a block belong to a region that leads to it. */
const WARM = 16;
const TABLE_STEP = 256;

const ACCESS: Signature = { parameters: [I32, I32, I32, I32], results: [I32] };
const ACCESS64: Signature = { parameters: [I32, I32, I32, I32, I32], results: [I32] };
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

interface Compiled {
  readonly handler: number;
  readonly blocks: readonly Block[];
  /** Blocks whose ENTER records lead here. */
  readonly entries: Set<Block>;
  readonly bytes: number;
}

export interface CompilerStatistics {
  /** Since the start: regions compiled, the guest instructions in them, bytes of WebAssembly. */
  readonly regions: number;
  readonly compiledInstructions: number;
  readonly compiledBytes: number;
  /** Regions dropped because their code changed, and to make room. */
  readonly invalidatedRegions: number;
  readonly evictedRegions: number;
  readonly liveRegions: number;
  readonly [name: string]: number;
}

export class Compiler {
  private readonly host: HostMemory;
  private readonly handlers: Handlers;
  private readonly cache: BlockCache;
  private readonly index: HandlerIndex;
  private readonly live = new Set<Compiled>();
  private readonly byBlock = new Map<Block, Set<Compiled>>();
  private readonly free: number[] = [];
  /** Regions made so far for a frame, and blocks that became hot although regions held them. */
  private readonly made = new Map<number, number>();
  private readonly forced = new Set<Block>();
  private bytes = 0;
  private readonly counts = { regions: 0, compiledInstructions: 0, compiledBytes: 0, invalidatedRegions: 0, evictedRegions: 0 };

  /** @param heat see DEFAULT_HEAT */
  constructor(host: HostMemory, handlers: Handlers, cache: BlockCache, index: HandlerIndex, heat = DEFAULT_HEAT) {
    this.host = host;
    this.handlers = handlers;
    this.cache = cache;
    this.index = index;
    cache.heat = heat;
    cache.onDrop = (block) => this.invalidate(block);
  }

  get statistics(): CompilerStatistics {
    return { ...this.counts, liveRegions: this.live.size };
  }

  /**
   * Compiles the block at an ENTER record and what belongs to it.
   * @param frameAt the frame that a linear page runs from, by its distance in pages from the block's own; undefined where that is not known
   */
  compile(record: number, frameAt: (page: number) => number | undefined): void {
    const block = this.cache.blockAt(record);
    this.setHeat(record, NEVER_HOT);
    if (!block || kindOf(block).probed) return;
    const { forced, seeds } = this.startsIn(block);
    const pages = new Map<number, number | undefined>([[0, block.frame]]);
    const region = findRegion(
      {
        cache: this.cache,
        isHelper: (instruction) => this.index.indexOf(instruction) === Special.helper,
        isWarm: (other) => this.heatLeft(other) <= this.cache.heat - this.cache.heat / WARM,
        frameAt: (page) => {
          if (!pages.has(page)) pages.set(page, frameAt(page));
          return pages.get(page);
        },
      },
      block,
      seeds,
      forced,
    );
    // A region that only hands its first instruction to the interpreter gains nothing.
    if (region.blocks.every(({ list, helper }) => helper && list.length === 1)) return;
    this.install(region);
    // Entered often from elsewhere, too, it becomes an entry.
    if (!region.entries.some(({ head }) => head.block === block)) this.setHeat(record, this.cache.heat);
  }

  /** What else of a block's page belongs into one region with it, and what of that was hot inside a region already. */
  private startsIn(block: Block): { seeds: readonly Block[]; forced: readonly Block[] } {
    const made = this.made.get(block.frame) ?? 0;
    this.made.set(block.frame, made + 1);
    if (this.byBlock.has(block)) this.forced.add(block);
    const alike = made < MAX_VERSIONS ? this.cache.blocksLike(block) : [block];
    return {
      seeds: alike.filter((other) => this.heatLeft(other) <= this.cache.heat / 2),
      forced: alike.filter((other) => this.forced.has(other)),
    };
  }

  /** How often a block has to run to become hot; 0 where it is compiled. */
  private heatLeft({ start }: Block): number {
    const { i32 } = this.host;
    const heat = i32[(start + ENTER.heat) >> 2];
    return heat > this.cache.heat ? 0 : heat;
  }

  private install(region: Region): void {
    const [{ block: first }] = region.blocks;
    const { bits, flat } = kindOf(first);
    const long = bits === 64;
    const handler = this.takeHandler();
    const imports = new Imports();
    const callees = {
      memory: long ? -1 : imports.index('access'),
      memory64: long ? imports.index('access64') : -1,
      go: imports.index(long ? 'go64' : 'go'),
      run: imports.index('run'),
    };
    const code = new RegionCode(region, { long, flat, handler }, callees, imports);
    const body = code.emit();
    const bytes = encodeModule({
      types: imports.types,
      imports: imports.list,
      functions: [{ type: 0, body }],
      exports: { region: imports.list.length },
    });
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
      host: { ...this.handlers.functions, memory: this.host.memory },
    });
    this.handlers.table.set(handler, instance.exports.region);
    const blocks = region.blocks.map(({ block }) => block);
    const compiled: Compiled = { handler, blocks, entries: new Set(), bytes: bytes.length };
    this.live.add(compiled);
    this.bytes += bytes.length;
    for (const block of blocks) {
      const others = this.byBlock.get(block);
      if (others) others.add(compiled);
      else this.byBlock.set(block, new Set([compiled]));
    }
    for (const trace of region.entries) this.enter(compiled, trace.head.block, code.entryNumber(trace), trace.head.distance);
    this.counts.regions++;
    this.counts.compiledInstructions += region.blocks.reduce((sum, { list }) => sum + list.length, 0);
    this.counts.compiledBytes += bytes.length;
    this.makeRoom();
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
    if (!this.live.delete(compiled)) return;
    const { i32 } = this.host;
    for (const block of compiled.blocks) {
      const regions = this.byBlock.get(block);
      regions?.delete(compiled);
      if (regions?.size === 0) this.byBlock.delete(block);
    }
    for (const { start, key } of compiled.entries) {
      const at = (start + RECORD.handler) >> 2;
      if (i32[at] !== compiled.handler) continue;
      i32[at] = kindOf({ key } as Block).bits === 64 ? Special.enter64 : Special.enter;
      this.setHeat(start, this.cache.heat);
    }
    this.handlers.table.set(compiled.handler, null);
    this.free.push(compiled.handler);
    this.bytes -= compiled.bytes;
  }

  private invalidate(block: Block): void {
    this.forced.delete(block);
    for (const compiled of this.byBlock.get(block) ?? []) {
      this.remove(compiled);
      this.counts.invalidatedRegions++;
    }
  }

  /** The region that was made last stays in any case. */
  private makeRoom(): void {
    for (const compiled of this.live) {
      if (this.bytes <= MAX_BYTES || this.live.size === 1) return;
      this.remove(compiled);
      this.counts.evictedRegions++;
    }
  }

  /** Forgets everything: the records are gone. */
  clear(): void {
    for (const compiled of this.live) {
      this.handlers.table.set(compiled.handler, null);
      this.free.push(compiled.handler);
    }
    this.live.clear();
    this.byBlock.clear();
    this.forced.clear();
    this.made.clear();
    this.bytes = 0;
  }
}
