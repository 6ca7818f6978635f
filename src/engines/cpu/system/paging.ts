/** The walk through the guest's page tables (manual, "Paging"), in the three modes of one table. */
import type { GuestPhysicalAddress, LinearAddress } from '../../../shared/addresses';
import type { PhysicalMemory } from '../../machine/physical-memory';
import { SYS } from '../layout';
import { Cr4, type CpuState, Efer } from '../state';
import type { EptTables, EptWalk } from '../vmx/ept-tables';

/** MAXPHYADDR, as CPUID leaf 0x80000008 says it. */
export const PHYSICAL_ADDRESS_BITS = 40;

/** Bits of a paging-structure entry's low half. */
export const Pte = { present: 1, write: 2, user: 4, accessed: 0x20, dirty: 0x40, large: 0x80, global: 0x100 } as const;
/** Of its high half: execute-disable. */
export const PTE_NX = 0x80000000;

/** Bits of a page fault's error code. */
export const PageFault = { present: 1, write: 2, user: 4, reserved: 8, fetch: 16 } as const;

export type PagingLevel = 'PML4E' | 'PDPTE' | 'PDE' | 'PTE';

/** One level of a walk, for the page-table view and the reason of a fault. */
export interface WalkStep {
  readonly level: PagingLevel;
  /** Undefined for a PDPTE of PAE paging, which lies in the processor. */
  readonly entryAddress: GuestPhysicalAddress | undefined;
  readonly low: number;
  /** Bits 32 to 63; 0 in 32-bit paging. */
  readonly high: number;
  /** How a guest's entry is found, whose address is guest-physical. Where it is not, both halves are given as 0. */
  readonly ept?: EptWalk;
}

export interface Walk {
  readonly steps: readonly WalkStep[];
  /** Where the address leads, unless the walk ends early; a guest's is translated once more, by `ept`. */
  readonly physical?: GuestPhysicalAddress;
  /** From `physical` on, to the host-physical address. */
  readonly ept?: EptWalk;
  /** Write, user and fetch permission of all levels together. */
  readonly writable: boolean;
  readonly user: boolean;
  readonly executable: boolean;
  readonly global: boolean;
  /** Bytes that the last entry maps. */
  readonly pageSize: number;
  /**
   * Bits of an error code for an access that found this walk wanting: `present` or `reserved`; undefined when it leads somewhere, and
   * when the last step's entry is not to be found.
   */
  readonly broken?: number;
}

interface Level {
  readonly name: PagingLevel;
  /** Lowest bit of the linear address that indexes it. */
  readonly shift: number;
  /** Bit 7 makes the entry map a page. */
  readonly mayBeLarge: boolean;
}

export interface PagingMode {
  readonly name: 'none' | '32-bit' | 'PAE' | '4-level';
  readonly entrySize: 4 | 8;
  readonly levels: readonly Level[];
  /** Bits of the high half that must be zero in every entry. */
  readonly reservedHigh: number;
}

const level = (name: PagingLevel, shift: number, mayBeLarge = false): Level => ({ name, shift, mayBeLarge });

/** Bits of the high half from MAXPHYADDR up to address bit 51 and (in PAE paging) up to bit 62. */
const beyondPhysical = (top: number): number => ((2 ** (top - 31) - 2 ** (PHYSICAL_ADDRESS_BITS - 32)) >>> 0) & 0x7fffffff;

const NONE: PagingMode = { name: 'none', entrySize: 4, levels: [], reservedHigh: 0 };
const LEGACY: PagingMode = { name: '32-bit', entrySize: 4, levels: [level('PDE', 22), level('PTE', 12)], reservedHigh: 0 };
const LEGACY_PSE: PagingMode = { ...LEGACY, levels: [level('PDE', 22, true), level('PTE', 12)] };
/** Bits 32 to 62 of an entry of PAE paging that lie above MAXPHYADDR, in its high half. */
export const PAE_RESERVED = beyondPhysical(62);
const PAE: PagingMode = {
  name: 'PAE',
  entrySize: 8,
  levels: [level('PDPTE', 30), level('PDE', 21, true), level('PTE', 12)],
  reservedHigh: PAE_RESERVED,
};
/** Bits 32 to 51 of an entry that lie above MAXPHYADDR, in its high half. */
export const FOUR_LEVEL_RESERVED = beyondPhysical(51);
const FOUR_LEVEL: PagingMode = {
  name: '4-level',
  entrySize: 8,
  levels: [level('PML4E', 39), level('PDPTE', 30, true), level('PDE', 21, true), level('PTE', 12)],
  reservedHigh: FOUR_LEVEL_RESERVED,
};

/** What of a processor decides how it translates. */
export type PagingState = Pick<CpuState, 'paging' | 'longMode' | 'cr3' | 'cr4' | 'efer' | 'sys' | 'sysHigh'>;
/** With what decides about an access besides. */
export type AccessState = PagingState & Pick<CpuState, 'cr0' | 'cpl' | 'flag'>;

/** The paging mode in force (manual, "Paging Modes and Control Bits"). */
export function pagingMode(state: PagingState): PagingMode {
  if (!state.paging) return NONE;
  if (state.longMode) return FOUR_LEVEL;
  const { cr4 } = state;
  return cr4 & Cr4.pae ? PAE : cr4 & Cr4.pse ? LEGACY_PSE : LEGACY;
}

/** Address bits 12 to 39 of an entry. */
const frameAddress = (low: number, high: number): number => (high & 0xff) * 2 ** 32 + ((low & 0xfffff000) >>> 0);

/**
 * Reads the page tables without touching accessed and dirty bits.
 * @param tables what a guest's are reached through, in VMX non-root operation with EPT
 */
export function walk(state: PagingState, memory: PhysicalMemory, linear: LinearAddress, tables?: EptTables): Walk {
  const mode = pagingMode(state);
  const steps: WalkStep[] = [];
  const noExecute = (state.efer & Efer.nxe) !== 0;
  let writable = true;
  let user = true;
  let executable = true;
  let table = tableBase(state, mode);
  const end = (broken: number | undefined, pageSize: number): Walk => ({
    steps,
    writable,
    user,
    executable,
    global: false,
    pageSize,
    ...(broken !== undefined && { broken }),
  });
  const lead = (physical: number) => ({ physical: physical as GuestPhysicalAddress, ...(tables && { ept: tables.walk(physical) }) });

  for (const [depth, { name, shift, mayBeLarge }] of mode.levels.entries()) {
    const index = Math.floor(linear / 2 ** shift) & (mode.entrySize === 4 ? 0x3ff : 0x1ff);
    const inProcessor = mode === PAE && depth === 0;
    const entryAddress = inProcessor ? undefined : ((table + index * mode.entrySize) as GuestPhysicalAddress);
    const ept = entryAddress === undefined ? undefined : tables?.walk(entryAddress);
    const place = ept ? ept.physical : entryAddress;
    const pageSize = 2 ** shift;
    if (ept && (place === undefined || !ept.readable)) {
      steps.push({ level: name, entryAddress, low: 0, high: 0, ept });
      return end(undefined, pageSize);
    }
    const [low, high] =
      place === undefined
        ? [state.sys(SYS.pdpte0 + (index & 3)), state.sysHigh(SYS.pdpte0 + (index & 3))]
        : [memory.read(place, 4), mode.entrySize === 8 ? memory.read(place + 4, 4) : 0];
    steps.push({ level: name, entryAddress, low, high, ...(ept && { ept }) });
    if (!(low & Pte.present)) return end(0, pageSize);
    const last = shift === 12 || (mayBeLarge && (low & Pte.large) !== 0);
    if (!inProcessor && hasReserved(mode, low, high, last ? pageSize : 0, noExecute, name)) {
      return end(PageFault.present | PageFault.reserved, pageSize);
    }
    if (!inProcessor) {
      writable &&= (low & Pte.write) !== 0;
      user &&= (low & Pte.user) !== 0;
      executable &&= !(noExecute && high & PTE_NX);
    }
    if (last) {
      const page = frameAddress(low, high);
      const physical = page - (page % pageSize) + (((linear % pageSize) + pageSize) % pageSize);
      const global = (low & Pte.global) !== 0;
      return { steps, ...lead(physical), writable, user, executable, global, pageSize };
    }
    table = frameAddress(low, high);
  }
  return { steps, ...lead(linear), writable, user, executable, global: false, pageSize: 4096 };
}

function tableBase(state: PagingState, mode: PagingMode): number {
  const low = (state.cr3 & 0xfffff000) >>> 0;
  return mode === FOUR_LEVEL ? frameAddress(low, state.sysHigh(SYS.cr3)) : low;
}

/** @param pageSize of a page that the entry maps, or 0 */
function hasReserved(mode: PagingMode, low: number, high: number, pageSize: number, noExecute: boolean, name: PagingLevel): boolean {
  if (mode.entrySize === 4) {
    // PSE-36: bits 13 to 20 are address bits 32 to 39, of which this machine has none; bit 21 is reserved.
    return pageSize > 4096 && (low & 0x3fe000) !== 0;
  }
  if (high & mode.reservedHigh || (high & PTE_NX && !noExecute)) return true;
  if (name === 'PML4E') return (low & Pte.large) !== 0;
  // Between the PAT bit and the page's address.
  return pageSize > 4096 && (low & (pageSize - 1) & ~0x1fff) !== 0;
}

/**
 * The PDPTEs that PAE paging would load from CR3 (manual, "PDPTE Registers").
 * @returns four pairs of halves, or undefined when one has reserved bits set: the load is a #GP(0)
 */
export function readPdptes(memory: PhysicalMemory, cr3: number): readonly (readonly [low: number, high: number])[] | undefined {
  const table = (cr3 & 0xffffffe0) >>> 0;
  const entries = [0, 1, 2, 3].map((i) => [memory.read(table + i * 8, 4), memory.read(table + i * 8 + 4, 4)] as const);
  const flawed = entries.some(([low, high]) => low & Pte.present && (low & 0x1e6 || high & ~(2 ** (PHYSICAL_ADDRESS_BITS - 32) - 1)));
  return flawed ? undefined : entries;
}

/** Puts PDPTEs into the processor. */
export function setPdptes(state: CpuState, entries: readonly (readonly [low: number, high: number])[]): void {
  entries.forEach(([low, high], i) => state.setSysHalves(SYS.pdpte0 + i, low, high));
}

/** What an access was, for the reason of a page fault. */
export interface Attempt {
  readonly write: boolean;
  readonly user: boolean;
  readonly fetch: boolean;
}

/** Why a walk does not allow an access, in one line. */
export function describePageFault(state: AccessState, linear: number, found: Walk, { write, user, fetch }: Attempt): string {
  const what = fetch ? 'fetch from' : write ? 'write to' : 'read of';
  return `${user ? 'user' : 'supervisor'} ${what} ${hexLinear(state, linear)}: ${whyDenied(state, found, { write, user, fetch })}`;
}

function whyDenied(state: AccessState, found: Walk, { write, user, fetch }: Attempt): string {
  const last = found.steps[found.steps.length - 1];
  if (found.broken !== undefined) {
    return found.broken & PageFault.reserved ? `reserved bits are set in the ${last.level}` : `the ${last.level} is not present`;
  }
  if (user && !found.user) return 'the page is for supervisors';
  if (fetch && !found.executable) return 'the page is execute-disabled (NX)';
  if (fetch && !user && found.user && state.cr4 & Cr4.smep) return 'CR4.SMEP forbids a supervisor to run code of user pages';
  if (!user && found.user && state.cr4 & Cr4.smap && (found.writable || !write)) {
    return 'CR4.SMAP forbids a supervisor access to a user page';
  }
  return 'the page is read-only';
}

/** A linear address in the width of its mode. */
export function hexLinear(state: PagingState, linear: number): string {
  if (!state.longMode) return `0x${linear.toString(16).padStart(8, '0')}`;
  return `0x${BigInt.asUintN(64, BigInt(linear)).toString(16).padStart(16, '0')}`;
}
