/** Paging, the TLBs, and every memory access that is not the quick one. */
import type { GuestPhysicalAddress, LinearAddress } from '../../../shared/addresses';
import { type AccessSize, FRAME_SHIFT, FRAME_SIZE, FrameKind, type PhysicalMemory } from '../../machine/physical-memory';
import { Access } from '../staged/code-width';
import { CODE_CHUNK, CODE_MAP, SCRATCH, Tlb } from '../layout';
import { Cr0, Cr4, type CpuState, Efer, Flag, highHalf, joinLow } from '../state';
import { DescriptorCache } from './descriptors';
import { GuestFault, Vector } from './fault';
import { requireAligned } from './segments';
import type { GuestContext } from '../vmx/guest-context';
import { Epte } from '../vmx/ept';
import type { EptTables } from '../vmx/ept-tables';
import { GuestMemory } from '../vmx/guest-memory';
import { describePageFault, PageFault, Pte, readPdptes, type Walk, walk } from './paging';
import { type InvvpidType, TranslationSets } from './translation-sets';
import type { Translations } from './translations';
import { Walker } from './walker';

const pageOf = (linear: number): number => Math.floor(linear / FRAME_SIZE);
const CODE_CHUNK_SHIFT = Math.log2(CODE_CHUNK);
const pageBase = (linear: number): number => linear - (linear & (FRAME_SIZE - 1));

/** A write that waits in SCRATCH: up to two pieces. */
interface Pending {
  size: number;
  first: number;
  firstLength: number;
  second: number;
  /** It goes to the task-priority register of a guest's virtual APIC. */
  toTpr: boolean;
}

export class Mmu {
  private readonly state: CpuState;
  readonly memory: PhysicalMemory;
  private readonly pending: Pending = { size: 0, first: 0, firstLength: 0, second: 0, toTpr: false };
  /** For the operation the processor is in; so are the translations. */
  private walker: Walker;
  private translations: Translations;
  private readonly sets: TranslationSets;
  private readonly guestMemory: GuestMemory;
  /** The guest that runs in VMX non-root operation. */
  private context: GuestContext | undefined;
  /** Bytes of the access under way. */
  private size = 1;
  readonly descriptors = new DescriptorCache();
  /** Linear page numbers whose accesses must be seen (data breakpoints). */
  private readonly watched = new Set<number>();
  /** Devices may be touched and watched pages accessed: one instruction runs alone. */
  exact = false;
  /** Set when an access was put off because `exact` is not set. */
  retry = false;
  /** The fault of the last access that returned 0. */
  fault: GuestFault | undefined;
  /** For the statistics: accesses that no TLB knew, walks through page tables for them or for fetching, and page faults. */
  misses = 0;
  walks = 0;
  faults = 0;
  /** Told of every access to a watched page. */
  onWatched: (address: LinearAddress, size: number, write: boolean) => void = () => {};
  /** Told when a guest has written to the task-priority register of its virtual APIC, while `exact` is set or by a helper. */
  onTprWrite: () => void = () => {};

  constructor(state: CpuState, memory: PhysicalMemory) {
    this.state = state;
    this.memory = memory;
    this.walker = new Walker(state, memory);
    this.guestMemory = new GuestMemory(state, memory, this.walker);
    this.sets = new TranslationSets(state, memory);
    this.translations = this.sets.current;
  }

  // --- walking

  advance(linear: LinearAddress, bytes: number): LinearAddress {
    return this.state.advance(linear, bytes);
  }

  /** Reads the page tables without touching accessed and dirty bits. */
  walk(linear: LinearAddress): Walk {
    return walk(this.state, this.memory, linear, this.eptTables);
  }

  // --- VMX non-root operation

  /** The guest that runs, if one does. */
  get guest(): GuestContext | undefined {
    return this.context;
  }

  /** To be called before a VM entry or VM exit loads control registers: says what the translations in force rest on. */
  noteControls(): void {
    this.sets.noteControls();
  }

  /** VM entry, with the guest's registers loaded: its addresses are translated as the context has it from now on. */
  enterGuest(context: GuestContext): void {
    this.sets.enter(context);
    this.useContext(context);
  }

  /** VM exit or failed VM entry, with the host's registers loaded. */
  leaveGuest(): void {
    this.sets.leave();
    this.useContext(undefined);
  }

  /** RESET# and INIT: no guest runs, and nothing is known of any address. */
  reset(): void {
    if (this.context) this.leaveGuest();
    this.flushAll();
  }

  private useContext(context: GuestContext | undefined): void {
    this.context = context;
    this.walker = this.guestMemory.use(context);
    this.translations = this.sets.current;
    this.delivering = false;
  }

  /** An event is being delivered to a guest: VM exits tell so of its accesses. */
  get delivering(): boolean {
    return this.guestMemory.delivering;
  }

  set delivering(on: boolean) {
    this.guestMemory.delivering = on;
  }

  /** The extended page tables in force. */
  get eptTables(): EptTables | undefined {
    return this.guestMemory.tables;
  }

  /** INVEPT. @param eptPointer halves of what the descriptor names, or everything */
  invalidateEpt(eptPointer: readonly [low: number, high: number] | 'all'): void {
    this.guestMemory.invalidateEpt();
    this.sets.invalidateEpt(eptPointer);
  }

  /** INVVPID. */
  invalidateVpid(type: InvvpidType, vpid: number): void {
    this.sets.invalidateVpid(type, vpid);
  }

  /**
   * The PDPTEs that a load of CR3 brings.
   * @returns as `readPdptes` of paging.ts
   * @throws VmExit where a guest's cannot be reached
   */
  readPdptes(cr3: number): ReturnType<typeof readPdptes> {
    return readPdptes(this.memory, this.guestMemory.pdpteTable((cr3 & 0xffffffe0) >>> 0));
  }

  /** SMEP and SMAP: user pages that a supervisor may not touch. An access of the processor's own in ring 3 counts as implicit. */
  private guarded(fetch: boolean): boolean {
    const { cr4 } = this.state;
    if (fetch) return (cr4 & Cr4.smep) !== 0;
    return (cr4 & Cr4.smap) !== 0 && (!this.state.flag(Flag.ac) || this.state.cpl === 3);
  }

  /**
   * Translates for an access, setting accessed and dirty bits.
   * @param user the access is made with user rights (CPL 3 and not one of the processor's own)
   * @throws GuestFault #PF, VmExit
   */
  translate(linear: LinearAddress, write: boolean, user: boolean, fetch = false): GuestPhysicalAddress {
    const physical = this.resolve(linear, write, user, fetch);
    if (physical < 0) throw this.takeFault();
    return physical as GuestPhysicalAddress;
  }

  private takeFault(): GuestFault {
    const fault = this.fault as GuestFault;
    this.fault = undefined;
    return fault;
  }

  /**
   * The same without throwing, which costs a microsecond.
   * @returns the physical address, or -1 with `fault` set
   */
  private resolve(linear: LinearAddress, write: boolean, user: boolean, fetch: boolean): number {
    const { walker } = this;
    const physical = walker.walk(linear);
    if (walker.paged) {
      this.walks++;
      if (physical < 0) {
        walker.markAccessed(false, false);
        return this.refuse(linear, walker.broken, write, user, fetch);
      }
      const { rights } = walker;
      const userPage = (rights & Pte.user) !== 0;
      const allowed =
        (user ? userPage : !userPage || !this.guarded(fetch)) &&
        (!write || (rights & Pte.write) !== 0 || (!user && !(this.state.cr0 & Cr0.wp))) &&
        (!fetch || walker.executable);
      // A walk that fails has used the entries that led to the last one.
      walker.markAccessed(allowed, write);
      if (!allowed) return this.refuse(linear, PageFault.present, write, user, fetch);
      if (walker.pageShift > FRAME_SHIFT) this.translations.noteLarge(linear, walker.pageShift, walker.global);
    }
    return this.context === undefined ? physical : this.reach(linear, physical, write, fetch);
  }

  /** Goes on from a guest-physical address to memory. @returns the host-physical address, or -1 with `fault` set */
  private reach(linear: LinearAddress, guestPhysical: number, write: boolean, fetch: boolean): number {
    const { guestMemory } = this;
    // An entry's flag could not be set.
    if (this.walker.exit !== undefined) {
      this.fault = this.walker.exit;
      return -1;
    }
    const physical = guestMemory.reach(linear, guestPhysical, fetch ? Epte.execute : write ? Epte.write : Epte.read, this.size);
    if (physical < 0) {
      this.fault = guestMemory.exit;
      // A hypervisor that maps another page in answer (copy on write) need not invalidate the one that could be read.
      this.translations.invalidatePiece(linear);
    }
    return physical;
  }

  /** The last access found goes to the task-priority register of a guest's virtual APIC: through no TLB, and alone. */
  private get toTpr(): boolean {
    return this.guestMemory.redirected;
  }

  private tprWritten(): void {
    this.guestMemory.trimTpr();
    this.onTprWrite();
  }

  /** Makes the page fault of an access; why is worked out when someone asks. @returns -1 */
  private refuse(linear: LinearAddress, denied: number, write: boolean, user: boolean, fetch: boolean): -1 {
    const { state } = this;
    if (this.walker.exit !== undefined) {
      this.fault = this.walker.exit;
      return -1;
    }
    this.faults++;
    const tellsFetch = fetch && ((state.efer & Efer.nxe && state.cr4 & Cr4.pae) || state.cr4 & Cr4.smep);
    const code = denied | (write ? PageFault.write : 0) | (user ? PageFault.user : 0) | (tellsFetch ? PageFault.fetch : 0);
    this.fault = new GuestFault(Vector.pf, code, () => describePageFault(state, linear, this.walk(linear), { write, user, fetch }));
    this.fault.information = linear;
    return -1;
  }

  /** The physical address that a debugger sees (of a guest's, the host-physical one), or undefined where nothing is mapped; changes nothing. */
  probe(linear: LinearAddress): GuestPhysicalAddress | undefined {
    if (!this.state.paging && this.context === undefined) return linear as number as GuestPhysicalAddress;
    const { physical, ept } = this.walk(linear);
    return ept ? (ept.physical as GuestPhysicalAddress | undefined) : physical;
  }

  // --- TLB

  /** Drops every translation, and the jump caches, which rest on them. */
  flush(): void {
    this.translations.flush();
  }

  /** The same of the host's and of its guests', and what is known of guest-physical addresses. */
  flushAll(): void {
    this.sets.each((set) => set.flush());
    this.guestMemory.invalidateEpt();
  }

  /** Drops every translation but those of global pages. */
  flushLocal(): void {
    this.translations.flushLocal();
  }

  /** Makes all TLBs and jump caches empty for the first time. */
  initialize(): void {
    this.translations.initialize();
  }

  /** INVLPG: drops what is known of one page. */
  invalidate(linear: LinearAddress): void {
    this.translations.invalidate(linear);
  }

  flushJumps(): void {
    this.sets.each((set) => set.flushJumps());
  }

  /**
   * Remembers an entry of a jump cache that was written for the code page last asked for.
   * @param entry its host offset / 4 @param local it rests on another page, too, which may not be global
   */
  noteJump(entry: number, local: boolean): void {
    this.translations.noteJump(entry, local);
  }

  /** Takes the write permission for a frame out of the TLBs, since code was decoded from it. */
  protectFrame(frame: number): void {
    this.sets.each((set) => set.protectFrame(frame));
  }

  /** Which TLB holds what the processor itself or a helper may touch; see `Tlb`. */
  private tlbFor(user: boolean): Tlb {
    if (user) return Tlb.user;
    return (this.state.cr4 & Cr4.smap) !== 0 && this.guarded(false) ? Tlb.guarded : Tlb.supervisor;
  }

  /** Enters the translation that was just walked. @param wide in the TLBs of 64-bit code */
  private fill(linear: number, physical: number, write: boolean, tlb: Tlb, wide: boolean): void {
    if (this.watched.size > 0 && this.watched.has(pageOf(linear))) return;
    this.misses++;
    const { walker, memory } = this;
    const frame = memory.frameOf(physical);
    // What is dirty already and may be written may be so at once.
    const writable = (write || walker.writableNow) && memory.kindOf(frame) === FrameKind.ram;
    const rights = !writable ? 'read' : memory.holdsCode(frame) ? 'look' : 'write';
    this.translations.fill(linear, memory.hostOffset(frame), rights, tlb, wide, walker.global);
  }

  /**
   * Where an access of the processor's own finds RAM, by the TLBs.
   * @returns host offset, or 0 where the slow way must be gone: over a page's edge, watched, a device, code, or a fault
   */
  private quick(linear: LinearAddress, size: number, write: boolean, user: boolean): number {
    this.size = size;
    if ((linear & (FRAME_SIZE - 1)) + size > FRAME_SIZE) return 0;
    const tlb = this.tlbFor(user);
    const wide = this.state.longMode;
    const known = this.translations.lookup(linear, write, tlb, wide);
    if (known !== 0) return known;
    const physical = this.resolve(linear, write, user, false);
    if (physical < 0) throw this.takeFault();
    if (this.toTpr) return 0;
    const kind = this.memory.kindOf(this.memory.frameOf(physical));
    if (kind !== FrameKind.ram && kind !== FrameKind.rom) return 0;
    this.fill(linear, physical, write, tlb, wide);
    return this.translations.lookup(linear, write, tlb, wide);
  }

  /** Makes all accesses to some linear pages visible through `onWatched`. Often they are those that were watched already. */
  watch(pages: readonly number[]): void {
    const { watched } = this;
    const wanted = new Set(pages);
    if (wanted.size === watched.size && pages.every((page) => watched.has(page))) return;
    watched.clear();
    for (const page of wanted) watched.add(page);
    this.flushAll();
  }

  // --- code

  /**
   * The frame that holds the code at a linear address.
   * @throws GuestFault #PF
   */
  codeFrame(linear: LinearAddress, user: boolean): number {
    const frame = this.findCodeFrame(linear, user);
    if (frame < 0) throw this.takeFault();
    return frame;
  }

  /** The same without throwing. @returns -1 with `fault` set where fetching faults */
  findCodeFrame(linear: LinearAddress, user: boolean): number {
    const known = this.translations.codeFrame(linear, user);
    if (known >= 0) return known;
    const physical = this.resolve(linear, false, user, true);
    if (physical < 0) return -1;
    const frame = this.memory.frameOf(physical);
    this.translations.noteCode(linear, user, frame, this.walker.global);
    return frame;
  }

  /** The frame that a page of code has been fetched from since the last flush; -1 for none. */
  knownCodeFrame(linear: LinearAddress, user: boolean): number {
    return this.translations.codeFrame(linear, user);
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
    const { state, memory } = this;
    const user = state.cpl === 3;
    const write = access !== Access.read;
    this.size = size;
    if (!this.exact && this.isWatched(linear, size)) return this.putOff();
    const physical = this.resolve(linear, write, user, false);
    if (physical < 0) return 0;
    if ((linear & (FRAME_SIZE - 1)) + size > FRAME_SIZE) {
      const next = pageBase(state.advance(linear, size)) as LinearAddress;
      const second = this.resolve(next, write, user, false);
      return second < 0 ? 0 : this.split(linear, size, access, physical, second);
    }
    const frame = memory.frameOf(physical);
    const kind = this.toTpr ? FrameKind.mmio : memory.kindOf(frame);
    if (this.exact && this.isWatched(linear, size)) this.onWatched(linear, size, write);
    if (kind === FrameKind.ram || (kind === FrameKind.rom && !write)) {
      // Alignment checks need a look at every access.
      if (!state.alignmentChecked) this.fill(linear, physical, write, this.tlbFor(user), state.long);
      const offset = memory.hostOffset(frame) + (linear & (FRAME_SIZE - 1));
      if (!write || !memory.holdsCode(frame) || !this.isCode(offset, size)) return offset;
    } else if (!this.exact) return this.putOff();
    return this.viaScratch(size, access, physical, size, 0);
  }

  /** Code was decoded from the chunks that hold these bytes of one page. */
  private isCode(offset: number, size: number): boolean {
    const map = this.state.host.u32[(CODE_MAP >> 2) + (offset >>> FRAME_SHIFT)];
    const chunk = (at: number): number => (map >>> ((at >>> CODE_CHUNK_SHIFT) & 31)) & 1;
    return (chunk(offset) | chunk(offset + size - 1)) !== 0;
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
    if (access !== Access.read) Object.assign(this.pending, { size, first, firstLength, second, toTpr: this.toTpr });
    return SCRATCH;
  }

  /** Carries out the write that `access` prepared. */
  commit(): void {
    const { size, first, firstLength, second, toTpr } = this.pending;
    const { u8, view } = this.state.host;
    if (firstLength === size && size <= 4) {
      const value = size === 1 ? view.getUint8(SCRATCH) : size === 2 ? view.getUint16(SCRATCH, true) : view.getUint32(SCRATCH, true);
      this.memory.write(first, size as AccessSize, value);
    } else if (firstLength === size && size === 8) {
      this.memory.write(first, 4, view.getUint32(SCRATCH, true));
      this.memory.write(first + 4, 4, view.getUint32(SCRATCH + 4, true));
    } else for (let i = 0; i < size; i++) this.memory.write(i < firstLength ? first + i : second + i - firstLength, 1, u8[SCRATCH + i]);
    if (toTpr) this.tprWritten();
  }

  // --- the processor's own accesses

  /**
   * Reads 1, 2, 4 or 8 bytes at a linear address; 8 as `joinLow` gives them.
   * @param user check with user rights; the processor's own accesses (descriptor tables, TSS) are made without
   * @throws GuestFault #PF
   */
  read(linear: LinearAddress, size: AccessSize | 8, user: boolean): number {
    if (user) this.checkAlignment(linear, size);
    const at = this.quick(linear, size, false, user);
    if (at !== 0) {
      const { view } = this.state.host;
      if (size === 4) return view.getUint32(at, true);
      if (size === 8) return joinLow(view.getUint32(at, true), view.getUint32(at + 4, true));
      return size === 2 ? view.getUint16(at, true) : view.getUint8(at);
    }
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
    const at = this.quick(linear, 8, false, user);
    if (at !== 0) return [this.state.host.view.getUint32(at, true), this.state.host.view.getUint32(at + 4, true)];
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
    const at = this.quick(linear, size, true, user);
    if (at !== 0) {
      const { view } = this.state.host;
      if (size === 4) view.setUint32(at, value, true);
      else if (size === 2) view.setUint16(at, value, true);
      else view.setUint8(at, value);
      return;
    }
    const physical = this.translate(linear, true, user);
    if (this.isWatched(linear, size)) this.onWatched(linear, size, true);
    if ((linear & 0xfff) + size <= FRAME_SIZE) {
      this.memory.write(physical, size, value);
      if (this.toTpr) this.tprWritten();
      return;
    }
    this.checkWrite(linear, size, user);
    for (let i = 0; i < size; i++) {
      this.memory.write(this.translate(this.state.advance(linear, i), true, user), 1, (value >>> (8 * i)) & 0xff);
    }
  }

  /** Writes 8 bytes from their halves. */
  writeHalves(linear: LinearAddress, low: number, high: number, user: boolean): void {
    if (user) this.checkAlignment(linear, 8);
    const at = this.quick(linear, 8, true, user);
    if (at !== 0) {
      const { view } = this.state.host;
      view.setUint32(at, low, true);
      view.setUint32(at + 4, high, true);
      return;
    }
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
      this.size = count;
      const physical = this.translate(address, write, user);
      if (this.isWatched(address, count)) this.onWatched(address, count, write);
      visit(physical, at, count);
      at += count;
    }
  }

  /** Faults if `size` bytes (at most a page) at `linear` cannot be written. */
  checkWrite(linear: LinearAddress, size: number, user: boolean): void {
    if (user) this.checkAlignment(linear, size);
    this.size = size;
    this.translate(linear, true, user);
    const last = pageBase(this.state.advance(linear, size - 1)) as LinearAddress;
    if (last !== pageBase(linear)) this.translate(last, true, user);
  }
}
