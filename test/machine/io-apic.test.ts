import { beforeEach, describe, expect, it } from 'vitest';
import { HostMemory } from '../../src/engines/machine/host-memory';
import { Pc } from '../../src/engines/machine/pc';
import { ControlLog, ManualClock } from './support';

let clock: ManualClock;
let control: ControlLog;
let machine: Pc;

const IO = 0xfec00000;
const LOCAL = 0xfee00000;
const read = (register: number): number => {
  machine.memory.write(IO, 4, register);
  return machine.memory.read(IO + 0x10, 4);
};
const write = (register: number, value: number): void => {
  machine.memory.write(IO, 4, register);
  machine.memory.write(IO + 0x10, 4, value);
};
const local = (cpu: number, offset: number, value: number): void => {
  machine.activeCpu = cpu;
  machine.memory.write(LOCAL + offset, 4, value);
  machine.activeCpu = 0;
};
const route = (input: number, low: number, destination = 0): void => {
  write(0x11 + input * 2, destination << 24);
  write(0x10 + input * 2, low);
};
const raise = (irq: number): void => machine.ports.write(0x2000 + irq, 1, 1);
const lower = (irq: number): void => machine.ports.write(0x2000 + irq, 1, 0);
const take = (cpu = 0): number | undefined => {
  const apic = machine.localApics[cpu];
  return apic.pending ? apic.acknowledge() : undefined;
};
const end = (cpu = 0): void => local(cpu, 0xb0, 0);

beforeEach(() => {
  clock = new ManualClock();
  control = new ControlLog();
  machine = new Pc({ host: new HostMemory(0), clock, control, memory: 4 << 20, bios: new Uint8Array(0x10000), cpus: 2 });
  // All 8259 inputs masked.
  machine.ports.write(0x21, 1, 0xff);
  machine.ports.write(0xa1, 1, 0xff);
  for (const cpu of [0, 1]) local(cpu, 0xf0, 0x1ff);
});

describe('I/O APIC', () => {
  it('has 24 masked entries', () => {
    expect([read(0), read(1), read(2), read(0x10), read(0x3e), read(0x3f), read(0x40)]).toEqual([0, 0x170020, 0, 0x10000, 0x10000, 0, 0]);
    write(0, 0x0f000000);
    write(0x12, 0xffffffff);
    expect([read(0), read(0x12), read(0x13)]).toEqual([0x0f000000, 0x1afff, 0]);
  });

  it('sends edges once, and forgets those at masked inputs', () => {
    route(5, 0x31);
    raise(5);
    expect([take(), take()]).toEqual([0x31, undefined]);
    end();
    lower(5);
    route(5, 0x10031);
    raise(5);
    route(5, 0x31);
    expect(take()).toBeUndefined();
    lower(5);
    raise(5);
    expect(take()).toBe(0x31);
  });

  it('repeats levels after their end, and shows remote IRR meanwhile', () => {
    route(10, 0x8041);
    raise(10);
    expect([take(), read(0x24)]).toEqual([0x41, 0xc041]);
    end();
    expect([take(), read(0x24)]).toEqual([0x41, 0xc041]);
    lower(10);
    end();
    expect([take(), read(0x24)]).toEqual([undefined, 0x8041]);
    raise(10);
    take();
    // An entry that becomes edge-triggered forgets its remote IRR.
    route(10, 0x10041);
    expect(read(0x24)).toBe(0x10041);
  });

  it('ends a level interrupt by its own register too', () => {
    route(10, 0x8041);
    raise(10);
    lower(10);
    machine.memory.write(IO + 0x40, 4, 0x41);
    expect(read(0x24)).toBe(0x8041);
  });

  it('minds polarity', () => {
    raise(7);
    route(7, 0x2051);
    expect(take()).toBeUndefined();
    lower(7);
    expect(take()).toBe(0x51);
    end();
    route(8, 0xa061);
    expect(take()).toBe(0x61);
  });

  it('chooses processors: physical, logical, lowest priority, NMI', () => {
    local(0, 0xd0, 0x01000000);
    local(1, 0xd0, 0x02000000);
    route(4, 0x71, 1);
    raise(4);
    expect([take(0), take(1)]).toEqual([undefined, 0x71]);
    end(1);
    lower(4);
    route(4, 0x871, 3);
    raise(4);
    expect([take(0), take(1)]).toEqual([0x71, 0x71]);
    end(0);
    end(1);
    lower(4);
    local(0, 0x80, 0x20);
    route(4, 0x971, 3);
    raise(4);
    expect([take(0), take(1)]).toEqual([undefined, 0x71]);
    let nmis = 0;
    machine.localApics[1].signals = { ...machine.localApics[1].signals, nmi: () => nmis++ };
    lower(4);
    route(4, 0x400, 1);
    raise(4);
    expect(nmis).toBe(1);
  });

  it('has the timer at input 2, and inputs of its own above the ISA bus', () => {
    route(2, 0x30);
    clock.run(60e6);
    expect(take()).toBe(0x30);
    end();
    route(20, 0x90);
    raise(20);
    expect(take()).toBe(0x90);
  });
});

describe('local APICs in memory', () => {
  const id = (cpu: number, base = LOCAL): number => {
    machine.activeCpu = cpu;
    const value = machine.memory.read(base + 0x20, 4);
    machine.activeCpu = 0;
    return value;
  };

  it("are each processor's own", () => {
    expect([id(0), id(1)]).toEqual([0, 0x01000000]);
  });

  it('move one by one, and show what lies under them to the others', () => {
    machine.memory.write(0x201020, 4, 0x12345678);
    machine.localApics[1].writeMsr(0x1b, 0x00201800, 0);
    expect([id(0), id(1), id(0, 0x201000), id(1, 0x201000)]).toEqual([0, 0xffffffff, 0x12345678, 0x01000000]);
    machine.memory.write(0x201024, 4, 7);
    machine.localApics[1].writeMsr(0x1b, 0xfee00800, 0);
    expect([id(1), id(1, 0x201000), machine.memory.read(0x201024, 4)]).toEqual([0x01000000, 0x12345678, 7]);
  });

  it('leave memory while off or in x2APIC mode', () => {
    machine.localApics[0].writeMsr(0x1b, 0xfee00d00, 0);
    expect([id(0), id(1)]).toEqual([0xffffffff, 0x01000000]);
  });
});

describe('the machine for several processors', () => {
  it('tells their number to firmware', () => {
    const { ports } = machine;
    ports.write(0x70, 1, 0x5f);
    expect(ports.read(0x71, 1)).toBe(1);
    ports.write(0x510, 2, 5);
    expect(ports.read(0x511, 1)).toBe(2);
    const make = (cpus: number) => () =>
      new Pc({ host: new HostMemory(0), clock, control, memory: 4 << 20, bios: new Uint8Array(0x10000), cpus });
    expect(make(9)).toThrow('9 processors: expected 1 to 8');
    expect(make(0)).toThrow('0 processors');
  });

  it('sends NMI unless port 0x70 masks it', () => {
    let nmis = 0;
    machine.localApics[0].signals = { ...machine.localApics[0].signals, nmi: () => nmis++ };
    local(0, 0x360, 0x400);
    machine.nmi();
    machine.ports.write(0x70, 1, 0x80);
    machine.nmi();
    expect(nmis).toBe(1);
  });

  it('powers off by ACPI and counts PM timer cycles', () => {
    const { ports } = machine;
    expect([ports.read(0x604, 2), ports.read(0x608, 4)]).toEqual([1, 0]);
    clock.run(1e9);
    expect(ports.read(0x608, 4)).toBe(3_579_545);
    expect([ports.read(0x60a, 1), ports.read(0x600, 2)]).toEqual([3_579_545 >>> 16, 0]);
    clock.run(2e9);
    expect(ports.read(0x600, 2)).toBe(1);
    ports.write(0x600, 2, 1);
    expect(ports.read(0x600, 2)).toBe(0);
    ports.write(0x604, 2, 0x2000);
    expect(control.events).toEqual(['shutdown']);
  });
});

describe('pc-testdev', () => {
  it('keeps its register and its memory', () => {
    const { ports, memory } = machine;
    ports.write(0xe0, 4, 0x12345678);
    ports.write(0xe1, 1, 0xab);
    ports.write(0xe2, 2, 0xcdef);
    expect([ports.read(0xe0, 4), ports.read(0xe3, 1), ports.read(0xe8, 1), ports.read(0xe2, 2)]).toEqual([0xcdefab78, 0xcd, 0x78, 0xcdef]);
    memory.write(0xff00fffc, 4, 0xdeadbeef);
    expect([memory.read(0xff00fffe, 2), memory.read(0xff000000, 4)]).toEqual([0xdead, 0]);
  });
});
