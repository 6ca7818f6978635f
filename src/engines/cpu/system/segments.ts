/** Loading segment registers, with the manual's checks in the manual's order ("Segmentation", MOV, LDS, LLDT, LTR). */
import type { LinearAddress } from '../../../shared/addresses';
import { Attr, type CpuState, highHalf, isCanonical, Seg, type SegmentRegister } from '../state';
import { type Descriptor, fetchDescriptor, isNull, SystemType } from './descriptors';
import { GuestFault, gp, selectorCode, Vector } from './fault';
import type { Mmu } from './mmu';

export interface SegmentContext {
  readonly state: CpuState;
  readonly mmu: Mmu;
}

const NULL_ATTRIBUTES = 0;

export function nullSegment(selector: number): SegmentRegister {
  return { selector, base: 0, limit: 0, attributes: NULL_ATTRIBUTES, unusable: true };
}

/** The register contents that a descriptor gives. */
export function registerFrom(selector: number, descriptor: Descriptor): SegmentRegister {
  return {
    selector,
    base: descriptor.base,
    limit: descriptor.limit,
    attributes: descriptor.attributes | (descriptor.isSegment ? Attr.accessed : 0),
    unusable: false,
  };
}

/** Sets the accessed bit in memory unless it is set. */
export function markAccessed({ state, mmu }: SegmentContext, descriptor: Descriptor): void {
  if (!descriptor.isSegment || descriptor.attributes & Attr.accessed) return;
  const at = state.advance(descriptor.address, 5);
  mmu.write(at, 1, ((descriptor.high >>> 8) & 0xff) | Attr.accessed, false);
}

/** Loads DS, ES, FS, GS or SS as MOV, POP and LDS do, in any mode. */
export function loadSegment(c: SegmentContext, segment: Seg, selector: number): void {
  const { state } = c;
  if (!state.protectedMode || state.virtual8086) {
    state.setRealSegment(segment, selector);
  } else if (segment === Seg.ss && state.long && isNull(selector) && state.cpl < 3 && (selector & 3) === state.cpl) {
    // 64-bit code may run without a stack segment.
    state.setSegment(Seg.ss, nullSegment(selector));
  } else if (segment === Seg.ss) {
    const descriptor = checkStackSegment(c, selector, state.cpl, Vector.gp);
    markAccessed(c, descriptor);
    state.setSegment(Seg.ss, registerFrom(selector, descriptor));
  } else {
    loadDataSegment(c, segment, selector);
  }
  if (segment === Seg.ss) state.refresh();
}

function loadDataSegment(c: SegmentContext, segment: Seg, selector: number): void {
  const { state, mmu } = c;
  if (isNull(selector)) {
    state.setSegment(segment, nullSegment(selector));
    return;
  }
  const code = selectorCode(selector);
  const descriptor = fetchDescriptor(state, mmu, selector);
  if (!descriptor) throw gp(code, `selector 0x${selector.toString(16)} lies outside its descriptor table`);
  if (!descriptor.isSegment || (descriptor.isCode && !descriptor.readWrite))
    throw gp(code, 'the descriptor is neither data nor readable code');
  if (!descriptor.conforming && Math.max(selector & 3, state.cpl) > descriptor.dpl) {
    throw gp(code, `RPL ${selector & 3} or CPL ${state.cpl} > descriptor DPL ${descriptor.dpl}`);
  }
  if (!descriptor.present) throw new GuestFault(Vector.np, code, 'the segment is not present');
  markAccessed(c, descriptor);
  state.setSegment(segment, registerFrom(selector, descriptor));
}

/**
 * The checks on a stack segment for privilege `cpl`.
 * @param vector #GP for plain loads, #TS for a new stack on the way through a gate
 */
export function checkStackSegment({ state, mmu }: SegmentContext, selector: number, cpl: number, vector: number): Descriptor {
  const code = selectorCode(selector);
  if (isNull(selector)) throw new GuestFault(vector, vector === Vector.ts ? code : 0, 'a null selector for SS');
  const descriptor = fetchDescriptor(state, mmu, selector);
  if (!descriptor) throw new GuestFault(vector, code, `SS selector 0x${selector.toString(16)} lies outside its descriptor table`);
  if ((selector & 3) !== cpl) throw new GuestFault(vector, code, `SS RPL ${selector & 3} ≠ CPL ${cpl}`);
  if (!descriptor.isSegment || descriptor.isCode || !descriptor.readWrite) throw new GuestFault(vector, code, 'SS must be writable data');
  if (descriptor.dpl !== cpl) throw new GuestFault(vector, code, `SS DPL ${descriptor.dpl} ≠ CPL ${cpl}`);
  if (!descriptor.present) throw new GuestFault(Vector.ss, code, 'the stack segment is not present');
  return descriptor;
}

/** LLDT. */
export function loadLdtr({ state, mmu }: SegmentContext, selector: number, vector: number = Vector.gp): void {
  if (isNull(selector)) {
    state.setSegment(Seg.ldtr, nullSegment(selector));
    return;
  }
  const code = selectorCode(selector);
  const descriptor = selector & 4 ? undefined : fetchDescriptor(state, mmu, selector);
  if (!descriptor) throw new GuestFault(vector, code, 'the LDT selector must lie in the GDT');
  if (descriptor.isSegment || descriptor.type !== SystemType.ldt) throw new GuestFault(vector, code, 'the descriptor is no LDT');
  if (!descriptor.present) throw new GuestFault(vector === Vector.ts ? Vector.ts : Vector.np, code, 'the LDT is not present');
  if (!isCanonical(descriptor.base)) throw gp(code, "the LDT's base is not canonical");
  state.setSegment(Seg.ldtr, registerFrom(selector, descriptor));
}

/** LTR: loads the task register and marks the TSS busy. */
export function loadTaskRegister({ state, mmu }: SegmentContext, selector: number): void {
  if (isNull(selector)) throw gp(0, 'a null selector for TR');
  const code = selectorCode(selector);
  const descriptor = selector & 4 ? undefined : fetchDescriptor(state, mmu, selector);
  if (!descriptor) throw gp(code, 'the TSS selector must lie in the GDT');
  const available = descriptor.type === SystemType.tss32 || (descriptor.type === SystemType.tss16 && !state.longMode);
  if (descriptor.isSegment || !available) {
    throw gp(code, 'the descriptor is no available TSS');
  }
  if (!descriptor.present) throw new GuestFault(Vector.np, code, 'the TSS is not present');
  if (!isCanonical(descriptor.base)) throw gp(code, "the TSS's base is not canonical");
  setBusy(mmu, descriptor, true);
  state.setSegment(Seg.tr, registerFrom(selector, { ...descriptor, attributes: descriptor.attributes | 2 }));
}

/** Writes a TSS descriptor's busy bit. */
export function setBusy(mmu: Mmu, descriptor: Descriptor, busy: boolean): void {
  const at = mmu.advance(descriptor.address, 4);
  const high = mmu.read(at, 4, false);
  mmu.write(at, 4, (busy ? high | 0x200 : high & ~0x200) >>> 0, false);
}

/**
 * Exact check of an access through a segment register.
 * @param offset unsigned, in 64-bit code signed; @param size in bytes
 * @returns the linear address
 * @throws GuestFault #SS(0) for SS, #GP(0) otherwise
 */
export function checkAccess(state: CpuState, segment: Seg, offset: number, size: number, write: boolean): LinearAddress {
  const linear = state.linear(segment, offset);
  if (state.long) {
    if (!isCanonical(linear)) throw nonCanonical(segment, linear, highHalf(linear));
    // Processors look at the alignment before they look at the end.
    requireAligned(state, linear, size);
    if (!isCanonical(linear + size - 1)) throw nonCanonical(segment, linear, highHalf(linear));
    return linear;
  }
  if (state.surelyAllowed(segment, offset, size, write)) return linear;
  const reason = accessFlaw(state.segment(segment), offset, size, write);
  if (reason !== undefined) {
    throw new GuestFault(segment === Seg.ss ? Vector.ss : Vector.gp, 0, `${SEGMENT_LABELS[segment]}: ${reason}`);
  }
  return linear;
}

const LONGEST_ALIGNED = 10;

/**
 * Manual, "Alignment Check Exception (#AC)": numbers of 10 bytes lie at multiples of 8; of vectors processors ask nothing
 * beyond what their instructions ask of themselves, nor of areas.
 * @throws GuestFault #AC
 */
export function requireAligned(state: CpuState, linear: number, size: number): void {
  if (!state.alignmentChecked || size > LONGEST_ALIGNED) return;
  const alignment = size === LONGEST_ALIGNED ? 8 : size;
  if ((linear & (alignment - 1)) === 0) return;
  throw new GuestFault(Vector.ac, 0, `an access of ${size} bytes at 0x${linear.toString(16)} is not aligned`);
}

/** @param low @param high halves of the address */
export function nonCanonical(segment: number, low: number, high: number): GuestFault {
  const address = `${(high >>> 0).toString(16).padStart(8, '0')}${(low >>> 0).toString(16).padStart(8, '0')}`;
  return new GuestFault(segment === Seg.ss ? Vector.ss : Vector.gp, 0, `the address 0x${address} is not canonical`);
}

const SEGMENT_LABELS = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDTR', 'TR'];

const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;

/** What forbids an access, or undefined. */
function accessFlaw(register: SegmentRegister, offset: number, size: number, write: boolean): string | undefined {
  const { attributes, limit } = register;
  if (register.unusable) return `the selector ${hex(register.selector)} is null or unusable`;
  if (!(attributes & Attr.present)) return 'the segment is not present';
  const isCode = (attributes & Attr.code) !== 0;
  if (write && (isCode || !(attributes & Attr.readWrite))) return `a write to ${isCode ? 'a code' : 'a read-only'} segment`;
  if (!write && isCode && !(attributes & Attr.readWrite)) return 'a read of an execute-only segment';
  const last = offset + size - 1;
  if (!isCode && attributes & Attr.expandConform) {
    const top = attributes & Attr.big ? 0xffffffff : 0xffff;
    if (offset <= limit || last > top)
      return `offsets ${hex(offset)} to ${hex(last)} lie outside ${hex(limit + 1)} to ${hex(top)} (expand-down)`;
  } else if (last > limit && limit !== 0xffffffff) {
    // Under a limit of 4 GiB an access wraps around instead: the manual leaves it open, processors do.
    return `offsets ${hex(offset)} to ${last > 0xffffffff ? `0x${last.toString(16)}` : hex(last)} go beyond the limit ${hex(limit)}`;
  }
  return undefined;
}
