/** The guest's own breakpoints in DR0 to DR3 (manual, "Debug Registers"). */
import type { LinearAddress } from '../../../shared/addresses';
import { SYS } from '../layout';
import { Cr4, type CpuState } from '../state';

interface Breakpoint {
  /** DR6 bit. */
  readonly bit: number;
  readonly address: number;
  /** 0 execute, 1 write, 2 port, 3 read or write. */
  readonly type: number;
  readonly length: number;
}

const SLOTS = [SYS.dr0, SYS.dr1, SYS.dr2, SYS.dr3];
const LENGTHS = [1, 2, 8, 4];
/** L0 to G3 of DR7. */
const ENABLED = 0xff;

/** DR7 and the addresses, taken apart when they are written. */
export class DebugRegisters {
  private readonly state: CpuState;
  private instructions: readonly Breakpoint[] = [];
  private data: readonly Breakpoint[] = [];
  private ports: readonly Breakpoint[] = [];

  constructor(state: CpuState) {
    this.state = state;
  }

  private get any(): boolean {
    return this.instructions.length + this.data.length + this.ports.length > 0;
  }

  /** To be called after a debug register changed. @returns whether there were breakpoints, or are */
  update(): boolean {
    const before = this.any;
    const dr7 = this.state.sys(SYS.dr7);
    if (!before && !(dr7 & ENABLED)) return false;
    const enabled = SLOTS.flatMap((slot, i): Breakpoint[] => {
      if (!(dr7 & (3 << (i * 2)))) return [];
      const control = (dr7 >>> (16 + i * 4)) & 15;
      return [{ bit: 1 << i, address: this.state.sys64(slot), type: control & 3, length: LENGTHS[control >> 2] }];
    });
    this.instructions = enabled.filter(({ type }) => type === 0);
    this.ports = enabled.filter(({ type }) => type === 2);
    this.data = enabled.filter(({ type }) => type === 1 || type === 3);
    return before || this.any;
  }

  /** There are breakpoints on instructions. */
  get breaksAnywhere(): boolean {
    return this.instructions.length > 0;
  }

  breaksOnPage(page: number): boolean {
    return this.instructions.some(({ address }) => Math.floor(address / 4096) === page);
  }

  breaksAt(address: number): boolean {
    return this.instructions.some((breakpoint) => breakpoint.address === address);
  }

  /** DR6 bits for an instruction at an address. */
  instructionHits(address: LinearAddress): number {
    return this.instructions.reduce((bits, breakpoint) => bits | (breakpoint.address === address ? breakpoint.bit : 0), 0);
  }

  /** DR6 bits for a port access; these breakpoints exist with CR4.DE alone. */
  portHits(port: number, size: number): number {
    if (this.ports.length === 0 || !(this.state.cr4 & Cr4.de)) return 0;
    return this.ports.reduce((bits, { bit, address, length }) => {
      const start = address - (address % length);
      return port < start + length && start < port + size ? bits | bit : bits;
    }, 0);
  }

  /** Linear pages that hold watched bytes. */
  dataPages(): number[] {
    return this.data.map(({ address }) => Math.floor(address / 4096));
  }

  /** DR6 bits for a data access; addresses are aligned to the length, as the processor does. */
  dataHits(linear: number, size: number, write: boolean): number {
    return this.data.reduce((bits, { bit, address, type, length }) => {
      const start = address - (address % length);
      const overlaps = linear < start + length && start < linear + size;
      return overlaps && (write || type === 3) ? bits | bit : bits;
    }, 0);
  }
}
