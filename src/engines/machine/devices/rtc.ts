/**
 * MC146818 real-time clock and CMOS RAM, interrupt on IRQ 8. Source: Motorola MC146818 data sheet (ADI856R2).
 * It runs on virtual time from a start that the launch configuration gives. Nothing happens between accesses unless an
 * interrupt is enabled: `advance` brings it to the present.
 */
import type { Clock, Timer } from '../clock';
import type { Device, DeviceFact, InterruptLine } from '../device';
import { Frequency } from '../frequency';
import type { PortBus } from '../ports';
import { alarmMatches, type CalendarTime, fromUnixTime, nextSecond, readField, TIME_INDEXES, writeField } from './calendar';
import { bits, hex } from './notation';

const B = { set: 0x80, periodic: 0x40, alarm: 0x20, update: 0x10, binary: 0x04, hours24: 0x02 } as const;
const C = { request: 0x80, periodic: 0x40, alarm: 0x20, update: 0x10 } as const;
const CRYSTAL = new Frequency(32_768);
/** Crystal cycles before the end of an update at which UIP rises: 244 µs of warning and 1,984 µs of update. */
const UPDATE_CYCLES = 73;

interface RtcState {
  index: number;
  /** 128 bytes. The time registers hold the time while SET is on, as plain bytes; else `time` is what counts. */
  ram: number[];
  time: CalendarTime;
  /** Crystal cycle at which the second in `time` began; -1 while the divider is held in reset. */
  second: number;
  /** Crystal cycle up to which periodic flags are accounted. */
  seen: number;
}

export interface RtcOptions {
  clock: Clock;
  irq: InterruptLine;
  /** Time of day at power-on, in seconds since 1970-01-01 00:00:00 as the guest's clock shall show it. */
  startTime: number;
}

export class Rtc implements Device {
  readonly name = 'rtc';
  private readonly clock: Clock;
  private readonly irq: InterruptLine;
  private readonly timer: Timer;
  private state: RtcState;
  /** NMI is masked by bit 7 of port 0x70. */
  onNmiMask: (masked: boolean) => void = () => {};

  constructor(options: RtcOptions) {
    this.clock = options.clock;
    this.irq = options.irq;
    this.timer = options.clock.timer(() => this.update());
    const ram = new Array<number>(128).fill(0);
    // Time base 32,768 Hz, periodic rate 1,024 Hz; 24 hours, BCD; no interrupts.
    ram[0x0a] = 0x26;
    ram[0x0b] = 0x02;
    this.state = { index: 0, ram, time: fromUnixTime(options.startTime), second: this.now, seen: this.now };
  }

  attach(ports: PortBus): void {
    ports.connect(0x70, 2, {
      read: (port) => (port & 1 ? this.read(this.state.index) : 0xff),
      write: (port, _size, value) => {
        if (port & 1) {
          this.write(this.state.index, value);
          return;
        }
        this.state.index = value & 0x7f;
        this.onNmiMask((value & 0x80) !== 0);
      },
    });
  }

  private get now(): number {
    return CRYSTAL.cyclesAt(this.clock.now);
  }

  /** Crystal cycles between periodic flags; 0 when there are none. */
  private get period(): number {
    const a = this.state.ram[0x0a];
    const rate = a & 15;
    if (rate === 0 || this.state.second < 0) return 0;
    return rate < 3 ? 1 << (rate + 6) : 1 << (rate - 1);
  }

  /** Runs the calendar and sets the flags of register C that fell due since the last call. */
  private advance(): void {
    const { state, now } = this;
    const { ram } = state;
    const { period } = this;
    if (period && Math.floor(now / period) > Math.floor(state.seen / period)) ram[0x0c] |= C.periodic;
    state.seen = now;
    if (state.second < 0) return;
    while (now - state.second >= CRYSTAL.hertz) {
      state.second += CRYSTAL.hertz;
      // While SET is on, the divider runs and updates are left out.
      if (ram[0x0b] & B.set) continue;
      nextSecond(state.time);
      ram[0x0c] |= C.update;
      if (alarmMatches(state.time, ram)) ram[0x0c] |= C.alarm;
    }
  }

  /** Drives IRQ 8 and waits for the next flag whose interrupt is enabled. */
  private update(): void {
    this.advance();
    const { state, now } = this;
    const { ram } = state;
    const enabled = ram[0x0b] & (B.periodic | B.alarm | B.update);
    const request = (ram[0x0c] & enabled) !== 0;
    ram[0x0c] = (ram[0x0c] & ~C.request) | (request ? C.request : 0);
    this.irq.set(request);
    // IRQ stays up until register C is read: until then nothing new can be seen.
    let next = Infinity;
    if (!request && state.second >= 0) {
      if (enabled & (B.alarm | B.update) && !(ram[0x0b] & B.set)) next = state.second + CRYSTAL.hertz;
      if (enabled & B.periodic && this.period) next = Math.min(next, (Math.floor(now / this.period) + 1) * this.period);
    }
    if (next === Infinity) this.timer.cancel();
    else this.timer.set(CRYSTAL.timeOf(next));
  }

  private get updateInProgress(): boolean {
    const { second, ram } = this.state;
    return second >= 0 && !(ram[0x0b] & B.set) && this.now - second >= CRYSTAL.hertz - UPDATE_CYCLES;
  }

  private read(index: number): number {
    this.advance();
    const { state } = this;
    const { ram, time } = state;
    if (index === 0x0a) return (ram[0x0a] & 0x7f) | (this.updateInProgress ? 0x80 : 0);
    if (index === 0x0c) {
      this.update();
      const value = ram[0x0c];
      ram[0x0c] = 0;
      this.update();
      return value;
    }
    // VRT: the battery is good.
    if (index === 0x0d) return 0x80;
    return ram[0x0b] & B.set ? ram[index] : (readField(time, index, ram[0x0b]) ?? ram[index]);
  }

  private write(index: number, value: number): void {
    this.advance();
    const { state } = this;
    const { ram } = state;
    if (index === 0x0a) this.writeDivider(value);
    else if (index === 0x0b) this.writeModes(value);
    else if (index !== 0x0c && index !== 0x0d) {
      if (!(ram[0x0b] & B.set)) writeField(state.time, index, ram[0x0b], value);
      ram[index] = value;
    }
    this.update();
  }

  /** Register B. SET stops the time as the bytes that it is, whatever mode they are then read in, and clears UIE. */
  private writeModes(value: number): void {
    const { time, ram } = this.state;
    const stopped = (ram[0x0b] & B.set) !== 0;
    if (value & B.set) {
      if (!stopped) for (const index of TIME_INDEXES) ram[index] = readField(time, index, ram[0x0b]) ?? 0;
      ram[0x0b] = value & ~B.update;
      return;
    }
    if (stopped) for (const index of TIME_INDEXES) writeField(time, index, value, ram[index]);
    ram[0x0b] = value;
  }

  /** DV bits 11x hold the divider in reset; the first update comes half a second after they are changed. */
  private writeDivider(value: number): void {
    const { state } = this;
    state.ram[0x0a] = value & 0x7f;
    if ((value & 0x60) === 0x60) state.second = -1;
    else if (state.second < 0) state.second = this.now - CRYSTAL.hertz / 2;
  }

  /** Sets a byte of the CMOS RAM as a set-up program leaves it. @param index 0x0e to 0x7f, no part of the time */
  setByte(index: number, value: number): void {
    this.state.ram[index] = value & 0xff;
  }

  byte(index: number): number {
    return this.state.ram[index];
  }

  /** RESET# clears the interrupt enables and flags; time and RAM live on the battery. */
  reset(): void {
    this.advance();
    this.state.ram[0x0b] &= ~(B.periodic | B.alarm | B.update | 0x08);
    this.state.ram[0x0c] = 0;
    this.state.index = 0;
    this.update();
  }

  save(): RtcState {
    return structuredClone(this.state);
  }

  load(state: RtcState): void {
    this.state = structuredClone(state);
    this.irq.set((state.ram[0x0c] & C.request) !== 0);
  }

  inspect(): readonly DeviceFact[] {
    const { ram, time, index } = this.state;
    const pad = (value: number, digits = 2): string => String(value).padStart(digits, '0');
    return [
      {
        name: 'time',
        value: `${pad(time.year, 4)}-${pad(time.month)}-${pad(time.day)} ${pad(time.hour)}:${pad(time.minute)}:${pad(time.second)}`,
      },
      { name: 'index', value: hex(index) },
      { name: 'A', value: hex(ram[0x0a]), meaning: this.period ? `periodic every ${this.period} / 32768 s` : 'no periodic flag' },
      { name: 'B', value: hex(ram[0x0b]), meaning: bits(ram[0x0b], ['DSE', '24 hours', 'binary', 'SQWE', 'UIE', 'AIE', 'PIE', 'SET']) },
      { name: 'C', value: hex(ram[0x0c]), meaning: bits(ram[0x0c], ['', '', '', '', 'UF', 'AF', 'PF', 'IRQF']) },
      { name: 'shutdown status', value: hex(ram[0x0f]), meaning: 'what the BIOS does after a reset' },
    ];
  }
}
