; Far transfers: JMP and CALL, direct and through call gates; RETF and IRET; stack switches and their faults.

%include "framework.inc"

; The experiments' own descriptors.
%macro entries 0
%assign slot 0
%macro entry 3                  ; name, low, high
%1 equ FREE + slot * 8
    entry_at gdt + %1, %2, %3
%assign slot slot + 1
%endmacro
    entry CODE0_ABSENT, 0x0000ffff, 0x00cf1a00
    entry CONFORM3,     0x0000ffff, 0x00cffe00
    entry CONFORM1,     0x0000ffff, 0x00cfbe00
    entry CONFORM_GONE, 0x0000ffff, 0x00cf1e00
    entry BASED0,       0x0000ffff, 0x00409a10          ; base 1 MiB, 64 KiB, 32-bit
    entry BASED3,       0x0000ffff, 0x0040fa10
    entry SMALL0,       0x00000010, 0x00409a10
    entry DATA3_ABSENT, 0x0000ffff, 0x00cf7200
    entry READONLY3,    0x0000ffff, 0x00cff000
    entry STACK16_3,    0x0000ffff, 0x0000f208          ; base 0x80000
    entry TINY1,        0x00000013, 0x0040b208          ; stack of 20 bytes at 0x80000
    entry READONLY1,    0x0000ffff, 0x00cfb000
    entry DATA1_ABSENT, 0x0000ffff, 0x00cf3200
    entry STACK16_1,    0x0000ffff, 0x0000b208
%endmacro

; A 32-bit call gate of the next slot: name, selector, offset, access byte and parameters
%macro gate 4
%1 equ FREE + slot * 8
    gate_at gdt + %1, %2, %3, %4
%assign slot slot + 1
%endmacro

main:
    entries
    gate GATE_0,        CODE0, landing, 0xec00
    gate GATE_0_DPL0,   CODE0, landing, 0x8c00
    gate GATE_0_DPL1,   CODE0, landing, 0xac00
    gate GATE_1,        CODE1, landing, 0xec00
    gate GATE_3,        CODE3, landing, 0xec00
    gate GATE_CONFORM,  CONFORM0, landing, 0xec00
    gate GATE_ABSENT,   CODE0, landing, 0x6c00
    gate GATE_TO_ABSENT, CODE0_ABSENT, landing, 0xec00
    gate GATE_NULL,     0, landing, 0xec00
    gate GATE_DATA,     DATA0, landing, 0xec00
    gate GATE_FAR,      0x7ff8, landing, 0xec00
    gate GATE_TO_GATE,  GATE_0, landing, 0xec00
    gate GATE_LIMIT,    SMALL0, 0x11, 0xec00
    gate GATE_RPL,      CODE0 | 3, landing, 0xec00
    gate GATE_16,       BASED0, landing - 0x100000, 0xe400
    gate GATE_INT,      CODE0, landing, 0xee00
    gate GATE_COPY,     CODE0, copy_stack, 0xec03
    gate GATE_COPY_1,   CODE1, copy_stack, 0xec02
    gate GATE_COPY_16,  BASED0, copy_stack16 - 0x100000, 0xe403
    gate GATE_COPY_31,  CODE0, copy_stack, 0xec1f

; --- every selector from every ring by JMP and CALL
    mov ebp, 0                                          ; index: list * 8 + call * 4 + ring
.matrix:
    mov eax, ebp
    shr eax, 3
    movzx ebx, word [targets + eax * 2]
    cmp ebx, 0xffff
    je .done
    mov [pointer + 4], bx
    mov dword [pointer], landing
    mov dword [matrix_name], 'JMP '
    test ebp, 4
    jz .named
    mov dword [matrix_name], 'CALL'
.named:
    call name_selector
    mov eax, ebp
    and eax, 3
    add al, '0'
    mov [matrix_name + 10], al
    start_experiment matrix_name, .reported
    mov eax, ebp
    and eax, 3
    call to_ring
    test ebp, 4
    jnz .call
    jmp far [pointer]
.call:
    call far [pointer]
    ud2
.reported:
    call report
    inc ebp
    jmp .matrix
.done:

; --- every selector from every ring by RETF and IRET
    mov ebp, 0
.returns:
    mov eax, ebp
    shr eax, 3
    movzx ebx, word [return_targets + eax * 2]
    cmp ebx, 0xffff
    je .returns_done
    mov dword [matrix_name], 'RETF'
    test ebp, 4
    jz .return_named
    mov dword [matrix_name], 'IRET'
.return_named:
    call name_selector
    mov eax, ebp
    and eax, 3
    add al, '0'
    mov [matrix_name + 10], al
    start_experiment matrix_name, .return_reported
    mov eax, ebp
    and eax, 3
    call to_ring
    mov eax, ebx                ; a stack for the ring to return to: DATAn = 0x10 + 0x10 * n
    and eax, 3
    mov ecx, eax
    shl ecx, 4
    lea eax, [eax + ecx + DATA0]
    push eax
    push dword 0x80000
    test ebp, 4
    jz .retf
    push dword 0x202
    push ebx
    push dword landing
    iretd
.retf:
    push ebx
    push dword landing
    retf
.return_reported:
    call report
    inc ebp
    jmp .returns
.returns_done:

; --- outer stack segments that RETF and IRET refuse
    mov ebp, 0
.outer:
    mov eax, ebp
    shr eax, 1
    movzx ebx, word [outer_stacks + eax * 2]
    cmp ebx, 0xffff
    je .outer_done
    mov dword [matrix_name], 'RETF'
    test ebp, 1
    jz .outer_named
    mov dword [matrix_name], 'IRET'
.outer_named:
    call name_selector
    mov dword [matrix_name + 5], 'onto'
    mov dword [matrix_name + 10], 'SS ='
    start_experiment matrix_name, .outer_reported
    push ebx
    push dword 0x2000
    test ebp, 1
    jz .outer_retf
    push dword 2
    push dword CODE3 | 3
    push dword landing
    iretd
.outer_retf:
    push dword CODE3 | 3
    push dword landing
    retf
.outer_reported:
    call report
    inc ebp
    jmp .outer
.outer_done:

; --- what goes over the stack
    ring_experiment 3, "32-bit gate with parameters"
    push dword 0x11111111
    push dword 0x22222222
    push dword 0x33333333
    call GATE_COPY:0
    conclude
    dump "its stack:", stack_copy, 9
    ring_experiment 3, "32-bit gate into ring 1"
    push dword 0x11111111
    push dword 0x22222222
    call GATE_COPY_1:0
    conclude
    dump "ring 1's stack:", stack_copy, 9
    ring_experiment 1, "32-bit gate from ring 1"
    push dword 0x11111111
    push dword 0x22222222
    push dword 0x33333333
    call GATE_COPY:0
    conclude
    dump "stack from ring 1:", stack_copy, 9
    ring_experiment 3, "16-bit gate with parameters"
    push dword 0x11112222
    push dword 0x33334444
    push dword 0x55556666
    call GATE_COPY_16:0
    conclude
    dump "its 16-bit stack:", stack_copy, 9
    experiment "32-bit gate within ring 0 copies no parameters"
    push dword 0x11111111
    call GATE_COPY:0
    add esp, 4
    conclude
    dump "stack within ring 0:", stack_copy, 4
    ring_experiment 3, "31 parameters"
    mov ecx, 31
.push31:
    push ecx
    loop .push31
    call GATE_COPY_31:0
    conclude
    dump "31 on the stack:", stack_copy, 36
    ring_experiment 3, "parameters from a 16-bit stack that wraps"
    mov ax, STACK16_3 | 3
    mov ss, ax
    mov esp, 0xabcd0004
    push dword 0x11111111
    call GATE_COPY:0
    conclude
    dump "from the 16-bit stack:", stack_copy, 7

; --- RET n releases on both stacks
    gate_at gdt + GATE_COPY, CODE0, release_12, 0xec03
    ring_experiment 3, "RETF 12 from the gate"
    push dword 1
    push dword 2
    push dword 3
    call GATE_COPY:0
    conclude
    gate_at gdt + GATE_COPY, CODE0, release_word, 0xec03
    ring_experiment 3, "16-bit RETF out of a 32-bit gate"
    push dword 1
    call GATE_COPY:0
    conclude

; --- data segments of inner rings do not survive a return outward
    experiment "segments after RETF to ring 3"
    mov ax, DATA0
    mov ds, ax
    mov ax, DATA1
    mov es, ax
    mov ax, CONFORM0
    mov fs, ax
    mov ax, DATA3 | 3
    mov gs, ax
    push dword DATA3 | 3
    push dword STACK3
    push dword CODE3 | 3
    push dword .segments
    retf
.segments:
    call store_segments
    conclude
    dump "DS, ES, FS, GS after RETF:", segments_copy, 4
    experiment "segments after IRET to ring 1"
    mov ax, DATA0
    mov ds, ax
    mov ax, CODE1
    mov es, ax
    mov ax, CODE0
    mov fs, ax
    mov ax, DATA2 | 1
    mov gs, ax
    push dword DATA1 | 1
    push dword STACK1
    push dword 2
    push dword CODE1 | 1
    push dword .segments1
    iretd
.segments1:
    call store_segments
    conclude
    dump "DS, ES, FS, GS after IRET:", segments_copy, 4

; --- bad stacks in the TSS
    mov ebp, 0
.tss_stacks:
    movzx ebx, word [tss_stacks + ebp * 2]
    cmp ebx, 0xffff
    je .tss_done
    mov dword [matrix_name], 'CALL'
    call name_selector
    mov dword [matrix_name + 5], 'with'
    mov dword [matrix_name + 10], 'SS ='
    mov [main_tss + 0x10], ebx                          ; SS1: ring 0 must stay sound for the handlers
    mov dword [main_tss + 0xc], 0x100
    start_experiment matrix_name, .tss_reported
    mov eax, 3
    call to_ring
    call GATE_1:0
.tss_reported:
    call report
    inc ebp
    jmp .tss_stacks
.tss_done:
    mov dword [main_tss + 0x10], TINY1 | 1
    mov dword [main_tss + 0xc], 0x14
    ring_experiment 3, "inner stack with just room"
    call GATE_1:0
    conclude
    mov dword [main_tss + 0xc], 0x0c
    ring_experiment 3, "inner stack without room"
    call GATE_1:0
    conclude
    mov dword [main_tss + 0xc], 0x20
    ring_experiment 3, "inner stack pointer beyond the limit"
    call GATE_1:0
    conclude
    mov dword [main_tss + 0x10], DATA1 | 1
    mov dword [main_tss + 0xc], STACK1

; --- offsets beyond limits, 16-bit operands
    ring_experiment 3, "gate to an offset beyond the limit"
    call GATE_LIMIT:0
    conclude
    experiment "the same within ring 0"
    call GATE_LIMIT:0
    conclude
    experiment "JMP through it"
    jmp GATE_LIMIT:0
    conclude
    experiment "far JMP beyond the limit"
    jmp SMALL0:0x11
    conclude
    experiment "far CALL beyond the limit"
    call SMALL0:0x11
    conclude
    experiment "RETF beyond the limit"
    push dword SMALL0
    push dword 0x11
    retf
    conclude
    experiment "IRET beyond the limit"
    push dword 2
    push dword SMALL0
    push dword 0x11
    iretd
    conclude
    experiment "16-bit far CALL"
    o16 call far [pointer16]
.back16:
    conclude
    dump "16-bit far CALL stack:", stack_copy, 3
    experiment "16-bit RETF"
    push word BASED0
    push word landing - 0x100000
    o16 retf
    conclude
    experiment "16-bit RETF to ring 3"
    push word DATA3 | 3
    push word 0x4000
    push word BASED3 | 3
    push word landing - 0x100000
    o16 retf
    conclude
    experiment "16-bit IRET keeps the upper flags"
    push dword 0x240000
    popfd
    push word 0x0202
    push word BASED0
    push word landing - 0x100000
    iretw
    conclude
    experiment "16-bit IRET to ring 3"
    push word DATA3 | 3
    push word 0x4000
    push word 0x3202
    push word BASED3 | 3
    push word landing - 0x100000
    iretw
    conclude
    experiment "RETF to ring 3 with a 16-bit stack"
    mov esi, esp
    push dword STACK16_3 | 3
    push dword 0x12345678
    push dword CODE3 | 3
    push dword landing
    retf
    conclude
    experiment "far CALL with memory operand in a register"
    db 0xff, 0xd8
    conclude
    experiment "far JMP with memory operand in a register"
    db 0xff, 0xe8
    conclude
    ring_experiment 3, "far CALL through a pointer that is not readable"
    mov ax, 0
    mov fs, ax
    call far [fs:pointer]
    conclude
    finish

; ---- places to go to

landing:
    int DONE

copy_stack:
    push ds
    push es
    push esi
    push edi
    push ecx
    mov ax, ss
    mov ds, ax
    mov es, ax
    lea esi, [esp + 20]
    mov edi, stack_copy
    mov ecx, 40
    rep movsd
    pop ecx
    pop edi
    pop esi
    pop es
    pop ds
    retf

copy_stack16:
    push ds
    push es
    push esi
    push edi
    mov ax, ss
    mov ds, ax
    mov es, ax
    lea esi, [esp + 16]
    mov edi, stack_copy
    mov ecx, 40
    rep movsd
    pop edi
    pop esi
    pop es
    pop ds
    o16 retf

release_12:
    retf 12

release_word:
    mov edx, esp
    push word [edx + 24]        ; past CS, EIP and three parameters: SS
    push word [edx + 20]
    push word BASED3 | 3
    push word landing - 0x100000
    o16 retf

store_segments:
    mov ax, CONFORM0 | 3
    mov ebx, ds
    mov ecx, es
    mov edx, fs
    mov esi, gs
    mov ax, ss
    mov ds, ax
    mov [segments_copy], ebx
    mov [segments_copy + 4], ecx
    mov [segments_copy + 8], edx
    mov [segments_copy + 12], esi
    ret

; To the ring in EAX, with its stack and data segments; returns there.
to_ring:
    pop edi
    test eax, eax
    jz .same
    mov ecx, eax
    shl ecx, 4
    lea edx, [ecx + DATA0]
    or edx, eax                 ; DATAn | n
    lea esi, [ecx + CODE0]
    or esi, eax
    imul eax, eax, -0x4000
    add eax, STACK0
    push edx
    push eax
    push dword 2
    push esi
    push edi
    mov ds, dx
    mov es, dx
    mov fs, dx
    mov gs, dx
    iretd
.same:
    jmp edi

; BX into the name.
name_selector:
    digit_into matrix_name + 18, bl
    mov ecx, ebx
    shr ecx, 4
    digit_into matrix_name + 17, cl
    shr ecx, 4
    digit_into matrix_name + 16, cl
    shr ecx, 4
    digit_into matrix_name + 15, cl
    ret

    section .data
matrix_name: db "xxxx ring 0 to 0000", 0
    align 4
pointer: dd 0, 0
pointer16:
    dw call_target16 - 0x100000, BASED0
stack_copy: times 40 dd 0
segments_copy: times 4 dd 0
targets:
    dw 0, 3, CODE0, CODE0 | 3, CODE1 | 1, CODE1, CODE2 | 2, CODE3 | 3, CODE3, DATA0, DATA3 | 3, TSS0, LDT0, CONFORM0, CONFORM0 | 3
    dw EXECUTE0, ABSENT0, CODE0_ABSENT, CONFORM3, CONFORM1, CONFORM_GONE, 0x7ff8, 0x0c
    dw GATE_0, GATE_0 | 3, GATE_0_DPL0, GATE_0_DPL0 | 1, GATE_0_DPL1, GATE_0_DPL1 | 2, GATE_1, GATE_3, GATE_CONFORM, GATE_ABSENT
    dw GATE_TO_ABSENT, GATE_NULL, GATE_DATA, GATE_FAR, GATE_TO_GATE, GATE_RPL, GATE_16, GATE_INT, 0xffff
return_targets:
    dw 0, 3, CODE0, CODE0 | 1, CODE1 | 1, CODE1 | 2, CODE2 | 2, CODE3 | 3, CODE3, DATA0, DATA3 | 3, TSS0, CONFORM0, CONFORM0 | 1, CONFORM0 | 3
    dw CONFORM1 | 1, CONFORM1, CONFORM1 | 3, CONFORM3 | 3, CONFORM3 | 2, EXECUTE0, CODE0_ABSENT, CONFORM_GONE, 0x7ff8, 0x0c, GATE_0, 0xffff
outer_stacks:
    dw 0, 3, DATA3 | 3, DATA3, DATA3 | 1, DATA0 | 3, DATA0, DATA2 | 2, CODE3 | 3, READONLY3 | 3, DATA3_ABSENT | 3, STACK16_3 | 3, 0x7ffb, 0x0f
    dw TSS0 | 3, GATE_0 | 3, 0xffff
tss_stacks:
    dw 0, 1, DATA1 | 1, DATA1, DATA1 | 2, DATA0 | 1, DATA3 | 1, CODE1 | 1, READONLY1 | 1, DATA1_ABSENT | 1, 0x7ff9, 0x0d, TSS0 | 1, STACK16_1 | 1, 0xffff

    section .text
call_target16:
    mov eax, [esp]
    mov [stack_copy], eax
    mov eax, [esp + 4]
    mov [stack_copy + 4], eax
    int DONE
