/** What iced-x86 makes of bytes, brought to the same plain form as what our decoder makes of them. */
import { Code, CpuidFeature, Decoder, DecoderError, DecoderOptions, MemorySizeExt, Mnemonic, OpKind, Register } from 'iced-x86';
import type { Instruction as IcedInstruction } from 'iced-x86';
import { isFailure } from '../../src/isa/decoder';
import { registerName, generalRegisterName } from '../../src/isa/registers';
import type { Bits, DecodeFailure, Instruction, MemoryOperand, Operand } from '../../src/isa/types';

/** The processor that our table describes, with hint NOPs and test registers. */
export const ICED_OPTIONS = DecoderOptions.ForceReservedNop | DecoderOptions.NoWbnoinvd | DecoderOptions.MovTr;
/** The hint NOPs that have become prefetches; their other uses are of features that the table does not have. */
const PREFETCHES: ReadonlySet<Code> = new Set([
  Code.Prefetchnta_m8,
  Code.Prefetcht0_m8,
  Code.Prefetcht1_m8,
  Code.Prefetcht2_m8,
  Code.Prefetchw_m8,
]);

/** Length, mnemonic and operands as text: equal texts mean the same instruction. */
export interface Plain {
  readonly length: number;
  readonly text: string;
}

export interface IcedResult {
  readonly instruction: IcedInstruction;
  readonly error: DecoderError;
}

/** The caller frees the instruction. */
export function icedDecode(bytes: Uint8Array, bits: Bits): IcedResult {
  const result = icedDecodeWith(bytes, bits, ICED_OPTIONS);
  if (result.instruction.mnemonic !== Mnemonic.Reservednop) return result;
  const other = icedDecodeWith(bytes, bits, ICED_OPTIONS & ~DecoderOptions.ForceReservedNop);
  const isPrefetch = PREFETCHES.has(other.instruction.code);
  const [taken, dropped] = isPrefetch ? [other, result] : [result, other];
  dropped.instruction.free();
  return taken;
}

function icedDecodeWith(bytes: Uint8Array, bits: Bits, options: number): IcedResult {
  const decoder = new Decoder(bits, bytes, options);
  try {
    const instruction = decoder.decode();
    return { instruction, error: decoder.lastError };
  } finally {
    decoder.free();
  }
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** Our result in plain form. */
export function plainOfOurs(result: Instruction | DecodeFailure): Plain {
  if (isFailure(result)) return { length: result.length, text: result.failure };
  // iced gives MONITOR no operand.
  const operands = result.row.mnemonic === 'monitor' ? [] : result.operands.map((operand) => ourOperand(operand, result));
  // Under the option that makes them hints, iced has no NOP Ev.
  const isHint = result.row.feature === 'nopl' || (result.row.semantics === 'nop' && result.row.feature === 'prefetchw');
  const name = isHint ? 'hint_nop' : result.row.mnemonic;
  return { length: result.length, text: `${name} ${operands.join(', ')}` };
}

function ourOperand(operand: Operand, instruction: Instruction): string {
  switch (operand.kind) {
    case 'register':
      return registerName(operand);
    case 'immediate':
      return hex(BigInt.asUintN(operand.size * 8, operand.value64 ?? BigInt(operand.value)));
    case 'relative':
      return `to ${hex(BigInt.asUintN(instruction.operandSize * 8, BigInt(instruction.length + operand.displacement)))}`;
    case 'far':
      return `far ${operand.selector}:${operand.offset}/${operand.offsetSize}`;
    case 'memory':
      return ourMemory(operand, instruction);
  }
}

function ourMemory(operand: MemoryOperand, instruction: Instruction): string {
  const width = operand.addressSize / 8;
  const base = operand.base < 0 ? '' : generalRegisterName(operand.base, width);
  const index = operand.index < 0 ? '' : `${generalRegisterName(operand.index, width)}*${operand.scale}`;
  const from = operand.ripRelative ? instruction.length : 0;
  const displacement = BigInt.asUintN(operand.addressSize, operand.displacement64 ?? BigInt(from + operand.displacement));
  const rip = operand.ripRelative ? 'rip' : '';
  return memoryText(
    instruction.bits,
    operand.size,
    operand.segment,
    [rip, base, index],
    displacement,
    operand.displacementSize,
    operand.addressSize,
  );
}

function memoryText(
  bits: Bits,
  size: number,
  segment: string,
  registers: readonly string[],
  displacement: bigint,
  displacementSize: number,
  addressSize: number,
): string {
  const parts = registers.filter((part) => part !== '');
  // In 64-bit mode ES, CS, SS and DS prefixes have no effect; iced shows them.
  const shown = bits === 64 && !/^[fg]s$/.test(segment) ? '' : `${segment}:`;
  return `m${size} ${shown}[${parts.join('+')}+${hex(displacement)}/${displacementSize}]a${addressSize}`;
}

const REGISTER_NAMES = namesOf(Register);
const MNEMONIC_NAMES = namesOf(Mnemonic);

function namesOf(numeric: object): ReadonlyMap<number, string> {
  const entries = Object.entries(numeric).filter(([name]) => !/^\d/.test(name));
  return new Map(entries.map(([name, value]) => [value as number, name.toLowerCase()]));
}

function registerText(register: Register): string {
  if (register === Register.None) return '';
  return REGISTER_NAMES.get(register)!.replace(/^(r\d+)l$/, '$1b');
}

/** iced's result in plain form; what is no instruction to it has the text `invalid` or `truncated`. */
export function plainOfIced({ instruction, error }: IcedResult, bits: Bits): Plain {
  if (error !== DecoderError.None) {
    return { length: instruction.length, text: error === DecoderError.NoMoreBytes ? 'truncated' : 'invalid' };
  }
  const operands: string[] = [];
  for (let i = 0; i < instruction.opCount; i++) operands.push(icedOperand(instruction, i, bits));
  const name = MNEMONIC_NAMES.get(instruction.mnemonic)!;
  return { length: instruction.length, text: plainText(name, operands) };
}

/** The features whose instructions the table has, all of them. */
export const TABLE_FEATURES: ReadonlySet<CpuidFeature> = new Set([
  CpuidFeature.INTEL8086,
  CpuidFeature.INTEL8086_ONLY,
  CpuidFeature.INTEL186,
  CpuidFeature.INTEL286,
  CpuidFeature.INTEL386,
  CpuidFeature.INTEL486,
  CpuidFeature.X64,
  CpuidFeature.CPUID,
  CpuidFeature.TSC,
  CpuidFeature.MSR,
  CpuidFeature.CX8,
  CpuidFeature.CMPXCHG16B,
  CpuidFeature.CMOV,
  CpuidFeature.SEP,
  CpuidFeature.SYSCALL,
  CpuidFeature.PAUSE,
  CpuidFeature.MULTIBYTENOP,
  CpuidFeature.MOV_TR,
  CpuidFeature.FPU,
  CpuidFeature.FPU287,
  CpuidFeature.FPU387,
  CpuidFeature.MMX,
  CpuidFeature.FXSR,
  CpuidFeature.SSE,
  CpuidFeature.SSE2,
  CpuidFeature.SSE3,
  CpuidFeature.SSSE3,
  CpuidFeature.SSE4_1,
  CpuidFeature.SSE4_2,
  CpuidFeature.POPCNT,
  CpuidFeature.AES,
  CpuidFeature.PCLMULQDQ,
  CpuidFeature.SHA,
  CpuidFeature.MOVBE,
  CpuidFeature.BMI1,
  CpuidFeature.BMI2,
  CpuidFeature.LZCNT,
  CpuidFeature.ADX,
  CpuidFeature.RDRAND,
  CpuidFeature.RDSEED,
  CpuidFeature.XSAVE,
  CpuidFeature.XSAVEOPT,
  CpuidFeature.XSAVEC,
  CpuidFeature.XSAVES,
  CpuidFeature.CLFSH,
  CpuidFeature.CLFLUSHOPT,
  CpuidFeature.CLWB,
  CpuidFeature.PREFETCHW,
  CpuidFeature.RDPMC,
  CpuidFeature.RDTSCP,
  CpuidFeature.RDPID,
  CpuidFeature.MONITOR,
  CpuidFeature.FSGSBASE,
  CpuidFeature.INVPCID,
  CpuidFeature.SMAP,
  CpuidFeature.SMM,
  CpuidFeature.VMX,
  CpuidFeature.INVEPT,
  CpuidFeature.INVVPID,
]);

/** Why bytes that iced takes for an instruction may be none to us, or undefined if they may not. */
export function whyNotOurs({ instruction }: IcedResult, bits: Bits): string | undefined {
  if (!instruction.cpuidFeatures().every((feature) => TABLE_FEATURES.has(feature))) {
    return 'belongs to a feature that the table does not have';
  }
  const name = MNEMONIC_NAMES.get(instruction.mnemonic)!;
  if (bits !== 64 && /^sys(call|ret)/.test(name)) return 'SYSCALL and SYSRET outside 64-bit mode are AMD only';
  return undefined;
}

/** Sources of which the processor takes the low 16 bits only: iced shows them at the operand size, we (as the manual) as words. */
const SELECTOR_SOURCE: Readonly<Record<string, readonly number[]>> = {
  lldt: [0],
  ltr: [0],
  verr: [0],
  verw: [0],
  lmsw: [0],
  arpl: [0, 1],
  lar: [1],
  lsl: [1],
  mov: [1],
};

function plainText(name: string, operands: readonly string[]): string {
  // iced gives the hint NOPs their reg field as a second operand; for us it is part of the opcode.
  if (name === 'reservednop') return `hint_nop ${operands[0]}`;
  // iced names the 64-bit forms of these by themselves.
  if (name === 'fstpnce') return plainText('fstp', operands);
  if (name === 'fnsetpm') return plainText('fsetpm', operands);
  if (/^pcmpestr[im]64$/.test(name)) return plainText(name.slice(0, -2), operands);
  if (name === 'sysexitq' || name === 'sysretq') return `${name.slice(0, -1)} `;
  // Into the upper half of the register go zeros in any case: the manual and NASM name the lower half only.
  if (/^(pmovmskb|pinsrb)$/.test(name) || /^p(insr|extr)w .*\bmm\d/.test(`${name} ${operands.join()}`))
    return `${name} ${operands.map(asDoubleword).join(', ')}`;
  const isSegmentLoad = /^[c-gs]s$/.test(operands[0] ?? '');
  const places = name === 'mov' && !isSegmentLoad ? [] : (SELECTOR_SOURCE[name] ?? []);
  return `${name} ${operands.map((operand, i) => (places.includes(i) ? asWord(operand) : operand)).join(', ')}`;
}

function asDoubleword(register: string): string {
  return register.replace(/^r([a-z]{2})$/, 'e$1').replace(/^(r\d+)$/, '$1d');
}

function asWord(register: string): string {
  return register.replace(/^[er]([a-z]{2})$/, '$1').replace(/^(r\d+)d?$/, '$1w');
}

const STRING_OPERANDS = new Map<OpKind, readonly [base: string, isDestination: boolean, addressSize: number]>([
  [OpKind.MemorySegSI, ['si', false, 16]],
  [OpKind.MemorySegESI, ['esi', false, 32]],
  [OpKind.MemorySegRSI, ['rsi', false, 64]],
  [OpKind.MemoryESDI, ['di', true, 16]],
  [OpKind.MemoryESEDI, ['edi', true, 32]],
  [OpKind.MemoryESRDI, ['rdi', true, 64]],
  [OpKind.MemorySegDI, ['di', false, 16]],
  [OpKind.MemorySegEDI, ['edi', false, 32]],
  [OpKind.MemorySegRDI, ['rdi', false, 64]],
]);

function icedOperand(instruction: IcedInstruction, i: number, bits: Bits): string {
  const kind = instruction.opKind(i);
  const string = STRING_OPERANDS.get(kind);
  if (string !== undefined) {
    const [base, isDestination, addressSize] = string;
    const segment = isDestination ? 'es' : registerText(instruction.memorySegment);
    return memoryText(bits, MemorySizeExt.size(instruction.memorySize), segment, [base], 0n, 0, addressSize);
  }
  switch (kind) {
    case OpKind.Register:
      return registerText(instruction.opRegister(i));
    case OpKind.NearBranch16:
    case OpKind.NearBranch32:
    case OpKind.NearBranch64:
      return `to ${hex(instruction.nearBranchTarget)}`;
    case OpKind.FarBranch16:
      return `far ${instruction.farBranchSelector}:${instruction.farBranch16}/2`;
    case OpKind.FarBranch32:
      return `far ${instruction.farBranchSelector}:${instruction.farBranch32}/4`;
    case OpKind.Memory:
      return icedMemory(instruction, bits);
    case OpKind.Immediate8:
    case OpKind.Immediate8_2nd:
      return hex(instruction.immediate(i) & 0xffn);
    case OpKind.Immediate16:
    case OpKind.Immediate8to16:
      return hex(instruction.immediate(i) & 0xffffn);
    case OpKind.Immediate32:
    case OpKind.Immediate8to32:
      return hex(instruction.immediate(i) & 0xffff_ffffn);
    case OpKind.Immediate64:
    case OpKind.Immediate8to64:
    case OpKind.Immediate32to64:
      return hex(BigInt.asUintN(64, instruction.immediate(i)));
    default:
      return `operand kind ${kind}`;
  }
}

function icedMemory(instruction: IcedInstruction, bits: Bits): string {
  const { memoryBase, memoryIndex, memoryDisplSize } = instruction;
  const isRip = memoryBase === Register.RIP || memoryBase === Register.EIP;
  const base = registerText(memoryBase);
  const index = registerText(memoryIndex);
  // The table look-up adds AL, which our operand leaves to the semantics.
  const hasIndex = index !== '' && index !== 'al';
  const addressSize = addressSizeOf(base !== '' ? base : index, memoryDisplSize);
  const displacement = BigInt.asUintN(addressSize, instruction.memoryDisplacement);
  const registers = [isRip ? 'rip' : base, hasIndex ? `${index}*${instruction.memoryIndexScale}` : ''];
  const isMoffs = base === '' && index === '';
  // Without base or index iced gives the address size for the displacement's; ModR/M forms have 4 bytes at most.
  const size = memoryDisplSize === 8 && !isOffset(instruction) ? 4 : memoryDisplSize;
  return memoryText(
    bits,
    MemorySizeExt.size(instruction.memorySize),
    registerText(instruction.memorySegment),
    registers,
    displacement,
    isMoffs && isOffset(instruction) ? addressSize / 8 : size,
    addressSize,
  );
}

const OFFSET_CODES: ReadonlySet<Code> = new Set([
  Code.Mov_AL_moffs8,
  Code.Mov_AX_moffs16,
  Code.Mov_EAX_moffs32,
  Code.Mov_RAX_moffs64,
  Code.Mov_moffs8_AL,
  Code.Mov_moffs16_AX,
  Code.Mov_moffs32_EAX,
  Code.Mov_moffs64_RAX,
]);

function isOffset(instruction: IcedInstruction): boolean {
  return OFFSET_CODES.has(instruction.code);
}

function addressSizeOf(register: string, displacementSize: number): number {
  if (register === '') return displacementSize * 8;
  if (register.startsWith('r')) return register.endsWith('d') && /\d/.test(register) ? 32 : 64;
  return register.startsWith('e') ? 32 : 16;
}
