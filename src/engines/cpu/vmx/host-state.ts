/** The host-state area, loaded by every VM exit (manual, "Loading Host State"). */
import { Activity, SYS } from '../layout';
import { Attr, type CpuState, Efer, Flag, Reg, Seg, type SegmentRegister } from '../state';
import { EXIT_CONTROLS } from './control-bits';
import { Field } from './fields';
import { DEBUGCTL, mixCr0 } from './guest-state';
import type { Vmcs } from './vmcs';

const EXIT = EXIT_CONTROLS.mask;
const { present, segment, code, readWrite, accessed, big, granular, long } = Attr;
const CODE = present | segment | code | readWrite | accessed | granular;
const DATA = present | segment | readWrite | accessed | granular | big;
const BUSY_TSS = present | 11;

const DATA_SEGMENTS: readonly (readonly [segment: Seg, selector: number, base?: number])[] = [
  [Seg.ss, Field.hostSsSelector],
  [Seg.ds, Field.hostDsSelector],
  [Seg.es, Field.hostEsSelector],
  [Seg.fs, Field.hostFsSelector, Field.hostFsBase],
  [Seg.gs, Field.hostGsSelector, Field.hostGsBase],
];

export function loadHostState(state: CpuState, vmcs: Vmcs, exit: number): void {
  const wide = (exit & EXIT.hostAddressSpaceSize) !== 0;
  state.setSys(SYS.cr0, mixCr0(state.cr0, vmcs.low(Field.hostCr0)));
  state.setSysHalves(SYS.cr3, vmcs.low(Field.hostCr3), vmcs.high(Field.hostCr3));
  state.setSys(SYS.cr4, vmcs.low(Field.hostCr4));
  state.setSys(SYS.dr7, 0x400);
  state.host.u32.fill(0, DEBUGCTL, DEBUGCTL + 2);
  state.setSys(SYS.sysenterCs, vmcs.low(Field.hostSysenterCs));
  state.setSys64(SYS.sysenterEsp, vmcs.value(Field.hostSysenterEsp));
  state.setSys64(SYS.sysenterEip, vmcs.value(Field.hostSysenterEip));
  const efer = exit & EXIT.loadEfer ? vmcs.low(Field.hostEfer) : state.efer;
  const mode = Efer.lma | Efer.lme;
  state.setSys(SYS.efer, (wide ? efer | mode : efer & ~mode) >>> 0);
  if (exit & EXIT.loadPat) state.setSysHalves(SYS.pat, vmcs.low(Field.hostPat), vmcs.high(Field.hostPat));
  state.eflags = Flag.one;
  state.setCpl(0);
  loadSegments(state, vmcs, wide);
  state.setSysHalves(SYS.gdtrBase, vmcs.low(Field.hostGdtrBase), vmcs.high(Field.hostGdtrBase));
  state.setSysHalves(SYS.idtrBase, vmcs.low(Field.hostIdtrBase), vmcs.high(Field.hostIdtrBase));
  state.setSys(SYS.gdtrLimit, 0xffff);
  state.setSys(SYS.idtrLimit, 0xffff);
  state.setSys(SYS.activity, Activity.active);
  state.setSys(SYS.shadow, 0);
  state.setSys(SYS.pendingDebug, 0);
  state.refresh();
  state.ip = wide ? vmcs.value(Field.hostRip) : vmcs.low(Field.hostRip);
  if (wide) state.setRegHalves(Reg.esp, vmcs.low(Field.hostRsp), vmcs.high(Field.hostRsp));
  else state.setReg32(Reg.esp, vmcs.low(Field.hostRsp));
}

/** Only selectors and some bases are the VMCS's to say; the rest is fixed (manual, "Loading Host Segment and Descriptor-Table Registers"). */
function loadSegments(state: CpuState, vmcs: Vmcs, wide: boolean): void {
  const whole = (selector: number, base: number, attributes: number): SegmentRegister => ({
    selector,
    base,
    limit: 0xffffffff,
    attributes,
    unusable: false,
  });
  state.setSegment(Seg.cs, whole(vmcs.low(Field.hostCsSelector), 0, CODE | (wide ? long : big)));
  for (const [number, selectorField, baseField] of DATA_SEGMENTS) {
    const selector = vmcs.low(selectorField);
    const base = baseField === undefined ? 0 : wide ? vmcs.value(baseField) : vmcs.low(baseField);
    state.setSegment(number, { ...whole(selector, base, DATA), unusable: selector === 0 });
  }
  const tr = vmcs.low(Field.hostTrSelector);
  state.setSegment(Seg.tr, {
    selector: tr,
    base: wide ? vmcs.value(Field.hostTrBase) : vmcs.low(Field.hostTrBase),
    limit: 0x67,
    attributes: BUSY_TSS,
    unusable: false,
  });
  state.setSegment(Seg.ldtr, { selector: 0, base: 0, limit: 0, attributes: present | 2, unusable: true });
}
