/** The x86 instruction set as data: what one row of the table says, and what the decoder makes of bytes. */

/** Default operand and address size of a code segment. */
export type Bits = 16 | 32 | 64;

/**
 * Bytes. 6 and 10 are far pointers, descriptor-table operands and 80-bit numbers; 16 and 32 are vectors; 14 and 28 the x87
 * environment, 94 and 108 the x87 state, 512 the area of FXSAVE. An area whose size a control register decides (XSAVE) has 0.
 */
export type OperandSize = 0 | 1 | 2 | 4 | 6 | 8 | 10 | 14 | 16 | 28 | 32 | 94 | 108 | 512;

/**
 * How a monitor has to treat the instruction (Popek and Goldberg's classes).
 * - innocuous: behaves the same at every privilege level
 * - privileged: faults outside ring 0 (or under IOPL), so it can be trapped
 * - sensitive: reads or changes privileged state without faulting
 */
export type PrivilegeClass = 'innocuous' | 'privileged' | 'sensitive';

/** What the instruction does to the flow of control; a decoded block ends at anything but `next`. */
export type ControlFlow =
  | 'next' // falls through
  | 'branch' // conditional near transfer
  | 'jump' // unconditional near transfer
  | 'call' // near call
  | 'return' // near return
  | 'far' // far transfer, interrupt, IRET, SYSENTER, SYSEXIT
  | 'stop' // HLT
  | 'serialize'; // falls through, but may change how what follows is decoded, translated or interrupted

/** CPUID feature (in the spelling of the manual's CPUID tables, lower case) or processor generation that brought the instruction. */
export type Feature =
  | '8086'
  | '80186'
  | '80286'
  | '80386'
  | '80486'
  | 'pentium'
  | 'msr'
  | 'tsc'
  | 'cx8'
  | 'cmov'
  | 'sep'
  | 'nopl' // the hint NOPs 0F 18 to 0F 1F, from the Pentium Pro on
  | 'cx16'
  | 'x86-64'
  | 'fpu'
  | 'fcmov' // FCMOVcc and FCOMI: FPU and CMOV together
  | 'mmx'
  | 'fxsr'
  | 'sse'
  | 'sse2'
  | 'sse3'
  | 'ssse3'
  | 'sse4.1'
  | 'sse4.2'
  | 'popcnt'
  | 'aes'
  | 'pclmulqdq'
  | 'sha'
  | 'movbe'
  | 'bmi1'
  | 'bmi2'
  | 'lzcnt'
  | 'adx'
  | 'rdrand'
  | 'rdseed'
  | 'xsave'
  | 'xsaveopt'
  | 'xsavec'
  | 'xsaves'
  | 'clflush'
  | 'clflushopt'
  | 'clwb'
  | 'prefetchw'
  | 'rdpmc'
  | 'rdtscp'
  | 'rdpid'
  | 'monitor'
  | 'fsgsbase'
  | 'invpcid'
  | 'smap'
  | 'smm' // RSM
  | 'vmx';

/** Letters among `oditszapcn` (the manual's EFLAGS, n for NT); see `FlagEffects`. */
export type FlagLetters = string;

export interface FlagEffects {
  readonly read: FlagLetters;
  /** Written with a defined value. */
  readonly written: FlagLetters;
  /** Left undefined by the manual. */
  readonly undefined: FlagLetters;
  /** A count of zero (a shift's, a repeated comparison's) leaves every flag as it was: not a plain overwrite for data flow. */
  readonly conditional: boolean;
}

/**
 * One row: one encoding of one instruction.
 *
 * `encoding` is in the manual's notation: opcode bytes in hex, `/r` or `/0` to `/7` for ModR/M (`11:000:bbb` for a digit with
 * a register only, `C0+i` for such a second byte of an x87 opcode), `+r` on an opcode byte for a register in its low three
 * bits, and before them what they need: mandatory prefixes (`NP`, `66`, `F3`, `F2`; `NFx` for neither F3 nor F2), operand
 * sizes (`o16`, `o32`, `o64`) and address sizes (`a16`, `a32`, `a64`); several of a kind mean any of them, the first being what
 * an assembler takes. A row with a size wins over one without. A VEX encoding begins with `VEX.LZ.F2.0F38.W1`: vector length, mandatory
 * prefix (left out for none), opcode map, and W where it chooses the row and not the operand size. `encoding.ts` parses it.
 *
 * `operands` are the codes of the manual's Opcode Map appendix (Eb, Ev, Gb, Gv, Gz, Ib, Iz, sIb, Jb, Jz, M, Mp, Ap, Sw, Cd, Dd, Rd,
 * Ob, Ov, Xb, Xv, Yb, Yv, Zb, Zv, Pq, Qq, Nq, Vx, Wps, Ux, By …), register names (AL, eAX, rAX, DX, CL, ES, ST0, STi …) or the
 * constant `1`. `operand-codes.ts` has them all.
 */
export interface InstructionRow {
  /** Index in the table; stable within one build. */
  readonly id: number;
  /** Lower case, NASM's primary spelling. */
  readonly mnemonic: string;
  /** Other spellings that the assembler takes for the same row (`jz` for `je`). */
  readonly aliases: readonly string[];
  readonly encoding: string;
  readonly operands: readonly string[];
  readonly flags: FlagEffects;
  readonly privilege: PrivilegeClass;
  readonly flow: ControlFlow;
  readonly feature: Feature;
  /** LOCK is allowed when the destination is memory. */
  readonly lockable: boolean;
  /** Which repeat prefixes act: `rep` (F2 and F3 alike), `repe` (F3 while equal, F2 while not), or none. */
  readonly repeat: 'none' | 'rep' | 'repe';
  /** The code sizes in which the encoding exists. */
  readonly modes: readonly Bits[];
  /** Operand size in 64-bit mode: 4 by default and 8 with REX.W, `always64` (near branches), or `default64` (stack: 8, or 2 with 66). */
  readonly size64: 'normal' | 'default64' | 'always64';
  /** The instruction reference's entry, by title: `ADD—Add`. */
  readonly manual: string;
  /** Name of the semantics function in engines/cpu/semantics: one name a meaning, whatever the operands. */
  readonly semantics: string;
  /** For the semantics jcc, setcc, cmovcc and fcmovcc: the condition, 0 to 15 as in the opcode's low four bits. */
  readonly condition?: number;
  /** Another row means the same and is the one that assemblers emit (82 /0, D0 /6, F6 /1); only decoded. */
  readonly redundant: boolean;
}

/** An x87 register is numbered from the top of the stack. */
export type RegisterClass = 'gpr' | 'segment' | 'control' | 'debug' | 'test' | 'x87' | 'mmx' | 'xmm';

export type SegmentName = 'es' | 'cs' | 'ss' | 'ds' | 'fs' | 'gs';

/** The encoding's order: index in it is the number in a ModR/M or opcode byte. */
export const SEGMENT_NAMES: readonly SegmentName[] = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];

export interface RegisterOperand {
  readonly kind: 'register';
  readonly class: RegisterClass;
  readonly size: OperandSize;
  /** 0 to 15 as encoded: rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 … For 8 bits without REX, 4 to 7 have `high` set and index 0 to 3. */
  readonly index: number;
  /** AH, CH, DH or BH. */
  readonly high: boolean;
}

export interface MemoryOperand {
  readonly kind: 'memory';
  readonly size: OperandSize;
  /** The segment that applies, default or overridden. */
  readonly segment: SegmentName;
  /** General register indexes; -1 for none. */
  readonly base: number;
  readonly index: number;
  readonly scale: 1 | 2 | 4 | 8;
  /** Signed; a 64-bit moffs is taken modulo 2^64 into sign-extended form, which is exact for every canonical address. */
  readonly displacement: number;
  /** A 64-bit moffs, unsigned, where `displacement` is not exact. */
  readonly displacement64?: bigint;
  /** Bytes of displacement in the encoding: 0, 1, 2, 4 or 8. */
  readonly displacementSize: 0 | 1 | 2 | 4 | 8;
  readonly ripRelative: boolean;
  readonly addressSize: Bits;
}

export interface ImmediateOperand {
  readonly kind: 'immediate';
  /** Size of the operation that uses it, after sign extension. */
  readonly size: OperandSize;
  /** Bytes in the encoding. */
  readonly encodedSize: 0 | 1 | 2 | 4 | 8;
  /** Sign-extended to the operand size where the encoding says so, else unsigned; exact for everything but MOV r64,imm64. */
  readonly value: number;
  /** Only for MOV r64,imm64. */
  readonly value64?: bigint;
}

/** A relative branch target. */
export interface RelativeOperand {
  readonly kind: 'relative';
  readonly encodedSize: 1 | 2 | 4;
  /** Signed distance from the end of the instruction. */
  readonly displacement: number;
}

/** The ptr16:16 or ptr16:32 of a direct far transfer. */
export interface FarOperand {
  readonly kind: 'far';
  readonly selector: number;
  readonly offset: number;
  readonly offsetSize: 2 | 4;
}

export type Operand = RegisterOperand | MemoryOperand | ImmediateOperand | RelativeOperand | FarOperand;

export interface Prefixes {
  readonly lock: boolean;
  /** F3 and F2 as they stand, also where they do nothing. */
  readonly repeat: 'none' | 'rep' | 'repne';
  readonly segment: SegmentName | undefined;
  readonly operandSize: boolean;
  readonly addressSize: boolean;
  /** The REX byte, or 0. Under VEX in 64-bit mode: the REX byte that says the same. */
  readonly rex: number;
}

/** A decoded instruction. */
export interface Instruction {
  readonly row: InstructionRow;
  /** 1 to 15. */
  readonly length: number;
  readonly bits: Bits;
  /** Effective operand size of `v` operands: 2, 4 or 8. */
  readonly operandSize: 2 | 4 | 8;
  readonly addressSize: Bits;
  readonly prefixes: Prefixes;
  readonly operands: readonly Operand[];
}

/** Why bytes are no instruction: `invalid` raises #UD, `too-long` #GP(0), `truncated` means that more bytes are needed. */
export interface DecodeFailure {
  readonly failure: 'invalid' | 'too-long' | 'truncated';
  /** Bytes looked at. */
  readonly length: number;
}
