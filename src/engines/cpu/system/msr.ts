/** Model-specific registers (manual, "Model-Specific Registers (MSRs)"). */
import { MSR_SLOT_COUNT, MSR_SLOTS, SYS } from '../layout';
import { Cr0, type CpuState, Efer, isCanonical, join, Seg } from '../state';
import { capabilityMsrs, FIRST_CAPABILITY_MSR } from '../vmx/capabilities';
import { FeatureControl } from '../vmx/feature-control';
import { cr4Bits } from './control';
import type { Cpu } from './cpu';
import { type GuestFault, gp } from './fault';
import type { CpuModel } from './models';
import { PHYSICAL_ADDRESS_BITS } from './paging';

export type Halves = readonly [low: number, high: number];

interface Register {
  /** The feature that brings it; none for those of every processor with MSRs. */
  readonly feature?: string;
  read(cpu: Cpu): Halves;
  /** @throws GuestFault #GP(0) for values that it refuses; absent for read-only registers */
  write?(cpu: Cpu, low: number, high: number): void;
}

type Check = (cpu: Cpu, low: number, high: number) => string | undefined;

const canonical: Check = (_, low, high) => (isCanonical(join(low, high)) ? undefined : 'the address is not canonical');
const narrow: Check = (_, __, high) => (high === 0 ? undefined : 'bits 32 to 63 are reserved');
const MEMORY_TYPES = new Set([0, 1, 4, 5, 6]);
const bytesOf = (low: number, high: number): number[] =>
  [low, high].flatMap((half) => [0, 8, 16, 24].map((shift) => (half >>> shift) & 0xff));
const memoryTypes: Check = (_, low, high) =>
  bytesOf(low, high).every((type) => MEMORY_TYPES.has(type)) ? undefined : 'a reserved memory type';
const patTypes: Check = (_, low, high) =>
  bytesOf(low, high).every((type) => MEMORY_TYPES.has(type) || type === 7) ? undefined : 'a reserved memory type';
const PHYSICAL_HIGH = 2 ** (PHYSICAL_ADDRESS_BITS - 32) - 1;
const mtrrBase: Check = (_, low, high) =>
  low & 0xf00 || high & ~PHYSICAL_HIGH || !MEMORY_TYPES.has(low & 0xff) ? 'reserved bits or a reserved memory type' : undefined;
const mtrrMask: Check = (_, low, high) => (low & 0x7ff || high & ~PHYSICAL_HIGH ? 'reserved bits' : undefined);
const mtrrDefault: Check = (_, low, high) =>
  low & 0xfffff300 || high || !MEMORY_TYPES.has(low & 0xff) ? 'reserved bits or a reserved memory type' : undefined;

const refuse = (why: string): GuestFault => gp(0, `WRMSR: ${why}`);

/** A register that is 8 bytes of the state, at a getter's and setter's hands. */
function stored(get: (state: CpuState) => Halves, set: (state: CpuState, low: number, high: number) => void, check?: Check): Register {
  return {
    read: ({ state }) => get(state),
    write: (cpu, low, high) => {
      const flaw = check?.(cpu, low, high);
      if (flaw !== undefined) throw refuse(flaw);
      set(cpu.state, low, high);
    },
  };
}

const slot = (index: number, check?: Check, feature?: string): Register => ({
  feature,
  ...stored(
    (state) => [state.sys(index), state.sysHigh(index)],
    (state, low, high) => state.setSysHalves(index, low, high),
    check,
  ),
});

/** The n-th of the registers that nothing but RDMSR and WRMSR looks at. */
const kept = (n: number, check?: Check, feature?: string): Register => ({
  feature,
  ...stored(
    ({ host }) => [host.u32[(MSR_SLOTS >> 2) + n * 2], host.u32[(MSR_SLOTS >> 2) + n * 2 + 1]],
    ({ host }, low, high) => {
      host.u32[(MSR_SLOTS >> 2) + n * 2] = low;
      host.u32[(MSR_SLOTS >> 2) + n * 2 + 1] = high;
    },
    check,
  ),
});

const segmentBase = (segment: Seg): Register => ({
  feature: 'lm',
  ...stored(
    (state) => {
      const base = state.segBase(segment);
      return [base >>> 0, Math.floor(base / 2 ** 32) >>> 0];
    },
    (state, low, high) => state.setSegBaseHalves(segment, low, high),
    canonical,
  ),
});

const fixed = (low: number, high = 0, feature?: string): Register => ({ feature, read: () => [low, high] });
/** Written to no effect. */
const ignored = (low = 0, feature?: string): Register => ({ feature, read: () => [low, 0], write: () => undefined });

const timeStamp: Register = {
  feature: 'tsc',
  read: ({ shownTimeStamp }) => shownTimeStamp,
  write: (cpu, low, high) => cpu.setTimeStamp(high * 2 ** 32 + low),
};

/** Bits that IA32_EFER may have. */
export const eferBits = (model: CpuModel): number =>
  (model.has('syscall') ? Efer.sce : 0) | (model.has('lm') ? Efer.lme | Efer.lma : 0) | (model.has('nx') ? Efer.nxe : 0);

const efer: Register = {
  feature: 'nx',
  read: ({ state }) => [state.efer, 0],
  write: (cpu, low, high) => {
    const { state, model } = cpu;
    const allowed = eferBits(model);
    if (high || low & ~allowed) throw refuse('reserved bits of IA32_EFER');
    const old = state.efer;
    if ((old ^ low) & Efer.lme && state.cr0 & Cr0.pg) throw refuse('IA32_EFER.LME changes only while paging is off');
    state.setSys(SYS.efer, ((low & ~Efer.lma) | (old & Efer.lma)) >>> 0);
    if ((old ^ low) & Efer.nxe) cpu.mmu.flush();
  },
};

const featureControl: Register = {
  feature: 'vmx',
  read: ({ state }) => [state.sys(FeatureControl.slot), 0],
  write: ({ state }, low, high) => {
    if (state.sys(FeatureControl.slot) & FeatureControl.lock) throw refuse('IA32_FEATURE_CONTROL is locked');
    if (high || low & ~FeatureControl.enabled) throw refuse('reserved bits of IA32_FEATURE_CONTROL');
    state.setSys(FeatureControl.slot, low);
  },
};

/** What VMX can do. */
const capability = (n: number): Register => ({
  feature: 'vmx',
  read: ({ model }) => capabilityMsrs(cr4Bits(model))[n],
});

const MTRR_COUNT = 8;
const MTRR_FIXED = [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f];
/** Fixed ranges and write combining exist. */
const MTRR_CAPABILITIES = MTRR_COUNT | (1 << 8) | (1 << 10);
/** None of the faults of real processors' speculation: RDCL_NO, IBRS_ALL, SKIP_L1DFL, SSB_NO, MDS_NO, PSCHANGE_MC_NO, TAA_NO, … */
const ARCH_CAPABILITIES =
  0x1 | 0x2 | 0x8 | 0x10 | 0x20 | 0x40 | 0x100 | (1 << 13) | (1 << 14) | (1 << 15) | (1 << 24) | (1 << 26) | (1 << 27);

/** Place of IA32_DEBUGCTL among the kept registers. */
export const DEBUG_CONTROL = 29;

/** Order of the kept registers. */
const KEPT = {
  variable: 0,
  fixed: 2 * MTRR_COUNT,
  default: 2 * MTRR_COUNT + 11,
  signature: 28,
  debugControl: DEBUG_CONTROL,
  misc: MSR_SLOT_COUNT - 1,
} as const;

const REGISTERS: ReadonlyMap<number, Register> = new Map<number, Register>([
  [0x10, timeStamp],
  [0x17, fixed(0)],
  [0x3a, featureControl],
  [0x79, ignored()],
  [0x8b, kept(KEPT.signature)],
  // Where C states lead and what demotes them: what software that finds MWAIT on such a processor looks for.
  [0xe2, ignored(0, 'monitor')],
  [0x1fc, ignored(0, 'monitor')],
  [0xfe, fixed(MTRR_CAPABILITIES, 0, 'mtrr')],
  [0x10a, fixed(ARCH_CAPABILITIES, 0, 'arch-capabilities')],
  [0x174, slot(SYS.sysenterCs, undefined, 'sep')],
  [0x175, slot(SYS.sysenterEsp, canonical, 'sep')],
  [0x176, slot(SYS.sysenterEip, canonical, 'sep')],
  [0x179, fixed(0, 0, 'mca')],
  [0x17a, ignored()],
  [0x1a0, kept(KEPT.misc)],
  [0x1d9, kept(KEPT.debugControl)],
  ...Array.from({ length: MTRR_COUNT * 2 }, (_, i): [number, Register] => [
    0x200 + i,
    kept(KEPT.variable + i, i % 2 ? mtrrMask : mtrrBase, 'mtrr'),
  ]),
  ...MTRR_FIXED.map((index, i): [number, Register] => [index, kept(KEPT.fixed + i, memoryTypes, 'mtrr')]),
  [0x277, slot(SYS.pat, patTypes, 'pat')],
  [0x2ff, kept(KEPT.default, mtrrDefault, 'mtrr')],
  ...capabilityMsrs(0).map((_, n): [number, Register] => [FIRST_CAPABILITY_MSR + n, capability(n)]),
  [0xda0, slot(SYS.xss, (_, low, high) => (low || high ? 'no supervisor state component exists' : undefined), 'xsaves')],
  [0xc0000080, efer],
  [0xc0000081, slot(SYS.star, undefined, 'syscall')],
  [0xc0000082, slot(SYS.lstar, canonical, 'syscall')],
  [0xc0000083, slot(SYS.cstar, canonical, 'syscall')],
  [0xc0000084, slot(SYS.sfmask, narrow, 'syscall')],
  [0xc0000100, segmentBase(Seg.fs)],
  [0xc0000101, segmentBase(Seg.gs)],
  [0xc0000102, slot(SYS.kernelGsBase, canonical, 'lm')],
  [0xc0000103, slot(SYS.tscAux, narrow, 'rdtscp')],
]);

const unknown = (index: number): GuestFault => gp(0, `MSR 0x${index.toString(16)} does not exist on this processor`);

function find(cpu: Cpu, index: number): Register | undefined {
  const register = REGISTERS.get(index);
  return register && (register.feature === undefined || cpu.model.has(register.feature)) ? register : undefined;
}

/** @returns low and high 32 bits @throws GuestFault #GP(0) for a register that does not exist */
export function readMsr(cpu: Cpu, index: number): Halves {
  const value = find(cpu, index)?.read(cpu);
  if (value) return value;
  const local = cpu.localApic?.readMsr(index);
  if (local === undefined) throw unknown(index);
  return [local.low, local.high];
}

/** @throws GuestFault #GP(0) for a register that does not exist or refuses the value */
export function writeMsr(cpu: Cpu, index: number, low: number, high: number): void {
  const register = find(cpu, index);
  if (register) {
    if (!register.write) throw refuse(`MSR 0x${index.toString(16)} is read-only`);
    register.write(cpu, low, high);
  } else if (!cpu.localApic?.writeMsr(index, low, high)) {
    throw refuse(`MSR 0x${index.toString(16)} does not exist, or refuses the value`);
  }
}
