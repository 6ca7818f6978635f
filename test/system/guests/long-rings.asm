; Rings and ways between them in IA-32e mode: SYSCALL, SYSENTER, SWAPGS, call gates, far returns, compatibility mode, segment
; registers and bases, system descriptors of 16 bytes, what LAR, LSL, VERR and VERW say.

%include "framework64.inc"

EFER   equ 0xc0000080
STAR   equ 0xc0000081
LSTAR  equ 0xc0000082
CSTAR  equ 0xc0000083
SFMASK equ 0xc0000084
FSBASE equ 0xc0000100
GSBASE equ 0xc0000101
KERNEL_GSBASE equ 0xc0000102
GATE   equ FREE                 ; a call gate, 16 bytes
OTHER  equ FREE + 16            ; a system descriptor, 16 bytes
SINGLE equ FREE + 32            ; 8 bytes

%macro other 4                  ; four doublewords
    mov dword [free_entries + 16], %1
    mov dword [free_entries + 20], %2
    mov dword [free_entries + 24], %3
    mov dword [free_entries + 28], %4
%endmacro

%macro gate 2-3 0xec00          ; selector, offset, type
    gate_at free_entries, %1, %2, %3
%endmacro

main:
; --- SYSCALL
    experiment "SYSCALL without SCE"
    syscall
    conclude
    experiment "SYSRET without SCE"
    o64 sysret
    conclude
    write_msr EFER, 0x501
    mov rax, 0x001b0008
    shl rax, 32
    mov rdx, rax
    shr rdx, 32
    mov ecx, STAR
    wrmsr
    write_msr LSTAR, system_call
    write_msr CSTAR, system_call
    write_msr SFMASK, 0x47700

    ring3_experiment "SYSCALL from ring 3"
    mov dword [how], 0
    stc
    syscall
    conclude
    fact "RCX of SYSCALL", [saved_rcx]
    fact "R11 of SYSCALL", [saved_r11]
    fact "SS of SYSCALL", [saved_ss], 4
    fact "flags of SYSCALL", [saved_flags], 6
    experiment "SYSCALL from ring 0"
    mov dword [how], 0
    syscall
    conclude
    ring3_experiment "SYSCALL and SYSRET"
    mov dword [how], 1
    push qword 0xad7
    popfq
    syscall
    conclude
    ring3_experiment "SYSCALL and 32-bit SYSRET"
    mov dword [how], 2
    syscall
    conclude
    ring3_experiment "SYSRET to an address that is not canonical"
    mov dword [how], 3
    syscall
    conclude
    ring3_experiment "SYSRET with VM and RF"
    mov dword [how], 4
    syscall
    conclude
    ring3_experiment "SYSRET in ring 3"
    o64 sysret
    conclude
    ring3_experiment "SYSCALL in compatibility mode", narrow
    mov dword [how], 0
    db 0x0f, 0x05
    conclude_narrow
    experiment "LSTAR not canonical"
    write_msr LSTAR, 0x800000000000
    conclude
    experiment "SFMASK high half"
    write_msr SFMASK, 0x100000000
    conclude
    experiment "CSTAR not canonical"
    write_msr CSTAR, 0xffff000000000000
    conclude

; --- SYSENTER
    write_msr 0x174, 0
    ring3_experiment "SYSENTER with CS 0"
    sysenter
    conclude
    write_msr 0x174, 3
    ring3_experiment "SYSENTER with CS 3"
    sysenter
    conclude
    write_msr 0x174, CODE0
    write_msr 0x175, ENTRY_STACK2
    write_msr 0x176, fast_entry
    ring3_experiment "SYSENTER from 64-bit code"
    mov dword [how], 0
    sysenter
    conclude
    fact "SS of SYSENTER", [saved_ss], 4
    fact "flags of SYSENTER", [saved_flags], 6
    ring3_experiment "SYSENTER from compatibility mode", narrow
    mov dword [how], 0
    sysenter
    conclude_narrow
    fact "SS of SYSENTER from compatibility mode", [saved_ss], 4
    ring3_experiment "SYSENTER and SYSEXIT to 64-bit code"
    mov dword [how], 1
    sysenter
.back:
    conclude
    ring3_experiment "SYSENTER and SYSEXIT to 32-bit code"
    mov dword [how], 2
    sysenter
    conclude
    ring3_experiment "SYSEXIT with RCX not canonical"
    mov dword [how], 3
    sysenter
    conclude
    ring3_experiment "SYSEXIT with RDX not canonical"
    mov dword [how], 4
    sysenter
    conclude
    ring3_experiment "SYSEXIT in ring 3"
    sysexit
    conclude
    experiment "SYSENTER_EIP not canonical"
    write_msr 0x176, 0x800000000000
    conclude
    experiment "SYSENTER_ESP not canonical"
    write_msr 0x175, 0x8000000000000000
    conclude

; --- bases
    write_msr FSBASE, 0x123456789a
    write_msr GSBASE, 0xffff800000001000
    write_msr KERNEL_GSBASE, 0x7fffdeadbeef
    experiment "SWAPGS"
    swapgs
    conclude
    read_msr GSBASE
    fact "GS base after SWAPGS", rax
    read_msr KERNEL_GSBASE
    fact "kernel's GS base after SWAPGS", rax
    ring3_experiment "SWAPGS in ring 3"
    swapgs
    conclude
    experiment "GS base not canonical"
    write_msr GSBASE, 0x800000000000
    conclude
    experiment "kernel's GS base not canonical"
    write_msr KERNEL_GSBASE, 0x1234000000000000
    conclude
    write_msr FSBASE, 0x123456789a
    experiment "FS with data of base 0 clears the base"
    mov eax, DATA0
    mov fs, eax
    conclude
    read_msr FSBASE
    fact "FS base after a load", rax
    write_msr FSBASE, 0x123456789a
    experiment "FS with a null selector"
    mov eax, 3
    mov fs, eax
    conclude
    fact "FS then", [saved_fs], 4
    mov dword [free_entries + 32], 0x5678ffff
    mov dword [free_entries + 36], 0x12cf9334
    mov eax, SINGLE
    mov fs, eax
    read_msr FSBASE
    fact "FS base of a descriptor", rax
    mov eax, SINGLE
    mov es, eax
    mov esi, value
    mov eax, [es:rsi]
    fact "base of ES is not used", rax, 8
    experiment "RDFSBASE without CR4.FSGSBASE"
    rdfsbase rax
    conclude
    mov rax, cr4
    or eax, 0x10000
    mov cr4, rax
    ring3_experiment "WRFSBASE in ring 3"
    mov rax, 0x7fff12345678
    wrfsbase rax
    mov rax, -1
    rdfsbase eax
    conclude
    fact "RDFSBASE of 32 bits", [saved_rax]
    read_msr FSBASE
    fact "FS base of WRFSBASE", rax
    ring3_experiment "WRGSBASE not canonical"
    mov rax, 0x7fff1234567800
    wrgsbase rax
    conclude
    ring3_experiment "WRGSBASE of 32 bits"
    mov rax, -1
    wrgsbase eax
    rdgsbase rax
    conclude
    fact "GS base of 32 bits", [saved_rax]
    ring3_experiment "RDFSBASE in compatibility mode", narrow
    db 0xf3, 0x0f, 0xae, 0xc0
    conclude_narrow

; --- segment registers
    experiment "DS of ring 3 data, and null"
    mov eax, DATA3 | 3
    mov ds, eax
    xor eax, eax
    mov es, eax
    mov ds, eax
    mov al, [0x1000]
    conclude
    experiment "SS null in ring 0"
    xor eax, eax
    mov ss, eax
    push rax
    conclude
    experiment "SS 3 in ring 0"
    mov eax, 3
    mov ss, eax
    conclude
    ring3_experiment "SS null in ring 3"
    mov eax, 3
    mov ss, eax
    conclude
    ring3_experiment "DS of ring 0 data in ring 3"
    mov eax, DATA0
    mov ds, eax
    conclude
    ring3_experiment "null data in compatibility mode", narrow
    xor eax, eax
    mov ds, eax
    mov al, [0x1000]
    conclude_narrow
    experiment "a write to 64-bit code's own segment by CS is allowed"
    mov eax, [cs:value]
    mov [cs:value], eax
    conclude
    experiment "read-only data is no obstacle"
    mov eax, READONLY0
    mov ds, eax
    mov eax, [value]
    mov [value], eax
    conclude
    experiment "MOV CS"
    db 0x8e, 0xc8
    conclude
    experiment "MOV to segment register 6"
    db 0x8e, 0xf0
    conclude
    experiment "PUSH and POP FS are of 8 bytes"
    mov eax, DATA0
    mov fs, eax
    mov qword [rsp - 8], -1
    push fs
    mov rbx, [rsp]
    conclude
    fact "PUSH FS", [saved_rbx]
    experiment "POP FS of 16 bits"
    push word DATA0
    o16 pop fs
    conclude
    experiment "MOV r64, FS zeroes the rest"
    mov rax, -1
    mov rax, fs
    conclude
    fact "FS in RAX", [saved_rax]
    experiment "LSS with REX.W"
    lss rsp, [far64]
    conclude
    experiment "LFS of an address beyond canonical ones"
    mov rsi, 0x800000000000
    lfs rax, [rsi]
    conclude

; --- descriptor tables
    experiment "SGDT and SIDT of 10 bytes"
    mov qword [table], -1
    mov qword [table + 8], -1
    sgdt [table]
    conclude
    mov rax, [table]
    and eax, 0xffff
    fact "limit of the GDT", rax, 4
    mov rax, [table + 2]
    sub rax, gdt
    fact "base of the GDT", rax
    mov rax, [table + 10]
    fact "what lies behind", rax, 8
    experiment "LGDT with an operand size of 16 bits takes 8 bytes of base, too"
    o16 lgdt [gdt_pointer]
    mov eax, DATA0
    mov ds, eax
    conclude
    ring3_experiment "LGDT in ring 3"
    lgdt [gdt_pointer]
    conclude
    ring3_experiment "LLDT in ring 3"
    mov eax, LDT0
    lldt ax
    conclude

; --- LLDT and LTR
%macro load 3                   ; name, instruction, selector
    experiment {%1}
    mov eax, %3
    %2 ax
    conclude
%endmacro
    load "LLDT null", lldt, 0
    experiment "selector in no LDT"
    mov eax, 4
    mov ds, eax
    conclude
    load "LLDT", lldt, LDT0
    load "LLDT of a TSS", lldt, TSS0
    load "LTR null", ltr, 3
    load "LTR of a busy TSS", ltr, TSS0
    load "LTR of an LDT", ltr, LDT0
    other 0x00000067, 0x00008900, 0x00008000, 0
    load "LTR with a base that is not canonical", ltr, OTHER
    other 0x00000067, 0x00000900, 0, 0
    load "LTR not present", ltr, OTHER
    other 0x00000067, 0x00008100, 0, 0
    load "LTR of a 16-bit TSS", ltr, OTHER
    other 0x00000067, 0x00008900, 0, 0x1f00
    load "LTR with a type in the upper half", ltr, OTHER
    fact "whose descriptor then is", [free_entries + 16]
    other 0x0000001f, 0x00008200, 0xffff7fff, 0
    load "LLDT with a base that is not canonical", lldt, OTHER
    other 0x0000001f, 0x00008200, 0, 0x1f00
    load "LLDT with a type in the upper half", lldt, OTHER
    other 0x0000001f, 0x00000200, 0, 0
    load "LLDT not present", lldt, OTHER
    load "LLDT in the LDT", lldt, LDT0 | 4
    load "LLDT once more", lldt, LDT0
    mov word [gdt_pointer], OTHER + 7
    lgdt [gdt_pointer]
    other 0x0000001f, 0x00008200, 0, 0
    load "LLDT with its upper half beyond the GDT", lldt, OTHER
    mov word [gdt_pointer], gdt_end - gdt - 1
    lgdt [gdt_pointer]

; --- LAR, LSL, VERR, VERW
    mov edi, selectors
.next:
    movzx ebx, word [rdi]
    test ebx, ebx
    jz .probed
    mov eax, ebx
    shr eax, 4
    digit_into probe_name + 10, al
    digit_into probe_name + 11, bl
    mov eax, ebx
    shr eax, 8
    digit_into probe_name + 9, al
    mov esi, probe_name
    call puts
    mov rax, -1
    lar rax, rbx
    call flag_and_rax
    mov rax, -1
    lsl rax, rbx
    call flag_and_rax
    mov rax, 0
    verr bx
    call flag_and_rax
    verw bx
    call flag_and_rax
    newline
    add edi, 2
    jmp .next
.probed:

; --- call gates
    gate CODE0, through, 0xec00
    experiment "far CALL through a gate in ring 0"
    mov dword [how], 0
    call far dword [to_gate]
    conclude
    ring3_experiment "far CALL through a gate from ring 3"
    mov dword [how], 0
    call far dword [to_gate]
    conclude
    fact "SS behind the gate", [saved_ss], 4
    ring3_experiment "far CALL through a gate and back"
    mov dword [how], 1
    call far dword [to_gate]
    conclude
    ring3_experiment "far CALL through a gate from compatibility mode", narrow
    mov dword [how], 0
    call GATE | 3:0
    conclude_narrow
    ring3_experiment "far CALL through a gate and back to compatibility mode", narrow
    mov dword [how], 1
    call GATE | 3:0
    conclude_narrow
    experiment "far JMP through a gate"
    mov dword [how], 2
    jmp far dword [to_gate]
    conclude
    ring3_experiment "far JMP through a gate from ring 3"
    jmp far dword [to_gate]
    conclude
%macro gated 1                  ; name
    ring3_experiment {%1}
    mov dword [how], 0
    call far dword [to_gate]
    conclude
%endmacro
    gate CODE0, through, 0x8c00
    gated "gate of DPL 0"
    gate CODE0, through, 0x6c00
    gated "gate not present"
    gate CODE0, through
    ring3_experiment "far CALL through a gate with REX.W"
    mov dword [how], 0
    mov word [to_code + 8], GATE | 3
    call far qword [to_code]
    conclude
    mov word [to_code + 8], CODE0
    gate CODE0C, through
    gated "gate to 32-bit code"
    gate BOTH0, through
    gated "gate to L and D"
    gate 0, through
    gated "gate to a null selector"
    gate DATA0, through
    gated "gate to data"
    gate ABSENT0, through
    gated "gate to code not present"
    gate CODE0, 0x800000000000
    gated "gate to an address that is not canonical"
    gate CODE1, through
    gated "gate to ring 1"
    gate CONFORM0, through
    gated "gate to conforming code"
    gate CODE0, through, 0xe400
    gated "16-bit call gate"
    gate CODE0, through, 0xe500
    gated "task gate"
    gate CODE0, through
    mov dword [free_entries + 12], 0x0100
    gated "gate with a type in the upper half"
    mov dword [free_entries + 12], 0
    mov rax, 0x900000000000
    mov [main_rsp0], rax
    gated "gate onto a stack that is not canonical"
    mov qword [main_rsp0], 0x40000000
    gated "gate onto a stack at the edge of what is mapped"
    mov qword [main_rsp0], 0x50000000
    gated "gate onto a stack that is not mapped"
    mov qword [main_rsp0], ENTRY_STACK0 - 5
    gated "gate onto a stack that is not aligned"
    mov qword [main_rsp0], ENTRY_STACK0
    other 0x00000067, 0x0000e900, 0, 0
    mov word [to_gate + 4], OTHER
    gated "far CALL to a TSS"
    mov word [to_gate + 4], LDT0
    gated "far CALL to an LDT"
    mov word [to_gate + 4], GATE | 3
    experiment "far CALL with REX.W"
    mov dword [how], 1
    call far qword [to_code]
    conclude
    mov word [to_code + 8], CODE0C
    experiment "far CALL to 32-bit code"
    mov dword [to_code], .narrow
    call far qword [to_code]
    bits 32
.narrow:
    conclude_narrow
    mov rax, 0x800000000000
    mov [to_code], rax
    mov word [to_code + 8], CODE0
    experiment "far JMP not canonical"
    jmp far qword [to_code]
    conclude
    mov word [to_code + 8], BOTH0
    experiment "far JMP to L and D"
    jmp far qword [to_code]
    conclude

; --- far returns
%macro return 5                 ; name, SS, RSP, CS, RIP
    experiment %1
    push qword %2
    mov rax, %3
    push rax
    push qword %4
    mov rax, %5
    push rax
    o64 retf
    conclude
%endmacro
    return "RETFQ within ring 0 pops no stack", DATA0, STACK0, CODE0, here
    return "RETFQ to ring 3", DATA3 | 3, STACK3, CODE3 | 3, here
    return "RETFQ to ring 1 with SS 1", 1, STACK1, CODE1 | 1, here
    return "RETFQ to ring 3 with SS 3", 3, STACK3, CODE3 | 3, here
    return "RETFQ to compatibility mode with SS 3", 3, STACK3, CODE3C | 3, here
    return "RETFQ not canonical", DATA0, STACK0, CODE0, 0x800000000000
    return "RETFQ not canonical to ring 3", DATA3 | 3, STACK3, CODE3 | 3, 0x800000000000
    return "RETFQ with RSP not canonical", DATA3 | 3, 0x900000000000, CODE3 | 3, here
    return "RETFQ to L and D", DATA0, STACK0, BOTH0, here
    return "RETFQ to code not present", DATA0, STACK0, ABSENT0, here
    experiment "RETF of 32 bits"
    sub rsp, 8
    mov dword [rsp], here
    mov dword [rsp + 4], CODE0
    retf
    conclude
    experiment "RETFQ with an immediate"
    sub rsp, 0x100
    push qword CODE0
    push qword here
    o64 retf 0x20
    conclude
    experiment "RET near to an address that is not canonical"
    mov rax, 0x800000000000
    push rax
    ret
    conclude
    experiment "JMP to an address that is not canonical"
    mov rax, 0xffff000000000000
    jmp rax
    conclude
    experiment "CALL to an address that is not canonical"
    mov rax, 0xffff000000000000
    call rax
    conclude
; QEMU does not come back from these.
    experiment "LGDT with a base that is not canonical"
    mov rax, 0x800000000000
    mov [table + 2], rax
    lgdt [table]
    conclude
    experiment "LIDT with a base that is not canonical"
    lidt [table]
    conclude
    finish

here:
    int DONE

system_call:
    mov [saved_r11], r11
    mov rax, ss
    mov [saved_ss], rax
    mov r10, rsp
    mov rsp, ENTRY_STACK1
    pushfq
    pop qword [saved_flags]
    mov rsp, r10
    mov eax, [how]
    cmp eax, 1
    je .wide
    cmp eax, 2
    je .narrow
    cmp eax, 3
    je .far
    cmp eax, 4
    je .flags
    int DONE
.wide:
    o64 sysret
.narrow:
    mov ecx, here
    sysret
.far:
    mov rcx, 0x800000000000
    o64 sysret
.flags:
    mov r11d, 0x30202
    o64 sysret

fast_entry:
    mov rax, ss
    mov [saved_ss], rax
    pushfq
    pop qword [saved_flags]
    mov eax, [how]
    mov ecx, STACK3 - 0x40
    mov edx, here
    cmp eax, 1
    je .wide
    cmp eax, 2
    je .narrow
    cmp eax, 3
    je .far
    cmp eax, 4
    je .far_ip
    int DONE
.wide:
    o64 sysexit
.narrow:
    sysexit
.far:
    mov rcx, 0x800000000000
    o64 sysexit
.far_ip:
    mov rdx, 0x800000000000
    o64 sysexit

through:
    mov rax, ss
    mov [saved_ss], rax
    cmp dword [how], 1
    je .back
    int DONE
.back:
    o64 retf

; ZF and RAX, after a blank.
flag_and_rax:
    pushfq
    push rax
    mov al, ' '
    call putc
    test byte [rsp + 8], 0x40
    jz .not
    mov al, 'z'
    call putc
    pop rax
    popfq
    mov cl, 16
    jmp put_hex
.not:
    mov al, '-'
    call putc
    pop rax
    popfq
    ret

    [section .data]
    align 16
saved_r11:   dq 0
saved_ss:    dq 0
saved_flags: dq 0
how:         dq 0
value:       dq 0x11223344
table:       dq 0, 0
far64:       dq STACK0 - 0x40
             dw DATA0
to_gate:     dd 0x12345678
             dw GATE | 3
             align 16
to_code:     dq here
             dw CODE0
probe_name:  db "probe of 000: ", 0
    align 2
selectors:
    dw CODE0, DATA0, CODE3C, DATA3, DATA3 | 3, CODE0C, CODE1, TSS0, TSS0 + 8, CONFORM0, CONFORM0 | 3, ABSENT0, BOTH0, LDT0, READONLY0
    dw EXECUTE0, GATE, OTHER, SINGLE, 0x7f8, 3, 0x14, 0
    __?SECT?__
