/** Instructions: operands get their values, the encoder chooses the form, fix-ups go to the section. */

import { type EncodedInstruction, encode, type Fixup, type OperandRequest, type PrefixRequest } from '../isa/encoder';
import type { AddressTerm, EncoderNumber } from '../isa/encoder';
import type { Assembly } from './assembly';
import { store, subtract } from './int64';
import type { Token } from './lexer';
import type { FarSyntax, InstructionBody, MemorySyntax, OperandSyntax, ValueSyntax } from './statements';
import { hasRegisters, isInt, isRegister, type Relocatable, relocatable, soleRegister, type Sum, type Value } from './values';

interface Operand {
  readonly request: OperandRequest;
  /** The relocatable parts behind fix-ups; a far pointer has its selector's in `selector`. */
  readonly parts: Relocatable | undefined;
  readonly selector?: Relocatable;
  readonly token: Token;
}

function numberOf(parts: Relocatable): EncoderNumber {
  const isRelocatable = parts.base !== undefined || parts.minus !== undefined || parts.wrt !== undefined;
  return { value: parts.offset, relocatable: isRelocatable, unknown: parts.unknown };
}

function valueOperand(assembly: Assembly, syntax: ValueSyntax): Operand {
  const { size, strict, distance, token } = syntax;
  const value = assembly.evaluate(syntax.expression);
  const register = soleRegister(value);
  if (register) return { request: { kind: 'register', register }, parts: undefined, token };
  if (hasRegisters(value)) assembly.fail(token, 'registers can be added up only within the brackets of an effective address');
  const parts = assembly.relocatable(value, token);
  const number = numberOf(parts);
  const { current } = assembly;
  const inSection = current !== undefined && parts.base === current && !parts.minus && !parts.wrt;
  const offset = inSection ? subtract(parts.offset, current.offset) : undefined;
  return { request: { kind: 'immediate', ...number, size, strict, distance, offset }, parts, token };
}

/** The registers of a sum, and the rest of it. */
function splitRegisters(value: Value): { terms: AddressTerm[]; rest: Value } {
  if (isInt(value)) return { terms: [], rest: value };
  const terms: AddressTerm[] = [];
  const others: Sum['terms'][number][] = [];
  for (const term of value.terms) {
    if (isRegister(term.of)) terms.push({ register: term.of, coefficient: Number(term.coefficient), scaled: term.scaled });
    else others.push(term);
  }
  const rest = others.length === 0 && !value.unknown && !value.wrt ? value.constant : { ...value, terms: others };
  return { terms, rest };
}

const FS = 4;

function memoryOperand(assembly: Assembly, syntax: MemorySyntax, segment: number): Operand {
  const { size, distance, displacementSize, noSplit, addressing, token } = syntax;
  const { terms, rest } = splitRegisters(assembly.evaluate(syntax.expression));
  const parts =
    relocatable(rest, assembly.current) ?? assembly.fail(token, 'the effective address is no sum of registers, an address and a number');
  const displacement = numberOf(parts);
  const relative = addressing === 'rel' || (assembly.defaultRelative && addressing !== 'abs' && segment < FS);
  const ripRelative = assembly.bits === 64 && terms.length === 0 && relative;
  if (ripRelative && !displacement.relocatable && !displacement.unknown) {
    assembly.warn(token, 'ea-absolute', 'absolute address can not be RIP-relative');
  }
  return {
    request: { kind: 'memory', size, distance, terms, displacement, displacementSize, noSplit, ripRelative },
    parts,
    token,
  };
}

function farOperand(assembly: Assembly, syntax: FarSyntax): Operand {
  const { size, token } = syntax;
  const selector = assembly.relocatable(assembly.evaluate(syntax.selector), token);
  const parts = assembly.relocatable(assembly.evaluate(syntax.offset), token);
  return { request: { kind: 'far', size, selector: numberOf(selector), offset: numberOf(parts) }, parts, selector, token };
}

function operandOf(assembly: Assembly, syntax: OperandSyntax, segment: number): Operand {
  switch (syntax.kind) {
    case 'register':
      return { request: { kind: 'register', register: syntax.register, to: syntax.to }, parts: undefined, token: syntax.token };
    case 'value':
      return valueOperand(assembly, syntax);
    case 'memory':
      return memoryOperand(assembly, syntax, segment);
    case 'far':
      return farOperand(assembly, syntax);
  }
}

function segmentOf(assembly: Assembly, body: InstructionBody): number {
  let { segment } = body.prefixes;
  for (const operand of body.operands) {
    if (operand.kind !== 'memory' || operand.segment < 0) continue;
    if (segment >= 0) assembly.fail(operand.token, 'the instruction has conflicting segment overrides');
    segment = operand.segment;
  }
  return segment;
}

/** Notes a fix-up, or fills the field in where both ends of a distance lie in this section. */
function addFixup(assembly: Assembly, fixup: Fixup, operand: Operand, bytes: number[]): void {
  const { current } = assembly;
  const { length } = bytes;
  const parts = fixup.part === 'selector' ? operand.selector : operand.parts;
  if (!current || !parts) return;
  if (fixup.relative && parts.base === current && !parts.minus && !parts.wrt) {
    store(bytes, fixup.at, subtract(parts.offset, current.offset + length), fixup.size);
    return;
  }
  const selfRelative = parts.minus !== undefined;
  if (fixup.relative && selfRelative)
    assembly.fail(operand.token, 'the address is relative to this section already and cannot be made so again');
  const start = current.offset;
  assembly.fixup({
    offset: start + fixup.at,
    size: fixup.size,
    base: parts.base,
    addend: parts.offset,
    relative: fixup.relative || selfRelative,
    from: fixup.relative ? start + length : 0,
    wrt: parts.wrt,
    signed: fixup.signed,
    place: assembly.place(operand.token),
  });
}

function encodeBody(assembly: Assembly, body: InstructionBody, operands: readonly Operand[], prefixes: PrefixRequest): EncodedInstruction {
  const { bits } = assembly;
  const result = encode({
    mnemonic: body.mnemonic,
    operands: operands.map(({ request }) => request),
    prefixes,
    bits,
    level: assembly.level,
  });
  if ('error' in result) {
    const operand = result.operand === undefined ? undefined : operands[result.operand];
    return assembly.fail(operand?.token ?? body.token, result.error);
  }
  for (const { code, message } of result.warnings) {
    if (code === 'short-range') assembly.report(operands[0]?.token ?? body.token, message);
    else assembly.warn(body.token, code, message);
  }
  return result;
}

/**
 * Assembles one instruction at the current location.
 * @returns true where the same bytes stand for it at any place
 */
export function assembleInstruction(assembly: Assembly, body: InstructionBody): boolean {
  const { cache } = body;
  if (cache && cache.bits === assembly.bits && assembly.level === undefined && cache.defaultRelative === assembly.defaultRelative) {
    assembly.emit(cache.encoded.bytes, body.token);
    return true;
  }
  const segment = segmentOf(assembly, body);
  const prefixes = segment === body.prefixes.segment ? body.prefixes : { ...body.prefixes, segment };
  const operands = body.operands.map((operand) => operandOf(assembly, operand, segment));
  const encoded = encodeBody(assembly, body, operands, prefixes);
  const { fixups } = encoded;
  const bytes = fixups.length > 0 && assembly.final ? [...encoded.bytes] : encoded.bytes;
  if (assembly.final) for (const fixup of fixups) addFixup(assembly, fixup, operands[fixup.operand], bytes as number[]);
  assembly.emit(bytes, body.token);
  const independent = body.constant && fixups.length === 0;
  if (independent && encoded.warnings.length === 0) {
    body.cache = { bits: assembly.bits, defaultRelative: assembly.defaultRelative, encoded };
  }
  return independent;
}

const SEGMENT_PREFIXES: readonly number[] = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];

/** Prefixes that stand alone on a line. */
export function prefixBytes(assembly: Assembly, prefixes: PrefixRequest): number[] {
  const bytes: number[] = [];
  if (prefixes.wait) bytes.push(0x9b);
  if (prefixes.repeat !== 'none') bytes.push(prefixes.repeat === 'rep' ? 0xf3 : 0xf2);
  if (prefixes.lock) bytes.push(0xf0);
  if (prefixes.segment >= 0) bytes.push(SEGMENT_PREFIXES[prefixes.segment]);
  const { operandSize, addressSize } = prefixes;
  if (operandSize < 0 || (operandSize === 2 && assembly.bits !== 16) || (operandSize === 4 && assembly.bits === 16)) bytes.push(0x66);
  if (addressSize < 0 || (addressSize > 0 && addressSize !== assembly.bits)) bytes.push(0x67);
  return bytes;
}
