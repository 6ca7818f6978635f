/** Paging, the TLBs, and every memory access that is not the quick one. */
import type { GuestPhysicalAddress, LinearAddress } from '../../../shared/addresses';
import { type AccessSize, FRAME_SIZE, FrameKind, type PhysicalMemory } from '../../machine/physical-memory';
import { Access } from '../interpreter/handler-context';
import {
  JUMP_CACHE_COUNT,
  JUMP_CACHES,
  JUMP_SIZE,
  SCRATCH,
  SYS,
  TLB,
  TLB_BASE,
  TLB_EMPTY,
  TLB_ENTRIES,
  TLB_SIZE,
  TLB_SUPERVISOR,
  TLB_USER,
} from '../layout';
import { Cr0, Cr4, type CpuState } from '../state';
import { GuestFault, Vector } from './fault';

const PAGE_MASK = 0xfffff000;

/** Page-table entry bits (manual, "32-Bit Paging"). */
export const Pte = { present: 1, write: 2, user: 4, accessed: 0x20, dirty: 0x40, large: 0x80, global: 0x100 } as const;

/** Bits of a page fault's error code. */
export const PageFault = { present: 1, write: 2, user: 4, reserved: 8, fetch: 16 } as const;

/** One level of a walk, for the page-table view and the reason of a fault. */
export interface WalkStep {
  readonly level: 'PDE' | 'PTE';
  readonly entryAddress: GuestPhysicalAddress;
  readonly entry: number;
}

export interface Walk {
  readonly steps: readonly WalkStep[];
  /** Where the address leads, unless the walk ends early. */
  readonly physical?: GuestPhysicalAddress;
  /** Write and user permission of all levels together. */
  readonly writable: boolean;
  readonly user: boolean;
  readonly large: boolean;
  /** Bits of an error code for an access that found this walk wanting: `present` or `reserved`; undefined when it leads somewhere. */
  readonly broken?: number;
}

/** A write that waits in SCRATCH: up to two pieces. */
interface Pending {
  size: number;
  first: number;
  firstLength: number;
  second: number;
}

export class Mmu {
  private readonly state: CpuState;
  private readonly memory: PhysicalMemory;
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

  /** Reads the page tables without touching accessed and dirty bits. */
  walk(linear: LinearAddress): Walk {
    const { cr3, cr4 } = this.state;
    const directory = ((cr3 & PAGE_MASK) + ((linear >>> 22) << 2)) >>> 0;
    const pde = this.memory.read(directory, 4);
    const steps: WalkStep[] = [{ level: 'PDE', entryAddress: directory as GuestPhysicalAddress, entry: pde }];
    let writable = (pde & Pte.write) !== 0;
    let user = (pde & Pte.user) !== 0;
    if (!(pde & Pte.present)) return { steps, writable: false, user: false, large: false, broken: 0 };
    if (pde & Pte.large && cr4 & Cr4.pse) {
      // PSE-36: bits 13 to 20 are address bits 32 to 39; this machine has none there, and bit 21 is reserved.
      if (pde & 0x3fe000) return { steps, writable, user, large: true, broken: PageFault.present | PageFault.reserved };
      return { steps, physical: (((pde & 0xffc00000) | (linear & 0x3fffff)) >>> 0) as GuestPhysicalAddress, writable, user, large: true };
    }
    const table = ((pde & PAGE_MASK) + (((linear >>> 12) & 0x3ff) << 2)) >>> 0;
    const pte = this.memory.read(table, 4);
    steps.push({ level: 'PTE', entryAddress: table as GuestPhysicalAddress, entry: pte });
    if (!(pte & Pte.present)) return { steps, writable: false, user: false, large: false, broken: 0 };
    writable &&= (pte & Pte.write) !== 0;
    user &&= (pte & Pte.user) !== 0;
    return { steps, physical: (((pte & PAGE_MASK) | (linear & 0xfff)) >>> 0) as GuestPhysicalAddress, writable, user, large: false };
  }

  /**
   * Translates for an access, setting accessed and dirty bits.
   * @param user the access is made with user rights (CPL 3 and not one of the processor's own)
   * @throws GuestFault #PF with CR2 set
   */
  translate(linear: LinearAddress, write: boolean, user: boolean, fetch = false): GuestPhysicalAddress {
    if (!this.state.paging) return linear as number as GuestPhysicalAddress;
    const walk = this.walk(linear);
    const denied =
      walk.broken === undefined && ((user && !walk.user) || (write && !walk.writable && (user || (this.state.cr0 & Cr0.wp) !== 0)));
    if (walk.broken !== undefined || denied) {
      const code = (walk.broken ?? PageFault.present) | (write ? PageFault.write : 0) | (user ? PageFault.user : 0);
      this.state.setSys(SYS.cr2, linear);
      throw new GuestFault(Vector.pf, code, describePageFault(linear, walk, write, user, fetch));
    }
    const leaf = walk.steps.length - 1;
    walk.steps.forEach(({ entryAddress, entry }, i) => {
      const wanted = entry | Pte.accessed | (write && i === leaf ? Pte.dirty : 0);
      if (wanted !== entry) this.memory.write(entryAddress, 4, wanted);
    });
    return walk.physical as GuestPhysicalAddress;
  }

  /** The physical address that a debugger sees, or undefined where nothing is mapped; changes nothing. */
  probe(linear: LinearAddress): GuestPhysicalAddress | undefined {
    return this.state.paging ? this.walk(linear).physical : (linear as number as GuestPhysicalAddress);
  }

  // --- TLB

  /** Drops every translation, and the jump caches, which rest on them. */
  flush(): void {
    const { u8 } = this.state.host;
    u8.fill(0xff, TLB_SUPERVISOR, TLB_SUPERVISOR + TLB_SIZE);
    u8.fill(0xff, TLB_USER, TLB_USER + TLB_SIZE);
    u8.fill(0xff, TLB_EMPTY, TLB_EMPTY + TLB_SIZE);
    this.codePages.clear();
    this.flushJumps();
  }

  /** INVLPG: drops what is known of one page (with large pages about, of all). */
  invalidate(linear: LinearAddress): void {
    if (this.state.cr4 & Cr4.pse) return this.flush();
    const { u32 } = this.state.host;
    for (const base of [TLB_SUPERVISOR, TLB_USER]) {
      const entry = (base + ((linear >>> 8) & ((TLB_ENTRIES - 1) << 4))) >> 2;
      u32[entry] = 0xffffffff;
      u32[entry + 1] = 0xffffffff;
    }
    this.codePages.delete((linear >>> 12) * 2);
    this.codePages.delete((linear >>> 12) * 2 + 1);
    this.flushJumps();
  }

  flushJumps(): void {
    this.state.host.u8.fill(0, JUMP_CACHES, JUMP_CACHES + JUMP_CACHE_COUNT * JUMP_SIZE);
  }

  /** Takes the write permission for a frame out of the TLBs, since code was decoded from it. */
  protectFrame(frame: number): void {
    const { u32 } = this.state.host;
    const host = this.memory.hostOffset(frame);
    for (const base of [TLB_SUPERVISOR, TLB_USER]) {
      for (let entry = base >> 2; entry < (base + TLB_SIZE) >> 2; entry += 4) {
        if ((u32[entry + (TLB.addend >> 2)] + u32[entry + (TLB.write >> 2)]) >>> 0 === host) u32[entry + (TLB.write >> 2)] = 0xffffffff;
      }
    }
  }

  private fill(tlb: number, linear: number, frame: number, readable: boolean, writable: boolean): void {
    const page = (linear & PAGE_MASK) >>> 0;
    if (tlb === TLB_EMPTY || this.watched.has(page / FRAME_SIZE)) return;
    const { u32 } = this.state.host;
    const entry = (tlb + ((linear >>> 8) & ((TLB_ENTRIES - 1) << 4))) >> 2;
    const addend = (this.memory.hostOffset(frame) - page) >>> 0;
    const same = u32[entry + (TLB.addend >> 2)] === addend && u32[entry] === page;
    if (readable) u32[entry + (TLB.read >> 2)] = page;
    if (writable) u32[entry + (TLB.write >> 2)] = page;
    else if (!same) u32[entry + (TLB.write >> 2)] = 0xffffffff;
    u32[entry + (TLB.addend >> 2)] = addend;
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
    const key = (linear >>> 12) * 2 + (user ? 1 : 0);
    let frame = this.codePages.get(key);
    if (frame === undefined) {
      frame = this.memory.frameOf(this.translate(linear, false, user, true));
      this.codePages.set(key, frame);
    }
    return frame;
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
        const next = ((linear + size) & PAGE_MASK) >>> 0;
        return this.split(linear, size, access, physical, this.translate(next as LinearAddress, write, user));
      }
      const frame = this.memory.frameOf(physical);
      const kind = this.memory.kindOf(frame);
      if (this.exact && this.isWatched(linear, size)) this.onWatched(linear, size, write);
      const inCode = this.memory.holdsCode(frame);
      if (kind === FrameKind.ram || (kind === FrameKind.rom && !write)) {
        this.fill(this.state.host.u32[TLB_BASE >> 2], linear, frame, true, write && !inCode);
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

  private isWatched(linear: number, size: number): boolean {
    return this.watched.size > 0 && (this.watched.has(linear >>> 12) || this.watched.has(((linear + size - 1) >>> 0) >>> 12));
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
   * Reads 1, 2 or 4 bytes at a linear address.
   * @param user check with user rights; the processor's own accesses (descriptor tables, TSS) are made without
   * @throws GuestFault #PF
   */
  read(linear: LinearAddress, size: AccessSize, user: boolean): number {
    if (this.isWatched(linear, size)) this.onWatched(linear, size, false);
    if ((linear & 0xfff) + size <= FRAME_SIZE) return this.memory.read(this.translate(linear, false, user), size);
    let value = 0;
    for (let i = 0; i < size; i++)
      value += this.memory.read(this.translate(((linear + i) >>> 0) as LinearAddress, false, user), 1) * 2 ** (8 * i);
    return value;
  }

  /** Writes 1, 2 or 4 bytes; both pages are checked before either changes. */
  write(linear: LinearAddress, size: AccessSize, value: number, user: boolean): void {
    const physical = this.translate(linear, true, user);
    if (this.isWatched(linear, size)) this.onWatched(linear, size, true);
    if ((linear & 0xfff) + size <= FRAME_SIZE) {
      this.memory.write(physical, size, value);
      return;
    }
    this.checkWrite(linear, size, user);
    for (let i = 0; i < size; i++) {
      this.memory.write(this.translate(((linear + i) >>> 0) as LinearAddress, true, user), 1, (value >>> (8 * i)) & 0xff);
    }
  }

  /** Faults if `size` bytes (at most a page) at `linear` cannot be written. */
  checkWrite(linear: LinearAddress, size: number, user: boolean): void {
    this.translate(linear, true, user);
    const last = ((linear + size - 1) >>> 0) as LinearAddress;
    if (last >>> 12 !== linear >>> 12) this.translate(((last & PAGE_MASK) >>> 0) as LinearAddress, true, user);
  }
}

function describePageFault(linear: number, walk: Walk, write: boolean, user: boolean, fetch: boolean): string {
  const what = fetch ? 'fetch from' : write ? 'write to' : 'read of';
  const last = walk.steps[walk.steps.length - 1];
  const why =
    walk.broken === undefined
      ? user && !walk.user
        ? 'the page is for supervisors'
        : 'the page is read-only'
      : walk.broken & PageFault.reserved
        ? `reserved bits are set in the ${last.level}`
        : `the ${last.level} is not present`;
  return `${user ? 'user' : 'supervisor'} ${what} 0x${linear.toString(16).padStart(8, '0')}: ${why}`;
}
