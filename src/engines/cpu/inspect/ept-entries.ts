/** Walks through extended page tables for people: each entry's bits by name (manual, "The Extended Page Table Mechanism (EPT)"). */
import type { HostPhysicalAddress, GuestPhysicalAddress } from '../../../shared/addresses';
import type { NestedEntry, NestedWalk, RegisterField } from '../../engine';
import { type EptLevel, EPT_LEVELS, Epte, isEptLeaf, MEMORY_TYPES } from '../vmx/ept';
import { type EptStep, type EptWalk, whyEptDenies } from '../vmx/ept-tables';
import { takeApart } from './vmx-qualification';

const SHIFTS = Object.fromEntries(Object.entries(EPT_LEVELS).map(([shift, level]) => [level, Number(shift)])) as Record<EptLevel, number>;

function fieldsOf(value: bigint, shift: number, tracks: boolean): RegisterField[] {
  const low = Number(value & 0xffffffffn);
  const rights = takeApart(value, [
    { name: 'R', low: 0, meaning: ['no reads', 'reads'] },
    { name: 'W', low: 1, meaning: ['no writes', 'writes'] },
    { name: 'X', low: 2, meaning: ['no fetches', 'fetches'] },
  ]);
  if (!(low & Epte.rights)) return rights;
  const leaf = isEptLeaf(low, shift);
  const first = leaf ? shift : 12;
  const where = leaf ? 'page' : 'table';
  return [
    ...rights,
    ...takeApart(value, [
      ...(leaf ? [{ name: 'memory type', low: 3, high: 5, meaning: (type: bigint) => MEMORY_TYPES[Number(type)] ?? 'reserved' }] : []),
      ...(leaf ? [{ name: 'ignore PAT', low: 6, meaning: [undefined, "the guest's PAT does not count"] }] : []),
      ...(shift > 12 ? [{ name: 'PS', low: 7, meaning: ['leads to a table', 'maps a page itself'] }] : []),
      ...(tracks ? [{ name: 'A', low: 8, meaning: ['not accessed yet', 'accessed'] }] : []),
      ...(tracks && leaf ? [{ name: 'D', low: 9, meaning: ['not written to yet', 'dirty: written to'] }] : []),
      {
        name: 'address',
        low: first,
        high: 51,
        meaning: (frame: bigint) => `${where} at host-physical 0x${(frame << BigInt(first)).toString(16)}`,
      },
    ]),
  ];
}

const entryOf = ({ level, index, entryAddress, low, high }: EptStep, tracks: boolean): NestedEntry => {
  const value = (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
  const shift = SHIFTS[level];
  return { level, index, address: entryAddress as HostPhysicalAddress, value, fields: fieldsOf(value, shift, tracks), covers: 2 ** shift };
};

/** @param tracks accessed and dirty flags are in use @param needed of the access that leads through it, as in `Epte` */
export function nestedWalk(walk: EptWalk, tracks: boolean, needed: number): NestedWalk {
  const { guestPhysical, steps, physical, pageSize, readable, writable, executable, memoryType } = walk;
  const problem = whyEptDenies(walk, needed);
  return {
    guestPhysical: guestPhysical as GuestPhysicalAddress,
    entries: steps.map((step) => entryOf(step, tracks)),
    ...(physical !== undefined && { physical: physical as HostPhysicalAddress }),
    pageSize,
    rights: `${readable ? 'R' : '-'}${writable ? 'W' : '-'}${executable ? 'X' : '-'}`,
    ...(memoryType !== undefined && { memoryType: MEMORY_TYPES[memoryType] ?? `type ${memoryType}` }),
    ...(problem !== undefined && { problem }),
  };
}
