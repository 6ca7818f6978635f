/** VM-exit instruction information and the qualification that goes with it (manual, "Information for VM Exits Due to Instruction Execution"). */
import { type MemoryOperand, type Operand, SEGMENT_NAMES } from '../../../isa/types';
import type { Cpu } from '../system/cpu';

const ADDRESS_SIZES: Readonly<Record<number, number>> = { 16: 0, 32: 1, 64: 2 };
const OPERAND_SIZES: Readonly<Record<number, number>> = { 2: 0, 4: 1, 8: 2 };
const NO_INDEX = 1 << 22;
const NO_BASE = 1 << 27;
const IS_REGISTER = 1 << 10;

const registerOf = (operand: Operand | undefined): number => (operand?.kind === 'register' ? operand.index : 0);

/** Address size in its place: bits 9:7. */
const addressSize = (bits: number): number => ADDRESS_SIZES[bits] << 7;

/** Bits 0 to 27 of a memory operand. */
function memoryInfo({ base, index, scale, addressSize: bits, segment }: MemoryOperand): number {
  return (
    Math.log2(index >= 0 ? scale : 1) |
    addressSize(bits) |
    (SEGMENT_NAMES.indexOf(segment) << 15) |
    (index >= 0 ? index << 18 : NO_INDEX) |
    (base >= 0 ? base << 23 : NO_BASE)
  );
}

/** Of an instruction with a memory or register operand. @param second register in bits 31:28; @param extra more bits */
export function operandInfo(operand: Operand, second?: Operand, extra = 0): number {
  const other = registerOf(second) << 28;
  if (operand.kind === 'memory') return (memoryInfo(operand) | other | extra) >>> 0;
  return ((registerOf(operand) << 3) | IS_REGISTER | other | extra) >>> 0;
}

/** Operand size in bits 12:11 beside the destination register: RDRAND and RDSEED. */
export function destinationInfo(cpu: Cpu): number {
  const [operand] = cpu.instruction.operands;
  return (registerOf(operand) << 3) | (OPERAND_SIZES[operand.kind === 'register' ? operand.size : 4] << 11);
}

/** Of INS and OUTS. */
export function stringInfo(cpu: Cpu, operand: MemoryOperand): number {
  return addressSize(cpu.instruction.addressSize) | (SEGMENT_NAMES.indexOf(operand.segment) << 15);
}

/** A memory operand's displacement, as signed halves; a relative one counts from the next instruction. 0 where there is none. */
export function displacement(cpu: Cpu, operand: Operand): { readonly qualification: number; readonly qualificationHigh: number } {
  if (operand.kind !== 'memory') return { qualification: 0, qualificationHigh: 0 };
  const value = operand.displacement + (operand.ripRelative ? cpu.after : 0);
  return { qualification: value >>> 0, qualificationHigh: Math.floor(value / 2 ** 32) >>> 0 };
}
