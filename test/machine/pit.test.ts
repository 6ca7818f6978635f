import { beforeEach, describe, expect, it } from 'vitest';
import { PIT_FREQUENCY, Pit } from '../../src/engines/machine/devices/pit';
import { PitChannel } from '../../src/engines/machine/devices/pit-channel';
import { PortBus } from '../../src/engines/machine/ports';
import { ManualClock, Wire } from './support';

describe('8254 counter', () => {
  let channel: PitChannel;
  /** OUT from cycle `from` to `to`, as a string of H and L. */
  const trace = (from: number, to: number): string => {
    let text = '';
    for (let t = from; t <= to; t++) text += channel.out(t) ? 'H' : 'L';
    return text;
  };
  const program = (mode: number, count: number, t = 0): void => {
    channel.control(0x30 | (mode << 1), t);
    channel.write(count & 0xff, t);
    channel.write(count >> 8, t);
  };
  const count = (t: number): number => channel.read(t) | (channel.read(t) << 8);

  beforeEach(() => {
    channel = new PitChannel(true);
    channel.reset(0);
  });

  it('mode 0: OUT rises N + 1 clocks after the write and the count goes on', () => {
    program(0, 4);
    expect(trace(0, 8)).toBe('LLLLLHHHH');
    expect(count(6)).toBe(0xffff);
  });

  it('mode 0: the gate stops the count, a first byte stops it too', () => {
    program(0, 10);
    channel.setGate(false, 4);
    expect(count(100)).toBe(7);
    channel.setGate(true, 100);
    expect(channel.out(106)).toBe(false);
    expect(channel.out(107)).toBe(true);
    channel.write(3, 110);
    expect(channel.out(200)).toBe(false);
    channel.write(0, 200);
    expect(channel.out(203)).toBe(false);
    expect(channel.out(204)).toBe(true);
  });

  it('mode 1: a rising gate starts a pulse of N clocks and may start it again', () => {
    channel.setGate(false, 0);
    program(1, 5);
    expect(trace(0, 6)).toBe('HHHHHHH');
    channel.setGate(true, 10);
    expect(trace(11, 17)).toBe('LLLLLHH');
    channel.setGate(false, 18);
    channel.setGate(true, 20);
    channel.setGate(false, 22);
    channel.setGate(true, 23);
    expect(trace(24, 29)).toBe('LLLLLH');
  });

  it('mode 2: one low clock each N, a new count waits for the end of the cycle', () => {
    program(2, 4);
    expect(trace(1, 9)).toBe('HHHLHHHLH');
    channel.write(3, 10);
    channel.write(0, 10);
    // The cycle from 9 to 12 ends as begun.
    expect(trace(10, 19)).toBe('HHLHHLHHLH');
  });

  it('mode 2: a low gate forces OUT high and a rising one restarts the count', () => {
    program(2, 4);
    channel.setGate(false, 3);
    expect(trace(3, 8)).toBe('HHHHHH');
    channel.setGate(true, 8);
    expect(trace(9, 13)).toBe('HHHLH');
  });

  it('mode 3: halves of even and odd counts, counting by two', () => {
    program(3, 4);
    expect(trace(1, 9)).toBe('HHLLHHLLH');
    program(3, 5, 20);
    expect(trace(21, 31)).toBe('HHHLLHHHLLH');
    program(3, 8, 40);
    expect([41, 42, 43, 44, 45].map(count)).toEqual([8, 6, 4, 2, 8]);
    program(3, 7, 60);
    expect([61, 62, 63, 64, 65, 66, 67, 68].map(count)).toEqual([6, 4, 2, 0, 6, 4, 2, 6]);
  });

  it('mode 3: a new count takes over at the end of the half-cycle', () => {
    program(3, 8);
    channel.write(4, 2);
    channel.write(0, 2);
    expect(trace(1, 12)).toBe('HHHHLLHHLLHH');
  });

  it('modes 4 and 5: a strobe of one clock after N clocks, once', () => {
    program(4, 3);
    expect(trace(0, 8)).toBe('HHHHLHHHH');
    channel.setGate(false, 9);
    program(5, 3, 9);
    expect(trace(9, 14)).toBe('HHHHHH');
    channel.setGate(true, 20);
    expect(trace(20, 27)).toBe('HHHHLHHH');
  });

  it('nextChange names each change of OUT', () => {
    for (const mode of [0, 2, 3, 4]) {
      program(mode, 6);
      const seen: number[] = [];
      for (let t = 1; t < 40; t++) if (channel.out(t) !== channel.out(t - 1 || 1)) seen.push(t);
      program(mode, 6);
      const told: number[] = [];
      for (let t = channel.nextChange(0); t < 40; t = channel.nextChange(t)) told.push(t);
      expect([mode, told]).toEqual([mode, seen]);
    }
  });

  it('counts in decimal', () => {
    channel.control(0x30 | (2 << 1) | 1, 0);
    channel.write(0x00, 0);
    channel.write(0x10, 0);
    expect(count(2)).toBe(0x0999);
    channel.control(0x31, 10);
    channel.write(0, 10);
    channel.write(0, 10);
    expect(count(12)).toBe(0x9999);
  });

  it('latches the count once, and the status before it', () => {
    program(2, 1000);
    channel.latchCount(10);
    channel.latchCount(20);
    expect(count(50)).toBe(991);
    expect(count(51)).toBe(950);
    channel.latchCount(60);
    channel.latchStatus(60);
    expect(channel.read(60)).toBe(0b1011_0100);
    expect(count(70)).toBe(941);
    channel.control(0x30, 80);
    channel.latchStatus(80);
    expect(channel.read(80) & 0xc0).toBe(0x40);
  });
});

describe('PC timer', () => {
  let clock: ManualClock;
  let irq: Wire;
  let pit: Pit;
  let ports: PortBus;
  const out = (port: number, ...values: number[]): void => values.forEach((value) => ports.write(port, 1, value));

  beforeEach(() => {
    clock = new ManualClock();
    irq = new Wire();
    pit = new Pit(clock, irq);
    ports = new PortBus();
    pit.attach(ports);
  });

  it('raises IRQ 0 at the programmed rate without drift', () => {
    const divisor = 1193;
    out(0x43, 0x34);
    out(0x40, divisor & 0xff, divisor >> 8);
    const before = irq.rises;
    clock.run(10e9);
    expect(irq.rises - before).toBe(Math.floor((10 * PIT_FREQUENCY) / divisor));
  });

  it('reads back several channels with one command', () => {
    out(0x43, 0x16, 0x76, 0xb6);
    out(0x43, 0xce);
    expect([ports.read(0x40, 1), ports.read(0x41, 1)].map((value) => value & 0x3f)).not.toContain(0xff);
    out(0x43, 0xe8);
    expect(ports.read(0x42, 1) & 0x3f).toBe(0x36);
  });

  it('shows OUT 2 and the gate on port 0x61, and tells the speaker its tone', () => {
    const tones: [boolean, number][] = [];
    pit.onSpeaker = (on, hertz) => tones.push([on, Math.round(hertz)]);
    out(0x61, 0x00);
    out(0x43, 0xb0);
    out(0x42, 0xff, 0xff);
    clock.run(100e6);
    expect(ports.read(0x61, 1) & 0x20).toBe(0);
    out(0x61, 0x01);
    clock.run(50e6);
    expect(ports.read(0x61, 1) & 0x21).toBe(0x01);
    clock.run(10e6);
    expect(ports.read(0x61, 1) & 0x21).toBe(0x21);
    out(0x43, 0xb6);
    out(0x42, 1193 & 0xff, 1193 >> 8);
    out(0x61, 0x03);
    expect(tones.at(-1)).toEqual([true, 1000]);
  });

  it('toggles the refresh bit', () => {
    const seen = new Set<number>();
    for (let i = 0; i < 4; i++) {
      seen.add(ports.read(0x61, 1) & 0x10);
      clock.run(15_100);
    }
    expect(seen.size).toBe(2);
  });
});
