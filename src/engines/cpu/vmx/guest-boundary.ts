/** What leaves the guest between two instructions, in the manual's order ("Priority Among Concurrent Events"). */
import type { InterruptSource } from '../../machine/device';
import { Activity, SYS } from '../layout';
import type { Cpu } from '../system/cpu';
import { Vector } from '../system/fault';
import { exitGuest } from './exit';
import { ExitReason } from './exit-reasons';
import { INTERRUPTION_VALID, InterruptionType } from './interruption';
import { EXIT_CONTROLS } from './control-bits';
import { Nmi } from './vmx';

const ACKNOWLEDGE = EXIT_CONTROLS.mask.acknowledgeInterrupt;

/** Traps of the last instruction that come before debug traps. @returns whether the guest was left */
export function leaveBeforeTraps(cpu: Cpu): boolean {
  const { vmx } = cpu;
  if (vmx.tprBelow) exitGuest(cpu, { reason: ExitReason.tprBelowThreshold });
  else if (vmx.monitorTrap === 'now') exitGuest(cpu, { reason: ExitReason.monitorTrapFlag });
  else return false;
  return true;
}

/** Timer, windows, NMIs and interrupts. @param resume RFLAGS.RF is saved as 1: a repeated instruction goes on */
export function leaveAfterTraps(cpu: Cpu, interrupts: InterruptSource, resume: boolean): boolean {
  const { vmx, state } = cpu;
  const rf = resume || undefined;
  const activity = state.sys(SYS.activity);
  if (vmx.expired && activity !== Activity.waitForSipi) {
    exitGuest(cpu, { reason: ExitReason.preemptionTimer, resume: rf });
    return true;
  }
  if (vmx.nmiWindowOpen) {
    exitGuest(cpu, { reason: ExitReason.nmiWindow, resume: rf });
    return true;
  }
  if (state.sys(SYS.shadow) !== 0) return false;
  if (vmx.exitsOnNmis && (state.sys(SYS.nmi) & (Nmi.waits | Nmi.blocked)) === Nmi.waits) {
    state.setSys(SYS.nmi, state.sys(SYS.nmi) & ~Nmi.waits);
    const interruption = (INTERRUPTION_VALID | (InterruptionType.nmi << 8) | Vector.nmi) >>> 0;
    exitGuest(cpu, { reason: ExitReason.exceptionOrNmi, interruption, resume: rf });
    return true;
  }
  if (vmx.interruptWindowOpen) {
    exitGuest(cpu, { reason: ExitReason.interruptWindow, resume: rf });
    return true;
  }
  if (!vmx.exitsOnInterrupts || !interrupts.pending || activity > Activity.halted) return false;
  const acknowledged = (vmx.controls.exit & ACKNOWLEDGE) !== 0;
  const interruption = acknowledged ? (INTERRUPTION_VALID | interrupts.acknowledge()) >>> 0 : 0;
  exitGuest(cpu, { reason: ExitReason.externalInterrupt, interruption, resume: rf });
  return true;
}

/** An INIT signal. */
export const leaveByInit = (cpu: Cpu): void => exitGuest(cpu, { reason: ExitReason.initSignal });
/** A start-up IPI that the guest waits for. @param vector of its first page */
export const leaveByStartup = (cpu: Cpu, vector: number): void =>
  exitGuest(cpu, { reason: ExitReason.startupIpi, qualification: vector & 0xff });
