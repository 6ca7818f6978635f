/** Lets the firmware set the machine up before a kernel is put in place by hand. */
import type { Processors } from '../cpu/processors';
import type { TransitionLog } from '../transitions';

const POST_LIMIT = 200_000_000;
/** The firmware asks for the boot device: everything is set up. */
const BOOT_INTERRUPT = 0x19;

/**
 * Runs from reset to INT 19h.
 * @throws Error when the firmware does not come that far
 */
export function bootThroughFirmware(cpus: Processors, transitions: TransitionLog): void {
  let arrived = false;
  transitions.onTransition = ({ kind, cause }) => {
    if (kind !== 'gate' || cause !== BOOT_INTERRUPT) return;
    arrived = true;
    cpus.requestStop();
  };
  const stop = cpus.run(POST_LIMIT);
  transitions.onTransition = undefined;
  if (!arrived) throw new Error(`the firmware did not come to INT 19h (${stop.reason} after ${cpus.instructionCount} instructions)`);
}
