/** Deliveries through the 64-bit IDT, and SYSCALL with its kin (manual, "64-Bit Mode Stack Behavior", SYSCALL, SYSRET, SWAPGS). */
import type { LinearAddress } from '../../../shared/addresses';
import { SYS } from '../layout';
import { Attr, type CpuState, Efer, Flag, highHalf, isCanonical, join, Reg, Seg, type SegmentRegister } from '../state';
import type { Cpu } from './cpu';
import { type Descriptor, fetchDescriptor, isNull, SystemType } from './descriptors';
import { GuestFault, gp, selectorCode, ud, Vector } from './fault';
import { before, type Event, report } from './interrupts';
import { markAccessed, nullSegment, registerFrom } from './segments';
import { StackCursor } from './stack';

/** 64-bit code: L set and D clear. */
export const isLongCode = ({ attributes }: { readonly attributes: number }): boolean => (attributes & (Attr.long | Attr.big)) === Attr.long;

/** Offsets in the 64-bit TSS (manual, "Task Management in 64-bit Mode"). */
const TSS_RSP0 = 4;
const TSS_IST1 = 0x24;

/**
 * A stack pointer out of the 64-bit TSS.
 * @param offset of its 8 bytes; @param ext added to the error code
 */
function pointerInTss(cpu: Cpu, offset: number, ext: number): number {
  const { state } = cpu;
  if (offset + 7 > state.segLimit(Seg.tr)) {
    throw new GuestFault(Vector.ts, selectorCode(state.selector(Seg.tr)) + ext, 'the TSS is too short for the stack pointer');
  }
  const pointer = cpu.mmu.read(state.advance(state.segBase(Seg.tr) as LinearAddress, offset), 8, false);
  if (!isCanonical(pointer)) throw new GuestFault(Vector.ss, ext, 'the stack pointer in the TSS is not canonical');
  return pointer;
}

/** The stack of an inner ring. */
export const innerStack = (cpu: Cpu, ring: number, ext: number): number => pointerInTss(cpu, TSS_RSP0 + ring * 8, ext);
const interruptStack = (cpu: Cpu, index: number, ext: number): number => pointerInTss(cpu, TSS_IST1 + (index - 1) * 8, ext);

/** RSP as the manual keeps it: all 64 bits in 64-bit code, the low 32 in compatibility mode. */
const stackPointer = (state: CpuState): number => (state.long ? state.reg64(Reg.esp) : state.reg32(Reg.esp));

const alignDown = (pointer: number): number => pointer - (((pointer % 16) + 16) % 16);

/** Delivers an event in IA-32e mode, from 64-bit or compatibility code. */
export function deliverLong(cpu: Cpu, event: Event): void {
  const { state, mmu } = cpu;
  const software = event.source === 'software';
  const ext = software ? 0 : 1;
  const idtCode = event.vector * 8 + 2 + ext;
  const gateDescriptor = readGate(cpu, event.vector, idtCode, software);
  const { gate } = gateDescriptor;
  const target = handlerSegment(cpu, gate.selector, ext);
  if (!isCanonical(gate.offset)) throw gp(ext, "the handler's offset is not canonical");

  before(cpu, event);
  const inward = !target.conforming && target.dpl < state.cpl;
  const newCpl = inward ? target.dpl : state.cpl;
  const ist = gateDescriptor.high & 7;
  const pointer = ist ? interruptStack(cpu, ist, ext) : inward ? innerStack(cpu, newCpl, ext) : stackPointer(state);
  const stack = new StackCursor(mmu, undefined, alignDown(pointer), newCpl === 3, ext);
  const switched = inward || ist !== 0;
  if (switched) cpu.draft.leaveStack(state.selector(Seg.ss), stackPointer(state));
  stack.push(8, state.selector(Seg.ss));
  stack.pushHalves(state.reg32(Reg.esp), state.long ? state.regHigh(Reg.esp) : 0);
  stack.push(8, (state.eflags | (event.resume ? Flag.rf : 0)) >>> 0);
  stack.push(8, state.selector(Seg.cs));
  stack.push(8, event.returnTo);
  if (event.errorCode !== undefined) stack.push(8, event.errorCode);

  markAccessed(cpu, target);
  if (inward) state.setSegment(Seg.ss, nullSegment(newCpl));
  state.setFlag(Flag.tf | Flag.nt | Flag.rf | Flag.vm, false);
  if ((gateDescriptor.type & 1) === 0) state.setFlag(Flag.if, false);
  enter(state, newCpl, registerFrom((gate.selector & 0xfffc) | newCpl, target));
  state.setReg64(Reg.esp, stack.pointer);
  state.ip = gate.offset;
  if (switched) {
    cpu.draft.toStackSelector = state.selector(Seg.ss);
    cpu.draft.toStackOffset = stack.pointer;
  }
  report(cpu, state.selector(Seg.cs), gate.offset, gateDescriptor, target);
}

function readGate({ state, mmu }: Cpu, vector: number, idtCode: number, software: boolean): Descriptor {
  const entry = vector * 16;
  if (entry + 15 > state.sys(SYS.idtrLimit)) throw gp(idtCode, `vector ${vector} lies outside the IDT`);
  const at = state.advance(state.sys64(SYS.idtrBase) as LinearAddress, entry);
  const low = mmu.read(at, 4, false);
  const high = mmu.read(state.advance(at, 4), 4, false);
  const gate = mmu.descriptors.parse(at, low, high, mmu.read(state.advance(at, 8), 4, false));
  if (gate.isSegment || (gate.type !== SystemType.interruptGate32 && gate.type !== SystemType.trapGate32)) {
    throw gp(idtCode, `IDT entry ${vector} is no 64-bit interrupt or trap gate`);
  }
  if (software && gate.dpl < state.cpl) throw gp(idtCode, `CPL ${state.cpl} > gate DPL ${gate.dpl}`);
  if (!gate.present) throw new GuestFault(Vector.np, idtCode, `IDT entry ${vector} is not present`);
  return gate;
}

function handlerSegment({ state, mmu }: Cpu, selector: number, ext: number): Descriptor {
  if (isNull(selector)) throw gp(ext, "the gate's selector is null");
  const code = selectorCode(selector) + ext;
  const target = fetchDescriptor(state, mmu, selector);
  if (!target) throw gp(code, "the gate's selector lies outside its descriptor table");
  if (!target.isCode || target.dpl > state.cpl) throw gp(code, `handler code DPL ${target.dpl} > CPL ${state.cpl}, or not code`);
  if (!isLongCode(target)) throw gp(code, "the handler's segment is not 64-bit code (L set, D clear)");
  if (!target.present) throw new GuestFault(Vector.np, code, "the handler's segment is not present");
  return target;
}

/** Sets CPL and CS, upon which the width of IP and stack pointer depends. */
export function enter(state: CpuState, cpl: number, cs: SegmentRegister): void {
  state.setCpl(cpl);
  state.setSegment(Seg.cs, cs);
  state.refresh();
}

// --- SYSCALL, SYSRET, SWAPGS

const CODE_64 = 0xa09b;
const CODE_32 = 0xc09b;
const DATA = 0xc093;

/** A flat segment as SYSCALL and SYSENTER load it, without looking at a descriptor. */
export function flat(selector: number, attributes: number, dpl: number): SegmentRegister {
  return { base: 0, limit: 0xffffffff, unusable: false, selector, attributes: attributes | (dpl << Attr.dplShift) };
}

/** Bits of RFLAGS that SYSRET loads. */
const RETURN_FLAGS = 0x3c7fd7;

function requireSyscall({ state, instruction }: Cpu): void {
  const name = instruction.row.mnemonic.toUpperCase();
  if (!state.long) throw ud(`${name} needs 64-bit mode`);
  if (!(state.efer & Efer.sce)) throw ud(`${name} needs IA32_EFER.SCE`);
}

export function syscall(cpu: Cpu): void {
  requireSyscall(cpu);
  const { state } = cpu;
  const selector = state.sysHigh(SYS.star) & 0xfffc;
  state.setReg64(Reg.ecx, cpu.after);
  state.setRegHalves(R11, state.eflags, 0);
  state.eflags = (state.eflags & ~state.sys(SYS.sfmask) & ~Flag.rf) >>> 0;
  state.setSegment(Seg.ss, flat((state.sysHigh(SYS.star) & 0xffff) + 8, DATA, 0));
  enter(state, 0, flat(selector, CODE_64, 0));
  state.ip = state.sys64(SYS.lstar);
  stepNow(state);
}

const R11 = 11;

export function sysret(cpu: Cpu): void {
  requireSyscall(cpu);
  const { state } = cpu;
  if (state.cpl !== 0) throw gp(0, 'SYSRET needs ring 0');
  const wide = cpu.instruction.operandSize === 8;
  const target = wide ? state.reg64(Reg.ecx) : state.reg32(Reg.ecx);
  if (!isCanonical(target)) throw gp(0, 'RCX is not canonical');
  const base = state.sysHigh(SYS.star) >>> 16;
  state.eflags = ((state.reg32(R11) & RETURN_FLAGS) | Flag.one) >>> 0;
  state.setSegment(Seg.ss, flat((base + 8) | 3, DATA, 3));
  enter(state, 3, wide ? flat((base + 16) | 3, CODE_64, 3) : flat(base | 3, CODE_32, 3));
  state.ip = target;
  stepNow(state);
}

const DR6_BS = 0x4000;

/** The new TF decides whether a single-step trap follows SYSCALL and SYSRET: at their target, before its first instruction. */
function stepNow(state: CpuState): void {
  if (state.flag(Flag.tf)) state.setSys(SYS.pendingDebug, (state.sys(SYS.pendingDebug) | DR6_BS) >>> 0);
}

// --- SYSENTER and SYSEXIT

export function sysenter(cpu: Cpu): void {
  const { state } = cpu;
  const cs = state.sys(SYS.sysenterCs) & 0xffff;
  if (!state.protectedMode) throw gp(0, 'SYSENTER in real mode');
  if (isNull(cs)) throw gp(0, 'IA32_SYSENTER_CS is null');
  const long = state.longMode;
  state.setFlag(Flag.vm | Flag.if | Flag.rf, false);
  state.setSegment(Seg.ss, flat((cs & 0xfffc) + 8, DATA, 0));
  enter(state, 0, flat(cs & 0xfffc, long ? CODE_64 : CODE_32, 0));
  state.setRegAddress(Reg.esp, long ? state.sys64(SYS.sysenterEsp) : state.sys(SYS.sysenterEsp));
  state.ip = long ? state.sys64(SYS.sysenterEip) : state.sys(SYS.sysenterEip);
}

export function sysexit(cpu: Cpu): void {
  const { state } = cpu;
  const cs = state.sys(SYS.sysenterCs) & 0xffff;
  if (!state.protectedMode || isNull(cs) || state.cpl !== 0) throw gp(0, 'SYSEXIT needs protected mode, ring 0 and IA32_SYSENTER_CS');
  const wide = cpu.instruction.operandSize === 8;
  const [ip, pointer] = wide ? [state.reg64(Reg.edx), state.reg64(Reg.ecx)] : [state.reg32(Reg.edx), state.reg32(Reg.ecx)];
  if (!isCanonical(ip) || !isCanonical(pointer)) throw gp(0, 'RDX or RCX is not canonical');
  const first = (cs & 0xfffc) + (wide ? 32 : 16);
  state.setSegment(Seg.ss, flat((first + 8) | 3, DATA, 3));
  enter(state, 3, flat(first | 3, wide ? CODE_64 : CODE_32, 3));
  state.ip = ip;
  state.setRegAddress(Reg.esp, pointer);
}

// --- FS and GS bases

export const segmentBaseHalves = (state: CpuState, segment: Seg): readonly [low: number, high: number] => {
  const base = state.segBase(segment);
  return [base >>> 0, highHalf(base) >>> 0];
};

/** @throws GuestFault #GP(0) for an address that is not canonical */
export function setSegmentBase(state: CpuState, segment: Seg, low: number, high: number): void {
  if (!isCanonical(join(low, high))) throw gp(0, 'the base is not canonical');
  state.setSegBaseHalves(segment, low, high);
}
