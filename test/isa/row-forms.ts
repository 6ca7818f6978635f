/** Encodings of each row: every prefix size, REX, ModR/M form and register, with immediates after them. */
import { MAP_BYTES, parseEncoding } from '../../src/isa/encoding';
import type { EncodingPattern } from '../../src/isa/encoding';
import type { Bits, InstructionRow } from '../../src/isa/types';
import { randomSource } from './random';

export interface RowForm {
  readonly row: InstructionRow;
  readonly bits: Bits;
  /** 15 bytes or more; the instruction is at the start and random bytes are behind it. */
  readonly bytes: Uint8Array;
}

const MANDATORY_BYTES = { NP: [], '66': [0x66], F3: [0xf3], F2: [0xf2], NFx: [] } as const;
const SEGMENT_PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];

/** All ModR/M bytes that lead to the row. */
function modrmBytes(pattern: EncodingPattern): readonly number[] {
  if (pattern.modrm === 'none') return [-1];
  if (pattern.modrm === 'fixed') return [pattern.modrmByte];
  return Array.from({ length: 256 }, (_, byte) => byte).filter(
    (byte) => pattern.modrm === 'register' || ((byte >> 3) & 7) === pattern.digit,
  );
}

/** No REX where the row does not need one, and each with and without W, R, X and B. */
function rexBytes(bits: Bits, wide: boolean): readonly number[] {
  if (bits !== 64) return [0];
  const bases = wide ? [0x48] : [0, 0x40, 0x48];
  return bases.flatMap((base) => (base === 0 ? [0] : [base, base | 1, base | 2, base | 4, base | 7]));
}

/** Whether a size that the row asks for comes about with this prefix. */
function hasSize(sizes: readonly number[], bits: Bits, prefix: boolean, wide: boolean, unit: 1 | 8, defaults64: boolean): boolean {
  if (sizes.length === 0) return true;
  const plain = bits === 64 ? (unit === 8 ? 64 : wide ? 64 : prefix ? 16 : defaults64 ? 64 : 32) : bits;
  const flipped = unit === 8 ? (bits === 32 ? 16 : 32) : bits === 64 ? plain : bits === 32 ? 16 : 32;
  return sizes.includes((prefix ? flipped : plain) / (unit === 8 ? 1 : 8));
}

const VEX_MANDATORY = { NP: 0, NFx: 0, '66': 1, F3: 2, F2: 3 } as const;

/** W, R, X and B as in REX, and vvvv at random: most of what is no operand there is invalid. */
function vexHead(
  pattern: EncodingPattern,
  segment: readonly number[],
  addressPrefix: boolean,
  bits: Bits,
  rex: number,
  modrm: number,
  random: number,
): number[] {
  const vvvv = random % 3 === 0 ? 0 : (random >> 8) & 15;
  const length = pattern.vex?.length ?? random & 1;
  // Outside 64-bit mode R and X have to be set, and the highest bit of vvvv too.
  const inverted = bits === 64 ? ~rex & 7 : 6 | ((random >> 16) & 1);
  const wide = bits === 64 ? (rex & 8) << 4 : ((random >> 17) & 1) << 7;
  const last = ((~vvvv & 15) << 3) | (length << 2) | VEX_MANDATORY[pattern.mandatory ?? 'NP'];
  const prefixes = [...segment, ...(addressPrefix ? [0x67] : [])];
  return [...prefixes, 0xc4, (inverted << 5) | pattern.map, wide | last, pattern.opcode, modrm];
}

/** Yields the encodings of a row in one mode. */
export function* formsOf(row: InstructionRow, bits: Bits): Generator<RowForm> {
  const pattern = parseEncoding(row.encoding);
  const random = randomSource(row.id * 3 + bits);
  const isSampled = pattern.modrm !== 'none' && (pattern.mandatory !== undefined || row.feature === 'fpu');
  const defaults64 = row.size64 !== 'normal';
  const mandatory = pattern.mandatory === undefined ? [] : MANDATORY_BYTES[pattern.mandatory];
  for (const operandPrefix of pattern.vex === undefined ? [false, true] : [false]) {
    for (const addressPrefix of [false, true]) {
      if (!hasSize(pattern.addressSizes, bits, addressPrefix, false, 8, false)) continue;
      for (const rex of rexBytes(bits, pattern.operandSizes.length === 1 && pattern.operandSizes[0] === 8 && !defaults64)) {
        if (!hasSize(pattern.operandSizes, bits, operandPrefix, (rex & 8) !== 0, 1, defaults64)) continue;
        for (const modrm of modrmBytes(pattern)) {
          // All ModR/M bytes without REX; with one a third of them, to stay within seconds.
          if (rex !== 0 && pattern.modrm === 'register' && random() % 3 !== 0) continue;
          // Nor do prefixes change much where they are part of the opcode or of no concern: a sixth.
          if ((rex !== 0 || addressPrefix || operandPrefix) && isSampled && random() % 6 !== 0) continue;
          for (let register = 0; register < (pattern.plusRegister ? 8 : 1); register++) {
            const segment = random() % 4 === 0 ? [SEGMENT_PREFIXES[random() % SEGMENT_PREFIXES.length]] : [];
            if (pattern.registerOnly && modrm < 0xc0) continue;
            const head =
              pattern.vex === undefined
                ? [
                    ...segment,
                    ...(operandPrefix ? [0x66] : []),
                    ...(addressPrefix ? [0x67] : []),
                    ...mandatory,
                    ...(rex === 0 ? [] : [rex]),
                    ...MAP_BYTES[pattern.map],
                    pattern.opcode + register,
                    ...(modrm < 0 ? [] : [modrm]),
                  ]
                : vexHead(pattern, segment, addressPrefix, bits, rex, modrm, random());
            const tail = Array.from({ length: 15 }, () => random() & 0xff);
            yield { row, bits, bytes: Uint8Array.from([...head, ...tail]) };
          }
        }
      }
    }
  }
}
