/** The processor's way from guest-physical to host-physical addresses (manual, "EPT Translation Mechanism"). */
import { FRAME_SIZE, type PhysicalMemory } from '../../machine/physical-memory';
import { EPT_TOP, eptRoot, Epte, isEptLeaf, isMisconfigured } from './ept';
import { ExitReason } from './exit-reasons';
import type { GuestContext, PmlContext } from './guest-context';
import { VmExit } from './vm-exit';

const ADDRESS = 0xfffff000;
const OFFSET = 0xfff;
/** Entries of the page-modification log. */
const PML_ENTRIES = 512;

/** What a guest-physical address comes from, as bits of the exit qualification: 7 (there is a linear address), 8 (this is its translation). */
export const Source = { final: 0x180, structure: 0x80, pdptes: 0 } as const;
export type Source = (typeof Source)[keyof typeof Source];

/**
 * Guest-physical mappings that are kept, one for each of so many pages. Only what allows an access is ever used; INVEPT is what drops
 * them, and no VM entry or exit does (manual, "Caching Translation Information").
 */
const KEPT = 4096;
/** Of a kept mapping, beside its rights: a write needs no more looking at. */
const READY = 8;
const NO_PAGE = -1;

/** What the last translation found stays in its fields until the next. */
export class EptTranslator {
  private readonly memory: PhysicalMemory;
  private readonly keptPages = new Int32Array(KEPT).fill(NO_PAGE);
  private readonly keptFrames = new Float64Array(KEPT);
  private readonly keptRights = new Uint8Array(KEPT);
  private table = -1;
  private pml: PmlContext | undefined;
  /** The entries that the walk went through, in memory. */
  private readonly addresses = new Float64Array(4);
  private readonly entries = new Int32Array(4);
  private last = 0;
  /** Accessed and dirty flags are in use. */
  tracks = false;
  /** `Epte.read`, `Epte.write` and `Epte.execute` where all levels allow it. */
  rights = 0;
  /** After a translation that was allowed: a write would be, too, and would change no entry. */
  writableNow = false;
  /** Why the last translation led nowhere. */
  exit: VmExit | undefined;

  constructor(memory: PhysicalMemory) {
    this.memory = memory;
  }

  /** Takes over the tables of a guest. */
  use(pointer: readonly [low: number, high: number], pml: GuestContext['pml']): void {
    const { table, tracks } = eptRoot(pointer);
    if (table !== this.table || tracks !== this.tracks) this.flush();
    this.table = table;
    this.tracks = tracks;
    this.pml = pml;
  }

  /** Forgets all mappings. */
  flush(): void {
    this.keptPages.fill(NO_PAGE);
  }

  /**
   * Translates for an access, setting accessed and dirty flags if they are in use.
   * @param needed rights, as in `Epte` @param access what of bits 0 to 2 of the exit qualification says what was tried
   * @param linear the linear address behind it
   * @returns the host-physical address, or -1 with `exit` set
   */
  translate(guestPhysical: number, needed: number, access: number, source: Source, linear: number): number {
    const page = Math.floor(guestPhysical / FRAME_SIZE);
    const slot = page & (KEPT - 1);
    if (this.keptPages[slot] === page) {
      const kept = this.keptRights[slot];
      if ((kept & needed) === needed && (!(needed & Epte.write) || kept & READY)) {
        this.rights = kept & Epte.rights;
        this.writableNow = (kept & READY) !== 0;
        return this.keptFrames[slot] + (guestPhysical & OFFSET);
      }
    }
    const physical = this.walk(guestPhysical, needed, access, source, linear);
    if (physical < 0) return -1;
    this.writableNow = (this.rights & Epte.write) !== 0 && (!this.tracks || (this.entries[this.last] & Epte.dirty) !== 0);
    this.keptPages[slot] = page;
    this.keptFrames[slot] = physical - (guestPhysical & OFFSET);
    this.keptRights[slot] = this.rights | (this.writableNow ? READY : 0);
    return physical;
  }

  private walk(guestPhysical: number, needed: number, access: number, source: Source, linear: number): number {
    const { memory, addresses, entries } = this;
    const low = guestPhysical | 0;
    const high = Math.floor(guestPhysical / 2 ** 32);
    let { table } = this;
    this.rights = Epte.rights;
    for (let shift = EPT_TOP, depth = 0; ; shift -= 9, depth++) {
      const index = shift === EPT_TOP ? high >>> 7 : shift === 30 ? (high << 2) | (low >>> 30) : low >>> shift;
      const at = table + (index & 0x1ff) * 8;
      const entry = memory.readWord(at);
      this.rights &= entry;
      if (!(entry & Epte.rights)) return this.violate(guestPhysical, access, source, linear);
      const upper = memory.readWord(at + 4);
      const leaf = isEptLeaf(entry, shift);
      if (isMisconfigured(entry, upper, shift, leaf)) {
        this.exit = new VmExit(ExitReason.eptMisconfiguration, { physical: guestPhysical });
        return -1;
      }
      addresses[depth] = at;
      entries[depth] = entry;
      const above = (upper & 0xff) * 2 ** 32;
      if (leaf) {
        this.last = depth;
        if ((this.rights & needed) !== needed) return this.violate(guestPhysical, access, source, linear);
        if (this.tracks && !this.track(guestPhysical, (needed & Epte.write) !== 0)) return -1;
        const mask = (1 << shift) - 1;
        return above + (((entry & ADDRESS & ~mask) | (low & mask)) >>> 0);
      }
      table = above + ((entry & ADDRESS) >>> 0);
    }
  }

  /**
   * An access that the rights of the last translation do not allow (manual, "Exit Qualification for EPT Violations"). What is known of its
   * page is forgotten.
   * @returns -1
   */
  violate(guestPhysical: number, access: number, source: Source, linear: number, rights = this.rights): -1 {
    const page = Math.floor(guestPhysical / FRAME_SIZE);
    const slot = page & (KEPT - 1);
    if (this.keptPages[slot] === page) this.keptPages[slot] = NO_PAGE;
    const qualification = access | (rights << 3) | source;
    this.exit = new VmExit(ExitReason.eptViolation, {
      qualification,
      physical: guestPhysical,
      ...(source !== Source.pdptes && { linear }),
    });
    return -1;
  }

  /**
   * Sets the flags of the entries just used (manual, "Accessed and Dirty Flags for EPT"), and logs the page that becomes dirty.
   * @returns false with `exit` set when the log is full; nothing has changed then
   */
  private track(guestPhysical: number, write: boolean): boolean {
    const { entries, last, pml } = this;
    const dirties = write && !(entries[last] & Epte.dirty);
    if (dirties && pml && pml.index >= PML_ENTRIES) {
      this.exit = new VmExit(ExitReason.pmlFull);
      return false;
    }
    for (let i = 0; i < last; i++) this.mark(i, Epte.accessed);
    this.mark(last, Epte.accessed | (write ? Epte.dirty : 0));
    if (dirties && pml) {
      const at = pml.address + pml.index * 8;
      this.memory.write(at, 4, (guestPhysical & ADDRESS) >>> 0);
      this.memory.write(at + 4, 4, Math.floor(guestPhysical / 2 ** 32));
      pml.index = (pml.index - 1) & 0xffff;
    }
    return true;
  }

  private mark(index: number, bits: number): void {
    const entry = this.entries[index];
    if ((entry & bits) === bits) return;
    this.entries[index] = entry | bits;
    this.memory.write(this.addresses[index], 4, (entry | bits) >>> 0);
  }
}
