/** What there is to say about an instruction, for hover texts and panels: from the table, with one sentence of our own. */
import type { Feature, FlagLetters, InstructionRow } from './types';
import { exceptionNotes } from './help/exceptions';
import type { ExceptionNote } from './help/exceptions';
import { privilegeNote } from './help/privilege';
import { SUMMARIES } from './help/summaries';
import { hasImpliedOperands, parseOperandCode } from './operand-codes';
import type { OperandCode, SizeCode } from './operand-codes';
import { PSEUDO_OPS } from './pseudo-ops';
import { ROWS_BY_SPELLING } from './table';
import { CONDITIONS } from './table/conditions';

export interface InstructionForm {
  /** `add r/m8, r8`. */
  readonly syntax: string;
  /** `00 /r`. */
  readonly encoding: string;
  readonly modes: InstructionRow['modes'];
}

export interface InstructionHelp {
  readonly mnemonic: string;
  readonly aliases: readonly string[];
  /** One sentence. */
  readonly summary: string;
  readonly forms: readonly InstructionForm[];
  /** One sentence for each thing that happens to flags; empty if nothing does. */
  readonly flags: readonly string[];
  readonly privilege: InstructionRow['privilege'];
  /** One sentence. */
  readonly privilegeNote: string;
  readonly exceptions: readonly ExceptionNote[];
  /** Which processors have it. */
  readonly since: string;
  /** Title of the manual's entry. */
  readonly manual: string;
}

/** Help for one row: what a decoded instruction is. */
export function helpForRow(row: InstructionRow): InstructionHelp {
  return helpForRows([row]);
}

/**
 * Help for a spelling in source, lower case: one entry for each meaning (MOV has nine), or none for what is no mnemonic.
 */
export function helpForSpelling(spelling: string): InstructionHelp[] {
  const byMeaning = new Map<string, InstructionRow[]>();
  for (const row of ROWS_BY_SPELLING.get(PSEUDO_OPS.get(spelling)?.mnemonic ?? spelling) ?? []) {
    if (row.redundant) continue;
    const key = `${row.semantics} ${row.mnemonic}`;
    const found = byMeaning.get(key);
    if (found === undefined) byMeaning.set(key, [row]);
    else found.push(row);
  }
  return [...byMeaning.values()].map(helpForRows);
}

function helpForRows(rows: readonly InstructionRow[]): InstructionHelp {
  const [first] = rows;
  return {
    mnemonic: first.mnemonic,
    aliases: first.aliases,
    summary: summaryOf(first),
    forms: rows.map((row) => ({ syntax: syntaxOf(row), encoding: row.encoding, modes: row.modes })),
    flags: distinct(rows.map(flagNotes)),
    privilege: first.privilege,
    privilegeNote: privilegeNote(first),
    exceptions: distinctExceptions(rows.flatMap(exceptionNotes)),
    since: SINCE[first.feature],
    manual: first.manual,
  };
}

function summaryOf(row: InstructionRow): string {
  const summary = SUMMARIES[row.semantics];
  if (row.condition === undefined) return summary;
  const { meaning, test } = CONDITIONS[row.condition];
  return summary.replace('{condition}', `${meaning} (${test})`);
}

const FLAG_NAMES: Readonly<Record<string, string>> = {
  o: 'OF',
  d: 'DF',
  i: 'IF',
  t: 'TF',
  s: 'SF',
  z: 'ZF',
  a: 'AF',
  p: 'PF',
  c: 'CF',
  n: 'NT',
};

function flagList(letters: FlagLetters): string {
  return letters
    .split('')
    .map((letter) => FLAG_NAMES[letter])
    .join(', ');
}

function flagNotes({ flags }: InstructionRow): readonly string[] {
  const notes: string[] = [];
  if (flags.read !== '') notes.push(`Reads ${flagList(flags.read)}.`);
  if (flags.written !== '') notes.push(`Changes ${flagList(flags.written)}.`);
  if (flags.undefined !== '') notes.push(`Leaves ${flagList(flags.undefined)} undefined.`);
  if (flags.conditional) notes.push('A count of 0 changes no flag.');
  return notes;
}

function distinct(lists: readonly (readonly string[])[]): readonly string[] {
  return [...new Set(lists.flat())];
}

function distinctExceptions(notes: readonly ExceptionNote[]): readonly ExceptionNote[] {
  return [...new Map(notes.map((note) => [`${note.name} ${note.when}`, note])).values()];
}

const SINCE: Readonly<Record<Feature, string>> = {
  '8086': '8086',
  '80186': '80186',
  '80286': '80286',
  '80386': '80386',
  '80486': '80486',
  pentium: 'Pentium',
  msr: 'Pentium (CPUID.MSR)',
  tsc: 'Pentium (CPUID.TSC)',
  cx8: 'Pentium (CPUID.CX8)',
  cmov: 'Pentium Pro (CPUID.CMOV)',
  sep: 'Pentium II (CPUID.SEP)',
  nopl: 'Pentium Pro',
  cx16: '64-bit processors (CPUID.CMPXCHG16B)',
  fpu: '8087 (CPUID.FPU)',
  fcmov: 'Pentium Pro (CPUID.FPU and CPUID.CMOV)',
  mmx: 'Pentium MMX (CPUID.MMX)',
  fxsr: 'Pentium II (CPUID.FXSR)',
  sse: 'Pentium III (CPUID.SSE)',
  sse2: 'Pentium 4 (CPUID.SSE2)',
  sse3: 'Pentium 4 of 2004 (CPUID.SSE3)',
  ssse3: 'Core 2 (CPUID.SSSE3)',
  'sse4.1': 'Core 2 of 2007 (CPUID.SSE4.1)',
  'sse4.2': 'Nehalem (CPUID.SSE4.2)',
  popcnt: 'Nehalem (CPUID.POPCNT)',
  aes: 'Westmere (CPUID.AES)',
  pclmulqdq: 'Westmere (CPUID.PCLMULQDQ)',
  sha: 'Goldmont (CPUID.SHA)',
  movbe: 'Atom, Haswell (CPUID.MOVBE)',
  bmi1: 'Haswell (CPUID.BMI1)',
  bmi2: 'Haswell (CPUID.BMI2)',
  lzcnt: 'Haswell (CPUID.LZCNT)',
  adx: 'Broadwell (CPUID.ADX)',
  rdrand: 'Ivy Bridge (CPUID.RDRAND)',
  rdseed: 'Broadwell (CPUID.RDSEED)',
  xsave: 'Core 2 of 2007 (CPUID.XSAVE)',
  xsaveopt: 'Sandy Bridge (CPUID.XSAVEOPT)',
  xsavec: 'Skylake (CPUID.XSAVEC)',
  xsaves: 'Skylake (CPUID.XSAVES)',
  clflush: 'Pentium 4 (CPUID.CLFSH)',
  clflushopt: 'Skylake (CPUID.CLFLUSHOPT)',
  clwb: 'Skylake server (CPUID.CLWB)',
  prefetchw: 'Broadwell (CPUID.PREFETCHW); a hint without effect on earlier 64-bit processors',
  rdpmc: 'Pentium Pro',
  rdtscp: 'Nehalem (CPUID.RDTSCP)',
  rdpid: 'Goldmont Plus (CPUID.RDPID)',
  monitor: 'Pentium 4 of 2004 (CPUID.MONITOR)',
  fsgsbase: 'Ivy Bridge (CPUID.FSGSBASE)',
  invpcid: 'Haswell (CPUID.INVPCID)',
  smap: 'Broadwell (CPUID.SMAP)',
  smm: 'Pentium',
  vmx: 'Pentium 4 of 2005 (CPUID.VMX)',
  'x86-64': '64-bit processors',
};

/** `imul r16/32/64, r/m16/32/64, imm8`, with operands that source text has. */
export function syntaxOf(row: InstructionRow): string {
  if (row.operands.length === 0 || hasImpliedOperands(row)) return row.mnemonic;
  return `${row.mnemonic} ${row.operands.map((code) => operandSyntax(parseOperandCode(code), row)).join(', ')}`;
}

const NATIVE: Readonly<Record<SizeCode, string>> = {
  b: '8',
  w: '16',
  d: '32',
  q: '64',
  t: '80',
  dq: '128',
  x: '128',
  ps: '128',
  pd: '128',
  pi: '64',
  ss: '32',
  sd: '64',
  y: '32/64',
  env: '14/28byte',
  state: '94/108byte',
  fxsave: '512byte',
  v: '16/32/64',
  z: '16/32',
  r: '32/64',
  p: '16:16/32/64',
  s: '16&32/64',
  a: '16&16/32&32',
  none: '',
};

const VECTOR_NAMES: Readonly<Record<string, string>> = { mmx: 'mm', xmm: 'xmm', x87: 'STi' };

function operandSyntax(operand: OperandCode, row: InstructionRow): string {
  const size = widthText(operand.size, row);
  switch (operand.method) {
    case 'rm':
      if (operand.class !== 'gpr') return `${operand.class === 'mmx' ? 'mm' : 'xmm'}/m${widthText(operand.memorySize, row)}`;
      return operand.size === operand.memorySize ? `r/m${size}` : `r${size}/m${widthText(operand.memorySize, row)}`;
    case 'memory':
    case 'offset':
      return `m${size}`;
    case 'register':
    case 'rmRegister':
    case 'opcodeRegister':
    case 'vvvv':
      return operand.class === 'gpr' ? `r${size}` : VECTOR_NAMES[operand.class];
    case 'segment':
      return 'Sreg';
    case 'control':
      return 'CR0-CR8';
    case 'debug':
      return 'DR0-DR7';
    case 'test':
      return 'TR3-TR7';
    case 'fixedRegister':
      return operand.class === 'x87' ? 'ST0' : operand.code;
    case 'immediate':
      return `imm${widthText(operand.size, row)}`;
    case 'signedByte':
      return 'imm8';
    case 'constant':
      return String(operand.constant);
    case 'relative':
      return `rel${size}`;
    case 'far':
      return 'ptr16:16/32';
    default:
      return '';
  }
}

/** A row without 64-bit mode has no 64-bit operands. */
function widthText(size: SizeCode, row: InstructionRow): string {
  const text = NATIVE[size];
  return row.modes.includes(64) ? text : text.replace(/\/64$/, '');
}
