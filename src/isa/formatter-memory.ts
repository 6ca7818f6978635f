/** Memory operands as text. */
import type { Instruction, MemoryOperand, SegmentName } from './types';
import type { FormatOptions } from './formatter';
import { hex } from './hex';
import { generalRegisterName } from './registers';

const RSP = 4;
const RBP = 5;
const ADDRESS_NAMES = { 16: 'word', 32: 'dword', 64: 'qword' } as const;

/**
 * `[segment:base+index*scale+displacement]`, the segment only where it is not the default, an address alone with its size
 * where it is not the mode's own.
 * @param isOffset for the forms without ModR/M (MOV rAX, moffs)
 */
export function formatMemory(
  operand: MemoryOperand,
  instruction: Instruction,
  isOffset: boolean,
  { address = 0, symbols }: FormatOptions,
): string {
  const segment = shownSegment(operand, instruction);
  const width = operand.addressSize / 8;
  if (operand.ripRelative) {
    const target = address + instruction.length + operand.displacement;
    return `[rel ${segment}${symbols?.(target) ?? hex(target, width)}]`;
  }
  if (operand.base < 0 && operand.index < 0) {
    const absolute = operand.addressSize === 64 ? operand.displacement : unsigned(operand.displacement, width);
    const exact = operand.displacement64;
    const text = exact === undefined ? (symbols?.(absolute) ?? hex(absolute, width)) : `0x${exact.toString(16)}`;
    return `[${addressSizeName(operand, instruction, isOffset)}${segment}${text}]`;
  }
  const parts: string[] = [];
  if (operand.base >= 0) parts.push(generalRegisterName(operand.base, width));
  if (operand.index >= 0) parts.push(indexText(operand, width));
  return `[${segment}${parts.join('+')}${displacementText(operand)}]`;
}

function unsigned(value: number, bytes: number): number {
  return value >= 0 ? value : value + 2 ** (8 * bytes);
}

function indexText(operand: MemoryOperand, width: number): string {
  const name = generalRegisterName(operand.index, width);
  return operand.scale === 1 && operand.base >= 0 ? name : `${name}*${operand.scale}`;
}

function displacementText({ displacement }: MemoryOperand): string {
  if (displacement === 0) return '';
  return displacement < 0 ? `-${hex(-displacement)}` : `+${hex(displacement)}`;
}

function addressSizeName({ addressSize }: MemoryOperand, { bits }: Instruction, isOffset: boolean): string {
  if (bits === 64 && isOffset) return addressSize === 64 ? 'qword ' : '';
  return addressSize === bits ? '' : `${ADDRESS_NAMES[addressSize]} `;
}

function shownSegment(operand: MemoryOperand, { bits, row }: Instruction): string {
  if (row.semantics === 'lea') return '';
  return operand.segment === defaultSegment(operand, bits) ? '' : `${operand.segment}:`;
}

/** The segment that NASM's reading of the text would have. */
function defaultSegment({ base, index, scale, segment }: MemoryOperand, bits: number): SegmentName {
  // In 64-bit mode only FS and GS make a difference.
  if (bits === 64) return segment === 'fs' || segment === 'gs' ? 'ds' : segment;
  // [ebp*1] and [ebp*2], which are in DS, would be read as [ebp] and [ebp+ebp], which are in SS.
  const isReadAsBase = base < 0 && index === RBP && scale <= 2;
  return base === RSP || base === RBP || isReadAsBase ? 'ss' : 'ds';
}
