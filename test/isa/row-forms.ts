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

const MANDATORY_BYTES = { NP: [], '66': [0x66], F3: [0xf3], F2: [0xf2] } as const;
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

/** Yields the encodings of a row in one mode. */
export function* formsOf(row: InstructionRow, bits: Bits): Generator<RowForm> {
  const pattern = parseEncoding(row.encoding);
  const random = randomSource(row.id * 3 + bits);
  const defaults64 = row.size64 !== 'normal';
  const mandatory = pattern.mandatory === undefined ? [] : MANDATORY_BYTES[pattern.mandatory];
  for (const operandPrefix of [false, true]) {
    for (const addressPrefix of [false, true]) {
      if (!hasSize(pattern.addressSizes, bits, addressPrefix, false, 8, false)) continue;
      for (const rex of rexBytes(bits, pattern.operandSizes.length === 1 && pattern.operandSizes[0] === 8 && !defaults64)) {
        if (!hasSize(pattern.operandSizes, bits, operandPrefix, (rex & 8) !== 0, 1, defaults64)) continue;
        for (const modrm of modrmBytes(pattern)) {
          // All ModR/M bytes without REX; with one a third of them, to stay within seconds.
          if (rex !== 0 && pattern.modrm === 'register' && random() % 3 !== 0) continue;
          for (let register = 0; register < (pattern.plusRegister ? 8 : 1); register++) {
            const segment = random() % 4 === 0 ? [SEGMENT_PREFIXES[random() % SEGMENT_PREFIXES.length]] : [];
            const head = [
              ...segment,
              ...(operandPrefix ? [0x66] : []),
              ...(addressPrefix ? [0x67] : []),
              ...mandatory,
              ...(rex === 0 ? [] : [rex]),
              ...MAP_BYTES[pattern.map],
              pattern.opcode + register,
              ...(modrm < 0 ? [] : [modrm]),
            ];
            const tail = Array.from({ length: 15 }, () => random() & 0xff);
            yield { row, bits, bytes: Uint8Array.from([...head, ...tail]) };
          }
        }
      }
    }
  }
}
