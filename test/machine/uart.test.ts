import { beforeEach, describe, expect, it } from 'vitest';
import { Uart } from '../../src/engines/machine/devices/uart';
import { PortBus } from '../../src/engines/machine/ports';
import { ManualClock, Wire } from './support';

let clock: ManualClock;
let irq: Wire;
let uart: Uart;
let ports: PortBus;
let sent: string;
const BASE = 0x3f8;
const read = (register: number): number => ports.read(BASE + register, 1);
const write = (register: number, value: number): void => ports.write(BASE + register, 1, value);
const text = (value: string): number[] => [...value].map((c) => c.charCodeAt(0));

beforeEach(() => {
  clock = new ManualClock();
  irq = new Wire();
  sent = '';
  uart = new Uart({ name: 'uart0', base: BASE, clock, irq });
  uart.onOutput = (byte) => {
    sent += String.fromCharCode(byte);
  };
  ports = new PortBus();
  uart.attach(ports);
  write(3, 0x03);
});

describe('16550A', () => {
  it('sends, with data bits cut to the word length', () => {
    for (const byte of text('Ringside')) {
      expect(read(5) & 0x60).toBe(0x60);
      write(0, byte);
    }
    expect(sent).toBe('Ringside');
    write(3, 0x02);
    write(0, 0xc1);
    expect(sent.at(-1)).toBe('A');
  });

  it('keeps the divisor behind DLAB and the scratch register', () => {
    write(3, 0x83);
    write(0, 0x34);
    write(1, 0x12);
    expect([read(0), read(1)]).toEqual([0x34, 0x12]);
    write(3, 0x03);
    expect(read(1)).toBe(0);
    write(7, 0x5a);
    expect(read(7)).toBe(0x5a);
    write(1, 0xff);
    expect(read(1)).toBe(0x0f);
  });

  it('receives one character at a time without FIFOs and loses none', () => {
    uart.receive(text('ab'));
    expect(read(5) & 1).toBe(1);
    expect(read(0)).toBe(0x61);
    expect(read(0)).toBe(0x62);
    expect(read(5) & 1).toBe(0);
    expect(read(2) & 0xc0).toBe(0);
  });

  it('interrupts at the trigger level and after four character times below it', () => {
    write(2, 0x81);
    write(1, 0x01);
    uart.receive(text('1234567'));
    expect(irq.level).toBe(false);
    uart.receive(text('8'));
    expect(irq.level).toBe(true);
    expect(read(2)).toBe(0xc4);
    read(0);
    expect(irq.level).toBe(false);
    // 9,600 baud, 10 bits: 1.0417 ms a character.
    clock.run(4.1e6);
    expect(irq.level).toBe(false);
    clock.run(0.1e6);
    expect(irq.level).toBe(true);
    expect(read(2)).toBe(0xcc);
    read(0);
    expect(irq.level).toBe(false);
  });

  it('raises the empty-transmitter interrupt when enabled and after each character, until IIR is read', () => {
    write(1, 0x02);
    expect(irq.level).toBe(true);
    expect(read(2)).toBe(0x02);
    expect(irq.level).toBe(false);
    expect(read(2)).toBe(0x01);
    write(0, 0x41);
    expect(irq.level).toBe(true);
  });

  it('gives the interrupt of the highest priority first', () => {
    write(4, 0x10);
    write(1, 0x0f);
    write(0, 0x41);
    write(0, 0x42);
    write(4, 0x1b);
    expect(read(2)).toBe(0x06);
    expect(read(5) & 0x03).toBe(0x03);
    expect(read(2)).toBe(0x04);
    expect(read(0)).toBe(0x42);
    expect(read(2)).toBe(0x02);
    expect(read(2)).toBe(0x00);
    read(6);
    expect(read(2)).toBe(0x01);
  });

  it('loops modem controls back to modem status with their deltas', () => {
    write(4, 0x1a);
    read(6);
    expect(read(6)).toBe(0x90);
    write(4, 0x1f);
    expect(read(6)).toBe(0xf2);
    write(4, 0x10);
    expect(read(6)).toBe(0x0f);
    write(4, 0x03);
    expect(read(6) & 0xf0).toBe(0xb0);
    expect(sent).toBe('');
  });

  it('keeps characters from outside out of a loopback test', () => {
    write(2, 0x01);
    write(4, 0x10);
    uart.receive(text('x'));
    write(0, 0xae);
    expect(read(0)).toBe(0xae);
    expect(read(5) & 1).toBe(0);
    write(4, 0x00);
    expect(read(0)).toBe(0x78);
  });

  it('holds 16 characters and is emptied by FCR', () => {
    write(2, 0xc7);
    uart.receive(new Array(20).fill(0x2a));
    expect(uart.inspect().find((fact) => fact.name === 'receiver')).toMatchObject({
      value: '16 of 16',
      meaning: expect.stringContaining('4 '),
    });
    write(2, 0xc3);
    let left = 0;
    while (read(5) & 1) {
      read(0);
      left++;
    }
    expect(left).toBe(4);
  });

  it('goes on from a snapshot as before it', () => {
    write(2, 0x41);
    write(1, 0x05);
    uart.receive(text('abcdef'));
    const wire = new Wire();
    const copy = new Uart({ name: 'uart0', base: BASE, clock, irq: wire });
    copy.load(structuredClone(uart.save()));
    expect(wire.level).toBe(irq.level);
    expect(copy.inspect()).toEqual(uart.inspect());
  });
});
