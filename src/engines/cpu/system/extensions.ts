/** System instructions that came after the 64-bit mode: bases, supervisor access, PCIDs, extended control registers, random numbers. */
import { SYS } from '../layout';
import { Cr4, type CpuState, Flag, isCanonical, join, Reg, Seg } from '../state';
import { requireRing0 } from './control';
import type { Cpu } from './cpu';
import { XCR0_SUPPORTED } from './cpuid';
import { gp, ud } from './fault';
import { segmentBaseHalves, setSegmentBase } from './long-mode';
import { inUse } from './xsave';
import { readOperandAt, registerHalves, writeRegisterHalves } from './operands';

type Helper = (cpu: Cpu) => void;

const name = ({ instruction }: Cpu): string => instruction.row.mnemonic.toUpperCase();

// --- RDFSBASE and its kin

function requireBases(cpu: Cpu): void {
  if (!(cpu.state.cr4 & Cr4.fsgsbase)) throw ud(`${name(cpu)} needs CR4.FSGSBASE`);
}

const readBase =
  (segment: Seg): Helper =>
  (cpu) => {
    requireBases(cpu);
    const [low, high] = segmentBaseHalves(cpu.state, segment);
    writeRegisterHalves(cpu, cpu.instruction.operands[0], low, high);
  };

const writeBase =
  (segment: Seg): Helper =>
  (cpu) => {
    requireBases(cpu);
    const [low, high] = registerHalves(cpu, cpu.instruction.operands[0]);
    setSegmentBase(cpu.state, segment, low, high);
  };

export const rdfsbase = readBase(Seg.fs);
export const rdgsbase = readBase(Seg.gs);
export const wrfsbase = writeBase(Seg.fs);
export const wrgsbase = writeBase(Seg.gs);

// --- CLAC and STAC

const setAccess =
  (on: boolean): Helper =>
  (cpu) => {
    if (cpu.state.cpl !== 0) throw ud(`${name(cpu)} exists in ring 0 alone`);
    cpu.state.setFlag(Flag.ac, on);
    cpu.state.refresh();
  };

export const clac = setAccess(false);
export const stac = setAccess(true);

// --- INVPCID

const INDIVIDUAL_ADDRESS = 0;
const LAST_TYPE = 3;

const ALL_WITH_GLOBALS = 2;

/** Translations are not kept apart by PCID, so all are dropped but global ones, which type 2 alone drops: software cannot tell. */
export function invpcid(cpu: Cpu): void {
  requireRing0(cpu);
  const { state, mmu } = cpu;
  const [register, memory] = cpu.instruction.operands;
  const [type, typeHigh] = registerHalves(cpu, register);
  const [pcid, pcidHigh] = [readOperandAt(cpu, memory, 0, 4), readOperandAt(cpu, memory, 4, 4)];
  const address = join(readOperandAt(cpu, memory, 8, 4), readOperandAt(cpu, memory, 12, 4));
  if (typeHigh || type > LAST_TYPE) throw gp(0, `INVPCID has no type ${type}`);
  if (pcid & 0xfffff000 || pcidHigh) throw gp(0, 'reserved bits in the INVPCID descriptor');
  if (pcid && !(state.cr4 & Cr4.pcide) && type <= 1) throw gp(0, 'a PCID other than 0 needs CR4.PCIDE');
  if (type === INDIVIDUAL_ADDRESS && !isCanonical(address)) throw gp(0, 'the address is not canonical');
  if (type === ALL_WITH_GLOBALS) mmu.flush();
  else mmu.flushLocal();
}

// --- XGETBV and XSETBV

function requireXsave(cpu: Cpu): void {
  if (!(cpu.state.cr4 & Cr4.osxsave)) throw ud(`${name(cpu)} needs CR4.OSXSAVE`);
}

const IN_USE = 1;

export function xgetbv(cpu: Cpu): void {
  requireXsave(cpu);
  const { state } = cpu;
  const index = state.reg32(Reg.ecx);
  if (index > IN_USE || (index === IN_USE && !cpu.model.has('xgetbv-1'))) throw gp(0, `XCR${index} does not exist`);
  state.setReg32(Reg.eax, state.sys(SYS.xcr0) & (index === IN_USE ? inUse(cpu) : -1));
  state.setReg32(Reg.edx, state.sysHigh(SYS.xcr0));
}

export function xsetbv(cpu: Cpu): void {
  requireXsave(cpu);
  requireRing0(cpu);
  const { state } = cpu;
  const low = state.reg32(Reg.eax);
  if (state.reg32(Reg.ecx) !== 0) throw gp(0, `XCR${state.reg32(Reg.ecx)} does not exist`);
  if (!(low & 1) || low & ~XCR0_SUPPORTED || state.reg32(Reg.edx))
    throw gp(0, 'XCR0 must have x87 and no component that the processor lacks');
  state.setSysHalves(SYS.xcr0, low, 0);
}

// --- RDRAND and RDSEED

const ALL_STATUS = Flag.cf | Flag.pf | Flag.af | Flag.zf | Flag.sf | Flag.of;

/** The generator of a session's random numbers (xorshift64*), which repeats from the same seed. */
function nextRandom(state: CpuState): bigint {
  let value = (BigInt(state.sysHigh(SYS.random)) << 32n) | BigInt(state.sys(SYS.random));
  if (value === 0n) value = 0x9e3779b97f4a7c15n;
  value ^= value >> 12n;
  value = BigInt.asUintN(64, value ^ (value << 25n));
  value ^= value >> 27n;
  state.setSysHalves(SYS.random, Number(value & 0xffffffffn), Number(value >> 32n));
  return BigInt.asUintN(64, value * 0x2545f4914f6cdd1dn);
}

/** There is always a number: CF is set, the other status flags are cleared. */
export function random(cpu: Cpu): void {
  const { state, instruction } = cpu;
  const [operand] = instruction.operands;
  const value = nextRandom(state);
  const [low, high] = [Number(value & 0xffffffffn), Number(value >> 32n)];
  if (operand.kind === 'register' && operand.size === 2) state.setReg(operand.index, 2, low & 0xffff);
  else writeRegisterHalves(cpu, operand, low, high);
  state.eflags = ((state.eflags & ~ALL_STATUS) | Flag.cf) >>> 0;
}

// --- what this processor has none of

/** There are no performance counters. */
export function rdpmc(cpu: Cpu): void {
  if (cpu.state.cpl !== 0 && !(cpu.state.cr4 & Cr4.pce)) throw gp(0, 'RDPMC needs ring 0 or CR4.PCE');
  throw gp(0, `performance counter ${cpu.state.reg32(Reg.ecx)} does not exist`);
}

export function rsm(): void {
  throw ud('RSM exists in system-management mode alone');
}
