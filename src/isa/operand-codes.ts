/** The operand codes of a row (manual, Opcode Map, "Key to Abbreviations"), parsed: where the operand is encoded and how wide it is. */
import type { Bits, InstructionRow, OperandSize, RegisterClass } from './types';
import { SEGMENT_NAMES } from './types';

/** Where an operand comes from; the code's letter is behind each. */
export type OperandMethod =
  | 'rm' // E: ModR/M, general register or memory
  | 'memory' // M: ModR/M, memory only
  | 'rmRegister' // R: ModR/M's rm field as a register, whatever mod says
  | 'register' // G: ModR/M's reg field
  | 'segment' // S: reg field, segment register
  | 'control' // C: reg field
  | 'debug' // D: reg field
  | 'test' // T: reg field
  | 'opcodeRegister' // Z: the opcode's low three bits
  | 'fixedRegister' // a register's name
  | 'immediate' // I: unsigned, or sign-extended from 4 bytes to 8
  | 'signedByte' // sIb: sign-extended to the operand size
  | 'constant' // 1
  | 'relative' // J
  | 'far' // A: pointer in the instruction
  | 'offset' // O: address without ModR/M
  | 'source' // X: DS:rSI, segment overridable
  | 'destination' // Y: ES:rDI
  | 'lookup'; // BB: DS:[rBX + AL], segment overridable; the memory operand has the base alone

/**
 * How wide: b 1, w 2, d 4, q 8, dq 16 bytes; v the operand size; z the operand size but 4 for 8; r 4, in 64-bit mode 8;
 * p far pointer (operand size + 2); s descriptor-table operand (6, in 64-bit mode 10); a BOUND's pair; none for an address alone.
 */
export type SizeCode = 'b' | 'w' | 'd' | 'q' | 'dq' | 'v' | 'z' | 'r' | 'p' | 's' | 'a' | 'none';

export interface OperandCode {
  readonly code: string;
  readonly method: OperandMethod;
  /** Of a register, an immediate in the encoding, or memory where `memorySize` says nothing else. */
  readonly size: SizeCode;
  readonly memorySize: SizeCode;
  /** Of register operands. */
  readonly class: RegisterClass;
  /** Number of a fixed register. */
  readonly fixed: number;
  /** Value of a constant. */
  readonly constant: number;
}

const METHODS: Readonly<Record<string, OperandMethod>> = {
  E: 'rm',
  M: 'memory',
  R: 'rmRegister',
  G: 'register',
  S: 'segment',
  C: 'control',
  D: 'debug',
  T: 'test',
  Z: 'opcodeRegister',
  I: 'immediate',
  J: 'relative',
  A: 'far',
  O: 'offset',
  X: 'source',
  Y: 'destination',
  BB: 'lookup',
};

const CLASSES: Partial<Readonly<Record<OperandMethod, RegisterClass>>> = {
  segment: 'segment',
  control: 'control',
  debug: 'debug',
  test: 'test',
};

const FIXED: Readonly<Record<string, readonly [index: number, size: SizeCode]>> = {
  AL: [0, 'b'],
  CL: [1, 'b'],
  DX: [2, 'w'],
  eAX: [0, 'z'],
  rAX: [0, 'v'],
};

/**
 * Parses one code, for example `Ev`, `sIb`, `Rv/Mw`, `eAX`, `1`.
 * @throws Error for a code that is none: a mistake in the table
 */
export function parseOperandCode(code: string): OperandCode {
  let parsed = PARSED.get(code);
  if (!parsed) PARSED.set(code, (parsed = parse(code)));
  return parsed;
}

/** The table has some fifty codes in a thousand places. */
const PARSED = new Map<string, OperandCode>();

function parse(code: string): OperandCode {
  const plain = { code, class: 'gpr' as RegisterClass, fixed: 0, constant: 0 };
  if (code === '1') return { ...plain, method: 'constant', size: 'b', memorySize: 'b', constant: 1 };
  if (code === 'sIb') return { ...plain, method: 'signedByte', size: 'v', memorySize: 'v' };
  const fixed = FIXED[code];
  if (fixed !== undefined) return { ...plain, method: 'fixedRegister', fixed: fixed[0], size: fixed[1], memorySize: fixed[1] };
  const segment = SEGMENT_NAMES.findIndex((name) => name.toUpperCase() === code);
  if (segment >= 0) return { ...plain, method: 'fixedRegister', class: 'segment', fixed: segment, size: 'w', memorySize: 'w' };

  const [, letter, size, memorySize] = /^(BB|[A-Z])(b|w|dq|d|q|v|z|p|s|a|)(?:\/M(b|w|d|q))?$/.exec(code) ?? [];
  // `Rv/Mw` is an E operand whose two forms differ in width.
  const method = memorySize === undefined ? METHODS[letter] : 'rm';
  if (method === undefined) throw new Error(`instruction table: "${code}" is no operand code`);
  const registerClass = CLASSES[method] ?? 'gpr';
  const isNative = method === 'rmRegister' || method === 'control' || method === 'debug' || method === 'test';
  const ownSize = (isNative ? 'r' : size === '' ? 'none' : size) as SizeCode;
  return { ...plain, method, class: registerClass, size: ownSize, memorySize: (memorySize ?? ownSize) as SizeCode };
}

/** The bytes that a size code stands for under an operand size and a code size. */
export function sizeInBytes(size: SizeCode, operandSize: 2 | 4 | 8, bits: Bits): OperandSize {
  switch (size) {
    case 'none':
      return 0;
    case 'b':
      return 1;
    case 'w':
      return 2;
    case 'd':
      return 4;
    case 'q':
      return 8;
    case 'dq':
      return 16;
    case 'v':
      return operandSize;
    case 'z':
      return operandSize === 2 ? 2 : 4;
    case 'r':
      return bits === 64 ? 8 : 4;
    case 'p':
      return (operandSize + 2) as OperandSize;
    case 's':
      return bits === 64 ? 10 : 6;
    case 'a':
      return (operandSize * 2) as OperandSize;
  }
}

/** Whether the opcode alone says what the operands are (string operations, XLAT): source text has none. */
export function hasImpliedOperands(row: InstructionRow): boolean {
  return row.operands.some((code) => /^(X|Y|BB)/.test(code));
}
