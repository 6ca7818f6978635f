/** What is not compared with the silicon, or not in every respect: each with its reason. */
import type { Instruction } from '../../src/isa/types';

export interface LeftOut {
  /** Names of semantics, `64` at their end left away. */
  readonly semantics: string;
  readonly reason: string;
}

/** Instructions that are never run. */
export const LEFT_OUT: readonly LeftOut[] = [
  { semantics: 'sysenter syscall', reason: "enters the host's kernel" },
  { semantics: 'sgdt sidt sldt str smsw', reason: "the host's kernel emulates it for programs, since CR4.UMIP makes it fault" },
  {
    semantics: 'f2xm1 fyl2x fyl2xp1 fptan fpatan fsin fcos fsincos',
    reason: 'compared in test/float: the last bit of a transcendental function may differ',
  },
];

/** Encodings without their legacy and REX prefixes, in hex, behind them `:` and the mandatory prefix that acts. */
export interface HostOnly {
  readonly encoding: RegExp;
  readonly reason: string;
}

/** What the host's processor has and ours does not: only looked at where ours raises #UD. */
export const HOST_ONLY: readonly HostOnly[] = [
  { encoding: /^c[45]/, reason: 'VEX: AVX, AVX2, FMA, F16C, VAES, AVX-VNNI, opmasks, AMX' },
  { encoding: /^62/, reason: 'EVEX: AVX-512' },
  { encoding: /^0f01c[0-7]/, reason: 'VMX, SGX and PCONFIG' },
  { encoding: /^0f01(cf|d4|d5|d6|d7)/, reason: 'SGX, VMFUNC, TSX (XEND, XTEST)' },
  { encoding: /^0f01(e[89a-f])/, reason: 'SERIALIZE, XSUSLDTRK, user interrupts, RDPKRU and WRPKRU' },
  { encoding: /^0f(78|79)/, reason: 'VMX (VMREAD, VMWRITE)' },
  { encoding: /^(c6|c7)f8/, reason: 'TSX (XABORT, XBEGIN)' },
  { encoding: /^0f(c7|ae)/, reason: 'VMX, CET, PTWRITE, UMONITOR, TPAUSE, SENDUIPI, RDPID' },
  { encoding: /^0f38(cf|d[c-f]|f[5-9a-f])/, reason: 'GFNI, MOVDIRI, MOVDIR64B, ENQCMD, CET, Key Locker' },
  { encoding: /^0f3a(ce|cf|f0)/, reason: 'GFNI, HRESET' },
  { encoding: /^0f3880|^0f3881/, reason: 'VMX (INVEPT, INVVPID)' },
];

/** What a result may differ in. */
export type Aspect = 'registers' | 'upper halves' | 'flags' | 'changes' | 'pointers' | 'vectors' | 'everything';

export interface Open {
  readonly semantics: string;
  /** The cases it concerns; all if there is none. */
  readonly when?: (instruction: Instruction, registers: Uint32Array, vector: number) => boolean;
  readonly aspects: readonly Aspect[];
  readonly reason: string;
}

const GENERAL_PROTECTION = 13;
const PAGE_FAULT = 14;

/** A shift's count, as the processor masks it. */
function countOf({ operands }: Instruction, registers: Uint32Array): number {
  const count = operands[operands.length - 1];
  return (count.kind === 'immediate' ? count.value : registers[2]) & 31;
}

/** Results of instructions that are compared in all other respects. Flags that the manual leaves undefined come from the rows. */
export const OPEN: readonly Open[] = [
  {
    semantics: 'shld shrd',
    when: (instruction, registers) => instruction.operandSize === 2 && countOf(instruction, registers) > 16,
    aspects: ['registers', 'flags', 'changes'],
    reason: 'undefined: a double shift of a word by more than 16',
  },
  {
    semantics: 'bswap',
    when: ({ operandSize }) => operandSize === 2,
    aspects: ['registers'],
    reason: 'undefined: BSWAP of a word',
  },
  {
    semantics: 'movs stos lods scas cmps ins outs',
    when: ({ addressSize, prefixes }) => addressSize === 32 && prefixes.repeat !== 'none',
    aspects: ['upper halves'],
    reason: 'the host clears bits 32 to 63 of RCX, RSI and RDI even where no iteration completes, which the manual does not say',
  },
  {
    semantics: 'xrstor',
    when: (_instruction, _registers, vector) => vector === GENERAL_PROTECTION,
    aspects: ['vectors'],
    reason: 'the host has restored registers before it finds a bit in MXCSR that does not exist; the manual leaves the order open',
  },
  {
    semantics: 'xrstor fxrstor',
    aspects: ['pointers'],
    reason: 'the host makes x87 pointers canonical in its 57 bits of linear address; which processors do so the manual does not say',
  },
  {
    semantics: 'fst',
    when: ({ operands: [to] }, _registers, vector) => to.kind === 'memory' && to.size === 10 && vector === PAGE_FAULT,
    aspects: ['changes'],
    reason: 'the host has stored the significand when the rest, on the next page, faults',
  },
  { semantics: 'rdtsc rdtscp cpuid rdpid rdrand', aspects: ['registers'], reason: "the host's clock, identity and chance" },
  { semantics: 'xgetbv', aspects: ['registers'], reason: 'the host has more components of state' },
  { semantics: 'rdseed', aspects: ['registers', 'flags'], reason: "the host's chance: whether there is a number is one, too" },
];
