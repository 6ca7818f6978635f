/** A processor's MMU with a guest's page tables under extended page tables, without a processor around it. */
import { RESERVED, SYS } from '../../src/engines/cpu/layout';
import { Access } from '../../src/engines/cpu/staged/code-width';
import { Cr0, Cr4, CpuState, Efer } from '../../src/engines/cpu/state';
import { GuestFault } from '../../src/engines/cpu/system/fault';
import { Mmu } from '../../src/engines/cpu/system/mmu';
import type { GuestContext } from '../../src/engines/cpu/vmx/guest-context';
import { HostMemory } from '../../src/engines/machine/host-memory';
import { PhysicalMemory } from '../../src/engines/machine/physical-memory';
import type { LinearAddress } from '../../src/shared/addresses';

const MEBIBYTE = 1 << 20;
/** The guest's first 2 MiB of memory lie here, page by page. */
export const GUEST = 4 * MEBIBYTE;
/** Guest-physical addresses of what the tests use. */
export const PML4 = 0x10000;
export const DATA = 0x80000;
/** Where DATA is mapped in the guest's linear addresses. */
export const AT = 0x40_0000_0000 + 0x4060_5000;

export const READ_WRITE_EXECUTE = 7;
const WRITE_BACK = 6 << 3;
export const TRACKS = 0x40;
export const NX = 0x80000000;

export type Operation = 'read' | 'write' | 'fetch';

export class EptWorld {
  readonly memory: PhysicalMemory;
  readonly state: CpuState;
  readonly mmu: Mmu;
  private nextEptTable = MEBIBYTE;
  private nextGuestTable = PML4 + 0x1000;
  readonly root: number;
  /** VM exits that writes to the TPR shadow may lead to. */
  tprWrites = 0;

  constructor() {
    const host = new HostMemory(RESERVED);
    this.memory = new PhysicalMemory(host);
    this.memory.addRam(0, 16 * MEBIBYTE);
    this.state = new CpuState(host);
    this.mmu = new Mmu(this.state, this.memory);
    this.mmu.initialize();
    this.mmu.onTprWrite = () => {
      this.tprWrites++;
    };
    this.root = this.takeEptTable();
    for (let page = 0; page < 2 * MEBIBYTE; page += 4096) this.mapEpt(page, GUEST + page);
    this.mapGuest(AT, DATA);
    this.fourLevels();
  }

  /** 64-bit code of ring 0, under the guest's tables. */
  fourLevels(): void {
    this.control({ cr0: (Cr0.pe | Cr0.wp | Cr0.pg) >>> 0, cr3: PML4, cr4: Cr4.pae, efer: Efer.lma | Efer.lme | Efer.nxe });
  }

  control(registers: Partial<Record<'cr0' | 'cr3' | 'cr4' | 'efer', number>>): void {
    for (const [name, value] of Object.entries(registers)) this.state.setSys(SYS[name as 'cr0'], value);
    this.state.refresh();
  }

  enter(context: Partial<GuestContext> & { readonly flags?: number } = {}): void {
    const { flags = 0, ...rest } = context;
    this.mmu.enterGuest({
      eptPointer: [(this.root | 0x18 | 6 | flags) >>> 0, 0],
      vpid: 1,
      apicAccessPage: -1,
      virtualApicPage: -1,
      ...rest,
    });
  }

  /** Leaves the guest and enters it again, as an exit without a reason would. */
  bounce(context: Partial<GuestContext> & { readonly flags?: number } = {}): void {
    this.mmu.noteControls();
    this.mmu.leaveGuest();
    this.mmu.noteControls();
    this.enter(context);
  }

  // --- extended page tables

  private takeEptTable(): number {
    this.nextEptTable += 4096;
    return this.nextEptTable - 4096;
  }

  /** @param shift log2 of the page's size */
  mapEpt(guestPhysical: number, physical: number, bits = READ_WRITE_EXECUTE, shift = 12): void {
    this.put(this.eptEntry(guestPhysical, shift), physical + (bits | WRITE_BACK | (shift > 12 ? 0x80 : 0)));
  }

  /** Host-physical address of an entry; tables above it are made. */
  eptEntry(guestPhysical: number, shift: number): number {
    let table = this.root;
    for (let at = 39; ; at -= 9) {
      const entry = table + (Math.floor(guestPhysical / 2 ** at) & 0x1ff) * 8;
      if (at === shift) return entry;
      if (this.memory.read(entry, 4) === 0) this.put(entry, this.takeEptTable() | READ_WRITE_EXECUTE);
      table = (this.memory.read(entry, 4) & 0xfffff000) >>> 0;
    }
  }

  /** Gives the EPT's entry for a guest-physical address other rights. */
  allow(guestPhysical: number, rights: number, shift = 12): void {
    const at = this.eptEntry(guestPhysical, shift);
    this.memory.write(at, 4, ((this.memory.read(at, 4) & ~7) | rights) >>> 0);
  }

  /** Accessed (1) and dirty (2) flag of the EPT's last entry for a guest-physical address. */
  flagsOf(guestPhysical: number, shift = 12): number {
    return (this.memory.read(this.eptEntry(guestPhysical, shift), 4) >>> 8) & 3;
  }

  // --- the guest's page tables

  /** Maps a page with all rights: 4 levels. @param bits more of the last entry */
  mapGuest(linear: number, guestPhysical: number, bits = 0, shift = 12): void {
    this.put(GUEST + this.guestEntry(linear, shift), guestPhysical + (7 | bits | (shift > 12 ? 0x80 : 0)));
  }

  /** Guest-physical address of an entry; tables above it are made. */
  guestEntry(linear: number, shift: number): number {
    let table = PML4;
    for (let at = 39; ; at -= 9) {
      const entry = table + (Math.floor(linear / 2 ** at) & 0x1ff) * 8;
      if (at === shift) return entry;
      if (this.memory.read(GUEST + entry, 4) === 0) {
        this.put(GUEST + entry, this.nextGuestTable | 7);
        this.nextGuestTable += 4096;
      }
      table = (this.memory.read(GUEST + entry, 4) & 0xfffff000) >>> 0;
    }
  }

  /** Low half of an entry. */
  guestBits(linear: number, shift: number): number {
    return this.memory.read(GUEST + this.guestEntry(linear, shift), 4);
  }

  setGuestBits(linear: number, shift: number, bits: number): void {
    const at = GUEST + this.guestEntry(linear, shift);
    this.memory.write(at, 4, this.memory.read(at, 4) | bits);
  }

  /** Sets accessed and dirty flags in all entries for an address. */
  markAll(linear: number): void {
    for (const shift of [39, 30, 21, 12]) this.setGuestBits(linear, shift, 0x60);
  }

  put(at: number, value: number): void {
    this.memory.write(at, 4, value % 2 ** 32);
    this.memory.write(at + 4, 4, Math.floor(value / 2 ** 32));
  }

  // --- accesses

  /** @returns what an access of ring 0 ends in: nothing, an exception or a VM exit */
  attempt(operation: Operation, linear = AT): GuestFault | undefined {
    const { mmu } = this;
    const address = linear as LinearAddress;
    return caught(() => {
      if (operation === 'read') mmu.read(address, 4, false);
      else if (operation === 'write') mmu.write(address, 4, 0x12345678, false);
      else mmu.codeFrame(address, false);
    });
  }

  /** The same as handlers do it. @returns where the access goes */
  access(linear: number, size: number, access: number = Access.read): number {
    return this.mmu.access(linear as LinearAddress, size, access);
  }

  read(linear: number, size: 1 | 2 | 4 = 4): number {
    return this.mmu.read(linear as LinearAddress, size, false);
  }

  /** The low half of a quadword in memory of the host. */
  word(at: number): number {
    return this.memory.read(at, 4);
  }
}

export function caught(body: () => void): GuestFault | undefined {
  try {
    body();
    return undefined;
  } catch (error) {
    if (!(error instanceof GuestFault)) throw error;
    return error;
  }
}
