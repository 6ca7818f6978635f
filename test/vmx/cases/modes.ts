/** Modes of guests and hosts, activity and interruptibility states, TPR shadow (manual, "Loading Guest State", "Loading Host State"). */
import { fault, GP, UD, type VmxCase } from '../harness/cases';

const END = 'mov eax, ANSWER_END';
const AGAIN = 'mov eax, ANSWER_AGAIN';

const realCode = `
  mov eax, cr0
  note16 eax
  mov ax, ds
  movzx eax, ax
  note16 eax
  first: cpuid
  mov bx, 0x40
  mov ds, bx
  second: lgdt [ebx + ecx * 4 + 2]
  third: in ax, dx
  fourth: hlt
  mov eax, 0x1234
  note16 eax`;

const unrestricted: readonly VmxCase[] = [
  {
    name: 'an unrestricted guest in real mode exits like any other',
    guest: 'real',
    setup: `
      primary CPU_HLT | CPU_IO
      secondary SEC_DESCRIPTORS
      mov dword [guest_registers + 24], 0x71`,
    code: realCode,
    onExit: `
      cmp eax, 10
      mov eax, ANSWER_DEFAULT
      jne .end
      mov qword [guest_registers + 16], 0
      mov qword [guest_registers + 24], 0x71
      .end:`,
    exits: [
      { reason: 10, length: 2, cs: 'code_selector', cr0: 0x30 },
      { reason: 46, length: 6, qualification: 2, info: 2 | (1 << 7) | (3 << 15) | (1 << 18) | (3 << 23) | (2 << 28) },
      { reason: 30, length: 1, qualification: 0x710009 },
      { reason: 12, length: 1 },
    ],
    notes: [0x30, 0, 0x1234],
    data: 'code_selector equ (0x100000 + guest - $$) >> 4 & 0xffff',
  },
  {
    name: 'an unrestricted guest sets CR0.PE itself, and clears it again',
    guest: 'real',
    code: `
      o32 lgdt [table_pointer - guest]
      mov eax, cr0
      or al, 1
      mov cr0, eax
      jmp short $ + 2
      first: mov eax, 0
      cpuid
      mov eax, cr0
      and al, 0xfe
      mov cr0, eax
      cpuid`,
    setup: 'vmset GUEST_DS_BASE, guest\nvmset GUEST_DS_LIMIT, 0xffff',
    exits: [
      { reason: 10, cr0: 0x31 },
      { reason: 10, cr0: 0x30 },
    ],
    data: 'table_pointer: dw gdt_end - gdt - 1\ndd gdt',
  },
  {
    name: 'without "unrestricted guest" CR0.PE and CR0.PG are fixed',
    setup: 'vmset GUEST_CR0, 0x30',
    exits: [{ reason: 0x80000021, qualification: 0 }],
  },
  {
    name: 'an unrestricted guest may clear CR0.PE, any other gets #GP',
    guest: 32,
    setup: 'use_ept\nsecondary SEC_UNRESTRICTED',
    code: `
      mov eax, cr0
      and eax, ~0x80000000
      mov cr0, eax
      there: cpuid
      or eax, 0`,
    exits: [{ reason: 10, cr0: 0x10033, rip: 'there' }],
  },
];

/** Virtual-8086 code whose segments all begin at FFFF0. */
const IN_VIRTUAL_8086 = `
  guest_is_32
  vmset GUEST_RFLAGS, 0x20002
  ${[0, 1, 2, 3, 4, 5].map((number) => `guest_segment ${number}, 0xffff, 0xffff0, 0xffff, 0xf3`).join('\n')}
  mov eax, guest
  sub eax, 0xffff0
  mov edx, GUEST_RIP
  vmwrite rdx, rax
  vmset GUEST_RSP, 0xfff0`;

const virtual8086: readonly VmxCase[] = [
  {
    name: 'a guest in virtual-8086 mode: CPUID and VMCALL exit, VMXOFF is undefined, HLT and IN are refused before their exits',
    setup: `
      ${IN_VIRTUAL_8086}
      primary CPU_HLT | CPU_IO
      vmset EXCEPTION_BITMAP, 1 << 13 | 1 << 6`,
    code: `
      bits 16
      cpuid
      vmcall
      vmxoff
      hlt
      in al, 0x71
      int 0x30`,
    onExit: `
      test eax, eax
      mov eax, ANSWER_DEFAULT
      jne .end
      vmand GUEST_RFLAGS, ~0x10000
      mov rsi, [.next]
      movzx ecx, byte [rsi]
      inc qword [.next]
      mov edx, GUEST_RIP
      vmread rax, rdx
      add rax, rcx
      vmwrite rdx, rax
      ${AGAIN}
      .end:
      ret
      .next: dq .lengths
      .lengths: db 3, 1, 2, 2                ; of what faults, which reports no length`,
    exits: [
      { reason: 10, length: 2, cs: 0xffff, rflags: 0x20002 },
      { reason: 18, length: 3, cs: 0xffff },
      { reason: 0, interruption: 0x80000306 },
      { reason: 0, interruption: 0x80000b0d, errorCode: 0, rflags: 0x30002 },
      { reason: 0, interruption: 0x80000b0d, errorCode: 0 },
      { reason: 0, interruption: 0x80000b0d, errorCode: 0 },
    ],
  },
];

/** The second processor, which starts in real mode at 8000h: it sends a start-up IPI with vector 12h to the first, and halts. */
const SECOND_PROCESSOR = `
  bits 16
  second_begin:
    cli
    xor ax, ax
    mov ds, ax
    o32 lgdt [0x8000 + .table - second_begin]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp dword CODE32:0x8000 + .flat - second_begin
  .table: dw gdt_end - gdt - 1
    dd gdt
  bits 32
  .flat:
    mov eax, DATA
    mov ds, eax
  .wait:
    cmp byte [in_guest], 0
    je .wait
    mov ecx, 1000
    loop $
    mov dword [APIC + 0x310], 0
    mov dword [APIC + 0x300], 0x4612
  .halt:
    hlt
    jmp .halt
  second_end:`;

const signals: readonly VmxCase[] = [
  {
    name: 'wait-for-SIPI: a start-up IPI exits with its vector; no NMI, no timer does',
    options: { cpus: 2 },
    setup: `
      mov esi, second_begin
      mov edi, 0x8000
      mov ecx, second_end - second_begin
      rep movsb
      mov ebx, APIC
      mov dword [rbx + 0x310], 1 << 24
      mov dword [rbx + 0x300], 0x4500
      mov ecx, 10000
      loop $
      mov dword [rbx + 0x300], 0x4608
      vmset ACTIVITY, 3
      pin PIN_TIMER
      vmset PREEMPTION_TIMER, 0`,
    code: 'nop',
    data: SECOND_PROCESSOR,
    onExit: END,
    exits: [{ reason: 4, qualification: 0x12, activity: 3, rip: 'guest' }],
  },
  {
    name: 'an NMI window wakes a halted guest, an injected NMI too',
    setup: 'pin PIN_NMI | PIN_VIRTUAL_NMIS\nprimary CPU_NMI_WINDOW\nvmset ACTIVITY, 1',
    code: 'cpuid\nnote 7',
    onExit: `
      cmp eax, 8
      mov eax, ANSWER_DEFAULT
      jne .end
      vmand PRIMARY_CONTROLS, ~CPU_NMI_WINDOW
      vmset ENTRY_INTERRUPTION, 0x80000202
      ${AGAIN}
      .end:`,
    exits: [
      { reason: 8, rip: 'guest', activity: 1 },
      { reason: 10, activity: 0 },
    ],
    notes: [fault(2), 7],
  },
];

const activity: readonly VmxCase[] = [
  {
    name: 'entry into HLT: an interrupt of the host’s exits it, the activity state is reported',
    setup: `
      pin PIN_INTERRUPT
      vmset ACTIVITY, 1
      mov ebx, APIC
      mov dword [rbx + 0x300], 0x44034`,
    code: 'note 7',
    onExit: END,
    exits: [{ reason: 1, activity: 1, rip: 'guest' }],
  },
  {
    name: 'entry into HLT with an injected interrupt: the guest wakes',
    setup: 'vmset ACTIVITY, 1\nvmset GUEST_RFLAGS, 0x202\nvmset ENTRY_INTERRUPTION, 0x80000035',
    code: 'cpuid\nnote 7',
    exits: [{ reason: 10, activity: 0 }],
    notes: [fault(0x35), 7],
  },
  {
    name: 'entry into shutdown: the preemption timer exits it',
    setup: `
      vmset ACTIVITY, 2
      pin PIN_TIMER
      vmset PREEMPTION_TIMER, 10`,
    code: 'note 7',
    onExit: END,
    exits: [{ reason: 52, activity: 2, rip: 'guest' }],
  },
  {
    name: 'blocking by STI on entry lasts one instruction',
    setup: `
      vmset GUEST_RFLAGS, 0x202
      vmset INTERRUPTIBILITY, 1
      mov dword [acknowledged_vector], 0x34
      mov ebx, APIC
      mov dword [rbx + 0x300], 0x44034`,
    code: 'note_rip: mov eax, 1\nnote rax\ncli',
    exits: [],
    notes: [fault(0x34), 1],
  },
  {
    name: 'a pending debug exception is delivered on entry',
    setup: 'vmset PENDING_DEBUG, 0x4000\nvmset GUEST_RFLAGS, 0x2\nvmset EXCEPTION_BITMAP, 2',
    code: 'nop',
    onExit: END,
    exits: [{ reason: 0, interruption: 0x80000301, qualification: 0x4000, rip: 'guest', pendingDebug: 0 }],
  },
  {
    name: 'a pending debug exception waits behind MOV SS, and is saved when an exit comes in between',
    setup: `
      vmset EXCEPTION_BITMAP, 2
      mov eax, PROBE
      mov dr0, rax
      vmset GUEST_DR7, 0xf0402`,
    code: 'mov ebx, PROBE\nmov ecx, DATA\nmov [rbx], ecx\nfirst: mov ss, [rbx]\nsecond: cpuid\nthird: nop',
    onExit: `
      cmp eax, 10
      mov eax, ANSWER_DEFAULT
      je .end
      ${AGAIN}
      .end:`,
    exits: [
      { reason: 0, qualification: 1, rip: 'first', pendingDebug: 0 },
      { reason: 10, rip: 'second', interruptibility: 2, pendingDebug: 0x1001 },
      { reason: 0, qualification: 1, rip: 'third', pendingDebug: 0 },
    ],
  },
  {
    name: 'single step behind MOV SS: the exit of the next instruction saves BS as pending',
    setup: 'vmset EXCEPTION_BITMAP, 2\nvmset GUEST_RFLAGS, 0x102\nmov dword [guest_registers], DATA',
    code: 'mov ss, ax\nthere: cpuid',
    onExit: END,
    exits: [{ reason: 10, rip: 'there', interruptibility: 2, pendingDebug: 0x4000 }],
  },
];

const tpr: readonly VmxCase[] = [
  {
    name: 'TPR shadow: CR8 is the virtual APIC’s, without an exit above the threshold',
    setup: `
      primary CPU_TPR_SHADOW
      vmset VIRTUAL_APIC, VAPIC
      mov dword [VAPIC + 0x80], 0x50
      vmset TPR_THRESHOLD, 3`,
    code: `
      mov rax, cr8
      note rax
      mov eax, 9
      mov cr8, rax
      mov rax, cr8
      note rax
      mov eax, 3
      mov cr8, rax
      mov eax, 2
      there: mov cr8, rax
      behind: mov eax, 0x10
      try mov cr8, rax`,
    after: 'mov eax, [VAPIC + 0x80]\nnote rax\nmov rax, cr8\nnote rax',
    onExit: `vmset TPR_THRESHOLD, 0\n${AGAIN}`,
    // Trap-like: RIP is behind the instruction.
    exits: [{ reason: 43, rip: 'behind', qualification: 0 }],
    notes: [5, 9, fault(GP), 0x20, 0],
  },
  {
    name: 'a TPR threshold above the shadow is no valid control',
    setup: `
      primary CPU_TPR_SHADOW
      vmset VIRTUAL_APIC, VAPIC
      mov dword [VAPIC + 0x80], 0x20
      vmset TPR_THRESHOLD, 3`,
    entryFailures: [7],
  },
  {
    name: 'CR8 exits go before the TPR shadow',
    setup: `
      primary CPU_TPR_SHADOW | CPU_CR8_LOAD | CPU_CR8_STORE
      vmset VIRTUAL_APIC, VAPIC`,
    code: 'mov cr8, rax\nmov rcx, cr8',
    exits: [
      { reason: 28, qualification: 0x008 },
      { reason: 28, qualification: 0x118 },
    ],
  },
];

/** What hosts find behind an exit. */
const hosts: readonly VmxCase[] = [
  {
    name: 'an exit gives the host fixed segments, flags and tables',
    setup: `
      vmset HOST_FS_BASE, 0x123456789
      vmset HOST_GS_BASE, 0x987654321
      vmset HOST_FS, 0`,
    code: 'mov eax, 0\nmov fs, eax\nmov gs, eax\nstd\nlidt [idt32_pointer]\nlgdt [there]\njmp over\nthere: dw 0x1f\ndq gdt\nover: cpuid\ncld',
    onExit: `
      pushf
      pop rbx
      and ebx, 0x3f7700                   ; all but the status flags
      note rbx
      sidt [.table]
      movzx ebx, word [.table]
      note rbx
      sgdt [.table]
      movzx ebx, word [.table]
      note rbx
      mov ecx, 0xc0000100
      rdmsr
      note rax
      mov ecx, 0xc0000101
      rdmsr
      note rax
      mov ebx, ds
      note rbx
      mov ebx, fs
      note rbx
      str ebx
      note rbx
      sldt ebx
      note rbx
      ${END}
      ret
      .table: dw 0
      dq 0`,
    exits: [{ reason: 10, rflags: 0x402 }],
    notes: [0, 0xffff, 0xffff, 0x23456789, 0x87654321, 0x10, 0, 0x18, 0],
  },
  {
    name: 'a 32-bit guest under a 64-bit host: RIP and registers come back as they were',
    guest: 32,
    code: 'mov eax, -1\ninc eax\ndec eax\nthere: vmcall\nnote esp',
    exits: [{ reason: 18, rip: 'there', ax: 0xffffffff }],
    // Below what `note` has pushed.
    notes: [0x25fffc],
  },
  {
    name: 'a guest leaves and enters IA-32e mode through exits: “IA-32e mode guest” follows its EFER.LMA',
    guest: 32,
    setup: 'primary CPU_MSR_BITMAPS\nuse_ept\nsecondary SEC_UNRESTRICTED',
    code: `
      mov eax, cr0
      and eax, ~0x80000000
      mov cr0, eax
      mov eax, PML4
      mov cr3, eax
      mov ecx, 0xc0000080
      rdmsr
      or eax, 0x100
      wrmsr
      mov eax, cr0
      or eax, 0x80000000
      mov cr0, eax
      jmp CODE64:long_mode
      code64
      long_mode: cpuid
      mov rax, 1 << 40
      shr rax, 36
      note rax
      code64`,
    onExit: 'mov edx, ENTRY_CONTROLS\nvmread rbx, rdx\nshr ebx, 9\nand ebx, 1\nnote rbx\nxor eax, eax',
    exits: [{ reason: 10, rip: 'long_mode', cr0: 0x80010033 }],
    notes: [1, 0x10],
  },
  {
    name: 'a 32-bit host with PAE: the guest’s page directory pointers are checked and loaded',
    host: 32,
    setup: 'vmset GUEST_CR3, PAE_PDPT + 0x800',
    data: '',
    code: 'note 7',
    // All four are 0: not present, and so the first fetch faults until nothing can be delivered.
    exits: [{ reason: 2 }],
  },
  {
    name: 'PDPTEs with reserved bits: entry fails with qualification 2',
    host: 32,
    setup: 'mov dword [PAE_PDPT + 0x800], DIRECTORIES | 3\nvmset GUEST_CR3, PAE_PDPT + 0x800',
    exits: [{ reason: 0x80000021, qualification: 2 }],
  },
  {
    name: 'the VMCS link pointer is checked: entry fails with qualification 4',
    setup: 'vmset LINK_POINTER, VMCS2 + 8',
    exits: [{ reason: 0x80000021, qualification: 4 }],
  },
  {
    name: 'injecting an NMI into a guest that blocks events by STI: qualification 3',
    setup: 'vmset ENTRY_INTERRUPTION, 0x80000202\nvmset GUEST_RFLAGS, 0x202\nvmset INTERRUPTIBILITY, 1',
    exits: [{ reason: 0x80000021, qualification: 3 }],
  },
  {
    name: 'injecting an NMI into a guest behind MOV SS',
    setup: 'vmset ENTRY_INTERRUPTION, 0x80000202\nvmset INTERRUPTIBILITY, 2',
    exits: [{ reason: 0x80000021, qualification: 0 }],
  },
  ...(
    [
      ['plain', 32],
      ['PAE', 32],
    ] as const
  ).map(
    ([paging, host]): VmxCase => ({
      name: `a 32-bit host with ${paging} paging runs its guest`,
      host,
      paging,
      setup: 'primary CPU_HLT\nvmset EXCEPTION_BITMAP, 1 << 14',
      code: `
        note 1
        try ud2
        mov eax, 0x12345678
        vmcall
        hlt
        note 2`,
      exits: [
        { reason: 18, length: 3, ax: 0x12345678, cs: 0x28 },
        { reason: 12, length: 1 },
      ],
      notes: [1, fault(UD), 2],
    }),
  ),
];

export const MODE_CASES = {
  'real mode': unrestricted,
  'virtual-8086 mode': virtual8086,
  signals,
  'activity states': activity,
  'TPR shadow': tpr,
  hosts,
} as const;
