/** Registers taken apart for people: bit fields with names and meanings (manual, Volume 3; x87 and SSE: Volume 1). */
import type { RegisterField } from '../../engine';

interface FieldSpec {
  readonly name: string;
  readonly low: number;
  readonly high?: number;
  /** Of any value, or of each. */
  readonly meaning?: string | readonly string[];
}

export function split(value: bigint, specs: readonly FieldSpec[]): RegisterField[] {
  return specs.map(({ name, low, high = low, meaning }) => {
    const part = (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
    return { name, value: part, low, high, meaning: typeof meaning === 'object' ? meaning[Number(part)] : meaning };
  });
}

const bit = (name: string, low: number, meaning: string): FieldSpec => ({ name, low, meaning });

const EFLAGS: readonly FieldSpec[] = [
  bit('CF', 0, 'carry'),
  bit('PF', 2, 'even parity of the low byte'),
  bit('AF', 4, 'adjust: carry out of bit 3'),
  bit('ZF', 6, 'zero'),
  bit('SF', 7, 'sign'),
  bit('TF', 8, 'trap: single step'),
  bit('IF', 9, 'interrupts enabled'),
  bit('DF', 10, 'direction: strings go down'),
  bit('OF', 11, 'overflow'),
  { name: 'IOPL', low: 12, high: 13, meaning: 'least privileged ring that may use ports, CLI and STI' },
  bit('NT', 14, 'nested task'),
  bit('RF', 16, 'resume: no instruction breakpoint on the next instruction'),
  bit('VM', 17, 'virtual-8086 mode'),
  bit('AC', 18, 'alignment check'),
  bit('VIF', 19, 'virtual interrupt flag'),
  bit('VIP', 20, 'virtual interrupt pending'),
  bit('ID', 21, 'CPUID exists if this can be changed'),
];

const CR0: readonly FieldSpec[] = [
  bit('PE', 0, 'protected mode'),
  bit('MP', 1, 'WAIT obeys TS'),
  bit('EM', 2, 'no x87: its instructions raise #NM'),
  bit('TS', 3, 'task switched: x87 instructions raise #NM'),
  bit('ET', 4, '387 or later'),
  bit('NE', 5, 'x87 errors raise #MF'),
  bit('WP', 16, 'ring 0 obeys read-only pages'),
  bit('AM', 18, 'EFLAGS.AC is obeyed in ring 3'),
  bit('NW', 29, 'not write-through'),
  bit('CD', 30, 'cache disabled'),
  bit('PG', 31, 'paging'),
];

const CR3: readonly FieldSpec[] = [
  bit('PWT', 3, 'page directory write-through'),
  bit('PCD', 4, 'page directory not cached'),
  { name: 'directory', low: 12, high: 31, meaning: 'frame number of the page directory' },
];

const CR3_LONG: readonly FieldSpec[] = [
  bit('PWT', 3, 'PML4 write-through, without PCIDs'),
  bit('PCD', 4, 'PML4 not cached, without PCIDs'),
  { name: 'PCID', low: 0, high: 11, meaning: 'process-context identifier, with CR4.PCIDE' },
  { name: 'PML4', low: 12, high: 51, meaning: 'frame number of the PML4 table' },
];

const CR4: readonly FieldSpec[] = [
  bit('VME', 0, 'virtual-8086 extensions'),
  bit('PVI', 1, 'protected-mode virtual interrupts'),
  bit('TSD', 2, 'RDTSC for ring 0 only'),
  bit('DE', 3, 'debugging extensions'),
  bit('PSE', 4, '4 MiB pages'),
  bit('PAE', 5, 'physical address extension'),
  bit('MCE', 6, 'machine checks'),
  bit('PGE', 7, 'global pages'),
  bit('PCE', 8, 'RDPMC for all rings'),
  bit('OSFXSR', 9, 'FXSAVE and SSE are in use'),
  bit('OSXMMEXCPT', 10, 'SSE errors raise #XM'),
  bit('UMIP', 11, 'SGDT, SIDT, SLDT, SMSW, STR for ring 0 only'),
  bit('LA57', 12, '5-level paging'),
  bit('VMXE', 13, 'VMX'),
  bit('FSGSBASE', 16, 'RDFSBASE and its kin'),
  bit('PCIDE', 17, 'process-context identifiers'),
  bit('OSXSAVE', 18, 'XSAVE and XCR0'),
  bit('SMEP', 20, 'ring 0 runs no code of user pages'),
  bit('SMAP', 21, 'ring 0 touches user pages only with AC set'),
];

const CR8: readonly FieldSpec[] = [{ name: 'TPL', low: 0, high: 3, meaning: 'interrupts of this class and below wait' }];

const XCR0: readonly FieldSpec[] = [
  bit('x87', 0, 'x87 and MMX state'),
  bit('SSE', 1, 'XMM registers and MXCSR'),
  bit('AVX', 2, 'upper halves of YMM registers'),
];

const EFER: readonly FieldSpec[] = [
  bit('SCE', 0, 'SYSCALL and SYSRET'),
  bit('LME', 8, 'IA-32e mode with paging'),
  bit('LMA', 10, 'IA-32e mode is active'),
  bit('NXE', 11, 'pages can be execute-disabled'),
];

const DR6: readonly FieldSpec[] = [
  bit('B0', 0, 'breakpoint 0 was met'),
  bit('B1', 1, 'breakpoint 1 was met'),
  bit('B2', 2, 'breakpoint 2 was met'),
  bit('B3', 3, 'breakpoint 3 was met'),
  bit('BD', 13, 'an access to debug registers under GD'),
  bit('BS', 14, 'single step'),
  bit('BT', 15, 'task switch with T set'),
];

const DR7: readonly FieldSpec[] = [
  ...[0, 1, 2, 3].flatMap((n) => [
    bit(`L${n}`, n * 2, `breakpoint ${n} enabled for this task`),
    bit(`G${n}`, n * 2 + 1, `breakpoint ${n} enabled`),
  ]),
  bit('GD', 13, 'accesses to debug registers raise #DB'),
  ...[0, 1, 2, 3].flatMap((n): FieldSpec[] => [
    { name: `R/W${n}`, low: 16 + n * 4, high: 17 + n * 4, meaning: '0 execution, 1 write, 2 port, 3 read or write' },
    { name: `LEN${n}`, low: 18 + n * 4, high: 19 + n * 4, meaning: '0 one byte, 1 two, 2 eight, 3 four' },
  ]),
];

const STAR: readonly FieldSpec[] = [
  { name: 'SYSCALL_CS', low: 32, high: 47, meaning: 'CS of SYSCALL; SS is the next descriptor' },
  { name: 'SYSRET_CS', low: 48, high: 63, meaning: 'base of the selectors of SYSRET' },
];

const APIC_BASE: readonly FieldSpec[] = [
  bit('BSP', 8, 'the bootstrap processor'),
  bit('EXTD', 10, 'x2APIC mode'),
  bit('EN', 11, 'the local APIC is enabled'),
  { name: 'frame', low: 12, high: 51, meaning: 'frame number of its registers' },
];

const PAT_TYPES = [
  'uncacheable (UC)',
  'write combining (WC)',
  'reserved',
  'reserved',
  'write through (WT)',
  'write protected (WP)',
  'write back (WB)',
  'uncached (UC-)',
];
const PAT: readonly FieldSpec[] = Array.from({ length: 8 }, (_, n) => ({
  name: `PA${n}`,
  low: n * 8,
  high: n * 8 + 2,
  meaning: PAT_TYPES,
}));

const DEBUG_CONTROL: readonly FieldSpec[] = [bit('LBR', 0, 'last branches are recorded'), bit('BTF', 1, 'TF traps branches alone')];

const EXCEPTIONS = ['IE', 'DE', 'ZE', 'OE', 'UE', 'PE'] as const;
const EXCEPTION_NAMES = ['invalid operation', 'denormal operand', 'zero divide', 'overflow', 'underflow', 'precision'] as const;
const raised = EXCEPTIONS.map((name, i) => bit(name, i, EXCEPTION_NAMES[i]));
const masks = (low: number): FieldSpec[] => EXCEPTIONS.map((name, i) => bit(`${name[0]}M`, low + i, `${EXCEPTION_NAMES[i]} is masked`));
const ROUNDING = ['to nearest, ties to even', 'down', 'up', 'toward zero'];

const FCW: readonly FieldSpec[] = [
  ...masks(0),
  { name: 'PC', low: 8, high: 9, meaning: ['single precision', 'reserved', 'double precision', 'extended precision'] },
  { name: 'RC', low: 10, high: 11, meaning: ROUNDING },
  bit('X', 12, 'infinity control, without effect'),
];

const FSW: readonly FieldSpec[] = [
  ...raised,
  bit('SF', 6, 'stack fault: C1 tells overflow from underflow'),
  bit('ES', 7, 'an exception that is not masked waits'),
  bit('C0', 8, 'condition code'),
  bit('C1', 9, 'condition code'),
  bit('C2', 10, 'condition code'),
  { name: 'TOP', low: 11, high: 13, meaning: 'physical register of ST0' },
  bit('C3', 14, 'condition code'),
  bit('B', 15, 'busy: as ES'),
];

const TAGS = ['valid', 'zero', 'special', 'empty'];
const FTW: readonly FieldSpec[] = Array.from({ length: 8 }, (_, n) => ({ name: `R${n}`, low: n * 2, high: n * 2 + 1, meaning: TAGS }));

const MXCSR: readonly FieldSpec[] = [
  ...raised,
  bit('DAZ', 6, 'denormals are zeros'),
  ...masks(7),
  { name: 'RC', low: 13, high: 14, meaning: ROUNDING },
  bit('FTZ', 15, 'flush to zero'),
];

const SPECS: Readonly<Record<string, readonly FieldSpec[] | undefined>> = {
  eflags: EFLAGS,
  rflags: EFLAGS,
  cr0: CR0,
  cr3: CR3,
  cr4: CR4,
  cr8: CR8,
  xcr0: XCR0,
  efer: EFER,
  dr6: DR6,
  dr7: DR7,
  ia32_star: STAR,
  ia32_apic_base: APIC_BASE,
  ia32_pat: PAT,
  ia32_debugctl: DEBUG_CONTROL,
  fcw: FCW,
  fsw: FSW,
  ftw: FTW,
  mxcsr: MXCSR,
};

/** The named bits of a register; none for one that is a plain number. @param long in IA-32e mode */
export function registerFields(name: string, value: bigint, long = false): readonly RegisterField[] {
  const specs = name === 'cr3' && long ? CR3_LONG : SPECS[name];
  return specs ? split(value, specs) : [];
}

/** Bits of an element, by what a vector is cut into. */
const LANES: readonly (readonly [lane: string, bits: number, float?: 'f32' | 'f64'])[] = [
  ['u8', 8],
  ['u16', 16],
  ['u32', 32],
  ['u64', 64],
  ['f32', 32, 'f32'],
  ['f64', 64, 'f64'],
];

/** The elements of a vector register, cut in each way. @param bits of the register: 64 for MMX, which has no numbers with a fraction */
export function laneFields(value: bigint, bits: number): RegisterField[] {
  return LANES.filter(([, , float]) => bits > 64 || !float).flatMap(([lane, width, float]) =>
    Array.from({ length: bits / width }, (_, i): RegisterField => {
      const low = i * width;
      const part = BigInt.asUintN(width, value >> BigInt(low));
      return { name: `${lane}.${i}`, value: part, low, high: low + width - 1, lane, float };
    }),
  );
}
