/** Descriptor tables, instruction pointer and flags of the guest. */
import { Cr0, Flag } from '../../state';
import { Field } from '../fields';
import type { EntryCheck } from './check';
import { InterruptionType } from '../interruption';
import { injects } from './exit-and-entry-controls';
import { and, canonical, checks, control, not, ones, type Row, some, when, zero } from './predicates';
import { ALL_ONES } from './registers';

const guest64 = control('entry', 'ia32eModeGuest');
const in64BitMode = and(guest64.on, some('guestCsAccessRights', 1 << 13));

const TABLES: readonly Row[] = [
  ['guest.gdtr.base', 'The guest GDTR base must be canonical.', ['guestGdtrBase'], canonical('guestGdtrBase')],
  ['guest.idtr.base', 'The guest IDTR base must be canonical.', ['guestIdtrBase'], canonical('guestIdtrBase')],
  ['guest.gdtr.limit', 'Bits 31:16 of the guest GDTR limit must be 0.', ['guestGdtrLimit'], zero('guestGdtrLimit', 0xffff0000)],
  ['guest.idtr.limit', 'Bits 31:16 of the guest IDTR limit must be 0.', ['guestIdtrLimit'], zero('guestIdtrLimit', 0xffff0000)],
];

/** Bits 3, 5, 15 and 31:22. */
const RFLAGS_RESERVED = 0xffc08028;

const RIP_AND_RFLAGS: readonly Row[] = [
  [
    'guest.rip.high',
    'If "IA-32e mode guest" or L (bit 13 of the CS access rights) is 0, bits 63:32 of the guest RIP must be 0.',
    ['guestRip', 'entryControls', 'guestCsAccessRights'],
    when(not(in64BitMode), zero('guestRip', 0, ALL_ONES)),
  ],
  [
    // Not quite canonical: bit 47 may differ, as behind an instruction that ends at the top of the lower half.
    'guest.rip.linear-width',
    'If "IA-32e mode guest" and L (bit 13 of the CS access rights) are 1, bits 63:48 of the guest RIP must be identical.',
    ['guestRip', 'entryControls', 'guestCsAccessRights'],
    when(in64BitMode, ({ vmcs }) => {
      const top = vmcs.high(Field.guestRip) >> 16;
      return top === 0 || top === -1;
    }),
  ],
  [
    'guest.rflags.reserved',
    'Reserved bits 63:22, 15, 5 and 3 of the guest RFLAGS must be 0.',
    ['guestRflags'],
    zero('guestRflags', RFLAGS_RESERVED, ALL_ONES),
  ],
  ['guest.rflags.must-be-1', 'Reserved bit 1 of the guest RFLAGS must be 1.', ['guestRflags'], ones('guestRflags', Flag.one)],
  [
    'guest.rflags.vm.long-mode',
    'If "IA-32e mode guest" is 1, VM (bit 17) of the guest RFLAGS must be 0.',
    ['guestRflags', 'entryControls'],
    when(guest64.on, zero('guestRflags', Flag.vm)),
  ],
  [
    'guest.rflags.vm.real-mode',
    'If bit 0 (PE) of the guest CR0 is 0, VM (bit 17) of the guest RFLAGS must be 0.',
    ['guestRflags', 'guestCr0'],
    when(zero('guestCr0', Cr0.pe), zero('guestRflags', Flag.vm)),
  ],
  [
    'guest.rflags.if',
    'If an external interrupt (type 0) is injected, IF (bit 9) of the guest RFLAGS must be 1.',
    ['guestRflags', 'entryInterruptionInfo'],
    when(injects(InterruptionType.external), some('guestRflags', Flag.if)),
  ],
];

export const GUEST_TABLE_RIP_AND_RFLAGS_CHECKS: readonly EntryCheck[] = [
  ...checks('guest state', 'Checks on Guest Descriptor-Table Registers', TABLES),
  ...checks('guest state', 'Checks on Guest RIP, RFLAGS, and SSP', RIP_AND_RFLAGS),
];
