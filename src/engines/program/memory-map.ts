/** Guest memory as boot loaders see it: what is where, and putting things there. */
import type { GuestPhysicalAddress } from '../../shared/addresses';
import type { PhysicalMemory } from '../machine/physical-memory';

export const PAGE = 4096;
export const roundUp = (value: number, to: number): number => Math.ceil(value / to) * to;
export const MEBIBYTE = 1 << 20;
/** End of conventional memory: the extended BIOS data area follows. */
export const CONVENTIONAL_END = 0x9fc00;

/** Types of the system address map (ACPI Specification, "System Address Map Interfaces"). */
export const RangeType = { available: 1, reserved: 2 } as const;

export interface MemoryRange {
  readonly base: number;
  readonly length: number;
  readonly type: number;
}

/** The same as INT 15h, E820h of the built-in BIOS. @param memory bytes of RAM */
export function memoryMap(memory: number): readonly MemoryRange[] {
  const { available, reserved } = RangeType;
  return [
    { base: 0, length: CONVENTIONAL_END, type: available },
    { base: CONVENTIONAL_END, length: 0x400, type: reserved },
    { base: 0xf0000, length: 0x10000, type: reserved },
    { base: MEBIBYTE, length: memory - MEBIBYTE, type: available },
    { base: 0xfffc0000, length: 0x40000, type: reserved },
  ];
}

/** Copies bytes into RAM. @throws Error where not all of it is RAM */
export function put(memory: PhysicalMemory, address: number, bytes: Uint8Array): void {
  if (memory.writeBytes(address as GuestPhysicalAddress, bytes) < bytes.length) {
    throw new Error(`0x${address.toString(16)} to 0x${(address + bytes.length).toString(16)} is not all RAM`);
  }
}

/** A part of a program and where it goes. */
export interface Segment {
  /** Physical address. */
  readonly address: number;
  readonly bytes: Uint8Array;
  /** Bytes in memory; what the file does not give is zero. */
  readonly size: number;
  /** The ELF file's own headers, which linkers put in front of the first page: lost without harm where there is no RAM. */
  readonly headersOnly?: boolean;
}

/**
 * Puts a program into memory.
 * @param end bytes of RAM
 * @returns the address behind it, at least 1 MiB
 * @throws Error with one line when it does not fit
 */
export function loadSegments(memory: PhysicalMemory, segments: readonly Segment[], end: number): number {
  let top = MEBIBYTE;
  for (const { address, bytes, size, headersOnly } of segments) {
    if (address + size > end) {
      throw new Error(
        `the kernel wants 0x${address.toString(16)} to 0x${(address + size).toString(16)}, memory ends at 0x${end.toString(16)}`,
      );
    }
    if (headersOnly && memory.writeBytes(address as GuestPhysicalAddress, bytes) < bytes.length) continue;
    put(memory, address, bytes);
    put(memory, address + bytes.length, new Uint8Array(size - bytes.length));
    top = Math.max(top, address + size);
  }
  return top;
}

/** A file that a kernel is given, with its command line. */
export interface BootModule {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** A record in guest memory that is being written: fields by offset, strings and tables behind. */
export class RecordWriter {
  readonly base: number;
  private readonly parts: Uint8Array;
  private readonly view: DataView;
  private used: number;

  /** @param size of the record itself, zeroed @param room for what is appended */
  constructor(base: number, size: number, room: number) {
    this.base = base;
    this.parts = new Uint8Array(size + room);
    this.view = new DataView(this.parts.buffer);
    this.used = size;
  }

  u8(offset: number, value: number): void {
    this.view.setUint8(offset, value);
  }

  u16(offset: number, value: number): void {
    this.view.setUint16(offset, value, true);
  }

  u32(offset: number, value: number): void {
    this.view.setUint32(offset, value, true);
  }

  u64(offset: number, value: number): void {
    this.view.setUint32(offset, value % 2 ** 32, true);
    this.view.setUint32(offset + 4, Math.floor(value / 2 ** 32), true);
  }

  set(offset: number, bytes: Uint8Array): void {
    this.parts.set(bytes, offset);
  }

  /** Takes zeroed room behind what is there. @returns its offset from `base` */
  take(size: number, alignment = 1): number {
    const offset = roundUp(this.used, alignment);
    this.used = offset + size;
    if (this.used > this.parts.length) throw new Error('boot information is larger than planned');
    return offset;
  }

  /** Appends text with a final 0. @returns its physical address */
  text(value: string): number {
    const bytes = new TextEncoder().encode(value);
    const offset = this.take(bytes.length + 1);
    this.parts.set(bytes, offset);
    return this.base + offset;
  }

  get bytes(): Uint8Array {
    return this.parts.subarray(0, this.used);
  }
}

/** Bytes that a text takes at most, its final 0 included. */
export const textRoom = (value: string): number => value.length * 3 + 1;
