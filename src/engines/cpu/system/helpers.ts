/** The semantics that are plain TypeScript, by the names of the instruction table: rare and intricate operations. */
import { INSTRUCTIONS } from '../../../isa/table';
import { monitor, mwait } from './address-monitor';
import * as control from './control';
import type { Cpu } from './cpu';
import * as extensions from './extensions';
import * as io from './io';
import * as transfers from './transfers';
import * as user from './user';
import * as x87 from './x87';
import { XSAVE_HELPERS } from './xsave';
import * as vmx from '../vmx/instructions';
import { INTERCEPTED } from '../vmx/intercepts';

export type Helper = (cpu: Cpu) => void;

export const HELPERS: Readonly<Record<string, Helper | undefined>> = {
  callFar: transfers.callFar,
  jmpFar: transfers.jmpFar,
  retFar: transfers.retFar,
  iret: transfers.iret,
  sysenter: transfers.sysenter,
  sysexit: transfers.sysexit,
  syscall: transfers.syscall,
  sysret: transfers.sysret,

  movFromControl: control.movFromControl,
  movToControl: control.movToControl,
  movFromDebug: control.movFromDebug,
  movToDebug: control.movToDebug,
  movFromTest: control.noTestRegister,
  movToTest: control.noTestRegister,
  lmsw: control.lmsw,
  smsw: control.smsw,
  clts: control.clts,
  sgdt: control.sgdt,
  sidt: control.sidt,
  lgdt: control.lgdt,
  lidt: control.lidt,
  lldt: control.lldt,
  ltr: control.ltr,
  sldt: control.sldt,
  str: control.str,
  invd: control.invalidateCaches,
  wbinvd: control.invalidateCaches,
  invlpg: control.invlpg,
  cpuid: control.identify,
  rdmsr: control.rdmsr,
  wrmsr: control.wrmsr,

  rdpid: control.rdpid,

  rdfsbase: extensions.rdfsbase,
  rdgsbase: extensions.rdgsbase,
  wrfsbase: extensions.wrfsbase,
  wrgsbase: extensions.wrgsbase,
  clac: extensions.clac,
  stac: extensions.stac,
  invpcid: extensions.invpcid,
  xgetbv: extensions.xgetbv,
  xsetbv: extensions.xsetbv,
  rdrand: extensions.random,
  rdseed: extensions.random,
  rdpmc: extensions.rdpmc,
  rsm: extensions.rsm,

  monitor,
  mwait,

  ...XSAVE_HELPERS,

  vmxon: vmx.vmxon,
  vmxoff: vmx.vmxoff,
  vmclear: vmx.vmclear,
  vmptrld: vmx.vmptrld,
  vmptrst: vmx.vmptrst,
  vmread: vmx.vmread,
  vmwrite: vmx.vmwrite,
  vmlaunch: vmx.vmlaunch,
  vmresume: vmx.vmresume,
  vmcall: vmx.vmcall,
  vmfunc: vmx.vmfunc,
  invept: vmx.invept,
  invvpid: vmx.invvpid,

  in: io.input,
  out: io.output,
  ins: io.ins,
  outs: io.outs,

  daa: user.daa,
  das: user.das,
  aaa: user.aaa,
  aas: user.aas,
  aam: user.aam,
  aad: user.aad,
  popf: user.popf,
  sti: user.sti,
  hlt: user.hlt,
  pusha: user.pusha,
  popa: user.popa,
  enter: user.enter,
  bound: user.bound,
  movToSegment: user.movToSegment,
  pushSegment: user.pushSegment,
  popSegment: user.popSegment,
  loadFarPointer: user.loadFarPointer,
  lar: user.lar,
  lsl: user.lsl,
  verr: user.verr,
  verw: user.verw,
  arpl: user.arpl,
  wait: x87.wait,
  ud: user.undefinedInstruction,
  int: user.int,
  int3: user.int3,
  int1: user.int1,
  into: user.into,

  f2xm1: x87.f2xm1,
  fsin: x87.fsin,
  fcos: x87.fcos,
  fsincos: x87.fsincos,
  fptan: x87.fptan,
  fpatan: x87.fpatan,
  fyl2x: x87.fyl2x,
  fyl2xp1: x87.fyl2xp1,
  fnstenv: x87.fnstenv,
  fldenv: x87.fldenv,
  fnsave: x87.fnsave,
  frstor: x87.frstor,
  fxsave: x87.fxsave,
  fxsave64: x87.fxsave64,
  fxrstor: x87.fxrstor,
  fxrstor64: x87.fxrstor64,
};

/** The helper of each row of the instruction table, by the row's number. */
export const HELPER_OF_ROW: readonly (Helper | undefined)[] = INSTRUCTIONS.map(({ semantics }) => HELPERS[semantics]);

/** What is looked at before the helper of each row runs in VMX non-root operation. */
export const INTERCEPT_OF_ROW: readonly (Helper | undefined)[] = INSTRUCTIONS.map(({ semantics }) => INTERCEPTED[semantics]);

/**
 * Those that check everything before they change a register: a fault finds nothing to take back. What they may do first is to
 * write to memory, which is not taken back. Task switches among them keep a copy themselves.
 */
const ATOMIC = new Set(
  [
    'iret int int3 int1 into sysenter sysexit syscall sysret',
    'movFromControl movToControl clts invlpg invpcid rdpid cpuid rdmsr wrmsr invd wbinvd',
    'clac stac rdfsbase rdgsbase wrfsbase wrgsbase xgetbv in out popf sti hlt monitor mwait',
    'movToSegment pushSegment popSegment lar lsl verr verw',
    'vmxon vmxoff vmclear vmptrld vmptrst vmread vmwrite vmlaunch vmresume vmcall vmfunc invept invvpid',
  ].flatMap((names) => names.split(' ')),
);

/** 1 for the rows of such helpers. */
export const ATOMIC_ROWS = Uint8Array.from(INSTRUCTIONS, ({ semantics }) => (ATOMIC.has(semantics) ? 1 : 0));
