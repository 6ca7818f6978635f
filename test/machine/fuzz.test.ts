import { describe, expect, it } from 'vitest';
import { HostMemory } from '../../src/engines/machine/host-memory';
import { MemoryBlockDevice } from '../../src/engines/machine/devices/block';
import { Pc } from '../../src/engines/machine/pc';
import type { AccessSize } from '../../src/engines/machine/physical-memory';
import { ControlLog, ManualClock } from './support';

/** A repeatable stream of 32-bit numbers (xorshift). */
function numbers(seed: number): () => number {
  let x = seed | 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

/** Ports that some device answers, and a few that none does. */
const PORTS = [
  [0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x40, 0x41, 0x42, 0x43, 0x61, 0x70, 0x71, 0x60, 0x64, 0x92, 0x80, 0x81, 0x0b, 0xd6],
  [0x3f8, 0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff, 0x2f8, 0x2f9, 0x1f0, 0x1f1, 0x1f2, 0x1f3, 0x1f4, 0x1f5, 0x1f6, 0x1f7, 0x3f6],
  [0x3c0, 0x3c1, 0x3c2, 0x3c4, 0x3c5, 0x3c6, 0x3c7, 0x3c8, 0x3c9, 0x3cc, 0x3ce, 0x3cf, 0x3d4, 0x3d5, 0x3da, 0x3b4, 0x3b5, 0x3ba],
  [0x510, 0x511, 0xe9, 0x8900, 0x1234, 0xffff],
].flat();

function machine(): { pc: Pc; clock: ManualClock } {
  const clock = new ManualClock();
  const image = new Uint8Array(64 * 512).map((_, i) => i);
  const disk = new MemoryBlockDevice(image);
  return {
    clock,
    pc: new Pc({ host: new HostMemory(0), clock, control: new ControlLog(), memory: 1 << 20, bios: new Uint8Array(0x10000), disk }),
  };
}

/** One random access, key or stretch of time; what it read, and whether the processor would be interrupted. */
function step(pc: Pc, clock: ManualClock, next: () => number): number[] {
  const size = [1, 1, 1, 2, 4][next() % 5] as AccessSize;
  const port = PORTS[next() % PORTS.length];
  const value = next();
  switch (next() % 10) {
    case 0:
      clock.run(value % 300_000);
      break;
    case 1:
      pc.memory.write(0xa0000 + (value % 0x20000), size, next());
      return [pc.memory.read(0xa0000 + (value % 0x20000), size)];
    case 2:
      pc.uarts[0].receive([value & 0xff]);
      break;
    case 3:
      if (value & 1) pc.keyboard.press('KeyA');
      else pc.keyboard.release('KeyA');
      break;
    case 4:
      return pc.interrupts.pending ? [pc.interrupts.acknowledge()] : [];
    case 5:
    case 6:
    case 7:
      return [pc.ports.read(port, size)];
    default:
      pc.ports.write(port, size, value);
  }
  return [Number(pc.interrupts.pending)];
}

describe('the machine under random accesses', () => {
  it('never fails, and its screen and facts can always be looked at', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { pc, clock } = machine();
      const next = numbers(seed * 7919);
      for (let i = 0; i < 3000; i++) {
        const values = step(pc, clock, next);
        for (const value of values) expect(Number.isInteger(value) && value >= 0 && value <= 0xffffffff).toBe(true);
        if (i % 500 === 0) {
          pc.vga.screen();
          for (const device of pc.devices) for (const fact of device.inspect()) expect(fact.value).not.toMatch(/NaN|undefined/);
        }
      }
    }
  });

  it('goes on from a snapshot as it would have without, and looking at it changes nothing', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const first = machine();
      const next = numbers(seed * 104_729);
      for (let i = 0; i < 2500; i++) step(first.pc, first.clock, next);
      const second = machine();
      second.clock.moveTo(first.clock);
      second.pc.load(structuredClone(first.pc.save()));
      // Restoring must come last: devices that drive their lines set their timers again.
      second.clock.load(structuredClone(first.clock.save()));
      const again = seed * 31;
      const one = numbers(again);
      const two = numbers(again);
      for (let i = 0; i < 1500; i++) {
        second.pc.vga.screen();
        if (i % 100 === 0) for (const device of second.pc.devices) device.inspect();
        expect([seed, i, step(second.pc, second.clock, two)]).toEqual([seed, i, step(first.pc, first.clock, one)]);
      }
    }
  });
});
