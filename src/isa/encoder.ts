/**
 * The encoder: from a mnemonic and operands to bytes. Of the forms that fit it takes the one that NASM takes.
 */

import { addressSize } from './encoder/address';
import { type EncodedInstruction, type EncodingFailure, InstructionEncoder } from './encoder/emit';
import { type Form, FORMS } from './encoder/forms';
import { defaultSize, Match, matchForm, memorySizeOf } from './encoder/match';
import type { InstructionRequest, MemoryRequest, OperandRequest } from './encoder/request';
import type { Bits } from './types';

export type { EncodedInstruction, EncodingFailure } from './encoder/emit';
export type * from './encoder/request';
export { NO_PREFIXES } from './encoder/request';

/** Whether the table has an instruction of this name (lower case). */
export function isMnemonic(name: string): boolean {
  return FORMS().has(name);
}

/** All spellings that the encoder takes. */
export function mnemonics(): IterableIterator<string> {
  return FORMS().keys();
}

const MESSAGES: Readonly<Record<Match, string>> = {
  [Match.Operands]: 'invalid combination of opcode and operands',
  [Match.Distance]: 'the branch has no form of this distance',
  [Match.Size]: 'mismatch in operand sizes',
  [Match.SizeMissing]: 'operation size not specified: expected byte, word, dword or qword before the memory operand',
  [Match.Mode]: 'instruction not supported in this mode',
  [Match.Level]: 'the processor that CPU names has no such instruction',
  [Match.Good]: '',
};

/** Forms of one operand size each and no operands, under one spelling (IRET, PUSHA): the mode's default is meant. */
function isOtherDefault(form: Form, forms: readonly Form[], bits: Bits): boolean {
  if (form.operands.length > 0 || form.size === 0) return false;
  const rivals = forms.filter((other) => other.operands.length === 0 && other.size !== 0 && other.row.modes.includes(bits));
  return rivals.length > 1 && rivals.some((other) => other.size === defaultSize(other, bits)) && form.size !== defaultSize(form, bits);
}

interface Search {
  readonly form?: Form;
  readonly best: Match;
  readonly missing: boolean;
}

function search(forms: readonly Form[], request: InstructionRequest): Search {
  let best: Match = Match.Operands;
  let missing = false;
  for (const form of forms) {
    const match = matchForm(form, request);
    if (match === Match.SizeMissing) missing = true;
    if (match > best) best = match;
    if (match !== Match.Good || isOtherDefault(form, forms, request.bits)) continue;
    if (isOffsetRefused(form, request)) continue;
    return { form, best, missing };
  }
  return { best: best === Match.Good ? Match.Operands : best, missing };
}

/** The form with a plain address needs the address in full: 64 bits of it in 64-bit mode. */
function isOffsetRefused(form: Form, request: InstructionRequest): boolean {
  const index = form.operands.findIndex(({ method }) => method === 'offset');
  if (index < 0) return false;
  const memory = request.operands[index] as MemoryRequest;
  // Lock elision goes by the general form of a store.
  if (request.prefixes.elision && index === 0) return true;
  const address = addressSize(memory, request.prefixes, request.bits);
  if ('error' in address) return false;
  const stated = memory.displacementSize || (address.size === 16 ? 2 : 4);
  return stated * 8 !== address.size;
}

/** Where the forms leave a single size for a memory operand whose size is not stated, states it. */
function withOnlySize(forms: readonly Form[], request: InstructionRequest): InstructionRequest | undefined {
  const operands = request.operands.map((operand, index): OperandRequest | undefined => {
    if (operand.kind !== 'memory' || operand.size !== 0) return operand;
    const sizes = new Set<number>();
    for (const form of forms) {
      if (matchForm(form, request) === Match.SizeMissing) sizes.add(memorySizeOf(form, index, request.bits));
    }
    const [size] = sizes;
    return sizes.size === 1 ? { ...operand, size } : undefined;
  });
  if (operands.some((operand) => operand === undefined)) return undefined;
  return { ...request, operands: operands as OperandRequest[] };
}

/**
 * Encodes one instruction.
 *
 * @returns bytes with the fields left to the caller, or why there is no such encoding. Never throws for bad operands.
 */
export function encode(request: InstructionRequest): EncodedInstruction | EncodingFailure {
  const forms = FORMS().get(request.mnemonic);
  if (!forms) return { error: `unknown instruction '${request.mnemonic}'` };
  let final = withAddress(request);
  let found = search(forms, final);
  if (!found.form && found.missing) {
    const sized = withOnlySize(forms, final);
    if (sized) {
      final = sized;
      found = search(forms, sized);
    }
  }
  if (!found.form) return { error: messageFor(found.best, request, forms) };
  return new InstructionEncoder(found.form, final).encode();
}

/** `lea ax, 5` means the address 5. */
function withAddress(request: InstructionRequest): InstructionRequest {
  const source = request.operands[1];
  if (request.mnemonic !== 'lea' || source?.kind !== 'immediate' || source.distance === 'far') return request;
  const memory: MemoryRequest = {
    kind: 'memory',
    size: source.size,
    distance: undefined,
    terms: [],
    displacement: source,
    displacementSize: 0,
    noSplit: false,
    ripRelative: false,
  };
  return { ...request, operands: [request.operands[0], memory, ...request.operands.slice(2)] };
}

function messageFor(best: Match, request: InstructionRequest, forms: readonly Form[]): string {
  const { mnemonic, operands, bits } = request;
  if (best === Match.Mode) return `instruction not supported in ${bits}-bit mode`;
  if (best !== Match.Operands && best !== Match.Size) return MESSAGES[best];
  const counts = [...new Set(forms.map((form) => form.operands.length))].sort((a, b) => a - b);
  if (!counts.includes(operands.length)) {
    return `'${mnemonic}' takes ${counts.join(' or ')} operand${counts.at(-1) === 1 ? '' : 's'}, not ${operands.length}`;
  }
  const registers = operands.flatMap((operand) => (operand.kind === 'register' && operand.register.size > 0 ? [operand.register] : []));
  const [first, second] = registers;
  if (second && first.size !== second.size && first.class === 'gpr' && second.class === 'gpr') {
    return `mismatch in operand sizes: ${first.name} has ${8 * first.size} bits, ${second.name} ${8 * second.size}`;
  }
  return MESSAGES[best];
}
