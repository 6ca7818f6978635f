/** The processor's registers as a table: name, width, how each is read and changed. */
import type { FloatNotation, RegisterField, RegisterGroup } from '../../engine';
import { SYS } from '../layout';
import type { Processor } from '../processor';
import { Reg, Seg } from '../state';
import { writeCr0, writeCr3, writeCr4 } from '../system/control';
import { readMsr, writeMsr } from '../system/msr';
import { loadLdtr, loadSegment } from '../system/segments';
import { registerFields } from './fields';
import { segmentFields } from './segments';
import { FLOAT_REGISTERS } from './vector-registers';

export interface RegisterSpec {
  readonly name: string;
  readonly group: RegisterGroup;
  /** Width in bits. */
  readonly bits: number;
  /** Unsigned. */
  readonly read: (cpu: Processor) => bigint;
  /** Absent where a debugger cannot change it. @throws GuestFault as the instruction would, or Error with one line */
  readonly write?: (cpu: Processor, value: bigint) => void;
  readonly fields?: (cpu: Processor, value: bigint) => readonly RegisterField[];
  /** Whether this processor has it. */
  readonly exists?: (cpu: Processor) => boolean;
  readonly float?: FloatNotation;
  readonly meaning?: (cpu: Processor) => string;
}

const LOW = 0xffffffffn;
export const join64 = (low: number, high: number): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0);
const lowOf = (value: bigint): number => Number(value & LOW);
const highOf = (value: bigint): number => Number((value >> 32n) & LOW);
const has =
  (feature: string) =>
  ({ model }: Processor): boolean =>
    model.has(feature);

const GENERAL = ['ax', 'cx', 'dx', 'bx', 'sp', 'bp', 'si', 'di'] as const;
/** In the order in which people look for them. */
const GENERAL_SHOWN = ['ax', 'bx', 'cx', 'dx', 'si', 'di', 'bp', 'sp'] as const;
const EXTENDED = [8, 9, 10, 11, 12, 13, 14, 15];

function wide(name: string, number: number): RegisterSpec {
  return {
    name,
    group: 'general',
    bits: 64,
    read: ({ state }) => join64(state.reg32(number), state.regHigh(number)),
    write: ({ state }, value) => state.setRegHalves(number, lowOf(value), highOf(value)),
  };
}

function narrow(name: string, number: number): RegisterSpec {
  return {
    name,
    group: 'general',
    bits: 32,
    read: ({ state }) => BigInt(state.reg32(number)),
    write: ({ state }, value) => state.setReg32(number, Number(value)),
  };
}

const numberOf = (name: (typeof GENERAL)[number]): number => Reg[`e${name}`];

const GENERAL_32: readonly RegisterSpec[] = [
  ...GENERAL_SHOWN.map((name) => narrow(`e${name}`, numberOf(name))),
  {
    name: 'eip',
    group: 'general',
    bits: 32,
    read: ({ state }) => BigInt(state.ip >>> 0),
    write: ({ state }, value) => {
      state.ip = Number(value);
    },
  },
];

const GENERAL_64: readonly RegisterSpec[] = [
  ...GENERAL_SHOWN.map((name) => wide(`r${name}`, numberOf(name))),
  ...EXTENDED.map((number) => wide(`r${number}`, number)),
  {
    name: 'rip',
    group: 'general',
    bits: 64,
    read: ({ state }) => BigInt.asUintN(64, BigInt(state.ip)),
    write: ({ state }, value) => {
      const address = BigInt.asIntN(64, value);
      if (state.long ? address !== BigInt.asIntN(48, value) : value > LOW) {
        throw new Error(`0x${value.toString(16)} is no ${state.long ? 'canonical address' : 'offset of 32 bits'}`);
      }
      state.ip = Number(address);
    },
  },
];

const flags = (name: string, bits: number): RegisterSpec => ({
  name,
  group: 'flags',
  bits,
  read: ({ state }) => BigInt(state.eflags),
  write: ({ state }, value) => {
    if (value > LOW) throw new Error(`bits 32 to 63 of ${name} are reserved`);
    state.eflags = Number(value);
  },
  fields: (_, value) => registerFields(name, value),
});

export const SEGMENTS: Readonly<Record<string, Seg>> = {
  cs: Seg.cs,
  ss: Seg.ss,
  ds: Seg.ds,
  es: Seg.es,
  fs: Seg.fs,
  gs: Seg.gs,
  ldtr: Seg.ldtr,
  tr: Seg.tr,
};

function segment(name: string): RegisterSpec {
  const number = SEGMENTS[name];
  const system = number === Seg.ldtr || number === Seg.tr;
  return {
    name,
    group: system ? 'system' : 'segments',
    bits: 16,
    read: ({ state }) => BigInt(state.selector(number)),
    write: name === 'tr' ? undefined : (cpu, value) => loadSelector(cpu, number, Number(value)),
    fields: ({ state }) => segmentFields(state.segment(number), state.protectedMode && !state.virtual8086, state.longMode),
  };
}

function loadSelector(cpu: Processor, number: Seg, selector: number): void {
  const { state } = cpu;
  if (number === Seg.ldtr) loadLdtr(cpu, selector);
  else if (number !== Seg.cs) loadSegment(cpu, number, selector);
  else if (!state.protectedMode || state.virtual8086) state.setRealSegment(Seg.cs, selector);
  else throw new Error('cs cannot be changed here');
}

/** A register of the state whose halves software may write. */
function stored(name: string, group: RegisterGroup, bits: number, slot: number): RegisterSpec {
  return {
    name,
    group,
    bits,
    read: ({ state }) => (bits === 64 ? join64(state.sys(slot), state.sysHigh(slot)) : BigInt(state.sys(slot))),
    write: (cpu, value) => {
      cpu.state.setSysHalves(slot, lowOf(value), highOf(value));
      if (group === 'debug') cpu.debugRegistersChanged();
    },
    fields: ({ state }, value) => registerFields(name, value, state.longMode),
  };
}

const only32 = (name: string, value: bigint): number => {
  if (value > LOW) throw new Error(`bits 32 to 63 of ${name} are reserved`);
  return Number(value);
};

const control = (bits: number): readonly RegisterSpec[] => [
  { ...stored('cr0', 'control', bits, SYS.cr0), write: (cpu, value) => writeCr0(cpu, only32('cr0', value)) },
  stored('cr2', 'control', bits, SYS.cr2),
  { ...stored('cr3', 'control', bits, SYS.cr3), write: (cpu, value) => writeCr3(cpu, lowOf(value), highOf(value)) },
  { ...stored('cr4', 'control', bits, SYS.cr4), write: (cpu, value) => writeCr4(cpu, only32('cr4', value)) },
];

const CR8: RegisterSpec = {
  name: 'cr8',
  group: 'control',
  bits: 64,
  exists: ({ localApic }) => localApic !== undefined,
  read: ({ localApic }) => BigInt(localApic?.taskPriorityClass ?? 0),
  write: ({ localApic }, value) => {
    if (value > 15n) throw new Error('bits 4 to 63 of cr8 are reserved');
    if (localApic) localApic.taskPriorityClass = Number(value);
  },
  fields: (_, value) => registerFields('cr8', value),
};

const XCR0_COMPONENTS = 3n;
const XCR0: RegisterSpec = {
  ...stored('xcr0', 'control', 64, SYS.xcr0),
  exists: has('xsave'),
  write: ({ state }, value) => {
    if (!(value & 1n) || value & ~XCR0_COMPONENTS) throw new Error('xcr0 must have x87 (bit 0) and may have SSE (bit 1)');
    state.setSysHalves(SYS.xcr0, Number(value), 0);
  },
};

const debug = (bits: number): readonly RegisterSpec[] => [
  ...([0, 1, 2, 3] as const).map((n) => stored(`dr${n}`, 'debug', bits, SYS[`dr${n}`])),
  ...([6, 7] as const).map((n): RegisterSpec => {
    const plain = stored(`dr${n}`, 'debug', bits, SYS[`dr${n}`]);
    return { ...plain, write: (cpu, value) => plain.write?.(cpu, BigInt(only32(`dr${n}`, value))) };
  }),
];

function table(name: string, bits: number, base: number, limit: number): RegisterSpec {
  const read: RegisterSpec['read'] = ({ state }) => (bits === 64 ? join64(state.sys(base), state.sysHigh(base)) : BigInt(state.sys(base)));
  return {
    name,
    group: 'system',
    bits,
    read,
    fields: ({ state }, value) => [
      { name: 'base', value, bits },
      { name: 'limit', value: BigInt(state.sys(limit)), meaning: 'in bytes' },
    ],
  };
}

const system = (bits: number): readonly RegisterSpec[] => [
  segment('ldtr'),
  segment('tr'),
  table('gdtr', bits, SYS.gdtrBase, SYS.gdtrLimit),
  table('idtr', bits, SYS.idtrBase, SYS.idtrLimit),
  { name: 'cpl', group: 'system', bits: 2, read: ({ state }) => BigInt(state.cpl) },
  {
    name: 'tsc',
    group: 'system',
    bits: 64,
    read: ({ timeStamp }) => BigInt(timeStamp),
    write: (cpu, value) => {
      if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new Error('the time-stamp counter is kept below 2^53');
      cpu.setTimeStamp(Number(value));
    },
  },
];

/** In the manual's names (Volume 4), lower case. */
const MSRS: readonly (readonly [name: string, index: number])[] = [
  ['ia32_apic_base', 0x1b],
  ['ia32_sysenter_cs', 0x174],
  ['ia32_sysenter_esp', 0x175],
  ['ia32_sysenter_eip', 0x176],
  ['ia32_misc_enable', 0x1a0],
  ['ia32_debugctl', 0x1d9],
  ['ia32_pat', 0x277],
  ['ia32_mtrr_def_type', 0x2ff],
  ['ia32_tsc_deadline', 0x6e0],
  ['ia32_star', 0xc0000081],
  ['ia32_lstar', 0xc0000082],
  ['ia32_cstar', 0xc0000083],
  ['ia32_fmask', 0xc0000084],
  ['ia32_fs_base', 0xc0000100],
  ['ia32_gs_base', 0xc0000101],
  ['ia32_kernel_gs_base', 0xc0000102],
  ['ia32_tsc_aux', 0xc0000103],
];

function msr(name: string, index: number, group: RegisterGroup = 'msr'): RegisterSpec {
  return {
    name,
    group,
    bits: 64,
    exists: (cpu) => {
      if (!cpu.model.has('msr')) return false;
      try {
        readMsr(cpu, index);
        return true;
      } catch {
        return false;
      }
    },
    read: (cpu) => join64(...(readMsr(cpu, index) as [number, number])),
    write: (cpu, value) => writeMsr(cpu, index, lowOf(value), highOf(value)),
    fields: (_, value) => registerFields(name, value),
  };
}

const EFER = msr('efer', 0xc0000080, 'control');
const MSR_SPECS = MSRS.map(([name, index]) => msr(name, index));
const SEGMENT_SPECS = ['cs', 'ss', 'ds', 'es', 'fs', 'gs'].map(segment);

const NARROW: readonly RegisterSpec[] = [
  ...GENERAL_32,
  flags('eflags', 32),
  ...SEGMENT_SPECS,
  ...control(32),
  XCR0,
  EFER,
  ...debug(32),
  ...system(32),
  ...MSR_SPECS,
  ...FLOAT_REGISTERS.filter(({ name }) => !/^xmm(8|9|1\d)$/.test(name)),
];

const WIDE: readonly RegisterSpec[] = [
  ...GENERAL_64,
  flags('rflags', 64),
  ...SEGMENT_SPECS,
  ...control(64),
  CR8,
  XCR0,
  EFER,
  ...debug(64),
  ...system(64),
  ...MSR_SPECS,
  ...FLOAT_REGISTERS,
];

const byName = (specs: readonly RegisterSpec[]): ReadonlyMap<string, RegisterSpec> => new Map(specs.map((spec) => [spec.name, spec]));
const NARROW_BY_NAME = byName(NARROW);
const WIDE_BY_NAME = byName(WIDE);

/** Those of the present mode, in the order in which they are shown. */
export const specsOf = (cpu: Processor): readonly RegisterSpec[] => (cpu.state.longMode ? WIDE : NARROW);

/** Other names that debuggers use. */
const ALIASES: Readonly<Record<string, string>> = { fs_base: 'ia32_fs_base', gs_base: 'ia32_gs_base', k_gs_base: 'ia32_kernel_gs_base' };

export function specNamed(cpu: Processor, name: string): RegisterSpec | undefined {
  const spec = (cpu.state.longMode ? WIDE_BY_NAME : NARROW_BY_NAME).get(Object.hasOwn(ALIASES, name) ? ALIASES[name] : name);
  return spec && (spec.exists?.(cpu) ?? true) ? spec : undefined;
}

/** A part of a general register: `eax` to `bh`, `r8d` to `r15b`. */
export interface RegisterPart {
  readonly register: number;
  /** Bytes. */
  readonly size: 1 | 2 | 4;
  readonly high: boolean;
  /** Exists in IA-32e mode alone. */
  readonly long: boolean;
}

const part = (register: number, size: 1 | 2 | 4, high = false, long = false): RegisterPart => ({ register, size, high, long });

const PARTS: ReadonlyMap<string, RegisterPart> = new Map([
  ...GENERAL.flatMap((name): [string, RegisterPart][] => {
    const register = numberOf(name);
    const parts: [string, RegisterPart][] = [
      [`e${name}`, part(register, 4)],
      [name, part(register, 2)],
    ];
    if (register < 4) parts.push([`${name[0]}l`, part(register, 1)], [`${name[0]}h`, part(register, 1, true)]);
    else parts.push([`${name}l`, part(register, 1, false, true)]);
    return parts;
  }),
  ...EXTENDED.flatMap((register): [string, RegisterPart][] => [
    [`r${register}d`, part(register, 4, false, true)],
    [`r${register}w`, part(register, 2, false, true)],
    [`r${register}b`, part(register, 1, false, true)],
  ]),
]);

export function partNamed({ state }: Processor, name: string): RegisterPart | undefined {
  const found = PARTS.get(name);
  return found && (!found.long || state.longMode) ? found : undefined;
}
