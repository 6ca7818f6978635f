import { beforeEach, describe, expect, it } from 'vitest';
import { Ata } from '../../src/engines/machine/devices/ata';
import { geometryOf, MemoryBlockDevice } from '../../src/engines/machine/devices/block';
import { PortBus } from '../../src/engines/machine/ports';
import { ManualClock, Wire } from './support';

const SECTORS = 20 * 16 * 63;
let image: Uint8Array;
let clock: ManualClock;
let irq: Wire;
let ata: Ata;
let disk: MemoryBlockDevice;
let ports: PortBus;

const out = (port: number, ...values: number[]): void => values.forEach((value) => ports.write(port, 1, value));
const status = (): number => ports.read(0x1f7, 1);
const idle = (): number => {
  for (let i = 0; i < 10 && ports.read(0x3f6, 1) & 0x80; i++) clock.run(20_000);
  return ports.read(0x3f6, 1);
};
/** Issues a command with count and a 28-bit address. */
function issue(command: number, lba: number, count: number): number {
  out(0x1f2, count);
  out(0x1f3, lba & 0xff);
  out(0x1f4, (lba >> 8) & 0xff);
  out(0x1f5, (lba >> 16) & 0xff);
  out(0x1f6, 0xe0 | ((lba >> 24) & 15));
  out(0x1f7, command);
  return idle();
}
const words = (count: number): number[] => Array.from({ length: count }, () => ports.read(0x1f0, 2));
const sector = (lba: number): number[] => {
  const view = new DataView(image.buffer);
  return Array.from({ length: 256 }, (_, i) => view.getUint16(lba * 512 + i * 2, true));
};
const registers = (): number[] => [2, 3, 4, 5, 6].map((register) => ports.read(0x1f0 + register, 1));

beforeEach(() => {
  image = new Uint8Array(SECTORS * 512);
  for (let i = 0; i < image.length; i++) image[i] = (i >> 9) * 7 + i;
  clock = new ManualClock();
  irq = new Wire();
  disk = new MemoryBlockDevice(image);
  ata = new Ata({ clock, irq, disk });
  ports = new PortBus();
  ata.attach(ports);
});

describe('ATA disk', () => {
  it('is found by its signature after a software reset, and device 1 is not', () => {
    out(0x3f6, 0x06);
    expect(status()).toBe(0x80);
    out(0x3f6, 0x02);
    expect(idle()).toBe(0x50);
    expect(ports.read(0x1f1, 1)).toBe(1);
    expect(registers().slice(0, 4)).toEqual([1, 1, 0, 0]);
    out(0x1f6, 0xb0);
    expect([status(), ports.read(0x1f1, 1), ports.read(0x1f2, 1)]).toEqual([0, 0, 1]);
    out(0x1f7, 0xec);
    clock.run(1e6);
    expect(irq.rises).toBe(0);
  });

  it('identifies itself', () => {
    expect(issue(0xec, 0, 0)).toBe(0x58);
    const id = words(256);
    expect(status()).toBe(0x50);
    expect([id[1], id[3], id[6]]).toEqual([20, 16, 63]);
    expect(id[60] | (id[61] << 16)).toBe(SECTORS);
    expect(id[100]).toBe(SECTORS);
    expect(id[49] & 0x0200).toBe(0x0200);
    const model = id.slice(27, 47).map((word) => String.fromCharCode(word >> 8, word & 0xff));
    expect(model.join('').trim()).toBe('RINGSIDE HARDDISK');
    const sum = id.reduce((total, word) => total + (word & 0xff) + (word >> 8), 0);
    expect(sum & 0xff).toBe(0);
  });

  it('reads sectors with an interrupt for each', () => {
    expect(issue(0x20, 1000, 3)).toBe(0x58);
    for (let i = 0; i < 3; i++) {
      expect(idle()).toBe(0x58);
      expect(irq.level).toBe(true);
      status();
      expect(irq.level).toBe(false);
      expect(words(256)).toEqual(sector(1000 + i));
    }
    expect(idle()).toBe(0x50);
    expect(irq.rises).toBe(3);
    expect(registers()).toEqual([0, 1002 & 0xff, 1002 >> 8, 0, 0xe0]);
  });

  it('reads by cylinder, head and sector, also under other parameters', () => {
    const chs = (c: number, h: number, s: number): number[] => {
      out(0x1f2, 1);
      out(0x1f3, s);
      out(0x1f4, c & 0xff);
      out(0x1f5, c >> 8);
      out(0x1f6, 0xa0 | h);
      out(0x1f7, 0x20);
      return idle() & 1 ? [-1] : words(256);
    };
    expect(chs(3, 5, 7)).toEqual(sector((3 * 16 + 5) * 63 + 6));
    expect(chs(3, 5, 0)).toEqual([-1]);
    expect(ports.read(0x1f1, 1)).toBe(0x10);
    expect(chs(3, 5, 64)).toEqual([-1]);
    out(0x1f2, 17);
    out(0x1f6, 0xa3);
    out(0x1f7, 0x91);
    expect(idle()).toBe(0x50);
    expect(chs(100, 3, 17)).toEqual(sector((100 * 4 + 3) * 17 + 16));
    expect(chs(0, 4, 1)).toEqual([-1]);
  });

  it('reads several sectors a block and by 32-bit words', () => {
    out(0x1f2, 4);
    out(0x1f7, 0xc6);
    expect(idle()).toBe(0x50);
    expect(issue(0xc4, 10, 6)).toBe(0x58);
    const before = irq.rises;
    const values: number[] = [];
    for (let i = 0; i < 4 * 128; i++) values.push(ports.read(0x1f0, 4));
    expect(values.map((value) => [value & 0xffff, value >>> 16]).flat()).toEqual([10, 11, 12, 13].flatMap(sector));
    expect(idle()).toBe(0x58);
    expect(irq.rises).toBe(before);
    expect(words(512)).toEqual([14, 15].flatMap(sector));
    expect(idle()).toBe(0x50);
    out(0x1f2, 3);
    out(0x1f7, 0xc6);
    expect(idle() & 1).toBe(1);
  });

  it('writes to a copy', () => {
    const original = image.slice();
    expect(issue(0x30, 77, 2)).toBe(0x58);
    expect(irq.rises).toBe(0);
    for (let i = 0; i < 256; i++) ports.write(0x1f0, 2, 0xbeef);
    expect(idle()).toBe(0x58);
    expect(irq.level).toBe(true);
    status();
    for (let i = 0; i < 256; i++) ports.write(0x1f0, 2, i);
    expect(idle()).toBe(0x50);
    expect(irq.rises).toBe(2);
    expect(Buffer.compare(image, original)).toBe(0);
    issue(0x20, 77, 2);
    expect(words(256)).toEqual(new Array(256).fill(0xbeef));
    idle();
    expect(words(256)).toEqual(Array.from({ length: 256 }, (_, i) => i));
  });

  it('takes 48-bit addresses and counts, and shows the old bytes under HOB', () => {
    out(0x1f2, 0, 2);
    out(0x1f3, 0, 0x10);
    out(0x1f4, 0, 0x01);
    out(0x1f5, 0, 0);
    out(0x1f6, 0x40);
    out(0x1f7, 0x24);
    expect(idle()).toBe(0x58);
    expect(words(256)).toEqual(sector(0x110));
    idle();
    words(256);
    out(0x1f3, 0xab, 0xcd);
    expect(ports.read(0x1f3, 1)).toBe(0xcd);
    out(0x3f6, 0x80);
    expect(ports.read(0x1f3, 1)).toBe(0xab);
    out(0x1f2, 0);
    expect(ports.read(0x1f3, 1)).toBe(0xcd);
  });

  it('fails beyond its end at the sector that is not there', () => {
    expect(issue(0x20, SECTORS - 1, 2)).toBe(0x58);
    words(256);
    expect(idle()).toBe(0x51);
    expect(ports.read(0x1f1, 1)).toBe(0x10);
    expect(registers().slice(0, 4)).toEqual([1, SECTORS & 0xff, (SECTORS >> 8) & 0xff, SECTORS >> 16]);
    expect(issue(0x40, SECTORS - 5, 6)).toBe(0x51);
    expect(issue(0x40, SECTORS - 5, 5)).toBe(0x50);
  });

  it('aborts what a disk without DMA does not know', () => {
    for (const command of [0x00, 0x08, 0x25, 0xa1, 0xb0, 0xc8, 0xca]) {
      expect([command, issue(command, 0, 1)]).toEqual([command, 0x51]);
      expect(ports.read(0x1f1, 1)).toBe(0x04);
    }
  });

  it('keeps INTRQ off the bus while nIEN is set', () => {
    out(0x3f6, 0x02);
    issue(0x20, 0, 1);
    expect(irq.level).toBe(false);
    out(0x3f6, 0x00);
    expect(irq.level).toBe(true);
  });

  it('answers diagnostics, power and features', () => {
    out(0x1f6, 0xb0);
    out(0x1f7, 0x90);
    expect(idle()).toBe(0x50);
    expect([irq.level, ports.read(0x1f1, 1), ...registers().slice(0, 4)]).toEqual([true, 1, 1, 1, 0, 0]);
    issue(0xe5, 0, 0);
    expect(ports.read(0x1f2, 1)).toBe(0xff);
    out(0x1f1, 0x03);
    expect(issue(0xef, 0, 0x0c)).toBe(0x50);
    expect(issue(0xef, 0, 0x42)).toBe(0x51);
    expect(issue(0xe7, 0, 0)).toBe(0x50);
    expect(issue(0xf8, 0, 0)).toBe(0x50);
    expect(registers().slice(1, 4)).toEqual([(SECTORS - 1) & 0xff, (SECTORS - 1) >> 8, 0]);
  });

  it('goes on from a snapshot as before it', () => {
    issue(0x30, 5, 1);
    for (let i = 0; i < 100; i++) ports.write(0x1f0, 2, i);
    const copy = new Ata({ clock, irq: new Wire(), disk: new MemoryBlockDevice(image) });
    copy.load(structuredClone(ata.save()));
    expect(copy.inspect()).toEqual(ata.inspect());
  });
});

describe('disk geometry', () => {
  it('follows the partition table where that names one, else 16 × 63', () => {
    expect(geometryOf(disk)).toEqual({ cylinders: 20, heads: 16, sectors: 63 });
    const partitioned = new Uint8Array(SECTORS * 512);
    partitioned.set([0x80, 1, 1, 0, 0x83, 7, 32, 9, 32, 0, 0, 0, 0, 10, 0, 0], 0x1be);
    partitioned.set([0x55, 0xaa], 510);
    expect(geometryOf(new MemoryBlockDevice(partitioned))).toEqual({ cylinders: 78, heads: 8, sectors: 32 });
  });

  it('refuses sectors that are not there', () => {
    expect(() => disk.read(SECTORS, 1)).toThrow(`disk of ${SECTORS} sectors`);
  });
});
