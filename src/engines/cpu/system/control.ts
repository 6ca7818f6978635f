/** Control, debug and test registers, descriptor-table registers, MSRs and identification. */
import type { RegisterOperand } from '../../../isa/types';
import { SYS } from '../layout';
import { Cr0, Cr4, Reg, Seg } from '../state';
import type { Cpu } from './cpu';
import { cpuid } from './cpuid';
import { GuestFault, gp, ud, Vector } from './fault';
import { readMsr, writeMsr } from './msr';
import { effectiveAddress, readOperand, readOperandAt, segmentNumber, writeOperand, writeOperandAt } from './operands';
import { loadLdtr, loadTaskRegister } from './segments';

/** #GP(0) unless in ring 0; real mode is ring 0, virtual-8086 mode ring 3. */
export function requireRing0(cpu: Cpu): void {
  if (cpu.state.cpl !== 0) throw gp(0, `${cpu.instruction.row.mnemonic.toUpperCase()} needs ring 0, CPL is ${cpu.state.cpl}`);
}

/** #UD in real and virtual-8086 mode. */
export function requireProtected({ state, instruction }: Cpu): void {
  if (!state.protectedMode || state.virtual8086) throw ud(`${instruction.row.mnemonic.toUpperCase()} needs protected mode`);
}

const registerOperand = (cpu: Cpu, index: number): RegisterOperand => cpu.instruction.operands[index] as RegisterOperand;

// --- control registers

const CONTROL_REGISTERS: Readonly<Record<number, number | undefined>> = { 0: SYS.cr0, 2: SYS.cr2, 3: SYS.cr3, 4: SYS.cr4 };
const CR4_SUPPORTED = Cr4.tsd | Cr4.de | Cr4.pse | Cr4.pge | Cr4.mce;

export function movFromControl(cpu: Cpu): void {
  requireRing0(cpu);
  const slot = CONTROL_REGISTERS[registerOperand(cpu, 1).index];
  if (slot === undefined) throw ud('there is no such control register');
  writeOperand(cpu, cpu.instruction.operands[0], cpu.state.sys(slot));
}

export function movToControl(cpu: Cpu): void {
  requireRing0(cpu);
  const { index } = registerOperand(cpu, 0);
  const slot = CONTROL_REGISTERS[index];
  if (slot === undefined) throw ud('there is no such control register');
  const value = readOperand(cpu, cpu.instruction.operands[1]);
  if (slot === SYS.cr0) writeCr0(cpu, value);
  else if (slot === SYS.cr4) writeCr4(cpu, value);
  else {
    cpu.state.setSys(slot, value);
    if (slot === SYS.cr3) cpu.mmu.flush();
  }
}

export function writeCr0(cpu: Cpu, value: number): void {
  const { state, mmu } = cpu;
  const old = state.cr0;
  const next = ((value & 0xe005003f) | Cr0.et) >>> 0;
  if (next & Cr0.pg && !(next & Cr0.pe)) throw gp(0, 'CR0.PG needs CR0.PE');
  if (next & Cr0.nw && !(next & Cr0.cd)) throw gp(0, 'CR0.NW needs CR0.CD');
  const from = cpu.place();
  state.setSys(SYS.cr0, next);
  if ((old ^ next) & (Cr0.pg | Cr0.pe | Cr0.wp)) mmu.flush();
  state.refresh();
  if ((old ^ next) & (Cr0.pe | Cr0.pg)) logModeChange(cpu, from, old, next);
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
  if (value & ~CR4_SUPPORTED) throw gp(0, `CR4 bits 0x${(value & ~CR4_SUPPORTED).toString(16)} are reserved on this processor`);
  const changed = cpu.state.cr4 ^ value;
  cpu.state.setSys(SYS.cr4, value);
  if (changed & (Cr4.pse | Cr4.pge | Cr4.pae)) cpu.mmu.flush();
}

export function lmsw(cpu: Cpu): void {
  requireRing0(cpu);
  const value = readOperand(cpu, cpu.instruction.operands[0]);
  // PE can be set but not cleared.
  writeCr0(cpu, ((cpu.state.cr0 & ~0xe) | (value & 0xf) | (cpu.state.cr0 & Cr0.pe)) >>> 0);
}

/** A 32-bit register gets all of CR0, memory its low word. */
export function smsw(cpu: Cpu): void {
  writeOperand(cpu, cpu.instruction.operands[0], cpu.state.cr0);
}

export function clts(cpu: Cpu): void {
  requireRing0(cpu);
  cpu.state.setSys(SYS.cr0, (cpu.state.cr0 & ~Cr0.ts) >>> 0);
}

// --- debug registers

const DR7_GD = 0x2000;
const DR6_BD = 0x2000;

/** DR4 and DR5 are DR6 and DR7 unless CR4.DE is set. */
function debugSlot(cpu: Cpu, index: number): number {
  const alias = index === 4 || index === 5;
  if (alias && cpu.state.cr4 & Cr4.de) throw ud('DR4 and DR5 do not exist with CR4.DE set');
  requireRing0(cpu);
  if (alias) index += 2;
  if (cpu.state.sys(SYS.dr7) & DR7_GD) {
    cpu.state.setSys(SYS.dr6, (cpu.state.sys(SYS.dr6) | DR6_BD) >>> 0);
    cpu.state.setSys(SYS.dr7, (cpu.state.sys(SYS.dr7) & ~DR7_GD) >>> 0);
    cpu.checkpoint();
    throw new GuestFault(Vector.db, 0, 'DR7.GD protects the debug registers');
  }
  return [SYS.dr0, SYS.dr1, SYS.dr2, SYS.dr3, -1, -1, SYS.dr6, SYS.dr7][index];
}

export function movFromDebug(cpu: Cpu): void {
  const slot = debugSlot(cpu, registerOperand(cpu, 1).index);
  writeOperand(cpu, cpu.instruction.operands[0], cpu.state.sys(slot));
}

export function movToDebug(cpu: Cpu): void {
  const slot = debugSlot(cpu, registerOperand(cpu, 0).index);
  let value = readOperand(cpu, cpu.instruction.operands[1]);
  if (slot === SYS.dr6) value = ((value & 0xe00f) | 0xffff0ff0) >>> 0;
  if (slot === SYS.dr7) value = ((value & 0xffff2fff) | 0x400) >>> 0;
  cpu.state.setSys(slot, value);
  cpu.debugRegistersChanged();
}

/** The cache and TLB test registers of the 80386 and 80486 are gone from every processor that has CPUID. */
export function noTestRegister(): void {
  throw ud('test registers do not exist on this processor');
}

// --- descriptor tables

function storeTable(cpu: Cpu, baseSlot: number, limitSlot: number): void {
  const [operand] = cpu.instruction.operands;
  writeOperandAt(cpu, operand, 0, 2, cpu.state.sys(limitSlot));
  writeOperandAt(cpu, operand, 2, 4, cpu.state.sys(baseSlot));
}

/** With a 16-bit operand size the base has 24 bits. */
function loadTable(cpu: Cpu, baseSlot: number, limitSlot: number): void {
  requireRing0(cpu);
  const [operand] = cpu.instruction.operands;
  const limit = readOperandAt(cpu, operand, 0, 2);
  const base = readOperandAt(cpu, operand, 2, 4);
  cpu.state.setSys(limitSlot, limit);
  cpu.state.setSys(baseSlot, cpu.instruction.operandSize === 2 ? base & 0xffffff : base);
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
  writeOperand(cpu, cpu.instruction.operands[0], cpu.state.selector(Seg.ldtr));
}

export function str(cpu: Cpu): void {
  requireProtected(cpu);
  writeOperand(cpu, cpu.instruction.operands[0], cpu.state.selector(Seg.tr));
}

// --- caches, TLB, identification, MSRs

/** No caches are simulated, so there is nothing to write back; a write-back cache without its contents lost is a legal INVD. */
export const invalidateCaches = (cpu: Cpu): void => requireRing0(cpu);

export function invlpg(cpu: Cpu): void {
  requireRing0(cpu);
  const [operand] = cpu.instruction.operands;
  if (operand.kind !== 'memory') throw ud('INVLPG takes an address');
  cpu.mmu.invalidate(cpu.state.linear(segmentNumber(operand), effectiveAddress(cpu, operand)));
}

export function identify(cpu: Cpu): void {
  const { state } = cpu;
  const [eax, ebx, ecx, edx] = cpuid(state.reg32(Reg.eax), state.reg32(Reg.ecx));
  state.setReg32(Reg.eax, eax);
  state.setReg32(Reg.ebx, ebx);
  state.setReg32(Reg.ecx, ecx);
  state.setReg32(Reg.edx, edx);
}

export function rdtsc(cpu: Cpu): void {
  const { state } = cpu;
  if (state.cr4 & Cr4.tsd && state.cpl !== 0) throw gp(0, 'CR4.TSD reserves RDTSC to ring 0');
  const value = cpu.timeStamp;
  state.setReg32(Reg.eax, value % 2 ** 32);
  state.setReg32(Reg.edx, Math.floor(value / 2 ** 32));
}

export function rdmsr(cpu: Cpu): void {
  requireRing0(cpu);
  const [low, high] = readMsr(cpu, cpu.state.reg32(Reg.ecx));
  cpu.state.setReg32(Reg.eax, low);
  cpu.state.setReg32(Reg.edx, high);
}

export function wrmsr(cpu: Cpu): void {
  requireRing0(cpu);
  writeMsr(cpu, cpu.state.reg32(Reg.ecx), cpu.state.reg32(Reg.eax), cpu.state.reg32(Reg.edx));
}
