/** What a row's `encoding` says, parsed: decoder and encoder read it in this form. */
import type { Bits } from './types';

/** The opcode map: one byte, 0F, 0F 38 or 0F 3A before the opcode byte. */
export type OpcodeMap = 0 | 1 | 2 | 3;

export const MAP_BYTES: readonly (readonly number[])[] = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]];

export type MandatoryPrefix = 'NP' | '66' | 'F3' | 'F2' | 'NFx';

/** What a VEX prefix has to say beside mandatory prefix, map and operands. */
export interface VexPattern {
  /** VEX.L: 0, 1, or undefined where it is ignored. */
  readonly length: 0 | 1 | undefined;
  /** VEX.W, or undefined where it is ignored or gives the operand size. */
  readonly wide: boolean | undefined;
}

export interface EncodingPattern {
  /** `NP` stands for a row that exists only without 66, F2 and F3, `NFx` for one without F2 and F3; undefined for one that takes them as ordinary prefixes. */
  readonly mandatory: MandatoryPrefix | undefined;
  /** The operand sizes in bytes for which the row stands, empty for all. */
  readonly operandSizes: readonly (2 | 4 | 8)[];
  /** The address sizes for which it stands, empty for all. */
  readonly addressSizes: readonly Bits[];
  /** Not undefined for a row that has a VEX prefix in the place of map bytes, mandatory prefix and REX. */
  readonly vex: VexPattern | undefined;
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
  /** The ModR/M byte's mod field is 3. */
  readonly registerOnly: boolean;
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
    vex: undefined,
    map: 0,
    opcode: 0,
    plusRegister: false,
    modrm: 'none',
    digit: 0,
    registerOnly: false,
    modrmByte: 0,
  };
  const bytes: number[] = [];
  for (const token of encoding.split(' ')) {
    // A prefix's byte is mandatory only in front: without VEX 66 is no opcode, F2 and F3 neither.
    if (bytes.length === 0 && draft.vex === undefined && /^(NP|NFx|66|F2|F3)$/.test(token)) draft.mandatory = token as MandatoryPrefix;
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
    } else if (/^11:[01]{3}:bbb$/.test(token)) readRegisterDigit(parseInt(token.slice(3, 6), 2), draft);
    else if (bytes.length === 1 && /^[C-F][08]\+i$/.test(token)) readRegisterDigit((parseInt(token.slice(0, 2), 16) >> 3) & 7, draft);
    else if (token.startsWith('VEX.')) readVex(token, draft);
    else throw new Error(`instruction table: "${token}" in "${encoding}" is no encoding`);
  }
  readOpcode(bytes, draft, encoding);
  return draft;
}

function readRegisterDigit(digit: number, draft: Draft): void {
  draft.modrm = 'digit';
  draft.digit = digit;
  draft.registerOnly = true;
}

const VEX = /^VEX\.(LZ|L0|L1|LIG|128|256)\.(?:(NP|66|F3|F2)\.)?(0F|0F38|0F3A)(?:\.(W0|W1|WIG))?$/;
const VEX_LENGTHS: Readonly<Record<string, VexPattern['length']>> = { LZ: 0, L0: 0, 128: 0, L1: 1, 256: 1, LIG: undefined };
const VEX_MAPS: Readonly<Record<string, OpcodeMap>> = { '0F': 1, '0F38': 2, '0F3A': 3 };

function readVex(token: string, draft: Draft): void {
  const [, length, mandatory, map, wide] = VEX.exec(token) ?? [];
  if (map === undefined) throw new Error(`instruction table: "${token}" is no VEX prefix`);
  draft.vex = { length: VEX_LENGTHS[length], wide: wide === 'W0' || wide === 'W1' ? wide === 'W1' : undefined };
  draft.mandatory = (mandatory ?? 'NP') as MandatoryPrefix;
  draft.map = VEX_MAPS[map];
}

function readOpcode(bytes: number[], draft: Draft, encoding: string): void {
  // The longest of the maps' bytes that the encoding begins with.
  if (draft.vex === undefined) draft.map = MAP_BYTES.findLastIndex((lead) => lead.every((byte, i) => bytes[i] === byte)) as OpcodeMap;
  const [opcode, modrmByte, ...rest] = draft.vex === undefined ? bytes.slice(MAP_BYTES[draft.map].length) : bytes;
  if (opcode === undefined || rest.length > 0) throw new Error(`instruction table: "${encoding}" has no single opcode byte`);
  draft.opcode = opcode;
  if (modrmByte !== undefined) {
    draft.modrm = 'fixed';
    draft.modrmByte = modrmByte;
  }
}
