import { beforeEach, describe, expect, it } from 'vitest';
import { setUpCmos } from '../../src/engines/machine/devices/cmos-setup';
import { Rtc } from '../../src/engines/machine/devices/rtc';
import { PortBus } from '../../src/engines/machine/ports';
import { ManualClock, Wire } from './support';

let clock: ManualClock;
let irq: Wire;
let rtc: Rtc;
let ports: PortBus;
const read = (index: number): number => {
  ports.write(0x70, 1, index);
  return ports.read(0x71, 1);
};
const write = (index: number, value: number): void => {
  ports.write(0x70, 1, index);
  ports.write(0x71, 1, value);
};
const SECOND = 1e9;

function start(time: string): void {
  clock = new ManualClock();
  irq = new Wire();
  rtc = new Rtc({ clock, irq, startTime: Date.parse(time) / 1000 });
  ports = new PortBus();
  rtc.attach(ports);
}

beforeEach(() => start('2027-12-31T23:59:58Z'));

describe('MC146818', () => {
  it('shows the start time in BCD and 24 hours, with the century and the day of the week', () => {
    expect([0, 2, 4, 6, 7, 8, 9, 0x32].map(read)).toEqual([0x58, 0x59, 0x23, 0x06, 0x31, 0x12, 0x27, 0x20]);
    expect(read(0x0d)).toBe(0x80);
  });

  it('carries into the next year', () => {
    clock.run(3 * SECOND);
    expect([0, 2, 4, 6, 7, 8, 9].map(read)).toEqual([0x01, 0x00, 0x00, 0x07, 0x01, 0x01, 0x28]);
    start('2028-02-28T23:59:59Z');
    clock.run(2 * SECOND);
    expect([7, 8].map(read)).toEqual([0x29, 0x02]);
  });

  it('speaks binary and 12 hours when told', () => {
    write(0x0b, 0x06);
    expect([0, 2, 4].map(read)).toEqual([58, 59, 23]);
    write(0x0b, 0x00);
    expect(read(4)).toBe(0x91);
    write(4, 0x12);
    write(0x0b, 0x02);
    expect(read(4)).toBe(0x00);
  });

  it('holds plain bytes while SET is on and reads them in the mode in which it starts', () => {
    write(0x0b, 0x82);
    expect(read(4)).toBe(0x23);
    write(0x0b, 0x86);
    expect(read(4)).toBe(0x23);
    write(4, 0x11);
    write(0x0b, 0x06);
    expect(read(4)).toBe(17);
    write(0x0b, 0x02);
    expect(read(4)).toBe(0x17);
  });

  it('stops while SET is on and takes a new time', () => {
    write(0x0b, 0x82);
    write(0, 0x30);
    write(4, 0x12);
    clock.run(5 * SECOND);
    expect(read(0)).toBe(0x30);
    write(0x0b, 0x02);
    clock.run(2 * SECOND);
    expect([0, 4].map(read)).toEqual([0x32, 0x12]);
  });

  it('warns of an update for 2,228 µs', () => {
    clock.run(SECOND - 2.3e6);
    expect(read(0x0a) & 0x80).toBe(0);
    clock.run(0.2e6);
    expect(read(0x0a) & 0x80).toBe(0x80);
    clock.run(2.2e6);
    expect(read(0x0a) & 0x80).toBe(0);
    expect(read(0)).toBe(0x59);
  });

  it('interrupts after an update until register C is read', () => {
    write(0x0b, 0x12);
    read(0x0c);
    clock.run(1.1 * SECOND);
    expect(irq.level).toBe(true);
    expect(read(0x0c)).toBe(0x90 | 0x40);
    expect(irq.level).toBe(false);
    expect(read(0x0c) & 0x90).toBe(0);
    clock.run(SECOND);
    expect([irq.level, irq.rises]).toEqual([true, 2]);
  });

  it('interrupts periodically at the selected rate', () => {
    write(0x0a, 0x26);
    write(0x0b, 0x42);
    let count = 0;
    for (let i = 0; i < 2000; i++) {
      clock.run(SECOND / 2000);
      if (irq.level) {
        count++;
        read(0x0c);
      }
    }
    expect(Math.abs(count - 1024)).toBeLessThanOrEqual(1);
  });

  it('compares the alarm, with wildcards', () => {
    write(1, 0x00);
    write(3, 0xff);
    write(5, 0xc0);
    write(0x0b, 0x22);
    clock.run(1.5 * SECOND);
    expect(irq.level).toBe(false);
    clock.run(SECOND);
    expect(irq.level).toBe(true);
    expect(read(0x0c) & 0xa0).toBe(0xa0);
  });

  it('waits half a second after its divider was held', () => {
    write(0x0a, 0x60);
    clock.run(10 * SECOND);
    expect(read(0)).toBe(0x58);
    write(0x0a, 0x26);
    clock.run(0.4 * SECOND);
    expect(read(0)).toBe(0x58);
    clock.run(0.2 * SECOND);
    expect(read(0)).toBe(0x59);
  });

  it('keeps time and RAM through a reset, not the interrupt enables', () => {
    write(0x0b, 0x72);
    write(0x40, 0xa5);
    rtc.reset();
    expect([read(0x0b), read(0x40), read(9)]).toEqual([0x02, 0xa5, 0x27]);
  });

  it('tells the memory size where PCs look for it', () => {
    setUpCmos(rtc, { memory: 64 << 20, cpus: 1, mouse: false, disk: { cylinders: 20, heads: 16, sectors: 63 } });
    const word = (index: number): number => read(index) | (read(index + 1) << 8);
    expect([word(0x15), word(0x17), word(0x30), word(0x34)]).toEqual([640, 63 * 1024, 63 * 1024, 48 * 16]);
    let sum = 0;
    for (let i = 0x10; i <= 0x2d; i++) sum += read(i);
    expect((read(0x2e) << 8) | read(0x2f)).toBe(sum);
  });
});
