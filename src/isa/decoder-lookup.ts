/** The decoder's way from opcode bytes to a row. */
import type { Bits, InstructionRow, OperandSize, RegisterClass } from './types';
import { parseEncoding } from './encoding';
import type { EncodingPattern } from './encoding';
import { parseOperandCode, sizeInBytes } from './operand-codes';
import type { OperandCode, OperandMethod, SizeCode } from './operand-codes';

/** An operand of a candidate, its width looked up by `widthIndex`. */
export interface OperandPlan {
  readonly method: OperandMethod;
  readonly class: RegisterClass;
  readonly sizes: readonly OperandSize[];
  readonly memorySizes: readonly OperandSize[];
  readonly fixed: number;
  readonly constant: number;
}

/** Index into `sizes`: operand sizes 2, 4, 8 are 0, 1, 2; plus 3 in 64-bit mode. */
export function widthIndex(operandSize: 2 | 4 | 8, bits: Bits): number {
  return (operandSize >> 2) + (bits === 64 ? 3 : 0);
}

/** A row that one opcode may mean, with what has to hold for it. */
export interface Candidate {
  readonly row: InstructionRow;
  readonly operands: readonly OperandPlan[];
  /** 0: no condition; 1 `NP`, 2 `66`, 3 `F3`, 4 `F2`, 5 `NFx`. */
  readonly mandatory: 0 | 1 | 2 | 3 | 4 | 5;
  /** Bits 1, 2, 4 for 2, 4 and 8 bytes; 7 for all. */
  readonly operandSizes: number;
  /** Bits 1, 2, 4 for 16, 32 and 64 bits; 7 for all. */
  readonly addressSizes: number;
  /** The whole ModR/M byte, or -1. */
  readonly modrmByte: number;
  readonly memoryOnly: boolean;
  readonly registerOnly: boolean;
  /** VEX.L: 0, 1, or -1 for any. */
  readonly vexLength: -1 | 0 | 1;
  /** VEX.W: 0, 1, or -1 for any. */
  readonly vexWide: -1 | 0 | 1;
  /** VEX.vvvv is no operand and has to say so. */
  readonly withoutVvvv: boolean;
  /** NOP in the place of XCHG rAX,rAX: not with REX.B. */
  readonly notWithRexB: boolean;
  /** None of the conditions above: the usual case, taken without looking. */
  readonly unconditional: boolean;
  /** 0 normal, 1 default64, 2 always64. */
  readonly size64: 0 | 1 | 2;
}

/** What an opcode byte stands for in one mode. `byDigit` is by the ModR/M reg field, or has a single entry without ModR/M. */
export interface OpcodeSlot {
  readonly hasModrm: boolean;
  readonly byDigit: readonly (readonly Candidate[])[];
}

export const VEX_MAPS = 4;

const MANDATORY = { NP: 1, '66': 2, F3: 3, F2: 4, NFx: 5 } as const;
const SIZE64 = { normal: 0, default64: 1, always64: 2 } as const;
const OPERAND_SIZES = [2, 4, 8] as const;

/** Opcode byte and, from bit 8 on, opcode map: 0 to 3, with a VEX prefix VEX_MAPS more. */
const NUMBERS = 512 * VEX_MAPS;

/** An encoding as far as its opcode: the map of its VEX prefix or its lead bytes, the byte, and whether that holds a register. */
const OPCODE =
  /^(?:(?:NP|NFx|66|F2|F3|[oa]\d\d) )*(?:VEX\.\w+\.(?:\w\w\.)?(0F(?:38|3A)?)(?:\.\w+)? )?(0F (?:38 |3A )?)?([0-9A-F]{2})(\+r)?/;
const MAPS: Readonly<Record<string, number>> = { '0F': 1, '0F38': 2, '0F3A': 3, '0F ': 1, '0F 38 ': 2, '0F 3A ': 3 };

/**
 * Where an encoding's opcode stands, without parsing all of it: a session uses few of the table's rows.
 * @returns the first of the numbers that it has, and how many
 */
export function opcodeNumbers(encoding: string): { first: number; count: number } {
  const [, vex, lead, opcode, register] = OPCODE.exec(encoding) ?? [];
  if (opcode === undefined) throw new Error(`instruction table: "${encoding}" has no opcode byte`);
  const map = vex === undefined ? (MAPS[lead] ?? 0) : VEX_MAPS + MAPS[vex];
  return { first: (map << 8) | parseInt(opcode, 16), count: register === undefined ? 1 : 8 };
}

/** Rows by opcode. */
export class OpcodeTable {
  private readonly rows: (InstructionRow[] | undefined)[] = new Array<InstructionRow[] | undefined>(NUMBERS).fill(undefined);

  constructor(rows: readonly InstructionRow[]) {
    for (const row of rows) {
      const { first, count } = opcodeNumbers(row.encoding);
      for (let number = first; number < first + count; number++) (this.rows[number] ??= []).push(row);
    }
  }

  /** @returns the rows of an opcode that exist in a mode; undefined for none */
  at(number: number, bits: Bits): Entry[] | undefined {
    const rows = this.rows[number]?.filter(({ modes }) => modes.includes(bits));
    return rows?.length ? rows.map((row) => ({ row, pattern: parseEncoding(row.encoding) })) : undefined;
  }
}

/** The opcodes of one mode, each made ready when it is first seen. */
export class OpcodeLookup {
  private readonly table: OpcodeTable;
  private readonly bits: Bits;
  private readonly slots: (OpcodeSlot | undefined)[] = new Array<OpcodeSlot | undefined>(NUMBERS).fill(undefined);

  constructor(table: OpcodeTable, bits: Bits) {
    this.table = table;
    this.bits = bits;
  }

  /** What an opcode stands for in a map. */
  at(map: number, opcode: number): OpcodeSlot | undefined {
    const number = (map << 8) | opcode;
    return this.slots[number] ?? this.make(number);
  }

  private make(number: number): OpcodeSlot | undefined {
    const entries = this.table.at(number, this.bits);
    return entries && (this.slots[number] = buildSlot(entries));
  }
}

interface Entry {
  readonly row: InstructionRow;
  readonly pattern: EncodingPattern;
}

function buildSlot(entries: readonly Entry[]): OpcodeSlot {
  const hasModrm = entries.some(({ pattern }) => pattern.modrm !== 'none');
  if (hasModrm && entries.some(({ pattern }) => pattern.modrm === 'none')) {
    throw new Error(`instruction table: ${entries[0].row.encoding} stands with and without ModR/M`);
  }
  const sharesRegister = entries.some(({ pattern }) => pattern.plusRegister);
  const ranked = entries.toSorted((a, b) => specificity(b) - specificity(a));
  const candidates = ranked.map(({ row, pattern }) => ({ pattern, candidate: buildCandidate(row, pattern, sharesRegister) }));
  const byDigit = Array.from({ length: hasModrm ? 8 : 1 }, (_, digit) =>
    candidates.filter(({ pattern }) => takesDigit(pattern, digit)).map(({ candidate }) => candidate),
  );
  return { hasModrm, byDigit };
}

function takesDigit(pattern: EncodingPattern, digit: number): boolean {
  if (pattern.modrm === 'digit') return pattern.digit === digit;
  if (pattern.modrm === 'fixed') return ((pattern.modrmByte >> 3) & 7) === digit;
  return true;
}

/** The row that asks for most is tried first. */
function specificity({ row, pattern }: Entry): number {
  const { modrm, mandatory, operandSizes, addressSizes, plusRegister } = pattern;
  const hasPrefix = mandatory !== undefined && mandatory !== 'NP' && mandatory !== 'NFx';
  const hasSize = operandSizes.length + addressSizes.length > 0;
  const hasMod = pattern.registerOnly || row.operands.some((code) => code.startsWith('M'));
  return (
    (modrm === 'fixed' ? 32 : 0) +
    (hasPrefix ? 16 : 0) +
    (hasSize ? 8 : 0) +
    (hasMod ? 4 : 0) +
    (modrm === 'digit' ? 2 : 0) +
    (plusRegister ? 0 : 1)
  );
}

function buildCandidate(row: InstructionRow, pattern: EncodingPattern, sharesRegister: boolean): Candidate {
  const codes = row.operands.map(parseOperandCode);
  const mandatory = pattern.mandatory === undefined ? 0 : MANDATORY[pattern.mandatory];
  const operandSizes = maskOf(pattern.operandSizes, [2, 4, 8]);
  const addressSizes = maskOf(pattern.addressSizes, [16, 32, 64]);
  const modrmByte = pattern.modrm === 'fixed' ? pattern.modrmByte : -1;
  const memoryOnly = codes.some(({ method }) => method === 'memory');
  const system = codes.some((code) => code.method === 'control' || code.method === 'debug' || code.method === 'test');
  // Moves to and from system registers take a register whatever mod says.
  const registerOnly = pattern.registerOnly || (!system && codes.some(({ method }) => method === 'rmRegister'));
  const vexLength = pattern.vex?.length ?? -1;
  const vexWide = pattern.vex?.wide === undefined ? -1 : pattern.vex.wide ? 1 : 0;
  const withoutVvvv = pattern.vex !== undefined && !codes.some(({ method }) => method === 'vvvv');
  const notWithRexB = sharesRegister && !pattern.plusRegister && mandatory === 0;
  return {
    row,
    operands: codes.map(planOf),
    mandatory,
    operandSizes,
    addressSizes,
    modrmByte,
    memoryOnly,
    registerOnly,
    vexLength,
    vexWide,
    withoutVvvv,
    notWithRexB,
    unconditional:
      mandatory === 0 && operandSizes === 7 && addressSizes === 7 && modrmByte < 0 && !memoryOnly && !registerOnly && !notWithRexB,
    size64: SIZE64[row.size64],
  };
}

function maskOf(values: readonly number[], order: readonly number[]): number {
  return values.length === 0 ? 7 : values.reduce((mask, value) => mask | (1 << order.indexOf(value)), 0);
}

/** One for each code: the same stand in many rows. */
const PLANS = new Map<OperandCode, OperandPlan>();

function planOf(code: OperandCode): OperandPlan {
  let plan = PLANS.get(code);
  if (plan === undefined) {
    const { method, class: registerClass, size, memorySize, fixed, constant } = code;
    const sizes = widths(size);
    const memorySizes = memorySize === size ? sizes : widths(memorySize);
    PLANS.set(code, (plan = { method, class: registerClass, sizes, memorySizes, fixed, constant }));
  }
  return plan;
}

function widths(size: SizeCode): OperandSize[] {
  return ([32, 64] as const).flatMap((bits) => OPERAND_SIZES.map((operandSize) => sizeInBytes(size, operandSize, bits)));
}
