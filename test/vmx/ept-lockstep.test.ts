/**
 * Whole guests with and without extended page tables under them, in lockstep: translation in two steps, in pages of all sizes, with flags
 * and with entries and exits in between, must change nothing that they see.
 */
import { expect, it } from 'vitest';
import type { Mmu } from '../../src/engines/cpu/system/mmu';
import { EmulatorEngine } from '../../src/engines/emulator/engine';
import { randomSource } from '../isa/random';
import { sideOf, stateDifference } from '../jit/state';
import { assembleGuest, makeRom } from '../system/harness';

const MEMORY = 8 << 20;
const MEBIBYTE = 1 << 20;
/** Where the tables lie: no guest knows of it, and address line 20 is always 0. */
const TABLES = 0x4000_0000;
/** Pages of RAM change places in EPT: the bits of their numbers that are turned round, so that neighbours are parted. */
const TURNED = 0x2b << 12;
/** Instructions of each guest. */
const MOST = 1_500_000;
const LOW_RAM = 0x80000;

/** EPT for all 4 GiB: RAM by small pages that are not where they seem to be, the second 2 MiB by a large one, the rest by larger ones. */
function buildTables({ memory }: Mmu): void {
  memory.addRam(TABLES, MEBIBYTE);
  const put = (at: number, low: number): void => memory.write(at, 4, low >>> 0);
  const LEAF = 0x37;
  const LARGE = 0x80 | LEAF;
  const [top, gibibytes, directory, tables] = [0, 1, 2, 3].map((i) => TABLES + i * 4096);
  put(top, gibibytes | 7);
  put(gibibytes, directory | 7);
  for (let i = 1; i < 4; i++) put(gibibytes + i * 8, (i * 2 ** 30 + LARGE) >>> 0);
  for (let i = 0; i < 512; i++) {
    const small = i < MEMORY / (2 * MEBIBYTE) && i !== 1;
    put(directory + i * 8, small ? (tables + i * 4096) | 7 : i * 2 * MEBIBYTE + LARGE);
    for (let page = 0; page < (small ? 512 : 0); page++) {
      const at = i * 2 * MEBIBYTE + page * 4096;
      const moved = at < LOW_RAM || at >= MEBIBYTE ? (at ^ TURNED) >>> 0 : at;
      put(tables + i * 4096 + page * 8, moved + LEAF);
    }
  }
}

/** @returns where the two part, or how they ended */
function lockstep(name: string): string {
  const make = (): EmulatorEngine => new EmulatorEngine({ memory: MEMORY, bios: makeRom(assembleGuest(`${name}.asm`)), heat: 200 });
  const engines = [make(), make()] as const;
  const [plain, guest] = engines.map(sideOf);
  const { mmu } = guest.cpus.list[0];
  buildTables(mmu);
  const enter = (vpid: number): void =>
    mmu.enterGuest({ eptPointer: [(TABLES | 0x1e | (vpid & 1 ? 0x40 : 0)) >>> 0, 0], vpid, apicAccessPage: -1, virtualApicPage: -1 });
  enter(1);
  const random = randomSource(1);
  for (;;) {
    const before = engines[0].instructionCount;
    const length = 1 + (random() % (random() % 4 === 0 ? 300_000 : 3000));
    const [a, b] = engines.map((engine) => engine.run({ instructions: length }));
    const difference = stateDifference(plain, guest);
    if (difference !== '' || a.reason !== b.reason)
      return `in ${length} instructions after ${before}: ${a.reason} ${b.reason} ${difference}`;
    if (a.reason !== 'slice' || before > MOST) return a.reason;
    if (random() % 3 !== 0) continue;
    mmu.noteControls();
    mmu.leaveGuest();
    mmu.noteControls();
    enter(random() % 3);
  }
}

it.each(['real', 'transfers', 'paging', 'long-rings', 'long-paging'])('the guest %s sees nothing of EPT', (name) => {
  expect(['exited', 'slice']).toContain(lockstep(name));
});
