/** Why an instruction is privileged or sensitive. */
import type { InstructionRow } from '../types';

/** Allowed outside ring 0 by IOPL or the I/O bitmap. */
const BY_IOPL: Readonly<Record<string, string>> = {
  cli: 'Faults at a CPL above IOPL, unless virtual interrupts are on.',
  sti: 'Faults at a CPL above IOPL, unless virtual interrupts are on.',
  in: "Faults at a CPL above IOPL, unless the task's I/O bitmap allows the port.",
  out: "Faults at a CPL above IOPL, unless the task's I/O bitmap allows the port.",
  ins: "Faults at a CPL above IOPL, unless the task's I/O bitmap allows the port.",
  outs: "Faults at a CPL above IOPL, unless the task's I/O bitmap allows the port.",
};

const SHOWS_CPL = 'Works in every ring without a fault, but shows the real privilege level.';
const DEPENDS = 'Works in every ring, but what it does depends on the descriptors and the privilege level.';
const SHOWS_STATE = 'Works in every ring without a fault, but shows the state of the real system.';

/** What a monitor has to take care of, though nothing traps. */
const SENSITIVE: Readonly<Record<string, string>> = {
  sgdt: SHOWS_STATE,
  sidt: SHOWS_STATE,
  sldt: SHOWS_STATE,
  str: SHOWS_STATE,
  smsw: SHOWS_STATE,
  cpuid: SHOWS_STATE,
  rdtscp: 'Works in every ring unless CR4.TSD is set, and shows the real time and processor.',
  rdpid: SHOWS_STATE,
  rdpmc: 'Works outside ring 0 only if CR4.PCE is set, and shows the real counters.',
  xgetbv: SHOWS_STATE,
  vmcall: 'Leads to the hypervisor from a guest; in VMX root operation it wants ring 0.',
  vmfunc: 'Works in every ring of a guest, for the functions that its hypervisor allows.',
  rdtsc: 'Works in every ring unless CR4.TSD is set, and shows the real time.',
  pushf: 'Shows the real IF and IOPL; faults in virtual-8086 mode with an IOPL below 3.',
  popf: 'Outside ring 0 it leaves IOPL alone without a fault, and IF too at a CPL above IOPL; in virtual-8086 mode it may fault.',
  lar: DEPENDS,
  lsl: DEPENDS,
  verr: DEPENDS,
  verw: DEPENDS,
  arpl: DEPENDS,
  movFromSegment: SHOWS_CPL,
  pushSegment: SHOWS_CPL,
};

/** One sentence about who may execute it. */
export function privilegeNote({ privilege, semantics }: InstructionRow): string {
  switch (privilege) {
    case 'privileged':
      return BY_IOPL[semantics] ?? 'Ring 0 only.';
    case 'sensitive':
      return SENSITIVE[semantics] ?? DEPENDS;
    case 'innocuous':
      return 'Every ring.';
  }
}
