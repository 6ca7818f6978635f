/**
 * What makes an instruction exit in non-root operation (manual, "Instructions That Cause VM Exits"), by the names of the instruction
 * table. Each looks first at the faults that have priority over the exit (manual, "Relative Priority of Faults and VM Exits").
 */
import type { MemoryOperand, RegisterOperand } from '../../../isa/types';
import { SYS } from '../layout';
import { Cr0, Cr4, Reg } from '../state';
import { requireMonitor } from '../system/address-monitor';
import { checkUserInstruction, inRing0, requireProtected } from '../system/control';
import type { Cpu } from '../system/cpu';
import { gp, ud } from '../system/fault';
import { mayUsePorts, stringPort } from '../system/io';
import { effectiveAddress, readOperand, registerHalves, segmentNumber } from '../system/operands';
import { PRIMARY_CONTROLS, SECONDARY_CONTROLS } from './control-bits';
import { ExitReason } from './exit-reasons';
import { Field } from './fields';
import { destinationInfo, displacement, operandInfo, stringInfo } from './instruction-info';
import { requireMode } from './instructions';
import { type ExitDetails, VmExit } from './vm-exit';
import type { Vmcs } from './vmcs';

type Intercept = (cpu: Cpu) => void;

const PRIMARY = PRIMARY_CONTROLS.mask;
const SECONDARY = SECONDARY_CONTROLS.mask;

const vmcsOf = (cpu: Cpu): Vmcs => cpu.vmx.current as Vmcs;
const exit = (reason: number, details?: ExitDetails): never => {
  throw new VmExit(reason, details);
};
const operands = (cpu: Cpu) => cpu.instruction.operands;

/** In ring 0 it exits under a primary control; elsewhere it faults by itself. */
const whenPrimary =
  (mask: number, reason: number): Intercept =>
  (cpu) => {
    if (cpu.state.cpl === 0 && cpu.vmx.hasPrimary(mask)) exit(reason);
  };
const whenSecondary =
  (mask: number, reason: number, details?: (cpu: Cpu) => ExitDetails): Intercept =>
  (cpu) => {
    if (cpu.vmx.hasSecondary(mask)) exit(reason, details?.(cpu));
  };
const inRing0Always =
  (reason: number): Intercept =>
  (cpu) => {
    if (cpu.state.cpl === 0) exit(reason);
  };

// --- VMX instructions, which exit in every ring

const vmxInstruction =
  (reason: number, details?: (cpu: Cpu) => ExitDetails): Intercept =>
  (cpu) => {
    requireMode(cpu);
    exit(reason, details?.(cpu));
  };
const ofOperand =
  (index: number, second?: number) =>
  (cpu: Cpu): ExitDetails => {
    const list = operands(cpu);
    const info = operandInfo(list[index], second === undefined ? undefined : list[second]);
    return { ...displacement(cpu, list[index]), instructionInfo: info };
  };

/** VMREAD and VMWRITE reach a shadow VMCS where a bitmap lets them (manual, "VMCS Shadowing"). */
const fieldAccess = (reason: number, bitmap: number, field: number, other: number): Intercept => {
  const details = ofOperand(other, field);
  return (cpu) => {
    requireMode(cpu);
    if (!cpu.vmx.hasSecondary(SECONDARY.vmcsShadowing)) exit(reason, details(cpu));
    const [low, high] = registerHalves(cpu, operands(cpu)[field]);
    if (high || low >>> 15) exit(reason, details(cpu));
    const word = cpu.mmu.memory.readWord(vmcsOf(cpu).value(bitmap) + ((low >> 5) << 2));
    if ((word >>> (low & 31)) & 1) exit(reason, details(cpu));
    if (cpu.state.cpl !== 0) throw gp(0, `${cpu.instruction.row.mnemonic.toUpperCase()} needs ring 0, CPL is ${cpu.state.cpl}`);
  };
};

// --- control registers

/** Access type of a qualification. */
const Access = { to: 0, from: 1, clts: 2, lmsw: 3 } as const;
const registerAccess = (number: number, type: number, gpr: number): ExitDetails => ({ qualification: number | (type << 4) | (gpr << 8) });
const registerAt = (cpu: Cpu, index: number): RegisterOperand => operands(cpu)[index] as RegisterOperand;

const fromControl: Intercept = (cpu) => {
  if (cpu.state.cpl !== 0) return;
  const { index } = registerAt(cpu, 1);
  const leaves = index === 3 ? cpu.vmx.hasPrimary(PRIMARY.cr3StoreExiting) : index === 8 && cpu.vmx.hasPrimary(PRIMARY.cr8StoreExiting);
  if (leaves) exit(ExitReason.controlRegister, registerAccess(index, Access.from, registerAt(cpu, 0).index));
};

/** A bit that the host owns would become other than the shadow has it. */
function changesOwned(cpu: Cpu, mask: number, shadow: number, low: number, high: number): boolean {
  const vmcs = vmcsOf(cpu);
  return ((low ^ vmcs.low(shadow)) & vmcs.low(mask)) !== 0 || ((high ^ vmcs.high(shadow)) & vmcs.high(mask)) !== 0;
}

const TARGETS = [Field.cr3Target0, Field.cr3Target1, Field.cr3Target2, Field.cr3Target3];

function leavesByTarget(cpu: Cpu, low: number, high: number): boolean {
  const vmcs = vmcsOf(cpu);
  if (!cpu.vmx.hasPrimary(PRIMARY.cr3LoadExiting)) return false;
  const targets = TARGETS.slice(0, vmcs.low(Field.cr3TargetCount));
  return !targets.some((field) => vmcs.low(field) === low && vmcs.high(field) === high);
}

const LEAVES_ON_LOAD: Readonly<Record<number, ((cpu: Cpu, low: number, high: number) => boolean) | undefined>> = {
  0: (cpu, low, high) => changesOwned(cpu, Field.cr0Mask, Field.cr0Shadow, low, high),
  3: leavesByTarget,
  4: (cpu, low, high) => changesOwned(cpu, Field.cr4Mask, Field.cr4Shadow, low, high),
  8: (cpu) => cpu.vmx.hasPrimary(PRIMARY.cr8LoadExiting),
};

const toControl: Intercept = (cpu) => {
  if (cpu.state.cpl !== 0) return;
  const { index } = registerAt(cpu, 0);
  const [low, high] = registerHalves(cpu, operands(cpu)[1]);
  if (LEAVES_ON_LOAD[index]?.(cpu, low, high)) {
    exit(ExitReason.controlRegister, registerAccess(index, Access.to, registerAt(cpu, 1).index));
  }
};

const clts: Intercept = (cpu) => {
  if (cpu.state.cpl !== 0) return;
  const vmcs = vmcsOf(cpu);
  if (vmcs.low(Field.cr0Mask) & vmcs.low(Field.cr0Shadow) & Cr0.ts) exit(ExitReason.controlRegister, registerAccess(0, Access.clts, 0));
};

const LMSW_MEMORY = 1 << 6;

/** LMSW sets PE and never clears it, so a PE of 0 changes nothing (manual, "LMSW"). */
const lmsw: Intercept = (cpu) => {
  if (cpu.state.cpl !== 0) return;
  const [operand] = operands(cpu);
  const value = readOperand(cpu, operand) & 0xffff;
  const vmcs = vmcsOf(cpu);
  const [mask, shadow] = [vmcs.low(Field.cr0Mask), vmcs.low(Field.cr0Shadow)];
  const others = Cr0.mp | Cr0.em | Cr0.ts;
  const setsPe = (mask & value & ~shadow & Cr0.pe) !== 0;
  if (!setsPe && ((value ^ shadow) & mask & others) === 0) return;
  const linear = operand.kind === 'memory' ? cpu.state.linear(segmentNumber(operand), effectiveAddress(cpu, operand)) : undefined;
  const kind = operand.kind === 'memory' ? LMSW_MEMORY : 0;
  exit(ExitReason.controlRegister, { qualification: ((Access.lmsw << 4) | kind | (value << 16)) >>> 0, linear });
};

/** Its exit comes before the faults of privilege and of CR4.DE, as no other's does (manual, "Instructions That Cause VM Exits Conditionally"). */
const debugRegister =
  (which: number, direction: number): Intercept =>
  (cpu) => {
    const { index } = registerAt(cpu, which);
    if (!cpu.vmx.hasPrimary(PRIMARY.movDrExiting)) return;
    exit(ExitReason.movDr, { qualification: index | (direction << 4) | (registerAt(cpu, 1 - which).index << 8) });
  };

// --- ports

const PORTS_PER_BITMAP = 0x8000;

/** Any of the ports has its bit set, or the access wraps around (manual, "I/O-Bitmap Addresses"). */
function portLeaves(cpu: Cpu, port: number, size: number): boolean {
  const { vmx } = cpu;
  if (!vmx.hasPrimary(PRIMARY.ioBitmaps)) return vmx.hasPrimary(PRIMARY.unconditionalIoExiting);
  if (port + size > 2 * PORTS_PER_BITMAP) return true;
  const vmcs = vmcsOf(cpu);
  for (let at = port; at < port + size; at++) {
    const bitmap = vmcs.value(at < PORTS_PER_BITMAP ? Field.ioBitmapA : Field.ioBitmapB);
    if ((cpu.mmu.memory.read(bitmap + ((at % PORTS_PER_BITMAP) >> 3), 1) >> (at & 7)) & 1) return true;
  }
  return false;
}

const Io = { in: 1 << 3, string: 1 << 4, repeated: 1 << 5, immediate: 1 << 6 } as const;

const portAccess =
  (direction: 'in' | 'out'): Intercept =>
  (cpu) => {
    const [first, second] = operands(cpu);
    const [data, port] = direction === 'in' ? [first, second] : [second, first];
    const number = readOperand(cpu, port) & 0xffff;
    const size = data.kind === 'register' ? data.size : 1;
    if (!mayUsePorts(cpu, number, size) || !portLeaves(cpu, number, size)) return;
    const bits = (direction === 'in' ? Io.in : 0) | (port.kind === 'immediate' ? Io.immediate : 0);
    exit(ExitReason.io, { qualification: ((size - 1) | bits | (number << 16)) >>> 0 });
  };

const portString =
  (direction: 'in' | 'out'): Intercept =>
  (cpu) => {
    const { state, instruction } = cpu;
    const { operand, port, size } = stringPort(cpu);
    const repeated = instruction.prefixes.repeat !== 'none';
    const wide = instruction.addressSize / 8;
    if (repeated && state.reg(Reg.ecx, wide) === 0) return;
    if (!mayUsePorts(cpu, port, size) || !portLeaves(cpu, port, size)) return;
    const bits = (direction === 'in' ? Io.in : 0) | Io.string | (repeated ? Io.repeated : 0);
    const offset = state.reg(direction === 'in' ? Reg.edi : Reg.esi, wide);
    exit(ExitReason.io, {
      qualification: ((size - 1) | bits | (port << 16)) >>> 0,
      linear: state.linear(segmentNumber(operand), offset),
      instructionInfo: stringInfo(cpu, operand),
    });
  };

// --- MSRs

const LOW_MSRS = 0x1fff;
const HIGH_MSRS = 0xc0000000;
const WRITE_BITMAPS = 2048;
const HIGH_BITMAP = 1024;

const msrAccess =
  (reason: number, first: number): Intercept =>
  (cpu) => {
    if (cpu.state.cpl !== 0) return;
    if (!cpu.vmx.hasPrimary(PRIMARY.msrBitmaps)) exit(reason);
    const index = cpu.state.reg32(Reg.ecx);
    const high = (index & ~LOW_MSRS) >>> 0 === HIGH_MSRS;
    if (!high && index > LOW_MSRS) exit(reason);
    const bit = index & LOW_MSRS;
    const at = vmcsOf(cpu).value(Field.msrBitmaps) + first + (high ? HIGH_BITMAP : 0) + (bit >> 3);
    if ((cpu.mmu.memory.read(at, 1) >> (bit & 7)) & 1) exit(reason);
  };

// --- descriptor tables

/** Identities in bits 29:28 of the information. */
const tableAccess =
  (reason: number, identity: number, loads: boolean): Intercept =>
  (cpu) => {
    if (reason === ExitReason.ldtrTr) requireProtected(cpu);
    if (!loads) checkUserInstruction(cpu);
    else if (cpu.state.cpl !== 0) return;
    if (!cpu.vmx.hasSecondary(SECONDARY.descriptorTableExiting)) return;
    const [operand] = operands(cpu);
    const size = reason === ExitReason.gdtrIdtr && cpu.instruction.operandSize !== 2 ? 1 << 11 : 0;
    exit(reason, { ...displacement(cpu, operand), instructionInfo: operandInfo(operand, undefined, size | (identity << 28)) });
  };

// --- instructions that a control brings in the first place

const enabledBy = (cpu: Cpu, mask: number): void => {
  if (!cpu.vmx.hasSecondary(mask)) throw ud(`${cpu.instruction.row.mnemonic.toUpperCase()} is not enabled by the secondary controls`);
};

const invpcid: Intercept = (cpu) => {
  enabledBy(cpu, SECONDARY.invpcid);
  if (cpu.state.cpl === 0 && cpu.vmx.hasPrimary(PRIMARY.invlpgExiting)) exit(ExitReason.invpcid, ofOperand(1, 0)(cpu));
};

/** Components that have their bits in IA32_XSS, in the XSS-exiting bitmap and in what the instruction asks for. */
const supervisorArea =
  (reason: number): Intercept =>
  (cpu) => {
    enabledBy(cpu, SECONDARY.xsaves);
    const { state } = cpu;
    if (state.cpl !== 0) return;
    const vmcs = vmcsOf(cpu);
    const low = state.reg32(Reg.eax) & vmcs.low(Field.xssExitingBitmap) & state.sys(SYS.xss);
    const high = state.reg32(Reg.edx) & vmcs.high(Field.xssExitingBitmap) & state.sysHigh(SYS.xss);
    if (low || high) exit(reason, ofOperand(0)(cpu));
  };

const invlpg: Intercept = (cpu) => {
  const [operand] = operands(cpu);
  if (cpu.state.cpl !== 0 || !cpu.vmx.hasPrimary(PRIMARY.invlpgExiting)) return;
  const linear = cpu.state.linear(segmentNumber(operand as MemoryOperand), effectiveAddress(cpu, operand as MemoryOperand));
  exit(ExitReason.invlpg, { qualification: linear >>> 0, qualificationHigh: Math.floor(linear / 2 ** 32) >>> 0 });
};

const rdpmc: Intercept = (cpu) => {
  const allowed = cpu.state.cpl === 0 || !cpu.state.protectedMode || (cpu.state.cr4 & Cr4.pce) !== 0;
  if (allowed && cpu.vmx.hasPrimary(PRIMARY.rdpmcExiting)) exit(ExitReason.rdpmc);
};

const xsetbv: Intercept = (cpu) => {
  if (!(cpu.state.cr4 & Cr4.osxsave)) throw ud('XSETBV needs CR4.OSXSAVE');
  if (inRing0(cpu)) exit(ExitReason.xsetbv);
};

const XSAVES = { xsaves: ExitReason.xsaves, xrstors: ExitReason.xrstors } as const;

export const INTERCEPTED: Readonly<Record<string, Intercept | undefined>> = {
  cpuid: () => exit(ExitReason.cpuid),
  invd: inRing0Always(ExitReason.invd),
  xsetbv,
  // In every mode: it is how a guest calls, whatever it runs.
  vmcall: () => exit(ExitReason.vmcall),
  vmclear: vmxInstruction(ExitReason.vmclear, ofOperand(0)),
  vmlaunch: vmxInstruction(ExitReason.vmlaunch),
  vmptrld: vmxInstruction(ExitReason.vmptrld, ofOperand(0)),
  vmptrst: vmxInstruction(ExitReason.vmptrst, ofOperand(0)),
  vmresume: vmxInstruction(ExitReason.vmresume),
  vmxoff: vmxInstruction(ExitReason.vmxoff),
  vmxon: (cpu) => {
    if (!(cpu.state.cr4 & Cr4.vmxe)) throw ud('VMXON needs CR4.VMXE');
    vmxInstruction(ExitReason.vmxon, ofOperand(0))(cpu);
  },
  invept: vmxInstruction(ExitReason.invept, ofOperand(1, 0)),
  invvpid: vmxInstruction(ExitReason.invvpid, ofOperand(1, 0)),
  vmread: fieldAccess(ExitReason.vmread, Field.vmreadBitmap, 1, 0),
  vmwrite: fieldAccess(ExitReason.vmwrite, Field.vmwriteBitmap, 0, 1),

  hlt: whenPrimary(PRIMARY.hltExiting, ExitReason.hlt),
  monitor: (cpu) => {
    requireMonitor(cpu);
    whenPrimary(PRIMARY.monitorExiting, ExitReason.monitor)(cpu);
  },
  mwait: (cpu) => {
    requireMonitor(cpu);
    if (cpu.vmx.hasPrimary(PRIMARY.mwaitExiting)) exit(ExitReason.mwait, { qualification: cpu.monitor.armed ? 1 : 0 });
  },
  invlpg,
  rdpmc,
  movFromControl: fromControl,
  movToControl: toControl,
  clts,
  lmsw,
  movFromDebug: debugRegister(1, 1),
  movToDebug: debugRegister(0, 0),
  in: portAccess('in'),
  out: portAccess('out'),
  ins: portString('in'),
  outs: portString('out'),
  rdmsr: msrAccess(ExitReason.rdmsr, 0),
  wrmsr: msrAccess(ExitReason.wrmsr, WRITE_BITMAPS),
  sgdt: tableAccess(ExitReason.gdtrIdtr, 0, false),
  sidt: tableAccess(ExitReason.gdtrIdtr, 1, false),
  lgdt: tableAccess(ExitReason.gdtrIdtr, 2, true),
  lidt: tableAccess(ExitReason.gdtrIdtr, 3, true),
  sldt: tableAccess(ExitReason.ldtrTr, 0, false),
  str: tableAccess(ExitReason.ldtrTr, 1, false),
  lldt: tableAccess(ExitReason.ldtrTr, 2, true),
  ltr: tableAccess(ExitReason.ldtrTr, 3, true),
  wbinvd: (cpu) => {
    if (cpu.state.cpl === 0) whenSecondary(SECONDARY.wbinvdExiting, ExitReason.wbinvd)(cpu);
  },
  rdrand: whenSecondary(SECONDARY.rdrandExiting, ExitReason.rdrand, (cpu) => ({ instructionInfo: destinationInfo(cpu) })),
  rdseed: whenSecondary(SECONDARY.rdseedExiting, ExitReason.rdseed, (cpu) => ({ instructionInfo: destinationInfo(cpu) })),
  rdpid: (cpu) => enabledBy(cpu, SECONDARY.rdtscp),
  invpcid,
  ...Object.fromEntries(
    Object.entries(XSAVES).flatMap(([name, reason]) => [name, `${name}64`].map((key) => [key, supervisorArea(reason)])),
  ),
};
