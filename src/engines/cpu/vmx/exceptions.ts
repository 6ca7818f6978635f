/** Which exceptions leave the guest, and with what (manual, "Exception Bitmap", "Information for VM Exits Due to Vectored Events"). */
import type { Cpu } from '../system/cpu';
import { Vector } from '../system/fault';
import type { Event } from '../system/interrupts';
import { ExitReason } from './exit-reasons';
import { Field } from './fields';
import { interruptionOf } from './interruption';
import { type ExitDetails, VmExit } from './vm-exit';
import type { Vmcs } from './vmcs';

/** Exceptions that INT3, INTO and INT1 make; INT n never leaves by itself. */
const isException = ({ source, softwareException }: Event): boolean =>
  source === 'exception' || source === 'privileged-software' || softwareException === true;

/** Whether an event is an exception that the current VMCS wants to see. */
export function leavesGuest({ vmx }: Cpu, event: Event): boolean {
  if (!vmx.nonRoot || !isException(event)) return false;
  const vmcs = vmx.current as Vmcs;
  const wanted = ((vmcs.low(Field.exceptionBitmap) >>> event.vector) & 1) !== 0;
  if (event.vector !== Vector.pf) return wanted;
  const matches = ((event.errorCode ?? 0) & vmcs.low(Field.pageFaultMask)) >>> 0 === vmcs.low(Field.pageFaultMatch);
  return matches === wanted;
}

/** What such an exit reports. */
export function exceptionDetails(event: Event): ExitDetails {
  const { information = 0 } = event;
  const told = event.vector === Vector.pf || event.vector === Vector.db;
  return {
    qualification: told ? information >>> 0 : 0,
    qualificationHigh: told ? Math.floor(information / 2 ** 32) >>> 0 : 0,
    interruption: interruptionOf(event),
    errorCode: event.errorCode,
  };
}

/** @throws VmExit for INT3, INTO and INT1 where their exceptions leave the guest */
export function interceptSoftwareEvent(cpu: Cpu, event: Event): void {
  if (leavesGuest(cpu, event)) throw new VmExit(ExitReason.exceptionOrNmi, exceptionDetails(event));
}
