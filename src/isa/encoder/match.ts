/** Whether an instruction as written can be encoded by a form. The rules of size are NASM's. */

import { type OperandCode, sizeInBytes } from '../operand-codes';
import type { Bits } from '../types';
import type { Form } from './forms';
import { levelOf } from './level';
import type { EncoderNumber, ImmediateRequest, InstructionRequest, Integer, MemoryRequest, OperandRequest } from './request';

/** From worst to best; the best over all forms is what the user is told. */
export const Match = {
  Operands: 0,
  Distance: 1,
  Size: 2,
  SizeMissing: 3,
  Mode: 4,
  Level: 5,
  Good: 6,
} as const;
export type Match = (typeof Match)[keyof typeof Match];

/** The form exists in the mode with this operand size. */
function existsInMode(form: Form, bits: Bits): boolean {
  const { row, size } = form;
  if (!row.modes.includes(bits)) return false;
  if (bits !== 64) return size !== 8;
  if (size === 0 || row.size64 === 'normal') return true;
  if (row.size64 === 'default64') return size !== 4;
  return size === 8;
}

/** Operand size that an instruction of this form has where nothing states one. */
export function defaultSize(form: Form, bits: Bits): 2 | 4 | 8 {
  if (bits === 16) return 2;
  return bits === 64 && form.row.size64 !== 'normal' ? 8 : 4;
}

const low = (value: Integer, bits: number): bigint => BigInt.asIntN(bits, BigInt(value));

/** The low `bits` as a signed number lie in -128 .. 127. */
function isSignedByte(value: Integer, bits: number): boolean {
  if (typeof value === 'number' && value >= -128 && value <= 127) return true;
  const part = low(value, bits);
  return part >= -128n && part <= 127n;
}

/** A plain number whose form may be chosen by its value. */
const isPlain = (number: EncoderNumber): boolean => !number.relocatable;

/** Read the low word of a register and may be written with a wider one. */
const TAKES_WIDER: ReadonlySet<string> = new Set(['movToSegment', 'lar', 'lsl']);

function matchRegister(code: OperandCode, operand: OperandRequest & { kind: 'register' }, form: Form, bits: Bits): Match {
  const { register } = operand;
  if (register.class !== code.class || (operand.to === true) !== (form.variant === 'to')) return Match.Operands;
  if (register.class === 'xmm' && register.index > 15) return Match.Operands;
  switch (code.method) {
    case 'rm':
    case 'rmRegister':
    case 'register':
    case 'opcodeRegister':
    case 'vvvv':
    case 'segment':
    case 'control':
    case 'debug':
    case 'test':
      break;
    case 'fixedRegister':
      if (register.index !== code.fixed || register.high) return Match.Operands;
      break;
    default:
      return Match.Operands;
  }
  // In 64-bit mode 90 is NOP, which does not clear the high half of RAX.
  if (form.pattern.opcode === 0x90 && form.size === 4 && bits === 64 && code.method === 'opcodeRegister' && register.index === 0)
    return Match.Operands;
  if (register.size === 0 || code.class === 'segment') return Match.Good;
  if (register.size > 2 && code.size === 'w' && TAKES_WIDER.has(form.row.semantics)) {
    return register.size === 8 && bits !== 64 ? Match.Mode : Match.Good;
  }
  // Inserting takes a register as wide as the element, too.
  if (form.row.mnemonic.startsWith('pinsr') && !register.high && register.size === sizeInBytes(code.memorySize, form.size || 4, bits))
    return Match.Good;
  if (form.row.mnemonic === 'rdpid' && register.size === 4) return Match.Good;
  return register.size === registerBytes(code, form, bits) ? Match.Good : Match.Operands;
}

function registerBytes(code: OperandCode, form: Form, bits: Bits): number {
  return sizeInBytes(code.size, form.size || 4, bits);
}

/** Another operand is a register of the same width, which then is the memory operand's too. */
function pinned(code: OperandCode, form: Form, request: InstructionRequest): boolean {
  const { operands } = form;
  for (let i = 0; i < operands.length; i++) {
    const other = operands[i];
    const given = request.operands[i];
    if (other === code) continue;
    if (given.kind === 'register' && other.size === code.memorySize && other.class === 'gpr' && other.method !== 'fixedRegister')
      return true;
    // The count of a shift has no say in the width of what is shifted.
    if (given.kind === 'immediate' && given.size > 0 && given.size < 8 && !form.row.flags.conditional && sameWidth(other, code)) {
      return given.size === sizeInBytes(code.memorySize, form.size || 4, request.bits);
    }
  }
  return false;
}

/** The immediate states the size of the operation, as in `add [bx], word 5`. */
function sameWidth(immediate: OperandCode, memory: OperandCode): boolean {
  if (immediate.method === 'signedByte') return true;
  return memory.memorySize === 'b' ? immediate.size === 'b' : immediate.size === 'z' || immediate.size === 'v';
}

function matchMemory(code: OperandCode, memory: MemoryRequest, form: Form, request: InstructionRequest): Match {
  const { method } = code;
  if (method === 'offset') {
    if (memory.distance !== undefined || memory.terms.length > 0 || memory.ripRelative) return Match.Operands;
    const bytes = sizeInBytes(code.size, form.size || 4, request.bits);
    return memory.size === 0 || memory.size === bytes ? Match.Good : Match.Operands;
  }
  if (method !== 'rm' && method !== 'memory') return Match.Operands;
  if (form.row.flow !== 'next' && (method === 'rm' || code.memorySize === 'p')) {
    const branch = matchIndirect(code, memory, form, request);
    if (branch !== undefined) return branch;
  }
  if (memory.distance !== undefined && form.row.mnemonic !== 'lea') return Match.Operands;
  switch (code.memorySize) {
    case 'none':
      return form.row.mnemonic === 'lea' || memory.size === 0 ? Match.Good : Match.Size;
    case 'p':
    case 's':
    case 'a':
    case 'env':
    case 'state':
    case 'fxsave':
      return memory.size === 0 ? Match.Good : Match.Size;
    default:
  }
  // MOVD of 64 bits is for registers alone.
  if (form.row.mnemonic === 'movq' && request.mnemonic === 'movd') return Match.Operands;
  if (LINE.test(form.row.mnemonic)) return memory.size === 0 ? Match.Good : Match.Size;
  const bytes = sizeInBytes(code.memorySize, form.size || 4, request.bits);
  // A conversion from an integer takes a doubleword if nothing else is said.
  if (code.memorySize === 'y' && memory.size === 0 && form.size === 0 && form.row.operands[0].startsWith('V')) return Match.Good;
  // Rv/Mw: a word whatever the operand size, so it need not be said, and the mode's own size is taken.
  if (code.memorySize !== code.size && code.size === 'v') {
    if (memory.size !== 0 && memory.size !== bytes) return Match.Size;
    return form.size === (request.bits === 16 ? 2 : 4) ? Match.Good : Match.Operands;
  }
  if (memory.size !== 0) return memory.size === bytes ? Match.Good : Match.Size;
  return pinned(code, form, request) ? Match.Good : Match.SizeMissing;
}

/** Which take a cache line, whose size is not to be said. */
const LINE = /^cl(flush|wb)/;

/** Near and far indirect branches; undefined where the instruction is no such branch. */
function matchIndirect(code: OperandCode, memory: MemoryRequest, form: Form, request: InstructionRequest): Match | undefined {
  const { mnemonic } = form.row;
  if (mnemonic !== 'jmp' && mnemonic !== 'call') return undefined;
  if ((memory.distance === 'far') !== (code.memorySize === 'p')) return Match.Operands;
  if (memory.distance === 'short') return Match.Operands;
  const stated = memory.size || (code.memorySize === 'p' ? request.bits / 8 : defaultSize(form, request.bits));
  return stated === form.size ? Match.Good : Match.Size;
}

/** Their immediates must be written without a size. */
const SIZELESS: ReadonlySet<string> = new Set(['shld', 'shrd', 'enter', 'pshufw', 'pshufd', 'pshufhw', 'pshuflw', 'palignr', 'pinsrw']);
/** Of PEXTRW only the newer form takes a size. */
const isSizeless = ({ row, pattern }: Form): boolean => SIZELESS.has(row.mnemonic) || (row.mnemonic === 'pextrw' && pattern.map === 1);

function matchImmediate(code: OperandCode, given: ImmediateRequest, form: Form, request: InstructionRequest): Match {
  const { method } = code;
  if (method === 'relative') return matchBranch(code, given, form, request);
  if (given.distance !== undefined) return Match.Operands;
  if (method === 'constant') {
    if (!isPlain(given) || given.size !== 0) return Match.Operands;
    return given.unknown ? (given.strict ? Match.Operands : Match.Good) : given.value === code.constant ? Match.Good : Match.Operands;
  }
  if (method === 'signedByte') return matchSignedByte(given, form, request);
  if (method !== 'immediate') return Match.Operands;
  if (given.size !== 0 && isSizeless(form)) return Match.Size;
  const bytes = sizeInBytes(code.size, form.size || 4, request.bits);
  if (form.operands.length === 1 && code.size === 'z') return matchPushed(given, form, request);
  if (form.size === 8) return matchWide(code, given, form, request);
  if (given.size === 0 || given.size === bytes) return Match.Good;
  return Match.Size;
}

/** A byte that is sign-extended: where the byte is stated, or the value lets a shorter form stand for the stated one. */
function matchSignedByte(given: ImmediateRequest, form: Form, request: InstructionRequest): Match {
  const only = form.operands.length === 1;
  if (given.size === 1) return only && form.size !== defaultSize(form, request.bits) ? Match.Size : Match.Good;
  const natural = only ? defaultSize(form, request.bits) : form.size;
  const pushes = only && form.size === 8 && given.size === 4;
  const stated = given.size === 0 || pushes ? natural : given.size;
  if (stated !== form.size) return Match.Size;
  if (given.strict || !isPlain(given)) return Match.Operands;
  return given.unknown || isSignedByte(given.value, form.size === 2 ? 16 : 32) ? Match.Good : Match.Operands;
}

/** PUSH of an immediate: the stated size is the operand size. */
function matchPushed(given: ImmediateRequest, form: Form, request: InstructionRequest): Match {
  if (given.size === 1) return Match.Size;
  const stated = given.size === 0 || (request.bits === 64 && given.size === 4) ? defaultSize(form, request.bits) : given.size;
  return stated === form.size ? Match.Good : Match.Size;
}

/** Immediates of 64-bit operations: four bytes sign-extended, except in MOV to a register, which has eight. */
function matchWide(code: OperandCode, given: ImmediateRequest, form: Form, request: InstructionRequest): Match {
  if (code.size === 'b') return given.size <= 1 ? Match.Good : Match.Size;
  const takesFour = form.row.mnemonic === 'mov' || form.row.mnemonic === 'imul';
  if (given.size !== 0 && given.size !== 8 && !(given.size === 4 && takesFour)) return Match.Size;
  if (form.row.mnemonic !== 'mov' || (form.operands[0].method === 'rm' && request.operands[0].kind === 'memory')) return Match.Good;
  // To a register: four bytes where the number fits them and nothing says otherwise, else all eight.
  const short = given.size === 4 || (isPlain(given) && !given.strict && (given.unknown || isSigned32(given.value)));
  return short === (code.size === 'z') ? Match.Good : Match.Operands;
}

const isSigned32 = (value: Integer): boolean => value >= -0x80000000 && value <= 0x7fffffff;

/** MOV to a 64-bit register of a number that its low half can hold. */
function matchNarrow(request: InstructionRequest): Match {
  const [target, given] = request.operands;
  if (target.kind !== 'register' || target.register.class !== 'gpr' || target.register.size !== 8) return Match.Operands;
  if (given.kind !== 'immediate' || given.distance !== undefined || given.strict || !isPlain(given)) return Match.Operands;
  if (given.size !== 0 && given.size !== 8) return Match.Size;
  return given.unknown || (given.value >= 0 && given.value <= 0xffffffff) ? Match.Good : Match.Operands;
}

function matchBranch(code: OperandCode, given: ImmediateRequest, form: Form, request: InstructionRequest): Match {
  if (given.distance === 'far') return Match.Operands;
  if (code.size === 'b') {
    if (given.distance === 'near') return Match.Distance;
    if (!hasNearForm(form)) return given.size === 0 && given.distance === undefined ? Match.Good : Match.Size;
    if (given.distance === 'short') return given.size === 0 ? Match.Good : Match.Size;
    if (given.size !== 0 || given.strict) return Match.Distance;
    return reachesShort(given) ? Match.Good : Match.Distance;
  }
  if (given.distance === 'short' || (form.variant === 'inverted' && given.distance !== undefined)) return Match.Distance;
  if (given.size !== 0 && given.distance !== 'near' && form.row.semantics === 'jcc') return Match.Size;
  const stated = given.size || defaultSize(form, request.bits);
  return stated === form.size ? Match.Good : Match.Size;
}

/** Whether the instruction has a form with a longer distance, so that the short one is chosen only where it reaches. */
const hasNearForm = (form: Form): boolean => form.row.mnemonic === 'jmp' || form.row.semantics === 'jcc';

/** Bytes of a short jump. */
const SHORT_LENGTH = 2;

function reachesShort(given: ImmediateRequest): boolean {
  if (given.unknown) return true;
  if (given.offset === undefined) return false;
  const distance = Number(given.offset) - SHORT_LENGTH;
  return distance >= -128 && distance <= 127;
}

function matchFar(code: OperandCode, given: OperandRequest & { kind: 'far' }, form: Form, bits: Bits): Match {
  if (code.method !== 'far') return Match.Operands;
  return (given.size || (bits === 16 ? 2 : 4)) === form.size ? Match.Good : Match.Size;
}

function matchOperand(index: number, form: Form, request: InstructionRequest): Match {
  const code = form.operands[index];
  const operand = request.operands[index];
  if (form.variant === 'counter' && index === 1) return matchCounter(operand);
  switch (operand.kind) {
    case 'register':
      return matchRegister(code, operand, form, request.bits);
    case 'memory':
      return matchMemory(code, operand, form, request);
    case 'immediate':
      return matchImmediate(code, operand, form, request);
    case 'far':
      return matchFar(code, operand, form, request.bits);
  }
}

function matchCounter(operand: OperandRequest): Match {
  if (operand.kind !== 'register') return Match.Operands;
  const { register } = operand;
  return register.class === 'gpr' && register.index === 1 && register.size >= 2 ? Match.Good : Match.Operands;
}

function allowed(form: Form, level: number): boolean {
  if (form.variant === 'inverted') return form.size === 2 || level >= 3;
  return levelOf(form) <= level;
}

/** How well the form fits. */
export function matchForm(form: Form, request: InstructionRequest): Match {
  if (form.operands.length !== request.operands.length) return Match.Operands;
  // The near form does the same in one instruction where the processor has it.
  if (form.variant === 'inverted' && (request.level === undefined || request.level >= 3)) return Match.Operands;
  if (form.variant === 'narrow') {
    const match = matchNarrow(request);
    return match === Match.Good && request.bits !== 64 ? Match.Mode : match;
  }
  let worst: Match = Match.Good;
  let missing = false;
  for (let i = 0; i < form.operands.length; i++) {
    const match = matchOperand(i, form, request);
    if (match === Match.Operands) return match;
    if (match === Match.SizeMissing) missing = true;
    if (match < worst) worst = match;
  }
  if (missing) return Match.SizeMissing;
  if (worst !== Match.Good) return worst;
  if (!existsInMode(form, request.bits)) return Match.Mode;
  return request.level === undefined || allowed(form, request.level) ? Match.Good : Match.Level;
}

/** The size in bytes that the form would give to a memory operand whose size is not stated; 0 where it has none. */
export function memorySizeOf(form: Form, index: number, bits: Bits): number {
  const code = form.operands[index];
  return code ? sizeInBytes(code.memorySize, form.size || 4, bits) : 0;
}
