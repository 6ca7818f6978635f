/** Guest state but for segments: for each check the nearest VMCS that it refuses and the nearest that it lets pass. */
import { ENTRY_CONTROLS, PIN_CONTROLS, SECONDARY_CONTROLS } from '../../src/engines/cpu/vmx/control-bits';
import type { FieldKey } from '../../src/engines/cpu/vmx/fields';
import {
  CaseTable,
  type Circumstances,
  ENTRY_64,
  type Kind,
  LAST_PAGE,
  PIN_64,
  TOO_WIDE,
  type Values,
  withSecondary,
} from './entry-checks-support';

const { mask: N } = ENTRY_CONTROLS;

const table = new CaseTable();
const add = table.add.bind(table);
export const GUEST_CASES = table.cases;

const LONG = '64-bit guest';
const PAE = 'PAE guest';
const REAL = 'unrestricted guest in real mode';
const V8086 = 'guest in virtual-8086 mode';
const HOST_32 = '32-bit host';
const ENTRY_32 = ENTRY_64 & ~N.ia32eModeGuest;

// Control registers, debug registers and MSRs.
add(LONG, 'guest.cr0.must-be-1', { guestCr0: 0x80050013 }, { guestCr0: 0x80000021 });
add(HOST_32, 'guest.cr0.restricted', { guestCr0: 0x50033 }, { guestCr0: 0x80000021 });
add(LONG, 'guest.cr0.must-be-0', { guestCr0: 0x1_8005_0033n }, { guestCr0: 0xffffffff });
add(REAL, 'guest.cr0.paging', { guestCr0: 0x80000030 }, { guestCr0: 0x80000031 });
add(LONG, 'guest.cr4.must-be-1', { guestCr4: 0x20 }, { guestCr4: 0x2020 });
add(LONG, 'guest.cr4.must-be-0', { guestCr4: 0x402020 }, { guestCr4: 0x202020 });
add(
  LONG,
  'guest.cr4.cet',
  { guestCr0: 0x80000021 },
  { guestCr0: 0x80010021 },
  {
    with: { guestCr4: 0x802020 },
    both: { processor: { cr4Fixed1: 0x00b72fff } },
  },
);
add(LONG, 'guest.debugctl', { guestDebugctl: 0x10000 }, { guestDebugctl: 0xffc3 });
const UNRESTRICTED: Values = {
  ...withSecondary(SECONDARY_CONTROLS.mask.unrestrictedGuest | SECONDARY_CONTROLS.mask.ept),
  eptPointer: 0x801e,
};
add(LONG, 'guest.cr0.long-mode', { guestCr0: 0x50033 }, { guestCr0: 0x80050033 }, { with: UNRESTRICTED });
add(LONG, 'guest.cr4.long-mode', { guestCr4: 0x2000 }, { guestCr4: 0x2020 });
add(PAE, 'guest.cr4.pcide', { guestCr4: 0x22020 }, { guestCr4: 0x2020 });
add(LONG, 'guest.cr3', { guestCr3: TOO_WIDE }, { guestCr3: LAST_PAGE | 0xfffn });
add(LONG, 'guest.dr7', { guestDr7: 0x1_0000_0400n }, { guestDr7: 0xffffffff });

/** First address beyond the lower half, and the last one in it. */
const canonical = (id: string, key: FieldKey, fields: Values = {}): void =>
  add(LONG, id, { [key]: 0x8000_0000_0000n }, { [key]: 0x7fff_ffff_ffffn }, { with: fields });
canonical('guest.sysenter-esp', 'guestSysenterEsp');
canonical('guest.sysenter-eip', 'guestSysenterEip');
add(LONG, 'guest.pat', { guestPat: 0x0700_0605_0401_0803n }, { guestPat: 0x0700_0605_0401_0001n });
add(LONG, 'guest.efer.reserved', { guestEfer: 0xd02 }, { guestEfer: 0xd01 });
// With paging, LME goes with LMA.
add(LONG, 'guest.efer.lma', { guestEfer: 0 }, { guestEfer: 0x500 });
add(PAE, 'guest.efer.lme', { guestEfer: 0x100 }, { guestEfer: 0 });

// Descriptor tables, RIP and RFLAGS.
canonical('guest.gdtr.base', 'guestGdtrBase');
canonical('guest.idtr.base', 'guestIdtrBase');
add(LONG, 'guest.gdtr.limit', { guestGdtrLimit: 0x10000 }, { guestGdtrLimit: 0xffff });
add(LONG, 'guest.idtr.limit', { guestIdtrLimit: 0x10000 }, { guestIdtrLimit: 0xffff });
// Compatibility mode: IA-32e mode, but L is 0.
add(LONG, 'guest.rip.high', { guestRip: 0x1_0000_0000n }, { guestRip: 0xffffffff }, { with: { guestCsAccessRights: 0xc09b } });
add(LONG, 'guest.rip.linear-width', { guestRip: 0x1_0000_0000_0000n }, { guestRip: 0x8000_0000_0000n });
add(LONG, 'guest.rflags.reserved', { guestRflags: 0x400002 }, { guestRflags: 0x3f7fd7 & ~0x20100 });
add(LONG, 'guest.rflags.must-be-1', { guestRflags: 0 }, { guestRflags: 2 });
const F3 = Object.fromEntries(
  ['Cs', 'Ss', 'Ds', 'Es', 'Fs', 'Gs'].flatMap((name) => [
    [`guest${name}Selector`, 0],
    [`guest${name}Base`, 0],
    [`guest${name}Limit`, 0xffff],
    [`guest${name}AccessRights`, 0xf3],
  ]),
) as Values;
add(
  V8086,
  'guest.rflags.vm.long-mode',
  { entryControls: ENTRY_64 },
  { entryControls: ENTRY_32 },
  { with: { guestCr4: 0x2020, guestCr3: 0x3000 } },
);
add(REAL, 'guest.rflags.vm.real-mode', { guestCr0: 0x30 }, { guestCr0: 0x31 }, { with: { ...F3, guestRflags: 0x20002 } });
const INTERRUPT = 0x80000020;
const NMI = 0x80000202;
add(LONG, 'guest.rflags.if', { guestRflags: 2 }, { guestRflags: 0x202 }, { with: { entryInterruptionInfo: INTERRUPT } });

// Activity.
const HLT = { guestActivityState: 1 };
add(LONG, 'guest.activity.supported', { guestActivityState: 4 }, { guestActivityState: 3 });
/** Of a program, so that SS has DPL 3. */
const RING_3: Values = {
  guestCsSelector: 0x2b,
  guestCsAccessRights: 0xa0fb,
  guestSsSelector: 0x33,
  guestSsAccessRights: 0xc0f3,
};
add(LONG, 'guest.activity.hlt.dpl', HLT, { guestActivityState: 0 }, { with: RING_3 });
add(LONG, 'guest.activity.blocking', { guestActivityState: 2 }, { guestActivityState: 0 }, { with: { guestInterruptibilityState: 2 } });
const DOUBLE_FAULT = 0x80000b08;
const MACHINE_CHECK = 0x80000312;
const event = (info: number): Values => ({ entryInterruptionInfo: info });
add(LONG, 'guest.activity.hlt.event', event(DOUBLE_FAULT), event(0x80000301), { with: HLT });
add(LONG, 'guest.activity.shutdown.event', event(0x80000301), event(MACHINE_CHECK), { with: { guestActivityState: 2 } });
add(LONG, 'guest.activity.wait-for-sipi.event', event(NMI), event(NMI - 0x80000000), { with: { guestActivityState: 3 } });
const SMM = ['controls.entry-to-smm'];
add(
  LONG,
  'guest.activity.wait-for-sipi.smm',
  { guestActivityState: 3, entryControls: ENTRY_64 | N.entryToSmm },
  { guestActivityState: 3, entryControls: ENTRY_64 },
  { also: [...SMM, 'guest.interruptibility.entry-to-smm'] },
);

// Interruptibility.
const blocking = (bits: number): Values => ({ guestInterruptibilityState: bits });
const STATE = 'guest.interruptibility';
const IF: Values = { guestRflags: 0x202 };
add(LONG, `${STATE}.reserved`, blocking(0x20), blocking(8));
add(LONG, `${STATE}.sti-and-mov-ss`, blocking(3), blocking(2), { with: IF });
add(LONG, `${STATE}.sti.if`, { guestRflags: 2 }, IF, { with: blocking(1) });
add(LONG, `${STATE}.interrupt`, blocking(1), blocking(8), { with: { ...IF, ...event(INTERRUPT) } });
add(LONG, `${STATE}.nmi.mov-ss`, blocking(2), blocking(0), { with: event(NMI) });
add(LONG, `${STATE}.smi`, blocking(4), blocking(0));
add(LONG, `${STATE}.entry-to-smm`, { entryControls: ENTRY_64 | N.entryToSmm }, { entryControls: ENTRY_64 }, { also: SMM });
add(LONG, `${STATE}.nmi.sti`, blocking(1), blocking(0), { with: { ...IF, ...event(NMI) } });
const P = PIN_CONTROLS.mask;
add(
  LONG,
  `${STATE}.nmi.nmi`,
  { pinControls: PIN_64 | P.nmiExiting | P.virtualNmis },
  { pinControls: PIN_64 | P.nmiExiting },
  {
    with: { ...blocking(8), ...event(NMI) },
  },
);
add(LONG, `${STATE}.enclave`, blocking(0x10), blocking(8));
add(LONG, `${STATE}.enclave.mov-ss`, blocking(0x12), blocking(2), { also: [`${STATE}.enclave`] });

// Pending debug exceptions.
const pending = (bits: number | bigint): Values => ({ guestPendingDebugExceptions: bits });
const PENDING = 'guest.pending-debug';
add(LONG, `${PENDING}.reserved`, pending(0x2000), pending(0x100f));
const TRAP: Values = { guestRflags: 0x102, ...blocking(2) };
add(LONG, `${PENDING}.bs.needed`, pending(0), pending(0x4000), { with: TRAP });
add(LONG, `${PENDING}.bs.unneeded`, pending(0x4000), pending(0), { with: { ...TRAP, guestDebugctl: 2 } });
// There is no transactional memory on this processor, so that bit 16 always breaks one rule more.
const NO_RTM = [`${PENDING}.rtm.supported`];
add(LONG, `${PENDING}.rtm.supported`, pending(0x11000), pending(0x1000));
add(LONG, `${PENDING}.rtm.reserved`, pending(0x11001), pending(0x1001), { also: NO_RTM });
add(LONG, `${PENDING}.rtm.breakpoint`, pending(0x10000), pending(0), { also: NO_RTM });
add(LONG, `${PENDING}.rtm.mov-ss`, { ...pending(0x11000), ...blocking(2) }, { ...pending(0x1000), ...blocking(2) }, { also: NO_RTM });

// VMCS link pointer.
const link = (address: number | bigint): Values => ({ vmcsLinkPointer: address });
const LINK = 'guest.link-pointer';
const REVISION = 0x52494e47;
const REGIONS = { memory: { 0xa000: REVISION, 0xb000: REVISION + 0x80000000, 0xc000: REVISION ^ 1 } };
add(LONG, `${LINK}.aligned`, link(0xa008), link(0xa000), { both: REGIONS });
add(LONG, `${LINK}.width`, link(TOO_WIDE), link(LAST_PAGE), { both: { memory: { [Number(LAST_PAGE)]: REVISION } } });
add(LONG, `${LINK}.revision`, link(0xc000), link(0xa000), { both: REGIONS });
add(LONG, `${LINK}.shadow`, link(0xa000), link(0xb000), { with: withSecondary(SECONDARY_CONTROLS.mask.vmcsShadowing), both: REGIONS });
add(LONG, `${LINK}.current`, link(0xa000), link(0xd000), {
  bad: { ...REGIONS, processor: { currentVmcs: 0xa000 } },
  good: { memory: { 0xd000: REVISION }, processor: { currentVmcs: 0xa000 } },
});

// PDPTEs: from the field where there is EPT, and from memory where there is not.
const EPT: Kind = 'PAE guest with EPT';
add(EPT, 'guest.pdpte0', { guestPdpte0: 0x3003 }, { guestPdpte0: 0x3002 });
add(EPT, 'guest.pdpte1', { guestPdpte1: TOO_WIDE | 1n }, { guestPdpte1: LAST_PAGE | 0xe19n });
add(PAE, 'guest.pdpte2', {}, {}, { bad: { memory: { 0x2010: 0x5021 } }, good: { memory: { 0x2010: 0x5020 } } });
add(
  PAE,
  'guest.pdpte3',
  {},
  {},
  { bad: { memory: { 0x2018: 0x5001, 0x201c: 0x100 } }, good: { memory: { 0x2018: 0x5001, 0x201c: 0xff } } },
);

// The list of MSRs: its second entry is wrong.
const LIST = { entryMsrLoadCount: 2, entryMsrLoadAddress: 0x10000 };
const msr = (index: number, reserved = 0): Circumstances => ({ memory: { 0x10000: 0x174, 0x10010: index, 0x10014: reserved } });
const loading = (id: string, bad: Circumstances, good: Circumstances): void => add(LONG, `msr-loading.${id}`, LIST, LIST, { bad, good });
loading('segment-base', msr(0xc0000101), msr(0xc0000102));
loading('x2apic', msr(0x8ff), msr(0x900));
loading('smm', msr(0x9b), msr(0x9a));
loading('model-specific', msr(0x79), msr(0x78));
loading('reserved', msr(0x175, 1), msr(0x175));
const acceptsMsr = (index: number, low: number): boolean => index !== 0x277 || low === 6;
loading('wrmsr', { memory: { 0x10010: 0x277, 0x10018: 2 }, acceptsMsr }, { memory: { 0x10010: 0x277, 0x10018: 6 }, acceptsMsr });
