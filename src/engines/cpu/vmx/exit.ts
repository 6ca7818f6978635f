/** VM exit (manual, "VM Exits"): what happened is recorded, the guest's state saved, the host's loaded. */
import { Activity, SYS } from '../layout';
import { Flag, Seg } from '../state';
import type { Cpu } from '../system/cpu';
import { readPdptes, setPdptes } from '../system/paging';
import { EXIT_CONTROLS, PIN_CONTROLS, SECONDARY_CONTROLS } from './control-bits';
import { ENTRY_FAILURE, ExitReason } from './exit-reasons';
import { Field } from './fields';
import { saveGuestRegisters, usesPdptes } from './guest-state';
import { loadHostState } from './host-state';
import { INTERRUPTION_VALID } from './interruption';
import { Interruptibility } from './interruptibility';
import { logExit } from './log';
import { loadMsrs, storeMsrs } from './msr-lists';
import { noteRefusal } from './refusal';
import { Nmi } from './vmx';
import type { Vmcs } from './vmcs';

const EXIT = EXIT_CONTROLS.mask;
const PIN = PIN_CONTROLS.mask;
const SECONDARY = SECONDARY_CONTROLS.mask;

/** VMX-abort indicators (manual, "VMX Aborts"). */
export const Abort = { storingMsrs: 1, pdptes: 2, corruptedVmcs: 3, loadingMsrs: 4, machineCheck: 5, hostAddressSpace: 6 } as const;

/** What an exit reports; everything that is absent is stored as 0. */
export interface ExitReport {
  /** Basic exit reason. */
  readonly reason: number;
  readonly qualification?: number;
  readonly qualificationHigh?: number;
  readonly linear?: number;
  readonly physical?: number;
  readonly interruption?: number;
  readonly errorCode?: number;
  /** IDT-vectoring information and error code. */
  readonly vectoring?: number;
  readonly vectoringErrorCode?: number;
  readonly instructionLength?: number;
  readonly instructionInfo?: number;
  /** RFLAGS.RF as it is saved; absent where it stays as it is (manual, "Saving RIP, RSP, RFLAGS, and SSP"). */
  readonly resume?: boolean;
}

/** Leaves the guest for the hypervisor. IP is what is to be saved. */
export function exitGuest(cpu: Cpu, report: ExitReport): void {
  const { vmx, state } = cpu;
  const vmcs = vmx.current as Vmcs;
  const origin = { from: cpu.place(), address: state.instructionAddress, fromSelector: state.selector(Seg.cs), fromOffset: state.ip };
  record(vmcs, report);
  const info = vmcs.low(Field.entryInterruptionInfo);
  if (info & INTERRUPTION_VALID) vmcs.set(Field.entryInterruptionInfo, (info & ~INTERRUPTION_VALID) >>> 0);
  saveGuest(cpu, vmcs, report);
  vmx.history.record(vmcs, 'exit', report.reason, false, cpu.instructionCount);
  // The TSC is stored as the host has it, without the guest's offset.
  cpu.setGuestTime(0, 0);
  if (storeMsrs(cpu, vmcs.value(Field.exitMsrStoreAddress), vmcs.low(Field.exitMsrStoreCount)) > 0) {
    abort(cpu, vmcs, Abort.storingMsrs);
    return;
  }
  returnToHost(cpu, vmcs, vmx.controls.exit, report.reason === ExitReason.exceptionOrNmi && (report.interruption ?? 0) >>> 8 === NMI_TYPE);
  logExit(cpu, report, origin);
}

/** Bits 8 and up of the interruption information of an NMI. */
const NMI_TYPE = (INTERRUPTION_VALID >>> 8) | 2;

function record(vmcs: Vmcs, report: ExitReport): void {
  vmcs.set(Field.exitReason, report.reason);
  vmcs.setHalves(Field.exitQualification, report.qualification ?? 0, report.qualificationHigh ?? 0);
  vmcs.set(Field.guestLinearAddress, report.linear ?? 0);
  vmcs.set(Field.guestPhysicalAddress, report.physical ?? 0);
  vmcs.set(Field.exitInterruptionInfo, report.interruption ?? 0);
  vmcs.set(Field.exitInterruptionErrorCode, report.errorCode ?? 0);
  vmcs.set(Field.idtVectoringInfo, report.vectoring ?? 0);
  vmcs.set(Field.idtVectoringErrorCode, report.vectoringErrorCode ?? 0);
  vmcs.set(Field.exitInstructionLength, report.instructionLength ?? 0);
  vmcs.set(Field.exitInstructionInfo, report.instructionInfo ?? 0);
}

function saveGuest(cpu: Cpu, vmcs: Vmcs, { resume }: ExitReport): void {
  const { state, vmx } = cpu;
  const { controls } = vmx;
  saveGuestRegisters(state, vmcs, controls, (controls.secondary & SECONDARY.ept) !== 0);
  const flags = resume === undefined ? state.eflags : resume ? state.eflags | Flag.rf : state.eflags & ~Flag.rf;
  vmcs.set(Field.guestRflags, flags >>> 0);
  vmcs.set(Field.guestRip, state.ip);
  // MWAIT's wait is never reflected.
  vmcs.set(Field.guestActivityState, cpu.monitor.waits ? Activity.active : state.sys(SYS.activity));
  const shadow = state.sys(SYS.shadow);
  const blocked = state.sys(SYS.nmi) & (controls.pin & PIN.virtualNmis ? Nmi.virtuallyBlocked : Nmi.blocked);
  const { sti, movSs, nmi } = Interruptibility;
  vmcs.set(Field.guestInterruptibilityState, (shadow === 1 ? sti : shadow === 2 ? movSs : 0) | (blocked ? nmi : 0));
  vmcs.set(Field.guestPendingDebugExceptions, pendingDebug(cpu));
  if (controls.exit & EXIT.savePreemptionTimer) vmcs.set(Field.preemptionTimerValue, vmx.timerLeft);
  if (controls.secondary & SECONDARY.pml && cpu.mmu.guest?.pml) vmcs.set(Field.pmlIndex, cpu.mmu.guest.pml.index & 0xffff);
}

const BREAKPOINTS = 0xf;
const SINGLE_STEP = 0x4000;
const ENABLED_BREAKPOINT = 0x1000;

function pendingDebug({ state }: Cpu): number {
  const pending = state.sys(SYS.pendingDebug) & (BREAKPOINTS | SINGLE_STEP);
  return pending | (pending & BREAKPOINTS ? ENABLED_BREAKPOINT : 0);
}

/** @param byNmi after which NMIs are blocked */
function returnToHost(cpu: Cpu, vmcs: Vmcs, exit: number, byNmi: boolean): void {
  const { state, vmx, mmu } = cpu;
  vmx.end();
  cpu.monitor.clear();
  mmu.noteControls();
  loadHostState(state, vmcs, exit);
  mmu.leaveGuest();
  state.setSys(SYS.nmi, (state.sys(SYS.nmi) & ~Nmi.virtuallyBlocked) | (byNmi ? Nmi.blocked : 0));
  cpu.debugRegistersChanged();
  if (usesPdptes(state)) {
    const entries = readPdptes(mmu.memory, state.cr3);
    if (!entries) {
      abort(cpu, vmcs, Abort.pdptes);
      return;
    }
    setPdptes(state, entries);
  }
  if (loadMsrs(cpu, vmcs.value(Field.exitMsrLoadAddress), vmcs.low(Field.exitMsrLoadCount)) > 0) abort(cpu, vmcs, Abort.loadingMsrs);
}

/**
 * An entry that failed once the guest's state was looked at (manual, "VM-Entry Failures During or After Loading Guest State"): nothing is
 * saved, and of what an exit reports reason and qualification alone.
 */
export function failEntry(cpu: Cpu, vmcs: Vmcs, reason: number, qualification: number): void {
  const { state } = cpu;
  const origin = { from: cpu.place(), address: state.instructionAddress, fromSelector: state.selector(Seg.cs), fromOffset: state.ip };
  vmcs.set(Field.exitReason, (ENTRY_FAILURE | reason) >>> 0);
  vmcs.set(Field.exitQualification, qualification);
  cpu.vmx.history.record(vmcs, 'failed entry', reason, false, cpu.instructionCount);
  returnToHost(cpu, vmcs, vmcs.low(Field.exitControls), false);
  logExit(cpu, { reason, qualification }, origin);
}

/** There is no way back: the processor shuts down, and the region says why. */
function abort(cpu: Cpu, vmcs: Vmcs, indicator: number): void {
  vmcs.abortIndicator = indicator;
  if (cpu.vmx.nonRoot) cpu.vmx.end();
  noteRefusal(cpu, indicator, 'VMX abort');
  cpu.shutDown(`VMX abort ${indicator}`);
}
