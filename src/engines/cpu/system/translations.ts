/**
 * What a processor knows of linear addresses: its TLBs and jump caches in host memory (see layout.ts), and the frames of its
 * code pages. What is filled is written down, so that dropping it costs what filling it did, and what global pages gave
 * (manual, "Global Pages") is written down apart.
 */
import { FRAME_SIZE, type PhysicalMemory } from '../../machine/physical-memory';
import {
  JUMP64_ENTRY,
  JUMP64_CACHES,
  JUMP_CACHES,
  JUMP_CACHES_END,
  JUMP_ENTRIES,
  JUMP_ENTRY,
  TLB,
  TLB64,
  TLB64_ENTRY,
  TLB_ENTRIES,
  TLB_ENTRY,
  tlbEntry,
  TLBS64,
  type Tlb,
} from '../layout';
import { Cr4, type CpuState } from '../state';

const IMPOSSIBLE = 0xffffffff;
/** TLBs are numbered 0 to 2 in 16- and 32-bit code, 3 to 5 in 64-bit code; a slot is that times TLB_ENTRIES, plus an entry. */
const WIDE = 3 * TLB_ENTRIES;
const SLOTS = 2 * WIDE;
const NARROW_JUMPS = 6 * JUMP_ENTRIES;
const JUMPS = NARROW_JUMPS + 2 * JUMP_ENTRIES;
const PAGE = ~(FRAME_SIZE - 1);
/** Log2 of the sizes of large pages, with 4- and with 8-byte entries. */
const LARGE_SHIFTS = [22];
const LARGE_SHIFTS_8 = [21, 30];

/** What is marked of slots: that they are written down as local or global, and that what they hold now is global. */
const LISTED = 1;
const LISTED_GLOBAL = 2;
const IS_GLOBAL = 4;

/** Clearing what is empty would cost more than a hundred nanoseconds, at each VM entry and exit. */
function clear(known: { readonly size: number; clear(): void }): void {
  if (known.size > 0) known.clear();
}

const pageOf = (linear: number): number => Math.floor(linear / FRAME_SIZE);

/** Slots that were filled since they were last dropped, each written down once; room for all. */
class FillList {
  private readonly marks: Uint8Array;
  private readonly local: Uint16Array;
  private readonly global: Uint16Array;
  private locals = 0;
  private globals = 0;

  constructor(slots: number) {
    this.marks = new Uint8Array(slots);
    this.local = new Uint16Array(slots);
    this.global = new Uint16Array(slots);
  }

  add(slot: number, global: boolean): void {
    const mark = this.marks[slot];
    if (global) {
      if (!(mark & LISTED_GLOBAL)) this.global[this.globals++] = slot;
      this.marks[slot] = mark | LISTED_GLOBAL | IS_GLOBAL;
    } else {
      if (!(mark & LISTED)) this.local[this.locals++] = slot;
      this.marks[slot] = (mark | LISTED) & ~IS_GLOBAL;
    }
  }

  /** Visits what holds no global translation and forgets it. */
  dropLocal(visit: (slot: number) => void): void {
    const { marks, local } = this;
    for (let i = 0; i < this.locals; i++) {
      const slot = local[i];
      marks[slot] &= ~LISTED;
      if (!(marks[slot] & IS_GLOBAL)) visit(slot);
    }
    this.locals = 0;
  }

  drop(visit: (slot: number) => void): void {
    this.dropLocal(visit);
    for (let i = 0; i < this.globals; i++) {
      const slot = this.global[i];
      this.marks[slot] = 0;
      visit(slot);
    }
    this.globals = 0;
  }

  /** Visits all that may hold something; some twice. */
  each(visit: (slot: number) => void): void {
    for (let i = 0; i < this.locals; i++) visit(this.local[i]);
    for (let i = 0; i < this.globals; i++) visit(this.global[i]);
  }
}

export class Translations {
  private readonly state: CpuState;
  private readonly memory: PhysicalMemory;
  /** Host offset of this processor's part, or of the part for its guests. */
  readonly base: number;
  private readonly filled = new FillList(SLOTS);
  private readonly jumps = new FillList(JUMPS);
  /** Linear pages of code to frames, by page * 2 + user; dropped with the TLB only, so it does not depend on how code is run. */
  private readonly codePages = new Map<number, number>();
  private readonly globalCodePages = new Map<number, number>();
  /** The code page last asked for is global. */
  private codeIsGlobal = false;
  /** Large pages that translations came from, as page number * 64 + log2 of their size: INVLPG drops all pieces of one. */
  private readonly largePages = new Set<number>();
  private readonly globalLargePages = new Set<number>();
  /** The one noted last; NaN when it may be forgotten, or be noted otherwise, by now. */
  private lastLarge = NaN;
  private lastLargeGlobal = false;

  constructor(state: CpuState, memory: PhysicalMemory, base: number) {
    this.state = state;
    this.memory = memory;
    this.base = base;
  }

  /** Makes everything empty for the first time. */
  initialize(): void {
    const { u8 } = this.state.host;
    u8.fill(0xff, this.base, this.base + JUMP_CACHES);
    u8.fill(0, this.base + JUMP_CACHES, this.base + JUMP_CACHES_END);
  }

  flush(): void {
    this.filled.drop(this.empty);
    clear(this.codePages);
    clear(this.globalCodePages);
    clear(this.largePages);
    clear(this.globalLargePages);
    this.lastLarge = NaN;
    this.flushJumps();
  }

  /** Drops all but what global pages gave. */
  flushLocal(): void {
    this.filled.dropLocal(this.empty);
    clear(this.largePages);
    this.lastLarge = NaN;
    clear(this.codePages);
    this.jumps.dropLocal(this.emptyJump);
  }

  // --- TLBs

  /** Index of a slot's first word. */
  private wordOf(slot: number): number {
    return slot < WIDE ? (this.base + slot * TLB_ENTRY) >> 2 : (this.base + TLBS64[0] + (slot - WIDE) * TLB64_ENTRY) >> 2;
  }

  private readonly empty = (slot: number): void => {
    const { u32 } = this.state.host;
    const at = this.wordOf(slot);
    u32[at] = IMPOSSIBLE;
    u32[at + 1] = IMPOSSIBLE;
    if (slot < WIDE) return;
    u32[at + 2] = IMPOSSIBLE;
    u32[at + 3] = IMPOSSIBLE;
  };

  /** @returns the host offset at which an access can be made, or 0 where this is not known */
  lookup(linear: number, write: boolean, tlb: Tlb, wide: boolean): number {
    const { u32 } = this.state.host;
    const low = linear | 0;
    const entry = tlbEntry(low);
    const page = (low & PAGE) >>> 0;
    const at = this.wordOf((wide ? WIDE : 0) + tlb * TLB_ENTRIES + entry);
    if (!wide) {
      return u32[at + (write ? TLB.write >> 2 : 0)] === page ? (u32[at + (TLB.addend >> 2)] + low) >>> 0 : 0;
    }
    const tag = at + (write ? TLB64.write >> 2 : 0);
    const high = Math.floor(linear / 2 ** 32) >>> 0;
    return u32[tag] === page && u32[tag + 1] === high ? (u32[at + (TLB64.addend >> 2)] + low) >>> 0 : 0;
  }

  /**
   * Enters a translation.
   * @param host offset of the frame; @param rights whether it may be written, where it holds code with a look at what is written;
   * @param wide in the TLB of 64-bit code
   */
  fill(linear: number, host: number, rights: 'read' | 'write' | 'look', tlb: Tlb, wide: boolean, global: boolean): void {
    const { u32 } = this.state.host;
    const low = linear | 0;
    const entry = tlbEntry(low);
    const page = (low & PAGE) >>> 0;
    const addend = (host - page) >>> 0;
    const slot = (wide ? WIDE : 0) + tlb * TLB_ENTRIES + entry;
    this.filled.add(slot, global);
    const writable = rights !== 'read';
    const looked = rights === 'look' ? 1 : 0;
    const at = this.wordOf(slot);
    if (!wide) {
      const same = u32[at] === page && u32[at + (TLB.addend >> 2)] === addend;
      u32[at] = page;
      if (writable) u32[at + (TLB.write >> 2)] = page | looked;
      else if (!same) u32[at + (TLB.write >> 2)] = IMPOSSIBLE;
      u32[at + (TLB.addend >> 2)] = addend;
      return;
    }
    const high = Math.floor(linear / 2 ** 32) >>> 0;
    const same = u32[at] === page && u32[at + 1] === high && u32[at + (TLB64.addend >> 2)] === addend;
    u32[at] = page;
    u32[at + 1] = high;
    if (writable || !same) {
      u32[at + (TLB64.write >> 2)] = writable ? page | looked : IMPOSSIBLE;
      u32[at + (TLB64.write >> 2) + 1] = writable ? high : IMPOSSIBLE;
    }
    u32[at + (TLB64.addend >> 2)] = addend;
  }

  /** The page that a slot translates, as a linear address; what an empty one gives is no page's. */
  private pageIn(slot: number): number {
    const { u32, i32 } = this.state.host;
    const at = this.wordOf(slot);
    return slot < WIDE ? u32[at] : i32[at + 1] * 2 ** 32 + u32[at];
  }

  /** Drops what is known of the page at a linear address, all of it if it is a large one. */
  invalidate(linear: number): void {
    const { largePages, globalLargePages } = this;
    if (largePages.size + globalLargePages.size > 0) {
      for (const shift of this.state.cr4 & Cr4.pae ? LARGE_SHIFTS_8 : LARGE_SHIFTS) {
        const number = Math.floor(linear / 2 ** shift);
        const known = largePages.delete(number * 64 + shift);
        if (globalLargePages.delete(number * 64 + shift) || known) this.invalidateRange(number * 2 ** shift, 2 ** shift);
      }
      this.lastLarge = NaN;
    }
    this.invalidatePiece(linear);
  }

  /** Drops what is known of 4 KiB, though they may be part of a large page. */
  invalidatePiece(linear: number): void {
    const page = pageOf(linear);
    const slot = tlbEntry(linear | 0);
    const wide = this.state.longMode;
    for (let tlb = 0; tlb < (wide ? 6 : 3); tlb++) {
      const entry = tlb * TLB_ENTRIES + slot;
      if (this.pageIn(entry) === page * FRAME_SIZE) this.empty(entry);
    }
    this.forgetCode(page);
  }

  private invalidateRange(start: number, length: number): void {
    this.filled.each((slot) => {
      const page = this.pageIn(slot);
      if (page >= start && page < start + length) this.empty(slot);
    });
    for (const pages of [this.codePages, this.globalCodePages]) {
      for (const key of pages.keys()) {
        const page = Math.floor(key / 2);
        if (page * FRAME_SIZE >= start && page * FRAME_SIZE < start + length) this.forgetCode(page);
      }
    }
  }

  noteLarge(linear: number, shift: number, global: boolean): void {
    const key = Math.floor(linear / 2 ** shift) * 64 + shift;
    // One after another they are mostly the same.
    if (key === this.lastLarge && global === this.lastLargeGlobal) return;
    this.lastLarge = key;
    this.lastLargeGlobal = global;
    (global ? this.globalLargePages : this.largePages).add(key);
  }

  /** Has stores to a frame looked at from now on. */
  protectFrame(frame: number): void {
    const { u32 } = this.state.host;
    const host = this.memory.hostOffset(frame);
    this.filled.each((slot) => {
      const at = this.wordOf(slot);
      const write = at + ((slot < WIDE ? TLB.write : TLB64.write) >> 2);
      const addend = u32[at + ((slot < WIDE ? TLB.addend : TLB64.addend) >> 2)];
      if ((addend + u32[write]) >>> 0 === host) u32[write] |= 1;
    });
  }

  // --- code

  /** The frame of a code page, or -1. */
  codeFrame(linear: number, user: boolean): number {
    const key = pageOf(linear) * 2 + (user ? 1 : 0);
    const local = this.codePages.get(key);
    this.codeIsGlobal = local === undefined;
    return local ?? this.globalCodePages.get(key) ?? -1;
  }

  noteCode(linear: number, user: boolean, frame: number, global: boolean): void {
    this.codeIsGlobal = global;
    (global ? this.globalCodePages : this.codePages).set(pageOf(linear) * 2 + (user ? 1 : 0), frame);
  }

  /** Jump caches know addresses in pages of code alone. */
  private forgetCode(page: number): void {
    let known = false;
    for (let key = page * 2; key < page * 2 + 2; key++) {
      if (this.codePages.delete(key)) known = true;
      if (this.globalCodePages.delete(key)) known = true;
    }
    if (known) this.flushJumps();
  }

  // --- jump caches

  /** Writes down an entry that was written for the code page last asked for. @param entry its host offset / 4; @param local it is not global */
  noteJump(entry: number, local: boolean): void {
    const offset = entry * 4 - this.base;
    const slot = offset < JUMP64_CACHES ? (offset - JUMP_CACHES) / JUMP_ENTRY : NARROW_JUMPS + (offset - JUMP64_CACHES) / JUMP64_ENTRY;
    this.jumps.add(slot, this.codeIsGlobal && !local);
  }

  private readonly emptyJump = (slot: number): void => {
    const { u32 } = this.state.host;
    if (slot < NARROW_JUMPS) {
      const at = (this.base + JUMP_CACHES + slot * JUMP_ENTRY) >> 2;
      u32[at] = 0;
      u32[at + 1] = 0;
    } else {
      const at = (this.base + JUMP64_CACHES + (slot - NARROW_JUMPS) * JUMP64_ENTRY) >> 2;
      u32[at] = 0;
      u32[at + 1] = 0;
      u32[at + 2] = 0;
    }
  };

  flushJumps(): void {
    this.jumps.drop(this.emptyJump);
  }
}
