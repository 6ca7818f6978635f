/** Which exceptions an instruction can raise, and when: the summary of the reference's exception tables. */
import type { InstructionRow } from '../types';
import { parseOperandCode, sizeInBytes } from '../operand-codes';
import type { OperandCode } from '../operand-codes';

export interface ExceptionNote {
  /** `#GP(0)`, `#PF` … as in the manual. */
  readonly name: string;
  readonly when: string;
}

const note = (name: string, when: string): ExceptionNote => ({ name, when });

const MEMORY: readonly ExceptionNote[] = [
  note('#GP(0), #SS(0)', 'an operand in memory lies outside its segment, or the segment forbids the access'),
  note('#PF', 'its page is not present or forbids the access'),
  note('#AC(0)', 'it is not aligned, and alignment checks are on in ring 3'),
];
const STACK: readonly ExceptionNote[] = [
  note('#SS(0)', 'the stack segment has no room'),
  note('#PF', 'a page of the stack is not present or forbids the access'),
];
const SELECTOR_LOAD: readonly ExceptionNote[] = [
  note('#GP(selector)', 'the selector is beyond its table, or the descriptor has the wrong type or privilege level'),
  note('#NP(selector), #SS(selector)', 'the segment is not present'),
];
const FAR: readonly ExceptionNote[] = [
  ...SELECTOR_LOAD,
  note('#TS(selector)', 'the task state segment, or what it says of the new stack, is invalid'),
  ...STACK,
];
const PROTECTED_ONLY = note('#UD', 'in real or virtual-8086 mode');
const OUTSIDE_RING_0 = note('#GP(0)', 'outside ring 0');
const NO_ROOM_BY_IOPL = note('#GP(0)', 'the CPL is above IOPL');
const PORT = note('#GP(0)', 'the CPL is above IOPL, or in virtual-8086 mode, and the I/O bitmap does not allow the port');
const BRANCH = note('#GP(0)', 'the target lies outside the code segment, or is not canonical');
const VIRTUAL_8086 = note('#GP(0)', 'in virtual-8086 mode with an IOPL below 3');

/** Beyond what the operands and the privilege class say. */
const OWN: Readonly<Record<string, readonly ExceptionNote[]>> = {
  div: [note('#DE', 'the divisor is 0 or the quotient does not fit')],
  idiv: [note('#DE', 'the divisor is 0 or the quotient does not fit')],
  aam: [note('#DE', 'the base is 0')],
  bound: [note('#BR', 'the index is out of bounds')],
  ud: [note('#UD', 'always')],
  int3: [note('#BP', 'always'), ...FAR],
  int1: [note('#DB', 'always'), ...FAR],
  into: [note('#OF', 'the overflow flag is set'), ...FAR],
  int: [note('#GP(vector)', "the vector is beyond the IDT, or the gate's DPL is below the CPL"), VIRTUAL_8086, ...FAR],
  iret: [VIRTUAL_8086, ...FAR],
  callFar: FAR,
  jmpFar: FAR,
  retFar: FAR,
  movToSegment: SELECTOR_LOAD,
  popSegment: [...STACK, ...SELECTOR_LOAD],
  loadFarPointer: SELECTOR_LOAD,
  push: STACK,
  pop: STACK,
  pushSegment: STACK,
  pusha: STACK,
  popa: STACK,
  pushf: [VIRTUAL_8086, ...STACK],
  popf: [VIRTUAL_8086, ...STACK],
  enter: STACK,
  leave: STACK,
  call: [BRANCH, ...STACK],
  ret: [BRANCH, ...STACK],
  jmp: [BRANCH],
  jcc: [BRANCH],
  loop: [BRANCH],
  loope: [BRANCH],
  loopne: [BRANCH],
  jcxz: [BRANCH],
  cli: [NO_ROOM_BY_IOPL],
  sti: [NO_ROOM_BY_IOPL],
  in: [PORT],
  out: [PORT],
  ins: [PORT],
  outs: [PORT],
  sldt: [PROTECTED_ONLY],
  str: [PROTECTED_ONLY],
  lldt: [PROTECTED_ONLY, OUTSIDE_RING_0, ...SELECTOR_LOAD],
  ltr: [PROTECTED_ONLY, OUTSIDE_RING_0, ...SELECTOR_LOAD],
  verr: [PROTECTED_ONLY],
  verw: [PROTECTED_ONLY],
  lar: [PROTECTED_ONLY],
  lsl: [PROTECTED_ONLY],
  arpl: [PROTECTED_ONLY],
  movToControl: [OUTSIDE_RING_0, note('#GP(0)', 'a reserved bit is set, or the combination of bits is not allowed')],
  movFromDebug: [OUTSIDE_RING_0, note('#DB', 'DR7.GD is set'), note('#UD', 'DR4 or DR5 is named while CR4.DE is set')],
  movToDebug: [OUTSIDE_RING_0, note('#DB', 'DR7.GD is set'), note('#UD', 'DR4 or DR5 is named while CR4.DE is set')],
  rdtsc: [note('#GP(0)', 'outside ring 0 while CR4.TSD is set')],
  rdmsr: [OUTSIDE_RING_0, note('#GP(0)', 'there is no such register')],
  wrmsr: [OUTSIDE_RING_0, note('#GP(0)', 'there is no such register, or a reserved bit is set')],
  sysenter: [note('#GP(0)', 'in real mode, or the code selector in IA32_SYSENTER_CS is null')],
  sysexit: [note('#GP(0)', 'outside ring 0, or the code selector in IA32_SYSENTER_CS is null')],
  syscall: [note('#UD', 'EFER.SCE is clear')],
  sysret: [note('#UD', 'EFER.SCE is clear'), OUTSIDE_RING_0],
  cmpxchg16b: [note('#GP(0)', 'the operand is not aligned to 16 bytes')],
  monitor: [note('#UD', 'outside ring 0'), ...MEMORY],
  mwait: [note('#UD', 'outside ring 0')],
  rdtscp: [note('#GP(0)', 'outside ring 0 while CR4.TSD is set')],
  rdpmc: [note('#GP(0)', 'there is no such counter, or outside ring 0 while CR4.PCE is clear')],
  wait: [note('#NM', 'CR0.MP and CR0.TS are both set'), note('#MF', 'a coprocessor exception is pending')],
};

const ALIGNED = note('#GP(0)', 'an operand in memory is not aligned to 16 bytes');
const VECTOR_OFF = note('#UD', 'CR0.EM is set or CR4.OSFXSR is clear');
const TASK_SWITCHED = note('#NM', 'CR0.TS is set');
const NUMERIC = note('#XM', 'an unmasked SIMD floating-point exception occurred');
const PENDING = note('#MF', 'an x87 exception is pending');
/** Whose 16 bytes in memory may lie anywhere. */
const ANYWHERE = /^(moveUnaligned|pcmp[ei]str[im])$/;
const ARITHMETIC = /^(add|addsub|sub|mul|div|sqrt|min|max|cmp|u?comi|round|hadd|hsub|dp|cvt)\w*(ps|pd|ss|sd|pi|si|dq)$/;

/** What using the registers of an extension can raise. */
function extensionNotes(row: InstructionRow, codes: readonly OperandCode[]): readonly ExceptionNote[] {
  const notes: ExceptionNote[] = [];
  const uses = (group: OperandCode['class']): boolean => codes.some((code) => code.class === group);
  const isX87 = row.feature === 'fpu' || row.feature === 'fcmov' || row.semantics === 'fisttp';
  if (isX87) notes.push(note('#NM', 'CR0.EM or CR0.TS is set'));
  if (isX87 && !row.semantics.startsWith('fn')) notes.push(PENDING);
  if (uses('mmx')) notes.push(note('#UD', 'CR0.EM is set'), PENDING);
  if (uses('xmm')) notes.push(VECTOR_OFF);
  if (uses('mmx') || uses('xmm')) notes.push(TASK_SWITCHED);
  if (uses('xmm') && ARITHMETIC.test(row.semantics)) notes.push(NUMERIC);
  const isWide = codes.some(({ method, memorySize }) => /^(rm|memory)$/.test(method) && sizeInBytes(memorySize, 4, 32) === 16);
  if (uses('xmm') && isWide && !ANYWHERE.test(row.semantics)) notes.push(ALIGNED);
  return notes;
}

/** The exceptions of a row, from its operands, its privilege class and its meaning. */
export function exceptionNotes(row: InstructionRow): readonly ExceptionNote[] {
  const codes = row.operands.map(parseOperandCode);
  const notes: ExceptionNote[] = [];
  notes.push(...extensionNotes(row, codes));
  const own = OWN[row.semantics];
  if (own !== undefined) notes.push(...own);
  else if (row.privilege === 'privileged') notes.push(OUTSIDE_RING_0);
  const accesses = codes.some(
    ({ method, memorySize }) => /^(rm|memory|offset|source|destination|lookup)$/.test(method) && memorySize !== 'none',
  );
  // LEA and INVLPG take the address alone; a hint or UD does not look at it.
  if (accesses && row.semantics !== 'nop' && row.semantics !== 'ud' && row.semantics !== 'prefetch') notes.push(...MEMORY);
  if (codes.some(({ method }) => method === 'memory')) notes.push(note('#UD', 'the operand is a register'));
  if (row.lockable) notes.push(note('#UD', 'LOCK stands before it and the destination is a register'));
  else notes.push(note('#UD', 'LOCK stands before it'));
  return notes;
}
