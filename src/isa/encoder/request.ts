/** What an encoder is asked for: an instruction as an assembler understands it, before a form is chosen. */

import type { Bits, RegisterClass } from '../types';

/** An integer of up to 64 bits: a number where it is safe, else a BigInt. */
export type Integer = number | bigint;

/** A register in source text; classes beyond the table's are known so that they can be refused by name. */
export interface AssemblerRegister {
  readonly class: RegisterClass | 'ymm' | 'zmm' | 'mask' | 'bound';
  /** Bytes; 0 where the mode decides. */
  readonly size: number;
  readonly index: number;
  /** AH, CH, DH, BH; `index` is then 0 to 3. */
  readonly high: boolean;
  readonly name: string;
}

/** A number in the encoding: known, or left to a fix-up. */
export interface EncoderNumber {
  /** Taken as it is unless `relocatable`. */
  readonly value: Integer;
  /** Known only after layout or linking: a fix-up takes its place. */
  readonly relocatable: boolean;
  /** Not known yet but will be in a later pass; the shortest form is assumed meanwhile. */
  readonly unknown: boolean;
}

export type Distance = 'short' | 'near' | 'far';

export interface RegisterRequest {
  readonly kind: 'register';
  readonly register: AssemblerRegister;
  /** Written with TO: the destination of an x87 operation whose source is the top of the stack. */
  readonly to?: boolean;
}

export interface ImmediateRequest extends EncoderNumber {
  readonly kind: 'immediate';
  /** Bytes that the source states, or 0. */
  readonly size: number;
  /** The stated (or natural) size must not be made smaller. */
  readonly strict: boolean;
  readonly distance: Distance | undefined;
  /** For branches: target less the address of the instruction's first byte, where both lie in one section. */
  readonly offset: Integer | undefined;
}

export interface AddressTerm {
  readonly register: AssemblerRegister;
  readonly coefficient: number;
  /** Written with a multiplication sign, which makes it the index even at a scale of 1. */
  readonly scaled: boolean;
}

export interface MemoryRequest {
  readonly kind: 'memory';
  readonly size: number;
  readonly distance: Distance | undefined;
  readonly terms: readonly AddressTerm[];
  readonly displacement: EncoderNumber;
  /** Bytes of displacement that the source states (`[byte bx]`), or 0. */
  readonly displacementSize: 0 | 1 | 2 | 4 | 8;
  /** `[nosplit eax*2]`: no base is made of the index. */
  readonly noSplit: boolean;
  /** Relative to the instruction pointer, in 64-bit mode, where the address has no register and is relocatable. */
  readonly ripRelative: boolean;
}

export interface FarRequest {
  readonly kind: 'far';
  readonly selector: EncoderNumber;
  readonly offset: EncoderNumber;
  /** Bytes of the offset that the source states, or 0. */
  readonly size: number;
}

export type OperandRequest = RegisterRequest | ImmediateRequest | MemoryRequest | FarRequest;

/** Prefixes that the source states. */
export interface PrefixRequest {
  readonly wait: boolean;
  readonly repeat: 'none' | 'rep' | 'repne';
  /** The repeat prefix stands for XACQUIRE or XRELEASE. */
  readonly elision: boolean;
  readonly lock: boolean;
  /** Number of the segment register, or -1. */
  readonly segment: number;
  /** 2, 4 or 8; -1 for the one that is not the mode's (OSP); 0 for none. */
  readonly operandSize: number;
  /** 16, 32 or 64; -1 for the one that is not the mode's (ASP); 0 for none. */
  readonly addressSize: number;
}

export const NO_PREFIXES: PrefixRequest = {
  wait: false,
  repeat: 'none',
  elision: false,
  lock: false,
  segment: -1,
  operandSize: 0,
  addressSize: 0,
};

export interface InstructionRequest {
  /** Lower case. */
  readonly mnemonic: string;
  readonly operands: readonly OperandRequest[];
  readonly prefixes: PrefixRequest;
  readonly bits: Bits;
  /** Newest processor generation whose instructions may be used, as `levelOf` counts; all where it is left out. */
  readonly level?: number;
}

/** A place in the encoding that the caller must fill in. */
export interface Fixup {
  /** First byte, from the start of the instruction. */
  readonly at: number;
  readonly size: 1 | 2 | 4 | 8;
  readonly operand: number;
  readonly part: 'immediate' | 'displacement' | 'branch' | 'selector' | 'offset';
  /** Relative to the end of the instruction. */
  readonly relative: boolean;
  /** The field is sign-extended when it is used. */
  readonly signed: boolean;
}
