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
  fpu: 0,
  fcmov: 6,
  mmx: 5,
  fxsr: 6,
  sse: 7,
  sse2: 8,
  sse3: 9,
  ssse3: 9,
  'sse4.1': 9,
  'sse4.2': 9,
  popcnt: 9,
  aes: 9,
  pclmulqdq: 9,
  sha: 9,
  movbe: 9,
  bmi1: 9,
  bmi2: 9,
  lzcnt: 9,
  adx: 9,
  rdrand: 9,
  rdseed: 9,
  xsave: 9,
  xsaveopt: 9,
  xsavec: 9,
  xsaves: 9,
  clflush: 8,
  clflushopt: 9,
  clwb: 9,
  prefetchw: 9,
  rdpmc: 6,
  rdtscp: 9,
  rdpid: 9,
  monitor: 9,
  fsgsbase: 9,
  invpcid: 9,
  smap: 9,
  smm: 5,
  vmx: 9,
};

/** Where NASM wants a newer processor than the first one that had the instruction. */
const BY_MNEMONIC: Readonly<Record<string, number>> = { cpuid: 5 };

/** Generation of a form: 0 for the 8086, 3 for the 80386 … 8 for the first with 64 bits. */
export function levelOf(form: Form): number {
  const own = BY_MNEMONIC[form.row.mnemonic] ?? OF_FEATURE[form.row.feature] ?? 7;
  const width = form.size === 4 ? 3 : form.size === 8 ? 8 : 0;
  return Math.max(own, width);
}
