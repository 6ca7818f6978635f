/** What devices may ask of the machine as a whole. */

export interface MachineControl {
  /**
   * A device pulled the processor's RESET# (keyboard controller, port 0x92 …). The instruction that caused it ends first.
   * @param cause the device and its means, as `keyboard controller pulse`
   */
  reset(cause: string): void;
  /**
   * The guest asked to end the run.
   * @param code the process status, 0 to 255 where the host's system keeps eight bits: `(value << 1) | 1` from isa-debug-exit
   */
  exit(code: number): void;
  /** The guest asked for power-off. */
  shutdown(): void;
}
