/**
 * The decoder: from bytes to an `Instruction`, by the rules of the processor.
 *
 * Prefixes are taken first (`decoder-cursor.ts`), then the opcode bytes lead through a lookup structure made from the table
 * (`decoder-lookup.ts`) to the candidates of which prefixes, sizes and the ModR/M byte choose one, then each operand takes
 * its own bytes (`decoder-operands.ts`).
 */
import type { Bits, DecodeFailure, Instruction, InstructionRow, Operand } from './types';
import { Cursor, REX_B, REX_W } from './decoder-cursor';
import { OpcodeLookup, OpcodeTable, VEX_MAPS, widthIndex } from './decoder-lookup';
import type { Candidate, OpcodeSlot } from './decoder-lookup';
import { readOperand } from './decoder-operands';
import { INSTRUCTIONS } from './table';

/**
 * Decodes the instruction at `bytes[offset]`.
 * @param bytes at least 15 from `offset` on, unless fewer exist
 * @param bits the code segment's default size
 * @returns the instruction, or why there is none: see `DecodeFailure`. A RIP-relative operand keeps its displacement as
 * encoded, from the instruction's end.
 */
export type Decode = (bytes: Uint8Array, offset: number, bits: Bits) => Instruction | DecodeFailure;

export function isFailure(result: Instruction | DecodeFailure): result is DecodeFailure {
  return 'failure' in result;
}

/**
 * A decoder for a processor that has only some of the rows: what it lacks is as undefined as any other opcode, and a row
 * hidden behind a lacking one (NOP behind PAUSE) appears.
 */
export function createDecoder(has: (row: InstructionRow) => boolean): Decode {
  let table: OpcodeTable | undefined;
  // Each mode's is built when it is first wanted: most sessions see one or two of them.
  const lookups: (OpcodeLookup | undefined)[] = [];
  return (bytes, offset, bits) => {
    const lookup = (lookups[bits >> 5] ??= new OpcodeLookup((table ??= new OpcodeTable(INSTRUCTIONS.filter(has))), bits));
    return decodeWith(lookup, bytes, offset, bits);
  };
}

/** Decodes with every row of the table. */
export const decode: Decode = createDecoder(() => true);

function decodeWith(lookup: OpcodeLookup, bytes: Uint8Array, offset: number, bits: Bits): Instruction | DecodeFailure {
  const cursor = new Cursor(bytes, offset, bits);
  const slot = readOpcode(cursor, lookup);
  if (cursor.problem !== 'none') return fail(cursor.problem, cursor);
  if (slot === undefined) return fail('invalid', cursor);
  if (slot.hasModrm) {
    cursor.modrm = cursor.u8();
    if (cursor.problem !== 'none') return fail(cursor.problem, cursor);
  }
  const candidate = choose(slot.byDigit[slot.hasModrm ? (cursor.modrm >> 3) & 7 : 0], cursor);
  if (candidate === undefined) return fail('invalid', cursor);

  const { row, operands: plans } = candidate;
  cursor.operandSize = cursor.operandSizeFor(candidate.size64);
  const width = widthIndex(cursor.operandSize, bits);
  const operands: Operand[] = [];
  for (let i = 0; i < plans.length; i++) operands.push(readOperand(cursor, plans[i], i, width));

  if (cursor.problem !== 'none') return fail(cursor.problem, cursor);
  if (cursor.invalid || (cursor.lock && !(row.lockable && operands[0].kind === 'memory'))) return fail('invalid', cursor);
  return {
    row,
    length: cursor.length,
    bits,
    operandSize: cursor.operandSize,
    addressSize: cursor.addressSize,
    prefixes: cursor.prefixes(),
    operands,
  };
}

function fail(failure: DecodeFailure['failure'], cursor: Cursor): DecodeFailure {
  return { failure, length: cursor.length };
}

function readOpcode(cursor: Cursor, lookup: OpcodeLookup): OpcodeSlot | undefined {
  let map = 0;
  let byte = cursor.readPrefixes();
  if ((byte & 0xfe) === 0xc4 && cursor.startsVex()) {
    map = cursor.readVex(byte);
    cursor.opcode = cursor.u8();
    return map >= 1 && map < VEX_MAPS ? lookup.at(VEX_MAPS + map, cursor.opcode) : undefined;
  }
  if (byte === 0x0f) {
    byte = cursor.u8();
    map = byte === 0x38 ? 2 : byte === 0x3a ? 3 : 1;
    if (map !== 1) byte = cursor.u8();
  }
  cursor.opcode = byte;
  return lookup.at(map, byte);
}

function choose(candidates: readonly Candidate[], cursor: Cursor): Candidate | undefined {
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i];
    if (candidate.unconditional || fits(candidate, cursor)) return candidate;
  }
  return undefined;
}

function fits(candidate: Candidate, cursor: Cursor): boolean {
  return (
    fitsMandatory(candidate.mandatory, cursor.mandatory) &&
    // 2, 4, 8 bytes and 16, 32, 64 bits are the mask's bits 1, 2, 4.
    (candidate.operandSizes & (cursor.operandSizeFor(candidate.size64) >> 1)) !== 0 &&
    (candidate.addressSizes & (cursor.addressSize >> 4)) !== 0 &&
    (candidate.modrmByte < 0 || candidate.modrmByte === cursor.modrm) &&
    !(candidate.memoryOnly && cursor.modrm >= 0xc0) &&
    !(candidate.registerOnly && cursor.modrm < 0xc0) &&
    (cursor.vexLength < 0 || fitsVex(candidate, cursor)) &&
    !(candidate.notWithRexB && (cursor.rex & REX_B) !== 0)
  );
}

function fitsMandatory(wanted: Candidate['mandatory'], given: Cursor['mandatory']): boolean {
  return wanted === 0 || wanted === given || (wanted === 5 && given <= 2);
}

function fitsVex({ vexLength, vexWide, withoutVvvv }: Candidate, cursor: Cursor): boolean {
  const isWide = (cursor.rex & REX_W) !== 0 ? 1 : 0;
  return (vexLength < 0 || vexLength === cursor.vexLength) && (vexWide < 0 || vexWide === isWide) && !(withoutVvvv && cursor.vvvv !== 0);
}
