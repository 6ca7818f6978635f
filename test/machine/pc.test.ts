import { beforeEach, describe, expect, it } from 'vitest';
import { HostMemory } from '../../src/engines/machine/host-memory';
import { Pc } from '../../src/engines/machine/pc';
import { ControlLog, ManualClock } from './support';

let clock: ManualClock;
let control: ControlLog;

const image = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, i) => (i >> 8) ^ i);

function pc(options: Partial<ConstructorParameters<typeof Pc>[0]> = {}): Pc {
  clock = new ManualClock();
  control = new ControlLog();
  return new Pc({ host: new HostMemory(0), clock, control, memory: 4 << 20, bios: image(0x10000), ...options });
}

describe('isapc machine', () => {
  let machine: Pc;
  beforeEach(() => {
    machine = pc();
  });

  it('shows the BIOS below 1 MiB and below 4 GiB and swallows writes to it', () => {
    const { memory } = machine;
    expect(memory.read(0xfffffff0, 4)).toBe(memory.read(0xffff0, 4));
    expect(memory.read(0xf1234, 1)).toBe(0x12 ^ 0x34);
    memory.write(0xf1234, 1, 0xaa);
    expect(memory.read(0xf1234, 1)).toBe(0x12 ^ 0x34);
    memory.write(0x3ffffc, 4, 0x12345678);
    expect(memory.read(0x3ffffc, 4)).toBe(0x12345678);
    expect(memory.read(0x400000, 4)).toBe(0xffffffff);
  });

  it('shows the last 128 KiB of a larger BIOS, writable where asked, restored by reset', () => {
    const bios = image(0x40000).map((byte, i) => byte ^ (i >> 16));
    const { memory } = pc({ bios });
    const machineWithBigBios = pc({ bios, biosWritable: true });
    const big = machineWithBigBios.memory;
    expect(memory.read(0xe0000, 1)).toBe(bios[0x20000]);
    expect(big.read(0xfffc0000, 4)).toBe(new DataView(bios.buffer).getUint32(0, true));
    big.write(0xf0000, 1, 0x55 ^ bios[0x30000]);
    expect(big.read(0xf0000, 1)).toBe(0x55 ^ bios[0x30000]);
    expect(big.read(0xffff0000, 1)).toBe(bios[0x30000]);
    machineWithBigBios.reset();
    expect(big.read(0xf0000, 1)).toBe(bios[0x30000]);
  });

  it('puts option ROMs where a BIOS scans for them', () => {
    const first = Uint8Array.of(0x55, 0xaa, 1);
    const { memory } = pc({ optionRoms: [first, Uint8Array.of(0x55, 0xaa, 2)] });
    expect([memory.read(0xc0000, 1), memory.read(0xc0802, 1)]).toEqual([0x55, 2]);
  });

  it('wraps at 1 MiB while A20 is closed', () => {
    const { memory, ports } = machine;
    memory.write(0x500, 1, 0x42);
    memory.write(0x100500, 1, 0x17);
    ports.write(0x92, 1, 0);
    expect(memory.read(0x100500, 1)).toBe(0x42);
    ports.write(0x92, 1, 2);
    expect(memory.read(0x100500, 1)).toBe(0x17);
  });

  it('takes timer interrupts through both controllers', () => {
    const { ports, interrupts } = machine;
    for (const [port, value] of [
      [0x20, 0x11],
      [0x21, 0x08],
      [0x21, 0x04],
      [0x21, 0x01],
      [0x21, 0xfe],
    ])
      ports.write(port, 1, value);
    clock.run(60e6);
    expect(interrupts.pending).toBe(true);
    expect(interrupts.acknowledge()).toBe(0x08);
  });

  it('passes exit, shutdown and reset on', () => {
    const { ports } = machine;
    ports.write(0xf4, 4, 0x11);
    ports.write(0xf4, 1, 0);
    ports.write(0xf4, 2, 0x100);
    for (const c of 'ShutShutdown') ports.write(0x8900, 1, c.charCodeAt(0));
    ports.write(0x64, 1, 0xfe);
    expect(control.events).toEqual(['exit 35', 'exit 1', 'exit 513', 'shutdown', 'reset: keyboard controller pulse']);
  });

  it('writes to port 0xE9 and to POST ports', () => {
    const { ports } = machine;
    let text = '';
    machine.debugConsole.onOutput = (byte) => {
      text += String.fromCharCode(byte);
    };
    for (const c of 'hello') ports.write(0xe9, 1, c.charCodeAt(0));
    ports.write(0x80, 1, 0x5a);
    expect([text, ports.read(0xe9, 1), ports.read(0x80, 1)]).toEqual(['hello', 0xe9, 0x5a]);
  });

  it('goes on from a snapshot as before it', () => {
    const { ports } = machine;
    machine.keyboard.type('abc');
    machine.uarts[0].receive([1, 2, 3]);
    ports.write(0x43, 1, 0x34);
    ports.write(0x40, 1, 0x10);
    const copy = pc();
    copy.load(structuredClone(machine.save()));
    expect(copy.devices.map((device) => device.inspect())).toEqual(machine.devices.map((device) => device.inspect()));
  });

  it('refuses sizes that no machine has, in one sentence', () => {
    expect(() => pc({ memory: 1000 })).toThrow('memory of 1000 bytes');
    expect(() => pc({ bios: new Uint8Array(100) })).toThrow('BIOS image of 100 bytes');
    expect(() => pc({ optionRoms: [new Uint8Array(0x30000)] })).toThrow('option ROMs of 196608 bytes');
  });
});
