/**
 * Exit qualification and VM-exit instruction information taken apart, by basic exit reason (manual, "Exit Qualification for …" and
 * "Information for VM Exits Due to Instruction Execution"): for the VMCS panel and the trap log.
 */
import type { RegisterField } from '../../engine';
import { ExitReason } from '../vmx/exit-reasons';

interface Part {
  readonly name: string;
  readonly low: number;
  readonly high?: number;
  /** Of any value, of each, or worked out. */
  readonly meaning?: string | readonly (string | undefined)[] | ((part: bigint, whole: bigint) => string | undefined);
}

/** @param specs parts in the order in which they are shown */
export function takeApart(value: bigint, specs: readonly Part[]): RegisterField[] {
  return specs.map(({ name, low, high = low, meaning }) => {
    const part = (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
    const said = typeof meaning === 'function' ? meaning(part, value) : typeof meaning === 'object' ? meaning[Number(part)] : meaning;
    return { name, value: part, low, high, ...(said !== undefined && { meaning: said }) };
  });
}

const bit = (name: string, low: number, set: string, clear?: string): Part => ({ name, low, meaning: [clear, set] });
export const REGISTER_NAMES = [
  'RAX',
  'RCX',
  'RDX',
  'RBX',
  'RSP',
  'RBP',
  'RSI',
  'RDI',
  'R8',
  'R9',
  'R10',
  'R11',
  'R12',
  'R13',
  'R14',
  'R15',
] as const;
const SEGMENTS = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'];

const LINEAR: readonly Part[] = [{ name: 'linear address', low: 0, high: 63 }];
const DISPLACEMENT: readonly Part[] = [
  { name: 'displacement', low: 0, high: 63, meaning: (part) => (part ? BigInt.asIntN(64, part).toString() : undefined) },
];

const DEBUG_EXCEPTION: readonly Part[] = [
  ...[0, 1, 2, 3].map((n) => bit(`B${n}`, n, `the condition of breakpoint ${n} was met`)),
  bit('BD', 13, 'an access to a debug register under DR7.GD'),
  bit('BS', 14, 'single step, or a taken branch with BTF'),
];

const CONTROL_REGISTER: readonly Part[] = [
  { name: 'register', low: 0, high: 3, meaning: (part) => `CR${part}` },
  { name: 'access type', low: 4, high: 5, meaning: ['MOV to CR', 'MOV from CR', 'CLTS', 'LMSW'] },
  { name: 'LMSW operand', low: 6, meaning: ['register', 'memory'] },
  {
    name: 'general-purpose register',
    low: 8,
    high: 11,
    meaning: (part, whole) => (((whole >> 4n) & 3n) < 2n ? REGISTER_NAMES[Number(part)] : undefined),
  },
  { name: 'LMSW source data', low: 16, high: 31 },
];

const IO: readonly Part[] = [
  { name: 'size', low: 0, high: 2, meaning: ['1 byte', '2 bytes', undefined, '4 bytes'] },
  { name: 'direction', low: 3, meaning: ['OUT', 'IN'] },
  { name: 'string', low: 4, meaning: ['not a string instruction', 'INS or OUTS'] },
  { name: 'REP', low: 5, meaning: ['not repeated', 'with a REP prefix'] },
  { name: 'operand encoding', low: 6, meaning: ['port in DX', 'immediate'] },
  { name: 'port', low: 16, high: 31 },
];

const EPT_VIOLATION: readonly Part[] = [
  bit('data read', 0, 'the access was a data read'),
  bit('data write', 1, 'the access was a data write'),
  bit('instruction fetch', 2, 'the access was an instruction fetch'),
  bit('readable', 3, 'EPT allows reads', 'EPT does not allow reads'),
  bit('writable', 4, 'EPT allows writes', 'EPT does not allow writes'),
  bit('executable', 5, 'EPT allows fetches', 'EPT does not allow fetches'),
  bit('linear address valid', 7, 'the guest-linear address field is valid', 'the guest-linear address field is not valid'),
  {
    name: 'final translation',
    low: 8,
    meaning: (part, whole) =>
      (whole >> 7n) & 1n
        ? part
          ? 'the access to the page that the linear address leads to'
          : 'an access to a paging-structure entry on the way'
        : undefined,
  },
  bit('NMI unblocking', 12, 'an IRET had let NMIs in again'),
];

const TASK_SWITCH: readonly Part[] = [
  { name: 'TSS selector', low: 0, high: 15 },
  { name: 'source', low: 30, high: 31, meaning: ['CALL', 'IRET', 'JMP', 'task gate in the IDT'] },
];

const APIC_ACCESS_TYPES: Readonly<Record<number, string>> = {
  0: 'linear access: data read',
  1: 'linear access: data write',
  2: 'linear access: instruction fetch',
  3: 'linear access during event delivery',
  10: 'guest-physical access during event delivery',
  15: 'guest-physical access for an instruction',
};

const QUALIFICATIONS: Readonly<Record<number, readonly Part[] | undefined>> = {
  [ExitReason.startupIpi]: [{ name: 'SIPI vector', low: 0, high: 7 }],
  [ExitReason.taskSwitch]: TASK_SWITCH,
  [ExitReason.invlpg]: LINEAR,
  [ExitReason.controlRegister]: CONTROL_REGISTER,
  [ExitReason.movDr]: [
    { name: 'register', low: 0, high: 2, meaning: (part) => `DR${part}` },
    { name: 'direction', low: 4, meaning: ['MOV to DR', 'MOV from DR'] },
    { name: 'general-purpose register', low: 8, high: 11, meaning: REGISTER_NAMES },
  ],
  [ExitReason.io]: IO,
  [ExitReason.invalidGuestState]: [
    { name: 'what', low: 0, high: 31, meaning: [undefined, undefined, 'loading of PDPTEs', 'injection of an NMI', 'VMCS link pointer'] },
  ],
  [ExitReason.msrLoading]: [
    { name: 'entry', low: 0, high: 31, meaning: (part) => `entry ${part} of the list, counted from 1, was refused` },
  ],
  [ExitReason.mwait]: [
    { name: 'monitor armed', low: 0, meaning: ['address-range monitoring was not armed', 'address-range monitoring was armed'] },
  ],
  [ExitReason.apicAccess]: [
    { name: 'offset', low: 0, high: 11, meaning: 'in the APIC-access page' },
    { name: 'access type', low: 12, high: 15, meaning: (part) => APIC_ACCESS_TYPES[Number(part)] },
  ],
  [ExitReason.virtualizedEoi]: [{ name: 'vector', low: 0, high: 7 }],
  [ExitReason.apicWrite]: [{ name: 'offset', low: 0, high: 11, meaning: 'in the virtual-APIC page' }],
  [ExitReason.eptViolation]: EPT_VIOLATION,
  [ExitReason.pmlFull]: [bit('NMI unblocking', 12, 'an IRET had let NMIs in again')],
  ...Object.fromEntries(
    (
      [
        'vmclear',
        'vmptrld',
        'vmptrst',
        'vmread',
        'vmwrite',
        'vmxon',
        'gdtrIdtr',
        'ldtrTr',
        'invept',
        'invvpid',
        'invpcid',
        'xsaves',
        'xrstors',
      ] as const
    ).map((key) => [ExitReason[key], DISPLACEMENT]),
  ),
};

const PAGE_FAULT = 14n;
const DEBUG = 1n;
/** Types of interruption information that are exceptions. */
const EXCEPTION_TYPES: readonly bigint[] = [3n, 5n, 6n];

/** @param reason basic exit reason @param interruption VM-exit interruption information, which says what exception it was */
export function qualificationParts(reason: number, value: bigint, interruption = 0n): RegisterField[] {
  if (reason !== ExitReason.exceptionOrNmi) return takeApart(value, QUALIFICATIONS[reason] ?? []);
  if (!EXCEPTION_TYPES.includes((interruption >> 8n) & 7n)) return [];
  const vector = interruption & 0xffn;
  return takeApart(value, vector === DEBUG ? DEBUG_EXCEPTION : vector === PAGE_FAULT ? LINEAR : []);
}

// --- instruction information

const ADDRESS_SIZE: Part = { name: 'address size', low: 7, high: 9, meaning: ['16 bits', '32 bits', '64 bits'] };
const segmentOf: Part = { name: 'segment', low: 15, high: 17, meaning: SEGMENTS };
const MEMORY: readonly Part[] = [
  { name: 'scaling', low: 0, high: 1, meaning: ['none', '2', '4', '8'] },
  ADDRESS_SIZE,
  segmentOf,
  { name: 'index register', low: 18, high: 21, meaning: (part, whole) => ((whole >> 22n) & 1n ? undefined : REGISTER_NAMES[Number(part)]) },
  { name: 'no index register', low: 22 },
  { name: 'base register', low: 23, high: 26, meaning: (part, whole) => ((whole >> 27n) & 1n ? undefined : REGISTER_NAMES[Number(part)]) },
  { name: 'no base register', low: 27 },
];
const FIRST: Part = {
  name: 'register 1',
  low: 3,
  high: 6,
  meaning: (part, whole) => ((whole >> 10n) & 1n ? REGISTER_NAMES[Number(part)] : undefined),
};
const KIND: Part = { name: 'operand', low: 10, meaning: ['memory', 'register'] };
const SECOND: Part = { name: 'register 2', low: 28, high: 31, meaning: REGISTER_NAMES };
const identity = (names: readonly string[]): Part => ({ name: 'instruction', low: 28, high: 29, meaning: names });

const DESTINATION: readonly Part[] = [
  { name: 'destination register', low: 3, high: 6, meaning: REGISTER_NAMES },
  { name: 'operand size', low: 11, high: 12, meaning: ['16 bits', '32 bits', '64 bits'] },
];

const INFORMATION: Readonly<Record<number, readonly Part[] | undefined>> = {
  [ExitReason.io]: [ADDRESS_SIZE, segmentOf],
  [ExitReason.gdtrIdtr]: [
    ...MEMORY,
    { name: 'operand size', low: 11, meaning: ['16 bits', '32 bits'] },
    identity(['SGDT', 'SIDT', 'LGDT', 'LIDT']),
  ],
  [ExitReason.ldtrTr]: [KIND, FIRST, ...MEMORY, identity(['SLDT', 'STR', 'LLDT', 'LTR'])],
  [ExitReason.rdrand]: DESTINATION,
  [ExitReason.rdseed]: DESTINATION,
  ...Object.fromEntries((['invept', 'invvpid', 'invpcid'] as const).map((key) => [ExitReason[key], [...MEMORY, SECOND]])),
  ...Object.fromEntries((['vmread', 'vmwrite'] as const).map((key) => [ExitReason[key], [KIND, FIRST, ...MEMORY, SECOND]])),
  ...Object.fromEntries((['vmclear', 'vmptrld', 'vmptrst', 'vmxon', 'xsaves', 'xrstors'] as const).map((key) => [ExitReason[key], MEMORY])),
};

/** @param reason basic exit reason @param qualification of I/O, which says whether it is a string instruction: only then there is information */
export function instructionInfoParts(reason: number, value: bigint, qualification: bigint): RegisterField[] {
  if (reason === ExitReason.io && !((qualification >> 4n) & 1n)) return [];
  return takeApart(value, INFORMATION[reason] ?? []);
}
