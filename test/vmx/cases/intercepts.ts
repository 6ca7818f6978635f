/** Instructions that exit always, by a control, or not at all (manual, "Instructions That Cause VM Exits"), with what each exit reports. */
import { cpuModel } from '../../../src/engines/cpu/system/models';
import { fault, GP, UD, type VmxCase } from '../harness/cases';

/** Instruction information of a memory operand [rbx + rcx * 4 + …] in DS with 64-bit addressing. */
const SCALED = 2 | (2 << 7) | (3 << 15) | (1 << 18) | (3 << 23);
/** The same in 32-bit code. */
const SCALED_32 = 2 | (1 << 7) | (3 << 15) | (1 << 18) | (3 << 23);
const reg1 = (register: number): number => register << 3;
const reg2 = (register: number): number => (register << 28) >>> 0;
const IS_REGISTER = 1 << 10;

/** The processor that the cases run on. */
const MODEL = cpuModel('max');

interface Controlled {
  readonly name: string;
  /** Of CPUID. */
  readonly feature?: string;
  /** The macro line that sets the control. */
  readonly control: string;
  readonly before?: string;
  readonly instruction: string;
  readonly reason: number;
  readonly length: number;
  readonly more?: Partial<Record<'qualification' | 'info', number>>;
  /** What its fault notes where the control is 0: RDPMC's too, since the processor has no counters. */
  readonly otherwise?: number;
}

const CONTROLLED: readonly Controlled[] = [
  { name: 'HLT', control: 'primary CPU_HLT', instruction: 'hlt', reason: 12, length: 1 },
  {
    name: 'INVLPG',
    control: 'primary CPU_INVLPG',
    before: 'mov rbx, 0x7654321000',
    instruction: 'invlpg [rbx + 0x321]',
    reason: 14,
    length: 7,
    more: { qualification: 0x7654321321 },
  },
  {
    name: 'MWAIT',
    feature: 'monitor',
    control: 'primary CPU_MWAIT',
    before: 'xor ecx, ecx',
    instruction: 'mwait',
    reason: 36,
    length: 3,
    more: { qualification: 0 },
  },
  {
    name: 'MONITOR',
    feature: 'monitor',
    control: 'primary CPU_MONITOR',
    before: 'mov eax, PROBE\nxor ecx, ecx\nxor edx, edx',
    instruction: 'monitor',
    reason: 39,
    length: 3,
  },
  {
    name: 'RDPMC',
    control: 'primary CPU_RDPMC',
    before: 'xor ecx, ecx',
    instruction: 'rdpmc',
    reason: 15,
    length: 2,
    otherwise: fault(GP),
  },
  { name: 'RDTSC', control: 'primary CPU_RDTSC', instruction: 'rdtsc', reason: 16, length: 2 },
  { name: 'PAUSE', control: 'primary CPU_PAUSE', instruction: 'pause', reason: 40, length: 2 },
  {
    name: 'MOV from CR3',
    control: 'primary CPU_CR3_STORE',
    instruction: 'mov rdi, cr3',
    reason: 28,
    length: 3,
    more: { qualification: 0x713 },
  },
  {
    name: 'MOV to CR3',
    control: 'primary CPU_CR3_LOAD',
    before: 'mov r11, cr3',
    instruction: 'mov cr3, r11',
    reason: 28,
    length: 4,
    more: { qualification: 0xb03 },
  },
  {
    name: 'MOV from CR8',
    control: 'primary CPU_CR8_STORE',
    instruction: 'mov rbp, cr8',
    reason: 28,
    length: 4,
    more: { qualification: 0x518 },
  },
  {
    name: 'MOV to CR8',
    control: 'primary CPU_CR8_LOAD',
    before: 'xor eax, eax',
    instruction: 'mov cr8, rax',
    reason: 28,
    length: 4,
    more: { qualification: 0x008 },
  },
  {
    name: 'MOV to DR3',
    control: 'primary CPU_MOV_DR',
    before: 'xor edx, edx',
    instruction: 'mov dr3, rdx',
    reason: 29,
    length: 3,
    more: { qualification: 0x203 },
  },
  {
    name: 'MOV from DR7',
    control: 'primary CPU_MOV_DR',
    instruction: 'mov r9, dr7',
    reason: 29,
    length: 4,
    more: { qualification: 0x917 },
  },
  { name: 'WBINVD', control: 'secondary SEC_WBINVD', instruction: 'wbinvd', reason: 54, length: 2 },
  {
    name: 'RDRAND',
    control: 'secondary SEC_RDRAND',
    instruction: 'rdrand ebx',
    reason: 57,
    length: 3,
    more: { info: reg1(3) | (1 << 11) },
  },
  {
    name: 'RDRAND of 64 bits',
    control: 'secondary SEC_RDRAND',
    instruction: 'rdrand r10',
    reason: 57,
    length: 4,
    more: { info: reg1(10) | (2 << 11) },
  },
  { name: 'RDSEED', control: 'secondary SEC_RDSEED', instruction: 'rdseed bx', reason: 61, length: 4, more: { info: reg1(3) } },
  {
    name: 'SGDT',
    control: 'secondary SEC_DESCRIPTORS',
    before: 'mov ebx, PROBE\nxor ecx, ecx',
    instruction: 'sgdt [rbx + rcx * 4 + 0x10]',
    reason: 46,
    length: 5,
    more: { qualification: 0x10 },
  },
  {
    name: 'SIDT',
    control: 'secondary SEC_DESCRIPTORS',
    before: 'mov ebx, PROBE + 0x100\nxor ecx, ecx',
    instruction: 'sidt [rbx + rcx * 4 - 0x20]',
    reason: 46,
    length: 5,
    more: { qualification: -0x20 },
  },
  {
    name: 'LGDT',
    control: 'secondary SEC_DESCRIPTORS',
    before: 'mov ebx, gdt_pointer\nxor ecx, ecx',
    instruction: 'lgdt [rbx + rcx * 4]',
    reason: 46,
    length: 4,
    more: { qualification: 0 },
  },
  {
    name: 'LIDT',
    control: 'secondary SEC_DESCRIPTORS',
    before: 'mov ebx, idt64_pointer\nxor ecx, ecx',
    instruction: 'lidt [rbx + rcx * 4]',
    reason: 46,
    length: 4,
    more: { qualification: 0 },
  },
  {
    name: 'SLDT to memory',
    control: 'secondary SEC_DESCRIPTORS',
    before: 'mov ebx, PROBE\nxor ecx, ecx',
    instruction: 'sldt [rbx + rcx * 4 + 0x1000]',
    reason: 47,
    length: 8,
    more: { qualification: 0x1000, info: SCALED },
  },
  {
    name: 'STR to a register',
    control: 'secondary SEC_DESCRIPTORS',
    instruction: 'str edi',
    reason: 47,
    length: 3,
    more: { info: reg1(7) | IS_REGISTER | (1 << 28) },
  },
  {
    name: 'LLDT',
    control: 'secondary SEC_DESCRIPTORS',
    before: 'xor edx, edx',
    instruction: 'lldt dx',
    reason: 47,
    length: 3,
    more: { info: reg1(2) | IS_REGISTER | (2 << 28) },
  },
  {
    name: 'LTR',
    control: 'secondary SEC_DESCRIPTORS',
    before: 'mov r8d, TASK64\nand byte [gdt + TASK64 + 5], ~2',
    instruction: 'ltr r8w',
    reason: 47,
    length: 4,
    more: { info: (reg1(8) | IS_REGISTER | (3 << 28)) >>> 0 },
  },
  {
    name: 'INVPCID',
    control: 'secondary SEC_INVPCID\nprimary CPU_INVLPG',
    before: 'mov ebx, .nothing\nxor ecx, ecx\nmov esi, 2\njmp .over\nalign 16\n.nothing: dq 0, 0\n.over:',
    instruction: 'invpcid rsi, [rbx + rcx * 4]',
    reason: 58,
    length: 7,
    more: { qualification: 0, info: (SCALED | reg2(6)) >>> 0 },
    otherwise: fault(UD),
  },
  {
    name: 'RDTSCP',
    control: 'secondary SEC_RDTSCP\nprimary CPU_RDTSC',
    instruction: 'rdtscp',
    reason: 51,
    length: 3,
    otherwise: fault(UD),
  },
];

/** With the control the instruction exits; without, it does what it ever does. HLT alone would then wait for ever. */
function controlled(test: Controlled): readonly VmxCase[] {
  if (test.feature !== undefined && !MODEL.has(test.feature))
    return [
      {
        name: `${test.name} is undefined: the processor lacks it`,
        code: `try ${test.instruction}\nnote 7`,
        setup: test.control,
        notes: [fault(UD), 7],
      },
    ];
  const code = (test.before ?? '') + `\nmov dword [recovery], behind\nthere: ${test.instruction}\nbehind: note 7`;
  const exits = [{ reason: test.reason, length: test.length, qualification: 0, ...test.more, rip: 'there' }];
  const exiting = { name: `${test.name} exits`, setup: test.control, code, exits, notes: [7] };
  const notes = test.otherwise === undefined ? [7] : [test.otherwise, 7];
  return test.name === 'HLT' ? [exiting] : [exiting, { name: `${test.name} does not exit without its control`, code, notes }];
}

/** VMX instructions of a guest and what their exits report. */
const VMX_INSTRUCTIONS: readonly (readonly [string, number, number, Readonly<Partial<Record<'qualification' | 'info', number>>>])[] = [
  ['vmcall', 18, 3, {}],
  ['vmclear [rbx + rcx * 4 + 8]', 19, 6, { qualification: 8, info: SCALED }],
  ['vmlaunch', 20, 3, {}],
  ['vmptrld [rbx + rcx * 4 + 8]', 21, 5, { qualification: 8, info: SCALED }],
  ['vmptrst [rbx + rcx * 4 - 8]', 22, 5, { qualification: -8, info: SCALED }],
  ['vmread rsi, rdi', 23, 3, { info: (reg1(6) | IS_REGISTER | reg2(7)) >>> 0 }],
  ['vmread [rbx + rcx * 4 + 0x100], rdi', 23, 8, { qualification: 0x100, info: (SCALED | reg2(7)) >>> 0 }],
  ['vmresume', 24, 3, {}],
  ['vmwrite r12, rdx', 25, 4, { info: (reg1(2) | IS_REGISTER | reg2(12)) >>> 0 }],
  ['vmwrite rax, [rbx + rcx * 4]', 25, 4, { qualification: 0, info: SCALED }],
  ['vmxoff', 26, 3, {}],
  ['vmxon [rbx + rcx * 4 + 8]', 27, 6, { qualification: 8, info: SCALED }],
  ['invept rdx, [rbx + rcx * 4]', 50, 6, { qualification: 0, info: (SCALED | reg2(2)) >>> 0 }],
  ['invvpid r13, [rbx + rcx * 4]', 53, 7, { qualification: 0, info: (SCALED | reg2(13)) >>> 0 }],
];

const vmxInstruction = ([instruction, reason, length, more]: (typeof VMX_INSTRUCTIONS)[number]): VmxCase => ({
  name: `${instruction} in a guest`,
  code: `mov ebx, PROBE\nxor ecx, ecx\nthere: ${instruction}\nnote 7`,
  exits: [{ reason, length, qualification: 0, ...more, rip: 'there' }],
  notes: [7],
});

export const INTERCEPT_CASES: readonly VmxCase[] = [
  ...CONTROLLED.flatMap(controlled),
  ...VMX_INSTRUCTIONS.map(vmxInstruction),
  {
    name: 'CPUID, INVD and XSETBV exit always',
    code: `
      mov rax, cr4
      or eax, 1 << 18
      mov cr4, rax
      first: cpuid
      second: invd
      xor ecx, ecx
      xor edx, edx
      mov eax, 7
      third: xsetbv`,
    exits: [
      { reason: 10, length: 2, qualification: 0, rip: 'first' },
      { reason: 13, length: 2, qualification: 0, rip: 'second' },
      { reason: 55, length: 3, qualification: 0, rip: 'third' },
    ],
  },
  {
    name: 'ring 3: VMX instructions and CPUID exit, faults of privilege come first elsewhere',
    user: true,
    setup: `
      primary CPU_HLT | CPU_INVLPG | CPU_RDTSC | CPU_CR3_STORE | CPU_MOV_DR | CPU_RDPMC
      secondary SEC_WBINVD | SEC_DESCRIPTORS`,
    code: `
      try vmread rax, rax
      try vmxoff
      try vmlaunch
      try cpuid
      try rdtsc
      try hlt
      try invlpg [0]
      try mov rax, cr3
      try mov rax, dr0
      try invd
      try wbinvd
      xor eax, eax
      try lldt ax
      mov ebx, PROBE
      try lgdt [rbx]`,
    // The checks of CPL precede exits but MOV DR's (manual, "Relative Priority of Faults and VM Exits").
    exits: [
      { reason: 23 },
      { reason: 26 },
      { reason: 20 },
      { reason: 10, length: 2 },
      { reason: 16, length: 2 },
      { reason: 29, qualification: 0x10 },
    ],
    notes: [fault(GP), fault(GP), fault(GP), fault(GP), fault(GP), fault(GP), fault(GP)],
  },
  {
    name: 'RDTSC and RDPMC with CR4.TSD and without CR4.PCE: #GP before the exit',
    user: true,
    setup: 'primary CPU_RDTSC | CPU_RDPMC\nvmor GUEST_CR4, 4',
    code: 'try rdtsc\nxor ecx, ecx\ntry rdpmc',
    notes: [fault(GP), fault(GP)],
  },
  {
    name: '#UD comes before an exit: LOCK, VMX instructions of no such form, RSM',
    code: 'try db 0xf0, 0x0f, 0xa2\ntry rsm\ntry db 0xf0, 0xf4',
    notes: [fault(UD), fault(UD), fault(UD)],
  },
  {
    name: 'the exit of MOV DR comes before #UD for DR4 with CR4.DE',
    setup: 'primary CPU_MOV_DR\nvmor GUEST_CR4, 8',
    code: 'db 0x0f, 0x21, 0xe0',
    exits: [{ reason: 29, qualification: 0x14, length: 3 }],
  },
  {
    name: 'DR4 with CR4.DE without the exit: #UD',
    setup: 'vmor GUEST_CR4, 8',
    code: 'try db 0x0f, 0x21, 0xe0',
    notes: [fault(UD)],
  },
  {
    name: 'the exit of MOV DR comes before DR7.GD',
    setup: 'primary CPU_MOV_DR\nvmset GUEST_DR7, 0x2400',
    code: 'mov rax, dr6',
    exits: [{ reason: 29, qualification: 0x16, length: 3 }],
  },
  {
    name: 'DR7.GD without the exit: #DB',
    setup: 'vmset GUEST_DR7, 0x2400\nvmset EXCEPTION_BITMAP, 1 << 1',
    code: 'there: mov rax, dr6',
    onExit: 'mov eax, ANSWER_END',
    exits: [{ reason: 0, interruption: 0x80000301, qualification: 0x2000, rip: 'there', dr7: 0x2400 }],
  },
  {
    name: 'INVPCID and RDTSCP that are enabled and do not exit',
    setup: 'secondary SEC_INVPCID | SEC_RDTSCP',
    code: 'mov eax, 2\ntry invpcid rax, [.nothing]\ntry rdtscp\nnote 7\njmp .over\nalign 16\n.nothing: dq 0, 0\n.over:',
    notes: [7],
  },
  {
    name: 'exits of LGDT, VMPTRLD and INVLPG come before faults of their operands',
    setup: `
      secondary SEC_DESCRIPTORS
      primary CPU_INVLPG
      and dword [DIRECTORIES + 0x80], ~1
      mov rax, cr3
      mov cr3, rax`,
    code: `
      mov ebx, 0x2000000
      mov rcx, 0x8000000000000000
      lgdt [rbx]
      sidt [rbx]
      str [rbx]
      vmptrld [rbx]
      vmread [rbx], rax
      invlpg [rbx]
      vmclear [rcx]
      note 7`,
    exits: [46, 46, 47, 21, 23, 14, 19].map((reason) => ({ reason })),
    notes: [7],
  },
  {
    name: 'displacements: relative to RIP, and with 32-bit addressing',
    code: 'vmptrld [rel there]\nthere: vmptrld [ebx + ecx * 2 + 0x44]\nvmclear [fs:rbx + rcx * 8 + 4]',
    exits: [
      { reason: 21, qualification: 'there', length: 7 },
      { reason: 21, qualification: 0x44, length: 6, info: 1 | (1 << 7) | (3 << 15) | (1 << 18) | (3 << 23) },
      { reason: 19, qualification: 4, length: 7, info: 3 | (2 << 7) | (4 << 15) | (1 << 18) | (3 << 23) },
    ],
  },
  {
    name: 'operands of a 32-bit guest, and the operand size of LGDT',
    guest: 32,
    setup: 'secondary SEC_DESCRIPTORS',
    code: `
      mov ebx, PROBE
      xor ecx, ecx
      vmptrld [ebx + ecx * 4 + 8]
      sgdt [ebx + ecx * 4 + 8]
      o16 sidt [ebx + ecx * 4 + 8]
      vmread [ebp + edi], esi
      str [ss:ebx + ecx * 4]
      vmwrite ecx, eax`,
    exits: [
      { reason: 21, qualification: 8, length: 5, info: SCALED_32 },
      { reason: 46, qualification: 8, length: 5, info: SCALED_32 | (1 << 11) },
      { reason: 46, qualification: 8, length: 6, info: SCALED_32 | (1 << 28) },
      { reason: 23, qualification: 0, length: 5, info: (0 | (1 << 7) | (2 << 15) | (7 << 18) | (5 << 23) | reg2(6)) >>> 0 },
      { reason: 47, qualification: 0, length: 5, info: 2 | (1 << 7) | (2 << 15) | (1 << 18) | (3 << 23) | (1 << 28) },
      { reason: 25, qualification: 0, length: 3, info: (reg1(0) | IS_REGISTER | reg2(1)) >>> 0 },
    ],
  },
  {
    name: 'compatibility mode: VMX instructions are undefined but VMCALL; CPUID exits',
    guest: 'compatibility',
    code: 'try vmxoff\ntry vmlaunch\ntry vmread eax, eax\nvmcall\ncpuid\nnote 7',
    exits: [
      { reason: 18, length: 3 },
      { reason: 10, length: 2 },
    ],
    notes: [fault(UD), fault(UD), fault(UD), 7],
  },
  {
    name: 'a guest without CR4.VMXE of its own still exits at VMX instructions',
    setup: 'vmset CR4_MASK, 0x2000\nvmset CR4_SHADOW, 0',
    code: 'mov rax, cr4\nand eax, 0x2000\nnote rax\nvmxoff\nvmread rax, rax',
    exits: [{ reason: 26 }, { reason: 23 }],
    notes: [0],
  },
  {
    name: 'XSAVES and XRSTORS are undefined without their control',
    code: `
      mov rax, cr4
      or eax, 1 << 18
      mov cr4, rax
      mov ebx, PROBE
      xor edx, edx
      mov eax, 3
      try xsaves [rbx]
      try xrstors [rbx]`,
    notes: [fault(UD), fault(UD)],
  },
  {
    name: 'XSAVES and XRSTORS with their control: no bit of the XSS-exiting bitmap is meant',
    setup: `
      secondary SEC_XSAVES
      vmset XSS_EXITING, 0xff
      vmor GUEST_CR4, 1 << 18`,
    code: `
      mov ebx, PROBE
      xor edx, edx
      mov eax, 3
      try xsaves [rbx]
      try xrstors [rbx]
      note 7`,
    // IA32_XSS is 0, so XCR0 | IA32_XSS & the bitmap: only bits of IA32_XSS count.
    notes: [7],
  },
  {
    name: 'ENCLS, GETSEC: undefined where the processor has neither',
    code: 'xor eax, eax\ntry db 0x0f, 0x37\ntry db 0x0f, 0x01, 0xcf',
    notes: [fault(UD), fault(UD)],
  },
  {
    name: 'HLT exits in ring 0 alone; the exit counts as executed in neither activity state nor RIP',
    setup: 'primary CPU_HLT',
    code: 'sti\nthere: hlt\ncli',
    exits: [{ reason: 12, activity: 0, rip: 'there', interruptibility: 1, rflags: 0x202 }],
  },
];
