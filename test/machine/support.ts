import { Clock, NANOSECONDS_PER_INSTRUCTION } from '../../src/engines/machine/clock';
import type { MachineControl } from '../../src/engines/machine/control';
import type { InterruptLine } from '../../src/engines/machine/device';

/** A clock that a test moves by hand. */
export class ManualClock extends Clock {
  private instructions = 0;

  constructor() {
    super();
    this.attach(() => this.instructions);
  }

  /** Takes over another clock's instruction count; its timers come by `load`. */
  moveTo(other: ManualClock): void {
    this.instructions = other.instructions;
  }

  /** Moves time on by virtual nanoseconds, firing every deadline exactly when it is due. */
  run(nanoseconds: number): void {
    const end = this.instructions + Math.round(nanoseconds / NANOSECONDS_PER_INSTRUCTION);
    while (this.instructions < end) {
      this.instructions = Math.min(end, this.instructions + this.instructionsToDeadline);
      this.fire();
    }
  }
}

/** An interrupt line that remembers its level and how often it rose. */
export class Wire implements InterruptLine {
  level = false;
  rises = 0;

  set(asserted: boolean): void {
    if (asserted && !this.level) this.rises++;
    this.level = asserted;
  }
}

export class ControlLog implements MachineControl {
  readonly events: string[] = [];

  reset(cause: string): void {
    this.events.push(`reset: ${cause}`);
  }

  exit(code: number): void {
    this.events.push(`exit ${code}`);
  }

  shutdown(): void {
    this.events.push('shutdown');
  }
}
