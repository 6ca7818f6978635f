/**
 * A VMCS region in memory. Its layout is the processor's own affair (manual, "Format of the VMCS Region"): fields are kept where the region
 * lies, 8 bytes each in the order of the table, so that they can be dumped like anything else, and nothing has to be written back.
 */
import type { PhysicalMemory } from '../../machine/physical-memory';
import { join } from '../state';
import { VMCS_FIELDS } from './fields';

/** What IA32_VMX_BASIC says: the first 31 bits of every region. */
export const VMCS_REVISION = 0x52494e47;
/** Bytes of a region. */
export const VMCS_SIZE = 4096;
/** In a region's first word: a shadow VMCS. */
export const SHADOW_INDICATOR = 0x80000000;

const ABORT_INDICATOR = 4;
const LAUNCH_STATE = 8;
const FIRST_FIELD = 64;

/** Bytes of it that hold anything. */
export const VMCS_USED = FIRST_FIELD + VMCS_FIELDS.length * 8;

/** Where fields lie, by encoding; 0 for those that do not exist. */
const OFFSETS = new Uint16Array(0x8000);
VMCS_FIELDS.forEach(({ encoding }, i) => {
  OFFSETS[encoding] = FIRST_FIELD + i * 8;
});

/** What checks and views see of a VMCS. Fields are named by their encodings. */
export interface VmcsReader {
  /** Bits 0 to 31, unsigned. */
  low(field: number): number;
  /** Bits 32 to 63, unsigned. */
  high(field: number): number;
  /** All bits as a signed number: exact where they are a canonical address. */
  value(field: number): number;
}

/** What a state is saved into. */
export interface VmcsWriter {
  setHalves(field: number, low: number, high: number): void;
  /** @param value signed or unsigned; exact up to 2^53 */
  set(field: number, value: number): void;
}

/** One region. */
export class Vmcs implements VmcsReader, VmcsWriter {
  private readonly memory: PhysicalMemory;
  /** Physical address. */
  readonly address: number;

  constructor(memory: PhysicalMemory, address: number) {
    this.memory = memory;
    this.address = address;
  }

  private word(offset: number): number {
    return this.memory.readWord(this.address + offset) >>> 0;
  }

  private setWord(offset: number, value: number): void {
    this.memory.write(this.address + offset, 4, value >>> 0);
  }

  /** The first word: revision and shadow indicator. */
  get revision(): number {
    return this.word(0);
  }

  get abortIndicator(): number {
    return this.word(ABORT_INDICATOR);
  }

  set abortIndicator(value: number) {
    this.setWord(ABORT_INDICATOR, value);
  }

  get launched(): boolean {
    return this.word(LAUNCH_STATE) !== 0;
  }

  set launched(value: boolean) {
    this.setWord(LAUNCH_STATE, value ? 1 : 0);
  }

  low(field: number): number {
    return this.word(OFFSETS[field]);
  }

  high(field: number): number {
    return this.word(OFFSETS[field] + 4);
  }

  value(field: number): number {
    return join(this.low(field), this.high(field));
  }

  /** Copies all of it that holds anything. @param bytes have room for `VMCS_USED` from `at` on */
  copyInto(bytes: Uint8Array, at: number): void {
    this.memory.readInto(this.address, bytes, at, VMCS_USED);
  }

  setHalves(field: number, low: number, high: number): void {
    this.setWord(OFFSETS[field], low);
    this.setWord(OFFSETS[field] + 4, high);
  }

  /** @param value signed or unsigned; exact up to 2^53 */
  set(field: number, value: number): void {
    this.setHalves(field, value, Math.floor(value / 2 ** 32));
  }
}

/** What a region held. */
export class VmcsCopy implements VmcsReader {
  private readonly words: Uint32Array;

  /** @param at where a copy of `VMCS_USED` bytes begins, a multiple of 4 */
  constructor(bytes: Uint8Array, at: number) {
    this.words = new Uint32Array(bytes.buffer, bytes.byteOffset + at, VMCS_USED / 4);
  }

  low(field: number): number {
    return this.words[OFFSETS[field] >> 2];
  }

  high(field: number): number {
    return this.words[(OFFSETS[field] >> 2) + 1];
  }

  value(field: number): number {
    return join(this.low(field), this.high(field));
  }
}
