/** Extended page tables for people: a walk through them that changes nothing and tells of its steps. */
import type { PhysicalMemory } from '../../machine/physical-memory';
import type { Walk } from '../system/paging';
import { EPT_LEVELS, EPT_TOP, eptAddress, eptIndex, type EptLevel, eptRoot, Epte, isEptLeaf, misconfigurationOf } from './ept';

/** One level of a walk. */
export interface EptStep {
  readonly level: EptLevel;
  readonly index: number;
  /** Host-physical. */
  readonly entryAddress: number;
  readonly low: number;
  readonly high: number;
}

/** How a guest-physical address is translated. */
export interface EptWalk {
  readonly guestPhysical: number;
  readonly steps: readonly EptStep[];
  /** The host-physical address, where all entries are present and well-formed. */
  readonly physical?: number;
  /** Permissions of all levels together. */
  readonly readable: boolean;
  readonly writable: boolean;
  readonly executable: boolean;
  /** Bytes that the last entry maps or would map. */
  readonly pageSize: number;
  /** Of the leaf: see `MEMORY_TYPES`. */
  readonly memoryType?: number;
  /** What is wrong with the last entry: an access is an EPT misconfiguration. */
  readonly misconfiguration?: string;
}

export class EptTables {
  private readonly memory: PhysicalMemory;
  /** Host-physical address of the topmost table. */
  readonly table: number;
  /** Accessed and dirty flags are in use. */
  readonly tracks: boolean;

  /** @param pointer halves of an EPT pointer */
  constructor(memory: PhysicalMemory, pointer: readonly [low: number, high: number]) {
    const { table, tracks } = eptRoot(pointer);
    this.memory = memory;
    this.table = table;
    this.tracks = tracks;
  }

  walk(guestPhysical: number): EptWalk {
    const { memory } = this;
    const steps: EptStep[] = [];
    let rights: number = Epte.rights;
    let { table } = this;
    for (let shift = EPT_TOP; ; shift -= 9) {
      const index = eptIndex(guestPhysical, shift);
      const entryAddress = table + index * 8;
      const low = memory.read(entryAddress, 4);
      const high = memory.read(entryAddress + 4, 4);
      steps.push({ level: EPT_LEVELS[shift], index, entryAddress, low, high });
      rights &= low;
      const pageSize = 2 ** shift;
      const found = {
        guestPhysical,
        steps,
        readable: (rights & Epte.read) !== 0,
        writable: (rights & Epte.write) !== 0,
        executable: (rights & Epte.execute) !== 0,
        pageSize,
      };
      if (!(low & Epte.rights)) return found;
      const misconfiguration = misconfigurationOf(low, high, shift);
      if (misconfiguration !== undefined) return { ...found, misconfiguration };
      const next = eptAddress(low, high);
      if (isEptLeaf(low, shift)) {
        return { ...found, physical: next - (next % pageSize) + (guestPhysical % pageSize), memoryType: (low >>> 3) & 7 };
      }
      table = next;
    }
  }
}

/** Why a walk does not allow an access, in one line; undefined where it does. @param needed rights, as in `Epte` */
export function whyEptDenies(
  { steps, physical, readable, writable, executable, misconfiguration }: EptWalk,
  needed: number,
): string | undefined {
  const { level } = steps[steps.length - 1];
  if (misconfiguration !== undefined) return `EPT misconfiguration: ${misconfiguration} (EPT ${level})`;
  if (physical === undefined) return `EPT violation: the EPT ${level} is not present`;
  if (needed & Epte.read && !readable) return 'EPT violation: the page may not be read';
  if (needed & Epte.write && !writable) return 'EPT violation: the page may not be written';
  if (needed & Epte.execute && !executable) return 'EPT violation: the page may not be executed';
  return undefined;
}

/**
 * Why a guest's access ends in a VM exit, though its own page tables allow it or cannot be read; undefined where it does not.
 * @param needed of EPT for the page itself, as in `Epte`
 */
export function whyEptEnds({ steps, physical, broken, ept }: Walk, needed: number): string | undefined {
  if (ept) return whyEptDenies(ept, needed);
  const last = steps.at(-1);
  if (physical !== undefined || broken !== undefined || !last?.ept) return undefined;
  return `${whyEptDenies(last.ept, Epte.read)}, where the ${last.level} lies`;
}
