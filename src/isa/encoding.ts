/** What a row's `encoding` says, parsed: decoder and encoder read it in this form. */
import type { Bits } from './types';

/** The opcode map: one byte, 0F, 0F 38 or 0F 3A before the opcode byte. */
export type OpcodeMap = 0 | 1 | 2 | 3;

export const MAP_BYTES: readonly (readonly number[])[] = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]];

export type MandatoryPrefix = 'NP' | '66' | 'F3' | 'F2';

export interface EncodingPattern {
  /** `NP` stands for a row that exists only without 66, F2 and F3; undefined for one that takes them as ordinary prefixes. */
  readonly mandatory: MandatoryPrefix | undefined;
  /** The operand sizes in bytes for which the row stands, empty for all. */
  readonly operandSizes: readonly (2 | 4 | 8)[];
  /** The address sizes for which it stands, empty for all. */
  readonly addressSizes: readonly Bits[];
  readonly map: OpcodeMap;
  readonly opcode: number;
  /** The opcode's low three bits are a register number. */
  readonly plusRegister: boolean;
  /**
   * - none: no ModR/M byte
   * - register: its reg field is an operand, or free (SETcc; assemblers write 0)
   * - digit: its reg field is `digit`
   * - fixed: the whole byte is `modrmByte`
   */
  readonly modrm: 'none' | 'register' | 'digit' | 'fixed';
  readonly digit: number;
  readonly modrmByte: number;
}

type Draft = { -readonly [key in keyof EncodingPattern]: EncodingPattern[key] };

/**
 * Parses the notation that `InstructionRow.encoding` describes.
 * @throws Error for a token that is none of it: a mistake in the table
 */
export function parseEncoding(encoding: string): EncodingPattern {
  const draft: Draft = {
    mandatory: undefined,
    operandSizes: [],
    addressSizes: [],
    map: 0,
    opcode: 0,
    plusRegister: false,
    modrm: 'none',
    digit: 0,
    modrmByte: 0,
  };
  const bytes: number[] = [];
  for (const token of encoding.split(' ')) {
    // A prefix's byte is mandatory only in front: 66 is no opcode, F2 and F3 neither.
    if (bytes.length === 0 && /^(NP|66|F2|F3)$/.test(token)) draft.mandatory = token as MandatoryPrefix;
    else if (/^o(16|32|64)$/.test(token)) draft.operandSizes = [...draft.operandSizes, (Number(token.slice(1)) / 8) as 2 | 4 | 8];
    else if (/^a(16|32|64)$/.test(token)) draft.addressSizes = [...draft.addressSizes, Number(token.slice(1)) as Bits];
    else if (/^[0-9A-F]{2}$/.test(token)) bytes.push(parseInt(token, 16));
    else if (/^[0-9A-F]{2}\+r$/.test(token)) {
      bytes.push(parseInt(token, 16));
      draft.plusRegister = true;
    } else if (token === '/r') draft.modrm = 'register';
    else if (/^\/[0-7]$/.test(token)) {
      draft.modrm = 'digit';
      draft.digit = Number(token[1]);
    } else throw new Error(`instruction table: "${token}" in "${encoding}" is no encoding`);
  }
  readOpcode(bytes, draft, encoding);
  return draft;
}

function readOpcode(bytes: number[], draft: Draft, encoding: string): void {
  // The longest of the maps' bytes that the encoding begins with.
  draft.map = MAP_BYTES.findLastIndex((lead) => lead.every((byte, i) => bytes[i] === byte)) as OpcodeMap;
  const [opcode, modrmByte, ...rest] = bytes.slice(MAP_BYTES[draft.map].length);
  if (opcode === undefined || rest.length > 0) throw new Error(`instruction table: "${encoding}" has no single opcode byte`);
  draft.opcode = opcode;
  if (modrmByte !== undefined) {
    draft.modrm = 'fixed';
    draft.modrmByte = modrmByte;
  }
}
