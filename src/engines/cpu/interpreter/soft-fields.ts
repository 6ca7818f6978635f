/**
 * Soft fields: immediates and displacements that the guest has changed so often that they are read from the code's own bytes each
 * time their instructions run. A store that changes nothing else drops no decoded or compiled code.
 */
import type { Instruction } from '../../../isa/types';
import type { HostMemory } from '../../machine/host-memory';
import { SOFT_STORE_ENTRIES, SOFT_STORE_ENTRY, SOFT_STORES } from '../layout';
import { Special } from './handlers';
import { RECORD } from './records';

export interface SoftField {
  readonly part: 'immediate' | 'displacement';
  readonly size: 1 | 2 | 4 | 8;
  /** Distance of its first byte from the block's start. */
  readonly from: number;
}

/** Of a block: its soft fields by their instructions' records, and the host offset of the block's first byte. */
export interface SoftFields {
  readonly base: number;
  readonly byRecord: ReadonlyMap<number, SoftField>;
}

export const SOFT_HANDLERS = { immediate: Special.softImmediate, displacement: Special.softDisplacement } as const;

/** All bytes from one distance to another from a block's start belong to one soft field. */
export function isSoft(soft: SoftFields | undefined, from: number, to: number): boolean {
  if (!soft) return false;
  for (const field of soft.byRecord.values()) if (from >= field.from && to <= field.from + field.size) return true;
  return false;
}

/** The fields of an instruction that may become soft. @param here its distance from the block's start */
export function softCandidates({ row, operands, length }: Instruction, here: number): SoftField[] {
  // Records of three registers have no room left.
  if (row.flow !== 'next' || operands.filter(({ kind }) => kind === 'register').length > 2) return [];
  const list: SoftField[] = [];
  const immediates = operands.filter((operand) => operand.kind === 'immediate' && operand.encodedSize > 0);
  if (immediates.length > 1) return [];
  let end = here + length;
  for (const operand of immediates) {
    if (operand.kind !== 'immediate' || operand.encodedSize === 0) continue;
    end -= operand.encodedSize;
    list.push({ part: 'immediate', size: operand.encodedSize, from: end });
  }
  for (const operand of operands) {
    if (operand.kind !== 'memory' || operand.displacementSize === 0 || operand.ripRelative) continue;
    list.push({ part: 'displacement', size: operand.displacementSize, from: end - operand.displacementSize });
  }
  return list;
}

/** Makes the record of an instruction read a field from host memory first. @returns the handler that the record has from now on */
export function soften(host: HostMemory, record: number, handler: number, field: SoftField, address: number): number {
  const { i32 } = host;
  // The last of the eight bytes that are read is the field's last; those before are shifted out.
  i32[(record + RECORD.link) >> 2] = handler;
  i32[(record + RECORD.target) >> 2] = address + field.size - 8;
  i32[(record + RECORD.third) >> 2] = 64 - field.size * 8;
  return SOFT_HANDLERS[field.part];
}

/**
 * Stores into code that have been seen to change soft fields alone, for the quick way to memory (see `accessBody` in handlers.ts). They are
 * forgotten whenever a block comes to stand.
 */
export class SoftStores {
  private readonly host: HostMemory;
  private readonly filled: number[] = [];

  constructor(host: HostMemory) {
    this.host = host;
  }

  /** @param at host offset of the first byte @param length bytes from there that may be stored to */
  add(at: number, length: number): void {
    const { i32 } = this.host;
    const entry = (SOFT_STORES + ((at ^ (at >>> 8)) & (SOFT_STORE_ENTRIES - 1)) * SOFT_STORE_ENTRY) >> 2;
    i32[entry] = at;
    i32[entry + 1] = length;
    this.filled.push(entry);
  }

  clear(): void {
    for (const entry of this.filled) this.host.i32[entry] = 0;
    this.filled.length = 0;
  }
}
