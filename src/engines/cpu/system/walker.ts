/** The processor's own walk through the page tables: what `paging.ts` says of every mode, without a record of the steps. */
import type { PhysicalMemory } from '../../machine/physical-memory';
import { SYS } from '../layout';
import { Cr0, Cr4, type CpuState, Efer } from '../state';
import type { VmExit } from '../vmx/vm-exit';
import { FOUR_LEVEL_RESERVED, PAE_RESERVED, PageFault, Pte, PTE_NX } from './paging';

const ADDRESS = 0xfffff000;
/** Bits 13 to 21 of a 4 MiB page's entry: addresses beyond 4 GiB, of which there are none, and a reserved bit. */
const RESERVED_4M = 0x3fe000;
const RIGHTS = Pte.write | Pte.user;

/** What the last walk found stays in its fields until the next. */
export class Walker {
  private readonly state: CpuState;
  protected readonly memory: PhysicalMemory;
  /** The entries that the walk went through, in memory. */
  protected readonly addresses = new Float64Array(4);
  protected readonly entries = new Int32Array(4);
  protected depth = 0;
  /** Paging is on. */
  paged = false;
  /** `Pte.write` and `Pte.user` where all levels allow it. */
  rights = 0;
  executable = true;
  /** Log2 of the page's size. */
  pageShift = 12;
  /** The translation outlives a change of CR3. */
  global = false;
  /** Bits of the error code where the walk leads nowhere. */
  broken = 0;
  /** The VM exit that reaching the page tables has ended in. */
  exit: VmExit | undefined = undefined;

  constructor(state: CpuState, memory: PhysicalMemory) {
    this.state = state;
    this.memory = memory;
  }

  /** @returns the physical address, or -1 with `broken` set */
  walk(linear: number): number {
    const { state } = this;
    this.depth = 0;
    this.rights = RIGHTS;
    this.executable = true;
    this.pageShift = 12;
    this.global = false;
    this.paged = state.cr0 >= Cr0.pg;
    if (!this.paged) return linear;
    const { cr4 } = state;
    if (!(cr4 & Cr4.pae)) return this.walk32(linear | 0, cr4);
    const low = linear | 0;
    if (!state.longMode) return this.walkPae(low);
    const table = (state.sysHigh(SYS.cr3) & 0xff) * 2 ** 32 + ((state.cr3 & ADDRESS) >>> 0);
    const high = Math.floor(linear / 2 ** 32);
    return this.descend(table, 39, low, high, FOUR_LEVEL_RESERVED);
  }

  private fail(broken: number): -1 {
    this.broken = broken;
    return -1;
  }

  private walk32(linear: number, cr4: number): number {
    const first = ((this.state.cr3 & ADDRESS) >>> 0) + (linear >>> 22) * 4;
    const directory = this.take(first);
    if (!(directory & Pte.present)) return this.fail(0);
    this.rights = directory & RIGHTS;
    if (directory & Pte.large && cr4 & Cr4.pse) {
      if (directory & RESERVED_4M) return this.fail(PageFault.present | PageFault.reserved);
      this.pageShift = 22;
      this.global = (directory & Pte.global) !== 0 && (cr4 & Cr4.pge) !== 0;
      return ((directory & 0xffc00000) | (linear & 0x3fffff)) >>> 0;
    }
    const entry = this.take(((directory & ADDRESS) >>> 0) + ((linear >>> 12) & 0x3ff) * 4);
    if (!(entry & Pte.present)) return this.fail(0);
    this.rights &= entry;
    this.global = (entry & Pte.global) !== 0 && (cr4 & Cr4.pge) !== 0;
    return ((entry & ADDRESS) | (linear & 0xfff)) >>> 0;
  }

  /** The PDPTEs lie in the processor, are checked when they are loaded, and grant everything. */
  private walkPae(linear: number): number {
    const { state } = this;
    const slot = SYS.pdpte0 + (linear >>> 30);
    const low = state.sys(slot);
    if (!(low & Pte.present)) return this.fail(0);
    const table = (state.sysHigh(slot) & 0xff) * 2 ** 32 + ((low & ADDRESS) >>> 0);
    return this.descend(table, 21, linear, 0, PAE_RESERVED);
  }

  /** @param shift of the table's index in the linear address, whose halves follow */
  private descend(table: number, shift: number, low: number, high: number, reserved: number): number {
    const noExecute = (this.state.efer & Efer.nxe) !== 0;
    for (;;) {
      const index = shift === 39 ? high >>> 7 : shift === 30 ? (high << 2) | (low >>> 30) : low >>> shift;
      const at = table + (index & 0x1ff) * 8;
      const entry = this.take(at);
      if (!(entry & Pte.present)) return this.fail(0);
      const upper = this.upper(at);
      if (upper & reserved || (upper & PTE_NX && !noExecute)) return this.fail(PageFault.present | PageFault.reserved);
      const large = shift > 12 && (entry & Pte.large) !== 0;
      // No PML4E maps a page, and between the PAT bit and a large page's address nothing may be set.
      if (large && (shift === 39 || entry & ((1 << shift) - 1) & ~0x1fff)) return this.fail(PageFault.present | PageFault.reserved);
      this.rights &= entry;
      if (upper & PTE_NX) this.executable = false;
      const above = (upper & 0xff) * 2 ** 32;
      if (large || shift === 12) {
        const mask = (1 << shift) - 1;
        this.pageShift = shift;
        this.global = (entry & Pte.global) !== 0 && (this.state.cr4 & Cr4.pge) !== 0;
        return above + (((entry & ADDRESS & ~mask) | (low & mask)) >>> 0);
      }
      table = above + ((entry & ADDRESS) >>> 0);
      shift -= 9;
    }
  }

  /** Reads an entry's low half and remembers it. */
  protected take(address: number): number {
    const entry = this.memory.readWord(address);
    this.addresses[this.depth] = address;
    this.entries[this.depth++] = entry;
    return entry;
  }

  /** The high half of the entry just taken. @param address of its low half */
  protected upper(address: number): number {
    return this.memory.readWord(address + 4);
  }

  /** Sets the accessed bits of the entries that were used. @param whole the last one too; @param write and its dirty bit */
  markAccessed(whole: boolean, write: boolean): void {
    const { entries } = this;
    const last = this.depth - 1;
    for (let i = 0; i < last; i++) if (!(entries[i] & Pte.accessed)) this.mark(i, Pte.accessed);
    const wanted = Pte.accessed | (write ? Pte.dirty : 0);
    if (whole && (entries[last] & wanted) !== wanted) this.mark(last, wanted);
  }

  protected mark(index: number, bits: number): void {
    this.entries[index] |= bits;
    this.memory.write(this.addresses[index], 4, this.entries[index] >>> 0);
  }

  /** After a walk that was allowed: a write would be, too, and would change no entry. */
  get writableNow(): boolean {
    if (!this.paged) return true;
    return (this.rights & Pte.write) !== 0 && (this.entries[this.depth - 1] & Pte.dirty) !== 0;
  }
}
