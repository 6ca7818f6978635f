/** The state of one decoding: where it stands in the bytes, and the prefixes it has met. */
import type { Bits, Prefixes } from './types';
import { SEGMENT_NAMES } from './types';

/** No instruction is longer; a longer one raises #GP(0). */
export const MAX_INSTRUCTION_LENGTH = 15;

export const REX_W = 8;
export const REX_R = 4;
export const REX_X = 2;
export const REX_B = 1;

/** Of VEX.mmmmm; reserved. */
const NO_MAP = 0;

const NO_PREFIXES: Prefixes = { lock: false, repeat: 'none', segment: undefined, operandSize: false, addressSize: false, rex: 0 };

export class Cursor {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly bits: Bits;
  position: number;
  /** Set by a read past the end of the bytes or of the longest instruction; such a read gives 0. */
  problem: 'none' | 'truncated' | 'too-long' = 'none';
  /** An operand that the processor refuses with #UD. */
  invalid = false;

  lock = false;
  repeat: Prefixes['repeat'] = 'none';
  /** Number of the overriding segment register that counts, or -1. */
  segment = -1;
  operandPrefix = false;
  addressPrefix = false;
  rex = 0;

  /** What chooses among rows with mandatory prefixes: 1 none, 2 66, 3 F3, 4 F2; the latter two go before 66. */
  mandatory: 1 | 2 | 3 | 4 = 1;
  /** The number of VEX.vvvv, not inverted any more; 0 where there is no VEX prefix or its bits are all set. */
  vvvv = 0;
  /** VEX.L, or -1 without a VEX prefix. */
  vexLength: -1 | 0 | 1 = -1;

  operandSize: 2 | 4 | 8 = 4;
  addressSize: Bits;
  opcode = 0;
  modrm = 0;

  constructor(bytes: Uint8Array, start: number, bits: Bits) {
    this.bytes = bytes;
    this.start = start;
    this.position = start;
    this.bits = bits;
    this.addressSize = bits;
  }

  get length(): number {
    return this.position - this.start;
  }

  u8(): number {
    if (this.position - this.start >= MAX_INSTRUCTION_LENGTH) {
      if (this.problem === 'none') this.problem = 'too-long';
      return 0;
    }
    if (this.position >= this.bytes.length) {
      if (this.problem === 'none') this.problem = 'truncated';
      return 0;
    }
    return this.bytes[this.position++];
  }

  u16(): number {
    const low = this.u8();
    return low | (this.u8() << 8);
  }

  s8(): number {
    return (this.u8() << 24) >> 24;
  }

  s16(): number {
    return (this.u16() << 16) >> 16;
  }

  s32(): number {
    const low = this.u16();
    return low | (this.u16() << 16);
  }

  u32(): number {
    return this.s32() >>> 0;
  }

  /**
   * Takes all prefixes and gives the byte after them. Any order and repetition; the last segment prefix and the last of F2
   * and F3 count; REX counts only directly before the opcode (manual, "Instruction Prefixes", "REX Prefixes").
   */
  readPrefixes(): number {
    const is64 = this.bits === 64;
    for (;;) {
      const byte = this.u8();
      switch (byte) {
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
          // In 64-bit mode these have no effect, and do not undo FS or GS.
          if (!is64) this.segment = (byte >> 3) & 3;
          break;
        case 0x64:
        case 0x65:
          this.segment = byte - 0x60;
          break;
        case 0x66:
          this.operandPrefix = true;
          break;
        case 0x67:
          this.addressPrefix = true;
          break;
        case 0xf0:
          this.lock = true;
          break;
        case 0xf2:
          this.repeat = 'repne';
          break;
        case 0xf3:
          this.repeat = 'rep';
          break;
        default:
          if (!is64 || (byte & 0xf0) !== 0x40) {
            this.addressSize = effectiveAddressSize(this.bits, this.addressPrefix);
            if (this.repeat !== 'none') this.mandatory = this.repeat === 'rep' ? 3 : 4;
            else if (this.operandPrefix) this.mandatory = 2;
            return byte;
          }
          this.rex = byte;
          continue;
      }
      this.rex = 0;
    }
  }

  /** Whether C4 or C5, just read, is a VEX prefix: outside 64-bit mode the next byte would be LES's or LDS's with a register. */
  startsVex(): boolean {
    return this.bits === 64 || (this.bytes[this.position] ?? 0) >= 0xc0;
  }

  /**
   * Takes the rest of a VEX prefix (manual, "The VEX Prefix").
   * @param first C4 or C5
   * @returns the opcode map, which is none of the table's where the prefix is invalid
   */
  readVex(first: number): number {
    const isAlone = !this.lock && this.repeat === 'none' && !this.operandPrefix && this.rex === 0;
    const extensions = ~this.u8();
    const last = first === 0xc5 ? ~extensions : this.u8();
    // Outside 64-bit mode there are eight registers, and W says nothing.
    if (this.bits === 64) {
      const r = (extensions >> 5) & REX_R;
      const others = first === 0xc5 ? 0 : ((extensions >> 5) & (REX_X | REX_B)) | ((last >> 4) & REX_W);
      this.rex = 0x40 | r | others;
    }
    this.vvvv = (~last >> 3) & 15;
    this.vexLength = ((last >> 2) & 1) as 0 | 1;
    this.mandatory = ((last & 3) + 1) as 1 | 2 | 3 | 4;
    if (!isAlone) return NO_MAP;
    return first === 0xc5 ? 1 : ~extensions & 0x1f;
  }

  /** The operand size of `v` operands for a row of the kind: 0 normal, 1 default64, 2 always64. */
  operandSizeFor(size64: 0 | 1 | 2): 2 | 4 | 8 {
    if (this.vexLength >= 0) return (this.rex & REX_W) !== 0 || (size64 === 2 && this.bits === 64) ? 8 : 4;
    if (this.bits !== 64) return (this.bits === 16) === this.operandPrefix ? 4 : 2;
    if (size64 === 2 || (this.rex & REX_W) !== 0) return 8;
    if (this.operandPrefix) return 2;
    return size64 === 1 ? 8 : 4;
  }

  prefixes(): Prefixes {
    const { lock, repeat, segment, operandPrefix, addressPrefix, rex } = this;
    if (!lock && repeat === 'none' && segment < 0 && !operandPrefix && !addressPrefix && rex === 0) return NO_PREFIXES;
    return {
      lock,
      repeat,
      segment: segment < 0 ? undefined : SEGMENT_NAMES[segment],
      operandSize: operandPrefix,
      addressSize: addressPrefix,
      rex,
    };
  }
}

function effectiveAddressSize(bits: Bits, prefix: boolean): Bits {
  if (!prefix) return bits;
  return bits === 32 ? 16 : 32;
}
