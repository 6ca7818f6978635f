/** Port input and output, with the permission bitmap (manual, "I/O Permission Bit Map", IN, OUT, INS, OUTS). */
import type { MemoryOperand } from '../../../isa/types';
import type { LinearAddress } from '../../../shared/addresses';
import type { AccessSize } from '../../machine/physical-memory';
import { Flag, Reg, Seg } from '../state';
import type { Cpu } from './cpu';
import { gp } from './fault';
import { readOperand, readSegment, segmentNumber, writeOperand, writeSegment } from './operands';
import { checkAccess } from './segments';

/** #GP(0) unless the ports may be used: CPL at or below IOPL, or their bits in the TSS are clear. @returns false when refused */
export function mayUsePorts(cpu: Cpu, port: number, size: number): boolean {
  const { state } = cpu;
  const { cpl, iopl } = state;
  if (!state.protectedMode || (!state.virtual8086 && cpl <= iopl)) return true;
  const why = flawOfPorts(cpu, port, size);
  if (why === undefined) return true;
  cpu.refuse(gp(0, () => `port 0x${port.toString(16)}: CPL ${cpl} > IOPL ${iopl} and ${why}`));
  return false;
}

/** What forbids the ports in the I/O permission bitmap. @throws GuestFault #PF */
function flawOfPorts({ state, mmu }: Cpu, port: number, size: number): string | undefined {
  const tss = state.segment(Seg.tr);
  if (tss.unusable || !(tss.attributes & 8) || tss.limit < 0x67) return 'there is no 32-bit TSS with a bitmap';
  const base = tss.base as LinearAddress;
  const bitmap = mmu.read(state.advance(base, 0x66), 2, false);
  const at = bitmap + (port >> 3);
  // Two bytes are always read, so the last byte of the map must be followed by one of ones.
  if (at + 1 > tss.limit) return 'the bitmap ends before it';
  const bits = mmu.read(state.advance(base, at), 2, false) >> (port & 7);
  return bits & ((1 << size) - 1) ? 'its bit in the I/O bitmap is set' : undefined;
}

export function input(cpu: Cpu): void {
  const [dst, src] = cpu.instruction.operands;
  const size = (dst.kind === 'register' ? dst.size : 1) as AccessSize;
  const port = readOperand(cpu, src) & 0xffff;
  if (!mayUsePorts(cpu, port, size)) return;
  writeOperand(cpu, dst, cpu.readPort(port, size));
}

export function output(cpu: Cpu): void {
  const [dst, src] = cpu.instruction.operands;
  const size = (src.kind === 'register' ? src.size : 1) as AccessSize;
  const port = readOperand(cpu, dst) & 0xffff;
  if (!mayUsePorts(cpu, port, size)) return;
  cpu.writePort(port, size, readOperand(cpu, src));
}

/** One element, and under a repeat prefix the whole rest through `cpu.repeat`. */
function step(cpu: Cpu, register: number, size: number): void {
  const { state, instruction } = cpu;
  const wide = instruction.addressSize / 8;
  state.setReg(register, wide, state.reg(register, wide) + (state.flag(Flag.df) ? -size : size));
}

export function ins(cpu: Cpu): void {
  const [dst] = cpu.instruction.operands;
  const size = (dst.kind === 'memory' ? dst.size : 1) as AccessSize;
  const port = cpu.state.reg(Reg.edx, 2);
  if (!mayUsePorts(cpu, port, size)) return;
  cpu.repeat(() => {
    const offset = cpu.state.reg(Reg.edi, cpu.instruction.addressSize / 8);
    // The destination is checked before the device is read, whose data would be lost otherwise.
    const linear = checkAccess(cpu.state, Seg.es, offset, size, true);
    cpu.mmu.checkWrite(linear, size, cpu.state.cpl === 3);
    writeSegment(cpu, Seg.es, offset, size, cpu.readPort(port, size));
    step(cpu, Reg.edi, size);
  });
}

/** What INS or OUTS is about: its memory operand, its port and the bytes of one element. */
export function stringPort({ instruction, state }: Cpu): { readonly operand: MemoryOperand; readonly port: number; readonly size: number } {
  const operand = instruction.operands.find(({ kind }) => kind === 'memory') as MemoryOperand;
  return { operand, port: state.reg(Reg.edx, 2), size: operand.size };
}

export function outs(cpu: Cpu): void {
  const [, src] = cpu.instruction.operands;
  if (src.kind !== 'memory') throw new Error('OUTS without a memory operand');
  const size = src.size as AccessSize;
  const port = cpu.state.reg(Reg.edx, 2);
  if (!mayUsePorts(cpu, port, size)) return;
  cpu.repeat(() => {
    const offset = cpu.state.reg(Reg.esi, cpu.instruction.addressSize / 8);
    cpu.writePort(port, size, readSegment(cpu, segmentNumber(src), offset, size));
    step(cpu, Reg.esi, size);
  });
}
