/** The PC's way of reporting x87 errors: FERR# raises IRQ 13 until port 0xF0 is written (manual, "MS-DOS Compatibility Sub-mode"). */
import type { Device, DeviceFact, InterruptLine } from '../device';
import type { PortBus } from '../ports';

export const COPROCESSOR_IRQ = 13;

export class CoprocessorError implements Device {
  readonly name = 'ferr';
  private readonly irq: InterruptLine;
  private asserted = false;

  constructor(irq: InterruptLine) {
    this.irq = irq;
  }

  attach(ports: PortBus): void {
    // 0xF1 once reset an 80287.
    const write = (port: number): void => {
      if (port === 0xf0) this.drive(false);
    };
    ports.connect(0xf0, 2, { read: () => 0xff, write });
  }

  /** FERR#: the processor has met an x87 exception while CR0.NE is clear. */
  raise(): void {
    this.drive(true);
  }

  private drive(asserted: boolean): void {
    this.asserted = asserted;
    this.irq.set(asserted);
  }

  reset(): void {
    this.drive(false);
  }

  save(): boolean {
    return this.asserted;
  }

  load(state: boolean): void {
    this.asserted = state;
  }

  inspect(): readonly DeviceFact[] {
    return [{ name: 'IRQ 13', value: this.asserted ? 'asserted' : 'idle' }];
  }
}
