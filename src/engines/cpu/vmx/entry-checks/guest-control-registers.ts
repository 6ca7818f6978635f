/** Control registers, debug registers and MSRs that an entry loads for the guest. */
import { Cr0, Cr4, Efer } from '../../state';
import { BEYOND_PHYSICAL, CR0_FIXED0, CR4_FIXED0 } from '../capabilities';
import type { EntryCheck } from './check';
import { and, canonical, checks, control, memoryTypes, not, ones, type Row, some, when, zero } from './predicates';
import { ALL_ONES, CR4_CET, cr4Supported, eferSupported, sameBits, supportedCr4, supportedEfer } from './registers';

const unrestricted = control('secondary', 'unrestrictedGuest');
const guest64 = control('entry', 'ia32eModeGuest');
const loadDebugControls = control('entry', 'loadDebugControls');
const loadPat = control('entry', 'loadPat');
const loadEfer = control('entry', 'loadEfer');

/** What an unrestricted guest may have 0. */
const RESTRICTIONS = Cr0.pe | Cr0.pg;
const ALWAYS_1 = CR0_FIXED0 & ~RESTRICTIONS;
/** Bits 5:2 and 31:16 of IA32_DEBUGCTL. */
const DEBUGCTL_RESERVED = 0xffff003c;

const paging = some('guestCr0', Cr0.pg);

const ROWS: readonly Row[] = [
  ['guest.cr0.must-be-1', 'Bit NE (5) of the guest CR0 must be 1, as IA32_VMX_CR0_FIXED0 says.', ['guestCr0'], ones('guestCr0', ALWAYS_1)],
  [
    'guest.cr0.restricted',
    'If "unrestricted guest" is 0, bits PE (0) and PG (31) of the guest CR0 must be 1, as IA32_VMX_CR0_FIXED0 says.',
    ['guestCr0', 'secondaryControls'],
    when(not(unrestricted.on), ones('guestCr0', RESTRICTIONS)),
  ],
  [
    'guest.cr0.must-be-0',
    'Bits 63:32 of the guest CR0 must be 0, as IA32_VMX_CR0_FIXED1 says.',
    ['guestCr0'],
    zero('guestCr0', 0, ALL_ONES),
  ],
  ['guest.cr0.paging', 'If bit 31 (PG) of the guest CR0 is 1, bit 0 (PE) must be 1.', ['guestCr0'], when(paging, some('guestCr0', Cr0.pe))],
  [
    'guest.cr4.must-be-1',
    'Bit VMXE (13) of the guest CR4 must be 1, as IA32_VMX_CR4_FIXED0 says.',
    ['guestCr4'],
    ones('guestCr4', CR4_FIXED0),
  ],
  [
    'guest.cr4.must-be-0',
    'No bit of the guest CR4 may be 1 that is 0 in IA32_VMX_CR4_FIXED1.',
    ['guestCr4'],
    cr4Supported('guestCr4'),
    supportedCr4,
  ],
  [
    'guest.cr4.cet',
    'If bit 23 (CET) of the guest CR4 is 1, bit 16 (WP) of the guest CR0 must be 1.',
    ['guestCr4', 'guestCr0'],
    when(some('guestCr4', CR4_CET), some('guestCr0', Cr0.wp)),
  ],
  [
    'guest.debugctl',
    'If "load debug controls" is 1, reserved bits of the guest IA32_DEBUGCTL (5:2 and 63:16) must be 0.',
    ['guestDebugctl', 'entryControls'],
    when(loadDebugControls.on, zero('guestDebugctl', DEBUGCTL_RESERVED, ALL_ONES)),
  ],
  [
    'guest.cr0.long-mode',
    'If "IA-32e mode guest" is 1, bit 31 (PG) of the guest CR0 must be 1.',
    ['guestCr0', 'entryControls'],
    when(guest64.on, paging),
  ],
  [
    'guest.cr4.long-mode',
    'If "IA-32e mode guest" is 1, bit 5 (PAE) of the guest CR4 must be 1.',
    ['guestCr4', 'entryControls'],
    when(guest64.on, some('guestCr4', Cr4.pae)),
  ],
  [
    'guest.cr4.pcide',
    'If "IA-32e mode guest" is 0, bit 17 (PCIDE) of the guest CR4 must be 0.',
    ['guestCr4', 'entryControls'],
    when(not(guest64.on), zero('guestCr4', Cr4.pcide)),
  ],
  ['guest.cr3', 'The guest CR3 must not set bits beyond the physical-address width.', ['guestCr3'], zero('guestCr3', 0, BEYOND_PHYSICAL)],
  [
    'guest.dr7',
    'If "load debug controls" is 1, bits 63:32 of the guest DR7 must be 0.',
    ['guestDr7', 'entryControls'],
    when(loadDebugControls.on, zero('guestDr7', 0, ALL_ONES)),
  ],
  ['guest.sysenter-esp', 'The guest IA32_SYSENTER_ESP must be canonical.', ['guestSysenterEsp'], canonical('guestSysenterEsp')],
  ['guest.sysenter-eip', 'The guest IA32_SYSENTER_EIP must be canonical.', ['guestSysenterEip'], canonical('guestSysenterEip')],
  [
    'guest.pat',
    'If "load IA32_PAT" is 1, each byte of the guest IA32_PAT must be 0, 1, 4, 5, 6 or 7.',
    ['guestPat', 'entryControls'],
    when(loadPat.on, memoryTypes('guestPat')),
  ],
  [
    'guest.efer.reserved',
    'If "load IA32_EFER" is 1, bits that are reserved in IA32_EFER must be 0 in the guest IA32_EFER.',
    ['guestEfer', 'entryControls'],
    when(loadEfer.on, eferSupported('guestEfer')),
    supportedEfer,
  ],
  [
    'guest.efer.lma',
    'If "load IA32_EFER" is 1, bit 10 (LMA) of the guest IA32_EFER must equal "IA-32e mode guest".',
    ['guestEfer', 'entryControls'],
    when(loadEfer.on, sameBits(some('guestEfer', Efer.lma), guest64.on)),
  ],
  [
    'guest.efer.lme',
    'If "load IA32_EFER" and bit 31 (PG) of the guest CR0 are 1, bits 10 (LMA) and 8 (LME) of the guest IA32_EFER must be equal.',
    ['guestEfer', 'guestCr0', 'entryControls'],
    when(and(loadEfer.on, paging), sameBits(some('guestEfer', Efer.lma), some('guestEfer', Efer.lme))),
  ],
];

export const GUEST_CONTROL_REGISTER_CHECKS: readonly EntryCheck[] = checks(
  'guest state',
  'Checks on Guest Control Registers, Debug Registers, and MSRs',
  ROWS,
);
