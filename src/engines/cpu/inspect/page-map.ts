/**
 * All that the page tables map, as regions. Tables are walked, not addresses. A table that several neighbouring entries
 * share (as Linux' espfix area does, half a million times) is listed once, and then as a repetition.
 */
import type { GuestPhysicalAddress, LinearAddress } from '../../../shared/addresses';
import type { PageMap, PageRegion } from '../../engine';
import type { PhysicalMemory } from '../../machine/physical-memory';
import { SYS } from '../layout';
import { Efer } from '../state';
import { type PagingMode, pagingMode, type PagingState, Pte, PTE_NX } from '../system/paging';
import type { EptTables } from '../vmx/ept-tables';

/** Tables that are read at most: 8 GiB in small pages, each of its own. */
const MOST_TABLES = 1 << 14;
const MOST_REGIONS = 1 << 20;
const TOP = 2 ** 48;

interface Rights {
  readonly writable: boolean;
  readonly user: boolean;
  readonly executable: boolean;
}

type Open = { -readonly [K in keyof PageRegion]: PageRegion[K] };

const ALL: Rights = { writable: true, user: true, executable: true };
/** Of an entry, what makes two of them lead to the same table with the same rights. */
const SAME_LOW = ~(Pte.accessed | Pte.dirty);

export class PageMapper {
  private readonly state: PagingState;
  private readonly memory: PhysicalMemory;
  private readonly merged: boolean;
  private readonly ept: EptTables | undefined;
  private readonly mode: PagingMode;
  private readonly noExecute: boolean;
  private readonly regions: PageRegion[] = [];
  private readonly pages: Record<string, number> = {};
  private open: Open | undefined;
  private tables = 0;
  private cut = false;

  /** @param ept what a guest's tables are reached through; what they map stays guest-physical */
  constructor(state: PagingState, memory: PhysicalMemory, merged: boolean, ept?: EptTables) {
    this.state = state;
    this.memory = memory;
    this.merged = merged;
    this.ept = ept;
    this.mode = pagingMode(state);
    this.noExecute = (state.efer & Efer.nxe) !== 0;
  }

  map(): PageMap {
    const { mode, state } = this;
    if (mode.name === 'none') return { regions: [], pages: {}, cut: false };
    if (mode.name === 'PAE') this.walkProcessorEntries();
    else {
      const high = mode.name === '4-level' ? state.sysHigh(SYS.cr3) & 0xff : 0;
      this.walkTable(high * 2 ** 32 + ((state.cr3 & 0xfffff000) >>> 0), 0, 0, ALL);
    }
    this.close();
    return { regions: this.regions, pages: this.pages, cut: this.cut };
  }

  private walkProcessorEntries(): void {
    const { state, mode } = this;
    for (let i = 0; i < 4; i++) {
      const low = state.sys(SYS.pdpte0 + i);
      if (low & Pte.present) this.walkTable(frame(low, state.sysHigh(SYS.pdpte0 + i)), 1, i * 2 ** mode.levels[0].shift, ALL);
    }
  }

  private walkTable(table: number, depth: number, base: number, above: Rights): void {
    const { mode, memory } = this;
    if (++this.tables > MOST_TABLES || this.regions.length >= MOST_REGIONS) {
      this.cut = true;
      return;
    }
    const { shift, mayBeLarge } = mode.levels[depth];
    const place = this.ept ? this.ept.walk(table).physical : table;
    if (place === undefined) return;
    const bytes = memory.readBytes(place as GuestPhysicalAddress, 4096);
    const words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const wide = mode.entrySize === 8;
    const size = 2 ** shift;
    let last = { low: 0, high: 0 };
    for (let at = 0, i = 0; at + mode.entrySize <= bytes.length; at += mode.entrySize, i++) {
      const low = words.getUint32(at, true);
      const high = wide ? words.getUint32(at + 4, true) : 0;
      const before = last;
      last = { low, high };
      if (!(low & Pte.present)) continue;
      const start = base + i * size;
      const rights: Rights = {
        writable: above.writable && (low & Pte.write) !== 0,
        user: above.user && (low & Pte.user) !== 0,
        executable: above.executable && !(this.noExecute && high & PTE_NX),
      };
      const leaf = shift === 12 || (mayBeLarge && (low & Pte.large) !== 0);
      if (leaf) this.add(start, size, alignDown(frame(low, high), size), rights, (low & Pte.global) !== 0);
      else if (before.high === high && ((before.low ^ low) & SAME_LOW) === 0) this.repeat(start, size, frame(low, high), rights);
      else this.walkTable(frame(low, high), depth + 1, start, rights);
    }
  }

  private add(start: number, size: number, physical: number, rights: Rights, global: boolean): void {
    const { open } = this;
    this.pages[size] = (this.pages[size] ?? 0) + 1;
    if (
      open &&
      open.repeats === undefined &&
      open.pageSize === size &&
      follows(open, start) &&
      sameRights(open, rights) &&
      open.global === global
    ) {
      const contiguous = open.physical + open.size === physical;
      if (contiguous || this.merged) {
        open.size += size;
        open.contiguous &&= contiguous;
        return;
      }
    }
    this.close();
    this.open = {
      start: signed(start),
      size,
      physical: physical as GuestPhysicalAddress,
      contiguous: true,
      pageSize: size,
      ...rights,
      global,
    };
  }

  /** The tables below an entry once more, as those of the entry in front of it. */
  private repeat(start: number, size: number, table: number, rights: Rights): void {
    const { open } = this;
    if (open && open.repeats === size && open.physical === table && follows(open, start) && sameRights(open, rights)) {
      open.size += size;
      return;
    }
    this.close();
    this.open = {
      start: signed(start),
      size,
      physical: table as GuestPhysicalAddress,
      contiguous: false,
      pageSize: 4096,
      ...rights,
      global: false,
      repeats: size,
    };
  }

  private close(): void {
    if (this.open) this.regions.push(this.open);
    this.open = undefined;
  }
}

const frame = (low: number, high: number): number => (high & 0xff) * 2 ** 32 + ((low & 0xfffff000) >>> 0);
const alignDown = (address: number, size: number): number => address - (address % size);

/** Canonical: the upper half is negative. */
const signed = (address: number): LinearAddress => (address >= TOP / 2 ? address - TOP : address) as LinearAddress;

const follows = ({ start, size }: Open, next: number): boolean => start + size === signed(next);

const sameRights = (a: Rights, b: Rights): boolean => a.writable === b.writable && a.user === b.user && a.executable === b.executable;
