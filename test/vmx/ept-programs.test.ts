/** Hosts and guests whose memory is not what it seems: EPT violations by whole instructions, APIC accesses, what INVEPT is for. */
import { describe, it } from 'vitest';
import { judge, type VmxCase } from './harness/cases';

const PROBE = 0x400000;
const PAGE = PROBE + 0x1000;
const AREA = 0x200000;
const END = 'mov eax, ANSWER_END';
const AGAIN = 'mov eax, ANSWER_AGAIN';

/** Each EPT violation gives an EPT entry of PROBE its next value, and goes on. @param page of PROBE, by number */
const answers = (page: number, ...entries: readonly string[]): Pick<VmxCase, 'onExit' | 'data'> => ({
  onExit: `
    cmp eax, 48
    mov eax, ANSWER_DEFAULT
    jne .end
    mov ecx, [step]
    mov eax, [entries + rcx * 4]
    mov [EPT_PT + ${page * 8}], eax
    inc dword [step]
    ${AGAIN}
    .end:`,
  data: `align 4\nstep: dd 0\nentries: dd ${entries.join(', ')}`,
});
const hide = (page: number): string => `use_ept\nmov dword [EPT_PT + ${page * 8}], 0`;

const VIOLATIONS: readonly VmxCase[] = [
  {
    name: 'reads, writes and fetches say what was tried and what is allowed',
    setup: hide(1),
    code: `
      mov rbx, ${PAGE}
      first: mov eax, [rbx + 0x10]
      second: mov byte [rbx], 0xc3
      call rbx`,
    ...answers(1, `${PAGE} | 0x31`, `${PAGE} | 0x33`, `${PAGE} | 0x37`),
    exits: [
      { reason: 48, qualification: 0x181, linear: PAGE + 0x10, physical: PAGE + 0x10, rip: 'first', vectoring: 0 },
      { reason: 48, qualification: 0x18a, linear: PAGE, physical: PAGE, rip: 'second' },
      { reason: 48, qualification: 0x19c, linear: PAGE, physical: PAGE, rip: PAGE, length: 0 },
    ],
  },
  {
    name: 'a PUSH that fails has not moved the stack pointer',
    setup: hide(1),
    code: `
      mov rsp, ${PAGE + 0x1000}
      first: push 7
      note rsp`,
    ...answers(1, `${PAGE} | 0x37`),
    exits: [
      { reason: 48, qualification: 0x182, linear: PAGE + 0xff8, physical: PAGE + 0xff8, rip: 'first', rsp: PAGE + 0x1000, length: 2 },
    ],
    notes: [PAGE + 0xff0],
  },
  {
    name: 'a repeated instruction stops where it is, and goes on from there',
    setup: hide(1),
    code: `
      mov rdi, ${PAGE - 2}
      mov ecx, 4
      mov al, 0x11
      first: rep stosb
      note rdi
      note qword [${PAGE - 2}]`,
    ...answers(1, `${PAGE} | 0x37`),
    exits: [{ reason: 48, qualification: 0x182, linear: PAGE, physical: PAGE, rip: 'first' }],
    notes: [PAGE + 2, 0x11111111],
  },
  {
    name: 'one in the delivery of INT n tells of that',
    setup: `${hide(1)}\nvmset GUEST_IDTR_BASE, ${PAGE}`,
    code: 'first: int 0x3f',
    onExit: END,
    exits: [
      { reason: 48, qualification: 0x181, linear: PAGE + 0x3f0, physical: PAGE + 0x3f0, rip: 'first', vectoring: 0x8000043f, length: 2 },
    ],
  },
  {
    name: 'the guest’s page tables are met first to be read, then to be marked',
    setup: `${hide(3)}
      mov dword [DIRECTORIES + 24], ${PROBE + 0x3007}
      mov dword [${PROBE + 0x3000}], ${PROBE + 0x5007}
      mov dword [${PROBE + 0x5008}], 0x55`,
    code: `
      first: mov eax, [0x600008]
      note rax
      note qword [${PROBE + 0x3000}]`,
    ...answers(3, `${PROBE + 0x3000} | 0x31`, `${PROBE + 0x3000} | 0x33`),
    exits: [
      { reason: 48, qualification: 0x81, linear: 0x600008, physical: PROBE + 0x3000, rip: 'first' },
      { reason: 48, qualification: 0x8b, linear: 0x600008, physical: PROBE + 0x3000, rip: 'first' },
    ],
    notes: [0x55, PROBE + 0x5027],
  },
  {
    name: 'a page that is copied when it is written needs no INVEPT',
    setup: `use_ept
      mov dword [EPT_PT + 8], ${PAGE} | 0x31
      mov dword [${PAGE}], 1
      mov dword [${PROBE + 0x5000}], 1`,
    code: `
      mov eax, [${PAGE}]
      first: add dword [${PAGE}], 0x20
      mov eax, [${PAGE}]
      note rax`,
    ...answers(1, `${PROBE + 0x5000} | 0x37`),
    after: `mov eax, [${PAGE}]\nnote rax`,
    exits: [{ reason: 48, physical: PAGE, rip: 'first' }],
    notes: [0x21, 1],
  },
  {
    name: 'a load of CR3 with PDPTEs that are hidden has no linear address',
    guest: 32,
    setup: hide(1),
    code: `
      mov eax, ${PAGE + 0x20}
      first: mov cr3, eax`,
    onExit: END,
    exits: [{ reason: 48, qualification: 1, physical: PAGE + 0x20, linear: 0, rip: 'first' }],
  },
  {
    name: 'a guest in real mode has linear addresses, too',
    guest: 'real',
    setup: 'mov dword [EPT_PT + 8], 0',
    code: 'mov [0x1004], ax',
    onExit: END,
    exits: [{ reason: 48, qualification: 0x182, linear: PAGE + 4, physical: PAGE + 4 }],
  },
  {
    name: 'a misconfiguration tells of its guest-physical address alone',
    setup: `use_ept\nmov dword [EPT_PT + 8], ${PAGE} | 0x32`,
    code: `first: mov eax, [${PAGE + 0x10}]`,
    onExit: END,
    exits: [{ reason: 49, qualification: 0, physical: PAGE + 0x10, linear: 0, rip: 'first' }],
  },
];

const FLAGS: readonly VmxCase[] = [
  {
    name: 'accessed and dirty flags are set by reads and writes, while the EPT pointer asks for them',
    setup: 'use_ept\nvmset EPT_POINTER, EPT_PML4 | 0x5e',
    code: `
      mov eax, [${PAGE}]
      mov [${PAGE + 0x1000}], eax`,
    after: [1, 2, 3].map((page) => `note qword [EPT_PT + ${page * 8}]`).join('\n'),
    notes: [PAGE + 0x137, PAGE + 0x1337, PAGE + 0x2037],
  },
  {
    name: 'a full log of modified pages leaves before the write',
    setup: `use_ept
      vmset EPT_POINTER, EPT_PML4 | 0x5e
      secondary SEC_PML
      vmset PML_ADDRESS, PML_PAGE
      vmset PML_INDEX, 1`,
    code: `
      mov dword [${PAGE + 8}], 1
      mov dword [${PAGE + 12}], 1
      third: mov dword [${PAGE + 0x1000}], 1`,
    onExit: `mov edx, PML_INDEX\nvmread rax, rdx\nnote rax\n${END}`,
    after: `note qword [PML_PAGE + 8]\nnote qword [PML_PAGE]\nnote qword [${PAGE + 0x1000}]`,
    exits: [{ reason: 62, qualification: 0, rip: 'third' }],
    // The first page that becomes dirty is that of the guest's own PML4, which its first fetch marks.
    notes: [0xffff, AREA, PAGE, 0],
  },
];

const remap = (how: string): VmxCase => ({
  name: `what the guest sees of a page that was mapped elsewhere, after ${how}`,
  setup: `use_ept
    secondary SEC_VPID
    vmset VPID_FIELD, 5
    mov dword [${PAGE}], 1
    mov dword [${PROBE + 0x5000}], 5`,
  code: `
    mov eax, [${PAGE}]
    note rax
    cpuid
    mov eax, [${PAGE}]
    note rax`,
  onExit: `
    mov dword [EPT_PT + 8], ${PROBE + 0x5000} | 0x37
    ${how === 'INVEPT of one' ? 'mov eax, 1' : 'mov eax, 2'}
    invept rax, [descriptor]
    mov eax, ANSWER_DEFAULT`,
  data: 'align 16\ndescriptor: dq EPT_PML4 | 0x1e, 0',
  exits: [{ reason: 10 }],
  notes: [1, 5],
});

const APIC: readonly VmxCase[] = [
  {
    name: 'the APIC-access page answers for the TPR alone, and tells of what falls below the threshold behind the write',
    setup: `
      primary CPU_TPR_SHADOW
      secondary SEC_APIC_ACCESS
      vmset VIRTUAL_APIC, VAPIC
      vmset APIC_ACCESS, ${PAGE}
      vmset TPR_THRESHOLD, 3
      mov dword [VAPIC + 0x80], 0x50`,
    code: `
      mov rbx, ${PAGE}
      mov eax, [rbx + 0x80]
      note rax
      mov dword [rbx + 0x80], 0x30
      mov dword [rbx + 0x80], 0x12345620
      second: mov eax, [rbx + 0x20]
      third: mov [rbx + 0x300], eax
      fourth: push qword [rbx + 0x80]
      fifth: mov eax, [rbx + 0x80]
      note rax`,
    onExit: `
      cmp eax, 43
      je .below
      mov ecx, [step]
      mov eax, [targets + rcx * 4]
      inc dword [step]
      mov edx, GUEST_RIP
      vmwrite rdx, rax
      jmp .again
      .below: vmset TPR_THRESHOLD, 0
      .again: ${AGAIN}`,
    data: 'align 4\nstep: dd 0\ntargets: dd third, fourth, fifth',
    exits: [
      { reason: 43, qualification: 0, rip: 'second' },
      { reason: 44, qualification: 0x20, rip: 'second' },
      { reason: 44, qualification: 0x1300, rip: 'third' },
      { reason: 44, qualification: 0x80, rip: 'fourth' },
    ],
    notes: [0x50, 0x20],
  },
  {
    name: 'without a TPR shadow the APIC-access page answers for nothing, in fetches and deliveries neither',
    setup: `
      secondary SEC_APIC_ACCESS
      vmset APIC_ACCESS, ${PAGE}
      vmset GUEST_IDTR_BASE, ${PAGE}`,
    code: `
      mov rbx, ${PAGE}
      first: mov eax, [rbx + 0x80]
      second: int 0x21
      third: call rbx`,
    onExit: `
      mov ecx, [step]
      mov eax, [targets + rcx * 4]
      inc dword [step]
      test eax, eax
      jz .end
      mov edx, GUEST_RIP
      vmwrite rdx, rax
      ${AGAIN}
      jmp .done
      .end: ${END}
      .done:`,
    data: 'align 4\nstep: dd 0\ntargets: dd second, third, 0',
    exits: [
      { reason: 44, qualification: 0x80, rip: 'first', vectoring: 0 },
      { reason: 44, qualification: 0x3210, rip: 'second', vectoring: 0x80000421 },
      { reason: 44, qualification: 0x2000, rip: PAGE, vectoring: 0 },
    ],
  },
];

describe.each(
  Object.entries({
    'EPT violations': VIOLATIONS,
    'flags and the log': FLAGS,
    invalidation: ['INVEPT of one', 'INVEPT of all'].map(remap),
    'the APIC-access page': APIC,
  }),
)('%s', (_group, cases) => {
  it.each(cases.map((test) => [test.name, test] as const))('%s', (_name, test) => judge(test));
});
