/** System instructions: descriptor tables, tasks, caches, identification, model-specific registers. */
import { ALL_FLAGS, rows, NOT_IN_64, ONLY_IN_64 } from './builder';
import type { RowSource, Traits } from './builder';

const SYSTEM_286: Traits = { feature: '80286' };
/** Show privileged state at every level. */
const STORE: Traits = { ...SYSTEM_286, privilege: 'sensitive' };
const LOAD: Traits = { ...SYSTEM_286, privilege: 'privileged', flow: 'serialize' };
/** Their answer depends on the CPL. */
const PROBE: Traits = { ...SYSTEM_286, privilege: 'sensitive', writes: 'z' };
const CACHE: Traits = { feature: '80486', privilege: 'privileged', flow: 'serialize' };
const MSR: Traits = { feature: 'msr', privilege: 'privileged' };

/** Supervisor accesses to user pages: the translations in force change. */
const ACCESS: Traits = { feature: 'smap', privilege: 'privileged', flow: 'serialize' };
const RESUME: Traits = { feature: 'smm', privilege: 'privileged', flow: 'far' };

const HINT = 'NOP—No Operation';

/** 0F 18 to 0F 1F are hints that a processor may ignore; NASM numbers them. 0F 1F /0 is the multi-byte NOP. */
const HINTS: readonly RowSource[] = Array.from({ length: 64 }, (_, n) => n)
  .filter((n) => n !== 56)
  .flatMap((n) => {
    const opcode = (0x18 + (n >> 3)).toString(16).toUpperCase();
    return rows(`hint_nop${n}`, HINT, { semantics: 'nop', feature: 'nopl' }, [`0F ${opcode} /${n & 7}: Ev`]);
  });

export const SYSTEM: readonly RowSource[] = [
  ...rows('sldt', 'SLDT—Store Local Descriptor Table Register', STORE, ['0F 00 /0: Rv/Mw']),
  ...rows('str', 'STR—Store Task Register', STORE, ['0F 00 /1: Rv/Mw']),
  ...rows('lldt', 'LLDT—Load Local Descriptor Table Register', LOAD, ['0F 00 /2: Ew']),
  ...rows('ltr', 'LTR—Load Task Register', LOAD, ['0F 00 /3: Ew']),
  ...rows('verr', 'VERR/VERW—Verify a Segment for Reading or Writing', PROBE, ['0F 00 /4: Ew']),
  ...rows('verw', 'VERR/VERW—Verify a Segment for Reading or Writing', PROBE, ['0F 00 /5: Ew']),
  ...rows('sgdt', 'SGDT—Store Global Descriptor Table Register', { ...STORE, size64: 'always64' }, ['0F 01 /0: Ms']),
  ...rows('sidt', 'SIDT—Store Interrupt Descriptor Table Register', { ...STORE, size64: 'always64' }, ['0F 01 /1: Ms']),
  ...rows('lgdt', 'LGDT/LIDT—Load Global/Interrupt Descriptor Table Register', { ...LOAD, size64: 'always64' }, ['0F 01 /2: Ms']),
  ...rows('lidt', 'LGDT/LIDT—Load Global/Interrupt Descriptor Table Register', { ...LOAD, size64: 'always64' }, ['0F 01 /3: Ms']),
  ...rows('smsw', 'SMSW—Store Machine Status Word', STORE, ['0F 01 /4: Rv/Mw']),
  ...rows('lmsw', 'LMSW—Load Machine Status Word', LOAD, ['0F 01 /6: Ew']),
  ...rows('lar', 'LAR—Load Access Rights Byte', PROBE, ['0F 02 /r: Gv,Ew']),
  ...rows('lsl', 'LSL—Load Segment Limit', PROBE, ['0F 03 /r: Gv,Ew']),
  ...rows('arpl', 'ARPL—Adjust RPL Field of Segment Selector', { ...PROBE, ...NOT_IN_64 }, ['63 /r: Ew,Gw']),
  ...rows('clts', 'CLTS—Clear Task-Switched Flag in CR0', LOAD, ['0F 06']),

  ...rows('invd', 'INVD—Invalidate Internal Caches', CACHE, ['0F 08']),
  ...rows('wbinvd', 'WBINVD—Write Back and Invalidate Cache', CACHE, ['0F 09']),
  ...rows('invlpg', 'INVLPG—Invalidate TLB Entries', CACHE, ['0F 01 /7: M']),
  ...rows('swapgs', 'SWAPGS—Swap GS Base Register', { privilege: 'privileged', flow: 'serialize', ...ONLY_IN_64 }, ['0F 01 F8']),

  ...rows('hlt', 'HLT—Halt', { privilege: 'privileged', flow: 'stop' }, ['F4']),
  ...rows('wait', 'WAIT/FWAIT—Wait', { aliases: ['fwait'] }, ['9B']),
  ...rows('cpuid', 'CPUID—CPU Identification', { privilege: 'sensitive', flow: 'serialize', feature: '80486' }, ['0F A2']),
  ...rows('rdtsc', 'RDTSC—Read Time-Stamp Counter', { privilege: 'sensitive', feature: 'tsc' }, ['0F 31']),
  ...rows('rdmsr', 'RDMSR—Read From Model Specific Register', MSR, ['0F 32']),
  ...rows('wrmsr', 'WRMSR—Write to Model Specific Register', { ...MSR, flow: 'serialize' }, ['0F 30']),

  ...rows('rdtscp', 'RDTSCP—Read Time-Stamp Counter and Processor ID', { privilege: 'sensitive', feature: 'rdtscp' }, ['0F 01 F9']),
  ...rows('rdpid', 'RDPID—Read Processor ID', { privilege: 'sensitive', feature: 'rdpid' }, ['F3 0F C7 /7: Rd']),
  ...rows('rdpmc', 'RDPMC—Read Performance-Monitoring Counters', { privilege: 'sensitive', feature: 'rdpmc' }, ['0F 33']),
  ...rows('rsm', 'RSM—Resume From System Management Mode', { ...RESUME, writes: ALL_FLAGS }, ['0F AA']),
  ...rows('monitor', 'MONITOR—Set Up Monitor Address', { privilege: 'privileged', feature: 'monitor' }, ['NP 0F 01 C8: BAb']),
  ...rows('mwait', 'MWAIT—Monitor Wait', { privilege: 'privileged', flow: 'stop', feature: 'monitor' }, ['NP 0F 01 C9']),
  ...rows('clac', 'CLAC—Clear AC Flag in EFLAGS Register', ACCESS, ['NP 0F 01 CA']),
  ...rows('stac', 'STAC—Set AC Flag in EFLAGS Register', ACCESS, ['NP 0F 01 CB']),
  ...rows('invpcid', 'INVPCID—Invalidate Process-Context Identifier', { ...CACHE, feature: 'invpcid' }, ['66 0F 38 82 /r: Gr,Mdq']),

  ...rows('nop', HINT, { feature: 'nopl' }, ['0F 1F /0: Ev']),
  ...HINTS,
];
