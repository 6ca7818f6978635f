/**
 * Code that the host has run until it was compiled, and that the guest then runs: what is compiled for the one must not decide for the
 * other. `hot` executes an instruction as often as EBX says.
 */
import { fault, UD, type VmxCase } from '../harness/cases';

const OFTEN = 30_000;
const AGAIN = 'mov eax, ANSWER_AGAIN';

interface Hot {
  readonly instruction: string;
  readonly control: string;
  readonly reason: number;
  /** Where it does not exit in the guest but faults. */
  readonly fault?: number;
}

const EXITING: readonly Hot[] = [
  { instruction: 'rdtsc', control: 'primary CPU_RDTSC', reason: 16 },
  { instruction: 'pause', control: 'primary CPU_PAUSE', reason: 40 },
  { instruction: 'rdrand eax', control: 'secondary SEC_RDRAND', reason: 57 },
  { instruction: 'in al, 0x71', control: 'primary CPU_IO', reason: 30 },
  { instruction: 'out 0x80, al', control: 'primary CPU_IO', reason: 30 },
  { instruction: 'mov rax, cr3', control: 'primary CPU_CR3_STORE', reason: 28 },
  { instruction: 'mov rax, cr8', control: 'primary CPU_CR8_STORE', reason: 28 },
  { instruction: 'mov rax, dr7', control: 'primary CPU_MOV_DR', reason: 29 },
  { instruction: 'str ax', control: 'secondary SEC_DESCRIPTORS', reason: 47 },
  { instruction: 'sgdt [scratch]', control: 'secondary SEC_DESCRIPTORS', reason: 46 },
  { instruction: 'invlpg [0]', control: 'primary CPU_INVLPG', reason: 14 },
  { instruction: 'cpuid', control: '', reason: 10 },
  { instruction: 'rdmsr', control: '', reason: 31 },
  { instruction: 'clts', control: 'vmset CR0_MASK, 8\nvmset CR0_SHADOW, 8', reason: 28 },
  { instruction: 'rdtscp', control: 'secondary SEC_RDTSCP\nprimary CPU_RDTSC', reason: 51 },
  { instruction: 'rdtscp', control: '', reason: 0, fault: UD },
];

const hotFunction = (instruction: string): string => `
  code64
  hot:
    mov ecx, 0x10                         ; for RDMSR
    push rbx
    ${instruction}
    pop rbx
    dec ebx
    jnz hot
    ret
  scratch equ PROBE + 0x9000            ; not beside code`;

export const HOT_CASES: readonly VmxCase[] = [
  ...EXITING.map(
    ({ instruction, control, reason, fault: vector }): VmxCase => ({
      name: `${instruction}, hot in the host, ${vector === undefined ? 'exits' : 'faults'} in the guest, and is itself in the host again`,
      setup: `
        mov ebx, ${OFTEN}
        call hot
        ${control}`,
      code: vector === undefined ? 'mov ebx, 3\ncall hot\nnote 7' : 'mov ebx, 1\nmov dword [recovery], behind\ncall hot\nbehind: note 7',
      after: 'mov ebx, 3\ncall hot\nnote 8',
      data: hotFunction(instruction),
      exits: vector === undefined ? [{ reason }, { reason }, { reason }] : [],
      notes: vector === undefined ? [7, 8] : [fault(vector), 7, 8],
    }),
  ),
  {
    name: 'the TSC offset, CR0 and CR4 shadows in hot code',
    setup: `
      mov ebx, ${OFTEN}
      call hot
      primary CPU_TSC_OFFSET
      mov rax, 1 << 60
      mov edx, TSC_OFFSET
      call vmwrite_field
      vmset CR0_MASK, 8
      vmset CR0_SHADOW, 8
      vmset CR4_MASK, 0x2000
      vmset CR4_SHADOW, 0`,
    code: `mov ebx, ${OFTEN}\ncall hot\nnote [scratch]`,
    after: 'mov ebx, 3\ncall hot\nnote [scratch]',
    data: hotFunction(`
      rdtsc
      shr edx, 28
      mov rax, cr0
      and eax, 8
      or edx, eax
      mov rax, cr4
      and eax, 0x2000
      or edx, eax
      mov [scratch], edx`),
    notes: [9, 0x2000],
  },
  {
    name: 'a hot loop of the guest ends at the preemption timer, at an interrupt window, behind one instruction with the monitor trap flag',
    setup: `
      pin PIN_TIMER
      vmset PREEMPTION_TIMER, 3000`,
    code: '.loop: inc rax\nadd rbx, rax\nxor rcx, rbx\njmp .loop',
    onExit: `
      mov ebx, [exits]
      cmp ebx, 1
      jne .second
      vmand PIN_CONTROLS, ~PIN_TIMER
      primary CPU_INTERRUPT_WINDOW
      vmset GUEST_RFLAGS, 0x202
      jmp .again
      .second:
      cmp ebx, 2
      jne .third
      vmand PRIMARY_CONTROLS, ~CPU_INTERRUPT_WINDOW
      primary CPU_TRAP_FLAG
      jmp .again
      .third:
      cmp ebx, 4
      jb .again
      mov eax, ANSWER_END
      ret
      .again:
      ${AGAIN}`,
    exits: [{ reason: 52 }, { reason: 7 }, { reason: 37 }, { reason: 37 }],
  },
  {
    name: 'hot stores of the guest to a page that EPT takes away',
    setup: 'use_ept',
    code: `
      mov ebx, PROBE + 0x5000
      mov ecx, ${OFTEN}
      .first: mov [rbx], ecx
      loop .first
      vmcall
      mov ecx, ${OFTEN}
      .second: mov [rbx], ecx
      loop .second
      note 7`,
    onExit: `
      cmp eax, 18
      je .call
      mov dword [EPT_PT + 5 * 8], PROBE + 0x5037
      ${AGAIN}
      ret
      .call:
      mov dword [EPT_PT + 5 * 8], PROBE + 0x5031
      mov eax, 2
      mov qword [.descriptor], 0
      invept rax, [.descriptor]
      xor eax, eax
      ret
      align 16
      .descriptor: dq 0, 0`,
    exits: [{ reason: 18 }, { reason: 48, qualification: 0x18a, physical: 0x405000 }],
    notes: [7],
  },
];
