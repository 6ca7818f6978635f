/** Page tables as they are shown, held against what the processor makes of them. */
import * as fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Processor } from '../../src/engines/cpu/processor';
import { GuestFault } from '../../src/engines/cpu/system/fault';
import { EmulatorEngine } from '../../src/engines/emulator/engine';
import type { PageVerdict, VirtualCpu } from '../../src/engines/engine';
import { assemble } from '../../src/assembler/assemble';
import type { LinearAddress } from '../../src/shared/addresses';

const MEBIBYTE = 1 << 20;
const linear = (address: number): LinearAddress => address as LinearAddress;

const firmware = assemble({ path: 'bios.asm', text: 'times 0xfff0 db 0xf4\njmp 0\ntimes 0x10000 - ($ - $$) db 0', read: () => undefined });

let engine: EmulatorEngine;
let cpu: VirtualCpu;
beforeEach(() => {
  if (!firmware.ok) throw new Error('the firmware does not assemble');
  engine = new EmulatorEngine({ memory: 8 * MEBIBYTE, bios: firmware.image });
  [cpu] = engine.cpus;
});

function put(address: number, ...entries: readonly bigint[]): void {
  const bytes = new Uint8Array(entries.length * 8);
  for (const [i, entry] of entries.entries()) new DataView(bytes.buffer).setBigUint64(i * 8, entry, true);
  engine.writeMemory(0, 'physical', address, bytes);
}

function put32(address: number, ...entries: readonly number[]): void {
  engine.writeMemory(0, 'physical', address, new Uint8Array(Uint32Array.from(entries).buffer));
}

const NX = 1n << 63n;

function fourLevels(): void {
  put(0x100000, 0x101007n);
  put(0x101000, 0x102007n, 0x102007n, 0n, 0x00000087n);
  put(0x102000, 0x103007n, 0x103007n, 0x103027n, 0x200085n | NX, 0x103001n);
  put(0x103000, 0x1007n, 0x2007n, 0x3105n, 0x5105n | NX);
  put(0x100ff8, 0x101003n);
  cpu.setRegister('efer', 0x900n);
  cpu.setRegister('cr4', 0x20n);
  cpu.setRegister('cr3', 0x100000n);
  cpu.setRegister('cr0', 0x80010011n);
}

describe('the map', () => {
  it('of four levels lists each table once, and its repetitions as such', () => {
    fourLevels();
    const { regions, pages, cut } = cpu.pageTables.map(false);
    expect(cut).toBe(false);
    expect(regions.slice(0, 7).map(({ start, size, physical, repeats }) => [start, size, physical, repeats])).toEqual([
      [0, 0x2000, 0x1000, undefined],
      [0x2000, 0x1000, 0x3000, undefined],
      [0x3000, 0x1000, 0x5000, undefined],
      // Two more entries lead to the same table.
      [0x200000, 0x400000, 0x103000, 0x200000],
      [0x600000, 0x200000, 0x200000, undefined],
      [0x800000, 0x2000, 0x1000, undefined],
      [0x802000, 0x1000, 0x3000, undefined],
    ]);
    // All that an upper level forbids stays forbidden below.
    expect(regions.filter(({ start }) => start >= 0x800000 && start < 0x900000).every(({ writable, user }) => !writable && !user)).toBe(
      true,
    );
    expect(regions.find(({ start }) => start === 0xc0000000)).toMatchObject({
      size: 2 ** 30,
      pageSize: 2 ** 30,
      writable: true,
      user: true,
    });
    const upper = regions.filter(({ start }) => start < 0);
    expect(upper[0].start).toBe(-(2 ** 39));
    expect(upper.every(({ user }) => !user)).toBe(true);
    expect(pages[2 ** 30]).toBe(2);
    expect(cpu.pageTables.mode).toBe('4-level');
  });

  it('agrees with the walk of every region, first byte and last', () => {
    fourLevels();
    for (const { start, size, physical, writable, user, executable, pageSize, repeats, contiguous } of cpu.pageTables.map(false).regions) {
      if (repeats !== undefined) continue;
      expect(contiguous).toBe(true);
      for (const offset of [0, size - 1]) {
        const found = cpu.pageTables.walk(linear(start + offset));
        expect(found).toMatchObject({ physical: physical + offset, pageSize });
        const allowed = (kind: string, asUser: boolean) =>
          found.verdicts.find((each) => each.kind === kind && each.user === asUser)?.allowed;
        expect([allowed('read', true), allowed('write', false), allowed('execute', false)]).toEqual([user, writable, executable]);
      }
    }
  });

  it('merges by rights alone where asked', () => {
    fourLevels();
    const merged = cpu.pageTables.map(true).regions;
    put(0x103000, 0x1007n, 0x5007n);
    expect(cpu.pageTables.map(true).regions[0]).toMatchObject({ start: 0, size: 0x2000, contiguous: false });
    expect(merged.length).toBeLessThanOrEqual(cpu.pageTables.map(false).regions.length + 2);
  });

  it('of a table that contains itself comes to an end', () => {
    fourLevels();
    put(0x100000 + 256 * 8, 0x100003n);
    const { regions, cut } = cpu.pageTables.map(false);
    expect(cut).toBe(false);
    expect(regions.length).toBeGreaterThan(10);
    // Seen through itself, the top table is a page.
    expect(cpu.pageTables.walk(linear(0xffff804020100000 - 2 ** 64 + 0x800)).entries).toHaveLength(4);
  });

  it('of 32-bit paging has pages of 4 MiB', () => {
    put32(0x100000, 0x101007, 0x00400087 & ~4);
    put32(0x101000, 0x2007, 0, 0x4005);
    cpu.setRegister('cr4', 0x10n);
    cpu.setRegister('cr3', 0x100000n);
    cpu.setRegister('cr0', 0x80010011n);
    expect(cpu.pageTables.mode).toBe('32-bit');
    expect(cpu.pageTables.map(false).regions).toMatchObject([
      { start: 0, size: 0x1000, physical: 0x2000, user: true, writable: true },
      { start: 0x2000, size: 0x1000, physical: 0x4000, writable: false },
      { start: 0x400000, size: 0x400000, physical: 0x400000, pageSize: 0x400000, user: false },
    ]);
    expect(cpu.pageTables.walk(linear(0x400123)).entries.map(({ level, bits }) => [level, bits])).toEqual([['PDE', 32]]);
  });

  it('of PAE paging begins in the processor', () => {
    put(0x100000, 0n, 0x101001n);
    put(0x101000, 0x102007n, 0x200083n | NX);
    put(0x102000, 0x1007n);
    cpu.setRegister('efer', 0x800n);
    cpu.setRegister('cr4', 0x20n);
    cpu.setRegister('cr3', 0x100000n);
    cpu.setRegister('cr0', 0x80010011n);
    // The processor has its own copy by now.
    put(0x100000, 0n, 0n);
    expect(cpu.pageTables.mode).toBe('PAE');
    expect(cpu.pageTables.map(false).regions).toMatchObject([
      { start: 0x40000000, size: 0x1000, physical: 0x1000, executable: true },
      { start: 0x40200000, size: 0x200000, physical: 0x200000, executable: false, user: false },
    ]);
    expect(cpu.pageTables.walk(linear(0x40000000)).entries[0]).toMatchObject({ level: 'PDPTE', address: undefined, index: 1 });
  });

  it('is empty without paging', () => {
    expect(cpu.pageTables.map(false)).toEqual({ regions: [], pages: {}, cut: false });
    expect(cpu.pageTables.walk(linear(0x1234))).toMatchObject({ physical: 0x1234, entries: [] });
  });
});

describe('what an access comes to', () => {
  it('is what the processor makes of it, error code and reason alike', () => {
    fourLevels();
    const { mmu, state } = (engine as unknown as { machine: { cpus: { list: Processor[] } } }).machine.cpus.list[0];
    const bits = fc.record({
      entry: fc.bigInt({ min: 0n, max: 0x1ffn }),
      above: fc.constantFrom(0x103001n, 0x103003n, 0x103005n, 0x103007n, 0x103006n),
      nx: fc.boolean(),
      reserved: fc.boolean(),
      wp: fc.boolean(),
      smep: fc.boolean(),
      smap: fc.boolean(),
      ac: fc.boolean(),
    });
    fc.assert(
      fc.property(bits, ({ entry, above, nx, reserved, wp, smep, smap, ac }) => {
        put(0x102000, above);
        put(0x103000, 0x1000n | (entry & ~0x80n) | (nx ? NX : 0n) | (reserved ? 1n << 45n : 0n));
        cpu.setRegister('cr0', wp ? 0x80010011n : 0x80000011n);
        cpu.setRegister('cr4', 0x20n | (smep ? 1n << 20n : 0n) | (smap ? 1n << 21n : 0n));
        cpu.setRegister('rflags', ac ? 0x40002n : 2n);
        mmu.flush();
        for (const verdict of cpu.pageTables.walk(linear(0x10)).verdicts) {
          expect(verdict).toEqual(made(verdict));
        }
      }),
      { numRuns: 300 },
    );

    function made({ kind, user }: PageVerdict): PageVerdict {
      try {
        mmu.translate(linear(0x10), kind === 'write', user, kind === 'execute');
        return { kind, user, allowed: true };
      } catch (error) {
        if (!(error instanceof GuestFault)) throw error;
        return { kind, user, allowed: false, reason: error.reason, errorCode: error.errorCode };
      } finally {
        expect(state.cpl).toBe(0);
      }
    }
  });
});
