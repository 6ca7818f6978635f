/** How VMX instructions end (manual, "Conventions"): VMsucceed, VMfailInvalid and VMfailValid in the flags. */
import { Flag } from '../state';
import type { Cpu } from '../system/cpu';
import type { EntryCheck } from './entry-checks/check';
import { Field } from './fields';
import type { InstructionError } from './instruction-errors';

const STATUS = Flag.cf | Flag.pf | Flag.af | Flag.zf | Flag.sf | Flag.of;

function setStatus({ state }: Cpu, flags: number): void {
  state.eflags = ((state.eflags & ~STATUS) | flags) >>> 0;
}

export function succeed(cpu: Cpu): void {
  setStatus(cpu, 0);
}

/** There is no VMCS to put a number in. */
export function failInvalid(cpu: Cpu): void {
  setStatus(cpu, Flag.cf);
}

/** VMfail: with the number in the current VMCS, if there is one. @param check the check of VM entry that refused */
export function fail(cpu: Cpu, number: InstructionError, check?: EntryCheck): void {
  cpu.vmx.refusal = { number, instruction: cpu.instruction.row.mnemonic, check };
  const { current } = cpu.vmx;
  if (!current) {
    failInvalid(cpu);
    return;
  }
  setStatus(cpu, Flag.zf);
  current.set(Field.instructionError, number);
}
