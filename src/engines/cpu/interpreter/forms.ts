/** Forms: what instructions have to have in common to share a handler. */
import { parseEncoding } from '../../../isa/encoding';
import { type OperandCode, parseOperandCode, sizeInBytes } from '../../../isa/operand-codes';
import { INSTRUCTIONS } from '../../../isa/table';
import type { Bits, InstructionRow, Operand } from '../../../isa/types';
import type { Facts } from '../semantics/context';
import { SEMANTICS } from '../semantics/index';
import type { FormOperand } from '../staged/base-context';

/** Semantics whose meaning depends on the operand or address size beyond their operands' own sizes. */
const BY_OPERAND_SIZE = new Set([
  'push',
  'pushf',
  'pop',
  'leave',
  'jcc',
  'jmp',
  'call',
  'ret',
  'loop',
  'loope',
  'loopne',
  'jcxz',
  'cbw',
  'cwd',
  'pcmpestri',
  'pcmpestrm',
]);
const STACK = new Set(['push', 'pushf', 'pop', 'leave', 'call', 'ret']);
/** What touches memory or the instruction pointer is another handler in 64-bit code. */
const BY_WIDTH = new Set([...STACK, 'jcc', 'jmp', 'loop', 'loope', 'loopne', 'jcxz']);
const BY_ADDRESS_SIZE_64 = new Set(['lea', 'xlat', 'bt', 'bts', 'btr', 'btc']);
const BY_ADDRESS_SIZE = new Set(['movs', 'stos', 'lods', 'scas', 'cmps', 'loop', 'loope', 'loopne', 'jcxz']);

/** Of operand kinds, in the forms' keys. */
const LETTERS: Readonly<Record<FormOperand['kind'], string>> = {
  register: 'r',
  memory: 'm',
  immediate: 'i',
  relative: 'j',
  xmm: 'x',
  mmx: 'n',
  x87: 't',
  other: 'o',
};
/** Register classes that handlers reach, and what they are as operands. */
const REGISTER_KINDS: Readonly<Record<string, 'register' | 'xmm' | 'mmx' | 'x87' | undefined>> = {
  gpr: 'register',
  segment: 'register',
  xmm: 'xmm',
  mmx: 'mmx',
  x87: 'x87',
};

export interface Form {
  readonly key: string;
  readonly semantics: string;
  readonly facts: Facts;
  readonly operands: readonly FormOperand[];
}

const SIZES: Readonly<Record<'narrow' | 'long', { readonly operand: readonly (2 | 4 | 8)[]; readonly address: readonly (2 | 4 | 8)[] }>> = {
  narrow: { operand: [2, 4], address: [2, 4] },
  long: { operand: [2, 4, 8], address: [4, 8] },
};
const SIZES_64: Readonly<Record<InstructionRow['size64'], readonly number[]>> = { normal: [2, 4, 8], default64: [2, 8], always64: [8] };
export const REPEATS = ['none', 'rep', 'repne'] as const;

export function makeForm(row: InstructionRow, facts: Facts, operands: readonly FormOperand[]): Form {
  const { long } = facts;
  const wide = long && (BY_WIDTH.has(row.semantics) || operands.some(({ kind }) => kind === 'memory'));
  const byAddressSize = BY_ADDRESS_SIZE.has(row.semantics) || (wide && BY_ADDRESS_SIZE_64.has(row.semantics));
  const parts = [
    row.semantics + (wide ? '+' : ''),
    row.condition ?? '',
    BY_OPERAND_SIZE.has(row.semantics) ? facts.operandSize : '',
    byAddressSize ? facts.addressSize : '',
    facts.repeat,
    ...operands.map((operand) => LETTERS[operand.kind] + ('size' in operand ? operand.size : '')),
  ];
  return { key: parts.join(' '), semantics: row.semantics, facts, operands };
}

/** A repeat prefix as the row takes it: REPNE counts as REP where only the count matters, and is nothing where neither acts. */
export function effectiveRepeat(row: InstructionRow, repeat: Facts['repeat']): Facts['repeat'] {
  if (row.repeat === 'none' || repeat === 'none') return 'none';
  return row.repeat === 'rep' ? 'rep' : repeat;
}

function registerForm(registerClass: string, size: number): FormOperand {
  const kind = REGISTER_KINDS[registerClass];
  return kind ? { kind, size } : { kind: 'other' };
}

/** The kinds of operand that a code allows. */
function formOperands(code: OperandCode, operandSize: 2 | 4 | 8, bits: Bits): readonly FormOperand[] {
  const size = sizeInBytes(code.size, operandSize, bits);
  const memory: FormOperand = { kind: 'memory', size: sizeInBytes(code.memorySize, operandSize, bits) };
  switch (code.method) {
    case 'rm':
      return [registerForm(code.class, size), memory];
    case 'memory':
    case 'offset':
    case 'source':
    case 'destination':
    case 'lookup':
    case 'implied':
      return [memory];
    case 'immediate':
      // Four bytes are sign-extended to eight.
      return [{ kind: 'immediate', size: code.size === 'z' ? operandSize : size }];
    case 'signedByte':
    case 'constant':
      return [{ kind: 'immediate', size }];
    case 'relative':
      return [{ kind: 'relative' }];
    default:
      return code.method === 'far' ? [{ kind: 'other' }] : [registerForm(code.class, size)];
  }
}

/** Every form of every row that has staged semantics. */
export function* enumerateForms(): Generator<Form> {
  for (const row of INSTRUCTIONS) {
    if (!SEMANTICS[row.semantics]) continue;
    if (row.modes.some((bits) => bits !== 64)) yield* enumerateWidth(row, false);
    if (row.modes.includes(64)) yield* enumerateWidth(row, true);
  }
}

function* enumerateWidth(row: InstructionRow, long: boolean): Generator<Form> {
  const { operandSizes } = parseEncoding(row.encoding);
  const codes = row.operands.map(parseOperandCode);
  const sizes = SIZES[long ? 'long' : 'narrow'];
  const byAddressSize = BY_ADDRESS_SIZE.has(row.semantics) || (long && BY_ADDRESS_SIZE_64.has(row.semantics));
  const addressSizes = byAddressSize ? sizes.address : sizes.address.slice(-1);
  for (const operandSize of sizes.operand) {
    if (operandSizes.length > 0 && !operandSizes.includes(operandSize)) continue;
    if (long && !SIZES_64[row.size64].includes(operandSize)) continue;
    let combinations: FormOperand[][] = [[]];
    for (const code of codes) {
      const kinds = formOperands(code, operandSize, long ? 64 : 32);
      combinations = combinations.flatMap((before) => kinds.map((operand) => [...before, operand]));
    }
    for (const addressSize of addressSizes) {
      for (const repeat of row.repeat === 'none' ? REPEATS.slice(0, 1) : REPEATS) {
        const facts: Facts = { operandSize, addressSize, condition: row.condition ?? 0, repeat: effectiveRepeat(row, repeat), long };
        for (const operands of combinations) yield makeForm(row, facts, operands);
      }
    }
  }
}

export function formOperandOf(operand: Operand): FormOperand {
  switch (operand.kind) {
    case 'register':
      return registerForm(operand.class, operand.size);
    case 'memory':
    case 'immediate':
      return { kind: operand.kind, size: operand.size };
    case 'relative':
      return { kind: 'relative' };
    default:
      return { kind: 'other' };
  }
}
