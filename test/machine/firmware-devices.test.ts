import { describe, expect, it } from 'vitest';
import { Dma } from '../../src/engines/machine/devices/dma';
import { FwCfg, FwCfgItem, littleEndian } from '../../src/engines/machine/devices/fw-cfg';
import { sealOptionRom } from '../../src/engines/machine/option-rom';
import { PortBus } from '../../src/engines/machine/ports';

describe('fw_cfg', () => {
  const ports = new PortBus();
  new FwCfg({
    memory: 0x2000_0000,
    cpus: 3,
    items: new Map([[FwCfgItem.commandLineData, new TextEncoder().encode('quiet\0')]]),
    files: { 'opt/b': Uint8Array.of(7, 8, 9), 'etc/a': Uint8Array.of(1) },
  }).attach(ports);
  const select = (key: number): void => ports.write(0x510, 2, key);
  const bytes = (key: number, count: number): number[] => {
    select(key);
    return Array.from({ length: count }, () => ports.read(0x511, 1));
  };

  it('gives its signature and numbers, and zeros after their end', () => {
    expect(String.fromCharCode(...bytes(FwCfgItem.signature, 4))).toBe('QEMU');
    expect(bytes(FwCfgItem.id, 4)).toEqual([1, 0, 0, 0]);
    expect(bytes(FwCfgItem.ramSize, 8)).toEqual([...littleEndian(0x2000_0000, 8)]);
    expect(bytes(FwCfgItem.cpus, 4)).toEqual([3, 0, 0, 0]);
    expect(bytes(FwCfgItem.commandLineData, 6)).toEqual([...new TextEncoder().encode('quiet\0')]);
    expect(bytes(0x77, 2)).toEqual([0, 0]);
  });

  it('lists files with big-endian sizes and items', () => {
    const list = bytes(FwCfgItem.directory, 4 + 2 * 64);
    expect(list.slice(0, 4)).toEqual([0, 0, 0, 2]);
    expect(list.slice(4, 12)).toEqual([0, 0, 0, 1, 0, 0x20, 0, 0]);
    expect(String.fromCharCode(...list.slice(12, 17))).toBe('etc/a');
    expect(list.slice(68, 76)).toEqual([0, 0, 0, 3, 0, 0x21, 0, 0]);
    expect(bytes(0x21, 4)).toEqual([7, 8, 9, 0]);
  });

  it('does not take a selector by bytes', () => {
    select(FwCfgItem.signature);
    ports.write(0x510, 1, FwCfgItem.cpus);
    expect(ports.read(0x511, 1)).toBe(0x51);
  });

  it('refuses names that do not fit the directory', () => {
    expect(() => new FwCfg({ memory: 0, cpus: 1, files: { ['x'.repeat(56)]: new Uint8Array(1) } })).toThrow('longer than 55 bytes');
  });
});

describe('8237A registers', () => {
  const ports = new PortBus();
  new Dma().attach(ports);
  const out = (port: number, ...values: number[]): void => values.forEach((value) => ports.write(port, 1, value));

  it('keeps addresses, counts and pages', () => {
    out(0x0c, 0);
    out(0x04, 0x34, 0x12);
    out(0x05, 0xff, 0x01);
    out(0x81, 0x07);
    expect([ports.read(0x04, 1), ports.read(0x04, 1), ports.read(0x05, 1), ports.read(0x05, 1), ports.read(0x81, 1)]).toEqual([
      0x34, 0x12, 0xff, 0x01, 7,
    ]);
    out(0xc4, 0x78, 0x56);
    expect([ports.read(0xc4, 1), ports.read(0xc4, 1)]).toEqual([0x78, 0x56]);
  });

  it('masks and requests channels', () => {
    out(0xd4, 0x00);
    expect(ports.read(0xde, 1) & 15).toBe(0x0e);
    out(0x09, 0x06);
    expect(ports.read(0x08, 1)).toBe(0x40);
    out(0x0d, 0);
    expect([ports.read(0x08, 1), ports.read(0x0f, 1) & 15]).toEqual([0, 15]);
  });
});

describe('option ROM', () => {
  it('is sealed so that its bytes sum to 0', () => {
    const rom = new Uint8Array(1024).fill(3);
    rom.set([0x55, 0xaa, 2]);
    const sealed = sealOptionRom(rom);
    expect(sealed.reduce((sum, byte) => sum + byte, 0) & 0xff).toBe(0);
    expect(() => sealOptionRom(rom.subarray(0, 512))).toThrow('says that it has 1024');
    expect(() => sealOptionRom(new Uint8Array(512))).toThrow('55 aa');
  });
});
