/** What is remembered of the last VMX instruction or VM entry that was refused: taken when it happens, for what it saw may change. */
import { Seg } from '../state';
import type { Cpu } from '../system/cpu';
import { readOperandAt, readOperandHalves, registerHalves } from '../system/operands';
import type { CheckWorld, EntryCheck, FailedCheck, FoundValue } from './entry-checks/check';
import { allFailures } from './entry-checks/index';
import { VMCS_REVISION } from './vmcs';
import { isPageAddress } from './vmx';

/** Why the last VMX instruction or VM entry was refused, for whoever asks. */
export interface Refusal {
  /** Number of a VM-instruction error, or 33 or 34 of an entry that failed later; undefined for VMfailInvalid. */
  readonly number: number | undefined;
  /** Upper case; `VMX abort` for one, with its indicator as the number. */
  readonly instruction: string;
  readonly check?: EntryCheck;
  /** What the instruction was given. */
  readonly values: readonly FoundValue[];
  /** Instructions executed before it, and its linear address. */
  readonly count: number;
  readonly address: number;
  /** Every check of VM entry that did not hold; the first one refused. */
  readonly failures: readonly FailedCheck[];
}

/** @param world what VM entry looked at, if it was one */
export function noteRefusal(
  cpu: Cpu,
  number: number | undefined,
  instruction: string,
  more: { readonly check?: EntryCheck; readonly world?: CheckWorld; readonly address?: number } = {},
): void {
  const { check, world, address } = more;
  cpu.vmx.refusal = {
    number,
    instruction: instruction.toUpperCase(),
    check,
    values: world ? [] : (OPERANDS[instruction.toLowerCase()]?.(cpu) ?? []),
    count: cpu.instructionCount,
    address: address ?? cpu.state.linear(Seg.cs, cpu.here),
    failures: world ? allFailures(world) : [],
  };
}

const pair = (name: string, [low, high]: readonly [number, number], bits: 32 | 64 = 64): FoundValue => ({ name, low, high, bits });

/** The region that a pointer names, with what is found there. */
const region = (cpu: Cpu): readonly FoundValue[] => {
  const [low, high] = readOperandHalves(cpu, cpu.instruction.operands[0]);
  const pointer = pair('physical address', [low, high]);
  if (!isPageAddress(low, high)) return [pointer];
  const found = cpu.mmu.memory.readWord(high * 2 ** 32 + low) >>> 0;
  return [pointer, pair('first word of the region', [found, 0], 32), pair('VMCS revision identifier', [VMCS_REVISION, 0], 32)];
};
const fieldOperand =
  (index: number) =>
  (cpu: Cpu): readonly FoundValue[] => [pair('field encoding', registerHalves(cpu, cpu.instruction.operands[index]), 32)];
const invalidation = (cpu: Cpu): readonly FoundValue[] => {
  const [register, memory] = cpu.instruction.operands;
  const half = (skip: number): number => readOperandAt(cpu, memory, skip, 4) >>> 0;
  return [
    pair('type', registerHalves(cpu, register)),
    pair('descriptor, bits 63:0', [half(0), half(4)]),
    pair('descriptor, bits 127:64', [half(8), half(12)]),
  ];
};

/** They have been read once, so that reading them again cannot fault. */
const OPERANDS: Readonly<Record<string, ((cpu: Cpu) => readonly FoundValue[]) | undefined>> = {
  vmclear: region,
  // In root operation it is refused before it reads.
  vmxon: (cpu) => (cpu.vmx.root ? [] : region(cpu)),
  vmptrld: region,
  vmread: fieldOperand(1),
  vmwrite: fieldOperand(0),
  invept: invalidation,
  invvpid: invalidation,
};
