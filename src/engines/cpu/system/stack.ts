/** Pushing and popping by TypeScript: on the current stack or one that is about to become it. */
import type { AccessSize } from '../../machine/physical-memory';
import type { LinearAddress } from '../../../shared/addresses';
import { Attr, type CpuState, isCanonical, Reg, Seg, type SegmentRegister } from '../state';
import { GuestFault, Vector } from './fault';
import type { Mmu } from './mmu';

type StackSize = AccessSize | 8;

/** A stack pointer that moves while nothing is committed to registers. */
export class StackCursor {
  private readonly mmu: Mmu;
  /** 64-bit mode knows no stack segment. */
  private readonly long: boolean;
  private readonly base: number;
  private readonly limit: number;
  private readonly attributes: number;
  private readonly unusable: boolean;
  private readonly mask: number;
  private readonly user: boolean;
  private readonly errorCode: number;
  /** Full stack pointer; only its low half moves on a 16-bit stack. Signed in 64-bit mode. */
  pointer: number;

  /**
   * @param segment undefined for a stack of 64-bit mode
   * @param errorCode of the #SS raised when there is no room
   */
  constructor(mmu: Mmu, segment: SegmentRegister | undefined, pointer: number, user: boolean, errorCode = 0) {
    this.mmu = mmu;
    this.long = segment === undefined;
    this.base = segment === undefined ? 0 : segment.base;
    this.limit = segment === undefined ? 0 : segment.limit;
    this.attributes = segment === undefined ? 0 : segment.attributes;
    this.unusable = segment !== undefined && segment.unusable;
    this.pointer = pointer;
    this.user = user;
    this.errorCode = errorCode;
    this.mask = segment === undefined || segment.attributes & Attr.big ? 0xffffffff : 0xffff;
  }

  /** The current stack. */
  static current(state: CpuState, mmu: Mmu, errorCode = 0): StackCursor {
    const segment = state.long ? undefined : state.segment(Seg.ss);
    return new StackCursor(mmu, segment, state.regAddress(Reg.esp), state.cpl === 3, errorCode);
  }

  private address(pointer: number, size: number): LinearAddress {
    if (this.long) {
      if (isCanonical(pointer) && isCanonical(pointer + size - 1)) return pointer as LinearAddress;
      throw new GuestFault(Vector.ss, this.errorCode, 'the stack pointer is not canonical');
    }
    const { attributes, limit } = this;
    const offset = (pointer & this.mask) >>> 0;
    const down = (attributes & Attr.expandConform) !== 0;
    const top = attributes & Attr.big ? 0xffffffff : 0xffff;
    // As everywhere, a limit of 4 GiB wraps around.
    const beyond = offset + size - 1 > limit && limit !== 0xffffffff;
    const outside = down ? offset <= limit || offset + size - 1 > top : beyond;
    if (outside || this.unusable)
      throw new GuestFault(Vector.ss, this.errorCode, `no room on the stack at offset 0x${offset.toString(16)}`);
    return ((this.base + offset) >>> 0) as LinearAddress;
  }

  private move(distance: number): void {
    if (this.long) this.pointer += distance;
    else this.pointer = ((this.pointer & ~this.mask) | ((this.pointer + distance) & this.mask)) >>> 0;
  }

  push(size: StackSize, value: number): void {
    this.move(-size);
    this.mmu.write(this.address(this.pointer, size), size, size === 2 ? value & 0xffff : value, this.user);
  }

  /** Pushes 8 bytes exactly. */
  pushHalves(low: number, high: number): void {
    this.move(-8);
    this.mmu.writeHalves(this.address(this.pointer, 8), low, high, this.user);
  }

  pop(size: StackSize): number {
    const value = this.mmu.read(this.address(this.pointer, size), size, this.user);
    this.move(size);
    return value;
  }

  /** Pops all bits of a stack pointer: their halves. */
  popHalves(size: StackSize): readonly [low: number, high: number] {
    if (size !== 8) return [this.pop(size), 0];
    const halves = this.peekHalves(0);
    this.move(size);
    return halves;
  }

  /** Pops a selector or flags: what lies above their 32 bits is read and ignored. */
  popLow(size: StackSize): number {
    const value = this.peekLow(size, 0);
    this.move(size);
    return value;
  }

  /** The same without moving, `skip` bytes above the top. */
  peekLow(size: StackSize, skip: number): number {
    return size === 8 ? this.peekHalves(skip)[0] : this.peek(size, skip);
  }

  /** Reads 8 bytes exactly, `skip` bytes above the top. */
  peekHalves(skip: number): [low: number, high: number] {
    return this.mmu.readHalves(this.address(this.pointer + skip, 8), this.user);
  }

  /** Reads `skip` bytes above the top. */
  peek(size: StackSize, skip: number): number {
    return this.mmu.read(this.address(this.pointer + skip, size), size, this.user);
  }

  /** Writes at the top without moving. */
  poke(size: StackSize, value: number): void {
    this.mmu.write(this.address(this.pointer, size), size, value, this.user);
  }

  /** Faults unless the top can be written. */
  touch(size: StackSize): void {
    this.mmu.checkWrite(this.address(this.pointer, size), size, this.user);
  }

  skip(bytes: number): void {
    this.move(bytes);
  }
}
