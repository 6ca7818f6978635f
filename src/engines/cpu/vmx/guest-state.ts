/** The guest-state area of a VMCS, loaded by VM entry and saved by VM exit (manual, "Loading Guest State", "Saving Guest State"). */
import { MSR_SLOTS, SYS } from '../layout';
import { Cr0, Cr4, type CpuState, Efer, Flag, Reg, Seg } from '../state';
import { DEBUG_CONTROL } from '../system/msr';
import { setPdptes } from '../system/paging';
import { ENTRY_CONTROLS, EXIT_CONTROLS } from './control-bits';
import type { ControlWords } from './entry-checks/check';
import { Field } from './fields';
import { loadGuestSegments, saveGuestSegments } from './guest-segments';
import type { Vmcs, VmcsWriter } from './vmcs';

const ENTRY = ENTRY_CONTROLS.mask;
const EXIT = EXIT_CONTROLS.mask;

/** Bits of CR0 that VM entries and exits leave alone: ET, NW, CD and those that do not exist. */
const CR0_KEPT = (Cr0.et | Cr0.nw | Cr0.cd | 0x1ff8ffc0) >>> 0;
const DR7_ONE = 0x400;
const DR7_ZERO = 0xd000;
/** Where IA32_DEBUGCTL is kept. */
export const DEBUGCTL = (MSR_SLOTS + DEBUG_CONTROL * 8) >> 2;

/** Registers that are the same 64 bits in both places. */
const PLAIN: readonly (readonly [slot: number, field: number])[] = [
  [SYS.sysenterCs, Field.guestSysenterCs],
  [SYS.sysenterEsp, Field.guestSysenterEsp],
  [SYS.sysenterEip, Field.guestSysenterEip],
  [SYS.gdtrBase, Field.guestGdtrBase],
  [SYS.idtrBase, Field.guestIdtrBase],
  [SYS.gdtrLimit, Field.guestGdtrLimit],
  [SYS.idtrLimit, Field.guestIdtrLimit],
];
const PDPTES = [Field.guestPdpte0, Field.guestPdpte1, Field.guestPdpte2, Field.guestPdpte3];

/** @returns what CR0 becomes when a field is loaded into it */
export const mixCr0 = (now: number, field: number): number => ((now & CR0_KEPT) | (field & ~CR0_KEPT)) >>> 0;

/** Everything but PDPTEs, which may have to be read from memory, and the non-register state. */
export function loadGuestRegisters(state: CpuState, vmcs: Vmcs, { entry }: ControlWords): void {
  state.setSys(SYS.cr0, mixCr0(state.cr0, vmcs.low(Field.guestCr0)));
  state.setSysHalves(SYS.cr3, vmcs.low(Field.guestCr3), vmcs.high(Field.guestCr3));
  state.setSys(SYS.cr4, vmcs.low(Field.guestCr4));
  if (entry & ENTRY.loadDebugControls) {
    state.setSys(SYS.dr7, ((vmcs.low(Field.guestDr7) & ~DR7_ZERO) | DR7_ONE) >>> 0);
    state.host.u32[DEBUGCTL] = vmcs.low(Field.guestDebugctl);
    state.host.u32[DEBUGCTL + 1] = vmcs.high(Field.guestDebugctl);
  }
  loadEfer(state, vmcs, entry);
  if (entry & ENTRY.loadPat) state.setSysHalves(SYS.pat, vmcs.low(Field.guestPat), vmcs.high(Field.guestPat));
  for (const [slot, field] of PLAIN) state.setSysHalves(slot, vmcs.low(field), vmcs.high(field));
  const flags = vmcs.low(Field.guestRflags);
  state.eflags = flags;
  loadGuestSegments(state, vmcs);
  state.setCpl(flags & Flag.vm ? 3 : state.protectedMode ? (state.segAttributes(Seg.ss) >> 5) & 3 : 0);
  state.refresh();
  state.ip = state.long ? vmcs.value(Field.guestRip) : vmcs.low(Field.guestRip);
  state.setRegHalves(Reg.esp, vmcs.low(Field.guestRsp), vmcs.high(Field.guestRsp));
}

/** Without "load IA32_EFER" LMA and LME follow "IA-32e mode guest", LME only while paging is on. */
function loadEfer(state: CpuState, vmcs: Vmcs, entry: number): void {
  const wide = (entry & ENTRY.ia32eModeGuest) !== 0;
  if (entry & ENTRY.loadEfer) {
    state.setSys(SYS.efer, vmcs.low(Field.guestEfer));
    return;
  }
  let efer = wide ? state.efer | Efer.lma : state.efer & ~Efer.lma;
  if (state.paging) efer = wide ? efer | Efer.lme : efer & ~Efer.lme;
  state.setSys(SYS.efer, efer >>> 0);
}

export const usesPdptes = (state: CpuState): boolean => state.paging && (state.cr4 & Cr4.pae) !== 0 && !state.longMode;

export function loadPdptesFromVmcs(state: CpuState, vmcs: Vmcs): void {
  setPdptes(
    state,
    PDPTES.map((field) => [vmcs.low(field), vmcs.high(field)]),
  );
}

/** @param ept extended page tables are in use: PDPTEs are saved, too */
export function saveGuestRegisters(state: CpuState, vmcs: VmcsWriter, { exit, entry }: ControlWords, ept: boolean): void {
  vmcs.set(Field.guestCr0, state.cr0);
  vmcs.setHalves(Field.guestCr3, state.cr3, state.sysHigh(SYS.cr3));
  vmcs.set(Field.guestCr4, state.cr4);
  if (exit & EXIT.saveDebugControls) {
    vmcs.set(Field.guestDr7, state.sys(SYS.dr7));
    vmcs.setHalves(Field.guestDebugctl, state.host.u32[DEBUGCTL], state.host.u32[DEBUGCTL + 1]);
  }
  if (exit & EXIT.saveEfer) vmcs.set(Field.guestEfer, state.efer);
  if (exit & EXIT.savePat) vmcs.setHalves(Field.guestPat, state.sys(SYS.pat), state.sysHigh(SYS.pat));
  // What the guest made of its mode is what it is to be entered with.
  const mode = state.longMode ? entry | ENTRY.ia32eModeGuest : entry & ~ENTRY.ia32eModeGuest;
  if (mode !== entry) vmcs.set(Field.entryControls, mode >>> 0);
  saveGuestSegments(state, vmcs);
  for (const [slot, field] of PLAIN) vmcs.setHalves(field, state.sys(slot), state.sysHigh(slot));
  vmcs.setHalves(Field.guestRsp, state.reg32(Reg.esp), state.regHigh(Reg.esp));
  if (ept && usesPdptes(state)) {
    PDPTES.forEach((field, i) => vmcs.setHalves(field, state.sys(SYS.pdpte0 + i), state.sysHigh(SYS.pdpte0 + i)));
  }
}
