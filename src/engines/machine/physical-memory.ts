/** The guest-physical address space: what answers at each 4 KiB frame. */
import type { GuestPhysicalAddress } from '../../shared/addresses';
import type { HostMemory } from './host-memory';

export const FRAME_SHIFT = 12;
export const FRAME_SIZE = 1 << FRAME_SHIFT;
const FRAMES = 1 << (32 - FRAME_SHIFT);
/** Stands for every frame above 4 GiB: nothing is there. */
const BEYOND = FRAMES;

/** What a frame is made of. */
export const FrameKind = { none: 0, ram: 1, rom: 2, mmio: 3 } as const;
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind];

export type AccessSize = 1 | 2 | 4;

/** A memory-mapped device. Offsets are bytes from the start of its region; values are unsigned. */
export interface MmioHandler {
  read(offset: number, size: AccessSize): number;
  write(offset: number, size: AccessSize, value: number): void;
}

interface MmioRegion {
  readonly base: number;
  readonly handler: MmioHandler;
}

/**
 * RAM, ROM and memory-mapped devices below 4 GiB. Reads of nothing give all ones and writes to nothing or to ROM are
 * dropped, as on a PC's bus.
 */
export class PhysicalMemory {
  private readonly host: HostMemory;
  private readonly kinds = new Uint8Array(FRAMES + 1);
  /** Host offset of a RAM or ROM frame; index into `regions` of an MMIO frame. */
  private readonly places = new Uint32Array(FRAMES + 1);
  private readonly regions: MmioRegion[] = [];
  /** Frames from which code was decoded; a write to one must be announced. */
  private readonly code = new Uint8Array(FRAMES + 1);
  /** Address line 20; masks every address when off. */
  private a20 = true;
  /** Called before a write of `length` bytes at `offset` changes a frame that holds decoded code. */
  onCodeWrite: (frame: number, offset: number, length: number) => void = () => {};
  /** Called when frames change their meaning, so that cached translations are dropped. */
  onRemap: () => void = () => {};

  constructor(host: HostMemory) {
    this.host = host;
  }

  /** Puts fresh zeroed RAM at `base`. Both in bytes, multiples of 4 KiB. @returns its host offset */
  addRam(base: number, length: number): number {
    const offset = this.host.allocate(length);
    this.mapRam(base, length, offset);
    return offset;
  }

  /** Maps existing host memory as RAM, so that a chipset may show the same bytes elsewhere (shadow RAM, SMRAM, a frame buffer). */
  mapRam(base: number, length: number, hostOffset: number): void {
    this.map(base, length, FrameKind.ram, hostOffset, FRAME_SIZE);
  }

  /** Maps existing host memory as ROM. */
  mapRom(base: number, length: number, hostOffset: number): void {
    this.map(base, length, FrameKind.rom, hostOffset, FRAME_SIZE);
  }

  /** Copies `bytes` into fresh host memory, shown read-only at `base`; the last frame is padded with 0xff. @returns its host offset */
  addRom(base: number, bytes: Uint8Array): number {
    const length = Math.ceil(bytes.length / FRAME_SIZE) * FRAME_SIZE;
    const offset = this.host.allocate(length);
    this.host.u8.fill(0xff, offset, offset + length);
    this.host.u8.set(bytes, offset);
    this.mapRom(base, length, offset);
    return offset;
  }

  /** Puts a device at `base`. A device that comes and goes should always give the same handler. */
  addMmio(base: number, length: number, handler: MmioHandler): void {
    const known = this.regions.findIndex((region) => region.base === base && region.handler === handler);
    const region = known >= 0 ? known : this.regions.push({ base, handler }) - 1;
    this.map(base, length, FrameKind.mmio, region, 0);
  }

  /**
   * Puts a device over one frame, whatever is there.
   * @returns what was there: how to take the device away, and how to reach what lies under it
   */
  coverFrame(base: number, handler: MmioHandler): { uncover(): void; readonly under: MmioHandler } {
    const frame = base / FRAME_SIZE;
    const [kind, place] = [this.kinds[frame], this.places[frame]];
    this.addMmio(base, FRAME_SIZE, handler);
    const uncovered = <T>(access: () => T): T => {
      const [ownKind, ownPlace] = [this.kinds[frame], this.places[frame]];
      this.kinds[frame] = kind;
      this.places[frame] = place;
      try {
        return access();
      } finally {
        this.kinds[frame] = ownKind;
        this.places[frame] = ownPlace;
      }
    };
    return {
      uncover: () => this.map(base, FRAME_SIZE, kind as FrameKind, place, 0),
      under: {
        read: (offset, size) => uncovered(() => this.read(base + offset, size)),
        write: (offset, size, value) => uncovered(() => this.write(base + offset, size, value)),
      },
    };
  }

  /** Leaves nothing at the frames. */
  unmap(base: number, length: number): void {
    this.map(base, length, FrameKind.none, 0, 0);
  }

  /** @param place of the first frame; each other's is a step further */
  private map(base: number, length: number, kind: FrameKind, place: number, step: number): void {
    if (base % FRAME_SIZE !== 0 || length % FRAME_SIZE !== 0 || base < 0 || base + length > FRAMES * FRAME_SIZE) {
      throw new Error(`physical region 0x${base.toString(16)} + 0x${length.toString(16)} is not made of 4 KiB frames below 4 GiB`);
    }
    const first = base / FRAME_SIZE;
    const end = first + length / FRAME_SIZE;
    const { code, kinds, places } = this;
    const holding = code.subarray(first, end);
    for (let i = holding.indexOf(1); i >= 0; i = holding.indexOf(1, i + 1)) this.onCodeWrite(first + i, 0, FRAME_SIZE);
    kinds.fill(kind, first, end);
    for (let frame = first; frame < end; frame++) places[frame] = place + (frame - first) * step;
    this.onRemap();
  }

  get a20Enabled(): boolean {
    return this.a20;
  }

  /** Opens or closes address line 20; closed, odd megabytes show the even ones below them. */
  setA20(enabled: boolean): void {
    if (enabled === this.a20) return;
    this.a20 = enabled;
    this.onRemap();
  }

  /** The frame that answers at a physical address, after A20. */
  frameOf(address: number): number {
    if (address >= 2 ** 32) return BEYOND;
    return ((this.a20 ? address : address & ~0x100000) >>> FRAME_SHIFT) & (FRAMES - 1);
  }

  kindOf(frame: number): FrameKind {
    return this.kinds[frame] as FrameKind;
  }

  /** Host offset of a RAM or ROM frame's first byte. */
  hostOffset(frame: number): number {
    return this.places[frame];
  }

  /** Says that code was decoded from a frame; `onCodeWrite` follows at the next write to it. */
  watchCode(frame: number): void {
    this.code[frame] = 1;
  }

  unwatchCode(frame: number): void {
    this.code[frame] = 0;
  }

  holdsCode(frame: number): boolean {
    return this.code[frame] !== 0;
  }

  /** Reads 1, 2 or 4 bytes, little-endian, unsigned; an access over a frame's edge is split into bytes. */
  read(address: number, size: AccessSize): number {
    if ((address & (FRAME_SIZE - 1)) + size > FRAME_SIZE) return this.readBytewise(address, size);
    const frame = this.frameOf(address);
    const kind = this.kinds[frame];
    if (kind === FrameKind.mmio) {
      const region = this.regions[this.places[frame]];
      return region.handler.read(frame * FRAME_SIZE + (address & (FRAME_SIZE - 1)) - region.base, size) >>> 0;
    }
    if (kind === FrameKind.none) return size === 1 ? 0xff : size === 2 ? 0xffff : 0xffffffff;
    const at = this.places[frame] + (address & (FRAME_SIZE - 1));
    const { view } = this.host;
    return size === 1 ? view.getUint8(at) : size === 2 ? view.getUint16(at, true) : view.getUint32(at, true);
  }

  /** Reads 4 bytes at a multiple of 4, quickly where they are RAM. @returns a signed number */
  readWord(address: number): number {
    const frame = this.frameOf(address);
    if (this.kinds[frame] === FrameKind.ram) return this.host.i32[(this.places[frame] + (address & (FRAME_SIZE - 1))) >>> 2];
    return this.read(address, 4) | 0;
  }

  /** Writes 1, 2 or 4 bytes, little-endian. */
  write(address: number, size: AccessSize, value: number): void {
    if ((address & (FRAME_SIZE - 1)) + size > FRAME_SIZE) {
      for (let i = 0; i < size; i++) this.write(address + i, 1, (value >>> (8 * i)) & 0xff);
      return;
    }
    const frame = this.frameOf(address);
    const kind = this.kinds[frame];
    if (kind === FrameKind.mmio) {
      const region = this.regions[this.places[frame]];
      region.handler.write(frame * FRAME_SIZE + (address & (FRAME_SIZE - 1)) - region.base, size, value >>> 0);
      return;
    }
    if (kind !== FrameKind.ram) return;
    if (this.code[frame]) this.onCodeWrite(frame, address & (FRAME_SIZE - 1), size);
    const at = this.places[frame] + (address & (FRAME_SIZE - 1));
    const { view } = this.host;
    if (size === 1) view.setUint8(at, value);
    else if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
  }

  private readBytewise(address: number, size: AccessSize): number {
    let value = 0;
    for (let i = 0; i < size; i++) value += this.read(address + i, 1) * 2 ** (8 * i);
    return value;
  }

  /** Copies bytes out as a device's DMA or a debugger would; devices are not touched (their bytes read as 0xff). */
  readBytes(address: GuestPhysicalAddress, length: number): Uint8Array {
    const bytes = new Uint8Array(length).fill(0xff);
    this.readInto(address, bytes, 0, length);
    return bytes;
  }

  /** The same into bytes that are there; what is no memory is left alone. */
  readInto(address: number, bytes: Uint8Array, start: number, length: number): void {
    this.eachChunk(address, length, (frame, offset, count, done) => {
      const kind = this.kinds[frame];
      if (kind !== FrameKind.ram && kind !== FrameKind.rom) return;
      const at = this.places[frame] + offset;
      bytes.set(this.host.u8.subarray(at, at + count), start + done);
    });
  }

  /**
   * Copies bytes into RAM as DMA does; ROM, devices and empty frames are left alone.
   * @returns how many bytes found RAM
   */
  writeBytes(address: GuestPhysicalAddress, bytes: Uint8Array): number {
    let written = 0;
    this.eachChunk(address, bytes.length, (frame, offset, count, done) => {
      if (this.kinds[frame] !== FrameKind.ram) return;
      if (this.code[frame]) this.onCodeWrite(frame, offset, count);
      this.host.u8.set(bytes.subarray(done, done + count), this.places[frame] + offset);
      written += count;
    });
    return written;
  }

  private eachChunk(address: number, length: number, visit: (frame: number, offset: number, count: number, done: number) => void): void {
    for (let done = 0; done < length; ) {
      const at = address + done;
      const offset = at & (FRAME_SIZE - 1);
      const count = Math.min(length - done, FRAME_SIZE - offset);
      visit(this.frameOf(at), offset, count, done);
      done += count;
    }
  }
}
