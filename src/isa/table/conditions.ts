/** The sixteen conditions of Jcc, SETcc and CMOVcc, in the order of their numbers. */
import type { FlagLetters } from '../types';

export interface Condition {
  /** Suffix of the manual's primary spelling. */
  readonly name: string;
  readonly aliases: readonly string[];
  /** Flags that it reads. */
  readonly reads: FlagLetters;
}

/** Manual, "EFLAGS Condition Codes". Bit 0 of the number negates. */
export const CONDITIONS: readonly Condition[] = [
  { name: 'o', aliases: [], reads: 'o' },
  { name: 'no', aliases: [], reads: 'o' },
  { name: 'b', aliases: ['c', 'nae'], reads: 'c' },
  { name: 'ae', aliases: ['nc', 'nb'], reads: 'c' },
  { name: 'e', aliases: ['z'], reads: 'z' },
  { name: 'ne', aliases: ['nz'], reads: 'z' },
  { name: 'be', aliases: ['na'], reads: 'zc' },
  { name: 'a', aliases: ['nbe'], reads: 'zc' },
  { name: 's', aliases: [], reads: 's' },
  { name: 'ns', aliases: [], reads: 's' },
  { name: 'p', aliases: ['pe'], reads: 'p' },
  { name: 'np', aliases: ['po'], reads: 'p' },
  { name: 'l', aliases: ['nge'], reads: 'os' },
  { name: 'ge', aliases: ['nl'], reads: 'os' },
  { name: 'le', aliases: ['ng'], reads: 'osz' },
  { name: 'g', aliases: ['nle'], reads: 'osz' },
];
