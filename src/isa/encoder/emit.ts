/** From a chosen form to bytes. Their order (manual, "Instruction Format"): prefixes, REX, opcode, ModR/M, SIB, displacement, immediate. */

import { type EncodingPattern, type MandatoryPrefix, MAP_BYTES, type VexPattern } from '../encoding';
import { type OperandCode, sizeInBytes } from '../operand-codes';
import type { Bits, InstructionRow } from '../types';
import { addressSize, type EncodedAddress, encodeAddress } from './address';
import type { Form } from './forms';
import type {
  EncoderNumber,
  FarRequest,
  Fixup,
  ImmediateRequest,
  InstructionRequest,
  Integer,
  MemoryRequest,
  RegisterRequest,
} from './request';

/** An encoded instruction. */
export interface EncodedInstruction {
  readonly row: InstructionRow;
  readonly bytes: readonly number[];
  /** Fields that depend on relocatable operands; they are zero in `bytes`. */
  readonly fixups: readonly Fixup[];
  /** What is odd but allowed, with the class of the warning in NASM's names. */
  readonly warnings: readonly { readonly code: string; readonly message: string }[];
}

export interface EncodingFailure {
  /** What is wrong and what was expected. */
  readonly error: string;
  /** The operand that is to blame, where there is one. */
  readonly operand?: number;
}

const SEGMENT_BYTES: readonly number[] = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
const SEGMENT_LETTERS: readonly string[] = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];

/** A selector or a byte fills the low part of any register and clears the rest, so REX.W would say nothing. By mnemonic and semantics. */
const CLEARS_HIGH: ReadonlySet<string> = new Set(['movmovFromSegment', 'sldtsldt', 'pextrbpextrb']);
/** NASM says REX.W though 64 bits are what it has in 64-bit mode anyway. */
const SAYS_WIDE: ReadonlySet<string> = new Set(['invpcid']);

const VEX_MANDATORY: Readonly<Record<MandatoryPrefix, number>> = { NP: 0, NFx: 0, '66': 1, F3: 2, F2: 3 };

type Warning = EncodedInstruction['warnings'][number];

class Emitter {
  readonly bytes: number[] = [];
  readonly fixups: Fixup[] = [];
  readonly warnings: Warning[] = [];

  warn(code: string, message: string): void {
    this.warnings.push({ code, message });
  }

  number(value: Integer, size: number): void {
    if (typeof value === 'number' && size <= 4) {
      let rest = value >= -0x80000000 && value <= 0xffffffff ? value : Number(BigInt.asIntN(32, BigInt(value)));
      for (let i = 0; i < size; i++) {
        this.bytes.push(rest & 0xff);
        rest >>= 8;
      }
      return;
    }
    let rest = BigInt.asUintN(64, BigInt(value));
    for (let i = 0; i < size; i++) {
      this.bytes.push(Number(rest & 0xffn));
      rest >>= 8n;
    }
  }

  field(number: EncoderNumber, fixup: Omit<Fixup, 'at'>): void {
    if (number.relocatable) {
      this.fixups.push({ at: this.bytes.length, ...fixup });
      this.number(0, fixup.size);
    } else {
      this.number(number.value, fixup.size);
    }
  }
}

const NAMES_OF_SIZES: Readonly<Record<number, string>> = { 1: 'byte', 2: 'word', 4: 'dword', 8: 'qword' };

/** Whether a value is a number of so many bytes, signed or unsigned. */
function fits(value: Integer, size: number, signedOnly: boolean): boolean {
  if (size >= 8) return true;
  const bits = 8 * size;
  return value >= -(2 ** (bits - 1)) && value < 2 ** (signedOnly ? bits - 1 : bits);
}

/** Encodes one instruction by a form that fits it. */
export class InstructionEncoder {
  private readonly form: Form;
  private readonly request: InstructionRequest;
  private readonly bits: Bits;
  private readonly out = new Emitter();
  private rex = 0;
  private rexForced = false;
  private highByte = false;
  private reg = 0;
  private rm = -1;
  private plus = 0;
  private vvvv = 0;
  private address: EncodedAddress | undefined;

  constructor(form: Form, request: InstructionRequest) {
    this.form = form;
    this.request = request;
    this.bits = request.bits;
  }

  encode(): EncodedInstruction | EncodingFailure {
    const { form, request, bits, out } = this;
    const memoryIndex = request.operands.findIndex((operand) => operand.kind === 'memory');
    const memory = memoryIndex >= 0 ? (request.operands[memoryIndex] as MemoryRequest) : undefined;
    const address = addressSize(memory, this.addressPrefixes(), bits);
    if ('error' in address) return { error: address.error, operand: Math.max(0, memoryIndex) };
    const failure = this.placeOperands(memory, memoryIndex, address.size);
    if (failure) return failure;

    const wide = this.prefixes(address.prefix);
    if (form.pattern.vex !== undefined) this.vexBytes(form.pattern, form.pattern.vex, wide);
    else this.rexByte(wide);
    if (this.rexForced && this.highByte) return { error: 'ah, bh, ch and dh cannot be used in an instruction with a REX prefix' };
    if ((this.rexForced || this.rex & 7 || this.vvvv > 7) && bits !== 64)
      return { error: 'registers above edi and new byte registers exist only in 64-bit mode' };
    const { pattern } = form;
    if (form.variant === 'inverted') {
      // Over the jump: its opcode and a displacement.
      out.bytes.push(0x70 | ((pattern.opcode & 0x0f) ^ 1), 1 + form.size, 0xe9);
      this.immediates(address.size);
      return { row: form.row, bytes: out.bytes, fixups: out.fixups, warnings: out.warnings };
    }
    if (pattern.vex === undefined) out.bytes.push(...MAP_BYTES[pattern.map]);
    out.bytes.push(pattern.opcode | this.plus);
    this.modrm(memory, memoryIndex, address.size);
    this.immediates(address.size);
    return { row: form.row, bytes: out.bytes, fixups: out.fixups, warnings: out.warnings };
  }

  /** The stated address size, or the one that the form or a counter register asks for. */
  private addressPrefixes(): InstructionRequest['prefixes'] {
    const { prefixes, operands } = this.request;
    const [fixed] = this.form.pattern.addressSizes;
    const own = this.form.variant === 'counter' ? (operands[1] as RegisterRequest).register.size * 8 : fixed;
    // Where the source states another size than the form has, the one that is not the mode's counts.
    if (own === undefined || (own === this.bits && prefixes.addressSize !== 0)) return prefixes;
    return { ...prefixes, addressSize: own };
  }

  private placeOperands(memory: MemoryRequest | undefined, memoryIndex: number, address: Bits): EncodingFailure | undefined {
    const { form, request } = this;
    for (let i = 0; i < form.operands.length; i++) {
      const operand = request.operands[i];
      if (operand.kind === 'register' && !(form.variant === 'counter' && i === 1)) this.placeRegister(form.operands[i], operand);
    }
    if (form.variant === 'next') this.rm = 1;
    if (form.variant === 'repeated') this.placeRegister(form.operands[0], request.operands[0] as RegisterRequest, 'rm');
    const code = memoryIndex >= 0 ? form.operands[memoryIndex] : undefined;
    if (!memory || code?.method === 'offset') return undefined;
    if (form.pattern.modrm === 'none') return undefined;
    const encoded = encodeAddress(memory, this.bits, address);
    if ('error' in encoded) return { error: encoded.error, operand: memoryIndex };
    this.address = encoded;
    this.rex |= encoded.rex;
    return undefined;
  }

  private placeRegister(code: OperandCode, { register }: RegisterRequest, as?: 'rm'): void {
    const { index } = register;
    if (register.high) this.highByte = true;
    const isByte = code.size === 'b' || code.memorySize === code.size;
    if (register.class === 'gpr' && register.size === 1 && !register.high && index >= 4 && isByte) this.rexForced = true;
    const number = register.high ? index + 4 : index & 7;
    const extended = index >= 8 ? 1 : 0;
    switch (as ?? code.method) {
      case 'rm':
      case 'rmRegister':
        this.rm = number;
        this.rex |= extended;
        break;
      case 'opcodeRegister':
        this.plus = number;
        this.rex |= extended;
        break;
      case 'vvvv':
        this.vvvv = index;
        break;
      case 'fixedRegister':
        break;
      default:
        this.reg = number;
        this.rex |= extended << 2;
    }
  }

  /** Emits the prefixes. @returns whether REX.W is needed */
  private prefixes(addressPrefix: boolean): boolean {
    const { form, bits, out } = this;
    const { prefixes } = this.request;
    const { bytes } = out;
    if (prefixes.wait || form.waits) bytes.push(0x9b);
    if (prefixes.repeat !== 'none') bytes.push(prefixes.repeat === 'rep' ? 0xf3 : 0xf2);
    if (prefixes.lock) {
      if (!form.row.lockable || this.request.operands[0]?.kind !== 'memory') out.warn('prefix-lock-error', 'instruction is not lockable');
      bytes.push(0xf0);
    }
    if (prefixes.segment >= 0) {
      if (bits === 64 && prefixes.segment < 4) {
        out.warn('prefix-seg', `${SEGMENT_LETTERS[prefixes.segment]} segment base generated, but will be ignored in 64-bit mode`);
      }
      bytes.push(SEGMENT_BYTES[prefixes.segment]);
    }
    const wanted = prefixes.operandSize;
    const size = wanted !== 0 ? wanted : form.size;
    if (size < 0 || (size === 2 && bits !== 16) || (size === 4 && bits === 16)) bytes.push(0x66);
    if (addressPrefix) bytes.push(0x67);
    const { mandatory, vex } = form.pattern;
    if (vex === undefined && mandatory && !mandatory.startsWith('N')) bytes.push(Number.parseInt(mandatory, 16));
    const widens = form.size === 8 && form.row.size64 === 'normal' && !CLEARS_HIGH.has(form.row.mnemonic + form.row.semantics);
    return widens || (bits === 64 && SAYS_WIDE.has(form.row.mnemonic)) || (wanted === 8 && !hasOwnWidth(form));
  }

  /** Two bytes where they can say it all, else three (manual, "The VEX Prefix"). */
  private vexBytes(pattern: EncodingPattern, vex: VexPattern, wide: boolean): void {
    const { bytes } = this.out;
    const w = vex.wide === true || wide ? 0x80 : 0;
    const last = ((~this.vvvv & 15) << 3) | ((vex.length ?? 0) << 2) | VEX_MANDATORY[pattern.mandatory ?? 'NP'];
    const inverted = ~this.rex & 7;
    if (w === 0 && pattern.map === 1 && (inverted & 3) === 3) bytes.push(0xc5, ((inverted & 4) << 5) | last);
    else bytes.push(0xc4, (inverted << 5) | pattern.map, w | last);
  }

  private rexByte(wide: boolean): void {
    if (wide) {
      this.rex |= 8;
      this.rexForced = true;
    }
    if (this.rex !== 0) this.rexForced = true;
    if (this.rexForced) this.out.bytes.push(0x40 | this.rex);
  }

  private modrm(memory: MemoryRequest | undefined, memoryIndex: number, address: Bits): void {
    const { pattern } = this.form;
    const { bytes } = this.out;
    if (pattern.modrm === 'none') return;
    if (pattern.modrm === 'fixed') {
      bytes.push(pattern.modrmByte);
      return;
    }
    const reg = (pattern.modrm === 'digit' ? pattern.digit : this.reg) << 3;
    if (!this.address || !memory) {
      bytes.push(0xc0 | reg | (this.rm < 0 ? 0 : this.rm));
      return;
    }
    bytes.push(this.address.modrm | reg);
    if (this.address.sib >= 0) bytes.push(this.address.sib);
    this.displacement(memory, memoryIndex, this.address, address);
  }

  private displacement(memory: MemoryRequest, operand: number, encoded: EncodedAddress, address: Bits): void {
    const size = encoded.displacementSize;
    if (size === 0) return;
    const { displacement } = memory;
    if (!displacement.relocatable && !displacement.unknown && !fits(displacement.value, size, false)) {
      const bits = this.bits;
      const wraps = size < 4 && fits(displacement.value, bits === 16 ? 2 : 4, false) && wrapsTo(displacement.value, size, memory);
      if (!wraps) this.out.warn('number-overflow', `${NAMES_OF_SIZES[size]} data exceeds bounds`);
    }
    const signed = address === 64 || size === 1;
    this.out.field(displacement, { size, operand, part: 'displacement', relative: encoded.ripRelative, signed });
  }

  private immediates(address: Bits): void {
    const { form, request, out } = this;
    for (let i = 0; i < form.operands.length; i++) {
      const operand = request.operands[i];
      const code = form.operands[i];
      if (operand.kind === 'immediate') this.immediate(code, operand, i);
      else if (operand.kind === 'far') this.far(operand, i);
      else if (operand.kind === 'memory' && code.method === 'offset') {
        const size = (address / 8) as 2 | 4 | 8;
        if (!operand.displacement.relocatable && !fits(operand.displacement.value, size, false)) {
          out.warn('number-overflow', `${NAMES_OF_SIZES[size]} data exceeds bounds`);
        }
        out.field(operand.displacement, { size, operand: i, part: 'displacement', relative: false, signed: false });
      }
    }
    if (form.variant === 'implied-immediate') out.number(form.immediate, 1);
  }

  private immediate(code: OperandCode, operand: ImmediateRequest, index: number): void {
    if (code.method === 'relative') this.branch(code, operand, index);
    if (code.method !== 'immediate' && code.method !== 'signedByte') return;
    const short = code.method === 'signedByte';
    const size = (short ? 1 : sizeInBytes(code.size, this.form.size || 4, this.bits)) as 1 | 2 | 4 | 8;
    const extended = short || (this.form.size === 8 && size === 4);
    if (!operand.relocatable && !operand.unknown && !this.acceptable(operand.value, size, extended)) {
      this.out.warn('number-overflow', `${extended ? 'signed ' : ''}${NAMES_OF_SIZES[size]} value exceeds bounds`);
    }
    this.out.field(operand, { size, operand: index, part: 'immediate', relative: false, signed: extended });
  }

  /** Whether an immediate is what its field says after extension to the operand size. */
  private acceptable(value: Integer, size: number, extended: boolean): boolean {
    if (!extended) return fits(value, size, false);
    if (fits(value, size, true)) return true;
    // 0xFFFF is -1 in a word operation.
    const bits = this.form.size * 8;
    return bits < 64 && fits(value, this.form.size, false) && fits(Number(BigInt.asIntN(bits, BigInt(value))), size, true);
  }

  private branch(code: OperandCode, operand: ImmediateRequest, index: number): void {
    const size = code.size === 'b' ? 1 : this.form.size === 2 ? 2 : 4;
    if (operand.offset === undefined || operand.unknown) {
      this.out.field(
        { value: 0, relocatable: true, unknown: false },
        { size, operand: index, part: 'branch', relative: true, signed: true },
      );
      return;
    }
    const distance = Number(operand.offset) - this.out.bytes.length - size;
    if (size === 1 && (distance < -128 || distance > 127))
      this.out.warn('short-range', `short jump is out of range: ${distance} bytes, expected -128 to 127`);
    this.out.number(distance, size);
  }

  private far(operand: FarRequest, index: number): void {
    const size = this.form.size as 2 | 4;
    if (!operand.offset.relocatable && !fits(operand.offset.value, size, false)) {
      this.out.warn('number-overflow', `${NAMES_OF_SIZES[size]} value exceeds bounds`);
    }
    this.out.field(operand.offset, { size, operand: index, part: 'offset', relative: false, signed: false });
    this.out.field(operand.selector, { size: 2, operand: index, part: 'selector', relative: false, signed: false });
  }
}

/** Forms that are 64 bits wide without REX.W, or narrower on purpose: stating 64 bits changes nothing. */
function hasOwnWidth({ row, size, variant, operands }: Form): boolean {
  if (variant === 'narrow' || row.semantics.endsWith('Control') || row.semantics.endsWith('Debug')) return true;
  return size === 8 && operands.length > 0 && (row.size64 === 'default64' || CLEARS_HIGH.has(row.mnemonic + row.semantics));
}

/** A one-byte displacement of an address that wraps at its size. */
function wrapsTo(value: Integer, size: number, memory: MemoryRequest): boolean {
  const bits = (memory.terms[0]?.register.size ?? 0) * 8;
  return bits > 0 && fits(Number(BigInt.asIntN(bits, BigInt(value))), size, true);
}
