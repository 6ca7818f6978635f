; What else the system sees in 64-bit mode: UMIP, CR4.TSD, alignment checks, debug registers with 64-bit addresses, single steps
; through SYSCALL, MSRs, XSAVE areas.

%include "framework64.inc"

EFER   equ 0xc0000080
STAR   equ 0xc0000081
LSTAR  equ 0xc0000082
SFMASK equ 0xc0000084
HIGH   equ 0x8000000000         ; PML4 1: the first GiB once more

%macro set_cr4 1
    mov eax, CR4_BASE | (%1)
    mov cr4, rax
%endmacro

%macro one 2+                   ; name, instruction in ring 3
    ring3_experiment {%1}
    %2
    conclude
%endmacro

%macro refused 3                ; name, MSR, value
    experiment {%1}
    write_msr %2, %3
    conclude
%endmacro

%macro absent 2                 ; name, MSR
    experiment {%1}
    mov ecx, %2
    rdmsr
    conclude
%endmacro

%macro debug_status 1
    mov rax, dr6
    fact %1, rax
    mov eax, 0xffff0ff0
    mov dr6, rax
%endmacro

main:
    mov qword [PML4 + 8], PDPT + 7
    mov rax, cr3
    mov cr3, rax

; --- UMIP and TSD
    one "SGDT without UMIP", sgdt [table]
    one "SMSW without UMIP", smsw eax
    set_cr4 0x800
    one "SGDT with UMIP", sgdt [table]
    one "SIDT with UMIP", sidt [table]
    one "SLDT with UMIP", sldt eax
    one "STR with UMIP", str eax
    one "SMSW with UMIP", smsw eax
    experiment "SGDT with UMIP in ring 0"
    sgdt [table]
    conclude
    ring3_experiment "SIDT with UMIP in compatibility mode", narrow
    sidt [table]
    conclude_narrow
    set_cr4 0
    one "RDTSC", rdtsc
    set_cr4 4
    one "RDTSC with TSD", rdtsc
    one "RDTSCP with TSD", rdtscp
    set_cr4 0
    one "RDMSR in ring 3", rdmsr
    one "WBINVD in ring 3", wbinvd
    one "HLT in ring 3", hlt
    one "CLTS in ring 3", clts
    one "INVD in ring 3", invd
    one "MOV DR in ring 3", mov rax, dr0
    one "XSETBV without OSXSAVE", xsetbv
    one "XGETBV without OSXSAVE", xgetbv
    one "IN in ring 3", in al, 0x80
    experiment "SMSW of 64 bits"
    mov rax, -1
    smsw rax
    conclude
    fact "CR0 by SMSW", [saved_rax]
    experiment "SLDT of 64 bits"
    mov rax, -1
    sldt rax
    conclude
    fact "LDTR", [saved_rax]

; --- alignment
    mov rax, cr0
    bts rax, 18
    mov cr0, rax
    mov qword [ring_flags], 0x40002
    one "aligned", mov rax, [table]
    one "#AC of a quadword", mov rax, [table + 4]
    one "#AC of a doubleword", mov eax, [table + 2]
    one "#AC of a word written", mov [table + 1], ax
    one "bytes have none", mov al, [table + 3]
    ring3_experiment "#AC of a PUSH"
    mov rsp, STACK3 - 4
    push rax
    conclude
    ring3_experiment "#AC in compatibility mode", narrow
    mov eax, [table + 3]
    conclude_narrow
    mov qword [ring_flags], 2
    one "no AC flag", mov rax, [table + 4]
    mov rax, cr0
    btr rax, 18
    mov cr0, rax

; --- debug registers
    experiment "DR0 of 64 bits"
    mov rax, 0x123456789abcdef0
    mov dr0, rax
    mov rax, dr0
    conclude
    fact "DR0", [saved_rax]
    experiment "DR7 bit 32"
    mov rax, 0x100000400
    mov dr7, rax
    conclude
    experiment "DR6 bit 63"
    mov rax, 0x8000000000000000
    mov dr6, rax
    conclude
    experiment "DR8"
    db 0x44, 0x0f, 0x21, 0xc0
    conclude
    mov eax, 0xffff0ff0
    mov dr6, rax
    mov rax, HIGH + .high_code
    mov dr0, rax
    mov eax, 0x402
    mov dr7, rax
    experiment "execution breakpoint above 4 GiB"
    mov rax, HIGH + .high_code
    jmp rax
.high_code:
    nop
    conclude
    debug_status "DR6 of the execution breakpoint"
    experiment "the same code below 4 GiB"
    mov eax, .high_code2
    jmp rax
.high_code2:
    nop
    conclude
    debug_status "DR6 without a breakpoint"
    mov rax, HIGH + table
    mov dr1, rax
    mov eax, 0x900408           ; DR1: 8 bytes, write
    mov dr7, rax
    experiment "data breakpoint of 8 bytes above 4 GiB, read"
    mov rdi, HIGH + table
    mov rax, [rdi]
    conclude
    experiment "data breakpoint of 8 bytes above 4 GiB"
    mov rdi, HIGH + table + 7
    mov [rdi], al
    nop
    conclude
    debug_status "DR6 of the data breakpoint"
    experiment "the same data below 4 GiB"
    mov edi, table
    mov [rdi], al
    nop
    conclude
    debug_status "DR6 of data that is not watched"
    mov eax, 0x400
    mov dr7, rax

; --- single steps
    experiment "TF in 64-bit mode"
    push qword 0x102
    popfq
    nop
    nop
    conclude
    debug_status "DR6 of a single step"
    write_msr EFER, 0x501
    mov rax, 0x001b000800000000
    mov rdx, rax
    shr rdx, 32
    mov ecx, STAR
    wrmsr
    write_msr LSTAR, system_call
    write_msr SFMASK, 0
    mov qword [ring_flags], 0x102
    ring3_experiment "TF into ring 3"
    nop
    nop
    conclude
    mov qword [ring_flags], 2
    ring3_experiment "TF through SYSCALL"
    push qword 0x102
    popfq
    syscall
    conclude
    mov dword [how], 0
    write_msr SFMASK, 0x100
    gate_at idt + 1 * 16, CODE0, .step, 0x8e01
    mov qword [steps], 0
    ring3_experiment "TF masked by SYSCALL"
    push qword 0x102
    popfq
    syscall
    conclude
    jmp .stepped
.step:
    inc qword [steps]
    iretq
.stepped:
    fact "steps before SYSCALL", [steps], 2
    mov qword [steps], 0
    mov dword [how], 1
    ring3_experiment "TF set by SYSRET"
    syscall
    nop
    nop
    conclude
    fact "steps after SYSRET", [steps], 2
    gate_at idt + 1 * 16, CODE0, stub1, 0x8e01

; --- MSRs
    absent "MSR that does not exist", 0x4000
    absent "MSR that does not exist, high", 0xc0001fff
    refused "WRMSR that does not exist", 0x4000, 0
    refused "EFER bit 1", EFER, 0x502
    refused "EFER bit 63", EFER, 0x8000000000000501
    refused "PAT with type 2", 0x277, 0x0007040600070402
    refused "PAT with type 8", 0x277, 0x0807040600070406
    refused "PAT", 0x277, 0x0107040600070406
    read_msr 0x277
    fact "IA32_PAT", rax
    refused "MTRR default type 2", 0x2ff, 0xc02
    refused "MTRR default type reserved bit", 0x2ff, 0x1c00
    refused "MTRR fixed type 3", 0x250, 0x0606060606060603
    refused "MTRR capabilities", 0xfe, 0
    read_msr 0x2ff
    fact "IA32_MTRR_DEF_TYPE", rax
    refused "APIC base reserved bit", 0x1b, 0xfee00901
    refused "APIC base beyond physical addresses", 0x1b, 0x10000fee00900
    refused "TSC", 0x10, 0
    refused "TSC_AUX high half", 0xc0000103, 0x100000000
    refused "TSC_AUX", 0xc0000103, 0x12345678
    rdtscp
    fact "RDTSCP's ECX", rcx, 8
    ring3_experiment "RDPID"
    mov rax, -1
    rdpid rax
    conclude
    fact "what RDPID gives", [saved_rax]

; --- XSAVE
    set_cr4 0x40000
    experiment "XCR0 without x87"
    mov eax, 2
    xor edx, edx
    xor ecx, ecx
    xsetbv
    conclude
    experiment "XCR0 high half"
    mov eax, 3
    mov edx, 0x80000000
    xor ecx, ecx
    xsetbv
    conclude
    experiment "XCR9"
    mov eax, 3
    xor edx, edx
    mov ecx, 9
    xsetbv
    conclude
    experiment "XCR0"
    mov eax, 3
    xor edx, edx
    xor ecx, ecx
    xsetbv
    xgetbv
    conclude
    fact "XCR0 read", [saved_rax], 8
    one "XSETBV in ring 3", xsetbv
    fninit
    xorps xmm0, xmm0
    movups xmm1, [pattern]
    mov eax, 1
    cpuid
    shr ecx, 27
    and ecx, 1
    fact "OSXSAVE", rcx, 1
    mov edi, area
    mov ecx, 1024 / 8
    mov rax, -1
    rep stosq
    experiment "XSAVE"
    mov eax, 3
    xor edx, edx
    mov edi, area
    xsave [rdi]
    conclude
    and qword [area + 512], 3
    mov rax, [area + 512]
    and eax, 2
    fact "SSE of XSTATE_BV after XSAVE", rax
    fact "the rest of the header is left alone", [area + 520]
    fact "MXCSR", [area + 24], 8
    fact "XMM1 in the area", [area + 160 + 16]
%macro restore 3                ; name, XSTATE_BV, XCOMP_BV
    experiment {%1}
    mov rax, %2
    mov [area + 512], rax
    mov rax, %3
    mov [area + 520], rax
    mov eax, 3
    xor edx, edx
    mov edi, area
    xrstor [rdi]
    movups [table], xmm1
    conclude
%endmacro
    restore "XRSTOR with a header of ones", 3, -1
    mov edi, area + 520
    mov ecx, 7
    xor eax, eax
    rep stosq
    restore "XRSTOR", 3, 0
    fact "XMM1 restored", [table]
    restore "XRSTOR of initial SSE", 1, 0
    fact "XMM1 initial", [table]
    restore "XRSTOR of a component that is not enabled", 0x203, 0
    restore "XRSTOR bit 63 of XSTATE_BV", 0x8000000000000003, 0
    restore "XRSTOR with XCOMP_BV 3 without bit 63", 3, 3
    restore "compacted", 3, 0x8000000000000003
    restore "compacted, XSTATE_BV beyond XCOMP_BV", 3, 0x8000000000000001
    restore "compacted, a component that is not enabled", 3, 0x8000000000000203
    mov qword [area + 536], 1
    restore "compacted, header's reserved bytes", 3, 0x8000000000000003
    restore "standard, bytes 24 of the header", 3, 0
    mov qword [area + 536], 0
    mov dword [area + 24], 0x10000
    restore "MXCSR reserved bit", 3, 0
    restore "MXCSR reserved bit without SSE in XSTATE_BV", 1, 0
    mov dword [area + 24], 0x1f80
    experiment "XSAVE not aligned to 64"
    mov edi, area + 16
    xsave [rdi]
    conclude
    experiment "FXSAVE not aligned to 16"
    mov edi, area + 8
    fxsave [rdi]
    conclude
    experiment "XSAVE with TS"
    mov rax, cr0
    or al, 8
    mov cr0, rax
    mov edi, area
    xsave [rdi]
    conclude
    clts
    one "XSAVES in ring 3", xsaves [area]
    set_cr4 0
    experiment "XSAVE without OSXSAVE"
    mov edi, area
    xsave [rdi]
    conclude
    finish

system_call:
    cmp dword [how], 1
    je .back
    int DONE
.back:
    or r11, 0x100
    o64 sysret

    [section .data]
    align 64
area:    times 1024 db 0
table:   dq 0, 0, 0, 0
pattern: dq 0x1122334455667788, 0x99aabbccddeeff00
how:     dq 0
steps:   dq 0
    __?SECT?__
