/** Entries of extended page tables (manual, "The Extended Page Table Mechanism (EPT)"). */
import { PHYSICAL_ADDRESS_BITS } from '../system/paging';

/** Bits of an entry's low half. */
export const Epte = {
  read: 1,
  write: 2,
  execute: 4,
  /** An entry with none of them is not present. */
  rights: 7,
  large: 0x80,
  accessed: 0x100,
  dirty: 0x200,
} as const;

/** Of the EPT pointer: accessed and dirty flags are in use. */
const TRACKS = 1 << 6;

/** Bits 40 to 51 of an entry, in its high half: beyond MAXPHYADDR, and reserved. */
const BEYOND = (2 ** 20 - 2 ** (PHYSICAL_ADDRESS_BITS - 32)) >>> 0;
/** Memory types that no leaf may have: 2, 3 and 7. */
const RESERVED_TYPES = (1 << 2) | (1 << 3) | (1 << 7);
/** Bits that are reserved where an entry leads to a table: of a PML4E bits 3 to 7, of others 3 to 6. */
const TABLE_RESERVED_4 = 0xf8;
const TABLE_RESERVED = 0x78;

export type EptLevel = 'PML4E' | 'PDPTE' | 'PDE' | 'PTE';

/** Names of the levels by the lowest bit of a guest-physical address that indexes them. */
export const EPT_LEVELS: Readonly<Record<number, EptLevel>> = { 39: 'PML4E', 30: 'PDPTE', 21: 'PDE', 12: 'PTE' };
/** That bit of the topmost level. */
export const EPT_TOP = 39;

/** Names of the memory types that a leaf may have. */
export const MEMORY_TYPES: Readonly<Record<number, string>> = { 0: 'UC', 1: 'WC', 4: 'WT', 5: 'WP', 6: 'WB' };

export interface EptRoot {
  /** Host-physical address of the EPT PML4 table: what tags cached mappings. */
  readonly table: number;
  /** Accessed and dirty flags are in use. */
  readonly tracks: boolean;
}

/** Manual, "Extended-Page-Table Pointer (EPTP)". */
export const eptRoot = ([low, high]: readonly [low: number, high: number]): EptRoot => ({
  table: eptAddress(low, high),
  tracks: (low & TRACKS) !== 0,
});

/** Address bits 12 to 39 of an entry or a pointer. */
export const eptAddress = (low: number, high: number): number => (high & 0xff) * 2 ** 32 + ((low & 0xfffff000) >>> 0);

/** Index of a guest-physical address in the table of a level. */
export function eptIndex(guestPhysical: number, shift: number): number {
  return Math.floor(guestPhysical / 2 ** shift) & 0x1ff;
}

/** Whether an entry maps a page. */
export const isEptLeaf = (low: number, shift: number): boolean => shift === 12 || ((low & Epte.large) !== 0 && shift < EPT_TOP);

/** Whether a present entry is a misconfiguration (manual, "EPT Misconfigurations"). Execute-only is allowed. */
export function isMisconfigured(low: number, high: number, shift: number, leaf: boolean): boolean {
  // Write without read.
  if ((low & (Epte.read | Epte.write)) === Epte.write || high & BEYOND) return true;
  if (!leaf) return (low & (shift === EPT_TOP ? TABLE_RESERVED_4 : TABLE_RESERVED)) !== 0;
  if ((RESERVED_TYPES >>> ((low >>> 3) & 7)) & 1) return true;
  return shift > 12 && (low & ((1 << shift) - 1) & ~0xfff) !== 0;
}

/** What is wrong with a misconfigured entry, for people. */
export function misconfigurationOf(low: number, high: number, shift: number): string | undefined {
  const leaf = isEptLeaf(low, shift);
  if (!isMisconfigured(low, high, shift, leaf)) return undefined;
  if ((low & (Epte.read | Epte.write)) === Epte.write) return 'an entry may be written but not read';
  if (high & BEYOND) return `an address lies beyond ${PHYSICAL_ADDRESS_BITS} bits`;
  if (leaf && (RESERVED_TYPES >>> ((low >>> 3) & 7)) & 1) return `memory type ${(low >>> 3) & 7} is reserved`;
  return 'reserved bits are set';
}
