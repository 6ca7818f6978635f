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
  {
    semantics: 'vmcall vmclear vmfunc vmlaunch vmptrld vmptrst vmread vmresume vmwrite vmxoff vmxon invept invvpid',
    reason: 'outside VMX operation they raise #UD, and that is all that a program sees',
  },
];

export interface HostOnly {
  /** Of the bytes in hex, without legacy and REX prefixes. */
  readonly encoding: RegExp;
  readonly reason: string;
}

/** What the host's processor has and ours does not: only looked at where ours raises #UD. */
export const HOST_ONLY: readonly HostOnly[] = [
  { encoding: /^c[45]/, reason: 'VEX: AVX, AVX2, FMA, F16C, VAES, AVX-VNNI, opmasks, AMX' },
  { encoding: /^62/, reason: 'EVEX: AVX-512' },
  { encoding: /^0f01(c1|d9)/, reason: 'VMCALL and VMMCALL: the hypervisor under the host takes them' },
  { encoding: /^0f01(d5|d6)|^c[67]f8/, reason: 'TSX: XEND, XTEST, XABORT, XBEGIN' },
  { encoding: /^0f01e[89]/, reason: 'SERIALIZE, XSUSLDTRK, XRESLDTRK' },
  { encoding: /^0f01(c[c-f]|d7)/, reason: 'TDX and SGX: TDCALL, SEAMRET, SEAMOPS, SEAMCALL, ENCLS, ENCLU' },
  { encoding: /^0fae[26ae][0-7]/, reason: 'PTWRITE' },
  { encoding: /^0f38cf|^0f3ac[ef]/, reason: 'GFNI' },
  { encoding: /^0f38f[89]/, reason: 'MOVDIRI, MOVDIR64B' },
];

/** What a result may differ in. */
export type Aspect = 'registers' | 'upper halves' | 'flags' | 'changes' | 'pointers' | 'vectors';

export interface Open {
  readonly semantics: string;
  /** The cases it concerns; all if there is none. */
  readonly when?: (instruction: Instruction, registers: Uint32Array, vector: number) => boolean;
  readonly aspects: readonly Aspect[];
  readonly reason: string;
}

const GENERAL_PROTECTION = 13;

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
  { semantics: 'rdtsc rdtscp cpuid rdpid rdrand', aspects: ['registers'], reason: "the host's clock, identity and chance" },
  { semantics: 'xgetbv', aspects: ['registers'], reason: 'the host has more components of state' },
  { semantics: 'rdseed', aspects: ['registers', 'flags'], reason: "the host's chance: whether there is a number is one, too" },
];

/** What no case shows, whatever the instruction. */
export const UNSEEN: readonly { readonly what: string; readonly reason: string }[] = [
  { what: 'flags that a row of the instruction table calls undefined', reason: 'the manual leaves them open' },
  { what: 'RF', reason: 'a fault stores it as 1, which is not what the register held' },
  { what: "the error code's P bit of page faults at the system's addresses", reason: 'Linux always says that such a page is present' },
  { what: 'the RPL of null selectors in ES, DS, FS and GS of 64-bit code', reason: "the kernel's own IRET makes such a selector 0" },
  { what: 'the x87 opcode register', reason: 'ours is read from where the instruction pointer points, which is compared' },
  { what: 'IRETQ with a stack that is not aligned', reason: 'where the popped flags have AC, Linux repeats it for ever' },
  { what: 'the upper half of RSP behind a far transfer to 32-bit code', reason: 'the signal that ends the case loses it' },
  { what: 'the rest of what is written to more than 1024 bytes', reason: 'the harness counts no further' },
];
