/** Fills a record from a decoded instruction. */
import { SEGMENT_NAMES, type Instruction, type MemoryOperand, type RegisterOperand } from '../../../isa/types';
import type { HostMemory } from '../../machine/host-memory';
import { IP, REGISTER_SIZE, REGISTERS, SEG, SEGMENT_SIZE, SEGMENTS, X87_REGISTERS, X87_STRIDE, XMM, XMM_STRIDE, ZERO } from '../layout';
import { Seg } from '../state';
import { RECORD, RECORD_SIZE } from './records';

/** State offset of a register operand; undefined for those that only helpers reach. */
function registerOffset({ class: registerClass, index, high }: RegisterOperand): number | undefined {
  const file = REGISTER_FILES[registerClass];
  return file && file.base + index * file.stride + (high ? 1 : 0);
}

/** Of an x87 register its distance from the top of the stack counts: where that is shows when the handler runs. */
const REGISTER_FILES: Readonly<Record<string, { readonly base: number; readonly stride: number } | undefined>> = {
  gpr: { base: REGISTERS, stride: REGISTER_SIZE },
  // Of a segment register it is the selector.
  segment: { base: SEGMENTS + SEG.selector, stride: SEGMENT_SIZE },
  xmm: { base: XMM, stride: XMM_STRIDE },
  mmx: { base: X87_REGISTERS, stride: X87_STRIDE },
  x87: { base: 0, stride: X87_STRIDE },
};
const REGISTER_FIELDS = [RECORD.first, RECORD.second, RECORD.third];
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
      case 'register': {
        const offset = registerOffset(operand);
        if (offset !== undefined && registers < REGISTER_FIELDS.length) put(REGISTER_FIELDS[registers++], offset);
        break;
      }
      case 'immediate':
        putWide(put, RECORD.immediate, operand.value, operand.value64);
        break;
      case 'relative':
        put(RECORD.target, here + instruction.length + operand.displacement);
        break;
      case 'memory':
        // Of a string instruction's two the source: the destination is always ES:(E)DI and needs no field.
        if (instruction.row.operands[index][0] !== 'Y') writeMemory(put, operand, here + instruction.length);
        break;
      default:
        break;
    }
  }
}

/** Eight bytes of a value, or of `exact` where a number cannot hold it. */
function putWide(put: (field: number, value: number) => void, field: number, value: number, exact: bigint | undefined): void {
  put(field, exact === undefined ? value : Number(BigInt.asIntN(32, exact)));
  put(field + 4, exact === undefined ? Math.floor(value / 2 ** 32) : Number(BigInt.asIntN(32, exact >> 32n)));
}

/** @param next distance of the following instruction, from which RIP-relative operands count */
function writeMemory(put: (field: number, value: number) => void, operand: MemoryOperand, next: number): void {
  const segment = SEGMENT_NAMES.indexOf(operand.segment);
  put(RECORD.segment, SEGMENTS + segment * SEGMENT_SIZE);
  put(RECORD.segmentBase, segment < Seg.fs ? ZERO : SEGMENTS + segment * SEGMENT_SIZE + SEG.base);
  put(RECORD.base, operand.ripRelative ? IP : baseOffset(operand.base));
  put(RECORD.index, baseOffset(operand.index));
  put(RECORD.shift, 31 - Math.clz32(operand.scale));
  putWide(put, RECORD.displacement, operand.displacement + (operand.ripRelative ? next : 0), operand.displacement64);
  put(RECORD.mask, operand.addressSize === 16 ? 0xffff : -1);
  put(RECORD.mask + 4, operand.addressSize === 64 ? -1 : 0);
}
