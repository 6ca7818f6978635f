/** The bits of paging-structure entries by name (manual, "Paging-Structure Entries"). */
import type { RegisterField } from '../../engine';
import { type PagingLevel, type PagingMode, PHYSICAL_ADDRESS_BITS, Pte } from '../system/paging';

interface EntryBit {
  readonly name: string;
  readonly bit: number;
  readonly set: string;
  readonly clear: string;
}

const PRESENT: EntryBit = { name: 'P', bit: 0, set: 'present', clear: "not present: all other bits are the system's own" };
const COMMON: readonly EntryBit[] = [
  { name: 'R/W', bit: 1, set: 'writable', clear: 'read-only' },
  { name: 'U/S', bit: 2, set: 'for users too', clear: 'for supervisors' },
  { name: 'PWT', bit: 3, set: 'write-through, or a bit of the PAT index', clear: '' },
  { name: 'PCD', bit: 4, set: 'cache disabled, or a bit of the PAT index', clear: '' },
  { name: 'A', bit: 5, set: 'accessed', clear: 'not accessed yet' },
];
const LARGE: EntryBit = { name: 'PS', bit: 7, set: 'maps a page itself', clear: 'leads to a table' };
const LEAF: readonly EntryBit[] = [
  { name: 'D', bit: 6, set: 'dirty: written to', clear: 'not written to yet' },
  { name: 'G', bit: 8, set: 'global: stays over loads of CR3', clear: '' },
];
const PAT_SMALL: EntryBit = { name: 'PAT', bit: 7, set: 'a bit of the PAT index', clear: '' };
const PAT_LARGE: EntryBit = { name: 'PAT', bit: 12, set: 'a bit of the PAT index', clear: '' };

/**
 * @param maps the entry maps a page; else it leads to a table
 * @param noExecute IA32_EFER.NXE is set
 */
export function entryFields(value: bigint, mode: PagingMode, level: PagingLevel, maps: boolean, noExecute: boolean): RegisterField[] {
  const field = ({ name, bit, set, clear }: EntryBit): RegisterField => {
    const on = (value >> BigInt(bit)) & 1n;
    return { name, value: on, low: bit, high: bit, meaning: (on ? set : clear) || undefined };
  };
  if (!(value & BigInt(Pte.present))) return [field(PRESENT)];
  const inProcessor = mode.name === 'PAE' && level === 'PDPTE';
  const mayBeLarge = mode.levels.some(({ name, mayBeLarge: may }) => name === level && may);
  const bits = inProcessor ? COMMON.slice(2, 4) : [...COMMON, ...(mayBeLarge ? [LARGE] : []), ...(maps ? leafBits(level) : [])];
  const first = maps && level !== 'PTE' ? largeShift(mode, level) : 12;
  const last = mode.entrySize === 4 ? 31 : PHYSICAL_ADDRESS_BITS - 1;
  const address = ((value & ((1n << BigInt(last + 1)) - 1n)) >> BigInt(first)) << BigInt(first);
  return [
    field(PRESENT),
    ...bits.map(field),
    {
      name: 'address',
      value: address >> BigInt(first),
      low: first,
      high: last,
      meaning: `${maps ? 'page' : 'table'} at physical 0x${address.toString(16)}`,
    },
    ...(mode.entrySize === 8 && !inProcessor
      ? [field({ name: 'NX', bit: 63, set: noExecute ? 'execute-disabled' : 'reserved without EFER.NXE', clear: '' })]
      : []),
  ];
}

const leafBits = (level: PagingLevel): readonly EntryBit[] => [...LEAF, level === 'PTE' ? PAT_SMALL : PAT_LARGE];

const largeShift = ({ levels }: PagingMode, level: PagingLevel): number => levels.find(({ name }) => name === level)?.shift ?? 12;
