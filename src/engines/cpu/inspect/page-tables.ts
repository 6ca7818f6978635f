/** The guest's page tables for people: one address level by level, and all that they map (manual, "Paging"). */
import type { LinearAddress } from '../../../shared/addresses';
import type { PageAccess, PageEntry, PageMap, PageTables, PageVerdict, PageWalk } from '../../engine';
import type { PhysicalMemory } from '../../machine/physical-memory';
import { SYS } from '../layout';
import { Cr0, Cr4, Efer, Flag } from '../state';
import {
  type AccessState,
  describePageFault,
  PageFault,
  type PagingMode,
  pagingMode,
  type PagingState,
  type Walk,
  walk,
} from '../system/paging';
import { Epte } from '../vmx/ept';
import { type EptTables, whyEptEnds } from '../vmx/ept-tables';
import { nestedWalk } from './ept-entries';
import { entryFields } from './page-entries';
import { PageMapper } from './page-map';

const ACCESSES: readonly PageAccess[] = (['read', 'write', 'execute'] as const).flatMap((kind) =>
  [false, true].map((user): PageAccess => ({ kind, user })),
);

/** Whose page tables they are. */
export interface Paged {
  readonly state: AccessState;
  readonly mmu: { readonly eptTables: EptTables | undefined };
}

export class PageTableView implements PageTables {
  private readonly processor: () => Paged;
  private readonly memory: PhysicalMemory;

  /** @param processor puts the processor's state in place */
  constructor(processor: () => Paged, memory: PhysicalMemory) {
    this.processor = processor;
    this.memory = memory;
  }

  get mode(): string {
    return pagingMode(this.processor().state).name;
  }

  facts(): { name: string; value: string; meaning: string }[] {
    const { state } = this.processor();
    const mode = pagingMode(state);
    return [
      { name: 'mode', value: mode.name, meaning: MODES[mode.name] },
      { name: 'CR3', value: hex64(state, SYS.cr3), meaning: 'physical address of the top table, and its bits' },
      ...BITS.map(({ name, read, mask, set, clear }) => {
        const on = (read(state) & mask) !== 0;
        return { name, value: on ? '1' : '0', meaning: on ? set : clear };
      }),
    ];
  }

  walk(address: LinearAddress): PageWalk {
    const { state, mmu } = this.processor();
    const mode = pagingMode(state);
    const found = walk(state, this.memory, address, mmu.eptTables);
    const tracks = mmu.eptTables?.tracks ?? false;
    const entries = found.steps.map(({ level, entryAddress, low, high, ept }, i): PageEntry => {
      const value = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
      const { shift } = mode.levels[i];
      const maps = i === found.steps.length - 1 && found.physical !== undefined;
      return {
        level,
        index: indexAt(mode, address, shift),
        address: entryAddress,
        value,
        bits: mode.entrySize === 8 ? 64 : 32,
        fields: entryFields(value, mode, level, maps, (state.efer & Efer.nxe) !== 0),
        covers: 2 ** shift,
        ...(ept && { nested: nestedWalk(ept, tracks, Epte.read) }),
      };
    });
    return {
      address,
      entries,
      ...(found.physical !== undefined && { physical: found.physical, pageSize: found.pageSize }),
      ...(found.ept && { nested: nestedWalk(found.ept, tracks, 0) }),
      verdicts: ACCESSES.map((access) => judge(state, address, found, access)),
    };
  }

  map(merged: boolean): PageMap {
    const { state, mmu } = this.processor();
    return new PageMapper(state, this.memory, merged, mmu.eptTables).map();
  }
}

const indexAt = ({ entrySize }: PagingMode, address: number, shift: number): number =>
  Math.floor(address / 2 ** shift) & (entrySize === 4 ? 0x3ff : 0x1ff);

const hex64 = (state: PagingState, slot: number): string => {
  const value = (BigInt(state.sysHigh(slot)) << 32n) | BigInt(state.sys(slot));
  return `0x${value.toString(16).padStart(state.longMode ? 16 : 8, '0')}`;
};

const MODES: Readonly<Record<PagingMode['name'], string>> = {
  none: 'linear addresses are physical',
  '32-bit': 'two levels, 4-byte entries',
  PAE: 'three levels, 8-byte entries, the topmost in the processor',
  '4-level': 'four levels, 8-byte entries, 48-bit addresses',
};

interface FactBit {
  readonly name: string;
  readonly read: (state: AccessState) => number;
  readonly mask: number;
  readonly set: string;
  readonly clear: string;
}

const cr0 = (state: AccessState): number => state.cr0;
const cr4 = (state: AccessState): number => state.cr4;
const efer = (state: AccessState): number => state.efer;

const BITS: readonly FactBit[] = [
  { name: 'CR0.PG', read: cr0, mask: Cr0.pg | 0, set: 'paging', clear: 'no paging' },
  { name: 'CR0.WP', read: cr0, mask: Cr0.wp, set: 'supervisors obey read-only pages', clear: 'supervisors may write to read-only pages' },
  { name: 'CR4.PSE', read: cr4, mask: Cr4.pse, set: '4 MiB pages in 32-bit paging', clear: 'no 4 MiB pages in 32-bit paging' },
  { name: 'CR4.PAE', read: cr4, mask: Cr4.pae, set: '8-byte entries', clear: '4-byte entries' },
  { name: 'CR4.PGE', read: cr4, mask: Cr4.pge, set: 'global pages', clear: 'the G bit means nothing' },
  { name: 'CR4.PCIDE', read: cr4, mask: Cr4.pcide, set: 'CR3 has a PCID', clear: 'no PCIDs' },
  { name: 'CR4.SMEP', read: cr4, mask: Cr4.smep, set: 'supervisors run no user pages', clear: 'supervisors may run user pages' },
  {
    name: 'CR4.SMAP',
    read: cr4,
    mask: Cr4.smap,
    set: 'supervisors touch user pages with AC alone',
    clear: 'supervisors may touch user pages',
  },
  { name: 'EFER.LMA', read: efer, mask: Efer.lma, set: 'IA-32e mode', clear: 'not IA-32e mode' },
  { name: 'EFER.NXE', read: efer, mask: Efer.nxe, set: 'bit 63 forbids execution', clear: 'bit 63 is reserved' },
];

/** What the processor would say to an access (manual, "Access Rights"). */
function judge(state: AccessState, address: LinearAddress, found: Walk, access: PageAccess): PageVerdict {
  const { kind, user } = access;
  const write = kind === 'write';
  const fetch = kind === 'execute';
  const ended = whyEptEnds(found, write ? Epte.write : fetch ? Epte.execute : Epte.read);
  // A page fault comes before what EPT says of the page itself.
  const reached = found.physical !== undefined || found.broken !== undefined;
  const denied = found.broken ?? (!reached || permitted(state, found, access) ? undefined : PageFault.present);
  if (denied === undefined) return ended === undefined ? { ...access, allowed: true } : { ...access, allowed: false, reason: ended };
  const tellsFetch = fetch && ((state.efer & Efer.nxe && state.cr4 & Cr4.pae) || state.cr4 & Cr4.smep);
  const errorCode = denied | (write ? PageFault.write : 0) | (user ? PageFault.user : 0) | (tellsFetch ? PageFault.fetch : 0);
  return { ...access, allowed: false, reason: describePageFault(state, address, found, { write, user, fetch }), errorCode };
}

function permitted(state: AccessState, found: Walk, { kind, user }: PageAccess): boolean {
  if (kind === 'execute' && !found.executable) return false;
  if (user) return found.user && (kind !== 'write' || found.writable);
  if (kind === 'write' && !found.writable && state.cr0 & Cr0.wp) return false;
  if (!found.user) return true;
  if (kind === 'execute') return !(state.cr4 & Cr4.smep);
  // An access of the processor's own in ring 3 (of a descriptor table, say) is one that AC does not help.
  return !(state.cr4 & Cr4.smap) || (state.flag(Flag.ac) && state.cpl !== 3);
}
