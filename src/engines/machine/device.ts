/** What every device of the machine has in common. */

/** One register or fact for the Devices panel. */
export interface DeviceFact {
  readonly name: string;
  /** In the field's notation. */
  readonly value: string;
  readonly meaning?: string;
}

export interface Device {
  /** Short and unique in the machine: `pic`, `pit`, `uart0`. */
  readonly name: string;
  /** As after power-on or RESET#. */
  reset(): void;
  /** Everything that `load` needs, as structured-clonable data. */
  save(): unknown;
  load(state: unknown): void;
  inspect(): readonly DeviceFact[];
}

/** A wire to an interrupt controller. */
export interface InterruptLine {
  /** Drives the line's level; controllers find edges themselves. */
  set(asserted: boolean): void;
}

/** What a processor sees of its interrupt controller. */
export interface InterruptSource {
  /** INTR is asserted. */
  readonly pending: boolean;
  /** The INTA cycle. @returns the vector, 0 to 255 */
  acknowledge(): number;
}
