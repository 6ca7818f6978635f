/** The processors that can be chosen: which instructions and features each has, and how CPUID says so. */
import { INSTRUCTIONS } from '../../../isa/table';
import { SEMANTICS } from '../semantics/index';
import { HELPERS } from './helpers';

/** EAX to EDX of a CPUID leaf, by place. */
export type CpuidRegister = 0 | 1 | 2 | 3;

interface FeatureBit {
  readonly leaf: number;
  readonly subleaf: number;
  readonly register: CpuidRegister;
  readonly bit: number;
}

const [EAX, EBX, ECX, EDX] = [0, 1, 2, 3] as const;

const bits = (leaf: number, subleaf: number, register: CpuidRegister, names: Readonly<Record<string, number>>): [string, FeatureBit][] =>
  Object.entries(names).map(([name, bit]) => [name, { leaf, subleaf, register, bit }]);

/** Where CPUID shows each feature (manual, CPUID). Names are those of the instruction table and the manual. */
const FEATURE_BITS: ReadonlyMap<string, FeatureBit> = new Map([
  ...bits(1, 0, EDX, {
    fpu: 0,
    vme: 1,
    de: 2,
    pse: 3,
    tsc: 4,
    msr: 5,
    pae: 6,
    mce: 7,
    cx8: 8,
    apic: 9,
    sep: 11,
    mtrr: 12,
    pge: 13,
    mca: 14,
    cmov: 15,
    pat: 16,
    clflush: 19,
    mmx: 23,
    fxsr: 24,
    sse: 25,
    sse2: 26,
  }),
  ...bits(1, 0, ECX, {
    sse3: 0,
    pclmulqdq: 1,
    monitor: 3,
    vmx: 5,
    ssse3: 9,
    cx16: 13,
    pcid: 17,
    'sse4.1': 19,
    'sse4.2': 20,
    x2apic: 21,
    movbe: 22,
    popcnt: 23,
    'tsc-deadline': 24,
    aes: 25,
    xsave: 26,
    rdrand: 30,
  }),
  ...bits(7, 0, EBX, {
    fsgsbase: 0,
    bmi1: 3,
    'fdp-exception-only': 6,
    smep: 7,
    bmi2: 8,
    erms: 9,
    invpcid: 10,
    'fcs-fds-deprecated': 13,
    rdseed: 18,
    adx: 19,
    smap: 20,
    clflushopt: 23,
    clwb: 24,
    sha: 29,
  }),
  ...bits(7, 0, ECX, { umip: 2, rdpid: 22 }),
  ...bits(7, 0, EDX, { 'arch-capabilities': 29 }),
  ...bits(0xd, 1, EAX, { xsaveopt: 0, xsavec: 1, 'xgetbv-1': 2, xsaves: 3 }),
  ...bits(0x80000001, 0, ECX, { 'lahf-64': 0, lzcnt: 5, prefetchw: 8 }),
  ...bits(0x80000001, 0, EDX, { syscall: 11, nx: 20, pdpe1gb: 26, rdtscp: 27, lm: 29 }),
]);

/** Features of the system rather than of instructions, all of which exist. */
const SYSTEM_FEATURES =
  'vme de pse pae mce apic mtrr pge mca pat pcid x2apic tsc-deadline smep umip syscall arch-capabilities lahf-64 nx pdpe1gb lm erms ' +
  'fdp-exception-only fcs-fds-deprecated xgetbv-1';

/** Features whose every instruction has its meaning: what lacks one is not offered. */
function workingFeatures(): ReadonlySet<string> {
  const all = new Set<string>([...SYSTEM_FEATURES.split(' '), ...INSTRUCTIONS.map(({ feature }) => feature as string)]);
  for (const { feature, semantics } of INSTRUCTIONS) if (!SEMANTICS[semantics] && !HELPERS[semantics]) all.delete(feature);
  return all;
}

/** Names of processors, from the oldest. */
export type CpuModelName = 'i486' | 'pentium' | 'i686' | 'x86-64' | 'x86-64-v2' | 'max';

interface ModelSource {
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
  readonly brand: string;
  /** The model that it begins with. */
  readonly after?: CpuModelName;
  readonly features: string;
}

const SOURCES: Readonly<Record<CpuModelName, ModelSource>> = {
  i486: { family: 4, model: 8, stepping: 0, brand: '', features: '8086 80186 80286 80386 80486 fpu' },
  pentium: { family: 5, model: 4, stepping: 3, brand: '', after: 'i486', features: 'pentium vme de pse tsc msr mce cx8 mmx' },
  i686: {
    family: 6,
    model: 8,
    stepping: 3,
    brand: '',
    after: 'pentium',
    features: 'pae apic sep mtrr pge mca cmov fcmov pat nopl fxsr rdpmc',
  },
  'x86-64': {
    family: 15,
    model: 6,
    stepping: 1,
    brand: 'Ringside x86-64 processor',
    after: 'i686',
    features: 'x86-64 lm syscall nx sse sse2 clflush',
  },
  'x86-64-v2': {
    family: 6,
    model: 26,
    stepping: 3,
    brand: 'Ringside x86-64-v2 processor',
    after: 'x86-64',
    features: 'cx16 lahf-64 popcnt sse3 ssse3 sse4.1 sse4.2 x2apic',
  },
  max: { family: 6, model: 26, stepping: 3, brand: 'Ringside processor', after: 'x86-64-v2', features: '*' },
};

export const CPU_MODELS = Object.keys(SOURCES) as readonly CpuModelName[];
export const DEFAULT_CPU_MODEL: CpuModelName = 'max';

export interface CpuModel {
  readonly name: CpuModelName;
  /** EAX of CPUID leaf 1. */
  readonly signature: number;
  readonly brand: string;
  /** Features that the processor has: of rows of the instruction table, and of the system. */
  has(feature: string): boolean;
  /** The feature bits of one CPUID register. */
  bits(leaf: number, subleaf: number, register: CpuidRegister): number;
}

/** The processor of a name, with what of it works. */
export function cpuModel(name: CpuModelName): CpuModel {
  const working = workingFeatures();
  const wanted = featuresOf(name);
  const has = (feature: string): boolean => working.has(feature) && (wanted.has('*') || wanted.has(feature));
  const { family, model, stepping, brand } = SOURCES[name];
  const signature = (Math.max(0, family - 15) << 20) | ((model >> 4) << 16) | (Math.min(family, 15) << 8) | ((model & 15) << 4) | stepping;
  const places = [...FEATURE_BITS].filter(([feature]) => has(feature)).map(([, place]) => place);
  return {
    name,
    signature,
    brand,
    has,
    bits: (leaf, subleaf, register) =>
      places
        .filter((place) => place.leaf === leaf && place.subleaf === subleaf && place.register === register)
        .reduce((all, { bit }) => (all | (1 << bit)) >>> 0, 0),
  };
}

function featuresOf(name: CpuModelName): ReadonlySet<string> {
  const { after, features } = SOURCES[name];
  return new Set([...(after ? featuresOf(after) : []), ...features.split(' ')]);
}
