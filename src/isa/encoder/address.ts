/** Effective addresses: from a sum of registers and a displacement to ModR/M, SIB and displacement bytes. */

import type { Bits } from '../types';
import type { AddressTerm, AssemblerRegister, Integer, MemoryRequest, PrefixRequest } from './request';

export interface EncodedAddress {
  /** Mod and rm fields; the reg field is zero. */
  readonly modrm: number;
  /** -1 where there is none. */
  readonly sib: number;
  readonly displacementSize: 0 | 1 | 2 | 4;
  /** REX.X and REX.B. */
  readonly rex: number;
  readonly ripRelative: boolean;
}

export interface AddressFailure {
  readonly error: string;
}

interface Sum {
  base: AssemblerRegister | undefined;
  index: AssemblerRegister | undefined;
  scale: number;
}

const isGeneral = (register: AssemblerRegister): boolean => register.class === 'gpr' && register.size >= 2;

/** Base and index out of the terms as written; the first register without a multiplication sign is the base. */
function roles(terms: readonly AddressTerm[], noSplit: boolean): Sum | AddressFailure {
  if (terms.length > 2) return { error: 'an effective address can have two registers at most' };
  const wrong = terms.find(({ register }) => !isGeneral(register));
  if (wrong) return { error: `the register ${wrong.register.name} cannot be part of an effective address` };
  const [first, second] = terms;
  if (!first) return { base: undefined, index: undefined, scale: 0 };
  if (!second) {
    // `eax+eax` is base and index, `eax*2` an index that may be split into both.
    if (first.coefficient === 2 && !first.scaled) return { base: first.register, index: first.register, scale: 1 };
    if (first.coefficient === 1 && !(first.scaled && noSplit)) return { base: first.register, index: undefined, scale: 0 };
    return { base: undefined, index: first.register, scale: first.coefficient };
  }
  const swap = second.coefficient === 1 && (first.coefficient !== 1 || first.scaled);
  const [base, index] = swap ? [second, first] : [first, second];
  if (base.coefficient !== 1) return { error: 'only one register of an effective address can be scaled' };
  return { base: base.register, index: index.register, scale: index.coefficient };
}

const ADDRESS_BITS: Readonly<Record<number, Bits>> = { 2: 16, 4: 32, 8: 64 };

/**
 * Address size of an instruction: what its registers, its stated displacement and its prefixes leave possible, the mode's own first.
 */
export function addressSize(
  memory: MemoryRequest | undefined,
  prefixes: PrefixRequest,
  bits: Bits,
): { size: Bits; prefix: boolean } | AddressFailure {
  const other: Bits = bits === 32 ? 16 : 32;
  let possible: Bits[] = [bits, other];
  const keep = (size: Bits): void => {
    possible = possible.filter((each) => each === size);
  };
  if (prefixes.addressSize > 0) keep(prefixes.addressSize as Bits);
  else if (prefixes.addressSize < 0) keep(other);
  if (memory) {
    for (const { register } of memory.terms) if (isGeneral(register)) keep(ADDRESS_BITS[register.size]);
    const stated = memory.displacementSize;
    if (memory.terms.length === 0 && (bits === 64 ? stated === 2 : stated > 1)) keep(ADDRESS_BITS[stated]);
  }
  if (possible.length === 0) return { error: 'impossible combination of address sizes' };
  return { size: possible[0], prefix: possible[0] !== bits };
}

const fitsByte = (value: Integer, bits: Bits): boolean => {
  if (value >= -128 && value <= 127) return true;
  // Addresses wrap, so 0xFFFF is -1 in a 16-bit address.
  if (bits === 64) return false;
  const mask = 2 ** bits;
  const low = typeof value === 'number' ? ((value % mask) + mask) % mask : Number(BigInt.asUintN(bits, value));
  return low <= 127 || low >= mask - 128;
};

/** How many displacement bytes a base needs. @param mustHave the base's encoding without displacement means something else */
function displacementFor(memory: MemoryRequest, full: 2 | 4, mustHave: boolean, bits: Bits): 0 | 1 | 2 | 4 {
  const { displacement, displacementSize } = memory;
  if (displacementSize === 1) return 1;
  if (displacementSize !== 0 || displacement.relocatable || displacement.unknown) return full;
  if (displacement.value === 0 && !mustHave) return 0;
  return fitsByte(displacement.value, bits) ? 1 : full;
}

const MOD_OF: Readonly<Record<number, number>> = { 0: 0x00, 1: 0x40, 2: 0x80, 4: 0x80 };

const RM16: Readonly<Record<string, number>> = {
  'bx+si': 0,
  'si+bx': 0,
  'bx+di': 1,
  'di+bx': 1,
  'bp+si': 2,
  'si+bp': 2,
  'bp+di': 3,
  'di+bp': 3,
  si: 4,
  di: 5,
  bp: 6,
  bx: 7,
};

function encode16({ base, index, scale }: Sum, memory: MemoryRequest): EncodedAddress | AddressFailure {
  if (!base && !index) return { modrm: 0x06, sib: -1, displacementSize: 2, rex: 0, ripRelative: false };
  if (index && scale !== 1) return { error: 'a 16-bit address cannot scale its index' };
  const names = [base, index].filter((register) => register !== undefined).map(({ name }) => name);
  const rm = RM16[names.join('+')];
  if (rm === undefined) return { error: `[${names.join('+')}] is no 16-bit address: expected bx or bp and si or di` };
  const displacementSize = displacementFor(memory, 2, rm === 6, 16);
  return { modrm: MOD_OF[displacementSize] | rm, sib: -1, displacementSize, rex: 0, ripRelative: false };
}

function encodeAbsolute(memory: MemoryRequest, bits: Bits): EncodedAddress {
  const { displacement } = memory;
  // A plain number has no distance from the instruction, so it stays an absolute address.
  if (memory.ripRelative && (displacement.relocatable || displacement.unknown))
    return { modrm: 0x05, sib: -1, displacementSize: 4, rex: 0, ripRelative: true };
  const sib = bits === 64 ? 0x25 : -1;
  return { modrm: bits === 64 ? 0x04 : 0x05, sib, displacementSize: 4, rex: 0, ripRelative: false };
}

/** Rewrites a sum into one that can be encoded, the shortest where there is a choice. */
function normalise(sum: Sum, noSplit: boolean): Sum | AddressFailure {
  let { base, index } = sum;
  const { scale } = sum;
  if (index && !base) {
    if (scale === 1 && !noSplit) return { base: index, index: undefined, scale: 0 };
    if (scale === 2 && !noSplit) return checkIndex({ base: index, index, scale: 1 });
    if (scale === 3 || scale === 5 || scale === 9) return checkIndex({ base: index, index, scale: scale - 1 });
  }
  if (index && base && scale === 1 && index.index === 4) [base, index] = [index, base];
  return checkIndex({ base, index, scale });
}

function checkIndex(sum: Sum): Sum | AddressFailure {
  if (!sum.index) return sum;
  if (sum.index.index === 4) return { error: `the register ${sum.index.name} cannot be an index` };
  if (![1, 2, 4, 8].includes(sum.scale)) return { error: `an index can be scaled by 1, 2, 4 or 8, not by ${sum.scale}` };
  return sum;
}

function encodeWide(given: Sum, memory: MemoryRequest, bits: Bits, address: Bits): EncodedAddress | AddressFailure {
  if (!given.base && !given.index) return encodeAbsolute(memory, bits);
  const sum = normalise(given, memory.noSplit);
  if ('error' in sum) return sum;
  const { base, index, scale } = sum;
  const rex = (base && base.index >= 8 ? 1 : 0) | (index && index.index >= 8 ? 2 : 0);
  if (!base) {
    const sib = (Math.log2(scale) << 6) | (((index as AssemblerRegister).index & 7) << 3) | 5;
    return { modrm: 0x04, sib, displacementSize: 4, rex, ripRelative: false };
  }
  const low = base.index & 7;
  const displacementSize = displacementFor(memory, 4, low === 5, address);
  const mod = MOD_OF[displacementSize];
  if (!index && low !== 4) return { modrm: mod | low, sib: -1, displacementSize, rex, ripRelative: false };
  const sib = index ? (Math.log2(scale) << 6) | ((index.index & 7) << 3) | low : 0x20 | low;
  return { modrm: mod | 4, sib, displacementSize, rex, ripRelative: false };
}

/**
 * ModR/M, SIB and displacement of a memory operand.
 * @param address the instruction's address size
 */
export function encodeAddress(memory: MemoryRequest, bits: Bits, address: Bits): EncodedAddress | AddressFailure {
  const sum = roles(memory.terms, memory.noSplit);
  if ('error' in sum) return sum;
  if (address === 16) return encode16(sum, memory);
  const encoded = encodeWide(sum, memory, bits, address);
  if ('error' in encoded || bits === 64 || encoded.rex === 0) return encoded;
  return { error: 'registers above edi exist only in 64-bit mode' };
}
