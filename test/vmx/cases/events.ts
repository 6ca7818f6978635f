/** Exceptions, interrupts and NMIs: exits for them, their injection, windows, blocking, and deliveries that exit half-way. */
import { BP, DB, fault, GP, NMI, OF, PF, TS, UD, type VmxCase } from '../harness/cases';

const VALID = 0x80000000;
const ERROR_CODE = 1 << 11;
const NMI_UNBLOCKED = 1 << 12;
const TYPE = { external: 0, nmi: 2 << 8, hardware: 3 << 8, software: 4 << 8, privileged: 5 << 8, softwareException: 6 << 8, other: 7 << 8 };
const event = (type: number, vector: number, flags = 0): number => (VALID | type | flags | vector) >>> 0;

/** Sends an interrupt to the own processor by the local APIC. */
const selfInterrupt = (vector: number): string => `mov ebx, APIC\nmov dword [rbx + 0x300], 0x44000 | ${vector}`;
/** An NMI to the processor whose APIC ID is 0. */
const selfNmi = 'mov ebx, APIC\nmov dword [rbx + 0x310], 0\nmov dword [rbx + 0x300], 0x4400';
const eoi = (vector: number): string => `mov dword [acknowledged_vector], ${vector}`;
const END = 'mov eax, ANSWER_END';
const AGAIN = 'mov eax, ANSWER_AGAIN';

const exceptions: readonly VmxCase[] = [
  {
    name: 'the exception bitmap: faults with RIP on the instruction and RF, no length but INT3 and INTO have one',
    setup: 'vmset EXCEPTION_BITMAP, 1 << 6 | 1 << 0 | 1 << 3',
    code: `
      first: ud2
      second: int3
      xor ecx, ecx
      third: div ecx
      note 7`,
    onExit: `
      mov edx, EXIT_LENGTH
      vmread rcx, rdx
      mov edx, EXIT_INTERRUPTION
      vmread rax, rdx
      cmp al, 3
      je .skip
      mov ecx, 2                          ; UD2 and DIV
      .skip:
      mov edx, GUEST_RIP
      vmread rax, rdx
      add rax, rcx
      vmwrite rdx, rax
      vmand GUEST_RFLAGS, ~0x10000
      ${AGAIN}`,
    exits: [
      { reason: 0, interruption: event(TYPE.hardware, 6), errorCode: 0, qualification: 0, rip: 'first', rflags: 0x10002, vectoring: 0 },
      { reason: 0, interruption: event(TYPE.softwareException, 3), length: 1, qualification: 0, rip: 'second', rflags: 2 },
      { reason: 0, interruption: event(TYPE.hardware, 0), rip: 'third', qualification: 0 },
    ],
    notes: [7],
  },
  {
    name: 'an exception whose bit is 0 goes to the guest',
    setup: 'vmset EXCEPTION_BITMAP, ~(1 << 6 | 1 << 3)',
    code: 'try ud2\nint3\nnote 7',
    notes: [fault(UD), fault(BP), 7],
  },
  {
    name: 'a general protection with its error code',
    setup: 'vmset EXCEPTION_BITMAP, 1 << 13',
    code: 'mov eax, 0x3e8\nthere: mov gs, eax',
    onExit: END,
    exits: [{ reason: 0, interruption: event(TYPE.hardware, 13, ERROR_CODE), errorCode: 0x3e8, qualification: 0, rip: 'there' }],
  },
  {
    name: 'INTO and INT1 in a 32-bit guest',
    guest: 32,
    setup: 'vmset EXCEPTION_BITMAP, 1 << 4 | 1 << 1',
    code: 'mov eax, 0x7fffffff\ninc eax\nfirst: into\nsecond: int1\nnote 7',
    onExit: `
      mov edx, EXIT_LENGTH
      vmread rcx, rdx
      mov edx, GUEST_RIP
      vmread rax, rdx
      add rax, rcx
      vmwrite rdx, rax
      ${AGAIN}`,
    exits: [
      { reason: 0, interruption: event(TYPE.softwareException, OF), length: 1, rip: 'first' },
      { reason: 0, interruption: event(TYPE.privileged, DB), length: 1, rip: 'second' },
    ],
    notes: [7],
  },
  {
    name: 'INT n never exits for its vector',
    setup: 'vmset EXCEPTION_BITMAP, -1',
    code: 'int 0x30\nnote 7',
    notes: [fault(0x30), 7],
  },
  ...(
    [
      // mask, match, bit 14 of the bitmap, whether a supervisor's write to an absent page (error code 2) exits
      [0, 0, 1, true],
      [0, 0, 0, false],
      [2, 2, 1, true],
      [2, 2, 0, false],
      [2, 0, 1, false],
      [2, 0, 0, true],
      [1, 1, 1, false],
      [0, 1, 1, false],
      [0, 1, 0, true],
      [0xffffffff, 2, 1, true],
    ] as const
  ).map(
    ([mask, match, bit, exits]): VmxCase => ({
      name: `page faults: mask ${mask}, match ${match}, bitmap ${bit}`,
      setup: `
        vmset EXCEPTION_BITMAP, ${bit} << 14
        vmset PAGE_FAULT_MASK, ${mask}
        vmset PAGE_FAULT_MATCH, ${match}
        and dword [DIRECTORIES + 0x80], ~1`,
      code: 'mov ebx, 0x2000123\nmov dword [recovery], behind\nthere: mov [rbx], al\nbehind: note 7\nmov rax, cr2\nnote rax',
      onExit: `
        vmset GUEST_RIP, behind
        ${AGAIN}`,
      // CR2 is not written by an exit.
      exits: exits
        ? [{ reason: 0, interruption: event(TYPE.hardware, PF, ERROR_CODE), errorCode: 2, qualification: 0x2000123, rip: 'there' }]
        : [],
      notes: exits ? [7, 0] : [fault(PF, 2), 7, 0x2000123],
    }),
  ),
  {
    name: '#DB: single step, with DR6 and DR7 as they were',
    setup: 'vmset EXCEPTION_BITMAP, 1 << 1\nvmset GUEST_RFLAGS, 0x102',
    code: 'nop\nthere: nop',
    onExit: END,
    after: 'mov rax, dr6\nnote rax',
    exits: [{ reason: 0, interruption: event(TYPE.hardware, DB), qualification: 0x4000, rip: 'there', rflags: 0x102, pendingDebug: 0 }],
    notes: [0xffff0ff0],
  },
  {
    name: '#DB: an instruction breakpoint, a data breakpoint',
    setup: `
      vmset EXCEPTION_BITMAP, 1 << 1
      mov eax, there
      mov dr1, rax
      mov eax, PROBE + 4
      mov dr2, rax
      vmset GUEST_DR7, 0x0d000408 | 0x20  ; DR2 on 4 bytes' writes, DR1 on execution`,
    code: 'nop\nthere: nop\nmov ebx, PROBE\nmov dword [rbx + 4], 1\nhere: nop',
    onExit: `
      vmor GUEST_RFLAGS, 0x10000
      ${AGAIN}`,
    exits: [
      { reason: 0, interruption: event(TYPE.hardware, DB), qualification: 2, rip: 'there', rflags: 2, dr7: 0x0d000428 },
      { reason: 0, interruption: event(TYPE.hardware, DB), qualification: 4, rip: 'here', rflags: 2 },
    ],
  },
  {
    name: 'a triple fault',
    code: 'lidt [nothing]\nthere: ud2\nalign 8\nnothing: dw 0\n dq 0',
    exits: [{ reason: 2, qualification: 0, vectoring: 0, interruption: 0, rip: 'there' }],
  },
];

const injection: readonly VmxCase[] = [
  {
    name: 'an exception with an error code is injected; the field loses its valid bit',
    setup: `
      vmset ENTRY_INTERRUPTION, ${event(TYPE.hardware, GP, ERROR_CODE)}
      vmset ENTRY_ERROR_CODE, 0x123
      mov dword [recovery], guest`,
    code: 'cpuid\nnote 7',
    exits: [{ reason: 10, entryInterruption: event(TYPE.hardware, GP, ERROR_CODE) & 0x7fffffff }],
    notes: [fault(GP, 0x123), 7],
  },
  {
    name: 'a hardware exception does not exit by the bitmap when injected',
    setup: `
      vmset EXCEPTION_BITMAP, -1
      vmset ENTRY_INTERRUPTION, ${event(TYPE.hardware, UD)}
      mov dword [recovery], guest`,
    code: 'note 7',
    notes: [fault(UD), 7],
  },
  {
    name: 'software interrupt, software exception, privileged one: the return address is behind the instruction',
    setup: `
      vmset ENTRY_INTERRUPTION, ${event(TYPE.software, 0x30)}
      vmset ENTRY_LENGTH, 2`,
    code: `
      db 0xf4, 0xf4                       ; not executed
      note 1
      mov eax, 0x51
      vmcall
      db 0x0f, 0x0b                       ; behind 3 bytes of VMCALL: not executed either
      note 2
      mov eax, 0x52
      vmcall
      note 3`,
    onExit: `
      mov ecx, [guest_registers]
      cmp cl, 0x52
      je .privileged
      vmset ENTRY_INTERRUPTION, ${event(TYPE.softwareException, BP)}
      vmset ENTRY_LENGTH, 5
      ${AGAIN}
      ret
      .privileged:
      vmset ENTRY_INTERRUPTION, ${event(TYPE.privileged, DB)}
      vmset ENTRY_LENGTH, 3
      ${AGAIN}`,
    exits: [
      { reason: 18, length: 3 },
      { reason: 18, length: 3 },
    ],
    notes: [fault(0x30), 1, fault(BP), 2, fault(DB), 3],
  },
  {
    name: 'a software exception of length 0 returns to RIP',
    setup: `vmset ENTRY_INTERRUPTION, ${event(TYPE.softwareException, BP)}\nvmset ENTRY_LENGTH, 0`,
    code: 'note 7',
    notes: [fault(BP), 7],
  },
  {
    name: 'a software interrupt checks the gate’s DPL, an exception does not',
    user: true,
    setup: `
      vmset ENTRY_INTERRUPTION, ${event(TYPE.software, 0x32)}
      vmset ENTRY_LENGTH, 2
      mov dword [recovery], behind`,
    code: 'int 0x32\nbehind: mov eax, 0x51\nvmcall\nnote 7',
    onExit: `
      mov edx, GUEST_RIP
      vmread rax, rdx
      add rax, 3
      vmwrite rdx, rax
      mov [recovery], eax
      vmset ENTRY_INTERRUPTION, ${event(TYPE.hardware, UD)}
      ${AGAIN}`,
    exits: [{ reason: 18 }],
    notes: [fault(GP, 0x32 * 8 + 2), fault(UD), 7],
  },
  {
    name: 'an external interrupt is injected though IF must be 1 for it',
    setup: `
      vmset GUEST_RFLAGS, 0x202
      vmset ENTRY_INTERRUPTION, ${event(TYPE.external, 0x35)}`,
    code: 'note 7',
    notes: [fault(0x35), 7],
  },
  {
    name: 'an external interrupt with IF 0 is no valid state',
    setup: `vmset ENTRY_INTERRUPTION, ${event(TYPE.external, 0x35)}`,
    exits: [{ reason: 0x80000021, qualification: 0 }],
  },
  {
    name: 'an injected NMI blocks NMIs until IRET',
    setup: `vmset ENTRY_INTERRUPTION, ${event(TYPE.nmi, 2)}\npin PIN_NMI | PIN_VIRTUAL_NMIS`,
    code: 'vmcall\nnote 7',
    exits: [{ reason: 18, interruptibility: 0 }],
    notes: [fault(NMI), 7],
  },
  {
    name: 'monitor trap flag as an event: the exit comes before any instruction',
    setup: `vmset ENTRY_INTERRUPTION, ${event(TYPE.other, 0)}`,
    code: 'note 7',
    onExit: AGAIN,
    exits: [{ reason: 37, rip: 'guest', qualification: 0 }],
    notes: [7],
  },
  {
    name: 'an injected event that faults is reported as vectoring information',
    setup: `
      vmset EXCEPTION_BITMAP, 1 << 11
      vmset ENTRY_INTERRUPTION, ${event(TYPE.external, 0x35)}
      vmset GUEST_RFLAGS, 0x202
      and byte [IDT64 + 0x35 * 16 + 5], 0x7f`,
    code: 'note 7',
    onExit: END,
    exits: [
      {
        reason: 0,
        interruption: event(TYPE.hardware, 11, ERROR_CODE),
        errorCode: 0x35 * 8 + 3,
        vectoring: event(TYPE.external, 0x35),
        rip: 'guest',
      },
    ],
  },
  {
    name: 'INT n that faults: vectoring information with the length of INT',
    setup: 'vmset EXCEPTION_BITMAP, 1 << 11\nand byte [IDT64 + 0x30 * 16 + 5], 0x7f',
    code: 'there: int 0x30',
    onExit: END,
    exits: [
      {
        reason: 0,
        interruption: event(TYPE.hardware, 11, ERROR_CODE),
        errorCode: 0x30 * 8 + 2,
        vectoring: event(TYPE.software, 0x30),
        length: 2,
        rip: 'there',
      },
    ],
  },
  {
    name: 'a fault in delivering a fault: both, the first with its error code; #DF by the bitmap',
    setup: `
      vmset EXCEPTION_BITMAP, 1 << 8 | 1 << 11
      and byte [IDT64 + 13 * 16 + 5], 0x7f`,
    code: 'mov eax, 0x3e8\nmov gs, eax',
    onExit: `
      vmset EXCEPTION_BITMAP, 1 << 8
      mov eax, [exits]
      cmp eax, 1
      ${AGAIN}
      je .end
      ${END}
      .end:`,
    exits: [
      {
        reason: 0,
        interruption: event(TYPE.hardware, 11, ERROR_CODE),
        errorCode: 13 * 8 + 3,
        vectoring: event(TYPE.hardware, 13, ERROR_CODE),
        vectoringErrorCode: 0x3e8,
      },
      // A double fault that exits is not "during event delivery".
      { reason: 0, interruption: event(TYPE.hardware, 8, ERROR_CODE), errorCode: 0, vectoring: 0 },
    ],
  },
  {
    name: '#TS through an injected event in ring 3: the stack of the TSS',
    user: true,
    setup: `
      vmset EXCEPTION_BITMAP, 1 << ${TS} | 1 << 13 | 1 << 12
      mov dword [TSS64 + 8], 0x80000000   ; RSP0 is not canonical
      vmset ENTRY_INTERRUPTION, ${event(TYPE.hardware, UD)}`,
    code: 'note 7',
    onExit: END,
    exits: [{ reason: 0, interruption: event(TYPE.hardware, 12, ERROR_CODE), errorCode: 1, vectoring: event(TYPE.hardware, UD) }],
  },
];

const interrupts: readonly VmxCase[] = [
  {
    name: 'external-interrupt exiting: at once, with IF 0, without acknowledging',
    setup: 'pin PIN_INTERRUPT',
    code: `${selfInterrupt(0x34)}\nthere: nop\nnote 7`,
    onExit: `
      vmand PIN_CONTROLS, ~PIN_INTERRUPT
      ${AGAIN}`,
    after: `${eoi(0x34)}\nsti\nnop\ncli`,
    exits: [{ reason: 1, interruption: 0, rip: 'there', qualification: 0 }],
    notes: [7, fault(0x34)],
  },
  {
    name: 'external-interrupt exiting with acknowledgement: the vector',
    setup: `pin PIN_INTERRUPT\nexiting EXIT_ACKNOWLEDGE`,
    code: `${selfInterrupt(0x34)}\nnop\nnote 7`,
    onExit: `mov ebx, APIC\nmov dword [rbx + 0xb0], 0\n${AGAIN}`,
    after: 'sti\nnop\ncli',
    exits: [{ reason: 1, interruption: event(TYPE.external, 0x34) }],
    notes: [7],
  },
  {
    name: 'without external-interrupt exiting the guest takes it, by its own IF',
    code: `${eoi(0x34)}\n${selfInterrupt(0x34)}\nnote 1\nsti\nnop\nnote 2\ncli`,
    notes: [1, fault(0x34), 2],
  },
  {
    name: 'an interrupt that waited exits on entry before the first instruction, whatever IF is; not behind MOV SS',
    setup: `pin PIN_INTERRUPT\n${selfInterrupt(0x34)}\nvmset INTERRUPTIBILITY, 2`,
    code: 'nop\nthere: nop',
    onExit: `
      cmp dword [exits], 1
      ${AGAIN}
      je .end
      ${END}
      .end:`,
    exits: [
      { reason: 1, rip: 'there', interruptibility: 0 },
      { reason: 1, rip: 'there' },
    ],
  },
  {
    name: 'interrupt window: as soon as IF is 1 and nothing blocks, behind STI’s shadow',
    setup: 'primary CPU_INTERRUPT_WINDOW',
    code: 'note 1\nsti\nnop\nthere: nop\nnote 2\ncli',
    onExit: `vmand PRIMARY_CONTROLS, ~CPU_INTERRUPT_WINDOW\n${AGAIN}`,
    exits: [{ reason: 7, rip: 'there', interruptibility: 0, rflags: 0x202, qualification: 0 }],
    notes: [1, 2],
  },
  {
    name: 'interrupt window on entry: before the first instruction; blocking by STI or MOV SS puts it off',
    setup: 'primary CPU_INTERRUPT_WINDOW\nvmset GUEST_RFLAGS, 0x202',
    code: 'first: nop\nsecond: nop\nthird: nop\ncli',
    onExit: `
      mov eax, [exits]
      and eax, 3
      vmset INTERRUPTIBILITY, xax
      cmp eax, 3
      ${AGAIN}
      jne .end
      vmset INTERRUPTIBILITY, 0
      vmand PRIMARY_CONTROLS, ~CPU_INTERRUPT_WINDOW
      ${AGAIN}
      .end:`,
    exits: [
      { reason: 7, rip: 'first' },
      { reason: 7, rip: 'second', interruptibility: 0 },
      { reason: 7, rip: 'third', interruptibility: 0 },
    ],
  },
  {
    name: 'interrupt window wakes a halted guest',
    setup: 'primary CPU_INTERRUPT_WINDOW\nvmset GUEST_RFLAGS, 0x202\nvmset ACTIVITY, 1',
    code: 'note 7\ncli',
    onExit: `vmand PRIMARY_CONTROLS, ~CPU_INTERRUPT_WINDOW\nvmset ACTIVITY, 0\n${AGAIN}`,
    exits: [{ reason: 7, rip: 'guest', activity: 1 }],
    notes: [7],
  },
  {
    name: 'an NMI exits, and NMIs are blocked behind the exit until an IRET',
    setup: 'pin PIN_NMI',
    code: `${selfNmi}\nthere: nop\nnote 7`,
    onExit: `
      ${selfNmi}
      nop
      note 5
      push DATA
      push xsp
      add qword [rsp], 8
      pushf
      push CODE64
      push .back
      iretq
      .back:
      note 6
      ${AGAIN}`,
    exits: [{ reason: 0, interruption: event(TYPE.nmi, 2), rip: 'there', qualification: 0, interruptibility: 0 }],
    notes: [5, fault(NMI), 6, 7],
  },
  {
    name: 'an NMI of the guest without NMI exiting',
    code: `${selfNmi}\nnop\nnote 7`,
    notes: [fault(NMI), 7],
  },
  {
    name: 'virtual NMIs: the window opens when the blocking ends, and IRET that faults leaves it as it was',
    setup: `
      pin PIN_NMI | PIN_VIRTUAL_NMIS
      primary CPU_NMI_WINDOW
      vmset INTERRUPTIBILITY, 8`,
    code: `
      note 1
      mov rax, rsp
      push DATA
      push rax
      pushf
      push CODE64
      push there
      iretq
      there: nop
      note 2`,
    onExit: `vmand PRIMARY_CONTROLS, ~CPU_NMI_WINDOW\n${AGAIN}`,
    exits: [{ reason: 8, rip: 'there', interruptibility: 0, qualification: 0 }],
    notes: [1, 2],
  },
  {
    name: 'NMI window at once where nothing is blocked, though IF is 0; MOV SS puts it off',
    setup: 'pin PIN_NMI | PIN_VIRTUAL_NMIS\nprimary CPU_NMI_WINDOW\nvmset INTERRUPTIBILITY, 2',
    code: 'nop\nthere: nop\nnote 2',
    onExit: `vmand PRIMARY_CONTROLS, ~CPU_NMI_WINDOW\n${AGAIN}`,
    exits: [{ reason: 8, rip: 'there' }],
    notes: [2],
  },
  {
    name: 'virtual NMIs: IRET whose exception exits says that it unblocked',
    setup: `
      pin PIN_NMI | PIN_VIRTUAL_NMIS
      vmset INTERRUPTIBILITY, 8
      vmset EXCEPTION_BITMAP, 1 << 13`,
    code: 'push DATA\npush rsp\npushf\npush 0x3e8\npush guest\nthere: iretq',
    onExit: END,
    exits: [
      {
        reason: 0,
        interruption: event(TYPE.hardware, GP, ERROR_CODE | NMI_UNBLOCKED),
        errorCode: 0x3e8,
        rip: 'there',
        interruptibility: 0,
      },
    ],
  },
  {
    name: 'NMIs are blocked without NMI exiting: IRET that faults has unblocked them, too, but the exit says nothing of it',
    setup: 'vmset INTERRUPTIBILITY, 8',
    code: `${selfNmi}\nnop\nnote 1\nmov rax, rsp\npush DATA\npush rax\npushf\npush CODE64\npush there\niretq\nthere: nop\nnote 2`,
    notes: [1, fault(NMI), 2],
  },
  {
    name: 'an INIT signal exits and is gone',
    code: 'mov ebx, APIC\nmov dword [rbx + 0x310], 0\nmov dword [rbx + 0x300], 0x4500\nthere: nop\nnote 7',
    onExit: AGAIN,
    exits: [{ reason: 3, rip: 'there', qualification: 0 }],
    notes: [7],
  },
];

const stepping: readonly VmxCase[] = [
  {
    name: 'monitor trap flag: behind each instruction, into a handler, not for what exits itself',
    setup: 'primary CPU_TRAP_FLAG',
    code: `
      nop
      a1: nop
      a2: cpuid
      a3: mov ax, ss
      a4: mov ss, ax
      a5: nop
      a6: vmcall`,
    onExit: `
      cmp eax, 37
      ${AGAIN}
      je .end
      cmp dword [exits], 7
      ${END}
      jae .end
      mov eax, ANSWER_DEFAULT
      .end:`,
    exits: [
      { reason: 37, rip: 'a1', qualification: 0, length: 0 },
      { reason: 37, rip: 'a2' },
      { reason: 10, rip: 'a2' },
      { reason: 37, rip: 'a4' },
      { reason: 37, rip: 'a5', interruptibility: 2 },
      { reason: 37, rip: 'a6', interruptibility: 0 },
      { reason: 18, rip: 'a6' },
    ],
  },
  {
    name: 'monitor trap flag behind an exception and a software interrupt: at the handler',
    setup: 'primary CPU_TRAP_FLAG',
    code: 'ud2',
    onExit: END,
    exits: [{ reason: 37, rip: 'handler_of_ud' }],
    data: 'handler_of_ud equ trap_stubs_64 + 6 * 16',
  },
  {
    name: 'monitor trap flag with an injected event: behind its delivery',
    setup: `primary CPU_TRAP_FLAG\nvmset ENTRY_INTERRUPTION, ${event(TYPE.hardware, UD)}`,
    code: 'nop',
    onExit: END,
    exits: [{ reason: 37, rip: 'handler_of_ud' }],
    data: 'handler_of_ud equ trap_stubs_64 + 6 * 16',
  },
  {
    name: 'monitor trap flag and REP: behind each iteration',
    setup: 'primary CPU_TRAP_FLAG\nmov dword [guest_registers + 16], 3\nmov dword [guest_registers + 40], PROBE',
    code: 'there: rep stosb\nbehind: vmcall',
    onExit: `
      cmp eax, 37
      ${AGAIN}
      je .end
      ${END}
      .end:`,
    exits: [
      { reason: 37, rip: 'there' },
      { reason: 37, rip: 'there' },
      { reason: 37, rip: 'behind' },
      { reason: 18, rip: 'behind' },
    ],
  },
  {
    name: 'the preemption timer of 0: before the first instruction',
    setup: 'pin PIN_TIMER\nvmset PREEMPTION_TIMER, 0',
    code: 'note 7',
    onExit: END,
    exits: [{ reason: 52, rip: 'guest', qualification: 0, length: 0, interruption: 0 }],
  },
  {
    name: 'the preemption timer counts down and is saved as 0',
    setup: 'pin PIN_TIMER\nexiting EXIT_SAVE_TIMER\nvmset PREEMPTION_TIMER, 20',
    code: 'jmp $',
    onExit: END,
    after: 'mov edx, PREEMPTION_TIMER\nvmread rax, rdx\nnote rax',
    exits: [{ reason: 52, rip: 'guest' }],
    notes: [0],
  },
  {
    name: 'the preemption timer: saved on any exit, and unsaved without that control',
    setup: 'pin PIN_TIMER\nexiting EXIT_SAVE_TIMER\nvmset PREEMPTION_TIMER, 100000',
    code: 'mov ecx, 10000\nloop $\ncpuid\ncpuid',
    onExit: `
      mov edx, PREEMPTION_TIMER
      vmread rax, rdx
      xor ecx, ecx
      cmp eax, 100000                     ; less than it was
      setb cl
      note rcx
      vmand EXIT_CONTROLS, ~EXIT_SAVE_TIMER
      vmset PREEMPTION_TIMER, 54321
      xor eax, eax`,
    after: 'mov edx, PREEMPTION_TIMER\nvmread rax, rdx\nnote rax',
    exits: [{ reason: 10 }, { reason: 10 }],
    notes: [1, 1, 54321],
  },
  {
    name: 'the preemption timer ends a HLT',
    setup: 'pin PIN_TIMER\nvmset PREEMPTION_TIMER, 100',
    code: 'hlt\nbehind: nop',
    onExit: END,
    exits: [{ reason: 52, rip: 'behind', activity: 1 }],
  },
  {
    name: 'PAUSE-loop exiting: in ring 0 after the window, not while gaps are long',
    setup: 'secondary SEC_PAUSE_LOOP\nvmset PLE_GAP, 10000\nvmset PLE_WINDOW, 20000',
    code: '.loop: pause\njmp .loop',
    onExit: END,
    exits: [{ reason: 40, length: 2, rip: 'guest' }],
  },
  {
    name: 'PAUSE-loop exiting with gaps above PLE_Gap never exits',
    setup: 'secondary SEC_PAUSE_LOOP\nvmset PLE_GAP, 1\nvmset PLE_WINDOW, 10',
    code: 'mov ebx, 300\n.loop: pause\nmov ecx, 100\nloop $\ndec ebx\njnz .loop\nnote 7',
    notes: [7],
  },
  {
    name: 'PAUSE-loop exiting is ring 0’s',
    user: true,
    setup: 'secondary SEC_PAUSE_LOOP\nvmset PLE_GAP, 10000\nvmset PLE_WINDOW, 100',
    code: 'mov ecx, 1000\n.loop: pause\nloop .loop\nnote 7',
    notes: [7],
  },
];

/** Which of several events at one boundary comes first (manual, "Priority Among Concurrent Events" and what each exit's section says). */
const TIMER_AT_ONCE = 'pin PIN_TIMER\nvmset PREEMPTION_TIMER, 0';
const NO_TIMER = 'vmand PIN_CONTROLS, ~PIN_TIMER';
const priorities: readonly VmxCase[] = [
  {
    name: 'a pending debug exception goes before the preemption timer',
    setup: `${TIMER_AT_ONCE}\nvmset EXCEPTION_BITMAP, 2\nvmset PENDING_DEBUG, 0x4000`,
    code: 'nop',
    onExit: END,
    exits: [{ reason: 0, interruption: event(TYPE.hardware, DB), qualification: 0x4000, rip: 'guest' }],
  },
  {
    name: 'the preemption timer goes before the NMI window, that before an interrupt’s exit and the interrupt window',
    setup: `
      ${TIMER_AT_ONCE}
      pin PIN_NMI | PIN_VIRTUAL_NMIS | PIN_INTERRUPT
      primary CPU_NMI_WINDOW | CPU_INTERRUPT_WINDOW
      vmset GUEST_RFLAGS, 0x202
      ${selfInterrupt(0x34)}`,
    code: 'note 7\ncli',
    onExit: `
      mov ebx, eax
      cmp ebx, 52
      jne .not_timer
      ${NO_TIMER}
      jmp .again
      .not_timer:
      cmp ebx, 8
      jne .not_nmi
      vmand PRIMARY_CONTROLS, ~CPU_NMI_WINDOW
      jmp .again
      .not_nmi:
      cmp ebx, 7
      jne .interrupt
      vmand PRIMARY_CONTROLS, ~CPU_INTERRUPT_WINDOW
      jmp .again
      .interrupt:
      vmand PIN_CONTROLS, ~PIN_INTERRUPT
      vmset GUEST_RFLAGS, 2
      .again:
      ${AGAIN}`,
    // The interrupt window comes before external interrupts.
    exits: [52, 8, 7, 1].map((reason) => ({ reason, rip: 'guest' })),
    notes: [7],
  },
  {
    name: 'a monitor trap flag that is injected goes before the preemption timer',
    setup: `${TIMER_AT_ONCE}\nvmset ENTRY_INTERRUPTION, ${event(TYPE.other, 0)}`,
    code: 'nop',
    onExit: END,
    exits: [{ reason: 37, rip: 'guest' }],
  },
  {
    name: 'an injected event is delivered before the timer, at whose handler it exits',
    setup: `${TIMER_AT_ONCE}\nvmset ENTRY_INTERRUPTION, ${event(TYPE.hardware, UD)}`,
    code: 'nop',
    onExit: END,
    data: 'handler_of_ud equ trap_stubs_64 + 6 * 16',
    exits: [{ reason: 52, rip: 'handler_of_ud', vectoring: 0 }],
  },
  {
    name: 'an injected event and the NMI window: at the handler',
    setup: `
      pin PIN_NMI | PIN_VIRTUAL_NMIS
      primary CPU_NMI_WINDOW
      vmset ENTRY_INTERRUPTION, ${event(TYPE.softwareException, BP)}
      vmset ENTRY_LENGTH, 1`,
    code: 'nop',
    onExit: END,
    data: 'handler_of_bp equ trap_stubs_64 + 3 * 16',
    exits: [{ reason: 8, rip: 'handler_of_bp' }],
  },
  {
    name: 'an injected interrupt and the interrupt window: behind the handler’s IRET, since the gate clears IF',
    setup: `primary CPU_INTERRUPT_WINDOW\nvmset GUEST_RFLAGS, 0x202\nvmset ENTRY_INTERRUPTION, ${event(TYPE.external, 0x35)}`,
    code: 'note 7',
    onExit: END,
    exits: [{ reason: 7, rip: 'guest' }],
    notes: [fault(0x35)],
  },
  {
    name: 'single step and the monitor trap flag behind one instruction: the monitor trap flag first, the step stays pending',
    setup: 'primary CPU_TRAP_FLAG\nvmset GUEST_RFLAGS, 0x102\nvmset EXCEPTION_BITMAP, 2',
    code: 'nop\nthere: nop',
    onExit: `
      mov ebx, eax
      vmand PRIMARY_CONTROLS, ~CPU_TRAP_FLAG
      test ebx, ebx
      ${AGAIN}
      jnz .end
      ${END}
      .end:`,
    exits: [
      { reason: 37, rip: 'there', pendingDebug: 0x4000 },
      { reason: 0, interruption: event(TYPE.hardware, DB), qualification: 0x4000, rip: 'there' },
    ],
  },
  {
    name: 'CPUID under TF that the host skips: no step, unless the host makes it pending',
    setup: 'vmset GUEST_RFLAGS, 0x102\nvmset EXCEPTION_BITMAP, 2',
    code: 'cpuid\nbehind: nop\nthere: nop',
    onExit: `
      test eax, eax
      mov eax, ANSWER_DEFAULT
      jnz .end
      ${END}
      .end:`,
    exits: [
      { reason: 10, pendingDebug: 0 },
      { reason: 0, interruption: event(TYPE.hardware, DB), qualification: 0x4000, rip: 'there' },
    ],
  },
];

const RETURN_TO_TASK = `
  pushf
  or dword [esp], 0x4000
  popf
  mov word [TSS32], OTHER_TASK
  or byte [gdt + OTHER_TASK + 5], 2
  there: iret`;
const OTHER_TASK = 0x50;

const taskSwitches: readonly VmxCase[] = (
  [
    // Bits 31:30 of the qualification, length
    ['CALL', 'there: call OTHER_TASK:0', 0, 7],
    ['JMP', 'there: jmp OTHER_TASK:0', 2, 7],
    ['IRET', RETURN_TO_TASK, 1, 1],
    ['CALL through a task gate', 'there: call TASK_GATE:0', 0, 7],
  ] as const
).map(([name, code, source, length]) => ({
  name: `a task switch by ${name}`,
  guest: 32,
  code,
  onExit: END,
  exits: [{ reason: 9, qualification: source * 0x40000000 + OTHER_TASK, length, rip: 'there', vectoring: 0 }],
}));

const taskGates: readonly VmxCase[] = [
  {
    name: 'a task switch through the IDT by a fault: vectoring information, no instruction',
    guest: 32,
    setup: 'mov dword [IDT32 + 6 * 8], OTHER_TASK << 16\nmov dword [IDT32 + 6 * 8 + 4], 0x8500',
    code: 'there: ud2',
    onExit: END,
    exits: [{ reason: 9, qualification: 0xc0000050, vectoring: event(TYPE.hardware, UD), rip: 'there' }],
  },
  {
    name: 'a task switch through the IDT by INT n: its length',
    guest: 32,
    setup: 'mov dword [IDT32 + 0x30 * 8], OTHER_TASK << 16\nmov dword [IDT32 + 0x30 * 8 + 4], 0xe500',
    code: 'there: int 0x30',
    onExit: END,
    exits: [{ reason: 9, qualification: 0xc0000050, vectoring: event(TYPE.software, 0x30), length: 2, rip: 'there' }],
  },
  {
    name: 'a task switch’s own checks come first: not present, busy, DPL',
    guest: 32,
    setup: 'and byte [gdt + OTHER_TASK + 5], 0x7f',
    code: 'try call OTHER_TASK:0\nor byte [gdt + OTHER_TASK + 5], 0x82\ntry jmp OTHER_TASK:0\nnote 7',
    notes: [fault(11, 0x50), fault(GP, 0x50), 7],
  },
];

export const EVENT_CASES = {
  exceptions,
  injection,
  interrupts,
  stepping,
  priorities,
  'task switches': [...taskSwitches, ...taskGates],
} as const;
