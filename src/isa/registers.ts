/** Names of registers, lower case as NASM writes them. */
import type { RegisterOperand } from './types';
import { SEGMENT_NAMES } from './types';

const LEGACY = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'] as const;
const EXTENDED = [8, 9, 10, 11, 12, 13, 14, 15].map((n) => `r${n}`);

export const BYTE_REGISTERS: readonly string[] = [
  'al',
  'cl',
  'dl',
  'bl',
  'spl',
  'bpl',
  'sil',
  'dil',
  ...EXTENDED.map((name) => `${name}b`),
];
export const HIGH_BYTE_REGISTERS: readonly string[] = ['ah', 'ch', 'dh', 'bh'];
export const WORD_REGISTERS: readonly string[] = [...LEGACY, ...EXTENDED.map((name) => `${name}w`)];
export const DOUBLEWORD_REGISTERS: readonly string[] = [...LEGACY.map((name) => `e${name}`), ...EXTENDED.map((name) => `${name}d`)];
export const QUADWORD_REGISTERS: readonly string[] = [...LEGACY.map((name) => `r${name}`), ...EXTENDED];

const GENERAL_BY_SIZE: Readonly<Record<number, readonly string[]>> = {
  1: BYTE_REGISTERS,
  2: WORD_REGISTERS,
  4: DOUBLEWORD_REGISTERS,
  8: QUADWORD_REGISTERS,
};

const NUMBERED = { control: 'cr', debug: 'dr', test: 'tr', x87: 'st', mmx: 'mm', xmm: 'xmm' } as const;

/** Name of the general register with this number (0 to 15) at a width of 1, 2, 4 or 8 bytes. */
export function generalRegisterName(index: number, bytes: number): string {
  return GENERAL_BY_SIZE[bytes][index];
}

export function registerName(operand: RegisterOperand): string {
  switch (operand.class) {
    case 'gpr':
      return operand.high ? HIGH_BYTE_REGISTERS[operand.index] : generalRegisterName(operand.index, operand.size);
    case 'segment':
      return SEGMENT_NAMES[operand.index];
    default:
      return `${NUMBERED[operand.class]}${operand.index}`;
  }
}
