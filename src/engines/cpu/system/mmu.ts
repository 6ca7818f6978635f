/** Paging, the TLBs, and every memory access that is not the quick one. */
import type { GuestPhysicalAddress, LinearAddress } from '../../../shared/addresses';
import { type AccessSize, FRAME_SIZE, FrameKind, type PhysicalMemory } from '../../machine/physical-memory';
import { Access } from '../interpreter/code-width';
import {
  JUMP64_SIZE,
  JUMP_CACHES,
  JUMP_SIZE,
  SCRATCH,
  SYS,
  TLB,
  TLB64,
  TLB64_ENTRY,
  TLB64_SIZE,
  TLB_BASE,
  TLB_ENTRIES,
  TLB_ENTRY,
  TLB_SIZE,
  TLBS,
  TLBS64,
  Tlb,
} from '../layout';
import { Cr0, Cr4, type CpuState, Efer, Flag, highHalf, joinLow } from '../state';
import { GuestFault, Vector } from './fault';
import { requireAligned } from './segments';
import { describePageFault, FOUR_LEVEL_RESERVED as RESERVED_HIGH, PageFault, Pte, PTE_NX, type Walk, walk } from './paging';

const pageOf = (linear: number): number => Math.floor(linear / FRAME_SIZE);
const pageBase = (linear: number): number => linear - (linear & (FRAME_SIZE - 1));
const entryOf = (linear: number): number => (pageOf(linear) & (TLB_ENTRIES - 1)) >>> 0;
const IMPOSSIBLE = 0xffffffff;

/** A write that waits in SCRATCH: up to two pieces. */
interface Pending {
  size: number;
  first: number;
  firstLength: number;
  second: number;
}

export class Mmu {
  private readonly state: CpuState;
  readonly memory: PhysicalMemory;
  private readonly pending: Pending = { size: 0, first: 0, firstLength: 0, second: 0 };
  /** Linear pages of code to frames, by page * 2 + user; dropped with the TLB only, so it does not depend on how code is run. */
  private readonly codePages = new Map<number, number>();
  /** Linear page numbers whose accesses must be seen (data breakpoints). */
  private readonly watched = new Set<number>();
  /** Devices may be touched and watched pages accessed: one instruction runs alone. */
  exact = false;
  /** Set when an access was put off because `exact` is not set. */
  retry = false;
  /** The fault of the last access that returned 0. */
  fault: GuestFault | undefined;
  /** Told of every access to a watched page. */
  onWatched: (address: LinearAddress, size: number, write: boolean) => void = () => {};

  constructor(state: CpuState, memory: PhysicalMemory) {
    this.state = state;
    this.memory = memory;
  }

  // --- walking

  advance(linear: LinearAddress, bytes: number): LinearAddress {
    return this.state.advance(linear, bytes);
  }

  /** Reads the page tables without touching accessed and dirty bits. */
  walk(linear: LinearAddress): Walk {
    return walk(this.state, this.memory, linear);
  }

  /** What a translation forbids to an access, as the bits of an error code; undefined when it may be made. */
  private denied(found: Walk, write: boolean, user: boolean, fetch: boolean): number | undefined {
    if (found.broken !== undefined) return found.broken;
    const { cr0, cr4 } = this.state;
    const allowed = user
      ? found.user && (!write || found.writable) && (!fetch || found.executable)
      : (!write || found.writable || !(cr0 & Cr0.wp)) && (!fetch || found.executable) && !this.guarded(found, cr4, fetch);
    return allowed ? undefined : PageFault.present;
  }

  /** SMEP and SMAP: user pages that a supervisor may not touch. An access of the processor's own in ring 3 counts as implicit. */
  private guarded(found: Walk, cr4: number, fetch: boolean): boolean {
    if (!found.user) return false;
    if (fetch) return (cr4 & Cr4.smep) !== 0;
    return (cr4 & Cr4.smap) !== 0 && (!this.state.flag(Flag.ac) || this.state.cpl === 3);
  }

  /**
   * Translates for an access, setting accessed and dirty bits.
   * @param user the access is made with user rights (CPL 3 and not one of the processor's own)
   * @throws GuestFault #PF with CR2 set
   */
  translate(linear: LinearAddress, write: boolean, user: boolean, fetch = false): GuestPhysicalAddress {
    const { state } = this;
    if (!state.paging) return linear as number as GuestPhysicalAddress;
    const known = this.quickWalk(linear, write, user, fetch);
    if (known >= 0) return known as GuestPhysicalAddress;
    const found = this.walk(linear);
    const denied = this.denied(found, write, user, fetch);
    const leaf = found.steps.length - 1;
    for (const [i, { entryAddress, low }] of found.steps.entries()) {
      // A walk that fails has used the entries that led to the last one.
      if (entryAddress === undefined || (denied !== undefined && i === leaf)) continue;
      const wanted = low | Pte.accessed | (write && i === leaf ? Pte.dirty : 0);
      if (wanted !== low) this.memory.write(entryAddress, 4, wanted >>> 0);
    }
    if (denied === undefined) {
      if (found.pageSize > FRAME_SIZE) this.noteLarge(linear, found.pageSize);
      return found.physical as GuestPhysicalAddress;
    }
    const tellsFetch = fetch && ((state.efer & Efer.nxe && state.cr4 & Cr4.pae) || state.cr4 & Cr4.smep);
    const code = denied | (write ? PageFault.write : 0) | (user ? PageFault.user : 0) | (tellsFetch ? PageFault.fetch : 0);
    state.setSys64(SYS.cr2, linear);
    throw new GuestFault(Vector.pf, code, describePageFault(state, linear, found, { write, user, fetch }));
  }

  /**
   * The common walk, without a record of its steps: everything is present, allowed, and marked accessed (and dirty) already.
   * @returns the physical address, or -1 where the walk has to be looked at
   */
  private quickWalk(linear: LinearAddress, write: boolean, user: boolean, fetch: boolean): number {
    const { state, memory } = this;
    const { cr0, cr4 } = state;
    if (!state.longMode || fetch || !(cr0 & Cr0.wp)) return -1;
    const noExecute = (state.efer & Efer.nxe) !== 0;
    let table = (state.sysHigh(SYS.cr3) & 0xff) * 2 ** 32 + ((state.cr3 & 0xfffff000) >>> 0);
    let userPage = Pte.user as number;
    const wanted = Pte.present | Pte.accessed | (write ? Pte.write : 0);
    for (let shift = 39; ; shift -= 9) {
      const at = table + (Math.floor(linear / 2 ** shift) & 0x1ff) * 8;
      const low = memory.read(at, 4);
      const high = memory.read(at + 4, 4);
      if ((low & wanted) !== wanted || high & RESERVED_HIGH || (high & PTE_NX && !noExecute)) return -1;
      userPage &= low;
      const large = shift > 12 && (low & Pte.large) !== 0;
      if (shift === 12 || large) {
        if ((write && !(low & Pte.dirty)) || (user ? !userPage : userPage && cr4 & Cr4.smap)) return -1;
        const size = 2 ** shift;
        if (large && (shift === 39 || low & (size - 1) & ~0x1fff)) return -1;
        if (large) this.noteLarge(linear, size);
        const page = (high & 0xff) * 2 ** 32 + ((low & 0xfffff000) >>> 0);
        return page - (page % size) + (((linear % size) + size) % size);
      }
      table = (high & 0xff) * 2 ** 32 + ((low & 0xfffff000) >>> 0);
    }
  }

  /** The physical address that a debugger sees, or undefined where nothing is mapped; changes nothing. */
  probe(linear: LinearAddress): GuestPhysicalAddress | undefined {
    return this.state.paging ? this.walk(linear).physical : (linear as number as GuestPhysicalAddress);
  }

  // --- TLB

  /** Large pages that translations came from, as page number * 64 + log2 of their size: INVLPG drops all pieces of one. */
  private readonly largePages = new Set<number>();

  private noteLarge(linear: number, size: number): void {
    this.largePages.add(Math.floor(linear / size) * 64 + Math.log2(size));
  }

  /** Drops every translation, and the jump caches, which rest on them. */
  flush(): void {
    const { u8 } = this.state.host;
    const { translations } = this.state;
    for (const base of this.filled) u8.fill(0xff, base, base + (base - translations < TLBS64[0] ? TLB_SIZE : TLB64_SIZE));
    this.filled.clear();
    this.codePages.clear();
    this.largePages.clear();
    this.flushJumps();
  }

  /** Host offsets of the TLBs that hold something. */
  private readonly filled = new Set<number>();

  /** Makes all TLBs and jump caches empty for the first time. */
  initialize(): void {
    const { u8 } = this.state.host;
    const { translations } = this.state;
    u8.fill(0xff, translations, translations + JUMP_CACHES);
    u8.fill(0, translations + JUMP_CACHES, translations + JUMP_CACHES + 4 * JUMP_SIZE + 2 * JUMP64_SIZE);
  }

  /** INVLPG: drops what is known of one page. */
  invalidate(linear: LinearAddress): void {
    for (const page of this.largePages) {
      if (Math.floor(linear / 2 ** (((page % 64) + 64) % 64)) === Math.floor(page / 64)) return this.flush();
    }
    const { u32 } = this.state.host;
    const { translations } = this.state;
    for (const which of [Tlb.supervisor, Tlb.guarded, Tlb.user]) {
      const narrow = (translations + TLBS[which] + entryOf(linear) * TLB_ENTRY) >> 2;
      const wide = (translations + TLBS64[which] + entryOf(linear) * TLB64_ENTRY) >> 2;
      u32.fill(IMPOSSIBLE, narrow, narrow + 2);
      u32.fill(IMPOSSIBLE, wide, wide + 4);
    }
    // Jump caches know addresses in pages of code alone.
    const key = pageOf(linear) * 2;
    const supervisor = this.codePages.delete(key);
    if (this.codePages.delete(key + 1) || supervisor) this.flushJumps();
  }

  flushJumps(): void {
    if (!this.jumpsUsed) return;
    this.jumpsUsed = false;
    const start = this.state.translations + JUMP_CACHES;
    this.state.host.u8.fill(0, start, start + 4 * JUMP_SIZE + 2 * JUMP64_SIZE);
  }

  /** A jump cache has entries. */
  jumpsUsed = true;

  /** Takes the write permission for a frame out of the TLBs, since code was decoded from it. */
  protectFrame(frame: number): void {
    const { u32 } = this.state.host;
    const host = this.memory.hostOffset(frame);
    for (const base of this.filled) {
      const narrow = base - this.state.translations < TLBS64[0];
      const size = narrow ? TLB_ENTRY : TLB64_ENTRY;
      const [tag, words, addend] = narrow ? [TLB.write, 1, TLB.addend] : [TLB64.write, 2, TLB64.addend];
      for (let entry = base; entry < base + TLB_ENTRIES * size; entry += size) {
        const at = (entry + tag) >> 2;
        if ((u32[(entry + addend) >> 2] + u32[at]) >>> 0 === host) u32.fill(IMPOSSIBLE, at, at + words);
      }
    }
  }

  private fill(linear: number, frame: number, writable: boolean): void {
    const { u32 } = this.state.host;
    const tlb = u32[TLB_BASE >> 2];
    if (this.state.alignmentChecked || this.watched.has(pageOf(linear))) return;
    this.filled.add(tlb);
    const page = pageBase(linear);
    const addend = (this.memory.hostOffset(frame) - page) >>> 0;
    if (tlb - this.state.translations < TLBS64[0]) {
      const entry = (tlb + entryOf(linear) * TLB_ENTRY) >> 2;
      const same = u32[entry] === page && u32[entry + (TLB.addend >> 2)] === addend;
      u32[entry] = page;
      if (writable) u32[entry + (TLB.write >> 2)] = page;
      else if (!same) u32[entry + (TLB.write >> 2)] = IMPOSSIBLE;
      u32[entry + (TLB.addend >> 2)] = addend;
      return;
    }
    const entry = (tlb + entryOf(linear) * TLB64_ENTRY) >> 2;
    const high = Math.floor(page / 2 ** 32) >>> 0;
    const same = u32[entry] === page >>> 0 && u32[entry + 1] === high && u32[entry + (TLB64.addend >> 2)] === addend;
    u32[entry] = page;
    u32[entry + 1] = high;
    if (writable) {
      u32[entry + (TLB64.write >> 2)] = page;
      u32[entry + (TLB64.write >> 2) + 1] = high;
    } else if (!same) u32.fill(IMPOSSIBLE, entry + (TLB64.write >> 2), entry + (TLB64.write >> 2) + 2);
    u32[entry + (TLB64.addend >> 2)] = addend;
  }

  /** Makes all accesses to some linear pages visible through `onWatched`. */
  watch(pages: Iterable<number>): void {
    this.watched.clear();
    for (const page of pages) this.watched.add(page);
    this.flush();
  }

  // --- code

  /**
   * The frame that holds the code at a linear address.
   * @throws GuestFault #PF
   */
  codeFrame(linear: LinearAddress, user: boolean): number {
    const key = pageOf(linear) * 2 + (user ? 1 : 0);
    let frame = this.codePages.get(key);
    if (frame === undefined) {
      frame = this.memory.frameOf(this.translate(linear, false, user, true));
      this.codePages.set(key, frame);
    }
    return frame;
  }

  /** @throws GuestFault #AC; see `requireAligned` */
  checkAlignment(linear: LinearAddress, size: number): void {
    requireAligned(this.state, linear, size);
  }

  // --- handlers' slow path

  /**
   * Makes an access possible at a linear address that segmentation has passed.
   * @returns a host offset: in RAM or ROM, or SCRATCH (then `commit` follows a write); 0 when it faults (`fault`) or must
   * be made with `exact` set (`retry`)
   */
  access(linear: LinearAddress, size: number, access: number): number {
    const user = this.state.cpl === 3;
    const write = access !== Access.read;
    if (!this.exact && this.isWatched(linear, size)) return this.putOff();
    try {
      const crossing = (linear & 0xfff) + size > FRAME_SIZE;
      const physical = this.translate(linear, write, user);
      if (crossing) {
        const next = pageBase(this.state.advance(linear, size)) as LinearAddress;
        return this.split(linear, size, access, physical, this.translate(next, write, user));
      }
      const frame = this.memory.frameOf(physical);
      const kind = this.memory.kindOf(frame);
      if (this.exact && this.isWatched(linear, size)) this.onWatched(linear, size, write);
      const inCode = this.memory.holdsCode(frame);
      if (kind === FrameKind.ram || (kind === FrameKind.rom && !write)) {
        this.fill(linear, frame, write && !inCode);
        const offset = this.memory.hostOffset(frame) + (linear & 0xfff);
        if (!write || !inCode) return offset;
      } else if (!this.exact) return this.putOff();
      return this.viaScratch(size, access, physical, size, 0);
    } catch (error) {
      if (!(error instanceof GuestFault)) throw error;
      this.fault = error;
      return 0;
    }
  }

  private putOff(): number {
    this.retry = true;
    return 0;
  }

  /** Whether any page is watched: helpers, whose accesses are not put off one by one, must run alone then. */
  get watching(): boolean {
    return this.watched.size > 0;
  }

  private isWatched(linear: LinearAddress, size: number): boolean {
    if (this.watched.size === 0) return false;
    return this.watched.has(pageOf(linear)) || this.watched.has(pageOf(this.state.advance(linear, size - 1)));
  }

  private split(linear: LinearAddress, size: number, access: number, first: number, second: number): number {
    const firstLength = FRAME_SIZE - (linear & 0xfff);
    const device = [first, second].some((physical) => {
      const kind = this.memory.kindOf(this.memory.frameOf(physical));
      return kind !== FrameKind.ram && kind !== FrameKind.rom;
    });
    if (device && !this.exact) return this.putOff();
    if (this.exact && this.isWatched(linear, size)) this.onWatched(linear, size, access !== Access.read);
    return this.viaScratch(size, access, first, firstLength, second);
  }

  private viaScratch(size: number, access: number, first: number, firstLength: number, second: number): number {
    if (access !== Access.write) {
      const { u8, view } = this.state.host;
      const whole = firstLength === size;
      if (whole && size <= 4) view.setUint32(SCRATCH, this.memory.read(first, size as AccessSize), true);
      else if (whole && size === 8) {
        view.setUint32(SCRATCH, this.memory.read(first, 4), true);
        view.setUint32(SCRATCH + 4, this.memory.read(first + 4, 4), true);
      } else for (let i = 0; i < size; i++) u8[SCRATCH + i] = this.memory.read(i < firstLength ? first + i : second + i - firstLength, 1);
    }
    if (access !== Access.read) Object.assign(this.pending, { size, first, firstLength, second });
    return SCRATCH;
  }

  /** Carries out the write that `access` prepared. */
  commit(): void {
    const { size, first, firstLength, second } = this.pending;
    const { u8, view } = this.state.host;
    if (firstLength === size && size <= 4) {
      const value = size === 1 ? view.getUint8(SCRATCH) : size === 2 ? view.getUint16(SCRATCH, true) : view.getUint32(SCRATCH, true);
      this.memory.write(first, size as AccessSize, value);
    } else if (firstLength === size && size === 8) {
      this.memory.write(first, 4, view.getUint32(SCRATCH, true));
      this.memory.write(first + 4, 4, view.getUint32(SCRATCH + 4, true));
    } else for (let i = 0; i < size; i++) this.memory.write(i < firstLength ? first + i : second + i - firstLength, 1, u8[SCRATCH + i]);
  }

  // --- the processor's own accesses

  /**
   * Reads 1, 2, 4 or 8 bytes at a linear address; 8 as `joinLow` gives them.
   * @param user check with user rights; the processor's own accesses (descriptor tables, TSS) are made without
   * @throws GuestFault #PF
   */
  read(linear: LinearAddress, size: AccessSize | 8, user: boolean): number {
    if (user) this.checkAlignment(linear, size);
    if (size === 8) return joinLow(...this.readHalves(linear, user));
    if (this.isWatched(linear, size)) this.onWatched(linear, size, false);
    if ((linear & 0xfff) + size <= FRAME_SIZE) return this.memory.read(this.translate(linear, false, user), size);
    let value = 0;
    for (let i = 0; i < size; i++) value += this.memory.read(this.translate(this.state.advance(linear, i), false, user), 1) * 2 ** (8 * i);
    return value;
  }

  /** Reads 8 bytes exactly: their halves. */
  readHalves(linear: LinearAddress, user: boolean): [low: number, high: number] {
    if (user) this.checkAlignment(linear, 8);
    const low = this.read(linear, 4, user);
    return [low, this.read(this.state.advance(linear, 4), 4, user)];
  }

  /** Writes 1, 2, 4 or 8 bytes; both pages are checked before either changes. */
  write(linear: LinearAddress, size: AccessSize | 8, value: number, user: boolean): void {
    if (user) this.checkAlignment(linear, size);
    if (size === 8) {
      this.writeHalves(linear, value, highHalf(value), user);
      return;
    }
    const physical = this.translate(linear, true, user);
    if (this.isWatched(linear, size)) this.onWatched(linear, size, true);
    if ((linear & 0xfff) + size <= FRAME_SIZE) {
      this.memory.write(physical, size, value);
      return;
    }
    this.checkWrite(linear, size, user);
    for (let i = 0; i < size; i++) {
      this.memory.write(this.translate(this.state.advance(linear, i), true, user), 1, (value >>> (8 * i)) & 0xff);
    }
  }

  /** Writes 8 bytes from their halves. */
  writeHalves(linear: LinearAddress, low: number, high: number, user: boolean): void {
    this.checkWrite(linear, 8, user);
    this.write(linear, 4, low >>> 0, user);
    this.write(this.state.advance(linear, 4), 4, high >>> 0, user);
  }

  /** Reads an area. @throws GuestFault #PF at its first byte that cannot be read */
  readBytes(linear: LinearAddress, length: number, user: boolean): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    this.eachPage(linear, length, false, user, (physical, at, count) => bytes.set(this.memory.readBytes(physical, count), at));
    return bytes;
  }

  /** Writes an area; all its pages are checked before any changes. */
  writeBytes(linear: LinearAddress, bytes: Uint8Array, user: boolean): void {
    this.eachPage(linear, bytes.length, true, user, () => {});
    this.eachPage(linear, bytes.length, true, user, (physical, at, count) =>
      this.memory.writeBytes(physical, bytes.subarray(at, at + count)),
    );
  }

  private eachPage(
    linear: LinearAddress,
    length: number,
    write: boolean,
    user: boolean,
    visit: (physical: GuestPhysicalAddress, at: number, count: number) => void,
  ): void {
    for (let at = 0; at < length; ) {
      const address = this.state.advance(linear, at);
      const count = Math.min(length - at, FRAME_SIZE - (address & (FRAME_SIZE - 1)));
      const physical = this.translate(address, write, user);
      if (this.isWatched(address, count)) this.onWatched(address, count, write);
      visit(physical, at, count);
      at += count;
    }
  }

  /** Faults if `size` bytes (at most a page) at `linear` cannot be written. */
  checkWrite(linear: LinearAddress, size: number, user: boolean): void {
    if (user) this.checkAlignment(linear, size);
    this.translate(linear, true, user);
    const last = pageBase(this.state.advance(linear, size - 1)) as LinearAddress;
    if (last !== pageBase(linear)) this.translate(last, true, user);
  }
}
