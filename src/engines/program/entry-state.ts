/** The processor's state at a program's first instruction, as data: what each boot protocol demands. */
import { SYS } from '../cpu/layout';
import type { Processor } from '../cpu/processor';
import { Attr, Cr0, Cr4, Efer, Flag, Reg, Seg } from '../cpu/state';
import type { PhysicalMemory } from '../machine/physical-memory';
import { put } from './memory-map';

export interface EntryState {
  /** 32-bit protected mode without paging, or 64-bit mode with the page tables at `pageTables`. */
  readonly mode: 'protected' | 'long';
  /** Physical address, the same as the linear one. */
  readonly ip: number;
  /** General registers that are not 0. In long mode these are RAX and so on; all values fit 32 bits. */
  readonly registers: Readonly<Partial<Record<keyof typeof Reg, number>>>;
  /** Selectors of the flat code and data segments, ring 0. */
  readonly code: number;
  readonly data: number;
  /** Where these are in memory; without it GDTR stays what it was, as protocols that leave it undefined allow. */
  readonly gdt?: { readonly base: number; readonly limit: number };
  /** CR3, for long mode; CR4.PAE and EFER.LME go with it. */
  readonly pageTables?: number;
  /** A 32-bit TSS in TR, at base 0 with the smallest limit, as PVH demands. */
  readonly task?: boolean;
}

const SHARED = Attr.present | Attr.segment | Attr.accessed | Attr.readWrite | Attr.granular;
const BUSY_TSS = 0x8b;

/** Puts the processor into the state. @throws Error for long mode on a processor that does not have it */
export function applyEntryState({ state, mmu, model }: Processor, entry: EntryState): void {
  const long = entry.mode === 'long';
  if (long && !model.has('lm')) throw new Error(`the processor "${model.name}" has no 64-bit mode`);
  const flat = { base: 0, limit: 0xffffffff, unusable: false };
  state.setSys(SYS.cr0, ((state.cr0 | Cr0.pe | (long ? Cr0.pg : 0)) & ~(long ? 0 : Cr0.pg)) >>> 0);
  state.setSys(SYS.cr4, long ? Cr4.pae : 0);
  state.setSys(SYS.efer, long ? Efer.lme | Efer.lma : 0);
  if (long) state.setSys(SYS.cr3, entry.pageTables ?? 0);
  state.eflags = Flag.one;
  state.setCpl(0);
  state.setSegment(Seg.cs, { ...flat, selector: entry.code, attributes: SHARED | Attr.code | (long ? Attr.long : Attr.big) });
  for (const segment of [Seg.ds, Seg.es, Seg.fs, Seg.gs, Seg.ss]) {
    state.setSegment(segment, { ...flat, selector: entry.data, attributes: SHARED | Attr.big });
  }
  if (entry.task) state.setSegment(Seg.tr, { base: 0, limit: 0x67, selector: 0, attributes: BUSY_TSS, unusable: false });
  if (entry.gdt) {
    state.setSys(SYS.gdtrBase, entry.gdt.base);
    state.setSys(SYS.gdtrLimit, entry.gdt.limit);
  }
  for (const register of Object.values(Reg)) state.setReg32(register, 0);
  for (const [name, value] of Object.entries(entry.registers)) state.setReg32(Reg[name as keyof typeof Reg], value >>> 0);
  state.ip = entry.ip;
  state.refresh();
  mmu.flush();
}

/** Selectors of Linux's boot protocol: __BOOT_CS and __BOOT_DS. */
export const BOOT_CS = 0x10;
export const BOOT_DS = 0x18;

/**
 * Writes a GDT with the flat segments of `BOOT_CS` and `BOOT_DS`.
 * @param long the code segment is 64-bit
 */
export function writeBootGdt(memory: PhysicalMemory, base: number, long: boolean): { base: number; limit: number } {
  const view = new DataView(new ArrayBuffer(32));
  view.setUint32(BOOT_CS, 0x0000ffff, true);
  view.setUint32(BOOT_CS + 4, long ? 0x00af9b00 : 0x00cf9b00, true);
  view.setUint32(BOOT_DS, 0x0000ffff, true);
  view.setUint32(BOOT_DS + 4, 0x00cf9300, true);
  put(memory, base, new Uint8Array(view.buffer));
  return { base, limit: 31 };
}

/** Bytes that `writeIdentityTables` takes: a table of each level, and a directory a gibibyte. */
export const IDENTITY_TABLES_SIZE = 6 * 4096;

/**
 * Writes 4-level page tables that map the first 4 GiB to themselves with 2 MiB pages.
 * @param base physical address, a multiple of 4 KiB
 * @returns CR3
 */
export function writeIdentityTables(memory: PhysicalMemory, base: number): number {
  const present = 0x003;
  const large = 0x083;
  const tables = new Uint32Array(IDENTITY_TABLES_SIZE / 4);
  tables[0] = (base + 0x1000) | present;
  for (let i = 0; i < 4; i++) tables[0x400 + i * 2] = (base + 0x2000 + i * 0x1000) | present;
  for (let i = 0; i < 2048; i++) tables[0x800 + i * 2] = (i << 21) | large;
  put(memory, base, new Uint8Array(tables.buffer));
  return base;
}
