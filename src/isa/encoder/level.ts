/** Processor generations: what the CPU directive allows. */

import type { Feature } from '../types';
import type { Form } from './forms';

const OF_FEATURE: Readonly<Record<Feature, number>> = {
  '8086': 0,
  '80186': 1,
  '80286': 2,
  '80386': 3,
  '80486': 4,
  pentium: 5,
  msr: 5,
  tsc: 5,
  cx8: 5,
  cmov: 6,
  sep: 6,
  nopl: 6,
  'x86-64': 8,
  cx16: 8,
};

/** Where NASM wants a newer processor than the first one that had the instruction. */
const BY_MNEMONIC: Readonly<Record<string, number>> = { cpuid: 5 };

/** Generation of a form: 0 for the 8086, 3 for the 80386 … 8 for the first with 64 bits. */
export function levelOf(form: Form): number {
  const own = BY_MNEMONIC[form.row.mnemonic] ?? OF_FEATURE[form.row.feature] ?? 7;
  const width = form.size === 4 ? 3 : form.size === 8 ? 8 : 0;
  return Math.max(own, width);
}
