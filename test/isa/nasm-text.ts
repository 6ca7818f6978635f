/** iced's NASM formatter under the options that our formatter follows, and the named differences between their texts. */
import { Formatter, FormatterSyntax } from 'iced-x86';
import type { Instruction as IcedInstruction } from 'iced-x86';
import type { Instruction } from '../../src/isa/types';

export function createIcedFormatter(): (instruction: IcedInstruction) => string {
  const formatter = new Formatter(FormatterSyntax.Nasm);
  formatter.hexPrefix = '0x';
  formatter.hexSuffix = '';
  formatter.uppercaseHex = false;
  formatter.spaceAfterOperandSeparator = true;
  formatter.smallHexNumbersInDecimal = false;
  formatter.branchLeadingZeros = false;
  return (instruction) => formatter.format(instruction);
}

interface Difference {
  readonly why: string;
  /** Brings both texts to one form. */
  readonly normalize: (text: string) => string;
  /** Where it may be; everywhere if not given. */
  readonly in?: (instruction: Instruction) => boolean;
}

const SELECTORS = new Set([
  'sldt',
  'str',
  'lldt',
  'ltr',
  'verr',
  'verw',
  'smsw',
  'lmsw',
  'lar',
  'lsl',
  'arpl',
  'movToSegment',
  'movFromSegment',
]);
const isSelector = ({ row }: Instruction): boolean => SELECTORS.has(row.semantics);
const isBranch = ({ row }: Instruction): boolean => /^(branch|jump|call|return)$/.test(row.flow);

/** All that may differ. Each is applied to both texts, so that what it does not name stays a difference. */
export const DIFFERENCES: readonly Difference[] = [
  {
    why: 'an address alone of another size than the mode has its size said, without which NASM would cut it',
    normalize: (text) => text.replace(/\[(word|dword) /, '['),
  },
  {
    why: 'EBP alone as an index has its segment said, since NASM would make it a base',
    normalize: (text) => text.replace(/\[[ds]s:ebp\*([12])/, '[ebp*$1'),
  },
  {
    why: 'a shift by the constant 1 is written so',
    normalize: (text) => text.replace(/, 0x1$/, ', 1'),
    in: ({ row }) => row.operands.includes('1'),
  },
  {
    why: 'a pushed immediate of another size than the mode has its size said: NASM takes no o16 or o32 for it',
    normalize: (text) => text.replace(/^(o16|o32) push/, 'push').replace(/^push (word|dword) /, 'push '),
    in: ({ row, operands }) => row.semantics === 'push' && operands[0].kind === 'immediate',
  },
  {
    why: 'NASM 2.16 gives RETW and RETD no operand size prefix where they have an operand',
    normalize: (text) => text.replace(/\bo(16|32|64) (retf?)\b/, (_, size: string, name: string) => name + LETTERS[size]),
    in: ({ row }) => row.semantics === 'ret' || row.semantics === 'retFar',
  },
  {
    why: 'branch hints, NOTRACK, BND and REP RET have no effect on this processor',
    normalize: (text) => text.replace(/\b(?:cs |ds |notrack |bnd |rep )/g, ''),
    in: isBranch,
  },
  {
    why: 'XACQUIRE and XRELEASE are hints of another feature',
    normalize: (text) => text.replace(/^xacquire |^xrelease /, ''),
  },
  {
    why: 'NASM has no FNSETPM, no FSTPNCE (an undocumented FSTP), and no PCMPESTRI64',
    normalize: (text) =>
      text
        .replace('fnsetpm', 'fsetpm')
        .replace('fstpnce', 'fstp')
        .replace(/\b(pcmpestr[im])64\b/, 'o64 $1'),
  },
  {
    why: 'the operand size of a selector in memory has no effect, and from a register only 16 bits are taken',
    normalize: (text) =>
      text
        .replace(/^o(16|32|64) /, '')
        .replace(/, (e|r)(ax|cx|dx|bx|sp|bp|si|di)$/, ', $2')
        .replace(/, (r\d+)[dw]?$/, ', $1w'),
    in: isSelector,
  },
  {
    why: 'hint NOPs are numbered as in NASM; iced shows the number as a second operand',
    normalize: (text) => text.replace(/^(reservednop|nop|hint_nop\d+) (?:[a-z]?word |byte )?(.*?)(, \w+)?$/, 'nop $2'),
    in: ({ row }) => row.semantics === 'nop' && row.operands.length > 0,
  },
];

const LETTERS: Readonly<Record<string, string>> = { 16: 'w', 32: 'd', 64: 'q' };

export function normalizeText(text: string, instruction: Instruction): string {
  return DIFFERENCES.reduce((now, difference) => ((difference.in?.(instruction) ?? true) ? difference.normalize(now) : now), text);
}
