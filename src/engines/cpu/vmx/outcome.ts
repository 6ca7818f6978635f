/** How VMX instructions end (manual, "Conventions"): VMsucceed, VMfailInvalid and VMfailValid in the flags. */
import { Flag } from '../state';
import type { Cpu } from '../system/cpu';
import type { CheckWorld, EntryCheck } from './entry-checks/check';
import { Field } from './fields';
import type { InstructionError } from './instruction-errors';
import { noteRefusal } from './refusal';

const STATUS = Flag.cf | Flag.pf | Flag.af | Flag.zf | Flag.sf | Flag.of;

function setStatus({ state }: Cpu, flags: number): void {
  state.eflags = ((state.eflags & ~STATUS) | flags) >>> 0;
}

export function succeed(cpu: Cpu): void {
  setStatus(cpu, 0);
}

/** There is no VMCS to put a number in. */
export function failInvalid(cpu: Cpu): void {
  noteRefusal(cpu, undefined, cpu.instruction.row.mnemonic);
  setStatus(cpu, Flag.cf);
}

/** VMfail: with the number in the current VMCS, if there is one. @param check the check of VM entry that refused, @param world and what it saw */
export function fail(cpu: Cpu, number: InstructionError, check?: EntryCheck, world?: CheckWorld): void {
  noteRefusal(cpu, number, cpu.instruction.row.mnemonic, { check, world });
  const { current } = cpu.vmx;
  if (!current) {
    setStatus(cpu, Flag.cf);
    return;
  }
  setStatus(cpu, Flag.zf);
  current.set(Field.instructionError, number);
}
