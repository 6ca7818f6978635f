/** The state after RESET# (manual, "Processor State After Reset"). */
import { MISC_ENABLE, STATE_END, SYS, VECTOR_STATE, VECTOR_STATE_END } from '../layout';
import { Attr, Cr0, type CpuState, Flag, REAL_MODE_DATA, Reg, Seg } from '../state';

/** IA32_PAT: write-back, write-through, uncached-minus, uncacheable, twice. */
const PAT_HALF = 0x00070406;

/** IA32_MISC_ENABLE bit 0. */
const FAST_STRINGS = 1;

/** @param signature what CPUID leaf 1 gives in EAX, and RESET# in EDX */
export function resetState(state: CpuState, signature: number): void {
  const { u8 } = state.host;
  u8.fill(0, 0, STATE_END);
  u8.fill(0, VECTOR_STATE, VECTOR_STATE_END);
  for (const segment of [Seg.es, Seg.ss, Seg.ds, Seg.fs, Seg.gs]) {
    state.setSegment(segment, { selector: 0, base: 0, limit: 0xffff, attributes: REAL_MODE_DATA, unusable: false });
  }
  state.setSegment(Seg.cs, { selector: 0xf000, base: 0xffff0000, limit: 0xffff, attributes: REAL_MODE_DATA, unusable: false });
  state.setSegment(Seg.ldtr, { selector: 0, base: 0, limit: 0xffff, attributes: Attr.present | 2, unusable: false });
  state.setSegment(Seg.tr, { selector: 0, base: 0, limit: 0xffff, attributes: Attr.present | 11, unusable: false });
  state.ip = 0xfff0;
  state.eflags = Flag.one;
  state.setReg32(Reg.edx, signature);
  state.setSys(SYS.cr0, (Cr0.et | Cr0.nw | Cr0.cd) >>> 0);
  state.setSys(SYS.dr6, 0xffff0ff0);
  state.setSys(SYS.dr7, 0x400);
  state.setSys(SYS.gdtrLimit, 0xffff);
  state.setSys(SYS.idtrLimit, 0x3ff);
  state.setSysHalves(SYS.pat, PAT_HALF, PAT_HALF);
  state.setSys(SYS.xcr0, 1);
  state.host.u32[MISC_ENABLE >> 2] = FAST_STRINGS;
  state.refresh();
}
