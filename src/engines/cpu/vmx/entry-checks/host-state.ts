/** The state that VM exits load. */
import { Cr0, Cr4, Efer } from '../../state';
import { CR0_FIXED0, CR4_FIXED0, BEYOND_PHYSICAL } from '../capabilities';
import type { FieldKey } from '../fields';
import type { CheckWorld, EntryCheck } from './check';
import {
  and,
  canonical,
  checks,
  control,
  isZero,
  memoryTypes,
  nameOf,
  not,
  ones,
  type Predicate,
  type Row,
  some,
  upperFirst,
  when,
  zero,
} from './predicates';
import { ALL_ONES, CR4_CET, cr4Supported, eferSupported, longMode, sameBits, supportedCr4, supportedEfer } from './registers';

const loadPat = control('exit', 'loadPat');
const loadEfer = control('exit', 'loadEfer');
const host64 = control('exit', 'hostAddressSpaceSize');
const host32: Predicate = not(host64.on);
const guest64 = control('entry', 'ia32eModeGuest');

const isCanonical = (id: string, key: FieldKey): Row => [id, `${upperFirst(nameOf(key))} must be canonical.`, [key], canonical(key)];

const REGISTERS: readonly Row[] = [
  [
    'host.cr0.must-be-1',
    'Bits PE (0), NE (5) and PG (31) of the host CR0 must be 1, as IA32_VMX_CR0_FIXED0 says.',
    ['hostCr0'],
    ones('hostCr0', CR0_FIXED0),
  ],
  ['host.cr0.must-be-0', 'Bits 63:32 of the host CR0 must be 0, as IA32_VMX_CR0_FIXED1 says.', ['hostCr0'], zero('hostCr0', 0, ALL_ONES)],
  ['host.cr4.must-be-1', 'Bit VMXE (13) of the host CR4 must be 1, as IA32_VMX_CR4_FIXED0 says.', ['hostCr4'], ones('hostCr4', CR4_FIXED0)],
  [
    'host.cr4.must-be-0',
    'No bit of the host CR4 may be 1 that is 0 in IA32_VMX_CR4_FIXED1.',
    ['hostCr4'],
    cr4Supported('hostCr4'),
    supportedCr4,
  ],
  [
    'host.cr4.cet',
    'If bit 23 (CET) of the host CR4 is 1, bit 16 (WP) of the host CR0 must be 1.',
    ['hostCr4', 'hostCr0'],
    when(some('hostCr4', CR4_CET), some('hostCr0', Cr0.wp)),
  ],
  ['host.cr3', 'The host CR3 must not set bits beyond the physical-address width.', ['hostCr3'], zero('hostCr3', 0, BEYOND_PHYSICAL)],
  isCanonical('host.sysenter-esp', 'hostSysenterEsp'),
  isCanonical('host.sysenter-eip', 'hostSysenterEip'),
  [
    'host.pat',
    'If "load IA32_PAT" is 1, each byte of the host IA32_PAT must be 0, 1, 4, 5, 6 or 7.',
    ['hostPat', 'exitControls'],
    when(loadPat.on, memoryTypes('hostPat')),
  ],
  [
    'host.efer.reserved',
    'If "load IA32_EFER" is 1, bits that are reserved in IA32_EFER must be 0 in the host IA32_EFER.',
    ['hostEfer', 'exitControls'],
    when(loadEfer.on, eferSupported('hostEfer')),
    supportedEfer,
  ],
  [
    'host.efer.lma',
    'If "load IA32_EFER" is 1, bit 10 (LMA) of the host IA32_EFER must equal "host address-space size".',
    ['hostEfer', 'exitControls'],
    when(loadEfer.on, sameBits(some('hostEfer', Efer.lma), host64.on)),
  ],
  [
    'host.efer.lme',
    'If "load IA32_EFER" is 1, bit 8 (LME) of the host IA32_EFER must equal "host address-space size".',
    ['hostEfer', 'exitControls'],
    when(loadEfer.on, sameBits(some('hostEfer', Efer.lme), host64.on)),
  ],
];

const SELECTOR_NAMES = ['Cs', 'Ss', 'Ds', 'Es', 'Fs', 'Gs', 'Tr'] as const;
const nonNull = (name: 'Cs' | 'Tr'): Row => [
  `host.${name.toLowerCase()}.null`,
  `The host ${name.toUpperCase()} selector must not be 0000H.`,
  [`host${name}Selector`],
  not(isZero(`host${name}Selector`)),
];
const SEGMENTS: readonly Row[] = [
  ...SELECTOR_NAMES.map(
    (name): Row => [
      `host.${name.toLowerCase()}.rpl-ti`,
      `RPL (bits 1:0) and TI (bit 2) of the host ${name.toUpperCase()} selector must be 0.`,
      [`host${name}Selector`],
      zero(`host${name}Selector`, 7),
    ],
  ),
  nonNull('Cs'),
  nonNull('Tr'),
  [
    'host.ss.null',
    'If "host address-space size" is 0, the host SS selector must not be 0000H.',
    ['hostSsSelector', 'exitControls'],
    when(host32, not(isZero('hostSsSelector'))),
  ],
  ...(['hostFsBase', 'hostGsBase', 'hostGdtrBase', 'hostIdtrBase', 'hostTrBase'] as const).map((key) =>
    isCanonical(`host.${key.slice(4, -4).toLowerCase()}.base`, key),
  ),
];

const lma = ({ processor }: CheckWorld) => [{ name: 'IA32_EFER.LMA', low: Number(processor.longMode), high: 0, bits: 32 as const }];

const ADDRESS_SPACE: readonly Row[] = [
  [
    'host.address-space.guest-outside',
    'If the processor is outside IA-32e mode (IA32_EFER.LMA is 0) at VM entry, "IA-32e mode guest" must be 0.',
    ['entryControls'],
    (world) => longMode(world) || !guest64.on(world),
    lma,
  ],
  [
    'host.address-space.host-outside',
    'If the processor is outside IA-32e mode (IA32_EFER.LMA is 0) at VM entry, "host address-space size" must be 0.',
    ['exitControls'],
    (world) => longMode(world) || host32(world),
    lma,
  ],
  [
    'host.address-space.host-inside',
    'If the processor is in IA-32e mode (IA32_EFER.LMA is 1) at VM entry, "host address-space size" must be 1.',
    ['exitControls'],
    when(longMode, host64.on),
    lma,
  ],
  [
    'host.address-space.guest-64',
    'If "host address-space size" is 0, "IA-32e mode guest" must be 0.',
    ['entryControls', 'exitControls'],
    not(and(host32, guest64.on)),
  ],
  [
    'host.cr4.pcide',
    'If "host address-space size" is 0, bit 17 (PCIDE) of the host CR4 must be 0.',
    ['hostCr4', 'exitControls'],
    when(host32, zero('hostCr4', Cr4.pcide)),
  ],
  [
    'host.rip.high',
    'If "host address-space size" is 0, bits 63:32 of the host RIP must be 0.',
    ['hostRip', 'exitControls'],
    when(host32, zero('hostRip', 0, ALL_ONES)),
  ],
  [
    'host.cr4.pae',
    'If "host address-space size" is 1, bit 5 (PAE) of the host CR4 must be 1.',
    ['hostCr4', 'exitControls'],
    when(host64.on, some('hostCr4', Cr4.pae)),
  ],
  [
    'host.rip.canonical',
    'If "host address-space size" is 1, the host RIP must be canonical.',
    ['hostRip', 'exitControls'],
    when(host64.on, canonical('hostRip')),
  ],
];

export const HOST_STATE_CHECKS: readonly EntryCheck[] = [
  ...checks('host state', 'Checks on Host Control Registers, MSRs, and SSP', REGISTERS),
  ...checks('host state', 'Checks on Host Segment and Descriptor-Table Registers', SEGMENTS),
  ...checks('host state', 'Checks Related to Address-Space Size', ADDRESS_SPACE),
];
