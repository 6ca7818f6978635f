/** Guest-physical addresses: extended page tables, their violations and misconfigurations, flags and the log of modified pages. */
import { beforeEach, describe, expect, it } from 'vitest';
import { SYS } from '../../src/engines/cpu/layout';
import { Cr0, Cr4 } from '../../src/engines/cpu/state';
import { type GuestFault, Vector } from '../../src/engines/cpu/system/fault';
import { ExitReason } from '../../src/engines/cpu/vmx/exit-reasons';
import { VmExit } from '../../src/engines/cpu/vmx/vm-exit';
import type { LinearAddress } from '../../src/shared/addresses';
import { AT, caught, DATA, EptWorld, GUEST, NX, type Operation, PML4, TRACKS } from './ept-world';

const [R, W, X] = [1, 2, 4];
/** Bits of the exit qualification. */
const Q = { read: 1, write: 2, fetch: 4, readable: 8, writable: 0x10, executable: 0x20, linear: 0x80, final: 0x100 };
const GIBIBYTE = 2 ** 30;
const MEBIBYTE = 1 << 20;

let world: EptWorld;
beforeEach(() => {
  world = new EptWorld();
});

const exitOf = (fault: GuestFault | undefined): [reason: number, details: VmExit['details']] => {
  if (!(fault instanceof VmExit)) throw new Error(`no VM exit, but ${fault?.reason ?? 'nothing'}`);
  return [fault.exitReason, fault.details];
};
const violation = (fault: GuestFault | undefined): VmExit['details'] => {
  const [reason, details] = exitOf(fault);
  expect(reason).toBe(ExitReason.eptViolation);
  return details;
};

describe('a guest address', () => {
  it('is translated twice, and then found in the TLB', () => {
    world.memory.write(GUEST + DATA + 0x123, 4, 0xcafe);
    world.enter();
    expect(world.read(AT + 0x123)).toBe(0xcafe);
    const { walks } = world.mmu;
    expect(world.read(AT + 0x123)).toBe(0xcafe);
    expect(world.mmu.walks).toBe(walks);
    expect(world.attempt('write', AT + 8)).toBeUndefined();
    expect(world.word(GUEST + DATA + 8)).toBe(0x12345678);
    expect(world.mmu.codeFrame(AT as LinearAddress, false)).toBe((GUEST + DATA) / 4096);
  });

  it('goes through EPT alone without paging', () => {
    world.memory.write(GUEST + 0x5678, 4, 0xbeef);
    world.control({ cr0: Cr0.pe, efer: 0 });
    world.enter();
    expect(world.read(0x5678)).toBe(0xbeef);
    world.allow(0x5000, 0);
    world.mmu.invalidateEpt('all');
    expect(violation(world.attempt('read', 0x5678))).toEqual({
      qualification: Q.read | Q.linear | Q.final,
      physical: 0x5678,
      linear: 0x5678,
    });
  });

  it('of a large page may lie in many small ones of EPT', () => {
    const large = 0x40_8000_0000;
    world.mapGuest(large, 0x20_0000, 0, 21);
    world.mapEpt(0x20_0000, 0x70_1000);
    world.mapEpt(0x20_1000, 0x70_0000);
    world.memory.write(0x70_1004, 4, 1);
    world.memory.write(0x70_0004, 4, 2);
    world.enter();
    expect([world.read(large + 4), world.read(large + 0x1004)]).toEqual([1, 2]);
    expect(violation(world.attempt('read', large + 0x2004))).toMatchObject({ physical: 0x20_2004, linear: large + 0x2004 });
    // INVLPG of any part drops all of the guest's large page.
    world.put(GUEST + world.guestEntry(large, 21), 0);
    expect(world.read(large + 4)).toBe(1);
    world.mmu.invalidate((large + 0x1f_f000) as LinearAddress);
    expect(world.attempt('read', large + 4)).toMatchObject({ vector: Vector.pf });
  });

  it.each([
    { name: '2 MiB', shift: 21, start: 0xc00000, offset: 0x123458 },
    { name: '1 GiB', shift: 30, start: 0, offset: 0x7654320 & 0xfffff8 },
  ])('of a small page may lie in one of $name of EPT', ({ shift, start, offset }) => {
    const guestPhysical = 3 * GIBIBYTE + offset;
    world.mapEpt(3 * GIBIBYTE, start, 7, shift);
    world.mapGuest(AT, guestPhysical - (guestPhysical % 4096));
    world.memory.write(start + offset, 4, 0xabcd);
    world.enter();
    expect(world.read(AT + (offset % 4096))).toBe(0xabcd);
  });

  it('beyond 4 GiB of guest-physical memory is no other than below', () => {
    const guestPhysical = 0x98_7654_3000;
    world.mapEpt(guestPhysical, GUEST + DATA);
    world.mapGuest(AT, guestPhysical);
    world.memory.write(GUEST + DATA, 4, 77);
    world.enter();
    expect(world.read(AT)).toBe(77);
    world.mapGuest(AT, guestPhysical + 0x1000);
    world.mmu.flush();
    expect(violation(world.attempt('read')).physical).toBe(guestPhysical + 0x1000);
  });

  it('of 32-bit code is walked by the tables of its mode', () => {
    // A directory at 0x30000 with a large and a small page; PDPTEs would be in the processor.
    world.put(GUEST + 0x30000, 0x31007);
    world.memory.write(GUEST + 0x30004, 4, 0x87);
    world.memory.write(GUEST + 0x31000 + 5 * 4, 4, DATA | 7);
    world.memory.write(GUEST + DATA, 4, 0x3232);
    world.memory.write(GUEST + 0x6000, 4, 0x3434);
    world.control({ cr3: 0x30000, cr4: Cr4.pse, efer: 0 });
    world.enter();
    expect([world.read(0x5000), world.read(0x406000)]).toEqual([0x3232, 0x3434]);
    world.allow(0x31000, 0);
    world.mmu.invalidateEpt('all');
    expect(violation(world.attempt('read', 0x5000))).toMatchObject({ qualification: Q.read | Q.linear, physical: 0x31014 });
  });

  it('over the edge of a page needs both', () => {
    world.mapGuest(AT + 0x1000, DATA + 0x1000);
    world.allow(DATA + 0x1000, R);
    world.enter();
    expect(world.access(AT + 0xffe, 4, 0)).not.toBe(0);
    expect(caught(() => world.mmu.write((AT + 0xffe) as LinearAddress, 4, 0, false))).toMatchObject({
      exitReason: ExitReason.eptViolation,
      details: { qualification: Q.write | Q.readable | Q.linear | Q.final, linear: AT + 0x1000, physical: DATA + 0x1000 },
    });
    expect(world.access(AT + 0xffe, 4, 1)).toBe(0);
    expect(world.mmu.fault).toBeInstanceOf(VmExit);
  });
});

describe('an EPT violation', () => {
  const RIGHTS: readonly (readonly [rights: number, allows: readonly Operation[]])[] = [
    [0, []],
    [R, ['read']],
    [R | W, ['read', 'write']],
    [X, ['fetch']],
    [R | X, ['read', 'fetch']],
    [R | W | X, ['read', 'write', 'fetch']],
  ];
  const TRIED: Readonly<Record<Operation, number>> = { read: Q.read, write: Q.write, fetch: Q.fetch };

  for (const [rights, allows] of RIGHTS) {
    for (const operation of ['read', 'write', 'fetch'] as const) {
      it(`says of a ${operation} where rights are ${rights} what was tried and what is allowed`, () => {
        world.allow(DATA, rights);
        world.enter();
        const fault = world.attempt(operation, AT + 0x10);
        if (allows.includes(operation)) expect(fault).toBeUndefined();
        else {
          const qualification = TRIED[operation] | (rights << 3) | Q.linear | Q.final;
          expect(violation(fault)).toEqual({ qualification, linear: AT + 0x10, physical: DATA + 0x10 });
        }
      });
    }
  }

  it.each([39, 30, 21])('takes the rights of all levels together, that of bit %i too', (shift) => {
    world.mapEpt(3 * GIBIBYTE + 0x5000, GUEST + DATA);
    world.mapGuest(AT, 3 * GIBIBYTE + 0x5000);
    world.markAll(AT);
    world.allow(3 * GIBIBYTE + 0x5000, shift === 39 ? R | W | X : R | X, shift);
    world.allow(3 * GIBIBYTE + 0x5000, R | W);
    if (shift === 39) world.allow(0, R | W, 39);
    world.enter();
    const fault = world.attempt('fetch');
    expect(violation(fault).qualification).toBe(Q.fetch | Q.readable | (shift === 39 ? Q.writable : 0) | Q.linear | Q.final);
    expect(world.attempt('read')).toBeUndefined();
  });

  it('where an entry is not present allows nothing', () => {
    world.put(world.eptEntry(DATA, 21), 0);
    world.control({ cr0: Cr0.pe, efer: 0 });
    world.enter();
    expect(violation(world.attempt('write', DATA)).qualification).toBe(Q.write | Q.linear | Q.final);
  });

  it('happens by a handler’s access as it does by a helper’s', () => {
    world.allow(DATA, R);
    world.enter();
    expect(world.access(AT, 4, 0)).toBeGreaterThan(0);
    expect(world.access(AT, 4, 1)).toBe(0);
    expect(violation(world.mmu.fault).qualification).toBe(Q.write | Q.readable | Q.linear | Q.final);
  });

  it('makes the linear address forgotten, whoever knew it', () => {
    world.allow(DATA, R);
    world.markAll(AT);
    world.enter();
    const readAs = (user: boolean): number => world.mmu.read(AT as LinearAddress, 4, user);
    expect([readAs(true), readAs(false)]).toEqual([0, 0]);
    violation(caught(() => world.mmu.write(AT as LinearAddress, 4, 1, true)));
    // Copied on write: nobody invalidates anything.
    world.memory.write(0x70_0000, 4, 0xc0b1);
    world.mapEpt(DATA, 0x70_0000);
    expect([readAs(false), readAs(true)]).toEqual([0xc0b1, 0xc0b1]);
  });

  it('comes after a page fault, which leaves CR2 to its delivery', () => {
    world.allow(DATA, 0);
    world.put(GUEST + world.guestEntry(AT, 12), DATA | 1);
    world.state.setSys64(SYS.cr2, -4096);
    world.enter();
    const fault = world.attempt('write');
    expect(fault).toMatchObject({ vector: Vector.pf, errorCode: 3, information: AT });
    expect(world.state.sys64(SYS.cr2)).toBe(-4096);
    // Where the guest allows it, the violation is met.
    expect(violation(world.attempt('read')).physical).toBe(DATA);
  });
});

describe('the guest’s own page tables', () => {
  const LEVELS = [39, 30, 21, 12];
  const tableOf = (shift: number): number => world.guestEntry(AT, shift) & ~0xfff;

  it.each(LEVELS)('are reads where bit %i indexes them and no flag has to be set', (shift) => {
    world.markAll(AT);
    for (const level of LEVELS) world.allow(tableOf(level), R);
    world.enter();
    for (const operation of ['read', 'write', 'fetch'] as const) expect(world.attempt(operation)).toBeUndefined();
    world.allow(tableOf(shift), 0);
    world.mmu.invalidateEpt('all');
    for (const operation of ['read', 'write', 'fetch'] as const) {
      expect(violation(world.attempt(operation))).toEqual({
        qualification: Q.read | Q.linear,
        physical: world.guestEntry(AT, shift),
        linear: AT,
      });
    }
  });

  it.each(LEVELS)('must be writable where bit %i indexes them and an accessed flag is to be set', (shift) => {
    world.markAll(AT);
    world.put(GUEST + world.guestEntry(AT, shift), (world.guestBits(AT, shift) & ~0x20) >>> 0);
    world.allow(tableOf(shift), R | X);
    world.enter();
    const qualification = Q.read | Q.write | Q.readable | Q.executable | Q.linear;
    expect(violation(world.attempt('read'))).toEqual({ qualification, physical: world.guestEntry(AT, shift), linear: AT });
    world.allow(tableOf(shift), R | W);
    expect(world.attempt('read')).toBeUndefined();
    expect(world.guestBits(AT, shift) & 0x20).toBe(0x20);
  });

  it('must be writable where a dirty flag is to be set', () => {
    world.markAll(AT);
    world.put(GUEST + world.guestEntry(AT, 12), DATA | 0x27);
    world.allow(tableOf(12), R);
    world.enter();
    expect(world.attempt('read')).toBeUndefined();
    const qualification = Q.read | Q.write | Q.readable | Q.linear;
    expect(violation(world.attempt('write'))).toEqual({ qualification, physical: world.guestEntry(AT, 12), linear: AT });
    expect(world.guestBits(AT, 12) & 0x40).toBe(0);
  });

  it('are written to as far as EPT is concerned, where it has accessed and dirty flags', () => {
    world.markAll(AT);
    for (const level of LEVELS) world.allow(tableOf(level), R | W);
    world.allow(tableOf(21), R);
    world.enter({ flags: TRACKS });
    const qualification = Q.read | Q.write | Q.readable | Q.linear;
    expect(violation(world.attempt('read'))).toEqual({ qualification, physical: world.guestEntry(AT, 21), linear: AT });
    world.allow(tableOf(21), 0);
    expect(violation(world.attempt('fetch')).qualification).toBe(Q.read | Q.write | Q.linear);
    world.allow(tableOf(21), R | W);
    expect(world.attempt('read')).toBeUndefined();
    expect(LEVELS.map((level) => world.flagsOf(tableOf(level)))).toEqual([3, 3, 3, 3]);
  });

  it('set no flag of the last entry by a walk that faults', () => {
    world.put(GUEST + world.guestEntry(AT, 12), DATA | 1);
    world.enter();
    expect(world.attempt('write')).toMatchObject({ vector: Vector.pf });
    expect(LEVELS.map((level) => world.guestBits(AT, level) & 0x60)).toEqual([0x20, 0x20, 0x20, 0]);
  });

  it('are reported in the order of the walk', () => {
    // The PML4E's flag cannot be set, and the table below is not there.
    world.allow(tableOf(39), R);
    world.allow(tableOf(30), 0);
    world.enter();
    expect(violation(world.attempt('read'))).toMatchObject({
      physical: world.guestEntry(AT, 39),
      qualification: Q.read | Q.write | Q.readable | Q.linear,
    });
    world.allow(tableOf(39), R | W);
    expect(violation(world.attempt('read'))).toMatchObject({ physical: world.guestEntry(AT, 30), qualification: Q.read | Q.linear });
    expect(world.guestBits(AT, 39) & 0x20).toBe(0x20);
  });

  it('keep their reserved bits and NX', () => {
    world.memory.write(GUEST + world.guestEntry(AT, 12) + 4, 4, NX);
    world.allow(DATA, R | W);
    world.enter();
    expect(world.attempt('fetch')).toMatchObject({ vector: Vector.pf, errorCode: 0x11 });
    world.memory.write(GUEST + world.guestEntry(AT, 12) + 4, 4, 0x100);
    expect(world.attempt('read')).toMatchObject({ vector: Vector.pf, errorCode: 9 });
  });
});

describe('an EPT misconfiguration', () => {
  const at = 3 * GIBIBYTE + 0x20_5000;
  const expectMisconfigured = (operation: Operation = 'read'): void => {
    expect(exitOf(world.attempt(operation, AT + 8))).toEqual([ExitReason.eptMisconfiguration, { physical: at + 8 }]);
  };
  const expectFine = (): void => expect(world.attempt('read', AT + 8)).toBeUndefined();

  /** Maps `at`, with a leaf of some size, and sets bits of an entry on the way. */
  const arrange = (leaf: number, shift: number, set: number, clear = 0): void => {
    world.mapEpt(at - (at % 2 ** leaf), leaf === 12 ? GUEST + DATA : leaf === 21 ? 0x80_0000 : 0, 7, leaf);
    world.mapGuest(AT, at);
    const entry = world.eptEntry(at, shift);
    world.memory.write(entry, 4, ((world.word(entry) & ~clear) | (set % 2 ** 32)) >>> 0);
    world.memory.write(entry + 4, 4, (world.word(entry + 4) | Math.floor(set / 2 ** 32)) >>> 0);
    world.enter();
  };

  it.each([12, 21, 30, 39])('is what may be written but not read, where bit %i indexes it', (shift) => {
    // Only of the page itself: the guest's tables lie below 3 GiB, but share the PML4E.
    if (shift === 39) world.control({ cr0: Cr0.pe, efer: 0 });
    for (const rights of [W, W | X]) {
      arrange(12, shift, rights, 7);
      const fault = world.attempt('read', shift === 39 ? at : AT + 8);
      expect(exitOf(fault)[0]).toBe(ExitReason.eptMisconfiguration);
    }
  });

  it('is not what may be executed alone', () => {
    arrange(12, 12, X, 7);
    expect(violation(world.attempt('read', AT + 8)).qualification).toBe(Q.read | Q.executable | Q.linear | Q.final);
    expect(world.attempt('fetch', AT + 8)).toBeUndefined();
  });

  it.each([12, 21, 30].flatMap((leaf) => [0, 1, 2, 3, 4, 5, 6, 7].map((type) => [leaf, type])))(
    'is, of a leaf at bit %i, the memory type %i if that is reserved',
    (leaf, type) => {
      arrange(leaf, leaf, type << 3, 7 << 3);
      if ([2, 3, 7].includes(type)) expectMisconfigured();
      else expectFine();
    },
  );

  const bits = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);
  it.each(bits(40, 51))('is address bit %i at any level', (bit) => {
    for (const shift of [12, 21, 30]) {
      world = new EptWorld();
      arrange(12, shift, 2 ** bit);
      expectMisconfigured('write');
    }
  });

  it.each([
    { leaf: 12, shift: 21, reserved: bits(3, 6) },
    { leaf: 12, shift: 30, reserved: bits(3, 6) },
    { leaf: 21, shift: 21, reserved: bits(12, 20) },
    { leaf: 30, shift: 30, reserved: bits(12, 29) },
  ])('is any reserved bit of the entry at bit $shift over a leaf at $leaf', ({ leaf, shift, reserved }) => {
    for (const bit of reserved) {
      world = new EptWorld();
      arrange(leaf, shift, 2 ** bit);
      expectMisconfigured('fetch');
    }
  });

  it.each(bits(3, 7))('is bit %i of a PML4E', (bit) => {
    world.control({ cr0: Cr0.pe, efer: 0 });
    world.put(world.eptEntry(0, 39), world.word(world.eptEntry(0, 39)) | (1 << bit));
    world.enter();
    expect(exitOf(world.attempt('read', 0x1234))).toEqual([ExitReason.eptMisconfiguration, { physical: 0x1234 }]);
  });

  it.each([12, 21, 30])('is no bit that is ignored, with the leaf at bit %i', (leaf) => {
    for (const bit of [6, 8, 9, 10, 11, ...bits(52, 63), ...(leaf === 12 ? [7] : [])]) {
      world = new EptWorld();
      arrange(leaf, leaf, 2 ** bit);
      expectFine();
    }
    for (const shift of [30, 21].filter((each) => each > leaf)) {
      for (const bit of [8, 9, 10, 11, ...bits(52, 63)]) {
        world = new EptWorld();
        arrange(leaf, shift, 2 ** bit);
        expectFine();
      }
    }
  });

  it('of an entry that is not present is none', () => {
    arrange(12, 12, 2 ** 50 + (7 << 3), 7);
    expect(violation(world.attempt('read', AT + 8)).qualification).toBe(Q.read | Q.linear | Q.final);
  });

  it('comes before a violation by rights of levels above', () => {
    arrange(12, 12, 7 << 3);
    world.allow(at, R, 30);
    expectMisconfigured('write');
  });

  it('of a guest’s page table is met by its walk', () => {
    world.put(world.eptEntry(PML4, 12), GUEST + PML4 + (7 << 3) + 7);
    world.enter();
    expect(exitOf(world.attempt('read'))).toEqual([ExitReason.eptMisconfiguration, { physical: world.guestEntry(AT, 39) }]);
  });
});

describe('what is known of a guest-physical page', () => {
  /** Of another guest address, so that no TLB knows it. */
  const OTHER = AT + 0x7000;
  beforeEach(() => {
    world.mapGuest(OTHER, DATA);
    world.markAll(AT);
    world.markAll(OTHER);
    world.enter();
    world.attempt('read');
    world.memory.write(0x70_0000, 4, 0x7777);
  });

  it('stays known until INVEPT', () => {
    world.mapEpt(DATA, 0x70_0000);
    world.bounce();
    expect(world.read(OTHER)).toBe(0);
    world.mmu.invalidateEpt('all');
    expect([world.read(OTHER), world.read(AT)]).toEqual([0x7777, 0x7777]);
  });

  it('is forgotten for another EPT pointer', () => {
    world.mapEpt(DATA, 0x70_0000);
    world.bounce({ flags: TRACKS });
    expect(world.read(OTHER)).toBe(0x7777);
  });

  it('never denies an access', () => {
    world.allow(DATA, R);
    world.mmu.invalidateEpt('all');
    world.attempt('read');
    world.allow(DATA, R | W | X);
    expect([world.attempt('write'), world.attempt('fetch')]).toEqual([undefined, undefined]);
  });

  it('is forgotten by a violation there', () => {
    world.allow(DATA, R);
    world.mmu.invalidateEpt('all');
    expect(world.attempt('read')).toBeUndefined();
    violation(world.attempt('write'));
    world.allow(DATA, 0);
    violation(world.attempt('read', OTHER));
  });
});

describe('accessed and dirty flags for EPT', () => {
  it('are set by what uses them, and only while they are in use', () => {
    world.enter();
    world.attempt('write');
    expect(world.flagsOf(DATA)).toBe(0);
    world.bounce({ flags: TRACKS });
    world.attempt('read');
    expect([world.flagsOf(DATA), world.flagsOf(DATA, 21), world.flagsOf(DATA, 30), world.flagsOf(DATA, 39)]).toEqual([1, 1, 1, 1]);
    // What was only read has to be looked at again before it is written.
    world.attempt('write');
    expect([world.flagsOf(DATA), world.flagsOf(DATA, 21)]).toEqual([3, 1]);
  });

  it('are set by fetches and in large pages', () => {
    world.mapEpt(3 * GIBIBYTE, 0x80_0000, 7, 21);
    world.mapGuest(AT, 3 * GIBIBYTE);
    world.enter({ flags: TRACKS });
    world.attempt('fetch');
    expect(world.flagsOf(3 * GIBIBYTE, 21)).toBe(1);
    world.attempt('write');
    expect(world.flagsOf(3 * GIBIBYTE, 21)).toBe(3);
  });

  it('stay as they are by a violation', () => {
    world.allow(DATA, R);
    world.enter({ flags: TRACKS });
    world.attempt('write');
    expect(world.flagsOf(DATA)).toBe(0);
  });

  it('let the TLB have what is dirty already at once', () => {
    world.put(world.eptEntry(DATA, 12), GUEST + DATA + 0x300 + (6 << 3) + 7);
    world.markAll(AT);
    world.enter({ flags: TRACKS });
    world.attempt('read');
    const { walks } = world.mmu;
    world.attempt('write');
    expect(world.mmu.walks).toBe(walks);
  });
});

describe('page-modification logging', () => {
  const LOG = 0x20_0000 + MEBIBYTE;
  const pml = (index: number) => ({ address: LOG, index });
  const setUp = (index: number) => {
    const log = pml(index);
    // Of the guest's tables nothing becomes dirty any more.
    world.enter({ flags: TRACKS });
    world.attempt('read');
    world.bounce({ flags: TRACKS, pml: log });
    return log;
  };

  it('writes down each page that becomes dirty, downwards', () => {
    const log = setUp(511);
    world.mapGuest(AT + 0x1000, DATA + 0x1000);
    world.attempt('read');
    expect(log.index).toBe(511);
    world.attempt('write', AT + 0x77);
    world.attempt('write', AT + 0x78);
    world.attempt('write', AT + 0x1077);
    expect(log.index).toBe(509);
    expect([world.word(LOG + 511 * 8), world.word(LOG + 510 * 8), world.word(LOG + 511 * 8 + 4)]).toEqual([DATA, DATA + 0x1000, 0]);
  });

  it('goes from 0 to 0xffff, where it is full: the exit comes before the write', () => {
    const log = setUp(0);
    world.mapGuest(AT + 0x1000, DATA + 0x1000);
    expect(world.attempt('write')).toBeUndefined();
    expect(log.index).toBe(0xffff);
    expect(exitOf(world.attempt('write', AT + 0x1000))).toEqual([ExitReason.pmlFull, {}]);
    expect([world.word(GUEST + DATA + 0x1000), world.flagsOf(DATA + 0x1000), log.index]).toEqual([0, 0, 0xffff]);
    // What is dirty already needs no log.
    expect(world.attempt('write', AT + 4)).toBeUndefined();
  });

  it('knows the guest’s page tables, too', () => {
    const log = pml(511);
    world.enter({ flags: TRACKS, pml: log });
    world.attempt('read');
    expect([511, 510, 509, 508].map((i) => world.word(LOG + i * 8))).toEqual(
      [39, 30, 21, 12].map((shift) => world.guestEntry(AT, shift) & ~0xfff),
    );
    expect(log.index).toBe(507);
  });
});

describe('PDPTEs of a load of CR3', () => {
  it('are read through EPT, without a linear address', () => {
    world.put(GUEST + DATA + 0x20, 0x31001);
    world.put(GUEST + DATA + 0x28, 0x32001);
    world.put(GUEST + DATA + 0x30, 0);
    world.put(GUEST + DATA + 0x38, 0x33001);
    world.enter({ flags: TRACKS });
    expect(world.mmu.readPdptes(DATA + 0x20)?.map(([low]) => low)).toEqual([0x31001, 0x32001, 0, 0x33001]);
    // They are no write, with accessed and dirty flags either.
    expect(world.flagsOf(DATA)).toBe(1);
    world.allow(DATA, X);
    world.mmu.invalidateEpt('all');
    expect(violation(caught(() => world.mmu.readPdptes(DATA + 0x3f)))).toEqual({
      qualification: Q.read | Q.executable,
      physical: DATA + 0x20,
    });
    world.put(world.eptEntry(DATA, 12), 2);
    expect(exitOf(caught(() => world.mmu.readPdptes(DATA)))).toEqual([ExitReason.eptMisconfiguration, { physical: DATA }]);
  });

  it('lead a walk that goes on through EPT', () => {
    world.put(GUEST + 0x31000, 0x32007);
    world.put(GUEST + 0x32000 + 5 * 8, DATA | 7);
    world.memory.write(GUEST + DATA, 4, 0x9999);
    world.control({ cr4: Cr4.pae, efer: 0, cr3: DATA });
    world.state.setSys(SYS.pdpte0, 0x31001);
    world.enter();
    expect(world.read(0x5000)).toBe(0x9999);
    world.allow(0x32000, 0);
    world.mmu.invalidateEpt('all');
    expect(violation(world.attempt('read', 0x5000))).toMatchObject({ physical: 0x32028, qualification: Q.read | Q.linear });
  });

  it('are where CR3 says without EPT', () => {
    world.put(DATA, 0x31001);
    expect(world.mmu.readPdptes(DATA)?.[0]).toEqual([0x31001, 0]);
    world.put(DATA, 0x31007);
    expect(world.mmu.readPdptes(DATA)).toBeUndefined();
  });
});
