/**
 * Blocks whose code was written over, with what it takes to put them back: code that comes and goes (overlays, generators, patches) is
 * decoded and compiled once, and what changes in it again and again becomes soft (soft-fields.ts). How often each place was written over
 * says how long to wait before it is compiled.
 */
import { isFailure, type Decode } from '../../../isa/decoder';
import type { HostMemory } from '../../machine/host-memory';
import type { PhysicalMemory } from '../../machine/physical-memory';
import { SEMANTICS } from '../semantics/index';
import { type Block, kindOf } from './blocks';
import type { CodeCopies } from './code-copies';
import { type HandlerIndex, Special } from './handlers';
import { RECORD, RECORD_SIZE } from './records';
import { isSoft, SOFT_HANDLERS, softCandidates, type SoftField, soften } from './soft-fields';

/** Blocks kept of one place, and of all. */
const MAX_VERSIONS = 8;
const MAX_KEPT = 20_000;
/** Places whose changes are counted. */
const MAX_COUNTED = 100_000;
const SOFT_AFTER = 2;
/** A place's code is waited for twice as long with each change, so often at most. */
const MAX_DOUBLINGS = 6;
/** Who writes over more at once does not change a field. */
const MAX_WRITTEN = 16;

export interface DroppedBlock {
  readonly block: Block;
  /** The handlers of its records but the first. */
  readonly handlers: Int32Array;
  /** Which of its bytes were written over, from its start: the first, and one past the last. */
  readonly from: number;
  readonly to: number;
}

/** What blocks are made with. */
interface Makings {
  readonly host: HostMemory;
  readonly memory: PhysicalMemory;
  readonly handlers: HandlerIndex;
  readonly decode: Decode;
  readonly copies: CodeCopies;
}

export class DroppedBlocks {
  private readonly makings: Makings;
  private readonly byKey = new Map<number, DroppedBlock[]>();
  private readonly times = new Map<number, number>();
  private kept = 0;
  /** For the statistics: fields that became soft. */
  softened = 0;
  /** Changes of the code at a place after which fields that differ become soft. */
  softAfter = SOFT_AFTER;
  /** Told of every block that will not come back, or not as it was. */
  onForget: (block: Block) => void = () => {};

  constructor(makings: Makings) {
    this.makings = makings;
  }

  /**
   * Keeps what it takes to put a block back, before its records are made stale.
   * @param from which of its bytes are written over, from its start; @param to one past the last
   */
  keep(block: Block, from: number, to: number): void {
    const { host, handlers: index, decode, copies } = this.makings;
    const { i32 } = host;
    const { bits } = kindOf(block);
    const long = bits === 64;
    const last = block.records - 1;
    const handlers = Int32Array.from({ length: block.records }, (_, i) => i32[(block.start + i * RECORD_SIZE) >> 2]);
    handlers[last] = long ? Special.fall64 : Special.fall;
    for (let i = 1; i < last; i++) {
      // A stop that stands there for the moment is not part of it.
      if (handlers[i] !== Special.stop && handlers[i] !== Special.stop64) continue;
      const record = block.start + i * RECORD_SIZE;
      const instruction = decode(copies.all, block.copy + i32[(record + RECORD.here) >> 2], bits);
      if (isFailure(instruction)) return;
      const field = block.soft?.byRecord.get(record);
      handlers[i] = field ? SOFT_HANDLERS[field.part] : index.indexOf(instruction);
    }
    this.add({ block, handlers, from, to });
    if (this.times.size >= MAX_COUNTED) this.times.clear();
    this.times.set(block.key, this.changes(block.key) + 1);
  }

  private add(dropped: DroppedBlock): void {
    const { key } = dropped.block;
    if (this.kept >= MAX_KEPT) this.forgetAll();
    const others = this.byKey.get(key);
    this.kept++;
    if (!others) {
      this.byKey.set(key, [dropped]);
      return;
    }
    if (others.length >= MAX_VERSIONS) {
      this.onForget((others.pop() as DroppedBlock).block);
      this.kept--;
    }
    others.unshift(dropped);
  }

  /**
   * Takes out the block that the bytes at a place belong to, or one that differs in what can be made soft.
   * @returns undefined where there is none
   */
  take(key: number): DroppedBlock | undefined {
    const list = this.byKey.get(key);
    if (!list) return undefined;
    const settled = this.changes(key) < this.softAfter;
    let found = list.find(({ block }) => this.differences(block)?.length === 0);
    if (found && !settled) this.soften(found);
    else if (!found && !settled) found = list.find((dropped) => this.soften(dropped));
    if (!found) return undefined;
    list.splice(list.indexOf(found), 1);
    if (list.length === 0) this.byKey.delete(key);
    this.kept--;
    return found;
  }

  /** How often the code at a place has changed since a field of it became soft. */
  private changes(key: number): number {
    return this.times.get(key) ?? 0;
  }

  /** By what the heat of a block is multiplied: code that is often written over is waited for longer. */
  patience(key: number): number {
    return 2 ** Math.min(Math.max(this.changes(key) - 1, 0), MAX_DOUBLINGS);
  }

  /** Distances from a block's start of bytes that differ from what it was made of, beside soft fields; undefined where it cannot come back. */
  private differences({ frame, from, to, copy, soft }: Block): number[] | undefined {
    const { host, memory, copies } = this.makings;
    const base = memory.hostOffset(frame) + from;
    if (soft && soft.base !== base) return undefined;
    const { u8 } = host;
    const { all } = copies;
    const list: number[] = [];
    for (let i = 0; i < to - from; i++) if (u8[base + i] !== all[copy + i] && !isSoft(soft, i, i + 1)) list.push(i);
    return list;
  }

  /** Makes soft what differs and what was written over. @returns false where that cannot be */
  private soften(dropped: DroppedBlock): boolean {
    const { block, handlers, from, to } = dropped;
    const { host, memory, decode, copies } = this.makings;
    const changed = this.differences(block);
    if (!changed || to - from > MAX_WRITTEN) return false;
    for (let i = from; i < to; i++) if (!changed.includes(i) && !isSoft(block.soft, i, i + 1)) changed.push(i);
    changed.sort((a, b) => a - b);
    const base = memory.hostOffset(block.frame) + block.from;
    const { bits } = kindOf(block);
    const wanted = new Map<number, SoftField>();
    let next = 0;
    for (let i = 1; i < block.records - 1 && next < changed.length; i++) {
      const record = block.start + i * RECORD_SIZE;
      const here = host.i32[(record + RECORD.here) >> 2];
      const end = host.i32[(record + RECORD.next) >> 2];
      if (changed[next] >= end) continue;
      const before = decode(copies.all, block.copy + here, bits);
      const now = decode(host.u8, base + here, bits);
      if (isFailure(before) || isFailure(now) || before.row !== now.row || before.length !== now.length) return false;
      const field = softCandidates(before, here).find((each) => changed[next] >= each.from && changed[next] < each.from + each.size);
      // What TypeScript may run it finds as it was decoded.
      if (!field || !SEMANTICS[before.row.semantics] || block.soft?.byRecord.has(record)) return false;
      while (changed[next] < field.from + field.size) next++;
      if (changed[next] < end) return false;
      wanted.set(record, field);
    }
    if (next < changed.length) return false;
    for (const [record, field] of wanted) {
      const index = (record - block.start) / RECORD_SIZE;
      handlers[index] = soften(host, record, handlers[index], field, base + field.from);
    }
    block.soft = { base, byRecord: new Map([...(block.soft?.byRecord ?? []), ...wanted]) };
    this.softened += wanted.size;
    this.times.delete(block.key);
    this.onForget(block);
    return true;
  }

  private forgetAll(): void {
    for (const list of this.byKey.values()) for (const { block } of list) this.onForget(block);
    this.byKey.clear();
    this.kept = 0;
  }

  /** Without telling. */
  clear(): void {
    this.byKey.clear();
    this.times.clear();
    this.kept = 0;
  }
}
