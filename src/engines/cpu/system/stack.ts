/** Pushing and popping by TypeScript: on the current stack or one that is about to become it. */
import type { AccessSize } from '../../machine/physical-memory';
import type { LinearAddress } from '../../../shared/addresses';
import { Attr, type CpuState, Reg, Seg, type SegmentRegister } from '../state';
import { GuestFault, Vector } from './fault';
import type { Mmu } from './mmu';

/** A stack pointer that moves while nothing is committed to registers. */
export class StackCursor {
  private readonly mmu: Mmu;
  private readonly segment: SegmentRegister;
  private readonly mask: number;
  private readonly user: boolean;
  private readonly errorCode: number;
  /** Full stack pointer; only its low half moves on a 16-bit stack. */
  pointer: number;

  /** @param errorCode of the #SS raised when there is no room */
  constructor(mmu: Mmu, segment: SegmentRegister, pointer: number, user: boolean, errorCode = 0) {
    this.mmu = mmu;
    this.segment = segment;
    this.pointer = pointer;
    this.user = user;
    this.errorCode = errorCode;
    this.mask = segment.attributes & Attr.big ? 0xffffffff : 0xffff;
  }

  /** The current stack. */
  static current(state: CpuState, mmu: Mmu, errorCode = 0): StackCursor {
    return new StackCursor(mmu, state.segment(Seg.ss), state.reg32(Reg.esp), state.cpl === 3, errorCode);
  }

  private address(offset: number, size: number): LinearAddress {
    const { segment } = this;
    const down = (segment.attributes & Attr.expandConform) !== 0;
    const top = segment.attributes & Attr.big ? 0xffffffff : 0xffff;
    // As everywhere, a limit of 4 GiB wraps around.
    const beyond = offset + size - 1 > segment.limit && segment.limit !== 0xffffffff;
    const outside = down ? offset <= segment.limit || offset + size - 1 > top : beyond;
    if (outside || segment.unusable)
      throw new GuestFault(Vector.ss, this.errorCode, `no room on the stack at offset 0x${offset.toString(16)}`);
    return ((segment.base + offset) >>> 0) as LinearAddress;
  }

  private move(distance: number): void {
    this.pointer = ((this.pointer & ~this.mask) | ((this.pointer + distance) & this.mask)) >>> 0;
  }

  push(size: AccessSize, value: number): void {
    this.move(-size);
    this.mmu.write(this.address((this.pointer & this.mask) >>> 0, size), size, size === 2 ? value & 0xffff : value, this.user);
  }

  pop(size: AccessSize): number {
    const value = this.mmu.read(this.address((this.pointer & this.mask) >>> 0, size), size, this.user);
    this.move(size);
    return value;
  }

  /** Reads `skip` bytes above the top. */
  peek(size: AccessSize, skip: number): number {
    return this.mmu.read(this.address(((this.pointer + skip) & this.mask) >>> 0, size), size, this.user);
  }

  /** Writes at the top without moving. */
  poke(size: AccessSize, value: number): void {
    this.mmu.write(this.address((this.pointer & this.mask) >>> 0, size), size, value, this.user);
  }

  /** Faults unless the top can be written. */
  touch(size: AccessSize): void {
    this.mmu.checkWrite(this.address((this.pointer & this.mask) >>> 0, size), size, this.user);
  }

  skip(bytes: number): void {
    this.move(bytes);
  }
}
