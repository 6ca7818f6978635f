/** Ports that exist for guests under test: Bochs' console and power switch, QEMU's isa-debug-exit, POST codes. */
import type { MachineControl } from '../control';
import type { Device, DeviceFact } from '../device';
import type { PortBus } from '../ports';
import { hex } from './notation';

/** Port 0xE9: every byte written is a character; a read gives 0xE9, by which guests see that it is there. */
export class DebugConsole implements Device {
  readonly name = 'debugcon';
  private readonly port: number;
  private written = 0;
  onOutput: (byte: number) => void = () => {};

  constructor(port = 0xe9) {
    this.port = port;
  }

  attach(ports: PortBus): void {
    ports.connect(this.port, 1, {
      read: () => 0xe9,
      write: (_port, _size, value) => {
        this.written++;
        this.onOutput(value);
      },
    });
  }

  reset(): void {}

  save(): number {
    return this.written;
  }

  load(state: number): void {
    this.written = state;
  }

  inspect(): readonly DeviceFact[] {
    return [{ name: 'port', value: hex(this.port), meaning: `${this.written} bytes written` }];
  }
}

/** QEMU's isa-debug-exit with 4 ports: a write of 1, 2 or 4 bytes ends the run with status `(value << 1) | 1`. */
export class DebugExit implements Device {
  readonly name = 'debug-exit';
  private readonly base: number;
  private readonly control: MachineControl;

  constructor(control: MachineControl, base = 0xf4) {
    this.control = control;
    this.base = base;
  }

  attach(ports: PortBus): void {
    ports.connect(this.base, 4, { read: () => 0, write: (_port, _size, value) => this.control.exit((value << 1) | 1) }, 4);
  }

  reset(): void {}

  save(): null {
    return null;
  }

  load(): void {}

  inspect(): readonly DeviceFact[] {
    return [{ name: 'port', value: hex(this.base), meaning: 'a write of n ends the run with status 2n + 1' }];
  }
}

const POWER_OFF = 'Shutdown';

/** Bochs' port 0x8900: the text "Shutdown", a byte at a time, turns the machine off. */
export class BochsPower implements Device {
  readonly name = 'power';
  private readonly control: MachineControl;
  private matched = 0;

  constructor(control: MachineControl) {
    this.control = control;
  }

  attach(ports: PortBus): void {
    ports.connect(0x8900, 1, {
      read: () => 0xff,
      write: (_port, _size, value) => {
        if (value !== POWER_OFF.charCodeAt(this.matched)) this.matched = 0;
        if (value === POWER_OFF.charCodeAt(this.matched)) this.matched++;
        if (this.matched < POWER_OFF.length) return;
        this.matched = 0;
        this.control.shutdown();
      },
    });
  }

  reset(): void {
    this.matched = 0;
  }

  save(): number {
    return this.matched;
  }

  load(state: number): void {
    this.matched = state;
  }

  inspect(): readonly DeviceFact[] {
    return [
      { name: 'port', value: '0x8900', meaning: `"${POWER_OFF}" written here powers off; seen: "${POWER_OFF.slice(0, this.matched)}"` },
    ];
  }
}

/** POST code ports 0x80 and 0x190 (PS/2): guests write progress codes, and 0x80 as a short delay. */
export class PostCodes implements Device {
  readonly name = 'post';
  private last = [0, 0];
  /** @param port 0x80 or 0x190 */
  onCode: (port: number, code: number) => void = () => {};

  attach(ports: PortBus): void {
    [0x80, 0x190].forEach((first, i) => {
      ports.connect(first, 1, {
        read: () => this.last[i],
        write: (port, _size, value) => {
          this.last[i] = value;
          this.onCode(port, value);
        },
      });
    });
  }

  reset(): void {
    this.last = [0, 0];
  }

  save(): number[] {
    return [...this.last];
  }

  load(state: number[]): void {
    this.last = [...state];
  }

  inspect(): readonly DeviceFact[] {
    return [
      { name: 'port 0x80', value: hex(this.last[0]) },
      { name: 'port 0x190', value: hex(this.last[1]) },
    ];
  }
}
