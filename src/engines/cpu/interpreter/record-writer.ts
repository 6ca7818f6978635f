/** Fills a record from a decoded instruction. */
import { SEGMENT_NAMES, type Instruction, type MemoryOperand, type RegisterOperand } from '../../../isa/types';
import type { HostMemory } from '../../machine/host-memory';
import { REGISTER_SIZE, REGISTERS, SEGMENT_SIZE, SEGMENTS, ZERO } from '../layout';
import { RECORD, RECORD_SIZE } from './records';

const registerOffset = (operand: RegisterOperand): number => REGISTERS + operand.index * REGISTER_SIZE + (operand.high ? 1 : 0);
const baseOffset = (register: number): number => (register < 0 ? ZERO : REGISTERS + register * REGISTER_SIZE);

/**
 * Writes the record at host offset `at`.
 * @param here distance of the instruction from its block's start, in bytes
 * @param rest see RECORD.rest
 */
export function writeRecord(host: HostMemory, at: number, handler: number, instruction: Instruction, here: number, rest: number): void {
  const { i32 } = host;
  i32.fill(0, at >> 2, (at + RECORD_SIZE) >> 2);
  const put = (field: number, value: number): void => {
    i32[(at + field) >> 2] = value;
  };
  put(RECORD.handler, handler);
  put(RECORD.here, here);
  put(RECORD.next, here + instruction.length);
  put(RECORD.rest, rest);
  let registers = 0;
  for (const [index, operand] of instruction.operands.entries()) {
    switch (operand.kind) {
      case 'register':
        if (operand.class === 'gpr' && registers < 2) put(registers++ === 0 ? RECORD.first : RECORD.second, registerOffset(operand));
        break;
      case 'immediate':
        put(RECORD.immediate, operand.value);
        put(RECORD.immediateHigh, operand.value < 0 ? -1 : 0);
        break;
      case 'relative':
        put(RECORD.target, here + instruction.length + operand.displacement);
        break;
      case 'memory':
        // Of a string instruction's two the source: the destination is always ES:(E)DI and needs no field.
        if (instruction.row.operands[index][0] !== 'Y') writeMemory(put, operand);
        break;
      default:
        break;
    }
  }
}

function writeMemory(put: (field: number, value: number) => void, operand: MemoryOperand): void {
  put(RECORD.segment, SEGMENTS + SEGMENT_NAMES.indexOf(operand.segment) * SEGMENT_SIZE);
  put(RECORD.base, baseOffset(operand.base));
  put(RECORD.index, baseOffset(operand.index));
  put(RECORD.shift, 31 - Math.clz32(operand.scale));
  put(RECORD.displacement, operand.displacement);
  put(RECORD.mask, operand.addressSize === 16 ? 0xffff : -1);
}
