/** A page fault on its way to delivery. */
import { GuestFault, Vector } from './fault';

export class PageFaultException extends GuestFault {
  readonly linear: number;
  /** What CR2 held before: a VM exit in place of the exception leaves it alone. */
  readonly previousCr2: readonly [low: number, high: number];

  constructor(errorCode: number, linear: number, previousCr2: readonly [low: number, high: number], reason: () => string) {
    super(Vector.pf, errorCode, reason);
    this.linear = linear;
    this.previousCr2 = previousCr2;
  }
}
