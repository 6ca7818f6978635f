/** VMX instructions in the host: who may execute them, how they fail, with which error number, in which order (manual, "VMX Instruction Reference"). */
import { fault, GP, OK, PF, SS, UD, VMFAIL_INVALID, type VmxCase } from '../harness/cases';

/** Enters VMX operation with a current VMCS that has its defaults. */
const ROOT = 'prepare';

/** In hosts of both widths. */
const both = (test: VmxCase): readonly VmxCase[] =>
  ([64, 32] as const).map((host) => ({ ...test, host, name: `${test.name}, ${host}-bit host` }));

const ALL = `
  op vmxon [vmxon_pointer]
  op vmxoff
  op vmclear [vmcs_pointer]
  op vmptrld [vmcs_pointer]
  op vmptrst [scratch]
  op vmlaunch
  op vmresume
  op vmcall
  mov edx, GUEST_RIP
  op vmread xax, xdx
  op vmwrite xdx, xax
  mov eax, 2
  op invept xax, [scratch]
  op invvpid xax, [scratch]
  `;
const COUNT = 12;
const SCRATCH = `
  align 16
  scratch: dq 0, 0
  odd_pointer: dq VMCS + 8
  far_pointer: dq 1 << 40 | VMCS
  nothing: dq 0x2000000
  `;
const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

export const INSTRUCTION_CASES: readonly VmxCase[] = [
  ...both({
    name: 'nothing exists outside VMX operation',
    root: `
      mov xax, cr4
      and eax, ~0x2000
      mov cr4, xax
      ${ALL}`,
    data: SCRATCH,
    notes: times(COUNT, fault(UD)),
  }),
  ...both({
    name: 'CR4.VMXE alone lets in VMXON alone',
    root: `
      enable_vmx
      op vmxoff
      op vmclear [vmcs_pointer]
      op vmptrld [vmcs_pointer]
      op vmptrst [scratch]
      op vmlaunch
      op vmresume
      op vmcall
      mov edx, GUEST_RIP
      op vmread xax, xdx
      op vmwrite xdx, xax
      op invept xax, [scratch]
      op invvpid xax, [scratch]
      op vmxon [vmxon_pointer]`,
    data: SCRATCH,
    notes: [...times(COUNT - 1, fault(UD)), OK],
  }),
  ...both({
    name: 'ring 3 may none of them',
    root: `
      ${ROOT}
      in_user
      ${ALL}
      in_host`,
    data: SCRATCH,
    notes: times(COUNT, fault(GP)),
  }),
  ...both({
    name: 'ring 3 may not VMXON, whatever its operand',
    root: `
      enable_vmx
      in_user
      op vmxon [vmxon_pointer]
      op vmxon [0x2000000]
      in_host`,
    notes: [fault(GP), fault(GP)],
  }),
  {
    name: 'compatibility mode has none of them',
    root: `
      ${ROOT}
      jmp far dword [.far]
      .far: dd .compatible
            dw CODE32
      code32
      .compatible:
      ${ALL.replaceAll('xax', 'eax').replaceAll('xdx', 'edx')}
      jmp CODE64:.long
      code64
      .long:
      note 1`,
    data: SCRATCH,
    notes: [...times(COUNT, fault(UD)), 1],
  },
  ...both({
    name: 'VMXON looks at CR0, at alignment, width and revision',
    root: `
      enable_vmx
      mov xax, cr0
      and eax, ~0x20
      mov cr0, xax                       ; NE
      op vmxon [vmxon_pointer]
      mov xax, cr0
      or eax, 0x20
      mov cr0, xax
      op vmxon [odd_pointer]
      op vmxon [far_pointer]
      xor dword [VMXON_REGION], 1
      op vmxon [vmxon_pointer]
      xor dword [VMXON_REGION], 1 | 1 << 31
      op vmxon [vmxon_pointer]
      xor dword [VMXON_REGION], 1 << 31
      op vmxon [vmxon_pointer]
      op vmxon [vmxon_pointer]
      op vmxon [odd_pointer]`,
    data: SCRATCH,
    // Within VMX operation it fails with error 15, which nothing can hold while there is no current VMCS.
    notes: [fault(GP), VMFAIL_INVALID, VMFAIL_INVALID, VMFAIL_INVALID, VMFAIL_INVALID, OK, VMFAIL_INVALID, VMFAIL_INVALID],
  }),
  {
    name: 'VMXON and VMPTRLD fault on their operand',
    root: `
      enable_vmx
      and dword [DIRECTORIES + 0x80], ~1
      mov rax, cr3
      mov cr3, rax
      op vmxon [0x2000000]
      op vmxon [vmxon_pointer]
      op vmptrld [0x2000000]
      op vmclear [0x2000000]
      op vmptrst [0x2000000]
      mov rax, 0x8000000000000000
      op vmptrld [rax]
      op vmptrld [rsp + rax]`,
    notes: [fault(PF), OK, fault(PF), fault(PF), fault(PF, 2), fault(GP), fault(SS)],
  },
  ...both({
    name: 'in VMX operation CR0 and CR4 keep their fixed bits',
    root: `
      ${ROOT}
      mov xax, cr4
      and eax, ~0x2000
      try mov cr4, xax
      mov xax, cr0
      and eax, ~0x20
      try mov cr0, xax
      mov xax, cr0
      and eax, ~0x80000000
      try mov cr0, xax
      op vmxoff
      mov xax, cr4
      and eax, ~0x2000
      try mov cr4, xax
      mov xax, cr0
      and eax, ~0x20
      try mov cr0, xax
      op vmcall`,
    notes: [fault(GP), fault(GP), fault(GP), OK, fault(UD)],
  }),
  {
    name: 'IA32_FEATURE_CONTROL is locked, capabilities are read-only',
    root: `
      enable_vmx
      mov ecx, 0x3a
      xor edx, edx
      mov eax, 5
      try wrmsr
      mov ecx, 0x480
      try wrmsr
      mov ecx, 0x491
      try wrmsr`,
    notes: [fault(GP), fault(GP), fault(GP)],
  },
  ...both({
    name: 'VMCLEAR and VMPTRLD: addresses, the VMXON pointer, the revision',
    root: `
      ${ROOT}
      op vmclear [odd_pointer]
      op vmclear [far_pointer]
      op vmclear [vmxon_pointer]
      op vmptrld [odd_pointer]
      op vmptrld [far_pointer]
      op vmptrld [vmxon_pointer]
      xor dword [VMCS2], 2
      op vmclear [vmcs2_pointer]          ; which does not look at it
      op vmptrld [vmcs2_pointer]
      xor dword [VMCS2], 2
      op vmptrld [vmcs2_pointer]
      op vmptrst [scratch]
      note [scratch]
      op vmptrld [odd_pointer]
      op vmptrst [scratch]
      note [scratch]
      op vmxon [odd_pointer]
      op vmcall`,
    data: SCRATCH,
    notes: [2, 2, 3, 9, 9, 10, OK, 11, OK, OK, 0x212000, 9, OK, 0x212000, 15, 1],
  }),
  ...both({
    name: 'without a current VMCS errors have no number',
    root: `
      ${ROOT}
      op vmclear [vmcs2_pointer]
      op vmptrst [scratch]
      note [scratch]
      op vmclear [vmcs_pointer]
      op vmptrst [scratch]
      note [scratch]
      note [scratch + 4]
      op vmclear [odd_pointer]
      op vmclear [vmxon_pointer]
      op vmptrld [far_pointer]
      op vmptrld [vmxon_pointer]
      mov edx, GUEST_RIP
      op vmread xax, xdx
      op vmwrite xdx, xax
      op vmlaunch
      op vmresume
      op vmcall
      op vmxon [vmxon_pointer]
      mov eax, 9
      op invept xax, [scratch]
      op invvpid xax, [scratch]
      op vmptrld [vmcs_pointer]
      op vmcall`,
    data: SCRATCH,
    notes: [],
  }).map((test) => ({
    ...test,
    notes: [
      OK,
      OK,
      0x211000,
      OK,
      OK,
      ...(test.host === 64 ? ['minus_one', 'upper_of_minus_one'] : [0xffffffff, 0xffffffff]),
      ...times(12, VMFAIL_INVALID),
      OK,
      1,
    ],
    data: `${SCRATCH}
      minus_one equ 0xffffffffffffffff
      upper_of_minus_one equ 0xffffffff`,
    root: test.host === 64 ? test.root?.replace('note [scratch + 4]', 'mov eax, [scratch + 4]\nnote rax') : test.root,
  })),
  ...both({
    name: 'VMXOFF forgets the current VMCS, its region does not forget',
    root: `
      ${ROOT}
      vmset GUEST_RSP, 0x1230
      op vmxoff
      op vmxon [vmxon_pointer]
      mov edx, GUEST_RSP
      op vmread xax, xdx
      op vmptrld [vmcs_pointer]
      op vmread xax, xdx
      note xax`,
    notes: [OK, OK, VMFAIL_INVALID, OK, OK, 0x1230],
  }),
  ...both({
    name: 'VMREAD and VMWRITE of components that do not exist',
    root: `
      ${ROOT}
      mov eax, 0
      mov edx, 0x0fff
      op vmread xax, xdx
      op vmwrite xdx, xax
      mov edx, 0x6c18                     ; behind host RIP
      op vmread xax, xdx
      op vmwrite xdx, xax
      mov edx, GUEST_RIP + 1              ; "high" of what has 64 bits but is natural
      op vmread xax, xdx
      mov edx, GUEST_CS + 1
      op vmread xax, xdx
      mov edx, EXIT_REASON + 1
      op vmread xax, xdx
      mov edx, GUEST_CS | 1 << 12         ; reserved bits of the encoding
      op vmread xax, xdx
      mov edx, GUEST_CS | 1 << 15
      op vmread xax, xdx
      mov edx, GUEST_CS | 1 << 31
      op vmwrite xdx, xax`,
    notes: times(10, 12),
  }),
  {
    name: 'an encoding has 64 bits in 64-bit mode',
    root: `
      ${ROOT}
      mov rdx, 1 << 32 | GUEST_CS
      op vmread rax, rdx
      op vmwrite rdx, rax`,
    notes: [12, 12],
  },
  {
    name: 'widths of fields in 64-bit mode',
    root: `
      ${ROOT}
      mov rax, 0x1122334455667788
      mov edx, GUEST_ES                   ; 16 bits
      op vmwrite rdx, rax
      op vmread rbx, rdx
      note rbx
      mov edx, GUEST_ES_LIMIT             ; 32
      op vmwrite rdx, rax
      op vmread rbx, rdx
      note rbx
      mov edx, TSC_OFFSET                 ; 64
      op vmwrite rdx, rax
      op vmread rbx, rdx
      note rbx
      inc edx
      op vmread rbx, rdx
      note rbx
      op vmwrite rdx, rax                 ; the upper half, from the lower half of the source
      dec edx
      op vmread rbx, rdx
      note rbx
      mov edx, GUEST_RSP                  ; natural
      op vmwrite rdx, rax
      op vmread rbx, rdx
      note rbx
      mov qword [scratch], -1
      mov edx, GUEST_ES
      op vmread [scratch], rdx            ; memory gets all 8 bytes
      note [scratch]
      mov qword [scratch], 0x12345678
      op vmwrite rdx, [scratch]
      op vmread rbx, rdx
      note rbx`,
    data: `${SCRATCH}
      whole equ 0x1122334455667788
      upper_written equ 0x5566778855667788`,
    notes: [
      OK,
      OK,
      30600,
      OK,
      OK,
      0x55667788,
      OK,
      OK,
      'whole',
      OK,
      287454020,
      OK,
      OK,
      'upper_written',
      OK,
      OK,
      'whole',
      OK,
      30600,
      OK,
      OK,
      22136,
    ],
  },
  {
    name: 'widths of fields in 32-bit mode',
    host: 32,
    root: `
      ${ROOT}
      mov eax, 0x55667788
      mov edx, GUEST_ES
      op vmwrite edx, eax
      op vmread ebx, edx
      note ebx
      mov edx, TSC_OFFSET + 1
      op vmwrite edx, eax
      dec edx
      op vmwrite edx, eax                 ; clears the upper half
      op vmread ebx, edx
      note ebx
      inc edx
      op vmread ebx, edx
      note ebx
      op vmwrite edx, eax
      op vmread ebx, edx
      note ebx
      mov edx, GUEST_RSP
      op vmwrite edx, eax
      op vmread ebx, edx
      note ebx
      mov dword [scratch + 4], -1
      op vmread [scratch], edx            ; 4 bytes
      note [scratch]
      note [scratch + 4]`,
    data: SCRATCH,
    notes: [OK, OK, 30600, OK, OK, OK, 0x55667788, OK, 0, OK, OK, 0x55667788, OK, OK, 0x55667788, OK, 0x55667788, 0xffffffff],
  },
  ...both({
    name: 'fields of exit information may not be written, as IA32_VMX_MISC says: error 13',
    root: `
      ${ROOT}
      mov ecx, 0x485
      rdmsr
      shr eax, 29
      and eax, 1
      note xax
      mov eax, 0x123
      mov edx, EXIT_QUALIFICATION
      op vmwrite xdx, xax
      mov edx, EXIT_REASON
      op vmwrite xdx, xax
      mov edx, GUEST_PHYSICAL + 1
      op vmwrite xdx, xax
      mov edx, INSTRUCTION_ERROR
      op vmwrite xdx, xax
      mov edx, EXIT_QUALIFICATION
      op vmread xax, xdx`,
    notes: [0, 13, 13, 13, 13, OK],
  }),
  ...both({
    name: 'the launch state: errors 4 and 5',
    root: `
      ${ROOT}
      op vmresume
      run_guest
      op vmlaunch
      op vmclear [vmcs_pointer]
      op vmptrld [vmcs_pointer]
      op vmresume
      mov byte [launched], 0
      vmset GUEST_RIP, guest
      run_guest
      op vmlaunch`,
    notes: [5, 4, OK, OK, 5, 4],
  }),
  ...both({
    name: 'MOV SS before VMLAUNCH: error 26, before the launch state and all fields; STI does no harm',
    root: `
      ${ROOT}
      mov eax, DATA
      vmset HOST_CS, 0
      vmset PIN_CONTROLS, 0
      mov eax, DATA
      mov dword [recovery], .behind
      mov ss, eax
      vmresume
      call note_outcome
      .behind:
      mov eax, DATA
      mov ss, eax
      vmlaunch
      call note_outcome
      sti
      vmlaunch
      call note_outcome
      cli`,
    notes: [26, 26, 7],
  }),
  ...both({
    name: 'controls are checked before host state, host state before guest state',
    root: `
      ${ROOT}
      vmset GUEST_RFLAGS, 0
      vmset HOST_CS, 0
      vmset CR3_TARGET_COUNT, 5
      op vmlaunch
      vmset CR3_TARGET_COUNT, 4
      op vmlaunch
      %if HOST_BITS = 64
      vmset HOST_CS, CODE64
      %else
      vmset HOST_CS, CODE32
      %endif
      run_guest
      vmset GUEST_RFLAGS, 2
      op vmresume                         ; a failed entry has not launched it
      run_guest`,
    exits: [{ reason: 0x80000021, qualification: 0 }],
    notes: [7, 8, 5],
  }),
  ...both({
    name: 'INVEPT and INVVPID: error 28',
    root: `
      ${ROOT}
      mov dword [scratch], EPT_PML4 | 0x1e
      mov eax, 0
      op invept xax, [scratch]
      inc eax
      op invept xax, [scratch]
      inc eax
      op invept xax, [scratch]
      inc eax
      op invept xax, [scratch]
      mov dword [scratch], EPT_PML4 | 0x1d     ; no memory type
      mov eax, 1
      op invept xax, [scratch]
      mov eax, 2
      op invept xax, [scratch]
      mov dword [scratch], 0
      mov eax, 0
      op invvpid xax, [scratch]                ; VPID 0
      inc eax
      op invvpid xax, [scratch]
      inc eax
      op invvpid xax, [scratch]
      inc eax
      op invvpid xax, [scratch]
      inc eax
      op invvpid xax, [scratch]
      mov dword [scratch], 1
      mov eax, 0
      op invvpid xax, [scratch]
      inc eax
      op invvpid xax, [scratch]
      mov eax, 3
      op invvpid xax, [scratch]
      mov dword [scratch], 0x10001             ; reserved
      op invvpid xax, [scratch]
      mov dword [scratch], 1
      mov dword [scratch + 12], 0x80000000     ; not canonical
      mov eax, 0
      op invvpid xax, [scratch]
      inc eax
      op invvpid xax, [scratch]`,
    data: SCRATCH,
    notes: [28, OK, OK, 28, 28, OK, 28, 28, OK, 28, 28, OK, OK, OK, 28, 28, OK],
  }),
  ...both({
    name: 'status flags: all are clear on success, CF alone is set by VMfailInvalid, ZF alone by VMfailValid',
    root: `
      %macro flags_of 1+
        pushf
        or word [xsp], 0x8d5
        popf
        %1
        pushf
        pop xcx
        and ecx, 0x8d5
        note xcx
      %endmacro
      ${ROOT}
      mov edx, GUEST_RIP
      flags_of vmread xax, xdx
      flags_of vmwrite xdx, xax
      mov edx, 0x7ffe
      flags_of vmread xax, xdx
      flags_of vmptrld [odd_pointer]
      flags_of vmresume
      flags_of vmclear [vmcs_pointer]
      flags_of vmclear [odd_pointer]
      flags_of vmresume
      flags_of vmptrst [scratch]
      flags_of vmcall
      flags_of vmxoff`,
    data: SCRATCH,
    notes: [0, 0, 0x40, 0x40, 0x40, 0, 1, 1, 0, 1, 0],
  }),
  {
    name: 'INVEPT and INVVPID fault on their operands',
    root: `
      ${ROOT}
      and dword [DIRECTORIES + 0x80], ~1
      mov rax, cr3
      mov cr3, rax
      mov eax, 2
      op invept rax, [0x2000000]
      op invvpid rax, [0x2000000]
      mov rbx, 0x8000000000000000
      op invept rax, [rbx]
      op invvpid rax, [rbx]
      mov rbp, rbx
      op invvpid rax, [rbp]
      mov edx, 0x7ffe
      op vmread [rbx], rdx
      mov edx, GUEST_RIP
      op vmread [rbx], rdx
      op vmwrite rdx, [rbx]
      op vmread [0x2000000], rdx
      op vmwrite rdx, [0x2000000]`,
    notes: [fault(PF), fault(PF), fault(GP), fault(GP), fault(SS), 12, fault(GP), fault(GP), fault(PF, 2), fault(PF)],
  },
  ...both({
    name: 'VMFUNC is of guests alone',
    root: `
      ${ROOT}
      xor eax, eax
      try vmfunc`,
    notes: [fault(UD)],
  }),
];
