/** Walks through both tables as they are shown, held against what the processor makes of the same tables. */
import * as fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { PageTableView } from '../../src/engines/cpu/inspect/page-tables';
import type { Processor } from '../../src/engines/cpu/processor';
import { Cr0 } from '../../src/engines/cpu/state';
import { VmExit } from '../../src/engines/cpu/vmx/vm-exit';
import { whyEptEnds } from '../../src/engines/cpu/vmx/ept-tables';
import { EmulatorEngine } from '../../src/engines/emulator/engine';
import { assemble } from '../../src/assembler/assemble';
import type { LinearAddress } from '../../src/shared/addresses';
import { AT, DATA, EptWorld, GUEST, type Operation, TRACKS } from './ept-world';

const GIBIBYTE = 2 ** 30;
const NEEDED: Readonly<Record<Operation, number>> = { read: 1, write: 2, fetch: 4 };
const linear = (address: number): LinearAddress => address as LinearAddress;

let world: EptWorld;
beforeEach(() => {
  world = new EptWorld();
});

describe('the walk in two dimensions', () => {
  it('tells of each guest level how its entry was found, and of the page', () => {
    world.enter({ flags: TRACKS });
    const { steps, physical, ept } = world.mmu.walk(linear(AT + 0x123));
    expect(steps.map(({ level, entryAddress }) => [level, entryAddress])).toEqual(
      (['PML4E', 'PDPTE', 'PDE', 'PTE'] as const).map((level, i) => [level, world.guestEntry(AT, 39 - 9 * i)]),
    );
    for (const { entryAddress, ept: found, low } of steps) {
      expect(found?.guestPhysical).toBe(entryAddress);
      expect(found?.physical).toBe(GUEST + (entryAddress ?? NaN));
      expect(found?.steps.map(({ entryAddress: at }) => at)).toEqual(
        [39, 30, 21, 12].map((shift) => world.eptEntry(entryAddress ?? NaN, shift)),
      );
      expect(low).toBe(world.word(found?.physical ?? NaN));
    }
    expect(physical).toBe(DATA + 0x123);
    expect(ept).toMatchObject({
      guestPhysical: DATA + 0x123,
      physical: GUEST + DATA + 0x123,
      pageSize: 4096,
      memoryType: 6,
      writable: true,
    });
    expect(world.mmu.probe(linear(AT + 0x123))).toBe(GUEST + DATA + 0x123);
    // Nobody has been there.
    expect([world.flagsOf(DATA), world.flagsOf(DATA, 39), world.guestBits(AT, 12) & 0x60]).toEqual([0, 0, 0]);
  });

  it('is shown with each entry taken apart, and ends where an access would', () => {
    world.enter({ flags: TRACKS });
    const view = new PageTableView(() => world, world.memory);
    const walk = view.walk(linear(AT + 0x123));
    expect(walk.entries.map(({ nested }) => nested?.entries.length)).toEqual([4, 4, 4, 4]);
    expect(walk.entries.map(({ address, nested }) => nested?.physical === GUEST + (address ?? NaN))).toEqual([true, true, true, true]);
    expect(walk.nested).toMatchObject({ guestPhysical: DATA + 0x123, physical: GUEST + DATA + 0x123, rights: 'RWX', memoryType: 'WB' });
    const leaf = walk.nested?.entries.at(-1);
    expect(leaf?.fields.map(({ name }) => name)).toEqual(['R', 'W', 'X', 'memory type', 'ignore PAT', 'A', 'D', 'address']);
    expect(leaf?.fields.at(-1)?.meaning).toBe(`page at host-physical 0x${(GUEST + DATA).toString(16)}`);
    world.allow(DATA, 4);
    const refused = view.walk(linear(AT)).verdicts.find(({ kind, user }) => kind === 'read' && !user);
    expect(refused).toEqual({ kind: 'read', user: false, allowed: false, reason: 'EPT violation: the page may not be read' });
    world.allow(world.guestEntry(AT, 21), 4);
    expect(view.walk(linear(AT)).entries.at(-1)?.nested?.problem).toBe('EPT violation: the page may not be read');
  });

  it('shows large pages of EPT', () => {
    world.mapEpt(3 * GIBIBYTE, 0xc0_0000, 5, 21);
    world.mapGuest(AT, 3 * GIBIBYTE + 0x5000);
    world.enter();
    const { ept } = world.mmu.walk(linear(AT + 1));
    expect(ept).toMatchObject({ physical: 0xc0_5001, pageSize: 2 ** 21, readable: true, writable: false, executable: true });
    expect(ept?.steps.map(({ level, index }) => [level, index])).toEqual([
      ['PML4E', 0],
      ['PDPTE', 3],
      ['PDE', 0],
    ]);
  });

  it('ends where EPT hides a table', () => {
    world.allow(world.guestEntry(AT, 21), 4);
    world.enter();
    const found = world.mmu.walk(linear(AT));
    expect(found.steps.map(({ level, low }) => [level, low !== 0])).toEqual([
      ['PML4E', true],
      ['PDPTE', true],
      ['PDE', false],
    ]);
    expect([found.physical, found.broken]).toEqual([undefined, undefined]);
    expect(whyEptEnds(found, 1)).toBe('EPT violation: the page may not be read, where the PDE lies');
    expect(world.mmu.probe(linear(AT))).toBeUndefined();
  });

  it('of an address that is not mapped has no end, and of one without paging no beginning', () => {
    world.put(GUEST + world.guestEntry(AT, 12), 0);
    world.enter();
    expect(world.mmu.walk(linear(AT))).toMatchObject({ broken: 0 });
    expect(whyEptEnds(world.mmu.walk(linear(AT)), 1)).toBeUndefined();
    expect(world.mmu.probe(linear(AT))).toBeUndefined();
    world.control({ cr0: Cr0.pe, efer: 0 });
    expect(world.mmu.walk(linear(DATA))).toMatchObject({ steps: [], physical: DATA, ept: { physical: GUEST + DATA } });
    expect(world.mmu.probe(linear(DATA))).toBe(GUEST + DATA);
    world.put(world.eptEntry(DATA, 12), 0);
    expect(world.mmu.probe(linear(DATA))).toBeUndefined();
  });

  it('says what any access comes to', () => {
    const fields = fc.record({
      shift: fc.constantFrom(12, 21, 30),
      leaf: fc.constantFrom(12, 21, 30),
      rights: fc.integer({ min: 0, max: 7 }),
      bits: fc.oneof(
        fc.constant(0),
        fc.integer({ min: 0, max: 0x1fffff }).map((bits) => (bits << 3) >>> 0),
      ),
      high: fc.constantFrom(0, 0, 0x80, 0x100, 0x80000, 0x100000, 0x80000000),
      structure: fc.constantFrom(39, 30, 21, 12),
      structureRights: fc.constantFrom(7, 7, 7, 5, 4, 3, 2, 1, 0),
      guestBits: fc.constantFrom(0x67, 0x67, 0x65, 0x66, 0),
    });
    fc.assert(
      fc.property(fields, ({ shift, leaf, rights, bits, high, structure, structureRights, guestBits }) => {
        const at = 3 * GIBIBYTE + 0x5000;
        for (const level of [39, 30, 21, 12]) world.allow(world.guestEntry(AT, level), 7);
        world.put(world.eptEntry(at, 30), 0);
        world.mapEpt(at - (at % 2 ** leaf), leaf === 30 ? 0 : 0xc0_0000, 7, leaf);
        world.mapGuest(AT, at);
        world.markAll(AT);
        const entry = world.eptEntry(at, Math.max(shift, leaf));
        world.memory.write(entry, 4, ((world.word(entry) & ~7) | rights | bits) >>> 0);
        world.memory.write(entry + 4, 4, high);
        world.memory.write(GUEST + world.guestEntry(AT, 12), 4, (at & 0xfffff000) + guestBits);
        world.allow(world.guestEntry(AT, structure), structureRights);
        world.bounce();
        world.mmu.invalidateEpt('all');
        for (const operation of ['read', 'write', 'fetch'] as const) {
          const found = world.mmu.walk(linear(AT));
          const ended = whyEptEnds(found, NEEDED[operation]);
          const denied = found.broken !== undefined || (found.physical !== undefined && operation === 'write' && !found.writable);
          const fault = world.attempt(operation);
          expect(fault instanceof VmExit ? 'exit' : (fault?.vector ?? 'done')).toBe(denied ? 14 : ended === undefined ? 'done' : 'exit');
          if (fault instanceof VmExit) expect(ended).toContain(fault.exitReason === 49 ? 'EPT misconfiguration' : 'EPT violation');
          else if (fault === undefined && operation !== 'fetch')
            expect(world.mmu.translate(linear(AT), false, false)).toBe(found.ept?.physical);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('the page tables of a guest', () => {
  const firmware = assemble({
    path: 'bios.asm',
    text: 'times 0xfff0 db 0xf4\njmp 0\ntimes 0x10000 - ($ - $$) db 0',
    read: () => undefined,
  });

  it('are shown with what EPT says of them', () => {
    if (!firmware.ok) throw new Error('the firmware does not assemble');
    const engine = new EmulatorEngine({ memory: 8 << 20, bios: firmware.image });
    const [cpu] = engine.cpus;
    const { mmu } = (engine as unknown as { machine: { cpus: { list: Processor[] } } }).machine.cpus.list[0];
    const put = (address: number, ...entries: readonly bigint[]): void => {
      engine.writeMemory(0, 'physical', address, new Uint8Array(BigUint64Array.from(entries).buffer));
    };
    // EPT maps guest-physical 0 to 2 MiB at 4 MiB, where the guest's tables are; the page at 3000 may not be written.
    put(0x100000, 0x101007n);
    put(0x101000, 0x102007n);
    put(0x102000, 0x103007n);
    put(0x103000, ...Array.from({ length: 512 }, (_, i) => BigInt(0x400000 + i * 4096 + 0x37 - (i === 3 ? 2 : 0))));
    put(0x410000, 0x11007n);
    put(0x411000, 0x12007n);
    put(0x412000, 0x13007n, 0xf0000007n);
    put(0x413000, 0x2007n, 0x3007n, 0x4005n);
    cpu.setRegister('efer', 0x900n);
    cpu.setRegister('cr4', 0x20n);
    cpu.setRegister('cr3', 0x10000n);
    cpu.setRegister('cr0', 0x80010011n);
    mmu.enterGuest({ eptPointer: [0x10001e, 0], vpid: 1, apicAccessPage: -1, virtualApicPage: -1 });

    const verdicts = (address: number): Record<string, string> =>
      Object.fromEntries(
        cpu.pageTables
          .walk(linear(address))
          .verdicts.filter(({ user }) => user)
          .map(({ kind, allowed, reason, errorCode }) => [kind, allowed ? 'yes' : `${reason} ${errorCode ?? ''}`]),
      );
    expect(verdicts(0x123)).toEqual({ read: 'yes', write: 'yes', execute: 'yes' });
    expect(verdicts(0x1123)).toEqual({ read: 'yes', write: 'EPT violation: the page may not be written ', execute: 'yes' });
    expect(verdicts(0x2123)).toMatchObject({ read: 'yes', write: expect.stringContaining('read-only 7') as string });
    const nowhere = 'EPT violation: the EPT PDPTE is not present, where the PTE lies ';
    expect(verdicts(0x200000)).toEqual({ read: nowhere, write: nowhere, execute: nowhere });
    expect(cpu.pageTables.walk(linear(0x1123))).toMatchObject({ physical: 0x3123, entries: { length: 4 } });
    expect(cpu.pageTables.map(false).regions.map(({ start, size, physical }) => [start, size, physical])).toEqual([
      [0, 0x2000, 0x2000],
      [0x2000, 0x1000, 0x4000],
    ]);
    // Memory by linear address is the guest's.
    put(0x403000, 0x1122n);
    expect(engine.readMemory(0, 'linear', 0x1000, 2)).toEqual(Uint8Array.from([0x22, 0x11]));
  });
});
