/** Operands as helpers reach them: by value, one at a time. */
import type { MemoryOperand, Operand, RegisterOperand } from '../../../isa/types';
import { SEGMENT_NAMES } from '../../../isa/types';
import type { AccessSize } from '../../machine/physical-memory';
import { Seg } from '../state';
import type { LinearAddress } from '../../../shared/addresses';
import type { Cpu } from './cpu';
import { GuestFault, gp, Vector } from './fault';
import { checkAccess } from './segments';

/** Effective address of a memory operand: unsigned, with 64-bit addressing signed (see `join`). */
export function effectiveAddress(cpu: Cpu, operand: MemoryOperand): number {
  if (operand.addressSize === 64) return wideAddress(cpu, operand);
  const { state } = cpu;
  let address = operand.displacement + (operand.ripRelative ? cpu.after : 0);
  if (operand.base >= 0) address += state.reg32(operand.base);
  if (operand.index >= 0) address += state.reg32(operand.index) * operand.scale;
  return operand.addressSize === 16 ? address & 0xffff : address >>> 0;
}

function wideAddress({ state, after }: Cpu, operand: MemoryOperand): number {
  const base = operand.ripRelative ? after : operand.base >= 0 ? state.reg64(operand.base) : 0;
  const index = operand.index >= 0 ? state.reg64(operand.index) : 0;
  if (operand.displacement64 === undefined && Number.isSafeInteger(base) && Number.isSafeInteger(index * operand.scale)) {
    return base + index * operand.scale + operand.displacement;
  }
  // Sums that go around 2^64 are exact this way alone.
  const exact = (register: number): bigint => (BigInt(state.regHigh(register)) << 32n) | BigInt(state.reg32(register));
  let address = operand.displacement64 ?? BigInt(operand.displacement);
  if (operand.ripRelative) address += BigInt(after);
  else if (operand.base >= 0) address += exact(operand.base);
  if (operand.index >= 0) address += exact(operand.index) * BigInt(operand.scale);
  return Number(BigInt.asIntN(64, address));
}

/** The low 32 bits of a memory operand's linear address, exact even where the whole is not canonical. */
export function linearLow({ state, after }: Cpu, operand: MemoryOperand): number {
  const base = operand.ripRelative ? after : operand.base >= 0 ? state.reg32(operand.base) : 0;
  const index = operand.index >= 0 ? state.reg32(operand.index) * operand.scale : 0;
  const displacement = operand.displacement64 === undefined ? operand.displacement : Number(BigInt.asIntN(32, operand.displacement64));
  const offset = operand.addressSize === 16 ? (base + index + displacement) & 0xffff : base + index + displacement;
  return (offset + state.linear(segmentNumber(operand), 0)) >>> 0;
}

export const segmentNumber = (operand: MemoryOperand): Seg => SEGMENT_NAMES.indexOf(operand.segment) as Seg;

function memoryOf(operand: Operand): MemoryOperand {
  if (operand.kind !== 'memory') throw new Error(`a ${operand.kind} operand is not in memory`);
  return operand;
}

/** Reads from a memory operand, `skip` bytes on. */
export function readOperandAt(cpu: Cpu, operand: Operand, skip: number, size: AccessSize | 8): number {
  const memory = memoryOf(operand);
  const offset = wrap(memory, effectiveAddress(cpu, memory) + skip);
  return readSegment(cpu, segmentNumber(memory), offset, size);
}

/** Reads 8 bytes exactly: their halves. */
export function readOperandHalves(cpu: Cpu, operand: Operand): readonly [low: number, high: number] {
  const memory = memoryOf(operand);
  const linear = checkAccess(cpu.state, segmentNumber(memory), effectiveAddress(cpu, memory), 8, false);
  return cpu.mmu.readHalves(linear, cpu.state.cpl === 3);
}

export function writeOperandAt(cpu: Cpu, operand: Operand, skip: number, size: AccessSize | 8, value: number): void {
  const memory = memoryOf(operand);
  const offset = wrap(memory, effectiveAddress(cpu, memory) + skip);
  writeSegment(cpu, segmentNumber(memory), offset, size, value);
}

/** Faults unless all of a memory operand can be written. */
export function checkOperandWrite(cpu: Cpu, operand: Operand, size: number): void {
  const memory = memoryOf(operand);
  const linear = checkAccess(cpu.state, segmentNumber(memory), effectiveAddress(cpu, memory), size, true);
  cpu.mmu.checkWrite(linear, size, cpu.state.cpl === 3);
}

function wrap(memory: MemoryOperand, offset: number): number {
  if (memory.addressSize === 64) return offset;
  return memory.addressSize === 16 ? offset & 0xffff : offset >>> 0;
}

export function readSegment(cpu: Cpu, segment: Seg, offset: number, size: AccessSize | 8): number {
  return cpu.mmu.read(checkAccess(cpu.state, segment, offset, size, false), size, cpu.state.cpl === 3);
}

export function writeSegment(cpu: Cpu, segment: Seg, offset: number, size: AccessSize | 8, value: number): void {
  cpu.mmu.write(checkAccess(cpu.state, segment, offset, size, true), size, value, cpu.state.cpl === 3);
}

/** The value of a register, memory or immediate operand: unsigned, 8 bytes signed and perhaps rounded (see `join`). */
export function readOperand(cpu: Cpu, operand: Operand): number {
  switch (operand.kind) {
    case 'register':
      return readRegister(cpu, operand);
    case 'memory':
      return readOperandAt(cpu, operand, 0, operand.size as AccessSize | 8);
    case 'immediate':
      return operand.size === 1 ? operand.value & 0xff : operand.size === 2 ? operand.value & 0xffff : operand.value >>> 0;
    default:
      throw new Error(`a ${operand.kind} operand has no value`);
  }
}

function readRegister({ state }: Cpu, operand: RegisterOperand): number {
  if (operand.class === 'segment') return state.selector(operand.index as Seg);
  return state.reg(operand.index, operand.size, operand.high);
}

/** Writes a register or memory operand; a 32-bit register is zero-extended. */
export function writeOperand(cpu: Cpu, operand: Operand, value: number): void {
  if (operand.kind === 'memory') writeOperandAt(cpu, operand, 0, operand.size as AccessSize | 8, value);
  else if (operand.kind === 'register') cpu.state.setReg(operand.index, operand.size, value, operand.high);
  else throw new Error(`a ${operand.kind} operand is not written`);
}

/** The general register of an operand, exactly: its low and high 32 bits, the high ones 0 outside 64-bit code. */
export function registerHalves({ state }: Cpu, operand: Operand): readonly [low: number, high: number] {
  if (operand.kind !== 'register' || operand.class !== 'gpr') throw new Error(`a ${operand.kind} operand is no general register`);
  return [state.reg32(operand.index), operand.size === 8 ? state.regHigh(operand.index) : 0];
}

/** Writes a general register operand; the high half is dropped where it has none. */
export function writeRegisterHalves({ state }: Cpu, operand: Operand, low: number, high: number): void {
  if (operand.kind !== 'register' || operand.class !== 'gpr') throw new Error(`a ${operand.kind} operand is no general register`);
  state.setRegHalves(operand.index, low, operand.size === 8 ? high : 0);
}

/**
 * Where an area of FXSAVE or XSAVE lies, with the checks on its address in the order in which processors make them.
 * @param alignment bytes, 16 or 64
 * @returns its linear address, and that of a byte in it, which wraps around with the address size
 */
export function areaAddress(
  cpu: Cpu,
  operand: Operand,
  length: number,
  alignment: number,
  write: boolean,
): { readonly first: LinearAddress; readonly at: (distance: number) => LinearAddress } {
  const { state, instruction } = cpu;
  const memory = memoryOf(operand);
  const [segment, offset] = [segmentNumber(memory), effectiveAddress(cpu, memory)];
  checkAccess(state, segment, offset, 4, false);
  const low = linearLow(cpu, memory);
  const name = instruction.row.mnemonic.toUpperCase();
  if (low & 3 && state.alignmentChecked) throw new GuestFault(Vector.ac, 0, `${name} at an address that is no multiple of 4`);
  if (low & (alignment - 1)) throw gp(0, `${name} at an address that is no multiple of ${alignment}`);
  const first = checkAccess(state, segment, offset, length, write);
  return { first, at: (distance) => state.linear(segment, wrap(memory, offset + distance)) };
}

/** Reads an area in memory as a whole. */
export function readOperandBytes(cpu: Cpu, operand: Operand, length: number): Uint8Array<ArrayBuffer> {
  const memory = memoryOf(operand);
  const linear = checkAccess(cpu.state, segmentNumber(memory), effectiveAddress(cpu, memory), length, false);
  return cpu.mmu.readBytes(linear, length, cpu.state.cpl === 3);
}

/** Writes an area in memory once all of it can be. */
export function writeOperandBytes(cpu: Cpu, operand: Operand, bytes: Uint8Array): void {
  const memory = memoryOf(operand);
  const linear = checkAccess(cpu.state, segmentNumber(memory), effectiveAddress(cpu, memory), bytes.length, true);
  cpu.mmu.writeBytes(linear, bytes, cpu.state.cpl === 3);
}
