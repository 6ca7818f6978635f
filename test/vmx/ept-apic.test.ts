/** The APIC-access page and the task-priority register behind it. */
import { beforeEach, describe, expect, it } from 'vitest';
import { SCRATCH } from '../../src/engines/cpu/layout';
import { Access } from '../../src/engines/cpu/staged/code-width';
import type { GuestFault } from '../../src/engines/cpu/system/fault';
import { ExitReason } from '../../src/engines/cpu/vmx/exit-reasons';
import { VmExit } from '../../src/engines/cpu/vmx/vm-exit';
import type { LinearAddress } from '../../src/shared/addresses';
import { AT, caught, DATA, EptWorld, GUEST } from './ept-world';

const PAGE = GUEST + DATA;
const VIRTUAL_APIC = 0x50_0000;
const VTPR = VIRTUAL_APIC + 0x80;

let world: EptWorld;
beforeEach(() => {
  world = new EptWorld();
});
const enter = (virtualApicPage = -1): void => world.enter({ apicAccessPage: PAGE, virtualApicPage });
const write = (offset: number, size: 1 | 2 | 4, value: number): GuestFault | undefined =>
  caught(() => world.mmu.write((AT + offset) as LinearAddress, size, value, false));

const expectExit = (fault: GuestFault | undefined, qualification: number): void => {
  expect(fault).toBeInstanceOf(VmExit);
  expect(fault).toMatchObject({ exitReason: ExitReason.apicAccess, details: { qualification } });
};

describe('an access to the APIC-access page', () => {
  it('is a VM exit that tells offset and type', () => {
    enter();
    expectExit(world.attempt('read', AT + 0x20), 0x0020);
    expectExit(world.attempt('write', AT + 0x300), 0x1300);
    expectExit(world.attempt('fetch', AT + 0xff4), 0x2ff4);
    expectExit(world.attempt('read', AT + 0x80), 0x0080);
    expect(world.access(AT + 0xb0, 4, Access.write)).toBe(0);
    expectExit(world.mmu.fault, 0x10b0);
  });

  it('tells that an event is being delivered', () => {
    enter();
    world.mmu.delivering = true;
    expectExit(world.attempt('read', AT + 0x20), 0x3020);
    expectExit(world.attempt('write', AT + 0x20), 0x3020);
    expectExit(world.attempt('fetch', AT + 0x20), 0x2020);
  });

  it('comes behind faults and EPT violations', () => {
    world.allow(DATA, 1);
    enter();
    expect(world.attempt('write')).toMatchObject({ exitReason: ExitReason.eptViolation });
    expectExit(world.attempt('read'), 0);
    world.put(GUEST + world.guestEntry(AT, 12), DATA);
    world.mmu.flush();
    expect(world.attempt('read')).toMatchObject({ vector: 14 });
  });

  it('is known by the host-physical page, without EPT, too', () => {
    world.put(0x30_0000 + ((AT / 2 ** 39) & 0x1ff) * 8, 0x30_1003);
    world.put(0x30_1000 + (Math.floor(AT / 2 ** 30) & 0x1ff) * 8, 0x83);
    world.control({ cr3: 0x30_0000 });
    const physical = AT % 2 ** 30;
    world.enter({ eptPointer: undefined, apicAccessPage: physical - (physical % 4096) });
    expectExit(world.attempt('write', AT + 0x10), 0x1010);
  });

  it('by the walk through page tables is one with a guest-physical address', () => {
    world.mapEpt(world.guestEntry(AT, 21) & ~0xfff, PAGE);
    enter();
    expectExit(world.attempt('write'), 15 << 12);
    world.mmu.delivering = true;
    expectExit(world.attempt('write'), 10 << 12);
  });

  it('loads no PDPTEs', () => {
    enter();
    expectExit(
      caught(() => world.mmu.readPdptes(DATA)),
      15 << 12,
    );
  });

  it('is none where another page is meant, or none', () => {
    world.enter({ apicAccessPage: PAGE + 0x1000 });
    expect(world.attempt('read')).toBeUndefined();
    world.bounce();
    expect(world.attempt('read')).toBeUndefined();
    world.bounce({ apicAccessPage: PAGE });
    expectExit(world.attempt('read'), 0);
  });
});

describe('with a TPR shadow, VTPR', () => {
  beforeEach(() => {
    enter(VIRTUAL_APIC);
    world.memory.write(VTPR, 4, 0x35);
  });

  it('is read in place of the page', () => {
    world.memory.write(PAGE + 0x80, 4, 0x99);
    expect([world.read(AT + 0x80, 1), world.read(AT + 0x80, 2), world.read(AT + 0x80, 4)]).toEqual([0x35, 0x35, 0x35]);
    expect(world.tprWrites).toBe(0);
    // Each time anew: no TLB knows it.
    world.memory.write(VTPR, 4, 0x46);
    expect(world.read(AT + 0x80)).toBe(0x46);
  });

  it('takes a write, of which the first byte stays, and tells of it', () => {
    expect(write(0x80, 4, 0x12345678)).toBeUndefined();
    expect(world.word(VTPR)).toBe(0x78);
    expect(write(0x80, 1, 0x9a)).toBeUndefined();
    expect(world.word(VTPR)).toBe(0x9a);
    expect(world.tprWrites).toBe(2);
    expect(world.word(PAGE + 0x80)).toBe(0);
  });

  it('is reached by handlers while they run alone', () => {
    expect(world.access(AT + 0x80, 4, Access.read)).toBe(0);
    expect([world.mmu.retry, world.mmu.fault]).toEqual([true, undefined]);
    world.mmu.exact = true;
    expect(world.access(AT + 0x80, 4, Access.update)).toBe(SCRATCH);
    expect(world.state.host.view.getUint32(SCRATCH, true)).toBe(0x35);
    world.state.host.view.setUint32(SCRATCH, 0xabcd12, true);
    world.mmu.commit();
    expect([world.word(VTPR), world.tprWrites]).toEqual([0x12, 1]);
    // The next write is an ordinary one again.
    world.mapGuest(AT + 0x1000, DATA + 0x2000);
    world.mapEpt(DATA + 0x2000, 0x9_0000_0000);
    world.access(AT + 0x1000, 4, Access.write);
    world.mmu.commit();
    expect(world.tprWrites).toBe(1);
  });

  it('is no place to run code, and has no neighbours', () => {
    expectExit(world.attempt('fetch', AT + 0x80), 0x2080);
    expectExit(
      caught(() => world.read(AT + 0x81, 1)),
      0x81,
    );
    expectExit(
      caught(() => world.read(AT + 0x7e, 4)),
      0x7e,
    );
    expectExit(write(0x84, 4, 0), 0x1084);
    expectExit(
      caught(() => world.mmu.read((AT + 0x80) as LinearAddress, 8, false)),
      0x80,
    );
    world.mmu.exact = true;
    expect(world.access(AT + 0x80, 8, Access.write)).toBe(0);
    expectExit(world.mmu.fault, 0x1080);
  });

  it('is not written to by a check whether it could be', () => {
    world.mmu.checkWrite((AT + 0x80) as LinearAddress, 4, false);
    expect([world.word(VTPR), world.tprWrites]).toEqual([0x35, 0]);
  });
});
