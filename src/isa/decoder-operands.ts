/** Operands from a cursor: registers, immediates, branch distances, far pointers and memory. */
import type { FarOperand, ImmediateOperand, MemoryOperand, Operand, OperandSize, RegisterOperand, RelativeOperand } from './types';
import { SEGMENT_NAMES } from './types';
import { REX_B, REX_R, REX_X } from './decoder-cursor';
import type { Cursor } from './decoder-cursor';
import type { OperandPlan } from './decoder-lookup';

const RSP = 4;
const RBP = 5;
const RSI = 6;
const RDI = 7;
const RBX = 3;
const ES = 0;
const CS = 1;
const SS = 2;
const DS = 3;
const NONE = -1;

/** Control registers that exist; any other raises #UD. */
const CONTROL_REGISTERS: ReadonlySet<number> = new Set([0, 2, 3, 4, 8]);

/**
 * Reads the next operand. Operands of a row stand in the order of their bytes, so each takes its own from the cursor; one
 * that the processor refuses marks the cursor invalid.
 * @param place its number in the row; the first is the destination
 * @param width index of the plan's sizes
 */
export function readOperand(cursor: Cursor, plan: OperandPlan, place: number, width: number): Operand {
  const size = plan.sizes[width];
  switch (plan.method) {
    case 'rm':
    case 'memory':
      return cursor.modrm >= 0xc0 ? numbered(cursor, plan.class, rmNumber(cursor), size) : modrmMemory(cursor, plan.memorySizes[width]);
    case 'register':
      return numbered(cursor, plan.class, regNumber(cursor), size);
    case 'vvvv':
      // Outside 64-bit mode its highest bit is ignored.
      return numbered(cursor, plan.class, cursor.bits === 64 ? cursor.vvvv : cursor.vvvv & 7, size);
    case 'opcodeRegister':
      return general(cursor, (cursor.opcode & 7) | ((cursor.rex & REX_B) << 3), size);
    case 'rmRegister':
      return numbered(cursor, plan.class, rmNumber(cursor), size);
    case 'fixedRegister':
      return register(plan.class, plan.fixed, size);
    case 'segment':
      return segmentRegister(cursor, place);
    case 'control':
    case 'debug':
    case 'test':
      return systemRegister(cursor, plan.class, size);
    case 'immediate':
      return immediate(cursor, size);
    case 'signedByte':
      return { kind: 'immediate', size, encodedSize: 1, value: cursor.s8() };
    case 'constant':
      return { kind: 'immediate', size, encodedSize: 0, value: plan.constant };
    case 'relative':
      return relative(cursor, size);
    case 'far':
      return far(cursor);
    case 'offset':
      return absolute(cursor, size);
    case 'source':
      return implied(cursor, RSI, dataSegment(cursor), size);
    case 'destination':
      return implied(cursor, RDI, ES, size);
    case 'lookup':
      return implied(cursor, RBX, dataSegment(cursor), size);
    case 'implied':
      return implied(cursor, plan.fixed, dataSegment(cursor), size);
  }
}

function rmNumber(cursor: Cursor): number {
  return (cursor.modrm & 7) | ((cursor.rex & REX_B) << 3);
}

function regNumber(cursor: Cursor): number {
  return ((cursor.modrm >> 3) & 7) | ((cursor.rex & REX_R) << 1);
}

function register(registerClass: RegisterOperand['class'], index: number, size: OperandSize): RegisterOperand {
  return { kind: 'register', class: registerClass, size, index, high: false };
}

/** There are eight x87 and MMX registers, whatever REX says. */
function numbered(cursor: Cursor, registerClass: RegisterOperand['class'], index: number, size: OperandSize): RegisterOperand {
  if (registerClass === 'gpr') return general(cursor, index, size);
  return register(registerClass, registerClass === 'xmm' ? index : index & 7, size);
}

function general(cursor: Cursor, index: number, size: OperandSize): RegisterOperand {
  const high = size === 1 && cursor.rex === 0 && index >= 4;
  return { kind: 'register', class: 'gpr', size, index: high ? index - 4 : index, high };
}

/** REX.R does not extend it. CS cannot be loaded by MOV. */
function segmentRegister(cursor: Cursor, place: number): RegisterOperand {
  const index = (cursor.modrm >> 3) & 7;
  if (index >= SEGMENT_NAMES.length || (place === 0 && index === CS)) cursor.invalid = true;
  return register('segment', index, 2);
}

function systemRegister(cursor: Cursor, registerClass: RegisterOperand['class'], size: OperandSize): RegisterOperand {
  const index = regNumber(cursor);
  if (registerClass === 'control' ? !CONTROL_REGISTERS.has(index) : index >= 8) cursor.invalid = true;
  return register(registerClass, index, size);
}

function immediate(cursor: Cursor, size: OperandSize): ImmediateOperand {
  switch (size) {
    case 1:
      return { kind: 'immediate', size, encodedSize: 1, value: cursor.u8() };
    case 2:
      return { kind: 'immediate', size, encodedSize: 2, value: cursor.u16() };
    case 8: {
      const low = cursor.u32();
      const high = cursor.u32();
      const value64 = (BigInt(high) << 32n) | BigInt(low);
      return { kind: 'immediate', size, encodedSize: 8, value: high * 2 ** 32 + low, value64 };
    }
    default:
      // `Iz` under an operand size of 8 has four bytes too, and is sign-extended.
      if (cursor.operandSize === 8) return { kind: 'immediate', size: 8, encodedSize: 4, value: cursor.s32() };
      return { kind: 'immediate', size, encodedSize: 4, value: cursor.u32() };
  }
}

function relative(cursor: Cursor, size: OperandSize): RelativeOperand {
  switch (size) {
    case 1:
      return { kind: 'relative', encodedSize: 1, displacement: cursor.s8() };
    case 2:
      return { kind: 'relative', encodedSize: 2, displacement: cursor.s16() };
    default:
      return { kind: 'relative', encodedSize: 4, displacement: cursor.s32() };
  }
}

function far(cursor: Cursor): FarOperand {
  const offsetSize = cursor.operandSize === 2 ? 2 : 4;
  const offset = offsetSize === 2 ? cursor.u16() : cursor.u32();
  return { kind: 'far', selector: cursor.u16(), offset, offsetSize };
}

function dataSegment(cursor: Cursor): number {
  return cursor.segment < 0 ? DS : cursor.segment;
}

function memory(
  cursor: Cursor,
  size: OperandSize,
  segment: number,
  base: number,
  index: number,
  scale: MemoryOperand['scale'],
  displacement: number,
  displacementSize: MemoryOperand['displacementSize'],
  ripRelative: boolean,
): MemoryOperand {
  return {
    kind: 'memory',
    size,
    segment: SEGMENT_NAMES[segment],
    base,
    index,
    scale,
    displacement,
    displacementSize,
    ripRelative,
    addressSize: cursor.addressSize,
  };
}

function implied(cursor: Cursor, base: number, segment: number, size: OperandSize): MemoryOperand {
  return memory(cursor, size, segment, base, NONE, 1, 0, 0, false);
}

/** An address as wide as the address size, without ModR/M. */
function absolute(cursor: Cursor, size: OperandSize): MemoryOperand {
  const segment = dataSegment(cursor);
  if (cursor.addressSize === 16) return memory(cursor, size, segment, NONE, NONE, 1, cursor.s16(), 2, false);
  if (cursor.addressSize === 32) return memory(cursor, size, segment, NONE, NONE, 1, cursor.s32(), 4, false);
  const low = cursor.u32();
  const high = cursor.s32();
  const operand = memory(cursor, size, segment, NONE, NONE, 1, high * 2 ** 32 + low, 8, false);
  if (Number.isSafeInteger(operand.displacement)) return operand;
  return { ...operand, displacement64: (BigInt(high >>> 0) << 32n) | BigInt(low) };
}

function modrmMemory(cursor: Cursor, size: OperandSize): MemoryOperand {
  return cursor.addressSize === 16 ? memory16(cursor, size) : memory32(cursor, size);
}

/** Base and index by the rm field (manual, "16-Bit Addressing Forms with the ModR/M Byte"). */
const BASES_16: readonly number[] = [RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX];
const INDEXES_16: readonly number[] = [RSI, RDI, RSI, RDI, NONE, NONE, NONE, NONE];

function memory16(cursor: Cursor, size: OperandSize): MemoryOperand {
  const rm = cursor.modrm & 7;
  const mod = cursor.modrm >> 6;
  if (mod === 0 && rm === 6) {
    return memory(cursor, size, dataSegment(cursor), NONE, NONE, 1, cursor.s16(), 2, false);
  }
  const base = BASES_16[rm];
  const segment = cursor.segment >= 0 ? cursor.segment : base === RBP ? SS : DS;
  const displacement = mod === 1 ? cursor.s8() : mod === 2 ? cursor.s16() : 0;
  return memory(cursor, size, segment, base, INDEXES_16[rm], 1, displacement, mod as 0 | 1 | 2, false);
}

/** Manual, "32-Bit Addressing Forms with the ModR/M Byte" and "… with the SIB Byte", with REX and RIP-relative addressing. */
function memory32(cursor: Cursor, size: OperandSize): MemoryOperand {
  const rm = cursor.modrm & 7;
  const mod = cursor.modrm >> 6;
  let base = rmNumber(cursor);
  let index = NONE;
  let scale: MemoryOperand['scale'] = 1;
  let isAbsolute = mod === 0 && rm === RBP;
  const ripRelative = isAbsolute && cursor.bits === 64;
  if (rm === RSP) {
    const sib = cursor.u8();
    base = (sib & 7) | ((cursor.rex & REX_B) << 3);
    isAbsolute = mod === 0 && (sib & 7) === RBP;
    const encodedIndex = ((sib >> 3) & 7) | ((cursor.rex & REX_X) << 2);
    if (encodedIndex !== RSP) {
      index = encodedIndex;
      scale = (1 << (sib >> 6)) as MemoryOperand['scale'];
    }
  }
  if (isAbsolute) base = NONE;
  const segment = cursor.segment >= 0 ? cursor.segment : base === RSP || base === RBP ? SS : DS;
  if (mod === 1) return memory(cursor, size, segment, base, index, scale, cursor.s8(), 1, false);
  if (mod === 2 || isAbsolute) return memory(cursor, size, segment, base, index, scale, cursor.s32(), 4, ripRelative);
  return memory(cursor, size, segment, base, index, scale, 0, 0, false);
}
