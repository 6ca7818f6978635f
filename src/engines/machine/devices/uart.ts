/**
 * 16550A UART. Source: National Semiconductor PC16550D data sheet, "Registers" and "FIFO Interrupt Mode Operation".
 *
 * Characters leave at once and arrive as fast as the guest takes them: the wire has flow control that never loses a
 * byte. Pacing them by the baud rate would only make guests spin on LSR (87 µs a character at 115,200 baud are 8,700
 * instructions), and no guest depends on the delay; QEMU does the same. The one time that guests do see, the receive
 * time-out of four character times, follows the divisor.
 */
import type { Clock, Timer } from '../clock';
import type { Device, DeviceFact, InterruptLine } from '../device';
import type { PortBus } from '../ports';
import { bits, hex } from './notation';

const IER = { received: 1, transmitterEmpty: 2, lineStatus: 4, modemStatus: 8 } as const;
const LSR = { dataReady: 0x01, overrun: 0x02, transmitterHolding: 0x20, transmitterEmpty: 0x40 } as const;
const FIFO_SIZE = 16;
/** Received bytes at which FCR bits 7:6 raise the interrupt. */
const TRIGGER = [1, 4, 8, 14] as const;
/** DCD, DSR and CTS: somebody listens at the other end. */
const MODEM_LINES = 0xb0;
const NAMES = {
  ier: ['RX data', 'THR empty', 'line status', 'modem status'],
  lsr: ['DR', 'OE', 'PE', 'FE', 'BI', 'THRE', 'TEMT', 'FIFO error'],
  mcr: ['DTR', 'RTS', 'OUT1', 'OUT2', 'loopback'],
  msr: ['dCTS', 'dDSR', 'TERI', 'dDCD', 'CTS', 'DSR', 'RI', 'DCD'],
} as const;

interface UartState {
  ier: number;
  fcr: number;
  lcr: number;
  mcr: number;
  /** Error bits only; the rest is computed. */
  lsr: number;
  msr: number;
  scratch: number;
  divisor: number;
  /** Receiver FIFO, or the one holding register. */
  received: number[];
  /** THRE interrupt is waiting to be acknowledged. */
  transmitterPending: boolean;
  /** Four character times have passed with data in the FIFO. */
  timedOut: boolean;
  /** Arrived from outside and not in the receiver yet. */
  incoming: number[];
}

const powerOn = (): UartState => ({
  ier: 0,
  fcr: 0,
  lcr: 0,
  mcr: 0,
  lsr: 0,
  msr: MODEM_LINES,
  scratch: 0,
  // The data sheet leaves the divisor undefined; 9,600 baud is what a BIOS sets.
  divisor: 12,
  received: [],
  transmitterPending: false,
  timedOut: false,
  incoming: [],
});

export class Uart implements Device {
  readonly name: string;
  private readonly base: number;
  private readonly clock: Clock;
  private readonly irq: InterruptLine;
  private readonly timeout: Timer;
  private state = powerOn();
  /** A character was sent. */
  onOutput: (byte: number) => void = () => {};

  /** @param options name, first of its eight ports, clock and interrupt line */
  constructor(options: { name: string; base: number; clock: Clock; irq: InterruptLine }) {
    this.name = options.name;
    this.base = options.base;
    this.clock = options.clock;
    this.irq = options.irq;
    this.timeout = options.clock.timer(() => {
      this.state.timedOut = true;
      this.update();
    });
  }

  attach(ports: PortBus): void {
    ports.connect(this.base, 8, {
      read: (port) => this.read(port & 7),
      write: (port, _size, value) => this.write(port & 7, value),
    });
  }

  /** Bytes from outside; the receiver takes them in order, as the guest makes room. */
  receive(bytes: Iterable<number>): void {
    for (const byte of bytes) this.state.incoming.push(byte & 0xff);
    this.fill();
    this.update();
  }

  private get fifoEnabled(): boolean {
    return (this.state.fcr & 1) !== 0;
  }

  /** Virtual nanoseconds that one character takes: start, data, parity and stop bits of 16 × divisor cycles of 1.8432 MHz. */
  private get characterTime(): number {
    const { lcr, divisor } = this.state;
    const lineBits = 1 + 5 + (lcr & 3) + ((lcr >>> 3) & 1) + 1 + ((lcr >>> 2) & 1);
    return Math.round((lineBits * (divisor || 0x10000) * 1e9) / 115_200);
  }

  /** Moves what arrived into the receiver, while there is room. Nothing arrives in loopback mode. */
  private fill(): void {
    const { state } = this;
    const room = this.fifoEnabled ? FIFO_SIZE : 1;
    if (state.mcr & 0x10 || state.received.length >= room || state.incoming.length === 0) return;
    state.received.push(...state.incoming.splice(0, room - state.received.length));
    this.restartTimeout();
  }

  private restartTimeout(): void {
    this.state.timedOut = false;
    if (this.fifoEnabled && this.state.received.length) this.timeout.set(this.clock.now + 4 * this.characterTime);
    else this.timeout.cancel();
  }

  /** The interrupt with the highest priority as IIR bits 3:0; 1 when there is none. */
  private get interruptId(): number {
    const { state } = this;
    const { ier } = state;
    if (ier & IER.lineStatus && state.lsr & 0x1e) return 0x06;
    if (ier & IER.received) {
      const trigger = this.fifoEnabled ? TRIGGER[state.fcr >>> 6] : 1;
      if (state.received.length >= trigger) return 0x04;
      if (state.timedOut && state.received.length) return 0x0c;
    }
    if (ier & IER.transmitterEmpty && state.transmitterPending) return 0x02;
    if (ier & IER.modemStatus && state.msr & 0x0f) return 0x00;
    return 0x01;
  }

  /**
   * Drives INTR. IBM's adapter lets it through only while OUT2 is set; boards without that gate exist, QEMU is one,
   * and kernels written on it (xv6 writes 0 to MCR) rely on its absence, so there is none here.
   */
  private update(): void {
    this.irq.set(this.interruptId !== 1);
  }

  private get lineStatus(): number {
    const { state } = this;
    return state.lsr | LSR.transmitterHolding | LSR.transmitterEmpty | (state.received.length ? LSR.dataReady : 0);
  }

  private read(register: number): number {
    const value = this.readRegister(register);
    this.update();
    return value;
  }

  private readRegister(register: number): number {
    const { state } = this;
    const latched = (state.lcr & 0x80) !== 0;
    switch (register) {
      case 0:
        return latched ? state.divisor & 0xff : this.readReceiver();
      case 1:
        return latched ? state.divisor >>> 8 : state.ier;
      case 2: {
        const id = this.interruptId;
        if (id === 0x02) state.transmitterPending = false;
        return id | (this.fifoEnabled ? 0xc0 : 0);
      }
      case 3:
        return state.lcr;
      case 4:
        return state.mcr;
      case 5: {
        const value = this.lineStatus;
        state.lsr = 0;
        return value;
      }
      case 6: {
        const value = state.msr;
        state.msr &= 0xf0;
        return value;
      }
      default:
        return state.scratch;
    }
  }

  private readReceiver(): number {
    const { state } = this;
    const byte = state.received.shift() ?? 0;
    this.restartTimeout();
    this.fill();
    return byte;
  }

  private write(register: number, value: number): void {
    const { state } = this;
    const latched = (state.lcr & 0x80) !== 0;
    switch (register) {
      case 0:
        if (latched) state.divisor = (state.divisor & 0xff00) | value;
        else this.transmit(value);
        break;
      case 1:
        if (latched) state.divisor = (state.divisor & 0xff) | (value << 8);
        else this.enableInterrupts(value);
        break;
      case 2:
        this.controlFifos(value);
        break;
      case 3:
        state.lcr = value;
        break;
      case 4:
        this.controlModem(value);
        break;
      case 7:
        state.scratch = value;
        break;
      // LSR and MSR are for factory testing only; writes are ignored.
    }
    this.update();
  }

  private transmit(byte: number): void {
    const { state } = this;
    if (state.mcr & 0x10) this.loopBack(byte & (0xff >>> (3 - (state.lcr & 3))));
    else this.onOutput(byte & (0xff >>> (3 - (state.lcr & 3))));
    // The byte has left before the next instruction, so the register is empty again.
    state.transmitterPending = true;
  }

  private loopBack(byte: number): void {
    const { state } = this;
    if (state.received.length >= (this.fifoEnabled ? FIFO_SIZE : 1)) {
      state.lsr |= LSR.overrun;
      // Without FIFOs the new character replaces the old one.
      if (!this.fifoEnabled) state.received[0] = byte;
      return;
    }
    state.received.push(byte);
    this.restartTimeout();
  }

  private enableInterrupts(value: number): void {
    const { state } = this;
    // Enabling the THRE interrupt while the register is empty raises it at once.
    if (value & IER.transmitterEmpty && !(state.ier & IER.transmitterEmpty)) state.transmitterPending = true;
    state.ier = value & 0x0f;
  }

  private controlFifos(value: number): void {
    const { state } = this;
    const toggled = ((value ^ state.fcr) & 1) !== 0;
    // Switching the FIFOs on or off clears them; the other bits count only when bit 0 is set.
    if (toggled || (value & 3) === 3) {
      state.received = [];
      state.lsr = 0;
    }
    state.fcr = value & 1 ? value & 0xc9 : 0;
    if (toggled || (value & 5) === 5) state.transmitterPending = true;
    this.restartTimeout();
    this.fill();
  }

  private controlModem(value: number): void {
    const { state } = this;
    state.mcr = value & 0x1f;
    // Loopback connects DTR to DSR, RTS to CTS, OUT1 to RI and OUT2 to DCD.
    const looped = ((value & 0x01) << 5) | ((value & 0x02) << 3) | ((value & 0x0c) << 4);
    this.setModemLines(value & 0x10 ? looped : MODEM_LINES);
    this.fill();
  }

  /** @param levels MSR bits 7:4 */
  private setModemLines(levels: number): void {
    const { state } = this;
    const changed = (state.msr ^ levels) >>> 4;
    const ringEnded = state.msr & 0x40 && !(levels & 0x40) ? 0x04 : 0;
    state.msr = levels | (state.msr & 0x0f) | (changed & 0x0b) | ringEnded;
  }

  reset(): void {
    const { incoming } = this.state;
    this.state = { ...powerOn(), incoming };
    this.timeout.cancel();
    this.fill();
    this.update();
  }

  save(): UartState {
    return structuredClone(this.state);
  }

  load(state: UartState): void {
    this.state = structuredClone(state);
    this.update();
  }

  inspect(): readonly DeviceFact[] {
    const { state } = this;
    const parity = ['none', 'odd', 'none', 'even', 'none', 'mark', 'none', 'space'][(state.lcr >>> 3) & 7];
    const stop = state.lcr & 4 ? 2 : 1;
    const id = this.interruptId;
    return [
      {
        name: 'line',
        value: `${Math.floor(115_200 / (state.divisor || 0x10000))} baud`,
        meaning: `${5 + (state.lcr & 3)} bits, parity ${parity}, ${stop} stop`,
      },
      { name: 'IER', value: hex(state.ier), meaning: bits(state.ier, NAMES.ier) },
      { name: 'IIR', value: hex(id | (this.fifoEnabled ? 0xc0 : 0)), meaning: id === 1 ? 'no interrupt pending' : 'interrupt pending' },
      { name: 'LCR', value: hex(state.lcr), meaning: state.lcr & 0x80 ? 'divisor latch open' : 'divisor latch closed' },
      { name: 'MCR', value: hex(state.mcr), meaning: bits(state.mcr, NAMES.mcr) },
      { name: 'LSR', value: hex(this.lineStatus), meaning: bits(this.lineStatus, NAMES.lsr) },
      { name: 'MSR', value: hex(state.msr), meaning: bits(state.msr, NAMES.msr) },
      { name: 'SCR', value: hex(state.scratch) },
      {
        name: 'receiver',
        value: `${state.received.length} of ${this.fifoEnabled ? FIFO_SIZE : 1}`,
        meaning: `${state.incoming.length} more waiting outside`,
      },
    ];
  }
}
