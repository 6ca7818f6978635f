/** A VM exit on its way: thrown and refused like a fault, since what the instruction had changed is taken back likewise. */
import { GuestFault } from '../system/fault';
import { exitReasonName } from './exit-reasons';

/** What an exit reports besides its reason; absent fields are stored as 0. */
export interface ExitDetails {
  /** Exit qualification, low half; the high half where it has one. */
  readonly qualification?: number;
  readonly qualificationHigh?: number;
  /** Guest-linear address, as a signed number. */
  readonly linear?: number;
  /** Guest-physical address. */
  readonly physical?: number;
  /** Interruption information and error code, where the exit is an event's. */
  readonly interruption?: number;
  readonly errorCode?: number;
  /** VM-exit instruction information. */
  readonly instructionInfo?: number;
}

/** Vector of what is no exception. */
const NO_VECTOR = -1;

export class VmExit extends GuestFault {
  /** Basic exit reason. */
  readonly exitReason: number;
  readonly details: ExitDetails;
  /** Bytes of the instruction that made it, where one did. */
  length: number | undefined;
  /** RFLAGS.RF is saved as 1, as an event would have pushed it. */
  resume = false;

  constructor(exitReason: number, details: ExitDetails = {}) {
    super(NO_VECTOR, 0, () => `VM exit ${exitReason}, ${exitReasonName(exitReason)}`);
    this.exitReason = exitReason;
    this.details = details;
  }
}
