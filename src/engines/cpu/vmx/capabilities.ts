/** What this processor's VMX can do, as its capability MSRs say it (manual, "VMX Capability Reporting Facility"). */
import { PHYSICAL_ADDRESS_BITS } from '../system/paging';
import { Cr0, Cr4 } from '../state';
import {
  type ControlWord,
  ENTRY_CONTROLS,
  EXIT_CONTROLS,
  PIN_CONTROLS,
  PRIMARY_CONTROLS,
  SECONDARY_CONTROLS,
  VM_FUNCTIONS,
} from './control-bits';
import { HIGHEST_INDEX } from './fields';
import { VMCS_REVISION, VMCS_SIZE } from './vmcs';

/** Settings that a control word may have: a bit of `mustBe1` is 1, one outside `mayBe1` is 0. Unsigned. */
export interface AllowedSettings {
  readonly mustBe1: number;
  readonly mayBe1: number;
}

/** As the older MSRs say it: what is called default1 must be 1. */
const allowedByDefault = ({ default1, supported }: ControlWord): AllowedSettings => ({
  mustBe1: default1,
  mayBe1: (default1 | supported) >>> 0,
});
/** As the TRUE MSRs say it. VM entry checks these. */
const allowed = ({ default1, flexible, supported }: ControlWord): AllowedSettings => ({
  mustBe1: (default1 & ~flexible) >>> 0,
  mayBe1: (default1 | supported) >>> 0,
});

export const ALLOWED = {
  pin: allowed(PIN_CONTROLS),
  primary: allowed(PRIMARY_CONTROLS),
  secondary: allowed(SECONDARY_CONTROLS),
  exit: allowed(EXIT_CONTROLS),
  entry: allowed(ENTRY_CONTROLS),
} as const;

/** Bits of CR0 and CR4 in VMX operation: of `fixed0` all must be 1, none outside `fixed1` may be. */
export const CR0_FIXED0 = (Cr0.pe | Cr0.ne | Cr0.pg) >>> 0;
export const CR0_FIXED1 = 0xffffffff;
export const CR4_FIXED0 = Cr4.vmxe;

/** The VMX-preemption timer counts down once in 2^5 ticks of the time-stamp counter. */
export const PREEMPTION_TIMER_SHIFT = 5;
export const CR3_TARGETS = 4;
/** Entries that a list of MSRs may have, as recommended: 512. */
export const MSR_LIST_LIMIT = 512;

const WRITE_BACK = 6;
const BASIC_HIGH =
  // Regions are below 4 GiB only where bit 48 is set; SMM's dual-monitor treatment (49) is absent.
  (VMCS_SIZE & 0x1fff) |
  (WRITE_BACK << 18) |
  // Instruction information for INS and OUTS; TRUE MSRs. Bit 56 is 0: the vector of an injected exception decides on its error code.
  (1 << 22) |
  (1 << 23);

const MISC =
  PREEMPTION_TIMER_SHIFT |
  // IA32_EFER.LMA is stored into "IA-32e mode guest"; activity states HLT, shutdown, wait-for-SIPI.
  (1 << 5) |
  (0b111 << 6) |
  (CR3_TARGETS << 16) |
  // Software interrupts may be injected with instruction length 0. Bit 29 is 0: VMWRITE may not name fields of exit information.
  (1 << 30);

/** Bits of IA32_VMX_EPT_VPID_CAP. */
export const EPT_CAPABILITIES = {
  executeOnly: 1 << 0,
  pageWalk4: 1 << 6,
  uncacheable: 1 << 8,
  writeBack: 1 << 14,
  pages2M: 1 << 16,
  pages1G: 1 << 17,
  invept: 1 << 20,
  accessedDirty: 1 << 21,
  inveptSingle: 1 << 25,
  inveptAll: 1 << 26,
} as const;
/** The same in its upper half. */
export const VPID_CAPABILITIES = { invvpid: 1, individual: 1 << 8, single: 1 << 9, all: 1 << 10, retainGlobals: 1 << 11 } as const;

const all = (bits: Readonly<Record<string, number>>): number => Object.values(bits).reduce((sum, bit) => sum | bit, 0) >>> 0;
const word = ({ mustBe1, mayBe1 }: AllowedSettings): readonly [number, number] => [mustBe1, mayBe1];

/** Halves of IA32_VMX_BASIC and what follows it, from MSR 0x480 on. @param cr4 bits that the processor has */
export function capabilityMsrs(cr4: number): readonly (readonly [low: number, high: number])[] {
  return [
    [VMCS_REVISION, BASIC_HIGH],
    word(allowedByDefault(PIN_CONTROLS)),
    word(allowedByDefault(PRIMARY_CONTROLS)),
    word(allowedByDefault(EXIT_CONTROLS)),
    word(allowedByDefault(ENTRY_CONTROLS)),
    [MISC, 0],
    [CR0_FIXED0, 0],
    [CR0_FIXED1, 0],
    [CR4_FIXED0, 0],
    [cr4, 0],
    [HIGHEST_INDEX * 2, 0],
    word(allowed(SECONDARY_CONTROLS)),
    [all(EPT_CAPABILITIES), all(VPID_CAPABILITIES)],
    word(allowed(PIN_CONTROLS)),
    word(allowed(PRIMARY_CONTROLS)),
    word(allowed(EXIT_CONTROLS)),
    word(allowed(ENTRY_CONTROLS)),
    [VM_FUNCTIONS.supported, 0],
  ];
}

/** The first of them. */
export const FIRST_CAPABILITY_MSR = 0x480;

/** Bits of a physical address that must be 0, in its high half. */
export const BEYOND_PHYSICAL = ~(2 ** (PHYSICAL_ADDRESS_BITS - 32) - 1) >>> 0;
