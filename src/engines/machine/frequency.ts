/** Exact conversion between virtual nanoseconds and the cycles of an oscillator. */

const SECOND = 1_000_000_000;

/** Products stay below 2^53 for frequencies under 9 MHz, so nothing is rounded. */
export class Frequency {
  readonly hertz: number;

  constructor(hertz: number) {
    this.hertz = hertz;
  }

  /** Whole cycles since power-on at a time in nanoseconds. */
  cyclesAt(nanoseconds: number): number {
    const seconds = Math.floor(nanoseconds / SECOND);
    return seconds * this.hertz + Math.floor(((nanoseconds - seconds * SECOND) * this.hertz) / SECOND);
  }

  /** The first nanosecond at which `cycles` have passed since power-on. */
  timeOf(cycles: number): number {
    const seconds = Math.floor(cycles / this.hertz);
    return seconds * SECOND + Math.ceil(((cycles - seconds * this.hertz) * SECOND) / this.hertz);
  }
}
