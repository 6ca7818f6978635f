/**
 * ACPI's fixed hardware: PM1 status, enable and control, and the PM timer, at the ports of QEMU's PCs (ACPI Specification,
 * "ACPI Register Model"). ACPI mode is always on; nothing raises the SCI but the PM timer's overflow.
 */
import type { Clock, Timer } from '../clock';
import type { MachineControl } from '../control';
import type { Device, DeviceFact, InterruptLine } from '../device';
import { Frequency } from '../frequency';
import type { PortBus } from '../ports';
import { bits, hex } from './notation';

export const PM_PORTS = { event: 0x600, control: 0x604, timer: 0x608 } as const;
/** SLP_TYP of \_S5, as in the DSDT. */
export const SLEEP_TYPE_OFF = 0;
export const SCI_IRQ = 9;

const TIMER = new Frequency(3_579_545);
const TIMER_STATUS = 1;
const STATUS_BITS = 0xcf31;
const ENABLE_BITS = 0x4721;
const SLEEP_ENABLE = 1 << 13;
const SCI_ENABLE = 1;

/** Registers are words; bytes of them can be accessed. */
const shiftOf = (port: number): number => 8 * (port & 1);

function replaced(before: number, port: number, size: number, value: number): number {
  if (size !== 1) return value;
  return (before & ~(0xff << shiftOf(port))) | (value << shiftOf(port));
}

interface AcpiPmState {
  status: number;
  enable: number;
  control: number;
  /** Timer cycles up to which overflows are accounted. */
  seen: number;
}

export class AcpiPm implements Device {
  readonly name = 'acpi';
  private readonly clock: Clock;
  private readonly control: MachineControl;
  private readonly sci: InterruptLine;
  private readonly timer: Timer;
  private state: AcpiPmState = { status: 0, enable: 0, control: SCI_ENABLE, seen: 0 };

  /** @param sci active high */
  constructor(clock: Clock, control: MachineControl, sci: InterruptLine) {
    this.clock = clock;
    this.control = control;
    this.sci = sci;
    this.timer = clock.timer(() => this.update());
  }

  attach(ports: PortBus): void {
    ports.connect(
      PM_PORTS.event,
      4,
      {
        read: (port) => {
          this.update();
          return (port & 2 ? this.state.enable : this.state.status) >>> shiftOf(port);
        },
        write: (port, size, value) => {
          this.update();
          // Status bits are cleared by writing 1.
          if (port & 2) this.state.enable = replaced(this.state.enable, port, size, value) & ENABLE_BITS;
          else this.state.status &= ~(value << shiftOf(port));
          this.update();
        },
      },
      2,
    );
    ports.connect(
      PM_PORTS.control,
      2,
      {
        read: (port) => this.state.control >>> shiftOf(port),
        write: (port, size, given) => {
          const value = replaced(this.state.control, port, size, given);
          this.state.control = (value & 0x1c06) | SCI_ENABLE;
          if (value & SLEEP_ENABLE && ((value >>> 10) & 7) === SLEEP_TYPE_OFF) this.control.shutdown();
        },
      },
      2,
    );
    ports.connect(PM_PORTS.timer, 4, { read: (port) => (this.cycles % 2 ** 24) >>> (8 * (port & 3)), write: () => {} }, 4);
  }

  private get cycles(): number {
    return TIMER.cyclesAt(this.clock.now);
  }

  /** TMR_STS is set whenever the timer's top bit, number 23, changes. */
  private update(): void {
    const { state, cycles } = this;
    const half = 2 ** 23;
    if (Math.floor(cycles / half) !== Math.floor(state.seen / half)) state.status = (state.status | TIMER_STATUS) & STATUS_BITS;
    state.seen = cycles;
    this.sci.set((state.status & state.enable) !== 0);
    if (state.enable & TIMER_STATUS && !(state.status & TIMER_STATUS)) this.timer.set(TIMER.timeOf((Math.floor(cycles / half) + 1) * half));
    else this.timer.cancel();
  }

  reset(): void {
    this.state = { status: 0, enable: 0, control: SCI_ENABLE, seen: this.cycles };
    this.update();
  }

  save(): AcpiPmState {
    return { ...this.state };
  }

  load(state: AcpiPmState): void {
    this.state = { ...state };
    this.update();
  }

  inspect(): readonly DeviceFact[] {
    const { state } = this;
    return [
      { name: 'PM1 status', value: hex(state.status, 4), meaning: bits(state.status, ['TMR']) },
      { name: 'PM1 enable', value: hex(state.enable, 4), meaning: bits(state.enable, ['TMR']) },
      { name: 'PM1 control', value: hex(state.control, 4), meaning: 'a write of 0x2000 to port 0x604 powers off' },
      { name: 'PM timer', value: hex(this.cycles % 2 ** 24, 6), meaning: '24 bits at 3.579545 MHz' },
    ];
  }
}
