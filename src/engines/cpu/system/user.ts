/** Helpers that any ring may run: decimal arithmetic, flags, frames, probes of descriptors, software interrupts. */
import { INT_NAMES } from '../../transition-rows';
import { Flag, Reg, Seg } from '../state';
import type { Cpu } from './cpu';
import { inRing0, requireProtected } from './control';
import { type Descriptor, fetchDescriptor, isNull, SystemType } from './descriptors';
import { GuestFault, gp, ud, Vector } from './fault';
import { readOperand, readOperandAt, readOperandHalves, writeOperand, writeRegisterHalves } from './operands';
import { interceptSoftwareEvent } from '../vmx/exceptions';
import { deliver, type Event } from './interrupts';
import { loadSegment } from './segments';
import { StackCursor } from './stack';
import { hasVirtualFlag, redirects, takeVirtualFlags } from './virtual-8086';

const sizeOf = (cpu: Cpu): 2 | 4 | 8 => cpu.instruction.operandSize;

// --- decimal adjustment

/** SF, ZF and PF of a byte beside given CF and AF; OF cleared, as processors do where the manual leaves it open. */
function byteFlags({ state }: Cpu, result: number, carry: boolean, adjust: boolean): void {
  let flags = state.eflags & ~(Flag.cf | Flag.pf | Flag.af | Flag.zf | Flag.sf | Flag.of);
  let parity = result & 0xff;
  parity ^= parity >> 4;
  if (!((0x6996 >> (parity & 15)) & 1)) flags |= Flag.pf;
  if ((result & 0xff) === 0) flags |= Flag.zf;
  if (result & 0x80) flags |= Flag.sf;
  if (carry) flags |= Flag.cf;
  if (adjust) flags |= Flag.af;
  state.eflags = flags >>> 0;
}

const has = (cpu: Cpu, flag: number): boolean => (cpu.state.eflags & flag) !== 0;

function adjustDecimal(cpu: Cpu, sign: 1 | -1): void {
  const { state } = cpu;
  const old = state.reg(Reg.eax, 1);
  const oldCarry = has(cpu, Flag.cf);
  let al = old;
  let carry = false;
  const adjust = (old & 15) > 9 || has(cpu, Flag.af);
  if (adjust) {
    al += sign * 6;
    carry = oldCarry || al < 0 || al > 0xff;
  }
  if (old > 0x99 || oldCarry) {
    al += sign * 0x60;
    carry = true;
  } else if (sign > 0) carry = false;
  state.setReg(Reg.eax, 1, al & 0xff);
  byteFlags(cpu, al, carry, adjust);
}

export const daa = (cpu: Cpu): void => adjustDecimal(cpu, 1);
export const das = (cpu: Cpu): void => adjustDecimal(cpu, -1);

function adjustAscii(cpu: Cpu, sign: 1 | -1): void {
  const { state } = cpu;
  const adjust = (state.reg(Reg.eax, 1) & 15) > 9 || has(cpu, Flag.af);
  if (adjust) state.setReg(Reg.eax, 2, (state.reg(Reg.eax, 2) + sign * 0x106) & 0xffff);
  const al = state.reg(Reg.eax, 1) & 15;
  state.setReg(Reg.eax, 1, al);
  byteFlags(cpu, al, adjust, adjust);
}

export const aaa = (cpu: Cpu): void => adjustAscii(cpu, 1);
export const aas = (cpu: Cpu): void => adjustAscii(cpu, -1);

export function aam(cpu: Cpu): void {
  const base = readOperand(cpu, cpu.instruction.operands[0]) & 0xff;
  if (base === 0) throw new GuestFault(Vector.de, 0, 'AAM by 0');
  const al = cpu.state.reg(Reg.eax, 1);
  cpu.state.setReg(Reg.eax, 2, (Math.floor(al / base) << 8) | (al % base));
  byteFlags(cpu, al % base, false, false);
}

export function aad(cpu: Cpu): void {
  const base = readOperand(cpu, cpu.instruction.operands[0]) & 0xff;
  const ax = cpu.state.reg(Reg.eax, 2);
  const al = ((ax & 0xff) + (ax >> 8) * base) & 0xff;
  cpu.state.setReg(Reg.eax, 2, al);
  byteFlags(cpu, al, false, false);
}

// --- flags

/** PUSHF, POPF and INT n in virtual-8086 mode need IOPL 3. */
function requireVirtualIopl(cpu: Cpu): void {
  if (cpu.state.virtual8086 && cpu.state.iopl !== 3) {
    throw gp(0, `${cpu.instruction.row.mnemonic.toUpperCase()} in virtual-8086 mode needs IOPL 3, it is ${cpu.state.iopl}`);
  }
}

export function popf(cpu: Cpu): void {
  const { state } = cpu;
  const size = sizeOf(cpu);
  const virtual = state.virtual8086 && size === 2 && hasVirtualFlag(state);
  if (!virtual) requireVirtualIopl(cpu);
  const stack = StackCursor.current(state, cpu.mmu);
  const value = stack.popLow(size);
  if (virtual) {
    takeVirtualFlags(cpu, value);
    state.setRegAddress(Reg.esp, stack.pointer);
    state.refresh();
    return;
  }
  state.setRegAddress(Reg.esp, stack.pointer);
  let changeable: number = Flag.cf | Flag.pf | Flag.af | Flag.zf | Flag.sf | Flag.tf | Flag.df | Flag.of | Flag.nt;
  if (size !== 2) changeable |= Flag.ac | Flag.id;
  if (state.cpl === 0) changeable |= Flag.iopl | Flag.if;
  else if (state.cpl <= state.iopl) changeable |= Flag.if;
  state.eflags = (((state.eflags & ~changeable) | (value & changeable)) & ~(size !== 2 ? Flag.rf : 0)) >>> 0;
  state.refresh();
}

/** STI; CLI is in semantics/privilege.ts. @returns false when it is refused */
function mayChangeInterrupts(cpu: Cpu): boolean {
  const { cpl, iopl, protectedMode } = cpu.state;
  if (!protectedMode || cpl <= iopl) return true;
  const { mnemonic } = cpu.instruction.row;
  cpu.refuse(gp(0, () => `${mnemonic.toUpperCase()} needs CPL ≤ IOPL: CPL ${cpl}, IOPL ${iopl}`));
  return false;
}

/** Interrupts that wait for a program that has VIF are its monitor's affair. */
function setVirtualFlag(cpu: Cpu): void {
  if (cpu.state.flag(Flag.vip)) cpu.refuse(gp(0, 'STI sets VIF while VIP is set'));
  else cpu.state.setFlag(Flag.vif, true);
}

export function sti(cpu: Cpu): void {
  if (hasVirtualFlag(cpu.state)) {
    setVirtualFlag(cpu);
    return;
  }
  if (!mayChangeInterrupts(cpu)) return;
  if (!cpu.state.flag(Flag.if)) cpu.shadow('sti');
  cpu.state.setFlag(Flag.if, true);
}

export function hlt(cpu: Cpu): void {
  if (inRing0(cpu)) cpu.halt();
}

// --- stack frames

export function pusha(cpu: Cpu): void {
  const { state } = cpu;
  const size = sizeOf(cpu);
  const stack = StackCursor.current(state, cpu.mmu);
  for (let i = 0; i < 8; i++) stack.push(size, state.reg(i, size));
  state.setRegAddress(Reg.esp, stack.pointer);
}

export function popa(cpu: Cpu): void {
  const { state } = cpu;
  const size = sizeOf(cpu);
  const stack = StackCursor.current(state, cpu.mmu);
  try {
    for (let i: number = Reg.edi; i >= 0; i--) {
      const value = stack.pop(size);
      if (i !== Reg.esp) state.setReg(i, size, value);
    }
  } catch (error) {
    // Processors keep what was popped before the fault; the stack pointer stays, so that all is popped anew.
    cpu.checkpoint();
    throw error;
  }
  state.setRegAddress(Reg.esp, stack.pointer);
}

export function enter(cpu: Cpu): void {
  const { state, mmu } = cpu;
  const [bytesOperand, levelOperand] = cpu.instruction.operands;
  const bytes = readOperand(cpu, bytesOperand) & 0xffff;
  const level = readOperand(cpu, levelOperand) & 31;
  const size = sizeOf(cpu);
  const stack = StackCursor.current(state, mmu);
  if (size === 8) stack.pushHalves(state.reg32(Reg.ebp), state.regHigh(Reg.ebp));
  else stack.push(size, state.reg(Reg.ebp, size));
  const frame = stack.pointer;
  const outer = new StackCursor(mmu, state.long ? undefined : state.segment(Seg.ss), state.regAddress(Reg.ebp), state.cpl === 3);
  for (let i = 1; i < level; i++) {
    if (size === 8) stack.pushHalves(...outer.peekHalves(-8 * i));
    else stack.push(size, outer.peek(size, -size * i));
  }
  if (level > 0) stack.push(size, frame);
  stack.skip(-bytes);
  // The new top must be writable, so that a stack grows one page at a time.
  stack.touch(size);
  state.setReg(Reg.ebp, size, frame);
  state.setRegAddress(Reg.esp, stack.pointer);
}

export function bound(cpu: Cpu): void {
  const [index, bounds] = cpu.instruction.operands;
  const size = sizeOf(cpu);
  const signed = (value: number): number => (size === 2 ? (value << 16) >> 16 : value | 0);
  const value = signed(readOperand(cpu, index));
  const low = signed(readOperandAt(cpu, bounds, 0, size));
  if (value < low) throw new GuestFault(Vector.br, 0, `index ${value} lies below ${low}`);
  // The upper bound is not even read before.
  const high = signed(readOperandAt(cpu, bounds, size, size));
  if (value > high) throw new GuestFault(Vector.br, 0, `index ${value} lies above ${high}`);
}

// --- segment registers

const segmentOf = (cpu: Cpu, index: number): Seg => {
  const operand = cpu.instruction.operands[index];
  if (operand.kind !== 'register' || operand.class !== 'segment') throw new Error('no segment register');
  return operand.index as Seg;
};

export function movToSegment(cpu: Cpu): void {
  const segment = segmentOf(cpu, 0);
  loadSegment(cpu, segment, readOperand(cpu, cpu.instruction.operands[1]) & 0xffff);
  if (segment === Seg.ss) cpu.shadow('mov-ss');
}

/** With 32 bits only the low word is written, as processors do: the upper half of the slot keeps what it held. */
export function pushSegment(cpu: Cpu): void {
  const { state } = cpu;
  const size = sizeOf(cpu);
  const stack = StackCursor.current(state, cpu.mmu);
  if (size === 4) {
    stack.skip(-4);
    stack.poke(2, state.selector(segmentOf(cpu, 0)));
  } else stack.push(size, state.selector(segmentOf(cpu, 0)));
  state.setRegAddress(Reg.esp, stack.pointer);
}

export function popSegment(cpu: Cpu): void {
  const { state } = cpu;
  const segment = segmentOf(cpu, 0);
  const stack = StackCursor.current(state, cpu.mmu);
  const selector = stack.peek(2, 0);
  stack.skip(sizeOf(cpu));
  loadSegment(cpu, segment, selector);
  state.setRegAddress(Reg.esp, stack.pointer);
  if (segment === Seg.ss) cpu.shadow('mov-ss');
}

const POINTER_SEGMENTS: Readonly<Record<string, Seg>> = { les: Seg.es, lds: Seg.ds, lss: Seg.ss, lfs: Seg.fs, lgs: Seg.gs };

export function loadFarPointer(cpu: Cpu): void {
  const [dst, src] = cpu.instruction.operands;
  const size = sizeOf(cpu);
  const offset = size === 8 ? readOperandHalves(cpu, src) : ([readOperandAt(cpu, src, 0, size), 0] as const);
  const selector = readOperandAt(cpu, src, size, 2);
  loadSegment(cpu, POINTER_SEGMENTS[cpu.instruction.row.mnemonic], selector);
  if (size === 8) writeRegisterHalves(cpu, dst, ...offset);
  else writeOperand(cpu, dst, offset[0]);
}

// --- probes of descriptors

const VALID_FOR_LAR = new Set<number>([
  SystemType.tss16,
  SystemType.ldt,
  SystemType.busyTss16,
  SystemType.callGate16,
  SystemType.taskGate,
  SystemType.tss32,
  SystemType.busyTss32,
  SystemType.callGate32,
]);
const VALID_IN_LONG_MODE = new Set<number>([SystemType.ldt, SystemType.tss32, SystemType.busyTss32, SystemType.callGate32]);
const VALID_FOR_LSL = new Set<number>([SystemType.tss16, SystemType.ldt, SystemType.busyTss16, SystemType.tss32, SystemType.busyTss32]);

/** The descriptor if a program at this CPL and RPL may see it. */
function visible(cpu: Cpu, selector: number, systemTypes: ReadonlySet<number>): Descriptor | undefined {
  const descriptor = isNull(selector) ? undefined : fetchDescriptor(cpu.state, cpu.mmu, selector);
  if (!descriptor) return undefined;
  const known = systemTypes.has(descriptor.type) && (!cpu.state.longMode || VALID_IN_LONG_MODE.has(descriptor.type));
  if (!descriptor.isSegment && !known) return undefined;
  if (!descriptor.conforming && Math.max(cpu.state.cpl, selector & 3) > descriptor.dpl) return undefined;
  return descriptor;
}

function probe(cpu: Cpu, systemTypes: ReadonlySet<number>, value: (descriptor: Descriptor) => number): void {
  requireProtected(cpu);
  const [dst, src] = cpu.instruction.operands;
  const descriptor = visible(cpu, readOperand(cpu, src) & 0xffff, systemTypes);
  if (descriptor) writeOperand(cpu, dst, value(descriptor));
  cpu.state.setZero(descriptor !== undefined);
}

export const lar = (cpu: Cpu): void => probe(cpu, VALID_FOR_LAR, ({ high }) => high & 0x00ffff00);
export const lsl = (cpu: Cpu): void => probe(cpu, VALID_FOR_LSL, ({ limit }) => limit);

function verify(cpu: Cpu, allows: (descriptor: Descriptor) => boolean): void {
  requireProtected(cpu);
  const descriptor = visible(cpu, readOperand(cpu, cpu.instruction.operands[0]) & 0xffff, new Set());
  cpu.state.setZero(descriptor !== undefined && allows(descriptor));
}

export const verr = (cpu: Cpu): void => verify(cpu, (descriptor) => !descriptor.isCode || descriptor.readWrite);
export const verw = (cpu: Cpu): void => verify(cpu, (descriptor) => !descriptor.isCode && descriptor.readWrite);

export function arpl(cpu: Cpu): void {
  requireProtected(cpu);
  const [dst, src] = cpu.instruction.operands;
  const selector = readOperand(cpu, dst);
  const rpl = readOperand(cpu, src) & 3;
  const raise = (selector & 3) < rpl;
  if (raise) writeOperand(cpu, dst, (selector & ~3) | rpl);
  cpu.state.setZero(raise);
}

// --- the rest

export function undefinedInstruction(cpu: Cpu): void {
  throw ud(`${cpu.instruction.row.mnemonic.toUpperCase()} is undefined on purpose`);
}

const SOFTWARE_EXCEPTION = { source: 'software', softwareException: true } as const;

function softwareInterrupt(cpu: Cpu, vector: number, name: string, how: Pick<Event, 'source' | 'softwareException'>): void {
  const { here, after } = cpu;
  const event: Event = { vector, ...how, returnTo: after, resume: false, name, kind: 'gate', at: here, length: after - here };
  if (cpu.vmx.nonRoot) interceptSoftwareEvent(cpu, event);
  try {
    deliver(cpu, event);
  } catch (error) {
    if (error instanceof GuestFault) error.during = event;
    throw error;
  }
}

export function int(cpu: Cpu): void {
  const vector = readOperand(cpu, cpu.instruction.operands[0]) & 0xff;
  if (!redirects(cpu, vector)) requireVirtualIopl(cpu);
  softwareInterrupt(cpu, vector, INT_NAMES[vector], { source: 'software' });
}

export const int3 = (cpu: Cpu): void => softwareInterrupt(cpu, Vector.bp, 'INT3', SOFTWARE_EXCEPTION);
export const int1 = (cpu: Cpu): void => softwareInterrupt(cpu, Vector.db, 'INT1', { source: 'privileged-software' });

export function into(cpu: Cpu): void {
  if (has(cpu, Flag.of)) softwareInterrupt(cpu, Vector.of, 'INTO', SOFTWARE_EXCEPTION);
}
