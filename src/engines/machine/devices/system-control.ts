/** System control port A (0x92) of the PS/2 and later: fast A20 and fast reset. */
import type { MachineControl } from '../control';
import type { Device, DeviceFact } from '../device';
import type { PortBus } from '../ports';
import { hex } from './notation';

export class SystemControl implements Device {
  readonly name = 'port92';
  private readonly control: MachineControl;
  private readonly setA20: (enabled: boolean) => void;
  private value = 0;

  /**
   * @param setA20 drives address line 20. The keyboard controller drives it too; chipsets combine both with OR, QEMU
   *   lets the last write win, and so does this machine: then either port both opens and closes the line.
   */
  constructor(control: MachineControl, setA20: (enabled: boolean) => void) {
    this.control = control;
    this.setA20 = setA20;
  }

  attach(ports: PortBus): void {
    ports.connect(0x92, 1, { read: () => this.value, write: (_port, _size, value) => this.write(value) });
  }

  private write(value: number): void {
    const before = this.value;
    this.value = value & ~1;
    this.setA20((value & 2) !== 0);
    // INIT is pulsed by bit 0 going from 0 to 1; the bit is not kept, so that each write of 1 is an edge.
    if (value & 1 && !(before & 1)) this.control.reset('port 0x92');
  }

  reset(): void {
    // Address line 20 itself is open after reset; the latch reads 0 as QEMU's does.
    this.value = 0;
  }

  save(): number {
    return this.value;
  }

  load(state: number): void {
    this.value = state;
  }

  inspect(): readonly DeviceFact[] {
    return [{ name: 'port 0x92', value: hex(this.value), meaning: this.value & 2 ? 'A20 opened here' : 'A20 not opened here' }];
  }
}
