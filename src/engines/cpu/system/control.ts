/** Control, debug and test registers, descriptor-table registers, MSRs and identification. */
import type { RegisterOperand } from '../../../isa/types';
import { SYS } from '../layout';
import { Attr, Cr0, Cr4, type CpuState, Efer, isCanonical, Reg, Seg } from '../state';
import type { Cpu } from './cpu';
import { cpuid } from './cpuid';
import type { CpuModel } from './models';
import { DR6_BD, DR7_GD, debugException, gp, ud } from './fault';
import { readMsr, writeMsr } from './msr';
import {
  checkOperandWrite,
  effectiveAddress,
  readOperand,
  readOperandAt,
  registerHalves,
  segmentNumber,
  writeOperand,
  writeOperandAt,
  writeRegisterHalves,
} from './operands';
import { PHYSICAL_ADDRESS_BITS, setPdptes } from './paging';
import { shadowed, unshadowed } from '../vmx/control-registers';
import { loadLdtr, loadTaskRegister } from './segments';

/** #GP(0) unless in ring 0; real mode is ring 0, virtual-8086 mode ring 3. */
export function requireRing0(cpu: Cpu): void {
  if (cpu.state.cpl !== 0) throw gp(0, `${cpu.instruction.row.mnemonic.toUpperCase()} needs ring 0, CPL is ${cpu.state.cpl}`);
}

/** The same without throwing. @returns false when it is refused */
export function inRing0(cpu: Cpu): boolean {
  const { cpl } = cpu.state;
  if (cpl === 0) return true;
  const { mnemonic } = cpu.instruction.row;
  cpu.refuse(gp(0, () => `${mnemonic.toUpperCase()} needs ring 0, CPL is ${cpl}`));
  return false;
}

/** #UD in real and virtual-8086 mode. */
export function requireProtected({ state, instruction }: Cpu): void {
  if (!state.protectedMode || state.virtual8086) throw ud(`${instruction.row.mnemonic.toUpperCase()} needs protected mode`);
}

const registerOperand = (cpu: Cpu, index: number): RegisterOperand => cpu.instruction.operands[index] as RegisterOperand;

// --- control registers

const CONTROL_REGISTERS: Readonly<Record<number, number | undefined>> = { 0: SYS.cr0, 2: SYS.cr2, 3: SYS.cr3, 4: SYS.cr4 };
const CR8 = 8;

/** Bits of CR4 by the feature that brings them. */
const CR4_FEATURES: readonly (readonly [bit: number, feature: string])[] = [
  [Cr4.vme | Cr4.pvi, 'vme'],
  [Cr4.tsd, 'tsc'],
  [Cr4.de, 'de'],
  [Cr4.pse, 'pse'],
  [Cr4.pae, 'pae'],
  [Cr4.mce, 'mce'],
  [Cr4.pge, 'pge'],
  [Cr4.pce, 'rdpmc'],
  [Cr4.osfxsr, 'fxsr'],
  [Cr4.osxmmexcpt, 'sse'],
  [Cr4.umip, 'umip'],
  [Cr4.vmxe, 'vmx'],
  [Cr4.fsgsbase, 'fsgsbase'],
  [Cr4.pcide, 'pcid'],
  [Cr4.osxsave, 'xsave'],
  [Cr4.smep, 'smep'],
  [Cr4.smap, 'smap'],
];

/** Bits that CR4 may have. */
export const cr4Bits = (model: CpuModel): number => CR4_FEATURES.reduce((all, [bit, feature]) => (model.has(feature) ? all | bit : all), 0);

export function movFromControl(cpu: Cpu): void {
  const { state } = cpu;
  const [destination] = cpu.instruction.operands;
  const { index } = registerOperand(cpu, 1);
  if (index === CR8 && state.long) {
    requireRing0(cpu);
    const { vmx } = cpu;
    writeRegisterHalves(cpu, destination, vmx.shadowsTpr ? vmx.virtualTpr >> 4 : (cpu.localApic?.taskPriorityClass ?? 0), 0);
    return;
  }
  const slot = CONTROL_REGISTERS[index];
  if (slot === undefined) throw ud('there is no such control register');
  if (!inRing0(cpu)) return;
  writeRegisterHalves(cpu, destination, ...shadowed(cpu, slot));
}

export function movToControl(cpu: Cpu): void {
  const { index } = registerOperand(cpu, 0);
  const [low, high] = registerHalves(cpu, cpu.instruction.operands[1]);
  if (index === CR8 && cpu.state.long) {
    requireRing0(cpu);
    if (low & ~15 || high) throw gp(0, 'bits 4 to 63 of CR8 are reserved');
    if (cpu.vmx.shadowsTpr) cpu.vmx.setVirtualTpr(low << 4);
    else if (cpu.localApic) cpu.localApic.taskPriorityClass = low;
    return;
  }
  const slot = CONTROL_REGISTERS[index];
  if (slot === undefined) throw ud('there is no such control register');
  if (!inRing0(cpu)) return;
  if (slot === SYS.cr2) cpu.state.setSysHalves(slot, low, high);
  else if (slot === SYS.cr3) writeCr3(cpu, low, high);
  else if (high) throw gp(0, `bits 32 to 63 of CR${index} are reserved`);
  else if (slot === SYS.cr0) writeCr0(cpu, unshadowed(cpu, slot, low));
  else writeCr4(cpu, unshadowed(cpu, slot, low));
}

const CR3_NO_FLUSH = 0x80000000;

/** Translations are dropped even where PCIDs would let them stay, which software cannot tell. */
export function writeCr3(cpu: Cpu, low: number, high: number): void {
  const { state, mmu } = cpu;
  const address = state.cr4 & Cr4.pcide ? high & ~CR3_NO_FLUSH : high;
  if (state.longMode && address & ~(2 ** (PHYSICAL_ADDRESS_BITS - 32) - 1)) throw gp(0, 'reserved bits of CR3');
  if (pagesByPdptes(state, state.cr0, state.cr4)) loadPdptes(cpu, low);
  state.setSysHalves(SYS.cr3, low, address);
  mmu.flushLocal();
}

const pagesByPdptes = (state: CpuState, cr0: number, cr4: number): boolean =>
  cr0 >= Cr0.pg && (cr4 & Cr4.pae) !== 0 && !(state.efer & Efer.lme);

/** @throws GuestFault #GP(0) for reserved bits */
export function loadPdptes({ state, mmu }: Cpu, cr3: number): void {
  const entries = mmu.readPdptes(cr3);
  if (!entries) throw gp(0, 'reserved bits are set in a PDPTE');
  setPdptes(state, entries);
}

export function writeCr0(cpu: Cpu, value: number): void {
  const { state, mmu } = cpu;
  const old = state.cr0;
  const next = ((value & 0xe005003f) | Cr0.et) >>> 0;
  if (next & Cr0.pg && !(next & Cr0.pe)) throw gp(0, 'CR0.PG needs CR0.PE');
  if (next & Cr0.nw && !(next & Cr0.cd)) throw gp(0, 'CR0.NW needs CR0.CD');
  if (cpu.vmx.operation && (next & cpu.vmx.cr0Fixed0) >>> 0 !== cpu.vmx.cr0Fixed0) throw gp(0, 'VMX operation fixes PE, NE and PG of CR0');
  const from = cpu.place();
  if ((old ^ next) & Cr0.pg) switchLongMode(cpu, (next & Cr0.pg) !== 0);
  if (pagesByPdptes(state, next, state.cr4) && (old ^ next) & (Cr0.pg | Cr0.cd | Cr0.nw)) loadPdptes(cpu, state.cr3);
  state.setSys(SYS.cr0, next);
  if ((old ^ next) & (Cr0.pg | Cr0.pe | Cr0.wp)) mmu.flush();
  state.refresh();
  if ((old ^ next) & (Cr0.pe | Cr0.pg)) logModeChange(cpu, from, old, next);
}

const TSS16_TYPES = new Set([1, 3]);

/** Paging turned on or off enters or leaves IA-32e mode when IA32_EFER.LME is set (manual, "Initializing IA-32e Mode"). */
function switchLongMode({ state }: Cpu, on: boolean): void {
  if (!on && state.long) throw gp(0, 'CR0.PG cannot be cleared in 64-bit mode');
  if (!on && state.cr4 & Cr4.pcide) throw gp(0, 'CR0.PG cannot be cleared while CR4.PCIDE is set');
  if (!(state.efer & Efer.lme)) return;
  if (on) {
    if (!(state.cr4 & Cr4.pae)) throw gp(0, 'IA-32e mode needs CR4.PAE');
    if (state.segAttributes(Seg.cs) & Attr.long) throw gp(0, 'IA-32e mode cannot be entered with CS.L set');
    if (TSS16_TYPES.has(state.segAttributes(Seg.tr) & 15)) throw gp(0, 'IA-32e mode cannot be entered with a 16-bit TSS');
  }
  state.setSys(SYS.efer, (on ? state.efer | Efer.lma : state.efer & ~Efer.lma) >>> 0);
}

function logModeChange(cpu: Cpu, from: ReturnType<Cpu['place']>, old: number, next: number): void {
  const { state } = cpu;
  const names = [
    [Cr0.pe, 'PE'],
    [Cr0.pg, 'PG'],
  ] as const;
  const changed = names.filter(([bit]) => (old ^ next) & bit).map(([bit, name]) => `CR0.${name} ${next & bit ? '0→1' : '1→0'}`);
  cpu.log({
    kind: 'mode-change',
    from,
    to: cpu.place(),
    cause: -1,
    causeName: changed.join(', '),
    address: state.linear(Seg.cs, cpu.here),
    fromSelector: state.selector(Seg.cs),
    fromOffset: cpu.here,
    toSelector: state.selector(Seg.cs),
    toOffset: cpu.after,
  });
}

export function writeCr4(cpu: Cpu, value: number): void {
  const { state, mmu } = cpu;
  const supported = cr4Bits(cpu.model);
  if (value & ~supported) throw gp(0, `CR4 bits 0x${((value & ~supported) >>> 0).toString(16)} are reserved on this processor`);
  const changed = state.cr4 ^ value;
  if (cpu.vmx.operation && !(value & Cr4.vmxe)) throw gp(0, 'CR4.VMXE cannot be cleared in VMX operation');
  if (state.longMode && !(value & Cr4.pae)) throw gp(0, 'CR4.PAE cannot be cleared in IA-32e mode');
  if (changed & value & Cr4.pcide && (!state.longMode || state.cr3 & 0xfff)) throw gp(0, 'CR4.PCIDE needs IA-32e mode and CR3[11:0] = 0');
  if (pagesByPdptes(state, state.cr0, value) && changed & (Cr4.pae | Cr4.pse | Cr4.pge | Cr4.smep)) loadPdptes(cpu, state.cr3);
  state.setSys(SYS.cr4, value);
  if (changed & (Cr4.pse | Cr4.pge | Cr4.pae | Cr4.smep | Cr4.smap | Cr4.pcide)) mmu.flush();
  state.refresh();
}

export function lmsw(cpu: Cpu): void {
  requireRing0(cpu);
  const value = readOperand(cpu, cpu.instruction.operands[0]);
  // PE can be set but not cleared.
  writeCr0(cpu, unshadowed(cpu, SYS.cr0, ((cpu.state.cr0 & ~0xe) | (value & 0xf) | (cpu.state.cr0 & Cr0.pe)) >>> 0));
}

/** A 32-bit register gets all of CR0, memory its low word. */
export function smsw(cpu: Cpu): void {
  checkUserInstruction(cpu);
  writeOperand(cpu, cpu.instruction.operands[0], shadowed(cpu, SYS.cr0)[0]);
}

export function clts(cpu: Cpu): void {
  if (!inRing0(cpu)) return;
  cpu.state.setSys(SYS.cr0, unshadowed(cpu, SYS.cr0, (cpu.state.cr0 & ~Cr0.ts) >>> 0));
  cpu.state.refresh();
}

// --- debug registers

/** DR4 and DR5 are DR6 and DR7 unless CR4.DE is set. */
function debugSlot(cpu: Cpu, index: number): number {
  const alias = index === 4 || index === 5;
  if (alias && cpu.state.cr4 & Cr4.de) throw ud('DR4 and DR5 do not exist with CR4.DE set');
  requireRing0(cpu);
  if (alias) index += 2;
  if (index > 7) throw ud('there is no such debug register');
  if (cpu.state.sys(SYS.dr7) & DR7_GD) {
    throw debugException(DR6_BD, 'DR7.GD protects the debug registers');
  }
  return [SYS.dr0, SYS.dr1, SYS.dr2, SYS.dr3, -1, -1, SYS.dr6, SYS.dr7][index];
}

export function movFromDebug(cpu: Cpu): void {
  const slot = debugSlot(cpu, registerOperand(cpu, 1).index);
  writeRegisterHalves(cpu, cpu.instruction.operands[0], cpu.state.sys(slot), cpu.state.sysHigh(slot));
}

export function movToDebug(cpu: Cpu): void {
  const slot = debugSlot(cpu, registerOperand(cpu, 0).index);
  const [low, high] = registerHalves(cpu, cpu.instruction.operands[1]);
  const status = slot === SYS.dr6;
  if ((status || slot === SYS.dr7) && high) throw gp(0, 'bits 32 to 63 of DR6 and DR7 are reserved');
  if (status) cpu.state.setSys(slot, ((low & 0xe00f) | 0xffff0ff0) >>> 0);
  else if (slot === SYS.dr7) cpu.state.setSys(slot, ((low & 0xffff2fff) | 0x400) >>> 0);
  else cpu.state.setSysHalves(slot, low, high);
  cpu.debugRegistersChanged();
}

/** The cache and TLB test registers of the 80386 and 80486 are gone from every processor that has CPUID. */
export function noTestRegister(): void {
  throw ud('test registers do not exist on this processor');
}

// --- descriptor tables

/** CR4.UMIP keeps what shows the system's tables from programs (manual, "User-Mode Instruction Prevention"). */
export function checkUserInstruction({ state, instruction }: Cpu): void {
  if (state.cr4 & Cr4.umip && state.cpl > 0) throw gp(0, `CR4.UMIP reserves ${instruction.row.mnemonic.toUpperCase()} to ring 0`);
}

function storeTable(cpu: Cpu, baseSlot: number, limitSlot: number): void {
  checkUserInstruction(cpu);
  const [operand] = cpu.instruction.operands;
  const { state } = cpu;
  checkOperandWrite(cpu, operand, state.long ? 10 : 6);
  writeOperandAt(cpu, operand, 0, 2, state.sys(limitSlot));
  if (state.long) writeOperandAt(cpu, operand, 2, 8, state.sys64(baseSlot));
  else writeOperandAt(cpu, operand, 2, 4, state.sys(baseSlot));
}

/** With a 16-bit operand size the base has 24 bits, in 64-bit mode always 64. */
function loadTable(cpu: Cpu, baseSlot: number, limitSlot: number): void {
  requireRing0(cpu);
  const { state } = cpu;
  const [operand] = cpu.instruction.operands;
  const limit = readOperandAt(cpu, operand, 0, 2);
  const base = readOperandAt(cpu, operand, 2, state.long ? 8 : 4);
  if (state.long && !isCanonical(base)) throw gp(0, "the table's base is not canonical");
  state.setSys(limitSlot, limit);
  if (state.long) state.setSys64(baseSlot, base);
  else state.setSysHalves(baseSlot, cpu.instruction.operandSize === 2 ? base & 0xffffff : base, 0);
}

export const sgdt = (cpu: Cpu): void => storeTable(cpu, SYS.gdtrBase, SYS.gdtrLimit);
export const sidt = (cpu: Cpu): void => storeTable(cpu, SYS.idtrBase, SYS.idtrLimit);
export const lgdt = (cpu: Cpu): void => loadTable(cpu, SYS.gdtrBase, SYS.gdtrLimit);
export const lidt = (cpu: Cpu): void => loadTable(cpu, SYS.idtrBase, SYS.idtrLimit);

export function lldt(cpu: Cpu): void {
  requireProtected(cpu);
  requireRing0(cpu);
  loadLdtr(cpu, readOperand(cpu, cpu.instruction.operands[0]));
}

export function ltr(cpu: Cpu): void {
  requireProtected(cpu);
  requireRing0(cpu);
  loadTaskRegister(cpu, readOperand(cpu, cpu.instruction.operands[0]));
}

export function sldt(cpu: Cpu): void {
  requireProtected(cpu);
  checkUserInstruction(cpu);
  writeOperand(cpu, cpu.instruction.operands[0], cpu.state.selector(Seg.ldtr));
}

export function str(cpu: Cpu): void {
  requireProtected(cpu);
  checkUserInstruction(cpu);
  writeOperand(cpu, cpu.instruction.operands[0], cpu.state.selector(Seg.tr));
}

// --- caches, TLB, identification, MSRs

/** No caches are simulated, so there is nothing to write back; a write-back cache without its contents lost is a legal INVD. */
export const invalidateCaches = (cpu: Cpu): void => requireRing0(cpu);

export function invlpg(cpu: Cpu): void {
  if (!inRing0(cpu)) return;
  const [operand] = cpu.instruction.operands;
  if (operand.kind !== 'memory') throw ud('INVLPG takes an address');
  const linear = cpu.state.linear(segmentNumber(operand), effectiveAddress(cpu, operand));
  // An address that is not canonical has no translation to drop.
  if (!cpu.state.long || isCanonical(linear)) cpu.mmu.invalidate(linear);
}

export function identify(cpu: Cpu): void {
  const { state } = cpu;
  const [eax, ebx, ecx, edx] = cpuid(cpu.identity, state.reg32(Reg.eax), state.reg32(Reg.ecx));
  state.setReg32(Reg.eax, eax);
  state.setReg32(Reg.ebx, ebx);
  state.setReg32(Reg.ecx, ecx);
  state.setReg32(Reg.edx, edx);
}

/** RDPID: IA32_TSC_AUX. */
export function rdpid(cpu: Cpu): void {
  writeOperand(cpu, cpu.instruction.operands[0], cpu.state.sys(SYS.tscAux));
}

export function rdmsr(cpu: Cpu): void {
  if (!inRing0(cpu)) return;
  const [low, high] = readMsr(cpu, cpu.state.reg32(Reg.ecx));
  cpu.state.setReg32(Reg.eax, low);
  cpu.state.setReg32(Reg.edx, high);
}

export function wrmsr(cpu: Cpu): void {
  if (!inRing0(cpu)) return;
  writeMsr(cpu, cpu.state.reg32(Reg.ecx), cpu.state.reg32(Reg.eax), cpu.state.reg32(Reg.edx));
}
