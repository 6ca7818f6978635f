; Interrupts and exceptions through 64-bit gates: what is pushed and where, interrupt stacks, gates and handlers that are wrong,
; double faults, error codes of INT n, RF, NMI blocking.

%include "framework64.inc"

GATE   equ 0x28                 ; the vector that experiments play with
SPARE  equ free_entries

%macro gate 2-3 0x8e01          ; selector, offset, low half of the second word
    gate_at idt + GATE * 16, %1, %2, %3
%endmacro

%macro try 1                    ; name: INT through the gate in ring 0
    experiment %1
    int GATE
    conclude
%endmacro

%macro try3 1                   ; the same from ring 3
    ring3_experiment %1
    int GATE
    conclude
%endmacro

main:
; --- the frame
    gate CODE0, stub40, 0x8e00
    experiment "stack aligned down by 8"
    sub rsp, 8
    int GATE
    conclude
    experiment "stack aligned down by 15"
    mov rsp, STACK0 - 0x101
    int GATE
    conclude
    experiment "stack aligned"
    mov rsp, STACK0 - 0x110
    int GATE
    conclude
    gate CODE0, stub40, 0x8e02
    try "IST 2"
    gate CODE0, stub40, 0x8e04
    try "IST 4, which is 0"
    mov qword [main_ist3], 0x7603f
    gate CODE0, stub40, 0x8e03
    try "IST 3, not aligned"
    mov rax, 0x0000800000000000
    mov [main_ist3], rax
    try "IST 3, not canonical"
    mov rax, 0x0000800000000008
    mov [main_ist3], rax
    try "IST 3, next to canonical"
    mov rax, 0xffff800000000000
    mov [main_ist3], rax
    try "IST 3, canonical and not mapped"
    mov qword [main_ist3], IST3

    gate CODE0, stub40, 0xee00
    try3 "from ring 3 by RSP0"
    gate CODE0, stub40, 0xee02
    try3 "from ring 3 by IST 2"
    gate CODE0, stub40, 0xee00
    mov qword [main_rsp0], ENTRY_STACK0 - 3
    try3 "RSP0 not aligned"
    mov rax, 0x7ffffffffff0
    mov [main_rsp0], rax
    try3 "RSP0 not mapped"
    mov rax, 0x800000000000
    mov [main_rsp0], rax
    try3 "RSP0 at the end of the canonical half"
    mov rax, 0x900000000000
    mov [main_rsp0], rax
    try3 "RSP0 not canonical"
    mov qword [main_rsp0], ENTRY_STACK0
    gate CODE1, stub40, 0xee00
    try3 "to ring 1 by RSP1"
    gate CODE3, .user, 0xee00
    ring3_experiment "within ring 3"
    mov rsp, STACK3 - 0x105
    int GATE
.user:
    mov r8, rsp
    conclude
    gate CONFORM0, .conform, 0xee00
    ring3_experiment "conforming handler"
    int GATE
.conform:
    mov eax, cs
    conclude
    fact "CS of the conforming handler", [saved_rax], 4
    ring3_experiment "from compatibility mode", narrow
    int 0x2e
    conclude_narrow
    mov byte [idt + 0x2e * 16 + 5], 0xee
    ring3_experiment "from compatibility mode with DPL 3", narrow
    int 0x2e
    conclude_narrow

    gate CODE0, stub40, 0xee00
    ring3_experiment "SS in the handler is null"
    int GATE
    conclude
    fact "SS of the handler", [handler_ss], 4
    gate CODE1, stub40, 0xee00
    gate CODE0, stub40, 0x8e00
    try "SS stays without a change of ring"
    fact "SS of the handler then", [handler_ss], 4

; --- gates
%macro type 2                   ; name, low half of the second word
    gate CODE0, stub40, %2
    try %1
%endmacro
    type "type 0", 0x8001
    type "task gate", 0x8501
    type "16-bit interrupt gate", 0x8601
    type "16-bit trap gate", 0x8701
    type "call gate", 0x8c01
    type "busy TSS", 0x8b01
    type "data", 0x9201
    type "not present", 0x0e01
    type "trap gate", 0x8f01
    type "wrong type and not present", 0x0601
    gate CODE0, stub40, 0x8e01
    try3 "DPL 0 from ring 3"
    gate CODE0, stub40, 0x0e01
    try3 "DPL 0 and not present from ring 3"
    gate 0, stub40
    try "null handler"
    gate 3, stub40
    try "null handler with RPL"
    gate DATA0, stub40
    try "handler in data"
    gate ABSENT0, stub40
    try "handler not present"
    gate BOTH0, stub40
    try "handler with L and D"
    gate CODE0C, stub40
    try "handler in 32-bit code"
    gate CODE16, stub40
    try "handler in 16-bit code"
    gate CODE3, stub40
    try "handler in ring 3 from ring 0"
    gate TSS0, stub40
    try "handler in a TSS"
    gate 0x7f8, stub40
    try "handler beyond the GDT"
    gate LDT0 | 4, stub40
    try "handler beyond the LDT"
    gate 0x14, stub40, 0x8e01
    try "handler in the LDT"
    gate CODE0 | 3, stub40
    try "handler with RPL 3"
    gate EXECUTE0, stub40
    try "handler in execute-only code"
    gate CODE0, 0x800000000000
    try "handler not canonical"
    gate CODE0, 0xffff7fffffffffff
    try "handler not canonical, negative"
    gate CODE0, 0xffff800000000000
    try "handler not mapped"
    experiment "INT beyond the IDT"
    int 0x90
    conclude
    ring3_experiment "INT beyond the IDT from ring 3"
    int 0x90
    conclude
    mov word [idt_pointer], 0x2f * 16 + 14
    lidt [idt_pointer]
    experiment "INT at the last gate but a byte"
    int 0x2f
    conclude
    mov word [idt_pointer], idt_end - idt - 1
    lidt [idt_pointer]

; --- the same as exceptions: EXT
%macro undefined 3-4 0x8e01     ; name, selector, offset, low half
    gate_at idt + 6 * 16, %2, %3, %4
    experiment {"#UD through ", %1}
    ud2
    conclude
    gate_at idt + 6 * 16, CODE0, stub6, 0x8e01
%endmacro
    undefined "no gate", CODE0, stub6, 0x8001
    undefined "a gate that is not present", CODE0, stub6, 0x0e01
    undefined "a null selector", 0, stub6
    undefined "32-bit code", CODE0C, stub6
    undefined "code that is not present", ABSENT0, stub6
    undefined "a handler that is not canonical", CODE0, 0x800000000000
    mov rax, 0x900000000000
    mov [main_ist3], rax
    undefined "an interrupt stack that is not canonical", CODE0, stub6, 0x8e03
    mov qword [main_ist3], 0x50000000
    undefined "an interrupt stack that is not mapped", CODE0, stub6, 0x8e03
    mov qword [main_ist3], IST3

; --- double faults
    gate_at idt + 13 * 16, CODE0, stub13, 0x0e01
    experiment "#GP without a gate"
    mov eax, 0x7f8
    mov ds, eax
    conclude
    gate_at idt + 13 * 16, CODE0, stub13, 0x8e01
    gate_at idt + 14 * 16, CODE0, stub14, 0x0e01
    experiment "#PF without a gate"
    mov al, [0x40000000]
    conclude
    gate_at idt + 14 * 16, CODE0, stub14, 0x8e01
    gate_at idt + 0 * 16, CODE0, stub0, 0x0e01
    experiment "#DE without a gate"
    xor ecx, ecx
    div ecx
    conclude
    gate_at idt + 0 * 16, CODE0, stub0, 0x8e01
    gate_at idt + 14 * 16, CODE0, stub14, 0x8e00
    experiment "#PF onto a stack that is not mapped"
    mov rsp, 0x40001000
    push rax
    conclude
    gate_at idt + 14 * 16, CODE0, stub14, 0x8e01
    gate_at idt + 13 * 16, CODE0, stub13, 0x8e00
    experiment "#GP onto a stack that is not mapped"
    mov rsp, 0x40001000
    mov eax, 0x7f8
    mov ds, eax
    conclude
    gate_at idt + 13 * 16, CODE0, stub13, 0x8e01
    gate_at idt + 12 * 16, CODE0, stub12, 0x8e00
    experiment "#SS onto a stack that is not canonical"
    mov rsp, 0x900000000000
    push rax
    conclude
    gate_at idt + 12 * 16, CODE0, stub12, 0x8e01
    gate_at idt + 6 * 16, CODE0, stub6, 0x8e00
    experiment "#UD onto a stack that is not canonical"
    mov rsp, 0x900000000000
    ud2
    conclude
    experiment "#UD onto a stack that crosses into a page that is not mapped"
    mov rsp, 0x80000000 + 16
    ud2
    conclude
    gate_at idt + 6 * 16, CODE0, stub6, 0x8e01
    experiment "#SS with a canonical end"
    mov rsp, 0x800000000000 - 4
    pop rax
    conclude
    experiment "#SS of a PUSH below canonical addresses"
    mov rsp, 0xffff800000000004
    push rax
    conclude
    experiment "#GP of data beyond canonical addresses"
    mov rsi, 0x800000000000 - 4
    mov rax, [rsi]
    conclude
    experiment "#SS of data by RBP"
    mov rbp, 0x800000000000
    mov rax, [rbp]
    conclude
    experiment "#GP of data by RBP with DS named"
    mov rbp, 0x800000000000
    mov rax, [ds:rbp]
    conclude
    experiment "#SS of data by R13 is #GP"
    mov r13, 0x800000000000
    mov rax, [r13]
    conclude
    experiment "#GP of FS with a base"
    write_msr 0xc0000100, 0x7fffffffffff
    mov rsi, 1
    mov al, [fs:rsi]
    conclude
    write_msr 0xc0000100, 0
    experiment "wrap over the top of the addresses"
    mov rsi, -4
    mov rax, [rsi]
    conclude
    experiment "wrap at 4 GiB with 32-bit addresses"
    mov esi, 0xfff00000
    mov eax, [esi + 0x200000]
    conclude

; --- flags
    gate CODE0, stub40, 0x8e01
    experiment "IF and TF pushed, cleared"
    push qword 0x202
    popfq
    int GATE
    conclude
    gate CODE0, .look, 0x8f01
    experiment "trap gate keeps IF"
    push qword 0x203
    popfq
    int GATE
.look:
    pushfq
    pop rax
    cli
    conclude
    fact "RFLAGS behind a trap gate", [saved_rax], 6
    gate CODE0, .look2, 0x8e01
    experiment "NT, AC and ID in the handler"
    push qword 0x244203
    popfq
    int GATE
.look2:
    pushfq
    pop rax
    conclude
    fact "RFLAGS behind an interrupt gate", [saved_rax], 6

    experiment "INT3"
    int3
    conclude
    experiment "INT 3 of two bytes"
    db 0xcd, 0x03
    conclude
    ring3_experiment "INT3 in ring 3 needs DPL 3"
    int3
    conclude
    ring3_experiment "INT1 in ring 3 does not"
    db 0xf1
    conclude
    ring3_experiment "INT 1 does"
    int 1
    conclude
    ring3_experiment "INT 13 has an error code"
    int 13
    conclude
    experiment "INT 8 in ring 0 pushes none"
    int 8
    conclude

; --- TSS
    mov word [gdt + TSS0], 0x2a ; IST 1 ends at 0x2b
    and byte [gdt + TSS0 + 5], ~2
    mov ax, TSS0
    ltr ax
    gate_at idt + 8 * 16, CODE0, stub8, 0x8e00
    gate_at idt + 10 * 16, CODE0, stub10, 0x8e00
    gate CODE0, stub40, 0x8e01
    gate_at idt + DONE * 16, CODE0, stub47, 0xee00
    try "TSS too short for IST 1"
    gate_at idt + 6 * 16, CODE0, stub6, 0x8e01
    experiment "#UD with a TSS too short for IST 1"
    ud2
    conclude
    mov word [gdt + TSS0], 0x2b
    and byte [gdt + TSS0 + 5], ~2
    mov ax, TSS0
    ltr ax
    try "TSS just long enough for IST 1"
    gate CODE0, stub40, 0x8e02
    try "TSS too short for IST 2"
    mov word [gdt + TSS0], main_tss_end - main_tss - 1
    and byte [gdt + TSS0 + 5], ~2
    mov ax, TSS0
    ltr ax
    gate_at idt + 8 * 16, CODE0, stub8, 0x8e01
    gate_at idt + 10 * 16, CODE0, stub10, 0x8e01
    gate_at idt + DONE * 16, CODE0, stub47, 0xee01

; --- IRETQ
%macro frame 5                  ; SS, RSP, RFLAGS, CS, RIP
    mov rax, %1
    push rax
    mov rax, %2
    push rax
    mov rax, %3
    push rax
    mov rax, %4
    push rax
    mov rax, %5
    push rax
%endmacro
%macro return 6                 ; name, SS, RSP, RFLAGS, CS, RIP
    experiment %1
    frame %2, %3, %4, %5, %6
    iretq
    conclude
%endmacro
    return "IRETQ onto SS 0 in ring 0", 0, STACK0 - 0x123, 2, CODE0, here
    return "IRETQ onto SS 3 in ring 0", 3, STACK0, 2, CODE0, here
    return "IRETQ onto SS 0 in ring 3", 0, STACK3, 2, CODE3 | 3, here
    return "IRETQ onto SS 3 in ring 3", 3, STACK3, 2, CODE3 | 3, here
    return "IRETQ onto SS 1 in ring 1", 1, STACK1, 2, CODE1 | 1, here
    return "IRETQ onto SS 0 in ring 1", 0, STACK1, 2, CODE1 | 1, here
    return "IRETQ onto SS 0 in 32-bit code", 0, STACK0, 2, CODE0C, here
    return "IRETQ onto read-only data", READONLY0, STACK0, 2, CODE0, here
    return "IRETQ onto code", CODE0, STACK0, 2, CODE0, here
    return "IRETQ onto data of ring 3", DATA3 | 3, STACK0, 2, CODE0, here
    return "IRETQ onto an RSP that is not canonical", DATA0, 0x800000000000, 2, CODE0, here
    return "IRETQ to an RIP that is not canonical", DATA0, STACK0, 2, CODE0, 0x800000000000
    return "IRETQ to an RIP that is not canonical in ring 3", DATA3 | 3, STACK3, 2, CODE3 | 3, 0x800000000000
    return "IRETQ to L and D", DATA0, STACK0, 2, BOTH0, here
    return "IRETQ to code not present", DATA0, STACK0, 2, ABSENT0, here
    return "IRETQ to a null CS", DATA0, STACK0, 2, 0, here
    return "IRETQ to data", DATA0, STACK0, 2, DATA0, here
    return "IRETQ beyond the GDT", DATA0, STACK0, 2, 0x7f8, here
    return "IRETQ with VM", DATA0, STACK0, 0x20002, CODE0, here
    return "IRETQ with high flags", DATA0, STACK0, 0xffffffff00000002, CODE0, here
    return "IRETQ with a high RIP in 32-bit code", DATA0, STACK0, 2, CODE0C, 0x1000000000 + here
    return "IRETQ with RF", DATA0, STACK0, 0x10002, CODE0, here
    return "IRETQ with NT loaded", DATA0, STACK0, 0x4002, CODE0, here
    experiment "IRETQ with NT set"
    push qword 0x4002
    popfq
    frame DATA0, STACK0, 2, CODE0, here
    iretq
    conclude
    experiment "IRETD of 64-bit code"
    sub rsp, 20
    mov dword [rsp], here
    mov dword [rsp + 4], CODE0
    mov dword [rsp + 8], 2
    mov dword [rsp + 12], STACK0 - 0x40
    mov dword [rsp + 16], DATA0
    iretd
    conclude
    experiment "IRETQ on a stack that is not canonical"
    mov rsp, 0x800000000000
    iretq
    conclude
    ring3_experiment "IRETQ inward"
    frame DATA0, STACK0, 2, CODE0, here
    iretq
    conclude
    ring3_experiment "IRETQ in ring 3 keeps IF and IOPL"
    frame DATA3 | 3, STACK3, 0x3202, CODE3 | 3, here
    iretq
    conclude

; --- NMI, by the local APIC's own interrupt
    gate_at idt + 2 * 16, CODE0, .nmi, 0x8e02
    mov esi, 0xfee00000
    mov dword [rsi + 0xf0], 0x1ff
    mov qword [nmi_count], 0
    mov dword [rsi + 0x310], 0
    mov dword [rsi + 0x300], 0x4400         ; NMI to processor 0, itself
    nop
    nop
    fact "NMIs, the second held until IRET", [nmi_count], 2
    jmp .after
.nmi:
    inc qword [nmi_count]
    cmp qword [nmi_count], 1
    jne .second
    mov dword [rsi + 0x300], 0x4400
    nop
    nop
    mov rax, [nmi_count]
    mov [nmi_inside], rax
.second:
    iretq
.after:
    fact "NMIs inside the first", [nmi_inside], 2
    finish

here:
    int DONE

    [section .data]
    align 8
nmi_count: dq 0
nmi_inside: dq 0
    __?SECT?__
