/** The table's rows as forms to choose from: one for each operand size, in the order in which they are tried. */

import { type EncodingPattern, parseEncoding } from '../encoding';
import { hasImpliedOperands, isImplied, type OperandCode, parseOperandCode, type SizeCode, WITH_XMM0 } from '../operand-codes';
import { lazily } from '../lazily';
import { PSEUDO_OPS } from '../pseudo-ops';
import { ROWS_BY_SPELLING } from '../table';
import type { InstructionRow } from '../types';

/** How source text differs from a row's own operands. */
type Variant =
  | 'plain'
  /** The two operands change places (TEST, XCHG). */
  | 'swapped'
  /** One register stands for the first two operands (IMUL reg,imm). */
  | 'repeated'
  /** The last immediate is left out and known: 10 for AAM and AAD, the predicate of CMPEQPS. */
  | 'implied-immediate'
  /** Top of the stack is left out (FADD ST3). */
  | 'short'
  /** The same with the other register as the destination (FADD TO ST3). */
  | 'to'
  /** The stack register is left out and is ST1. */
  | 'next'
  /** XMM0 is written, though it is always the last operand. */
  | 'explicit'
  /** A counter register as second operand sets the address size (LOOP). */
  | 'counter'
  /** A 64-bit register is loaded by way of its low half (MOV with a small positive number). */
  | 'narrow'
  /** Jcc beyond the reach of a byte on processors before the 80386: the inverse condition over a near jump. */
  | 'inverted';

export interface Form {
  readonly row: InstructionRow;
  readonly pattern: EncodingPattern;
  /** Operand size in bytes that the form is for; 0 where none of its operands depends on it. */
  readonly size: 0 | 2 | 4 | 8;
  /** Operands as source text has them. */
  readonly operands: readonly OperandCode[];
  /** For each operand of the source, which operand of the row it is. */
  readonly order: readonly number[];
  readonly variant: Variant;
  /** WAIT stands in front. */
  readonly waits: boolean;
  /** Of the variant `implied-immediate`. */
  readonly immediate: number;
}

const SIZED: ReadonlySet<SizeCode> = new Set<SizeCode>(['v', 'z', 'p', 'a']);

const dependsOnSize = (code: OperandCode): boolean => SIZED.has(code.size) || SIZED.has(code.memorySize);

/** Sizes for which NASM knows no instruction though the processor would take the encoding. */
function isRefused(row: InstructionRow, size: number): boolean {
  const [, source] = row.operands;
  if (row.mnemonic === 'movzx' || row.mnemonic === 'movsx') return source === 'Ew' && size === 2;
  if (row.mnemonic === 'movsxd') return size !== 8;
  return row.mnemonic === 'bswap' && size === 2;
}

interface VariantShape {
  readonly variant: Variant;
  readonly order: readonly number[];
  /** Instead of the sizes that the operands give. */
  readonly sizes?: readonly (2 | 4 | 8)[];
}

function variantsOf(row: InstructionRow, operands: readonly OperandCode[]): VariantShape[] {
  const order = operands.map((_, i) => i);
  const plain = { variant: 'plain' as const, order };
  const { mnemonic } = row;
  if ((mnemonic === 'test' || mnemonic === 'xchg') && operands.length === 2 && operands[1].method !== 'immediate') {
    if (operands[1].method === 'fixedRegister' && operands[0].method === 'fixedRegister') return [plain];
    // XCHG puts its first register into the reg field, TEST into rm.
    const swapped = { variant: 'swapped' as const, order: [1, 0] };
    return mnemonic === 'xchg' ? [swapped, plain] : [plain, swapped];
  }
  if (mnemonic === 'imul' && operands.length === 3) return [plain, { variant: 'repeated', order: [0, 2] }];
  if (mnemonic === 'aam' || mnemonic === 'aad') return [plain, { variant: 'implied-immediate', order: [] }];
  if (row.operands.includes('STi')) return stackVariants(row, plain);
  if (WITH_XMM0.has(mnemonic)) return [plain, { variant: 'explicit', order: [...order, order.length] }];
  if (mnemonic === 'loop' || mnemonic === 'loope' || mnemonic === 'loopne') return [plain, { variant: 'counter', order: [0, 0] }];
  if (row.semantics === 'jcc' && operands[0].size === 'z') return [plain, { variant: 'inverted', order }];
  if (mnemonic === 'mov' && operands[0].method === 'opcodeRegister' && operands[0].size === 'v') {
    return [{ variant: 'narrow', order, sizes: [4] }, plain];
  }
  return [plain];
}

/** The ways to write an x87 operation of two registers of the stack. */
function stackVariants({ operands, mnemonic }: InstructionRow, plain: VariantShape): VariantShape[] {
  const next: VariantShape = { variant: 'next', order: [] };
  const [to] = operands;
  if (operands.length === 1) return [plain, next];
  if (to === 'ST0') {
    const swapped: VariantShape[] = mnemonic === 'fxch' ? [{ variant: 'swapped', order: [1, 0] }] : [];
    const isArithmetic = ARITHMETIC.test(mnemonic);
    return [plain, ...swapped, { variant: 'short', order: [1] }, ...(isArithmetic ? [] : [next])];
  }
  return mnemonic.endsWith('p') ? [plain, { variant: 'short', order: [0] }, next] : [plain, { variant: 'to', order: [0] }];
}

/** Which without operands pop: FADD alone is FADDP. */
const ARITHMETIC = /^f(add|mul|subr?|divr?)$/;

function formsOf(row: InstructionRow): Form[] {
  if (row.redundant) return [];
  const pattern = parseEncoding(row.encoding);
  const operands = hasImpliedOperands(row) ? [] : row.operands.map(parseOperandCode).filter((code) => !isImplied(code));
  let sizes: readonly (0 | 2 | 4 | 8)[] = [0];
  if (pattern.operandSizes.length > 0) sizes = operands.length > 0 ? pattern.operandSizes : pattern.operandSizes.slice(0, 1);
  else if (operands.some(dependsOnSize)) sizes = [2, 4, 8];
  else if (operands.some(({ size, memorySize }) => size === 'y' || memorySize === 'y')) sizes = [0, 8];
  const written = WITH_XMM0.has(row.mnemonic) ? [...operands, parseOperandCode('XMM0')] : operands;
  return variantsOf(row, operands).flatMap(({ variant, order, sizes: own }) =>
    (own ?? sizes)
      .filter((size) => !isRefused(row, size))
      .map((size) => ({ row, pattern, size, operands: order.map((i) => written[i]), order, variant, waits: false, immediate: 10 })),
  );
}

/** Rows that source text may call by a name that the table does not give them. */
const ALSO: Readonly<Record<string, string>> = { movsx: 'movsxd' };

function rowsFor(spelling: string, rows: readonly InstructionRow[]): readonly InstructionRow[] {
  const more = Object.hasOwn(ALSO, spelling) ? ROWS_BY_SPELLING.get(ALSO[spelling]) : undefined;
  return more ? [...rows, ...more] : rows;
}

function formsFor(spelling: string, rows: readonly InstructionRow[]): Form[] {
  const forms = rowsFor(spelling, rows).flatMap(formsOf);
  if (ARITHMETIC.test(spelling)) {
    return [...forms, ...(ROWS_BY_SPELLING.get(`${spelling}p`) ?? []).flatMap(formsOf).filter(({ variant }) => variant === 'next')];
  }
  // FSTCW is FNSTCW behind a WAIT.
  return forms.map((form) => (form.row.mnemonic === `fn${spelling.slice(1)}` ? { ...form, waits: true } : form));
}

function pseudoForms(mnemonic: string, immediate: number): Form[] {
  const forms = (ROWS_BY_SPELLING.get(mnemonic) ?? []).flatMap(formsOf).filter(({ operands }) => operands.at(-1)?.method === 'immediate');
  return forms.map((form) => {
    const [operands, order] = [form.operands.slice(0, -1), form.order.slice(0, -1)];
    return { ...form, operands, order, variant: 'implied-immediate', immediate };
  });
}

/** Forms by spelling, in table order. */
export const FORMS = lazily((): ReadonlyMap<string, readonly Form[]> => {
  const bySpelling: readonly [spelling: string, forms: Form[]][] = [
    ...[...ROWS_BY_SPELLING].map(([spelling, rows]): [string, Form[]] => [spelling, formsFor(spelling, rows)]),
    ...[...PSEUDO_OPS].map(([spelling, { mnemonic, immediate }]): [string, Form[]] => [spelling, pseudoForms(mnemonic, immediate)]),
  ];
  return new Map(bySpelling.filter(([, forms]) => forms.length > 0));
});
