/** Segment registers as a VMCS holds them: access rights are an attribute word of the processor's own with bit 16 for "unusable". */
import { Attr, type CpuState, Seg } from '../state';
import { GUEST_SEGMENT_FIELDS } from './fields';
import type { Vmcs, VmcsWriter } from './vmcs';

const UNUSABLE = 0x10000;
const ALL = [Seg.es, Seg.cs, Seg.ss, Seg.ds, Seg.fs, Seg.gs, Seg.ldtr, Seg.tr] as const;
/** Of these a base counts even where the register is unusable (manual, "Loading Guest Segment Registers and Descriptor-Table Registers"). */
const BASE_ALWAYS = new Set<Seg>([Seg.cs, Seg.fs, Seg.gs, Seg.tr]);
const DPL = 3 << Attr.dplShift;

export function loadGuestSegments(state: CpuState, vmcs: Vmcs): void {
  for (const segment of ALL) {
    const fields = GUEST_SEGMENT_FIELDS[segment];
    const rights = vmcs.low(fields.accessRights);
    const unusable = (rights & UNUSABLE) !== 0;
    state.setSegment(segment, {
      selector: vmcs.low(fields.selector),
      base: !unusable || BASE_ALWAYS.has(segment) ? vmcs.value(fields.base) : 0,
      limit: vmcs.low(fields.limit),
      attributes: rights & 0xf0ff,
      unusable,
    });
  }
}

/** The DPL of SS is the CPL, whatever the register holds. */
export function saveGuestSegments(state: CpuState, vmcs: VmcsWriter): void {
  for (const segment of ALL) {
    const fields = GUEST_SEGMENT_FIELDS[segment];
    const { selector, base, limit, attributes, unusable } = state.segment(segment);
    let rights = (attributes & 0xf0ff) | (unusable ? UNUSABLE : 0);
    if (segment === Seg.ss && state.protectedMode) rights = (rights & ~DPL) | (state.cpl << Attr.dplShift);
    vmcs.set(fields.selector, selector);
    vmcs.set(fields.base, base);
    vmcs.set(fields.limit, limit);
    vmcs.set(fields.accessRights, rights);
  }
}
