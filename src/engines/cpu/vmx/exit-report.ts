/** From a VM exit that an instruction or a delivery threw to what the VMCS reports of it. */
import type { Event } from '../system/interrupts';
import type { ExitReport } from './exit';
import { ExitReason } from './exit-reasons';
import { interruptionOf, NMI_UNBLOCKING } from './interruption';
import type { VmExit } from './vm-exit';

/** Exits that leave RFLAGS.RF 1 where no event was being delivered: the instruction goes on. */
const RESUMING = new Set<number>([ExitReason.eptViolation, ExitReason.eptMisconfiguration, ExitReason.pmlFull]);
const KEEPS_FLAG = new Set<number>([ExitReason.apicAccess]);
const QUALIFICATION_UNBLOCKING = new Set<number>([ExitReason.eptViolation, ExitReason.pmlFull]);

/** @param during the event in whose delivery it happened; @param unblocked by an IRET that let NMIs in again */
export function reportOf(exit: VmExit, during: Event | undefined, unblocked: boolean): ExitReport {
  const { exitReason: reason, details, length } = exit;
  const unblocks = unblocked && !during && QUALIFICATION_UNBLOCKING.has(reason);
  return {
    reason,
    ...details,
    qualification: unblocks ? (details.qualification ?? 0) | NMI_UNBLOCKING : details.qualification,
    interruption: withUnblocking(details.interruption, unblocked && !during),
    ...vectoring(during),
    instructionLength: during?.length ?? length,
    resume: savedResume(exit, during),
  };
}

/** Of a fault of an IRET. */
const withUnblocking = (interruption: number | undefined, unblocked: boolean): number | undefined =>
  interruption !== undefined && unblocked ? (interruption | NMI_UNBLOCKING) >>> 0 : interruption;

function vectoring(during: Event | undefined): Pick<ExitReport, 'vectoring' | 'vectoringErrorCode'> {
  return during ? { vectoring: interruptionOf(during), vectoringErrorCode: during.errorCode } : {};
}

/** Manual, "Saving RIP, RSP, RFLAGS, and SSP". */
function savedResume({ exitReason, resume }: VmExit, during: Event | undefined): boolean | undefined {
  if (exitReason === ExitReason.exceptionOrNmi || exitReason === ExitReason.taskSwitch) return resume ? true : undefined;
  if (RESUMING.has(exitReason)) return during ? (during.resume ? true : undefined) : true;
  if (KEEPS_FLAG.has(exitReason)) return undefined;
  return false;
}
