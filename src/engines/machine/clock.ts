/** Virtual time: driven by the count of executed instructions alone, so that a run repeats bit for bit. */

/** Virtual nanoseconds that one instruction takes: the simulated processor runs 100 million a second. */
export const NANOSECONDS_PER_INSTRUCTION = 10;

export interface Timer {
  /** Virtual nanoseconds since power-on at which it fires; Infinity when it is not set. */
  readonly deadline: number;
  /** Sets or moves the deadline, in virtual nanoseconds since power-on; a past one fires at the next instruction boundary. */
  set(deadline: number): void;
  cancel(): void;
}

interface Entry extends Timer {
  deadline: number;
  readonly order: number;
  readonly action: (deadline: number) => void;
}

/**
 * The session's only source of time. The processor advances it and fires what is due at exact instruction counts;
 * a halted machine skips to the next deadline.
 */
export class Clock {
  private readonly entries: Entry[] = [];
  private count: () => number = () => 0;
  /** Nanoseconds that halted processors skipped. */
  private skipped = 0;
  private earliest = Infinity;
  /** Called when the earliest deadline changes. */
  onDeadline: () => void = () => {};

  /** Says where the instruction count comes from. */
  attach(count: () => number): void {
    this.count = count;
  }

  /** Virtual nanoseconds since power-on. */
  get now(): number {
    return this.count() * NANOSECONDS_PER_INSTRUCTION + this.skipped;
  }

  /** Instructions that halted processors could have run in the time they skipped. */
  get idleInstructions(): number {
    return Math.floor(this.skipped / NANOSECONDS_PER_INSTRUCTION);
  }

  /** Instructions' times since power-on, whole ones. */
  get ticks(): number {
    return this.count() + this.idleInstructions;
  }

  /** Makes a timer that is not set yet. Timers with the same deadline fire in the order in which they were made. */
  timer(action: (deadline: number) => void): Timer {
    const set = (deadline: number): void => {
      entry.deadline = deadline;
      this.changed();
    };
    const entry: Entry = { deadline: Infinity, order: this.entries.length, action, set, cancel: () => set(Infinity) };
    this.entries.push(entry);
    return entry;
  }

  private changed(): void {
    let earliest = Infinity;
    for (const entry of this.entries) if (entry.deadline < earliest) earliest = entry.deadline;
    if (earliest === this.earliest) return;
    this.earliest = earliest;
    this.onDeadline();
  }

  /** The earliest deadline in virtual nanoseconds, or Infinity. */
  get nextDeadline(): number {
    return this.earliest;
  }

  /** Instructions that may run before the earliest deadline is due: at least 0, perhaps Infinity. */
  get instructionsToDeadline(): number {
    return Math.max(0, Math.ceil((this.earliest - this.now) / NANOSECONDS_PER_INSTRUCTION));
  }

  /** Fires all that is due, in the order of deadlines. */
  fire(): void {
    while (this.earliest <= this.now) {
      let due: Entry | undefined;
      for (const entry of this.entries) {
        if (entry.deadline === this.earliest && (!due || entry.order < due.order)) due = entry;
      }
      if (!due) return;
      const { deadline } = due;
      due.deadline = Infinity;
      due.action(deadline);
      this.changed();
    }
  }

  /** A halted machine's time goes straight to the earliest deadline. @returns false when there is none */
  skipToDeadline(): boolean {
    if (this.earliest === Infinity) return false;
    this.skipped += Math.max(0, this.earliest - this.now);
    return true;
  }

  /** For snapshots: what the count does not tell. */
  save(): { skipped: number; deadlines: number[] } {
    return { skipped: this.skipped, deadlines: this.entries.map((entry) => entry.deadline) };
  }

  load(state: { skipped: number; deadlines: number[] }): void {
    this.skipped = state.skipped;
    state.deadlines.forEach((deadline, i) => {
      this.entries[i].deadline = deadline;
    });
    this.changed();
  }
}
