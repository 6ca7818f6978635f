/** Extended processor state: saving and restoring it; caches, fences and hints about them. */
import { REDUNDANT, rows } from './builder';
import type { Form, RowSource, Traits } from './builder';

const only64: Traits = { modes: [64] };

/** The area's form is another under REX.W, and then the mnemonic too. */
function area(name: string, manual: string, traits: Traits, form: string): RowSource[] {
  const [prefix, ...rest] = form.split(' ');
  return [
    ...rows(name, manual, traits, [form]),
    ...rows(`${name}64`, manual, { ...traits, ...only64, semantics: `${name}64` }, [[prefix, 'o64', ...rest].join(' ')]),
  ];
}

const XSAVE: Traits = { feature: 'xsave' };
const SUPERVISOR: Traits = { feature: 'xsaves', privilege: 'privileged' };
const BASE: Traits = { feature: 'fsgsbase', ...only64 };
const PREFETCH = 'PREFETCHh—Prefetch Data Into Caches';
const READ_BASE = 'RDFSBASE/RDGSBASE—Read FS/GS Segment Base';
const WRITE_BASE = 'WRFSBASE/WRGSBASE—Write FS/GS Segment Base';

/** Hints: they touch no memory that the program could tell of. */
const hint = (mnemonic: string, traits: Traits, forms: readonly Form[], manual = PREFETCH): RowSource[] =>
  rows(mnemonic, manual, { semantics: 'prefetch', ...traits }, forms);

export const STATE: readonly RowSource[] = [
  ...area('fxsave', 'FXSAVE—Save x87 FPU, MMX Technology, and SSE State', { feature: 'fxsr' }, 'NP 0F AE /0: Mfxsave'),
  ...area('fxrstor', 'FXRSTOR—Restore x87 FPU, MMX, XMM, and MXCSR State', { feature: 'fxsr' }, 'NP 0F AE /1: Mfxsave'),
  ...rows('ldmxcsr', 'LDMXCSR—Load MXCSR Register', { feature: 'sse' }, ['NP 0F AE /2: Md']),
  ...rows('stmxcsr', 'STMXCSR—Store MXCSR Register State', { feature: 'sse' }, ['NP 0F AE /3: Md']),
  ...area('xsave', 'XSAVE—Save Processor Extended States', XSAVE, 'NP 0F AE /4: M'),
  ...area('xrstor', 'XRSTOR—Restore Processor Extended States', XSAVE, 'NP 0F AE /5: M'),
  ...area('xsaveopt', 'XSAVEOPT—Save Processor Extended States Optimized', { feature: 'xsaveopt' }, 'NP 0F AE /6: M'),
  ...area('xsavec', 'XSAVEC—Save Processor Extended States With Compaction', { feature: 'xsavec' }, 'NP 0F C7 /4: M'),
  ...area('xsaves', 'XSAVES—Save Processor Extended States Supervisor', SUPERVISOR, 'NP 0F C7 /5: M'),
  ...area('xrstors', 'XRSTORS—Restore Processor Extended States Supervisor', SUPERVISOR, 'NP 0F C7 /3: M'),
  ...rows('xgetbv', 'XGETBV—Get Value of Extended Control Register', { ...XSAVE, privilege: 'sensitive' }, ['NP 0F 01 D0']),
  ...rows('xsetbv', 'XSETBV—Set Extended Control Register', { ...XSAVE, privilege: 'privileged', flow: 'serialize' }, ['NP 0F 01 D1']),

  ...rows('rdfsbase', READ_BASE, { ...BASE, privilege: 'sensitive' }, ['F3 0F AE /0: Ry']),
  ...rows('rdgsbase', READ_BASE, { ...BASE, privilege: 'sensitive' }, ['F3 0F AE /1: Ry']),
  ...rows('wrfsbase', WRITE_BASE, { ...BASE, privilege: 'sensitive', flow: 'serialize' }, ['F3 0F AE /2: Ry']),
  ...rows('wrgsbase', WRITE_BASE, { ...BASE, privilege: 'sensitive', flow: 'serialize' }, ['F3 0F AE /3: Ry']),

  ...rows('lfence', 'LFENCE—Load Fence', { feature: 'sse2' }, ['NP 0F AE 11:101:bbb']),
  ...rows('mfence', 'MFENCE—Memory Fence', { feature: 'sse2' }, ['NP 0F AE 11:110:bbb']),
  ...rows('sfence', 'SFENCE—Store Fence', { feature: 'sse' }, ['NP 0F AE 11:111:bbb']),
  ...rows('clflush', 'CLFLUSH—Flush Cache Line', { feature: 'clflush' }, ['NP 0F AE /7: Mb']),
  ...rows('clflushopt', 'CLFLUSHOPT—Flush Cache Line Optimized', { feature: 'clflushopt' }, ['66 0F AE /7: Mb']),
  ...rows('clwb', 'CLWB—Cache Line Write Back', { feature: 'clwb' }, ['66 0F AE /6: Mb']),
  ...hint('prefetchnta', { feature: 'sse' }, ['0F 18 /0: Mb']),
  ...hint('prefetcht0', { feature: 'sse' }, ['0F 18 /1: Mb']),
  ...hint('prefetcht1', { feature: 'sse' }, ['0F 18 /2: Mb']),
  ...hint('prefetcht2', { feature: 'sse' }, ['0F 18 /3: Mb']),
  ...hint('prefetchw', { feature: 'prefetchw' }, ['0F 0D /1: Mb'], 'PREFETCHW—Prefetch Data Into Caches in Anticipation of a Write'),
  // Without the feature, and for other digits, a NOP on every 64-bit processor.
  ...rows('nop', 'NOP—No Operation', { feature: 'prefetchw', ...REDUNDANT }, ['0F 0D /r: Ev']),
];
