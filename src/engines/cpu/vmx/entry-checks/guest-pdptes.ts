/** Page-directory-pointer-table entries of a guest with PAE paging: in the VMCS with EPT, else where its CR3 points. */
import { Cr0, Cr4 } from '../../state';
import { BEYOND_PHYSICAL } from '../capabilities';
import { Field } from '../fields';
import type { CheckWorld, EntryCheck } from './check';
import { and, checks, control, not, type Row, some } from './predicates';

const ept = control('secondary', 'ept');
const guest64 = control('entry', 'ia32eModeGuest');
const usesPdptes = and(some('guestCr0', Cr0.pg), some('guestCr4', Cr4.pae), not(guest64.on));

const PRESENT = 1;
/** Bits 8:5 and 2:1. */
const RESERVED = 0x1e6;
/** Bits of CR3 that hold the table's address in PAE paging. */
const TABLE = 0xffffffe0;

const addressOf = ({ vmcs }: CheckWorld, n: number): number => ((vmcs.low(Field.guestCr3) & TABLE) >>> 0) + 8 * n;
const lowOf = (world: CheckWorld, field: number, n: number): number =>
  ept.on(world) ? world.vmcs.low(field) : world.memory(addressOf(world, n));
const highOf = (world: CheckWorld, field: number, n: number): number =>
  ept.on(world) ? world.vmcs.high(field) : world.memory(addressOf(world, n) + 4);

const row = (n: 0 | 1 | 2 | 3): Row => {
  const key = `guestPdpte${n}` as const;
  const field = Field[key];
  return [
    `guest.pdpte${n}`,
    `If the guest uses PAE paging (CR0.PG and CR4.PAE are 1, "IA-32e mode guest" is 0) and bit 0 (P) of PDPTE${n} is 1, its reserved bits ` +
      `2:1, 8:5 and those beyond the physical-address width must be 0. The entry is the field if "enable EPT" is 1, else in memory at CR3.`,
    [key, 'guestCr3', 'guestCr0', 'guestCr4', 'secondaryControls', 'entryControls'],
    (world) => {
      if (!usesPdptes(world)) return true;
      const low = lowOf(world, field, n);
      return (low & PRESENT) === 0 || ((low & RESERVED) === 0 && (highOf(world, field, n) & BEYOND_PHYSICAL) === 0);
    },
    (world) => [{ name: `PDPTE${n} in use`, low: lowOf(world, field, n), high: highOf(world, field, n), bits: 64 }],
    'reads memory',
  ];
};

const PDPTE_QUALIFICATION = 2;

export const GUEST_PDPTE_CHECKS: readonly EntryCheck[] = checks(
  'guest state',
  'Checks on Guest Page-Directory-Pointer-Table Entries',
  [row(0), row(1), row(2), row(3)],
  PDPTE_QUALIFICATION,
);
