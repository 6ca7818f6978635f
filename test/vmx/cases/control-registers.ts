/** Control registers of a guest: masks, shadows, targets, fixed bits (manual, "Guest/Host Masks and Read Shadows for CR0 and CR4"). */
import { fault, GP, type VmxCase } from '../harness/cases';

/** Exit qualification of a MOV to or from a control register. */
const mov = (register: number, gpr: number, from = false): number => register | (from ? 0x10 : 0) | (gpr << 8);
const CLTS = 2 << 4;
const lmsw = (source: number, memory = false): number => ((source << 16) | (memory ? 1 << 6 : 0) | (3 << 4)) >>> 0;

export const CONTROL_REGISTER_CASES: readonly VmxCase[] = [
  {
    name: 'CR0: masked bits are read from the shadow, others from the register, by MOV, SMSW',
    setup: `
      vmset CR0_MASK, 0x6000000e          ; CD, NW, TS, EM, MP
      vmset CR0_SHADOW, 0x6000000c`,
    code: `
      mov rax, cr0
      and eax, 0x6000000f
      note rax
      smsw ebx
      and ebx, 0x6000000f
      note rbx
      smsw bx
      and ebx, 0xf
      note rbx`,
    notes: [0x6000000d, 0x6000000d, 0xd],
  },
  {
    name: 'CR0: writing what the shadow says does not exit, whatever the register has',
    setup: `
      vmset CR0_MASK, 0x8                 ; TS
      vmset CR0_SHADOW, 0x8`,
    code: `
      mov rax, cr0
      mov cr0, rax
      note 1
      and eax, ~8
      there: mov cr0, rax
      mov rax, cr0
      xor eax, 0x40000                    ; AM is the guest's
      mov cr0, rax
      mov rax, cr0
      and eax, 0x40008
      note rax`,
    exits: [{ reason: 28, qualification: mov(0, 0), length: 3, rip: 'there' }],
    notes: [1, 0x40008],
  },
  {
    name: 'CR0: bits of the host keep their value when the guest writes others',
    setup: `
      vmset CR0_MASK, 0x8
      vmset CR0_SHADOW, 0x8`,
    code: `
      mov rax, cr0
      xor eax, 0x10000                    ; WP
      mov cr0, rax
      cpuid`,
    // TS was 0 in the register and stays so; WP was 1.
    exits: [{ reason: 10, cr0: 0x80000033 }],
  },
  {
    name: 'CLTS: exits by mask and shadow, does nothing where only the mask has TS, works where it has not',
    setup: 'vmor GUEST_CR0, 8\nvmset CR0_MASK, 8\nvmset CR0_SHADOW, 8',
    code: `
      there: clts
      cpuid`,
    exits: [
      { reason: 28, qualification: CLTS, length: 2, rip: 'there' },
      { reason: 10, cr0: 0x8001003b },
    ],
  },
  {
    name: 'CLTS with TS masked and 0 in the shadow changes nothing',
    setup: 'vmor GUEST_CR0, 8\nvmset CR0_MASK, 8\nvmset CR0_SHADOW, 0',
    code: 'clts\ncpuid',
    exits: [{ reason: 10, cr0: 0x8001003b }],
  },
  {
    name: 'CLTS with TS of its own',
    setup: 'vmor GUEST_CR0, 8\nvmset CR0_SHADOW, 8',
    code: 'clts\ncpuid',
    exits: [{ reason: 10, cr0: 0x80010033 }],
  },
  {
    name: 'LMSW: source, operand, linear address; PE is never cleared and so never exits for that',
    setup: 'vmset CR0_MASK, 0xf\nvmset CR0_SHADOW, 1',
    code: `
      mov eax, 0x1235
      first: lmsw ax
      mov ebx, PROBE + 0x123
      mov word [rbx + 5], 0xfff9
      second: lmsw [rbx + 5]
      mov eax, 0x30
      lmsw ax                             ; PE 1→0, TS, EM and MP as the shadow has them
      mov eax, 0x31
      lmsw ax
      note 7`,
    exits: [
      { reason: 28, qualification: lmsw(0x1235), length: 3, rip: 'first' },
      { reason: 28, qualification: lmsw(0xfff9, true), length: 4, rip: 'second', linear: 0x400128 },
    ],
    notes: [7],
  },
  {
    name: 'LMSW exits where it would set PE that the shadow has 0',
    setup: 'vmset CR0_MASK, 1\nvmset CR0_SHADOW, 0',
    code: 'mov eax, 1\nlmsw ax\nmov eax, 0xe\nlmsw ax\nmov eax, 0\nlmsw ax',
    exits: [{ reason: 28, qualification: lmsw(1) }],
  },
  {
    name: 'CR4: mask and shadow',
    setup: 'vmset CR4_MASK, 0x2004\nvmset CR4_SHADOW, 4',
    code: `
      mov rax, cr4
      and eax, 0x2024
      note rax
      mov rsi, cr4
      mov cr4, rsi
      note 1
      xor esi, 4
      there: mov cr4, rsi
      mov rax, cr4
      or eax, 8                           ; DE is the guest's
      mov cr4, rax
      cpuid`,
    exits: [
      { reason: 28, qualification: mov(4, 6), length: 3, rip: 'there' },
      { reason: 10, cr4: 0x2628 },
    ],
    notes: [0x24, 1],
  },
  {
    name: 'bits that VMX fixes cannot be changed by a guest: #GP',
    code: `
      mov rax, cr4
      and eax, ~0x2000
      try mov cr4, rax
      mov rax, cr0
      and eax, ~0x20
      try mov cr0, rax
      note 7`,
    notes: [fault(GP), fault(GP), 7],
  },
  {
    name: 'an exit for CR0 comes before #GP for the value',
    setup: 'vmset CR0_MASK, 0x80000001\nvmset CR0_SHADOW, 0x80000001',
    code: `
      mov rax, cr0
      and eax, ~1
      mov cr0, rax                        ; PG without PE
      or eax, 1
      mov rcx, 1 << 32
      or rax, rcx
      try mov cr0, rax                    ; reserved bit, nothing masked is changed
      note 7`,
    exits: [{ reason: 28, qualification: mov(0, 0) }],
    notes: [fault(GP), 7],
  },
  {
    name: 'CR3 targets: as many as are counted',
    setup: `
      primary CPU_CR3_LOAD
      vmset CR3_TARGET0, PML4
      vmset CR3_TARGET1, PML4 + 8
      vmset CR3_TARGET2, PML4 + 16
      vmset CR3_TARGET3, PML4 + 24
      vmset CR3_TARGET_COUNT, 2`,
    code: `
      mov eax, PML4
      mov cr3, rax
      add eax, 8
      mov cr3, rax
      mov rbx, cr3
      sub rbx, rax
      note rbx
      add eax, 8
      mov cr3, rax
      add eax, 8
      mov cr3, rax
      mov rbx, cr3
      sub rbx, PML4 + 8
      note rbx`,
    exits: [
      { reason: 28, qualification: mov(3, 0) },
      { reason: 28, qualification: mov(3, 0) },
    ],
    notes: [0, 0],
  },
  {
    name: 'four CR3 targets',
    setup: 'primary CPU_CR3_LOAD\nvmset CR3_TARGET3, PML4\nvmset CR3_TARGET_COUNT, 4',
    code: 'mov eax, PML4\nmov cr3, rax\nnote 7\nmov ebx, 0x1000\nmov cr3, rbx',
    exits: [{ reason: 28, qualification: mov(3, 3) }],
    notes: [7],
  },
  {
    name: 'control registers of a 32-bit guest',
    guest: 32,
    setup: 'primary CPU_CR3_LOAD | CPU_CR3_STORE\nvmset CR4_MASK, 0x2000',
    code: `
      mov eax, cr3
      mov cr3, esp
      mov eax, cr4
      and eax, 0x2000
      note eax`,
    exits: [
      { reason: 28, qualification: mov(3, 0, true), length: 3 },
      { reason: 28, qualification: mov(3, 4), length: 3 },
    ],
    notes: [0],
  },
  {
    name: 'the CPL is checked before, reserved bits of CR4 behind the exit',
    user: true,
    setup: 'primary CPU_CR3_LOAD\nvmset CR0_MASK, -1',
    code: 'try mov cr3, rax\ntry clts\ntry lmsw ax\ntry mov cr0, rax',
    notes: [fault(GP), fault(GP), fault(GP), fault(GP)],
  },
  {
    name: 'DR7 is saved and loaded by exits and entries',
    code: 'mov eax, 0x455\nmov dr7, rax\ncpuid\nmov rax, dr7\nnote rax',
    after: 'mov rax, dr7\nnote rax',
    exits: [{ reason: 10, dr7: 0x455 }],
    notes: [0x455, 0x400],
  },
  {
    name: 'DR7 stays where debug controls are neither saved nor loaded; the host has 0x400 all the same',
    setup: `
      vmand EXIT_CONTROLS, ~EXIT_SAVE_DEBUG
      vmand ENTRY_CONTROLS, ~ENTRY_LOAD_DEBUG
      vmset GUEST_DR7, 0x4aa
      mov eax, 0x401
      mov dr7, rax`,
    code: 'mov rax, dr7\nnote rax\ncpuid',
    after: 'mov rax, dr7\nnote rax',
    exits: [{ reason: 10, dr7: 0x4aa }],
    notes: [0x401, 0x400],
  },
];
