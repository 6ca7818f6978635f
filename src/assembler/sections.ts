/** Sections: what is assembled where, and what the linker or the layout still has to fill in. */

import type { Bits } from '../isa/types';
import type { Int } from './int64';
import { MAX_IMAGE_BYTES } from './limits';
import type { Place } from './source';
import type { Base, WrtTarget } from './values';

/** A field whose value is known only when all sections have their addresses. */
export interface SectionFixup {
  /** In the section. */
  readonly offset: number;
  readonly size: number;
  /** Absent where an absolute number is made relative to its place. */
  readonly base: Base | undefined;
  readonly addend: Int;
  /** The value less the address of the byte `from` of this section. */
  readonly relative: boolean;
  readonly from: number;
  readonly wrt: WrtTarget | undefined;
  /** The field is sign-extended when used. */
  readonly signed: boolean;
  /** A data definition: large values wrap without complaint where NASM's do. */
  readonly place: Place;
}

/** Bytes that grow at the end. */
export class ByteBuffer {
  private bytes = new Uint8Array(256);
  length = 0;

  private reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    let capacity = this.bytes.length;
    while (capacity < needed) capacity *= 2;
    const grown = new Uint8Array(capacity);
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  append(bytes: Uint8Array | readonly number[]): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Repeats the last `length` bytes so many times more. */
  repeatLast(length: number, times: number): void {
    this.reserve(length * times);
    const from = this.length - length;
    if (length === 1) this.bytes.fill(this.bytes[from], this.length, this.length + times);
    else for (let i = 0; i < times; i++) this.bytes.copyWithin(this.length + i * length, from, from + length);
    this.length += length * times;
  }

  zeros(count: number): void {
    this.reserve(count);
    this.bytes.fill(0, this.length, this.length + count);
    this.length += count;
  }

  /** A view, valid until the next change. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}

/** Attributes that SECTION gives, as far as the source states them. */
export interface SectionAttributes {
  nobits?: boolean;
  /** The type comes from the section's name. */
  implied?: boolean;
  align?: number;
  /** Flat images only. */
  start?: number;
  vstart?: number;
  follows?: string;
  vfollows?: string;
  valign?: number;
  /** ELF only. */
  exec?: boolean;
  write?: boolean;
  alloc?: boolean;
  tls?: boolean;
  merge?: boolean;
  strings?: boolean;
  entrySize?: number;
  type?: number;
}

/** Lines at which the bytes of a section begin, in order; a row ends where the next begins. */
export interface LineRow {
  readonly offset: number;
  readonly length: number;
  readonly file: string;
  readonly line: number;
  /** Code size of the instructions; undefined for data. */
  readonly bits: Bits | undefined;
}

export class Section implements Base {
  readonly kind = 'section' as const;
  readonly name: string;
  readonly attributes: SectionAttributes;
  /** Where the source first says SECTION; undefined for the one that is there from the start. */
  place: Place | undefined;
  /** Order among the sections that are declared; 0 for the first one where it is only written to. */
  rank = 0;
  /** Where the next byte goes in the current pass. */
  offset = 0;
  /** How far the last label of this pass has moved from where it was in the pass before. */
  drift = 0;
  readonly data = new ByteBuffer();
  readonly fixups: SectionFixup[] = [];
  readonly lines: LineRow[] = [];
  /** In a flat image: address of the first byte, set by the layout. */
  address = 0;

  constructor(name: string, attributes: SectionAttributes, place: Place | undefined) {
    this.name = name;
    this.attributes = attributes;
    this.place = place;
  }

  get nobits(): boolean {
    return this.attributes.nobits ?? false;
  }

  startPass(): void {
    this.offset = 0;
    this.drift = 0;
  }

  /** Whether so many bytes more are within the limit. */
  hasRoom(count: number): boolean {
    return this.offset + count <= MAX_IMAGE_BYTES;
  }
}
