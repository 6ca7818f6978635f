/** Transfers of control: near, far, by interrupt, by system call. */
import { rows, ALL_FLAGS, BRANCH_SIZE, NOT_IN_64, ONLY_IN_64 } from './builder';
import type { RowSource, Traits } from './builder';
import { CONDITIONS } from './conditions';

const CALL = 'CALL—Call Procedure';
const JMP = 'JMP—Jump';
const RET = 'RET—Return From Procedure';
const LOOP = 'LOOP/LOOPcc—Loop According to ECX Counter';
const JCC = 'Jcc—Jump if Condition Is Met';
const INT = 'INT n/INTO/INT3/INT1—Call to Interrupt Procedure';
const IRET = 'IRET/IRETD/IRETQ—Interrupt Return';

const near = (flow: 'branch' | 'jump' | 'call' | 'return'): Traits => ({ ...BRANCH_SIZE, flow });
/** Far transfers depend on the CPL and may change it. */
const FAR: Traits = { flow: 'far', privilege: 'sensitive' };
const INTERRUPT: Traits = { ...FAR, semantics: 'int', reads: ALL_FLAGS, writes: 'itn' };
const INTERRUPT_RETURN: Traits = { ...FAR, semantics: 'iret', reads: 'n', writes: ALL_FLAGS };
const INVALID: Traits = { flow: 'far', semantics: 'ud', feature: '80286' };

export const CONTROL: readonly RowSource[] = [
  ...rows('call', CALL, near('call'), ['E8: Jz', 'FF /2: Ev']),
  ...rows('call', CALL, { ...FAR, semantics: 'callFar' }, [['9A: Ap', NOT_IN_64], 'FF /3: Mp']),
  ...rows('jmp', JMP, near('jump'), ['EB: Jb', 'E9: Jz', 'FF /4: Ev']),
  ...rows('jmp', JMP, { ...FAR, semantics: 'jmpFar' }, [['EA: Ap', NOT_IN_64], 'FF /5: Mp']),
  ...rows('ret', RET, { ...near('return'), aliases: ['retn'] }, ['C3', 'C2: Iw']),
  ...rows('retf', RET, { ...FAR, semantics: 'retFar' }, ['CB', 'CA: Iw']),

  ...CONDITIONS.flatMap(({ name, aliases, reads }, condition) => {
    const digit = condition.toString(16).toUpperCase();
    const spellings = aliases.map((alias) => `j${alias}`);
    return rows(`j${name}`, JCC, { ...near('branch'), aliases: spellings, reads, condition, semantics: 'jcc' }, [
      `7${digit}: Jb`,
      [`0F 8${digit}: Jz`, { feature: '80386' }],
    ]);
  }),
  ...rows('loopne', LOOP, { ...near('branch'), aliases: ['loopnz'], reads: 'z' }, ['E0: Jb']),
  ...rows('loope', LOOP, { ...near('branch'), aliases: ['loopz'], reads: 'z' }, ['E1: Jb']),
  ...rows('loop', LOOP, near('branch'), ['E2: Jb']),
  ...rows('jcxz', JCC, { ...near('branch'), ...NOT_IN_64 }, ['a16 E3: Jb']),
  ...rows('jecxz', JCC, { ...near('branch'), semantics: 'jcxz', feature: '80386' }, ['a32 E3: Jb']),
  ...rows('jrcxz', JCC, { ...near('branch'), semantics: 'jcxz', ...ONLY_IN_64 }, ['a64 E3: Jb']),

  ...rows('int', INT, INTERRUPT, ['CD: Ib']),
  ...rows('int3', INT, { ...INTERRUPT, semantics: 'int3' }, ['CC']),
  ...rows('int1', INT, { ...INTERRUPT, semantics: 'int1', aliases: ['icebp', 'int01'], feature: '80386' }, ['F1']),
  ...rows('into', INT, { ...INTERRUPT, semantics: 'into', ...NOT_IN_64 }, ['CE']),
  ...rows('iret', IRET, { ...INTERRUPT_RETURN, aliases: ['iretw'] }, ['o16 CF']),
  ...rows('iretd', IRET, { ...INTERRUPT_RETURN, aliases: ['iret'], feature: '80386' }, ['o32 CF']),
  ...rows('iretq', IRET, { ...INTERRUPT_RETURN, ...ONLY_IN_64 }, ['o64 CF']),
  ...rows('bound', 'BOUND—Check Array Index Against Bounds', { ...NOT_IN_64, feature: '80186' }, ['62 /r: Gv,Ma']),

  ...rows('sysenter', 'SYSENTER—Fast System Call', { ...FAR, writes: 'i', feature: 'sep' }, ['0F 34']),
  ...rows('sysexit', 'SYSEXIT—Fast Return from Fast System Call', { ...FAR, privilege: 'privileged', feature: 'sep' }, ['0F 35']),
  ...rows('syscall', 'SYSCALL—Fast System Call', { ...FAR, reads: ALL_FLAGS, writes: ALL_FLAGS, ...ONLY_IN_64 }, ['0F 05']),
  ...rows('sysret', 'SYSRET—Return From Fast System Call', { ...FAR, privilege: 'privileged', writes: ALL_FLAGS, ...ONLY_IN_64 }, [
    '0F 07',
  ]),

  ...rows('ud2', 'UD—Undefined Instruction', INVALID, ['0F 0B']),
  ...rows('ud1', 'UD—Undefined Instruction', INVALID, ['0F B9 /r: Gv,Ev']),
  ...rows('ud0', 'UD—Undefined Instruction', INVALID, ['0F FF /r: Gv,Ev']),
];
