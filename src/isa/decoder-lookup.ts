/** The decoder's way from opcode bytes to a row. */
import type { Bits, InstructionRow, OperandSize, RegisterClass } from './types';
import { parseEncoding } from './encoding';
import type { EncodingPattern } from './encoding';
import { parseOperandCode, sizeInBytes } from './operand-codes';
import type { OperandMethod, SizeCode } from './operand-codes';

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

/** The opcodes of one mode, each made ready when it is first seen: a guest uses few of them. */
export class OpcodeLookup {
  /** By opcode byte and, from bit 8 on, opcode map (0 to 3, with a VEX prefix VEX_MAPS more). */
  private readonly entries: (Entry[] | undefined)[] = new Array<Entry[] | undefined>(512 * VEX_MAPS).fill(undefined);
  private readonly slots: (OpcodeSlot | undefined)[] = new Array<OpcodeSlot | undefined>(512 * VEX_MAPS).fill(undefined);

  /** @param rows of which those count that exist in the mode */
  constructor(rows: readonly InstructionRow[], bits: Bits) {
    for (const row of rows) {
      if (!row.modes.includes(bits)) continue;
      const pattern = parseEncoding(row.encoding);
      const first = ((pattern.map + (pattern.vex === undefined ? 0 : VEX_MAPS)) << 8) | pattern.opcode;
      const count = pattern.plusRegister ? 8 : 1;
      for (let number = first; number < first + count; number++) (this.entries[number] ??= []).push({ row, pattern });
    }
  }

  /** What an opcode stands for in a map. */
  at(map: number, opcode: number): OpcodeSlot | undefined {
    const number = (map << 8) | opcode;
    return this.slots[number] ?? this.make(number);
  }

  private make(number: number): OpcodeSlot | undefined {
    const entries = this.entries[number];
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
    operands: codes.map((code) => ({
      method: code.method,
      class: code.class,
      sizes: widths(code.size),
      memorySizes: widths(code.memorySize),
      fixed: code.fixed,
      constant: code.constant,
    })),
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

function widths(size: SizeCode): OperandSize[] {
  return ([32, 64] as const).flatMap((bits) => OPERAND_SIZES.map((operandSize) => sizeInBytes(size, operandSize, bits)));
}
