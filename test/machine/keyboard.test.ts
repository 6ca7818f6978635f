import { beforeEach, describe, expect, it } from 'vitest';
import { Keyboard } from '../../src/engines/machine/devices/keyboard';
import { KeyboardController } from '../../src/engines/machine/devices/keyboard-controller';
import { KEYS, scanCodes, translateSet2 } from '../../src/engines/machine/devices/scancodes';
import { SystemControl } from '../../src/engines/machine/devices/system-control';
import { PortBus } from '../../src/engines/machine/ports';
import { ControlLog, ManualClock, Wire } from './support';

let clock: ManualClock;
let irq1: Wire;
let control: ControlLog;
let keyboard: Keyboard;
let ports: PortBus;
let a20: boolean;
const command = (value: number): void => ports.write(0x64, 1, value);
const data = (value: number): void => ports.write(0x60, 1, value);
const status = (): number => ports.read(0x64, 1);

/** Reads all that comes, waiting for the wire. */
function drain(): number[] {
  const bytes: number[] = [];
  for (let idle = 0; idle < 10; ) {
    if (status() & 1) {
      bytes.push(ports.read(0x60, 1));
      idle = 0;
    } else {
      clock.run(500_000);
      idle++;
    }
  }
  return bytes;
}

beforeEach(() => {
  clock = new ManualClock();
  irq1 = new Wire();
  control = new ControlLog();
  keyboard = new Keyboard(clock);
  ports = new PortBus();
  a20 = true;
  const setA20 = (enabled: boolean): void => {
    a20 = enabled;
  };
  new KeyboardController({ keyboard, irq1, irq12: new Wire(), control, setA20 }).attach(ports);
  new SystemControl(control, setA20).attach(ports);
  command(0x60);
  data(0x41);
});

describe('8042', () => {
  it('answers its tests and its command byte', () => {
    const ask = (value: number): number[] => {
      command(value);
      return drain();
    };
    expect(ask(0xaa)).toEqual([0x55]);
    expect(ask(0xab)).toEqual([0x00]);
    expect(ask(0x20)).toEqual([0x45]);
    command(0xad);
    expect(ask(0x20)).toEqual([0x55]);
    expect(ask(0xc0)).toEqual([0x80]);
    command(0x65);
    data(0x99);
    expect(ask(0x25)).toEqual([0x99]);
  });

  it('raises IRQ 1 for each byte and keeps the last one readable', () => {
    keyboard.press('KeyA');
    expect([irq1.level, irq1.rises]).toEqual([true, 1]);
    expect(ports.read(0x60, 1)).toBe(0x1e);
    expect(irq1.level).toBe(false);
    expect(ports.read(0x60, 1)).toBe(0x1e);
    keyboard.release('KeyA');
    expect(irq1.level).toBe(false);
    clock.run(1_400_000);
    expect([irq1.level, irq1.rises]).toEqual([true, 2]);
    expect(ports.read(0x60, 1)).toBe(0x9e);
  });

  it('drives A20 and RESET# through its output port and port 0x92', () => {
    command(0xd1);
    data(0xdd);
    expect(a20).toBe(false);
    command(0xd0);
    expect(ports.read(0x60, 1) & 3).toBe(1);
    command(0xdf);
    expect(a20).toBe(true);
    ports.write(0x92, 1, 0x00);
    expect(a20).toBe(false);
    ports.write(0x92, 1, 0x02);
    expect([a20, ports.read(0x92, 1)]).toEqual([true, 0x02]);
    command(0xfe);
    command(0xff);
    ports.write(0x92, 1, 0x03);
    command(0xd1);
    data(0xde);
    expect(control.events).toEqual(['reset: keyboard controller pulse', 'reset: port 0x92', 'reset: keyboard controller output port']);
  });

  it('puts a byte into its own output buffer, also as if from the mouse', () => {
    command(0xd2);
    data(0x77);
    expect([status() & 0x21, ports.read(0x60, 1)]).toEqual([0x01, 0x77]);
    command(0xd3);
    data(0x78);
    expect([status() & 0x21, ports.read(0x60, 1)]).toEqual([0x21, 0x78]);
  });

  it('holds the keyboard back while its interface is disabled', () => {
    command(0xad);
    keyboard.press('KeyB');
    expect(status() & 1).toBe(0);
    command(0xae);
    expect(ports.read(0x60, 1)).toBe(0x30);
  });
});

describe('AT keyboard', () => {
  it('answers commands', () => {
    const ask = (...bytes: number[]): number[] => {
      bytes.forEach(data);
      return drain();
    };
    expect(ask(0xee)).toEqual([0xee]);
    expect(ask(0xff)).toEqual([0xfa, 0xaa]);
    expect(ask(0xed, 0x05)).toEqual([0xfa, 0xfa]);
    expect(keyboard.leds).toBe(5);
    // With translation on, as on every PC.
    expect(ask(0xf2)).toEqual([0xfa, 0xab, 0x41]);
    expect(ask(0xf0, 0x00)).toEqual([0xfa, 0xfa, 0x41]);
    expect(ask(0xf3, 0x20)).toEqual([0xfa, 0xfa]);
    expect(ask(0x12)).toEqual([0xfe]);
    command(0x60);
    data(0x01);
    expect(ask(0xf2)).toEqual([0xfa, 0xab, 0x83]);
    expect(ask(0xfe)).toEqual([0x83]);
  });

  it('loses keys while it does not scan', () => {
    data(0xf5);
    keyboard.press('KeyA');
    expect(drain()).toEqual([0xfa]);
    data(0xf4);
    keyboard.press('KeyA');
    expect(drain()).toEqual([0xfa, 0x1e]);
  });

  it('sends the documented sequences in all three sets', () => {
    expect(scanCodes('KeyA', true, 2)).toEqual([0x1c]);
    expect(scanCodes('KeyA', false, 2)).toEqual([0xf0, 0x1c]);
    expect(scanCodes('F7', true, 2)).toEqual([0x83]);
    expect(scanCodes('ArrowUp', true, 2)).toEqual([0xe0, 0x75]);
    expect(scanCodes('ArrowUp', false, 2)).toEqual([0xe0, 0xf0, 0x75]);
    expect(scanCodes('ArrowUp', true, 1)).toEqual([0xe0, 0x48]);
    expect(scanCodes('ArrowUp', true, 3)).toEqual([0x63]);
    expect(scanCodes('Pause', true, 2)).toEqual([0xe1, 0x14, 0x77, 0xe1, 0xf0, 0x14, 0xf0, 0x77]);
    expect(scanCodes('NoSuchKey', true, 2)).toBeUndefined();
  });

  it('translated set 2 is set 1 for every key', () => {
    const translate = (bytes: readonly number[]): number[] => {
      const result: number[] = [];
      let release = 0;
      for (const byte of bytes) {
        if (byte === 0xf0) {
          release = 0x80;
          continue;
        }
        result.push(translateSet2(byte) | release);
        release = 0;
      }
      return result;
    };
    for (const key of KEYS) {
      for (const pressed of [true, false]) {
        expect([key, translate(scanCodes(key, pressed, 2)!)]).toEqual([key, scanCodes(key, pressed, 1)]);
      }
    }
  });

  it('types text, however long, in order', () => {
    keyboard.type('Hi, there: 0123456789!\n');
    const makes = drain().filter((byte) => byte < 0x80);
    // Shift H, i, comma, space …
    expect(makes.slice(0, 5)).toEqual([0x2a, 0x23, 0x17, 0x33, 0x39]);
    expect(makes.at(-1)).toBe(0x1c);
    expect(makes).toHaveLength(23 + 3);
    expect(() => keyboard.type('ß')).toThrow('a US keyboard cannot type "ß"');
    expect(() => keyboard.press('Any')).toThrow('no key "Any"');
  });
});
