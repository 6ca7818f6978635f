/** Descriptors: their words taken apart, and fetched from the GDT and LDT (manual, "Segment Descriptors"). */
import type { LinearAddress } from '../../../shared/addresses';
import { SYS } from '../layout';
import { Attr, type CpuState, join, Seg } from '../state';
import type { Mmu } from './mmu';

/** System descriptor types (manual, "System Descriptor Types"). */
export const SystemType = {
  tss16: 1,
  ldt: 2,
  busyTss16: 3,
  callGate16: 4,
  taskGate: 5,
  interruptGate16: 6,
  trapGate16: 7,
  tss32: 9,
  busyTss32: 11,
  callGate32: 12,
  interruptGate32: 14,
  trapGate32: 15,
} as const;

export interface Descriptor {
  /** Its linear address, to write accessed and busy bits back. */
  readonly address: LinearAddress;
  readonly low: number;
  readonly high: number;
  readonly upper: number;
  readonly base: number;
  /** In bytes, granularity applied. */
  readonly limit: number;
  /** As `SEG.attributes`. */
  readonly attributes: number;
  /** Type field: 4 bits. */
  readonly type: number;
  /** Code or data. */
  readonly isSegment: boolean;
  readonly isCode: boolean;
  readonly conforming: boolean;
  /** Code: readable. Data: writable. */
  readonly readWrite: boolean;
  readonly dpl: number;
  readonly present: boolean;
  /** What it says as a gate. */
  readonly gate: Gate;
}

/**
 * The two words of a descriptor, decoded.
 * @param upper the third of a system descriptor in IA-32e mode: bits 32 to 63 of its base or offset
 */
export function parseDescriptor(address: number, low: number, high: number, upper = 0): Descriptor {
  const rawLimit = ((high & 0xf0000) | (low & 0xffff)) >>> 0;
  const attributes = (high >>> 8) & 0xf0ff;
  const isSegment = (attributes & Attr.segment) !== 0;
  const isCode = isSegment && (attributes & Attr.code) !== 0;
  const wide = (attributes & 8) !== 0;
  return {
    address: address as LinearAddress,
    low,
    high,
    upper,
    base: join((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff000000), upper),
    limit: attributes & Attr.granular ? ((rawLimit << 12) | 0xfff) >>> 0 : rawLimit,
    attributes,
    type: attributes & 15,
    isSegment,
    isCode,
    conforming: isCode && (attributes & Attr.expandConform) !== 0,
    readWrite: (attributes & Attr.readWrite) !== 0,
    dpl: (attributes >> Attr.dplShift) & 3,
    present: (attributes & Attr.present) !== 0,
    gate: {
      selector: low >>> 16,
      offset: wide ? join((low & 0xffff) | (high & 0xffff0000), upper) : low & 0xffff,
      parameters: high & 31,
      wide,
    },
  };
}

const CACHED = 256;

/** Descriptors that were taken apart lately, by what they are made of. */
export class DescriptorCache {
  private readonly entries: (Descriptor | undefined)[] = new Array(CACHED).fill(undefined);

  /** The same as `parseDescriptor`. */
  parse(address: number, low: number, high: number, upper = 0): Descriptor {
    const slot = (address >>> 3) & (CACHED - 1);
    const known = this.entries[slot];
    if (known && known.address === address && known.low === low && known.high === high && known.upper === upper) return known;
    return (this.entries[slot] = parseDescriptor(address, low, high, upper));
  }
}

/** A gate's fields. */
export interface Gate {
  readonly selector: number;
  readonly offset: number;
  /** Call gates: words or doublewords to copy to the new stack. */
  readonly parameters: number;
  readonly wide: boolean;
}

/**
 * The descriptor that a selector names.
 * @returns undefined when it lies outside its table (or there is no LDT)
 * @throws GuestFault #PF
 */
export function fetchDescriptor(state: CpuState, mmu: Mmu, selector: number): Descriptor | undefined {
  const fromLdt = (selector & 4) !== 0;
  if (fromLdt && state.unusable(Seg.ldtr)) return undefined;
  const base = fromLdt ? state.segBase(Seg.ldtr) : state.sys64(SYS.gdtrBase);
  const limit = fromLdt ? state.segLimit(Seg.ldtr) : state.sys(SYS.gdtrLimit);
  const offset = selector & 0xfff8;
  if (offset + 7 > limit) return undefined;
  const address = state.advance(base as LinearAddress, offset);
  const low = mmu.read(address, 4, false);
  const high = mmu.read(state.advance(address, 4), 4, false);
  const type = (high >>> 8) & 0x1f;
  if (type & 0x10 || !state.longMode || !WIDE_IN_LONG_MODE.has(type)) return mmu.descriptors.parse(address, low, high);
  if (offset + 15 > limit) return undefined;
  const upper = mmu.read(state.advance(address, 8), 4, false);
  // The type field over there must be 0, so that no legacy descriptor is taken for one.
  const legacy = (mmu.read(state.advance(address, 12), 4, false) & 0x1f00) !== 0;
  return mmu.descriptors.parse(address, low, legacy ? high & ~0x1f00 : high, upper);
}

/** System descriptors of 16 bytes (manual, "System Descriptor Types", IA-32e mode). */
const WIDE_IN_LONG_MODE: ReadonlySet<number> = new Set([SystemType.ldt, SystemType.tss32, SystemType.busyTss32, SystemType.callGate32]);

export const isNull = (selector: number): boolean => (selector & 0xfffc) === 0;
