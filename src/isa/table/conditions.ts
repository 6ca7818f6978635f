/** The sixteen conditions of Jcc, SETcc and CMOVcc, in the order of their numbers. */
import type { FlagLetters } from '../types';

export interface Condition {
  /** Suffix of the manual's primary spelling. */
  readonly name: string;
  readonly aliases: readonly string[];
  /** Flags that it reads. */
  readonly reads: FlagLetters;
  /** In words, after a comparison or an operation. */
  readonly meaning: string;
  /** In flags. */
  readonly test: string;
}

/** Manual, "EFLAGS Condition Codes". Bit 0 of the number negates. */
export const CONDITIONS: readonly Condition[] = [
  { name: 'o', aliases: [], reads: 'o', meaning: 'overflow', test: 'OF = 1' },
  { name: 'no', aliases: [], reads: 'o', meaning: 'no overflow', test: 'OF = 0' },
  { name: 'b', aliases: ['c', 'nae'], reads: 'c', meaning: 'below, unsigned', test: 'CF = 1' },
  { name: 'ae', aliases: ['nc', 'nb'], reads: 'c', meaning: 'above or equal, unsigned', test: 'CF = 0' },
  { name: 'e', aliases: ['z'], reads: 'z', meaning: 'equal', test: 'ZF = 1' },
  { name: 'ne', aliases: ['nz'], reads: 'z', meaning: 'not equal', test: 'ZF = 0' },
  { name: 'be', aliases: ['na'], reads: 'zc', meaning: 'below or equal, unsigned', test: 'CF = 1 or ZF = 1' },
  { name: 'a', aliases: ['nbe'], reads: 'zc', meaning: 'above, unsigned', test: 'CF = 0 and ZF = 0' },
  { name: 's', aliases: [], reads: 's', meaning: 'negative', test: 'SF = 1' },
  { name: 'ns', aliases: [], reads: 's', meaning: 'not negative', test: 'SF = 0' },
  { name: 'p', aliases: ['pe'], reads: 'p', meaning: 'parity even', test: 'PF = 1' },
  { name: 'np', aliases: ['po'], reads: 'p', meaning: 'parity odd', test: 'PF = 0' },
  { name: 'l', aliases: ['nge'], reads: 'os', meaning: 'less, signed', test: 'SF ≠ OF' },
  { name: 'ge', aliases: ['nl'], reads: 'os', meaning: 'greater or equal, signed', test: 'SF = OF' },
  { name: 'le', aliases: ['ng'], reads: 'osz', meaning: 'less or equal, signed', test: 'ZF = 1 or SF ≠ OF' },
  { name: 'g', aliases: ['nle'], reads: 'osz', meaning: 'greater, signed', test: 'ZF = 0 and SF = OF' },
];
