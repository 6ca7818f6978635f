import { beforeEach, describe, expect, it } from 'vitest';
import { Pic } from '../../src/engines/machine/devices/pic';
import { PortBus } from '../../src/engines/machine/ports';

let pic: Pic;
let ports: PortBus;
const out = (port: number, ...values: number[]): void => values.forEach((value) => ports.write(port, 1, value));
const raise = (irq: number): void => pic.line(irq).set(true);
const lower = (irq: number): void => pic.line(irq).set(false);
const inService = (port: number): number => {
  out(port, 0x0b);
  return ports.read(port, 1);
};
const requests = (port: number): number => {
  out(port, 0x0a);
  return ports.read(port, 1);
};

/** The sequence of a PC's BIOS with the given ICW4s. */
function initialize(master4 = 0x01, slave4 = 0x01): void {
  out(0x20, 0x11);
  out(0x21, 0x08, 0x04, master4, 0x00);
  out(0xa0, 0x11);
  out(0xa1, 0x70, 0x02, slave4, 0x00);
}

beforeEach(() => {
  pic = new Pic();
  ports = new PortBus();
  pic.attach(ports);
  initialize();
});

describe('8259A', () => {
  it('gives the vector of the highest request and holds back lower ones until EOI', () => {
    raise(4);
    raise(1);
    expect(pic.pending).toBe(true);
    expect(pic.acknowledge()).toBe(0x09);
    expect(pic.pending).toBe(false);
    out(0x20, 0x20);
    expect(pic.pending).toBe(true);
    expect(pic.acknowledge()).toBe(0x0c);
    raise(0);
    expect(pic.pending).toBe(true);
    expect(inService(0x20)).toBe(0x10);
  });

  it('takes the slave through IRQ 2 and sees a second edge after the first is served', () => {
    raise(14);
    expect(pic.acknowledge()).toBe(0x76);
    expect(inService(0x20)).toBe(0x04);
    expect(inService(0xa0)).toBe(0x40);
    raise(8);
    // The master holds IRQ 2 in service: nested only in special fully nested mode.
    expect(pic.pending).toBe(false);
    out(0xa0, 0x20);
    out(0x20, 0x20);
    expect(pic.acknowledge()).toBe(0x70);
  });

  it('lets a higher slave level through in special fully nested mode', () => {
    initialize(0x11);
    raise(14);
    expect(pic.acknowledge()).toBe(0x76);
    raise(8);
    expect(pic.pending).toBe(true);
    expect(pic.acknowledge()).toBe(0x70);
    raise(3);
    expect(pic.pending).toBe(false);
  });

  it('gives a spurious IRQ 7 when the request has gone, without an ISR bit', () => {
    raise(3);
    lower(3);
    expect(pic.pending).toBe(false);
    expect(pic.acknowledge()).toBe(0x0f);
    expect(inService(0x20)).toBe(0);
  });

  it('withdraws INT when a pending level is masked', () => {
    raise(10);
    const before = pic.pending;
    out(0xa1, 0xff);
    expect([before, pic.pending]).toEqual([true, false]);
  });

  it('drops an edge that was masked when its line falls, and keeps it while it is high', () => {
    out(0x21, 0x08);
    raise(3);
    expect(pic.pending).toBe(false);
    expect(requests(0x20)).toBe(0x08);
    out(0x21, 0x00);
    expect(pic.acknowledge()).toBe(0x0b);
    out(0x20, 0x20);
    expect(pic.pending).toBe(false);
  });

  it('repeats a level-triggered request until its line falls', () => {
    ports.write(0x4d0, 1, 0xff);
    expect(ports.read(0x4d0, 1)).toBe(0xf8);
    raise(5);
    expect(pic.acknowledge()).toBe(0x0d);
    out(0x20, 0x20);
    expect(pic.pending).toBe(true);
    lower(5);
    expect(pic.pending).toBe(false);
  });

  it('rotates priorities by EOI, by specific EOI and by command', () => {
    raise(3);
    pic.acknowledge();
    out(0x20, 0xa0);
    raise(0);
    raise(4);
    expect(pic.acknowledge()).toBe(0x0c);
    out(0x20, 0x64);
    expect(pic.acknowledge()).toBe(0x08);
    out(0x20, 0xe0);
    // Lowest is 0 now, so 1 comes first.
    lower(3);
    raise(3);
    raise(1);
    expect(pic.acknowledge()).toBe(0x09);
    out(0x20, 0x61, 0xc1);
    expect(pic.acknowledge()).toBe(0x0b);
  });

  it('ends interrupts by itself in AEOI mode and rotates when told', () => {
    initialize(0x03);
    raise(2 + 1);
    raise(5);
    expect(pic.acknowledge()).toBe(0x0b);
    expect(inService(0x20)).toBe(0);
    expect(pic.acknowledge()).toBe(0x0d);
    out(0x20, 0x80);
    lower(3);
    raise(3);
    expect(pic.acknowledge()).toBe(0x0b);
    for (const irq of [1, 4]) raise(irq);
    expect(pic.acknowledge()).toBe(0x0c);
  });

  it('lets lower levels through in special mask mode, where non-specific EOI spares masked levels', () => {
    raise(1);
    pic.acknowledge();
    out(0x21, 0x02);
    raise(6);
    expect(pic.pending).toBe(false);
    out(0x20, 0x68);
    expect(pic.pending).toBe(true);
    expect(pic.acknowledge()).toBe(0x0e);
    out(0x20, 0x20);
    expect(inService(0x20)).toBe(0x02);
    out(0x20, 0x61);
    expect(inService(0x20)).toBe(0);
  });

  it('answers a poll as an acknowledgement', () => {
    raise(6);
    out(0x20, 0x0c);
    expect(ports.read(0x20, 1)).toBe(0x86);
    expect(inService(0x20)).toBe(0x40);
    out(0x20, 0x0c);
    expect(ports.read(0x20, 1)).toBe(0);
  });

  it('clears mask, edges and service at ICW1, and asks for a new edge', () => {
    out(0x21, 0xff);
    raise(1);
    out(0x20, 0x11);
    out(0x21, 0x20, 0x04, 0x01);
    expect(ports.read(0x21, 1)).toBe(0);
    expect(requests(0x20)).toBe(0);
    expect(pic.pending).toBe(false);
    lower(1);
    raise(1);
    expect(pic.acknowledge()).toBe(0x21);
  });

  it('goes on from a snapshot as before it', () => {
    raise(4);
    raise(9);
    pic.acknowledge();
    const copy = new Pic();
    copy.load(structuredClone(pic.save()));
    expect(copy.pending).toBe(pic.pending);
    expect(copy.inspect()).toEqual(pic.inspect());
  });
});
