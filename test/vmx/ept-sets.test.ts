/** What of a guest's and the host's translations outlives VM entries and exits, and what INVEPT, INVVPID and new code take away. */
import { beforeEach, describe, expect, it } from 'vitest';
import { JUMP_BASE, OWN_TRANSLATIONS, TLB_BASE } from '../../src/engines/cpu/layout';
import { Cr0, Cr4 } from '../../src/engines/cpu/state';
import { InvvpidType } from '../../src/engines/cpu/system/translation-sets';
import type { LinearAddress } from '../../src/shared/addresses';
import { AT, DATA, EptWorld, GUEST, PML4 } from './ept-world';

let world: EptWorld;
beforeEach(() => {
  world = new EptWorld();
  world.markAll(AT);
});

/** Walks that an access costs. */
const walksOf = (access: () => void): number => {
  const before = world.mmu.walks;
  access();
  return world.mmu.walks - before;
};
const read = (): number => walksOf(() => world.read(AT));
const fetch = (): number => walksOf(() => world.mmu.codeFrame(AT as LinearAddress, false));

/** The host's own tables: the guest's, as they lie in memory. */
const hostTables = (): void => {
  world.control({ cr0: (Cr0.pe | Cr0.wp | Cr0.pg) >>> 0, cr4: Cr4.pae, cr3: GUEST + PML4 });
};
const guestTables = (): void => world.control({ cr3: PML4 });
/** The host maps one page, at 2 MiB, by a large one. */
const HOST_AT = 0x20_0000;
const setUpHost = (): void => {
  world.put(0x30_0000, 0x30_1003);
  world.put(0x30_1000, 0x30_2003);
  world.put(0x30_2008, HOST_AT + 0x83);
  world.control({ cr3: 0x30_0000 });
};
const readHost = (): number => walksOf(() => world.read(HOST_AT));

const enter = (context: Parameters<EptWorld['enter']>[0] = {}): void => {
  world.mmu.noteControls();
  guestTables();
  world.enter(context);
};
const leave = (): void => {
  world.mmu.noteControls();
  world.control({ cr3: 0x30_0000 });
  world.mmu.leaveGuest();
};

describe('the second set', () => {
  it('is in force for a guest alone', () => {
    const { u32 } = world.state.host;
    const own = u32[OWN_TRANSLATIONS >> 2];
    world.memory.write(GUEST + DATA, 4, 1);
    world.memory.write(DATA, 4, 2);
    setUpHost();
    expect(world.mmu.guest).toBeUndefined();
    enter();
    expect(world.mmu.guest).toMatchObject({ vpid: 1 });
    expect(world.state.host.u32[OWN_TRANSLATIONS >> 2]).not.toBe(own);
    expect(world.state.host.u32[TLB_BASE >> 2]).toBeGreaterThanOrEqual(world.state.translations);
    expect(world.read(AT)).toBe(1);
    leave();
    expect(world.mmu.guest).toBeUndefined();
    expect(world.state.host.u32[OWN_TRANSLATIONS >> 2]).toBe(own);
    expect(world.attempt('read')).toBeDefined();
  });

  it('stays in force when a state is loaded or modes change', () => {
    setUpHost();
    enter();
    const { translations } = world.state;
    const saved = world.state.save();
    world.state.load(saved);
    world.state.refresh();
    expect(world.state.translations).toBe(translations);
    expect(world.state.host.u32[OWN_TRANSLATIONS >> 2]).toBe(translations);
  });
});

describe('VM entries and exits', () => {
  beforeEach(() => {
    setUpHost();
    enter();
    read();
    fetch();
    leave();
    readHost();
  });

  it('keep both sets with a VPID', () => {
    expect(readHost()).toBe(0);
    enter();
    expect([read(), fetch()]).toEqual([0, 0]);
    leave();
    expect(readHost()).toBe(0);
  });

  it('drop both without', () => {
    enter({ vpid: 0 });
    expect([read(), fetch(), read()]).toEqual([1, 1, 0]);
    leave();
    expect([readHost(), readHost()]).toEqual([1, 0]);
    enter({ vpid: 0 });
    expect([read(), fetch()]).toEqual([1, 1]);
    leave();
    expect(readHost()).toBe(1);
  });

  it('drop the guest’s where it is another one', () => {
    enter({ vpid: 2 });
    expect(read()).toBe(1);
    leave();
    enter({ vpid: 2 });
    expect(read()).toBe(0);
    leave();
    enter({ vpid: 2, flags: 0x40 });
    expect(read()).toBe(1);
    leave();
    enter({ vpid: 2, flags: 0x40, apicAccessPage: 0x5000 });
    expect(read()).toBe(1);
    leave();
    enter({ vpid: 2, eptPointer: undefined });
    expect(world.attempt('read')).toBeDefined();
  });

  it('drop what rests on control registers that have changed meanwhile', () => {
    world.mmu.noteControls();
    world.control({ cr3: PML4, cr0: (Cr0.pe | Cr0.pg) >>> 0 });
    world.enter();
    expect(read()).toBe(1);
    leave();
    // Of the host, too: CR0.WP was set when it was left.
    expect(readHost()).toBe(1);
  });

  it('drop all but global pages where CR3 alone has changed', () => {
    world.control({ cr4: Cr4.pae | Cr4.pge });
    world.setGuestBits(AT, 12, 0x100);
    world.mapGuest(AT + 0x1000, DATA + 0x1000);
    enter();
    const other = (): number => walksOf(() => world.read(AT + 0x1000));
    expect([read(), other()]).toEqual([1, 1]);
    leave();
    world.mmu.noteControls();
    world.control({ cr3: PML4 + 0x18 });
    world.enter();
    expect([read(), other()]).toEqual([0, 1]);
  });

  it('drop all where nobody said what it rested on', () => {
    guestTables();
    world.enter();
    expect(read()).toBe(0);
    world.control({ cr3: 0x30_0000 });
    world.mmu.leaveGuest();
    expect(readHost()).toBe(1);
    guestTables();
    world.enter();
    expect(read()).toBe(1);
  });

  it('that fail before the guest runs keep the host’s', () => {
    world.mmu.noteControls();
    guestTables();
    world.control({ cr3: 0x30_0000 });
    world.mmu.leaveGuest();
    expect(readHost()).toBe(0);
    world.mmu.noteControls();
    world.control({ cr0: (Cr0.pe | Cr0.pg) >>> 0 });
    world.mmu.leaveGuest();
    expect(readHost()).toBe(1);
  });
});

it('a reset ends whatever guest runs, and forgets it', () => {
  setUpHost();
  enter();
  read();
  const { mmu } = world;
  mmu.reset();
  expect(mmu.guest).toBeUndefined();
  world.control({ cr3: 0x30_0000 });
  expect(readHost()).toBe(1);
  enter();
  expect(read()).toBe(1);
});

describe('what is dropped on request', () => {
  beforeEach(() => {
    setUpHost();
    readHost();
    enter({ vpid: 7 });
    read();
    leave();
  });
  const readAgain = (): [guest: number, host: number] => {
    const host = readHost();
    enter({ vpid: 7 });
    const guest = read();
    leave();
    return [guest, host];
  };

  it('by INVEPT is what came through the tables it names', () => {
    world.mmu.invalidateEpt([(world.root + 0x1000) | 0x1e, 0]);
    expect(readAgain()).toEqual([0, 0]);
    world.mmu.invalidateEpt([world.root | 0x1e, 1]);
    expect(readAgain()).toEqual([0, 0]);
    world.mmu.invalidateEpt([world.root | 0x5e, 0]);
    expect(readAgain()).toEqual([1, 0]);
    world.mmu.invalidateEpt('all');
    expect(readAgain()).toEqual([1, 0]);
  });

  it('by INVEPT is nothing of a guest without EPT', () => {
    hostTables();
    const guest = (): number => {
      world.enter({ vpid: 9, eptPointer: undefined });
      const walks = walksOf(() => world.attempt('read'));
      world.mmu.noteControls();
      world.mmu.leaveGuest();
      return walks;
    };
    world.put(GUEST + PML4 + ((AT / 2 ** 39) & 0x1ff) * 8, 0x30_1003);
    world.put(0x30_1000 + (Math.floor(AT / 2 ** 30) & 0x1ff) * 8, 0x83);
    expect([guest(), guest()]).toEqual([1, 0]);
    world.mmu.invalidateEpt('all');
    expect(guest()).toBe(0);
    world.mmu.invalidateVpid(InvvpidType.all, 0);
    expect(guest()).toBe(1);
  });

  it.each([
    ['an address of a VPID', InvvpidType.address],
    ['a VPID', InvvpidType.single],
    ['a VPID but for global pages', InvvpidType.retainGlobals],
  ])('by INVVPID is %s', (_, type) => {
    world.mmu.invalidateVpid(type, 6);
    expect(readAgain()).toEqual([0, 0]);
    world.mmu.invalidateVpid(type, 7);
    expect(readAgain()).toEqual([1, 0]);
  });

  it('by INVVPID of all is every VPID but the host’s', () => {
    world.mmu.invalidateVpid(InvvpidType.all, 6);
    expect(readAgain()).toEqual([1, 0]);
  });

  it('by INVVPID may spare global pages', () => {
    world.control({ cr4: Cr4.pae | Cr4.pge });
    world.setGuestBits(AT, 12, 0x100);
    world.mmu.invalidateVpid(InvvpidType.single, 7);
    expect(readAgain()).toEqual([1, 0]);
    world.mmu.invalidateVpid(InvvpidType.retainGlobals, 7);
    expect(readAgain()).toEqual([0, 0]);
  });

  it('by a new memory map or a watch is both', () => {
    world.mmu.flushAll();
    expect(readAgain()).toEqual([1, 1]);
    world.mmu.watch([AT / 4096 + 7]);
    expect(readAgain()).toEqual([1, 1]);
    // VM entries and exits load DR7, mostly as it was.
    world.mmu.watch([AT / 4096 + 7]);
    expect(readAgain()).toEqual([0, 0]);
    world.mmu.watch([]);
    expect(readAgain()).toEqual([1, 1]);
  });

  it('by an ordinary flush is what is in force', () => {
    world.mmu.flush();
    expect(readAgain()).toEqual([0, 1]);
  });
});

it('stores to what has become code are seen in either operation', () => {
  const frame = (GUEST + DATA) / 4096;
  world.put(0x30_0000, 0x30_1003);
  world.put(0x30_1000, 0x30_2003);
  world.put(0x30_2000 + ((GUEST + DATA) >>> 21) * 8, ((GUEST + DATA) & ~0x1f_ffff) + 0x83);
  world.control({ cr3: 0x30_0000 });
  world.attempt('write', GUEST + DATA);
  enter();
  world.attempt('write');
  world.memory.watchCode(frame);
  world.mmu.protectFrame(frame);
  const seen: number[] = [];
  world.memory.onCodeWrite = (changed) => seen.push(changed);
  world.attempt('write');
  leave();
  world.attempt('write', GUEST + DATA);
  expect(seen).toEqual([frame, frame]);
});

it('jump caches of both are emptied when code goes', () => {
  const { host } = world.state;
  const known: number[] = [];
  const enterJump = (): void => {
    world.mmu.codeFrame((world.mmu.guest ? AT : HOST_AT) as LinearAddress, false);
    const entry = (host.u32[JUMP_BASE >> 2] >> 2) + 8;
    host.u32[entry] = 1;
    host.u32[entry + 1] = 0x1234;
    world.mmu.noteJump(entry, false);
    known.push(entry);
  };
  setUpHost();
  enterJump();
  enter();
  enterJump();
  expect(known[0]).not.toBe(known[1]);
  world.mmu.flushJumps();
  expect(known.map((entry) => host.u32[entry + 1])).toEqual([0, 0]);
});
