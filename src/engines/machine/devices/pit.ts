/** 8254 programmable interval timer: channel 0 on IRQ 0, channel 1 the memory refresh, channel 2 the speaker with port 0x61. */
import type { Clock, Timer } from '../clock';
import type { Device, DeviceFact, InterruptLine } from '../device';
import { Frequency } from '../frequency';
import type { PortBus } from '../ports';
import { hex } from './notation';
import { PitChannel, type ChannelState } from './pit-channel';

/** Input clock of a PC's timer. */
export const PIT_FREQUENCY = 1_193_182;

/** Virtual nanoseconds between toggles of port 0x61's refresh bit: 18 clocks of channel 1, as a PC/AT programs it. */
const REFRESH_PERIOD = 15_085;

interface PitState {
  channels: ChannelState[];
  speaker: number;
}

export class Pit implements Device {
  readonly name = 'pit';
  private readonly clock: Clock;
  private readonly irq: InterruptLine;
  private readonly timer: Timer;
  private readonly frequency = new Frequency(PIT_FREQUENCY);
  private readonly channels = [new PitChannel(true), new PitChannel(true), new PitChannel(false)];
  /** Bits 0 to 3 of port 0x61 as written. */
  private speaker = 0;
  /** The speaker's input changed: whether it is driven and the tone's frequency in hertz (0 when channel 2 gives no square wave). */
  onSpeaker: (on: boolean, hertz: number) => void = () => {};

  constructor(clock: Clock, irq: InterruptLine) {
    this.clock = clock;
    this.irq = irq;
    this.timer = clock.timer(() => this.update());
    this.update();
  }

  attach(ports: PortBus): void {
    ports.connect(0x40, 4, {
      read: (port) => this.read(port & 3),
      write: (port, _size, value) => this.write(port & 3, value),
    });
    ports.connect(0x61, 1, { read: () => this.readControl(), write: (_port, _size, value) => this.writeControl(value) });
  }

  private get now(): number {
    return this.frequency.cyclesAt(this.clock.now);
  }

  /** Drives IRQ 0 from channel 0's OUT and waits for its next change. */
  private update(): void {
    const { now } = this;
    this.irq.set(this.channels[0].out(now));
    const next = this.channels[0].nextChange(now);
    if (next === Infinity) this.timer.cancel();
    else this.timer.set(this.frequency.timeOf(next));
  }

  private read(register: number): number {
    // The control word register cannot be read; the bus floats.
    return register === 3 ? 0xff : this.channels[register].read(this.now);
  }

  private write(register: number, value: number): void {
    const { now } = this;
    if (register < 3) this.channels[register].write(value, now);
    else if (value >>> 6 === 3) this.readBack(value, now);
    else if (value & 0x30) this.channels[value >>> 6].control(value, now);
    else this.channels[value >>> 6].latchCount(now);
    this.update();
    this.soundSpeaker();
  }

  private readBack(value: number, now: number): void {
    this.channels.forEach((channel, i) => {
      if (!((value >>> (i + 1)) & 1)) return;
      if (!(value & 0x20)) channel.latchCount(now);
      if (!(value & 0x10)) channel.latchStatus(now);
    });
  }

  private readControl(): number {
    const refresh = Math.floor(this.clock.now / REFRESH_PERIOD) & 1;
    return this.speaker | (refresh << 4) | (this.channels[2].out(this.now) ? 0x20 : 0);
  }

  private writeControl(value: number): void {
    this.speaker = value & 0x0f;
    this.channels[2].setGate((value & 1) !== 0, this.now);
    this.soundSpeaker();
  }

  private soundSpeaker(): void {
    const { state } = this.channels[2];
    const on = (this.speaker & 3) === 3;
    this.onSpeaker(on, state.armed && this.channels[2].mode === 3 ? PIT_FREQUENCY / (state.pending || state.count) : 0);
  }

  reset(): void {
    for (const channel of this.channels) channel.reset(this.now);
    this.speaker = 0;
    this.update();
  }

  save(): PitState {
    return { channels: this.channels.map((channel) => ({ ...channel.state })), speaker: this.speaker };
  }

  load(state: PitState): void {
    this.channels.forEach((channel, i) => {
      channel.state = { ...state.channels[i] };
    });
    this.speaker = state.speaker;
    this.update();
  }

  inspect(): readonly DeviceFact[] {
    const uses = ['IRQ 0', 'refresh', 'speaker'];
    const facts = this.channels.map((channel, i) => {
      const { state, mode } = channel;
      const rate = mode === 2 || mode === 3 ? `, ${(PIT_FREQUENCY / state.count).toFixed(2)} Hz` : '';
      return {
        name: `channel ${i} (${uses[i]})`,
        value: `mode ${mode}, count ${state.count}${state.bcd ? ' BCD' : ''}`,
        meaning: `OUT ${channel.out(this.now) ? 'high' : 'low'}, gate ${state.gate ? 'high' : 'low'}${state.armed ? rate : ', waits for a count'}`,
      };
    });
    return [
      ...facts,
      { name: 'port 0x61', value: hex(this.readControl()), meaning: (this.speaker & 3) === 3 ? 'speaker on' : 'speaker off' },
    ];
  }
}
