/**
 * Instructions as text, in NASM's dialect, such that NASM makes an instruction of the same meaning from it.
 *
 * The form is that of iced-x86's NASM formatter with the prefix `0x`, lower-case digits, a space after the comma, no
 * leading zeros in branch targets and no decimal for small numbers. It departs from it where NASM would read the text
 * differently (`o16 ret` for `retw`, `push word 1` for `o16 push 1`), and leaves out what has no effect (branch hints,
 * operand sizes of selector loads).
 */
import type { ImmediateOperand, Instruction, InstructionRow, MemoryOperand, Operand, RelativeOperand, SegmentName } from './types';
import { lazily } from './lazily';
import { pseudoOpFor } from './pseudo-ops';
import { hasImpliedOperands, isImplied, parseOperandCode, WITH_XMM0 } from './operand-codes';
import type { OperandCode } from './operand-codes';
import { formatMemory } from './formatter-memory';
import { hex } from './hex';
import { registerName } from './registers';
import { INSTRUCTIONS } from './table';

export interface FormatOptions {
  /** Where the instruction stands, as its code segment counts: base of relative targets. 0 if not given. */
  readonly address?: number;
  /** Name of an address, for branch targets and memory operands that are an address alone; undefined to show the number. */
  readonly symbols?: (address: number) => string | undefined;
}

const SIZE_NAMES: Readonly<Record<number, string>> = { 1: 'byte', 2: 'word', 4: 'dword', 8: 'qword', 10: 'tword', 16: 'oword' };

/** Text of a decoded instruction. */
export function format(instruction: Instruction, options: FormatOptions = {}): string {
  const operands = operandTexts(instruction, options);
  const head = [...prefixTexts(instruction), mnemonicOf(instruction)].join(' ');
  return operands.length === 0 ? head : `${head} ${operands.join(', ')}`;
}

/** The operand size without prefixes, for this row. */
function defaultOperandSize({ row, bits }: Instruction): 2 | 4 | 8 {
  if (bits !== 64) return bits === 16 ? 2 : 4;
  return row.size64 === 'normal' ? 4 : 8;
}

function hasDefaultSize(instruction: Instruction): boolean {
  return instruction.operandSize === defaultOperandSize(instruction);
}

/** Whose plain spelling means the mode's own size, while `w`, `d` and `q` name one. */
const SIZED_BY_MODE: ReadonlySet<string> = new Set(['pusha', 'popa', 'pushf', 'popf', 'iret']);

function mnemonicOf(instruction: Instruction): string {
  const { row, operandSize } = instruction;
  if (isWideNop(instruction)) return 'xchg';
  const pseudo = pseudoOf(instruction);
  if (pseudo !== undefined) return pseudo;
  if (!SIZED_BY_MODE.has(row.semantics) || row.aliases.length === 0) return row.mnemonic;
  // The 16-bit row is called by the plain spelling and has the one with `w` as its alias; the others have it the other way round.
  return (operandSize === 2) === hasDefaultSize(instruction) ? row.mnemonic : row.aliases[0];
}

function pseudoOf({ row, operands }: Instruction): string | undefined {
  const last = operands.at(-1);
  return last?.kind === 'immediate' ? pseudoOpFor(row.mnemonic, last.value) : undefined;
}

/** 66 90 and 48 90 are NOPs that assemblers write as an exchange of the accumulator with itself. */
function isWideNop(instruction: Instruction): boolean {
  return instruction.row.semantics === 'nop' && instruction.operands.length === 0 && !hasDefaultSize(instruction);
}

/** Whose operand size has an effect that no operand shows. */
const SIZE_HINTED: ReadonlySet<string> = new Set([
  'pushSegment',
  'popSegment',
  'enter',
  'leave',
  'ret',
  'retFar',
  'sgdt',
  'sidt',
  'lgdt',
  'lidt',
]);
/** Whose area is 16 or 32 bits wide. */
const AREAS: ReadonlySet<string> = new Set(['fldenv', 'fnstenv', 'frstor', 'fnsave']);
/** Whose operands in general registers are 64 bits wide with REX.W. */
const TEXT_LENGTHS: ReadonlySet<string> = new Set(['pcmpestri', 'pcmpestrm']);
/** Which return to 64-bit code with REX.W only. */
const WIDE_HINTED: ReadonlySet<string> = new Set(['sysexit', 'sysret']);

function prefixTexts(instruction: Instruction): string[] {
  const { row, prefixes, addressSize } = instruction;
  const texts: string[] = [];
  if (needsSizeHint(instruction)) texts.push(`o${instruction.operandSize * 8}`);
  if (needsAddressHint(instruction)) texts.push(`a${addressSize}`);
  const segment = impliedOverride(instruction);
  if (segment !== undefined) texts.push(segment);
  if (prefixes.lock) texts.push('lock');
  if (row.repeat !== 'none' && prefixes.repeat !== 'none') {
    texts.push(prefixes.repeat === 'repne' ? 'repne' : row.repeat);
  }
  return texts;
}

/** Of an operand that is not written; what is at ES:rDI cannot be moved. */
function impliedOverride({ row, operands }: Instruction): SegmentName | undefined {
  const place = row.operands.findIndex((code) => /^(X|BA|BB|BD)/.test(code));
  const operand = operands[place];
  return operand?.kind === 'memory' && operand.segment !== 'ds' ? operand.segment : undefined;
}

function needsSizeHint(instruction: Instruction): boolean {
  if (hasDefaultSize(instruction)) return false;
  if (AREAS.has(instruction.row.semantics)) return (instruction.operandSize === 2) !== (instruction.bits === 16);
  if (TEXT_LENGTHS.has(instruction.row.semantics)) return instruction.operandSize === 8;
  const [operand] = instruction.operands;
  if (WIDE_HINTED.has(instruction.row.semantics)) return instruction.operandSize === 8;
  return SIZE_HINTED.has(instruction.row.semantics) || (operand?.kind === 'relative' && operand.encodedSize === 1);
}

/** String operations show their addresses nowhere, and an address alone in 64-bit mode has no 32-bit form of its own. */
function needsAddressHint({ row, operands, addressSize, bits }: Instruction): boolean {
  if (addressSize === bits) return false;
  if (hasImpliedOperands(row) || row.operands.some((code) => isImplied(parseOperandCode(code)))) return true;
  return bits === 64 && operands.some((operand) => operand.kind === 'memory' && isOffset(row));
}

function isOffset(row: InstructionRow): boolean {
  return row.operands.some((code) => /^O[bv]$/.test(code));
}

function operandTexts(instruction: Instruction, options: FormatOptions): string[] {
  const { row, operands } = instruction;
  if (isWideNop(instruction)) {
    const name = registerName({ kind: 'register', class: 'gpr', size: instruction.operandSize, index: 0, high: false });
    return [name, name];
  }
  if (hasImpliedOperands(row)) return [];
  const written = operands.filter((_, i) => !isImplied(parseOperandCode(row.operands[i])));
  const texts = written.map((operand) => operandText(operand, instruction, options));
  if (row.semantics === 'xchg' && row.operands[0].startsWith('E')) return texts.reverse();
  if (pseudoOf(instruction) !== undefined) texts.pop();
  if (WITH_XMM0.has(row.mnemonic)) texts.push('xmm0');
  if (row.operands.includes('ST0')) return stackTexts(row, texts);
  if (/^aa[md]$/.test(row.semantics) && texts[0] === '0xa') return [];
  // `imul eax, eax, 5` is written without the repetition.
  if (texts.length === 3 && row.semantics === 'imulLow' && texts[0] === texts[1]) return [texts[0], texts[2]];
  if (row.semantics.startsWith('loop') && instruction.addressSize !== instruction.bits) texts.push(countRegister(instruction));
  return texts;
}

/** Which work with the next register if none is named. */
const WITH_NEXT = /^(f(add|mul|subr?|divr?)p|fu?comp?|fxch)$/;

/** One of the two is the top of the stack: which, the mnemonic or `to` tells. */
function stackTexts(row: InstructionRow, [first, second]: readonly string[]): string[] {
  const other = row.operands[0] === 'ST0' ? second : first;
  if (other === 'st1' && WITH_NEXT.test(row.mnemonic)) return [];
  return [row.operands[0] === 'ST0' || row.mnemonic.endsWith('p') ? other : `to ${other}`];
}

function countRegister({ addressSize }: Instruction): string {
  return { 16: 'cx', 32: 'ecx', 64: 'rcx' }[addressSize];
}

function operandText(operand: Operand, instruction: Instruction, options: FormatOptions): string {
  switch (operand.kind) {
    case 'register':
      return registerName(operand);
    case 'immediate':
      return immediateText(operand, instruction);
    case 'relative':
      return relativeText(operand, instruction, options);
    case 'far': {
      const size = hasDefaultSize(instruction) ? '' : `${SIZE_NAMES[operand.offsetSize]} `;
      return `${size}${hex(operand.selector)}:${hex(operand.offset)}`;
    }
    case 'memory':
      return memoryText(operand, instruction, options);
  }
}

function immediateText(operand: ImmediateOperand, instruction: Instruction): string {
  if (operand.encodedSize === 0) return String(operand.value);
  const value = operand.value64 === undefined ? hex(operand.value, operand.size) : `0x${operand.value64.toString(16)}`;
  const needsSize = instruction.row.semantics === 'push' && !hasDefaultSize(instruction);
  return needsSize ? `${SIZE_NAMES[operand.size]} ${value}` : value;
}

/**
 * Where a relative operand leads, as the code segment counts: cut to the operand size. In 64-bit mode sign-extended from
 * bit 63 (`LinearAddress`).
 * @param address where the instruction stands
 */
export function branchTarget(instruction: Instruction, operand: RelativeOperand, address: number): number {
  const target = address + instruction.length + operand.displacement;
  if (instruction.operandSize === 8) return target;
  return instruction.operandSize === 2 ? target & 0xffff : target >>> 0;
}

function relativeText(operand: RelativeOperand, instruction: Instruction, { address = 0, symbols }: FormatOptions): string {
  const target = branchTarget(instruction, operand, address);
  const text = symbols?.(target) ?? hex(target, instruction.operandSize);
  return `${distance(operand, instruction)}${text}`;
}

function distance(operand: RelativeOperand, instruction: Instruction): string {
  const { semantics } = instruction.row;
  if (operand.encodedSize === 1) return semantics === 'jmp' || semantics === 'jcc' ? 'short ' : '';
  const near = semantics === 'jcc' ? 'near ' : '';
  return hasDefaultSize(instruction) ? near : `${near}${SIZE_NAMES[operand.encodedSize]} `;
}

function memoryText(operand: MemoryOperand, instruction: Instruction, options: FormatOptions): string {
  const text = formatMemory(operand, instruction, isOffset(instruction.row), options);
  const { row, operandSize } = instruction;
  if (row.operands[0] === 'Mp') {
    // NASM takes `far` alone for the mode's own size, though in 64-bit mode that is not the processor's.
    return operandSize * 8 === instruction.bits ? `far ${text}` : `${SIZE_NAMES[operandSize]} far ${text}`;
  }
  return NEEDS_SIZE()[row.id] ? `${SIZE_NAMES[operand.size]} ${text}` : text;
}

/** By row: whether its memory operand's size has to be said, because neither a register nor the mnemonic tells it. */
const NEEDS_SIZE = lazily((): readonly boolean[] => INSTRUCTIONS.map(needsSize));

function needsSize(row: InstructionRow): boolean {
  const codes = row.operands.map(parseOperandCode);
  const memory = codes.find(({ method }) => method === 'rm' || method === 'memory' || method === 'offset');
  if (memory === undefined || /^(none|p|s|a)$/.test(memory.memorySize)) return false;
  // CL as a count says nothing of what is shifted; DX is a port.
  const says = codes.some(
    (code) =>
      code.method === 'segment' ||
      ((code.method === 'register' || code.method === 'vvvv') && code.class === 'gpr' && code.size === memory.memorySize) ||
      (code.class !== 'gpr' && code !== memory && memory.memorySize !== 'y' && isOnlySize(row, code, memory)) ||
      (code.method === 'fixedRegister' && code.code !== 'CL' && code.size === memory.memorySize),
  );
  if (says) return false;
  return memory.memorySize === 'v' || memory.memorySize === 'y' || memory.memorySize === 't' || memorySizesOf(row.mnemonic).size > 1;
}

/** Whether the mnemonic with a register of this class has memory operands of one size alone. */
function isOnlySize(row: InstructionRow, register: OperandCode, { memorySize }: OperandCode): boolean {
  const rivals = INSTRUCTIONS.filter(({ mnemonic }) => mnemonic === row.mnemonic).map((each) => each.operands.map(parseOperandCode));
  return rivals
    .filter((codes) => codes.some((code) => code.class === register.class))
    .every((codes) => codes.every(({ method, memorySize: other }) => !(method === 'rm' || method === 'memory') || other === memorySize));
}

function memorySizesOf(mnemonic: string): ReadonlySet<string> {
  const codes = INSTRUCTIONS.filter((row) => row.mnemonic === mnemonic).flatMap((row) => row.operands.map(parseOperandCode));
  return new Set(codes.filter(({ method }) => method === 'rm' || method === 'memory').map(({ memorySize }) => memorySize));
}
