/** What the processor says of itself (manual, CPUID): exactly what works. */
import { Cr4, type CpuState } from '../state';
import { MONITOR_LINE, monitorEnabled } from './address-monitor';
import type { CpuModel, CpuidRegister } from './models';
import { PHYSICAL_ADDRESS_BITS } from './paging';

/** Operating systems drive processors of unknown vendors by their generic, oldest means. */
const VENDOR = 'GenuineIntel';

export type Leaf = readonly [eax: number, ebx: number, ecx: number, edx: number];

/** What leaves say beside the model's features. */
export interface CpuidFacts {
  readonly model: CpuModel;
  readonly state: CpuState;
  /** Initial APIC ID, and how many processors the machine has. */
  readonly apicId: number;
  readonly processors: number;
}

const NOTHING: Leaf = [0, 0, 0, 0];
const EAX: CpuidRegister = 0;
const EBX: CpuidRegister = 1;
const ECX: CpuidRegister = 2;
const EDX: CpuidRegister = 3;

const fourCharacters = (text: string, at: number): number =>
  (text.charCodeAt(at) | (text.charCodeAt(at + 1) << 8) | (text.charCodeAt(at + 2) << 16) | (text.charCodeAt(at + 3) << 24)) >>> 0;

const features = ({ model }: CpuidFacts, leaf: number, subleaf: number, register: CpuidRegister): number =>
  model.bits(leaf, subleaf, register);

const CLFLUSH_LINE = 64 / 8;
const MONITOR = 1 << 3;
const HTT = 1 << 28;
const OSXSAVE = 1 << 27;

function identification(facts: CpuidFacts): Leaf {
  const { model, state, apicId, processors } = facts;
  const ebx = ((apicId << 24) | (processors << 16) | (model.has('clflush') ? CLFLUSH_LINE << 8 : 0)) >>> 0;
  const ecx = features(facts, 1, 0, ECX) | (model.has('xsave') && state.cr4 & Cr4.osxsave ? OSXSAVE : 0);
  const shown = monitorEnabled(state) ? ecx : ecx & ~MONITOR;
  return [model.signature, ebx, shown >>> 0, (features(facts, 1, 0, EDX) | (processors > 1 ? HTT : 0)) >>> 0];
}

/** Bytes of an XSAVE area with the components of a mask: header and legacy area, which hold x87 and SSE. */
const XSAVE_AREA = 512 + 64;
/** x87 and SSE. */
export const XCR0_SUPPORTED = 3;

function xsave(facts: CpuidFacts, subleaf: number): Leaf {
  if (!facts.model.has('xsave')) return NOTHING;
  if (subleaf === 0) return [XCR0_SUPPORTED, XSAVE_AREA, XSAVE_AREA, 0];
  return subleaf === 1 ? [features(facts, 0xd, 1, EAX), XSAVE_AREA, 0, 0] : NOTHING;
}

/** Every logical processor is a package's core of its own. */
function topology({ apicId, processors }: CpuidFacts, subleaf: number): Leaf {
  const shift = Math.ceil(Math.log2(processors));
  if (subleaf === 0) return [0, 1, 0x100, apicId];
  return subleaf === 1 ? [shift, processors, 0x201, apicId] : [0, 0, subleaf, apicId];
}

/** ECX of leaf 5: that it enumerates extensions, and that interrupts end MWAIT even where they are masked. */
const MWAIT_EXTENSIONS = 1;
const MWAIT_BREAKS = 2;
/** EDX of leaf 5: four bits for each C state, the number of hints that lead to it. */
const ONE_C1_STATE = 1 << 4;

type LeafFunction = (facts: CpuidFacts, subleaf: number) => Leaf;

const brand =
  (part: number): LeafFunction =>
  ({ model }) => {
    const text = model.brand.padEnd(48, '\0');
    return [0, 4, 8, 12].map((at) => fourCharacters(text, part * 16 + at)) as unknown as Leaf;
  };

const BASIC: Readonly<Record<number, LeafFunction | undefined>> = {
  0: (facts) => [maxBasic(facts), fourCharacters(VENDOR, 0), fourCharacters(VENDOR, 8), fourCharacters(VENDOR, 4)],
  1: identification,
  5: ({ model }) => (model.has('monitor') ? [MONITOR_LINE, MONITOR_LINE, MWAIT_EXTENSIONS | MWAIT_BREAKS, ONE_C1_STATE] : NOTHING),
  7: (facts, subleaf) =>
    subleaf === 0 ? [0, features(facts, 7, 0, EBX), features(facts, 7, 0, ECX), features(facts, 7, 0, EDX)] : NOTHING,
  0xb: topology,
  0xd: xsave,
};

const EXTENDED: Readonly<Record<number, LeafFunction | undefined>> = {
  0x80000000: (facts) => [maxExtended(facts), 0, 0, 0],
  0x80000001: (facts) => [0, 0, features(facts, 0x80000001, 0, ECX), extendedEdx(facts)],
  0x80000002: brand(0),
  0x80000003: brand(1),
  0x80000004: brand(2),
  // An invariant time-stamp counter: it counts instructions, halted or not.
  0x80000007: () => [0, 0, 0, 1 << 8],
  0x80000008: () => [PHYSICAL_ADDRESS_BITS | (48 << 8), 0, 0, 0],
};

/** SYSCALL is shown in 64-bit mode alone. */
const SYSCALL = 1 << 11;
const extendedEdx = (facts: CpuidFacts): number => (features(facts, 0x80000001, 0, EDX) & (facts.state.long ? -1 : ~SYSCALL)) >>> 0;

const MAX_BASIC: Readonly<Record<string, number>> = { i486: 1, pentium: 1, i686: 2 };
const maxBasic = ({ model }: CpuidFacts): number => MAX_BASIC[model.name] ?? 0xd;
const maxExtended = ({ model }: CpuidFacts): number => (model.has('lm') ? 0x80000008 : model.brand ? 0x80000004 : 0);

/** @returns EAX, EBX, ECX, EDX; a leaf beyond the last gives the last basic one */
export function cpuid(facts: CpuidFacts, leaf: number, subleaf: number): Leaf {
  if (leaf >= 0x80000000 && leaf <= maxExtended(facts)) return EXTENDED[leaf]?.(facts, subleaf) ?? NOTHING;
  const last = maxBasic(facts);
  return BASIC[leaf <= last ? leaf : last]?.(facts, subleaf) ?? NOTHING;
}
