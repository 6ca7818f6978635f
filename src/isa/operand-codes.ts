/** The operand codes of a row (manual, Opcode Map, "Key to Abbreviations"), parsed: where the operand is encoded and how wide it is. */
import type { Bits, InstructionRow, OperandSize, RegisterClass } from './types';
import { SEGMENT_NAMES } from './types';

/** Where an operand comes from; the code's letter is behind each. */
export type OperandMethod =
  | 'rm' // E, Q, W: ModR/M, register (general, MMX, XMM) or memory
  | 'memory' // M: ModR/M, memory only
  | 'rmRegister' // R, N, U, STi: ModR/M's rm field as a register
  | 'register' // G, P, V: ModR/M's reg field
  | 'vvvv' // B, H: VEX.vvvv
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
  | 'lookup' // BB: DS:[rBX + AL], segment overridable; the memory operand has the base alone
  | 'implied'; // BA: DS:rAX, BD: DS:rDI, segment overridable, though source text has no such operand

/**
 * How wide: b 1, w 2, d 4, q 8, t 10, dq 16 bytes; v the operand size; z the operand size but 4 for 8; y 4, but 8 for 8; r 4, in
 * 64-bit mode 8; p far pointer (operand size + 2); s descriptor-table operand (6, in 64-bit mode 10); a BOUND's pair; none for
 * an address alone or an area. Vectors: ps, pd, x 16 bytes, pi 8, ss 4, sd 8. x87 and SSE areas: env, state, fxsave.
 */
export type SizeCode =
  | 'b'
  | 'w'
  | 'd'
  | 'q'
  | 't'
  | 'dq'
  | 'v'
  | 'z'
  | 'y'
  | 'r'
  | 'p'
  | 's'
  | 'a'
  | 'ps'
  | 'pd'
  | 'pi'
  | 'x'
  | 'ss'
  | 'sd'
  | 'env'
  | 'state'
  | 'fxsave'
  | 'none';

export interface OperandCode {
  readonly code: string;
  readonly method: OperandMethod;
  /** Of a register, an immediate in the encoding, or memory where `memorySize` says nothing else. */
  readonly size: SizeCode;
  readonly memorySize: SizeCode;
  /** Of register operands. */
  readonly class: RegisterClass;
  /** Number of a fixed register, or of an implied operand's base. */
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
  BA: 'implied',
  BD: 'implied',
  P: 'register',
  Q: 'rm',
  N: 'rmRegister',
  V: 'register',
  W: 'rm',
  U: 'rmRegister',
  B: 'vvvv',
  H: 'vvvv',
};

/** Letters whose registers are not general ones; such a register has a width of its own, whatever part of it is used. */
const VECTOR_CLASSES: Readonly<Record<string, readonly [registerClass: RegisterClass, size: SizeCode]>> = {
  P: ['mmx', 'q'],
  Q: ['mmx', 'q'],
  N: ['mmx', 'q'],
  V: ['xmm', 'dq'],
  W: ['xmm', 'dq'],
  U: ['xmm', 'dq'],
  H: ['xmm', 'dq'],
};

const CLASSES: Partial<Readonly<Record<OperandMethod, RegisterClass>>> = {
  segment: 'segment',
  control: 'control',
  debug: 'debug',
  test: 'test',
};

const FIXED: Readonly<Record<string, readonly [index: number, size: SizeCode]>> = {
  AL: [0, 'b'],
  AX: [0, 'w'],
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

const CODE = /^(BA|BB|BD|[A-Z])(b|w|dq|d|q|v|z|y|r|pd|pi|ps|p|ss|sd|state|s|a|t|x|env|fxsave|)(?:\/M(b|w|d|q))?$/;

/** The table has some hundred codes in thousands of places. */
const PARSED = new Map<string, OperandCode>();

function parse(code: string): OperandCode {
  const plain = { code, class: 'gpr' as RegisterClass, fixed: 0, constant: 0 };
  if (code === '1') return { ...plain, method: 'constant', size: 'b', memorySize: 'b', constant: 1 };
  if (code === 'sIb') return { ...plain, method: 'signedByte', size: 'v', memorySize: 'v' };
  const fixed = FIXED[code];
  if (fixed !== undefined) return { ...plain, method: 'fixedRegister', fixed: fixed[0], size: fixed[1], memorySize: fixed[1] };
  const segment = SEGMENT_NAMES.findIndex((name) => name.toUpperCase() === code);
  if (segment >= 0) return { ...plain, method: 'fixedRegister', class: 'segment', fixed: segment, size: 'w', memorySize: 'w' };

  if (code === 'ST0') return { ...plain, method: 'fixedRegister', class: 'x87', size: 't', memorySize: 't' };
  if (code === 'XMM0') return { ...plain, method: 'fixedRegister', class: 'xmm', size: 'dq', memorySize: 'dq' };
  if (code === 'STi') return { ...plain, method: 'rmRegister', class: 'x87', size: 't', memorySize: 't' };

  const [, letter, size, memorySize] = CODE.exec(code) ?? [];
  // `Rv/Mw` is an E operand whose two forms differ in width, `Ux/Mq` such a W operand.
  const method = memorySize === undefined ? METHODS[letter] : 'rm';
  if (method === undefined) throw new Error(`instruction table: "${code}" is no operand code`);
  const vector = VECTOR_CLASSES[letter];
  if (vector !== undefined) {
    return { ...plain, method, class: vector[0], size: vector[1], memorySize: (memorySize ?? size) as SizeCode };
  }
  const registerClass = CLASSES[method] ?? 'gpr';
  // A control register and what it is moved to or from are as wide as the mode, and so is RDPID's Rd.
  const isNative = code === 'Rd' || method === 'control' || method === 'debug' || method === 'test';
  const ownSize = (isNative ? 'r' : size === '' ? 'none' : size) as SizeCode;
  const fixedBase = letter === 'BD' ? 7 : 0;
  return { ...plain, method, class: registerClass, size: ownSize, memorySize: (memorySize ?? ownSize) as SizeCode, fixed: fixedBase };
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
    case 'ss':
      return 4;
    case 'q':
    case 'pi':
    case 'sd':
      return 8;
    case 't':
      return 10;
    case 'dq':
    case 'ps':
    case 'pd':
    case 'x':
      return 16;
    case 'v':
      return operandSize;
    case 'z':
      return operandSize === 2 ? 2 : 4;
    case 'y':
      return operandSize === 8 ? 8 : 4;
    case 'r':
      return bits === 64 ? 8 : 4;
    case 'p':
      return (operandSize + 2) as OperandSize;
    case 's':
      return bits === 64 ? 10 : 6;
    case 'a':
      return (operandSize * 2) as OperandSize;
    case 'env':
      return operandSize === 2 ? 14 : 28;
    case 'state':
      return operandSize === 2 ? 94 : 108;
    case 'fxsave':
      return 512;
  }
}

/** Whether source text leaves this operand out, and only this one. */
export function isImplied(code: OperandCode): boolean {
  return code.method === 'implied';
}

/** Whether the opcode alone says what the operands are (string operations, XLAT): source text has none. */
export function hasImpliedOperands(row: InstructionRow): boolean {
  return row.operands.some((code) => /^(X|Y|BB)/.test(code));
}

/** Whose last operand is always XMM0 and need not be written: the row does not have it. */
export const WITH_XMM0: ReadonlySet<string> = new Set(['blendvps', 'blendvpd', 'pblendvb', 'sha256rnds2']);
