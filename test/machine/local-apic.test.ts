import { beforeEach, describe, expect, it } from 'vitest';
import { DeliveryMode, InterruptBus } from '../../src/engines/machine/devices/interrupt-bus';
import { LocalApic, type ProcessorSignals } from '../../src/engines/machine/devices/local-apic';
import { ManualClock } from './support';

const [ID, VERSION, TPR, PPR, EOI, LDR, DFR, SVR, ISR, TMR, IRR, ESR] = [
  0x20, 0x30, 0x80, 0xa0, 0xb0, 0xd0, 0xe0, 0xf0, 0x100, 0x180, 0x200, 0x280,
];
const [ICR, ICR_HIGH, TIMER, LINT0, LINT1, ERROR, INITIAL, CURRENT, DIVIDE] = [
  0x300, 0x310, 0x320, 0x350, 0x360, 0x370, 0x380, 0x390, 0x3e0,
];
const BASE = 0x1b;
const DEADLINE = 0x6e0;

class Log implements ProcessorSignals {
  readonly events: string[] = [];
  interruptChanged(): void {}
  apicBaseChanged(): void {}
  nmi(): void {
    this.events.push('nmi');
  }
  smi(): void {
    this.events.push('smi');
  }
  init(): void {
    this.events.push('init');
  }
  startup(vector: number): void {
    this.events.push(`startup ${vector.toString(16)}`);
  }
}

let clock: ManualClock;
let bus: InterruptBus;
let pic: { pending: boolean; acknowledge(): number };
let apics: LocalApic[];
let logs: Log[];
let apic: LocalApic;

const get = (offset: number, of = apic): number => of.readMemory(offset, 4);
const put = (offset: number, value: number, of = apic): void => of.writeMemory(offset, 4, value);
const send = (low: number, destination = 0, from = apic): void => {
  put(ICR_HIGH, destination << 24, from);
  put(ICR, low, from);
};

beforeEach(() => {
  clock = new ManualClock();
  bus = new InterruptBus();
  pic = { pending: false, acknowledge: () => 0x08 };
  apics = [0, 1, 2].map((id) => new LocalApic({ id, clock, bus, pic }));
  logs = apics.map((one) => {
    const log = new Log();
    one.signals = log;
    return log;
  });
  [apic] = apics;
  for (const one of apics) put(SVR, 0x1ff, one);
});

describe('local APIC registers', () => {
  it('begin as the manual says', () => {
    const fresh = new LocalApic({ id: 5, clock, bus, pic });
    expect([ID, VERSION, TPR, PPR, LDR, DFR, SVR, TIMER, LINT0, LINT1, ERROR].map((offset) => get(offset, fresh))).toEqual([
      0x05000000, 0x50014, 0, 0, 0, 0xffffffff, 0xff, 0x10000, 0x10000, 0x10000, 0x10000,
    ]);
    expect(fresh.readMsr(BASE)).toEqual({ low: 0xfee00800, high: 0 });
    expect(apic.readMsr(BASE)).toEqual({ low: 0xfee00900, high: 0 });
  });

  it('keep reserved bits clear and read-only registers as they are', () => {
    for (const offset of [TPR, LDR, DFR, TIMER, LINT0, ERROR, DIVIDE, ICR_HIGH]) put(offset, 0xffffffff);
    put(VERSION, 0);
    put(CURRENT, 5);
    expect([TPR, LDR, DFR, TIMER, LINT0, ERROR, DIVIDE, ICR_HIGH, VERSION, CURRENT].map((offset) => get(offset))).toEqual([
      0xff, 0xff000000, 0xffffffff, 0x700ff, 0x1a7ff, 0x100ff, 0xb, 0xff000000, 0x50014, 0,
    ]);
    put(DFR, 0);
    expect(get(DFR)).toBe(0x0fffffff);
  });

  it('take aligned double words alone, and give narrower parts', () => {
    put(TPR, 0x20);
    apic.writeMemory(TPR, 1, 0x30);
    apic.writeMemory(TPR + 4, 4, 0x30);
    expect([apic.readMemory(TPR, 1), apic.readMemory(VERSION + 2, 1), apic.readMemory(VERSION + 4, 4)]).toEqual([0x20, 5, 0]);
  });

  it('note accesses to registers that do not exist', () => {
    put(ERROR, 0x44);
    expect(get(0x40)).toBe(0);
    expect(get(ESR)).toBe(0);
    put(ESR, 0);
    expect(get(ESR)).toBe(0x80);
    put(ESR, 0);
    expect([get(ESR), apic.acknowledge()]).toEqual([0, 0x44]);
  });

  it('mask all local vectors while software has disabled the APIC', () => {
    put(LINT1, 0x400);
    put(SVR, 0x0ff);
    expect(get(LINT1)).toBe(0x10400);
    put(LINT1, 0x400);
    expect(get(LINT1)).toBe(0x10400);
    send(0x40050);
    put(SVR, 0x1ff);
    expect([get(LINT1), apic.pending]).toEqual([0x10400, false]);
  });
});

describe('local APIC priorities', () => {
  it('deliver the highest vector whose class is above the processor priority', () => {
    for (const vector of [0x31, 0x52, 0x45]) send(0x40000 | vector);
    expect([apic.acknowledge(), get(PPR), apic.pending]).toEqual([0x52, 0x50, false]);
    expect(get(ISR + 0x20)).toBe(1 << 0x12);
    send(0x40061);
    expect([apic.pending, apic.acknowledge(), get(PPR)]).toEqual([true, 0x61, 0x60]);
    put(EOI, 0);
    expect([get(PPR), apic.pending]).toEqual([0x50, false]);
    put(EOI, 0);
    expect([get(PPR), apic.acknowledge()]).toEqual([0, 0x45]);
    put(EOI, 0);
    expect(apic.acknowledge()).toBe(0x31);
    put(EOI, 0);
    put(EOI, 0);
    expect([apic.pending, get(IRR + 0x20), get(ISR + 0x10)]).toEqual([false, 0, 0]);
  });

  it('hold back what the task priority covers, by class', () => {
    put(TPR, 0x4f);
    send(0x4004e);
    expect([apic.pending, get(PPR)]).toEqual([false, 0x4f]);
    apic.taskPriorityClass = 3;
    expect([get(TPR), apic.taskPriorityClass, apic.acknowledge(), get(PPR)]).toEqual([0x30, 3, 0x4e, 0x40]);
  });

  it('give the spurious vector, without service, for what was withdrawn', () => {
    send(0x40041);
    put(TPR, 0xf0);
    put(LINT0, 0x10000);
    expect([apic.acknowledge(), get(ISR + 0x20)]).toEqual([0xff, 0]);
  });

  it('latch a second request of a vector in service', () => {
    send(0x40041);
    apic.acknowledge();
    send(0x40041);
    expect(apic.pending).toBe(false);
    put(EOI, 0);
    expect(apic.acknowledge()).toBe(0x41);
  });
});

describe('interrupt commands', () => {
  const asked = (vector = 0x50): number[] => {
    const ids = apics.filter((one) => one.pending).map(({ id }) => id);
    for (const one of apics) {
      while (one.pending) expect(one.acknowledge()).toBe(vector);
      put(EOI, 0, one);
    }
    return ids;
  };

  it('reach physical destinations and shorthands', () => {
    send(0x50, 2);
    expect(asked()).toEqual([2]);
    send(0x50, 0xff);
    expect(asked()).toEqual([0, 1, 2]);
    send(0x50, 7);
    expect(asked()).toEqual([]);
    send(0x40050);
    expect(asked()).toEqual([0]);
    send(0x80050);
    expect(asked()).toEqual([0, 1, 2]);
    send(0xc0050, 0, apics[1]);
    expect(asked()).toEqual([0, 2]);
  });

  it('reach logical destinations in the flat model', () => {
    apics.forEach((one, i) => put(LDR, (1 << i) << 24, one));
    send(0x850, 0b101);
    expect(asked()).toEqual([0, 2]);
    send(0x850, 0xff);
    expect(asked()).toEqual([0, 1, 2]);
    // Lowest priority: one of them, the one with the least to do.
    put(TPR, 0x30);
    send(0x950, 0b011);
    expect(asked()).toEqual([1]);
    put(TPR, 0);
    send(0x950, 0b011);
    expect(asked()).toEqual([0]);
  });

  it('reach logical destinations in the cluster model', () => {
    apics.forEach((one) => put(DFR, 0, one));
    put(LDR, 0x11000000, apics[0]);
    put(LDR, 0x12000000, apics[1]);
    put(LDR, 0x21000000, apics[2]);
    send(0x850, 0x13);
    expect(asked()).toEqual([0, 1]);
    send(0x850, 0x23);
    expect(asked()).toEqual([2]);
    send(0x850, 0xf1);
    expect(asked()).toEqual([0, 2]);
  });

  it('start processors: INIT resets their APIC, its de-assertion does nothing', () => {
    put(TPR, 0x20, apics[1]);
    send(0xc500, 1);
    send(0x8500, 1);
    send(0x69a, 1);
    send(0x400, 2);
    send(0x200, 2);
    expect(logs.map(({ events }) => events)).toEqual([[], ['init', 'startup 9a'], ['nmi', 'smi']]);
    expect([get(TPR, apics[1]), get(SVR, apics[1]), get(ID, apics[1])]).toEqual([0, 0xff, 0x01000000]);
  });

  it('refuse vectors below 16', () => {
    send(0x0f, 1);
    send(0x4000f);
    put(ESR, 0);
    expect([get(ESR), apic.pending, apics[1].pending]).toEqual([0x20, false, false]);
    expect(bus.send({ id: 0, logical: false, bits: 8 }, { mode: 0, vector: 3, level: false })).toBe(false);
    put(ESR, 0);
    expect(get(ESR)).toBe(0x40);
  });

  it('come from devices as writes to 0xFEExxxxx', () => {
    expect(bus.writeMessage(0xfee01000, 0x0050)).toBe(true);
    expect(asked()).toEqual([1]);
    apics.forEach((one, i) => put(LDR, (1 << i) << 24, one));
    bus.writeMessage(0xfee0600c, 0x0050);
    expect(asked()).toEqual([1]);
    expect(bus.writeMessage(0xfee09000, 0x0050)).toBe(false);
  });
});

describe('level-triggered interrupts', () => {
  it('end on the bus, edges do not', () => {
    const ended: number[] = [];
    bus.listeners.push({ endOfInterrupt: (vector) => ended.push(vector) });
    bus.send({ id: 0, logical: false, bits: 8 }, { mode: 0, vector: 0x33, level: true });
    expect(get(TMR + 0x10)).toBe(1 << 0x13);
    apic.acknowledge();
    put(EOI, 0);
    bus.send({ id: 0, logical: false, bits: 8 }, { mode: 0, vector: 0x33, level: false });
    expect(get(TMR + 0x10)).toBe(0);
    apic.acknowledge();
    put(EOI, 0);
    expect(ended).toEqual([0x33]);
  });

  it('at LINT1 repeat until the pin falls', () => {
    put(LINT1, 0x8055);
    apic.setPin(1, true);
    expect([apic.acknowledge(), get(LINT1)]).toEqual([0x55, 0xc055]);
    put(EOI, 0);
    expect([apic.pending, apic.acknowledge()]).toEqual([true, 0x55]);
    apic.setPin(1, false);
    put(EOI, 0);
    expect([apic.pending, get(LINT1)]).toEqual([false, 0x8055]);
  });

  it('at LINT1 as NMI come at each edge', () => {
    put(LINT1, 0x400);
    apic.setPin(1, true);
    apic.setPin(1, true);
    apic.setPin(1, false);
    apic.setPin(1, true);
    put(LINT1, 0x10400);
    apic.setPin(1, false);
    apic.setPin(1, true);
    expect(logs[0].events).toEqual(['nmi', 'nmi']);
  });
});

describe('the 8259 at LINT0', () => {
  const drive = (pending: boolean): void => {
    pic.pending = pending;
    for (const one of apics) one.setPin(0, pending);
  };

  it('comes through in virtual-wire mode, as the bootstrap processor begins, and not when masked', () => {
    const fresh = new LocalApic({ id: 0, clock, bus, pic });
    pic.pending = true;
    fresh.setPin(0, true);
    expect([fresh.pending, fresh.acknowledge()]).toEqual([true, 0x08]);
    put(LINT0, 0x10700, fresh);
    expect(fresh.pending).toBe(false);
    expect(apics[1].pending).toBe(false);
  });

  it('goes past an APIC that is off, to the bootstrap processor', () => {
    put(LINT0, 0x10000);
    apic.writeMsr(BASE, 0xfee00100, 0);
    apics[1].writeMsr(BASE, 0xfee00000, 0);
    drive(true);
    expect(apics.map(({ pending }) => pending)).toEqual([true, false, false]);
    expect(apic.acknowledge()).toBe(0x08);
  });

  it('can be a fixed interrupt', () => {
    put(LINT0, 0x0066);
    drive(true);
    expect([apic.pending, apic.acknowledge()]).toEqual([true, 0x66]);
  });
});

describe('APIC timer', () => {
  const fired = (): boolean => {
    if (!apic.pending) return false;
    expect(apic.acknowledge()).toBe(0x40);
    put(EOI, 0);
    return true;
  };

  it('counts down once, at the divided rate', () => {
    put(TIMER, 0x40);
    put(DIVIDE, 0x3);
    put(INITIAL, 1000);
    clock.run(8000);
    expect([get(CURRENT), fired()]).toEqual([500, false]);
    clock.run(7990);
    expect([get(CURRENT), fired()]).toEqual([1, false]);
    clock.run(10);
    expect([get(CURRENT), fired()]).toEqual([0, true]);
    clock.run(100_000);
    expect([get(CURRENT), get(INITIAL), fired()]).toEqual([0, 1000, false]);
  });

  it('divides by every power of two from 1 to 128', () => {
    for (const [code, divider] of [
      [0xb, 1],
      [0, 2],
      [1, 4],
      [2, 8],
      [3, 16],
      [8, 32],
      [9, 64],
      [10, 128],
    ]) {
      put(DIVIDE, code);
      put(INITIAL, 1_000_000);
      clock.run(12_800);
      expect(1_000_000 - get(CURRENT)).toBe(12_800 / divider);
    }
  });

  it('repeats without drift in periodic mode, and counts when masked', () => {
    put(DIVIDE, 0xb);
    put(TIMER, 0x20040);
    put(INITIAL, 1005);
    let count = 0;
    for (let i = 0; i < 1000; i++) {
      clock.run(100);
      if (fired()) count++;
    }
    expect(count).toBe(Math.floor(100_000 / 1005));
    put(TIMER, 0x30040);
    const before = get(CURRENT);
    clock.run(400);
    expect([(before - get(CURRENT) + 1005) % 1005, clock.nextDeadline]).toEqual([400, Infinity]);
  });

  it('keeps its count through changes of mode, and stays stopped', () => {
    put(DIVIDE, 0xb);
    put(TIMER, 0x40);
    put(INITIAL, 10_000);
    clock.run(6000);
    put(TIMER, 0x20040);
    expect(get(CURRENT)).toBe(4000);
    clock.run(5000);
    expect([get(CURRENT), fired()]).toEqual([9000, true]);
    put(TIMER, 0x40);
    clock.run(9000);
    expect([get(CURRENT), fired()]).toEqual([0, true]);
    put(TIMER, 0x20040);
    clock.run(50_000);
    expect([get(CURRENT), fired()]).toEqual([0, false]);
    put(INITIAL, 10);
    put(INITIAL, 0);
    clock.run(50_000);
    expect(fired()).toBe(false);
  });

  it('fires at a time-stamp deadline, in that mode alone', () => {
    apic.timeStamp = { read: () => clock.now / 10, timeOf: (value) => value * 10 };
    expect(apic.writeMsr(DEADLINE, 50, 0)).toBe(true);
    expect(apic.readMsr(DEADLINE)).toEqual({ low: 0, high: 0 });
    put(TIMER, 0x40040);
    put(INITIAL, 5);
    expect([get(INITIAL), get(CURRENT)]).toEqual([0, 0]);
    apic.writeMsr(DEADLINE, 50, 0);
    clock.run(490);
    expect([fired(), apic.readMsr(DEADLINE)]).toEqual([false, { low: 50, high: 0 }]);
    clock.run(10);
    expect([fired(), apic.readMsr(DEADLINE)]).toEqual([true, { low: 0, high: 0 }]);
    apic.writeMsr(DEADLINE, 100, 0);
    put(TIMER, 0x40);
    clock.run(1000);
    expect([fired(), apic.readMsr(DEADLINE)]).toEqual([false, { low: 0, high: 0 }]);
    put(TIMER, 0x40040);
    apic.writeMsr(DEADLINE, 1, 0);
    clock.run(10);
    expect(fired()).toBe(true);
  });
});

describe('x2APIC', () => {
  const X = 0x800;
  const enter = (of = apic): boolean => of.writeMsr(BASE, 0xfee00c00 | (of === apics[0] ? 0x100 : 0), 0);

  it('goes through the states of the manual alone', () => {
    expect(apic.writeMsr(BASE, 0xfee00500, 0)).toBe(false);
    expect(apic.writeMsr(BASE, 0xfee00901, 0)).toBe(false);
    expect(apic.writeMsr(BASE, 0xfee00900, 1 << 4)).toBe(false);
    expect([apic.page, enter(), apic.page, apic.x2apic]).toEqual([0xfee00000, true, undefined, true]);
    expect(apic.writeMsr(BASE, 0xfee00900, 0)).toBe(false);
    expect([apic.writeMsr(BASE, 0xfee00100, 0), apic.globallyEnabled]).toEqual([true, false]);
    expect(enter()).toBe(false);
    expect([apic.writeMsr(BASE, 0xfee00900, 0), get(SVR), enter()]).toEqual([true, 0xff, true]);
  });

  it('has registers as MSRs only in that mode', () => {
    expect([apic.readMsr(X + 2), apic.writeMsr(X + 8, 0x10, 0)]).toEqual([undefined, false]);
    enter(apics[2]);
    const [, , x] = apics;
    expect(x.readMsr(X + 0x02)).toEqual({ low: 2, high: 0 });
    expect(x.readMsr(X + 0x0d)).toEqual({ low: 4, high: 0 });
    expect(x.writeMsr(X + 0x08, 0x20, 0)).toBe(true);
    expect(x.readMsr(X + 0x08)).toEqual({ low: 0x20, high: 0 });
  });

  it('refuses what does not exist, reserved bits, and the wrong direction', () => {
    enter();
    for (const index of [0x09, 0x0b, 0x0c, 0x0e, 0x2f, 0x31, 0x3f, 0x00, 0x7f]) expect(apic.readMsr(X + index)).toBeUndefined();
    for (const [index, low, high] of [
      [0x02, 0, 0],
      [0x03, 0, 0],
      [0x0a, 0, 0],
      [0x0d, 1, 0],
      [0x0e, 0, 0],
      [0x10, 0, 0],
      [0x20, 0, 0],
      [0x39, 0, 0],
      [0x31, 0, 0],
      [0x08, 0x100, 0],
      [0x08, 0, 1],
      [0x0b, 1, 0],
      [0x28, 1, 0],
      [0x0f, 0x400, 0],
      [0x30, 0x1000, 0],
      [0x30, 0x10000, 0],
      [0x32, 0x80000, 0],
      [0x35, 0x800, 0],
      [0x37, 0x400, 0],
      [0x3e, 4, 0],
      [0x3f, 0x100, 0],
    ])
      expect([index, apic.writeMsr(X + index, low, high)]).toEqual([index, false]);
    for (const [index, low] of [
      [0x0b, 0],
      [0x28, 0],
      [0x0f, 0x3ff],
      [0x38, 0xffffffff],
    ])
      expect(apic.writeMsr(X + index, low, 0)).toBe(true);
  });

  it('sends to 32-bit destinations in one write, and to itself', () => {
    for (const one of apics) enter(one);
    apic.writeMsr(X + 0x30, 0x50, 1);
    apic.writeMsr(X + 0x30, 0x851, 0x00000006);
    apic.writeMsr(X + 0x3f, 0x60, 0);
    apic.writeMsr(X + 0x30, 0x870, 0x00010007);
    expect(apic.readMsr(X + 0x30)).toEqual({ low: 0x870, high: 0x00010007 });
    const taken = apics.map((one) => {
      const vectors: number[] = [];
      while (one.pending) {
        vectors.push(one.acknowledge());
        one.writeMsr(X + 0x0b, 0, 0);
      }
      return vectors;
    });
    expect(taken).toEqual([[0x60], [0x51, 0x50], [0x51]]);
    apic.writeMsr(X + 0x30, 0x50, 0xffffffff);
    expect(apics.map(({ pending }) => pending)).toEqual([true, true, true]);
  });

  it('survives INIT, which resets its registers', () => {
    enter(apics[1]);
    apics[1].writeMsr(X + 0x08, 0x30, 0);
    send(0x500, 1);
    expect([apics[1].x2apic, apics[1].readMsr(X + 0x08)]).toEqual([true, { low: 0, high: 0 }]);
  });
});

it('goes on from a snapshot as before it', () => {
  put(TIMER, 0x20040);
  put(INITIAL, 777);
  send(0x40055);
  send(0x40075);
  apic.acknowledge();
  clock.run(100);
  const copy = new LocalApic({ id: 0, clock, bus: new InterruptBus(), pic });
  copy.load(structuredClone(apic.save()));
  expect(copy.inspect()).toEqual(apic.inspect());
  clock.run(2000);
  expect(copy.inspect()).toEqual(apic.inspect());
  expect(DeliveryMode.fixed).toBe(0);
});
