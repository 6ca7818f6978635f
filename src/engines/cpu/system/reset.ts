/** The state after RESET# (manual, "Processor State After Reset"). */
import { Activity, MISC_ENABLE, MSR_SLOTS, MXCSR, STATE_END, SYS, VECTOR_STATE, VECTOR_STATE_END, X87_CONTROL, X87_TAGS } from '../layout';
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
  state.setSys(SYS.idtrLimit, 0xffff);
  state.setSysHalves(SYS.pat, PAT_HALF, PAT_HALF);
  state.setSys(SYS.xcr0, 1);
  state.host.u32[MISC_ENABLE >> 2] = FAST_STRINGS;
  // The x87's registers hold zeros, and are not empty.
  state.host.u32[X87_CONTROL >> 2] = 0x40;
  state.host.u32[X87_TAGS >> 2] = 0xff;
  state.host.u32[MXCSR >> 2] = 0x1f80;
  state.refresh();
}

/** After INIT: as after RESET#, but for caching, x87 and vector state, and model-specific registers. */
export function initState(state: CpuState, signature: number): void {
  const before = state.save();
  const caching = state.cr0 & (Cr0.cd | Cr0.nw);
  const kept = KEPT_BY_INIT.map((slot) => [slot, state.sys(slot), state.sysHigh(slot)] as const);
  const msrs = before.slice(MSR_SLOTS, STATE_END);
  const vectors = before.slice(STATE_END);
  resetState(state, signature);
  state.host.u8.set(msrs, MSR_SLOTS);
  state.host.u8.set(vectors, VECTOR_STATE);
  for (const [slot, low, high] of kept) state.setSysHalves(slot, low, high);
  state.setSys(SYS.cr0, (Cr0.et | caching) >>> 0);
  state.refresh();
}

const KEPT_BY_INIT = [
  SYS.sysenterCs,
  SYS.sysenterEsp,
  SYS.sysenterEip,
  SYS.star,
  SYS.lstar,
  SYS.cstar,
  SYS.sfmask,
  SYS.kernelGsBase,
  SYS.tscAux,
  SYS.xcr0,
  SYS.xss,
  SYS.pat,
  SYS.random,
  SYS.featureControl,
];

/** Where a start-up IPI lets a waiting processor begin. @param vector number of the 4 KiB page, 0 to 255 */
export function startState(state: CpuState, vector: number): void {
  state.setSegment(Seg.cs, { ...state.segment(Seg.cs), selector: vector << 8, base: vector << 12 });
  state.ip = 0;
  state.setSys(SYS.activity, Activity.active);
  state.refresh();
}
