/** Where decoded code lies for the next instruction: in the jump cache, among the blocks, or to be decoded now. */
import type { Instruction } from '../../isa/types';
import type { LinearAddress } from '../../shared/addresses';
import { FRAME_SIZE, FrameKind, type PhysicalMemory } from '../machine/physical-memory';
import type { Hooks } from './hooks';
import type { BlockCache, BlockPlace } from './interpreter/blocks';
import { jumpCacheSlot, Special } from './interpreter/handlers';
import { RECORD_SIZE } from './interpreter/records';
import { JUMP64_ENTRY, JUMP_BASE, JUMP_ENTRIES, JUMP_ENTRY } from './layout';
import { type CpuState, isCanonical, Seg } from './state';
import type { DebugRegisters } from './system/debug';
import type { Mmu } from './system/mmu';

const LONGEST_INSTRUCTION = 15;

/** The linear page that holds an address. */
const pageOf = (address: number): number => Math.floor(address / FRAME_SIZE);

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** What a processor has that says where its code is. */
interface Seeker {
  readonly state: CpuState;
  readonly mmu: Mmu;
  readonly blocks: BlockCache;
  readonly hooks: Hooks | undefined;
  readonly peers: readonly { readonly debug: DebugRegisters }[];
}

export class BlockFinder {
  private readonly cpu: Seeker;
  private readonly memory: PhysicalMemory;
  /** Where the next instruction lies, as `locate` found it. */
  private readonly place: Writable<BlockPlace> = { frame: 0, offset: 0, bits: 16, flat: false, probed: false };

  constructor(cpu: Seeker, memory: PhysicalMemory) {
    this.cpu = cpu;
    this.memory = memory;
  }

  /**
   * The ENTER record for the next instruction, entered into the jump cache.
   * @param pauses where control stopped inside a block, the record to go on at (whose `rest` is not 0) instead of a new block's
   * @returns 0 where there is none: with `mmu.fault` set when fetching faults, else for `single` to find out
   */
  block(pauses: boolean): number {
    const { state, blocks, mmu } = this.cpu;
    const { u32, i32 } = state.host;
    const { ip, long } = state;
    if (long ? !isCanonical(ip) : ip > state.segLimit(Seg.cs)) return 0;
    const linear = state.linear(Seg.cs, ip);
    const entry = (u32[JUMP_BASE >> 2] + jumpCacheSlot(linear) * (long ? JUMP64_ENTRY : JUMP_ENTRY)) >> 2;
    const high = long ? Math.floor(linear / 2 ** 32) : 0;
    if (u32[entry] === linear >>> 0 && (!long || i32[entry + 1] === high)) {
      const known = u32[entry + (long ? 2 : 1)];
      if (known !== 0 && blocks.stands(known)) return known;
    }
    if (!this.locate(linear)) return 0;
    const { place } = this;
    if (pauses) {
      const paused = blocks.takePause(place);
      if (paused !== undefined) return paused;
    }
    let record = blocks.find(place);
    let local = false;
    if (record === undefined || blocks.blockAt(record)?.second) {
      record ??= blocks.build(place, this.probeFrom(linear));
      if (record === undefined || blocks.blockAt(record)?.second) {
        record = this.crossing(linear);
        local = true;
      }
      if (record === 0) return 0;
    }
    u32[entry] = linear;
    if (long) i32[entry + 1] = high;
    u32[entry + (long ? 2 : 1)] = record;
    mmu.noteJump(entry, local);
    return record;
  }

  /** Sets `place` to where an address lies. @returns false where no block can be */
  private locate(linear: LinearAddress): boolean {
    const { place } = this;
    const { state, mmu } = this.cpu;
    const frame = mmu.findCodeFrame(linear, state.cpl === 3);
    if (frame < 0 || !this.holdsBlocks(frame)) return false;
    place.frame = frame;
    place.offset = linear & (FRAME_SIZE - 1);
    place.bits = state.codeBits;
    place.flat = state.flat;
    place.probed = this.isProbed(pageOf(linear));
    return true;
  }

  private holdsBlocks(frame: number): boolean {
    const kind = this.memory.kindOf(frame);
    return kind === FrameKind.ram || kind === FrameKind.rom;
  }

  /** Any processor wants to see instructions of a page. */
  private isProbed(page: number): boolean {
    const { hooks, peers } = this.cpu;
    if (hooks !== undefined && (hooks.probesOpcodes || hooks.probedPage(page))) return true;
    for (const { debug } of peers) if (debug.breaksOnPage(page)) return true;
    return false;
  }

  /**
   * The block of the instruction at an address, of which `place` tells, that goes on in the next page. What is known of both pages
   * stays true as long as the jump caches know the block: no link leads there.
   * @returns as `block`
   */
  private crossing(linear: LinearAddress): number {
    const { place } = this;
    const { state, mmu, blocks } = this.cpu;
    // The limit comes before the page.
    if (place.probed || (!state.long && state.ip + LONGEST_INSTRUCTION > state.segLimit(Seg.cs))) return 0;
    if (blocks.find(place) === undefined && !blocks.isCutOff(place)) return 0;
    const next = state.advance(linear, FRAME_SIZE - place.offset);
    if ((state.long && !isCanonical(next)) || this.isProbed(pageOf(next))) return 0;
    const second = mmu.findCodeFrame(next, state.cpl === 3);
    if (second < 0 || !this.holdsBlocks(second)) return 0;
    return blocks.crossing(place, second) ?? 0;
  }

  /** Says which instructions of a block that starts at an address want a PROBE record in front. */
  private probeFrom(start: LinearAddress) {
    return (distance: number, instruction: Instruction): boolean => {
      const { state, peers, hooks } = this.cpu;
      const address = state.advance(start, distance);
      return peers.some(({ debug }) => debug.breaksAt(address)) || (hooks?.wants(address, instruction) ?? false);
    };
  }

  /** All that the jump cache in force knows: ENTER records with their distances from a linear address, in bytes. */
  known(from: number): { readonly distance: number; readonly record: number }[] {
    const { state, blocks } = this.cpu;
    const { u32, i32 } = state.host;
    const [size, at] = state.long ? [JUMP64_ENTRY, 2] : [JUMP_ENTRY, 1];
    return Array.from({ length: JUMP_ENTRIES }, (_, i) => {
      const entry = (u32[JUMP_BASE >> 2] + i * size) >> 2;
      return { distance: (state.long ? i32[entry + 1] * 2 ** 32 : 0) + u32[entry] - from, record: u32[entry + at] };
    }).filter(({ record }) => record !== 0 && blocks.stands(record));
  }

  /** The record of the instruction at an address in a block that is there already; 0 where none is. */
  recordAt(address: LinearAddress): number {
    const { place } = this;
    const { state, blocks, mmu } = this.cpu;
    const { ip } = state;
    if (state.long ? !isCanonical(ip) : ip > state.segLimit(Seg.cs)) return 0;
    if (!this.locate(address)) {
      // It is fetched anew, to the same end.
      mmu.fault = undefined;
      return 0;
    }
    let record = blocks.takePause(place);
    if (record === undefined) {
      const start = blocks.find(place);
      if (start === undefined || blocks.blockAt(start)?.second) return 0;
      record = start + RECORD_SIZE;
    }
    if (state.host.i32[record >> 2] === Special.probe) record += RECORD_SIZE;
    const length = blocks.instructionAt(record)?.length ?? LONGEST_INSTRUCTION;
    return state.long || ip + length - 1 <= state.segLimit(Seg.cs) ? record : 0;
  }
}
