/** What a processor remembers of linear addresses, and what of it CR3, INVLPG and new code take away. */
import { beforeEach, describe, expect, it } from 'vitest';
import { RESERVED, SYS, Tlb, tlbEntry } from '../../src/engines/cpu/layout';
import { Cr4, CpuState } from '../../src/engines/cpu/state';
import { Translations } from '../../src/engines/cpu/system/translations';
import { HostMemory } from '../../src/engines/machine/host-memory';
import { PhysicalMemory } from '../../src/engines/machine/physical-memory';

const PAGE = 4096;
const ALL = [
  { name: '32-bit', wide: false, pae: 0, top: 0xfff00000 },
  { name: '64-bit', wide: true, pae: Cr4.pae, top: -(2 ** 31) },
];

describe.each(ALL)('translations of $name code', ({ wide, pae, top }) => {
  let state: CpuState;
  let memory: PhysicalMemory;
  let translations: Translations;
  let ram: number;

  beforeEach(() => {
    const host = new HostMemory(RESERVED);
    memory = new PhysicalMemory(host);
    ram = memory.addRam(0, 64 * PAGE);
    state = new CpuState(host);
    state.setSys(SYS.cr4, pae);
    if (wide) state.setSys(SYS.efer, 1 << 10);
    translations = new Translations(state, memory, state.translations);
    translations.initialize();
  });

  const fill = (linear: number, frame: number, writable: boolean, global = false): void =>
    translations.fill(linear, memory.hostOffset(frame), writable ? 'write' : 'read', Tlb.supervisor, wide, global);
  const find = (linear: number, write = false): number => translations.lookup(linear, write, Tlb.supervisor, wide);

  /** Another page that has the same place in a TLB. */
  const clash = (): number => {
    for (let page = top + PAGE; ; page += PAGE) if (tlbEntry(page | 0) === tlbEntry(top | 0)) return page;
  };

  it('are found by what they were filled for, and by nothing else', () => {
    fill(top, 3, false);
    expect(find(top + 5)).toBe(ram + 3 * PAGE + 5);
    expect(find(top + 5, true)).toBe(0);
    expect(find(clash())).toBe(0);
    expect(translations.lookup(top, false, Tlb.user, wide)).toBe(0);
    fill(top, 3, true);
    expect(find(top + 8, true)).toBe(ram + 3 * PAGE + 8);
  });

  it('outlive a change of CR3 where their page is global', () => {
    fill(top, 1, true, true);
    fill(top + PAGE, 2, true);
    translations.noteCode(top, false, 1, true);
    translations.noteCode(top + PAGE, false, 2, false);
    translations.flushLocal();
    expect([find(top), find(top + PAGE)]).toEqual([ram + PAGE, 0]);
    expect([translations.codeFrame(top, false), translations.codeFrame(top + PAGE, false)]).toEqual([1, -1]);
    // What took the place of a global one is not.
    fill(clash(), 2, true);
    translations.flushLocal();
    expect([find(top), find(clash())]).toEqual([0, 0]);
    fill(top, 1, true);
    fill(top, 1, true, true);
    translations.flushLocal();
    expect(find(top)).toBe(ram + PAGE);
    translations.flush();
    expect([find(top), translations.codeFrame(top, false)]).toEqual([0, -1]);
  });

  it('go with INVLPG, all pieces of a large page together', () => {
    const shift = pae ? 21 : 22;
    const start = Math.floor(top / 2 ** shift) * 2 ** shift;
    const pages = [start, start + 9 * PAGE, start + 2 ** shift - PAGE];
    for (const [i, page] of pages.entries()) fill(page, i + 1, true, true);
    fill(start - PAGE, 7, true);
    translations.noteLarge(pages[1], shift, true);
    translations.invalidate(pages[0] + 17);
    expect(pages.map((page) => find(page))).toEqual([0, 0, 0]);
    expect(find(start - PAGE)).toBe(ram + 7 * PAGE);
    for (const [i, page] of pages.entries()) fill(page, i + 1, true);
    translations.invalidate(pages[1]);
    expect(pages.map((page) => find(page) !== 0)).toEqual([true, false, true]);
  });

  it('allow no more writing once code was decoded from their frame', () => {
    fill(top, 3, true);
    fill(top + PAGE, 4, true, true);
    translations.protectFrame(4);
    expect([find(top, true) !== 0, find(top + PAGE, true), find(top + PAGE) !== 0]).toEqual([true, 0, true]);
  });
});
