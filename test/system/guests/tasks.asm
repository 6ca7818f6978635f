; Task switches by JMP, CALL, INT and IRET, through gates and without, 32- and 16-bit; T, CR3 and CR0.TS.
; With BAD_TASKS defined: switches to tasks with wrong contents.

%include "framework.inc"

NEW_TSS    equ FREE             ; 32-bit, the experiments' task
NEW_TSS16  equ FREE + 8
SMALL_TSS  equ FREE + 16
GONE_TSS   equ FREE + 24
TASK_GATE  equ FREE + 32
TASK_GATE3 equ FREE + 40
GATE_GONE  equ FREE + 48
GATE_NULL  equ FREE + 56
GATE_LOCAL equ FREE + 64
GATE_CODE  equ FREE + 72
CODE0_GONE equ FREE + 80
DATA0_GONE equ FREE + 88
LDT_GONE   equ FREE + 96
BASED0     equ FREE + 104
TSS_DPL3   equ FREE + 112
SMALL0     equ FREE + 120
READONLY3  equ FREE + 128
CODE3_X    equ FREE + 136
SMALL16    equ FREE + 144
STACK16    equ FREE + 152

VEC equ 0x30

; A TSS descriptor: entry, address, limit, access
%macro tss_at 4
    mov eax, %2
    mov word [gdt + %1], %3
    mov [gdt + %1 + 2], ax
    shr eax, 16
    mov [gdt + %1 + 4], al
    mov byte [gdt + %1 + 5], %4
    mov word [gdt + %1 + 6], 0
%endmacro

main:
    entry_at gdt + CODE0_GONE, 0x0000ffff, 0x00cf1a00
    entry_at gdt + DATA0_GONE, 0x0000ffff, 0x00cf1200
    entry_at gdt + LDT_GONE, 0x0000ffff, 0x00000200
    entry_at gdt + BASED0, 0x0000ffff, 0x00409a10
    entry_at gdt + SMALL0, 0x00000010, 0x00409a10
    entry_at gdt + READONLY3, 0x0000ffff, 0x00cff000
    entry_at gdt + CODE3_X, 0x0000ffff, 0x00cff800
    entry_at gdt + STACK16, 0x0000ffff, 0x00009208
    entry_at gdt + TASK_GATE, NEW_TSS << 16, 0x8500
    entry_at gdt + TASK_GATE3, NEW_TSS << 16, 0xe500
    entry_at gdt + GATE_GONE, NEW_TSS << 16, 0x6500
    entry_at gdt + GATE_NULL, 0, 0xe500
    entry_at gdt + GATE_LOCAL, 0x0c0000, 0xe500
    entry_at gdt + GATE_CODE, CODE0 << 16, 0xe500
    entry_at idt + VEC * 8, NEW_TSS << 16, 0xe500

%ifdef BAD_TASKS
    jmp bad_tasks
%endif

; --- which transfers are let through
    mov dword [index], 0
.matrix:
    mov ebp, [index]
    mov eax, ebp
    shr eax, 3
    movzx ebx, word [targets + eax * 2]
    cmp ebx, 0xffff
    je .matrix_done
    call fresh_task
    mov [pointer + 4], bx
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
    call home
    inc dword [index]
    jmp .matrix
.matrix_done:

; --- what a switch saves and loads
    call fresh_task
    mov dword [new_tss + 0x20], store_state
    experiment "CALL to a 32-bit task"
    mov eax, 0x11111111
    mov ebx, 0x22222222
    mov ecx, 0x33333333
    mov edx, 0x44444444
    mov esi, 0x55555555
    mov edi, 0x66666666
    mov ebp, 0x77777777
    stc
    call NEW_TSS:0x1234
    conclude
    call show_state
    call home
    call fresh_task
    mov dword [new_tss + 0x20], store_state
    experiment "JMP to a 32-bit task"
    jmp NEW_TSS:0
    conclude
    call show_state
    call home
    call fresh_task
    mov dword [new_tss + 0x20], store_state
    experiment "INT through a task gate"
    int VEC
    conclude
    call show_state
    call home
    call fresh_task
    mov dword [new_tss16 + 0x0e], store_state - 0x100000
    experiment "CALL to a 16-bit task"
    mov eax, 0x11111111
    call NEW_TSS16:0
    conclude
    call show_state
    dump "16-bit TSS:", new_tss16, 11
    call home
    call fresh_task
    mov dword [new_tss + 0x20], return_by_iret
    experiment "a task that returns by IRET, and again"
    mov edx, 0x12345678
    call NEW_TSS:0
    call NEW_TSS:0
    int VEC
    mov eax, cr0
    mov [state_copy], eax
    str eax
    mov [state_copy + 4], eax
    pushfd
    pop dword [state_copy + 8]
    mov [state_copy + 12], edx
    conclude
    and dword [state_copy], 9
    and dword [state_copy + 8], ~0x8d5
    dump "CR0.TS, TR, flags and EDX after:", state_copy, 4
    dump "the task's registers:", new_tss + 0x20, 10
    dump "its link and descriptor:", new_tss, 1
    show "descriptor of the task: ", [gdt + NEW_TSS + 4]
    newline
    call home
    call fresh_task
    mov word [new_tss16 + 0x0e], return_by_iret - 0x100000
    experiment "a 16-bit task that returns by IRET"
    mov edx, 0x12345678
    mov ebx, 0x9abcdef0
    call NEW_TSS16:0
    mov [state_copy], edx
    mov [state_copy + 4], ebx
    conclude
    dump "EDX and EBX after it:", state_copy, 2
    dump "16-bit TSS after it:", new_tss16, 11
    call home
    call fresh_task
    mov dword [new_tss + 0x20], ring3_task
    mov dword [new_tss + 0x4c], CODE3 | 3
    mov dword [new_tss + 0x50], DATA3 | 3
    mov dword [new_tss + 0x38], STACK3
    mov dword [new_tss + 0x24], 0x3202
    experiment "CALL to a task in ring 3 with data of ring 0"
    call NEW_TSS:0
    conclude
    call home
    call fresh_task
    call in_ring3
    mov dword [new_tss + 0x20], ring3_task
    mov dword [new_tss + 0x24], 0x3202
    experiment "CALL to a task in ring 3"
    call NEW_TSS:0
    conclude
    call home
    call fresh_task
    mov dword [new_tss + 0x20], ring3_iret
    call in_ring3
    experiment "CALL to a task in ring 3 that returns by IRET"
    call NEW_TSS:0
    conclude
    call home

; --- IRET with NT set and a bad link
    mov dword [index], 0
.links:
    mov ebp, [index]
    movzx ebx, word [links + ebp * 2]
    cmp ebx, 0xffff
    je .links_done
    call fresh_task
    mov dword [matrix_name], 'IRET'
    mov dword [matrix_name + 5], 'link'
    mov dword [matrix_name + 10], '  = '
    call name_selector
    mov [main_tss], bx
    start_experiment matrix_name, .link_reported
    push dword 0x4002
    popfd
    iretd
.link_reported:
    call report
    call home
    inc dword [index]
    jmp .links
.links_done:

%ifdef BAD_TASKS
; --- wrong contents of the new TSS: the faults are the new task's
bad_tasks:
    mov dword [index], 0
.bad:
    mov ebp, [index]
    imul eax, ebp, 8
    cmp dword [bad_fields + eax], -1
    je .bad_done
    call fresh_task
    imul eax, ebp, 8
    mov ecx, [bad_fields + eax]
    mov ebx, [bad_fields + eax + 4]
    mov [new_tss + ecx], ebx
    mov dword [bad_name + 6], '  = '
    digit_into bad_name + 5, cl
    shr ecx, 4
    digit_into bad_name + 4, cl
    digit_into bad_name + 13, bl
    mov ecx, ebx
    shr ecx, 4
    digit_into bad_name + 12, cl
    shr ecx, 4
    digit_into bad_name + 11, cl
    shr ecx, 4
    digit_into bad_name + 10, cl
    start_experiment bad_name, .bad_reported
    call NEW_TSS:0
.bad_reported:
    call report
    str ax
    movzx eax, ax
    print "its TR and link "
    mov esi, bad_name
    call puts
    show ": ", eax
    show " ", [new_tss]
    newline
    call home
    inc dword [index]
    jmp .bad
.bad_done:
    finish
%endif

; --- CR0.TS, T, CR3
    call fresh_task
    mov word [new_tss + 0x64], 1
    mov dword [new_tss + 0x20], landing
    experiment "T bit of the new task"
    call NEW_TSS:0
    conclude
    mov eax, dr6
    show "DR6 after the T bit: ", eax
    newline
    mov eax, 0xffff0ff0
    mov dr6, eax
    call home
    call fresh_task
    mov dword [new_tss + 0x24], 0x102
    mov dword [new_tss + 0x20], landing_nop
    experiment "TF of the new task"
    call NEW_TSS:0
    conclude
    mov eax, dr6
    show "DR6 after TF: ", eax
    newline
    mov eax, 0xffff0ff0
    mov dr6, eax
    call home
    call fresh_task
    mov dword [new_tss + 0x20], landing
    push dword 0x102
    experiment "TF of the old task"
    push dword 0x102
    popfd
    call NEW_TSS:0
    conclude
    add esp, 4
    mov eax, 0xffff0ff0
    mov dr6, eax
    call home
    call fresh_task
    mov dword [new_tss + 0x20], landing
    mov eax, 0x155
    mov dr7, eax
    experiment "DR7 after a switch"
    call NEW_TSS:0
    conclude
    mov eax, dr7
    show "DR7: ", eax
    newline
    mov eax, 0x400
    mov dr7, eax
    call home

; --- error code on the new task's stack
    call fresh_task
    mov dword [new_tss + 0x20], pop_code
    entry_at idt + 13 * 8, NEW_TSS << 16, 0x8500
    experiment "#GP through a task gate"
    mov ax, 0x7ff8
    mov ds, ax
    conclude
    dump "error code and ESP:", state_copy, 2
    show "saved EIP's flags: ", [main_tss + 0x24]
    newline
    call home
    mov eax, stub13
    mov [idt + 13 * 8], ax
    mov word [idt + 13 * 8 + 2], CODE0
    mov word [idt + 13 * 8 + 4], 0x8e00
    shr eax, 16
    mov [idt + 13 * 8 + 6], ax
    call fresh_task
    mov byte [gdt + NEW_TSS + 5], 0x8b
    experiment "INT to a busy task"
    int VEC
    conclude
    call fresh_task
    mov byte [gdt + NEW_TSS + 5], 9
    experiment "INT to a task that is not present"
    int VEC
    conclude
    call fresh_task
    mov word [gdt + NEW_TSS], 0x66
    experiment "INT to a task that is too small"
    int VEC
    conclude
    call fresh_task
    entry_at idt + 6 * 8, NEW_TSS << 16, 0x8500
    mov word [gdt + NEW_TSS], 0x66
    experiment "#UD to a task that is too small"
    ud2
    conclude
    call fresh_task
    mov byte [gdt + NEW_TSS + 5], 0x8b
    experiment "#UD to a busy task"
    ud2
    conclude
    finish

landing_nop:
    nop
landing:
    int DONE

pop_code:
    pop dword [state_copy]
    mov [state_copy + 4], esp
    int DONE

return_by_iret:
    inc edx
    inc ebx
    iretd
    inc edx
    iretd
    inc edx
    iretd

ring3_task:
    int DONE
ring3_iret:
    iretd

; In the new task: what it got.
store_state:
    mov [state_copy], eax
    mov [state_copy + 4], esp
    mov eax, cr0
    and eax, 9
    mov [state_copy + 8], eax
    xor eax, eax
    str ax
    mov [state_copy + 12], eax
    pushfd
    pop eax
    mov [state_copy + 16], eax
    mov eax, [new_tss]
    mov [state_copy + 20], eax
    mov eax, [gdt + NEW_TSS + 4]
    mov [state_copy + 24], eax
    mov eax, [gdt + TSS0 + 4]
    mov [state_copy + 28], eax
landing16:
    movzx esp, sp               ; a 16-bit task comes with ones above SP
    int DONE

show_state:
    pushad
    mov esi, [experiment_name]
    call puts
    dump ", EAX ESP CR0 TR flags link descriptors:", state_copy, 8
    mov eax, [experiment_start]
    sub [main_tss + 0x20], eax
    print "old TSS of "
    mov esi, [experiment_name]
    call puts
    and dword [main_tss + 0x24], ~0x8d4
    dump ":", main_tss + 0x1c, 18
    popad
    ret

; Makes the first task the current one again, whatever TR holds.
home:
    and byte [gdt + TSS0 + 5], ~2
    mov ax, TSS0
    ltr ax
    xor eax, eax
    lldt ax
    clts
    ret

; The experiments' task as new.
fresh_task:
    pushad
    tss_at NEW_TSS, new_tss, 103, 0x89
    tss_at NEW_TSS16, new_tss16, 43, 0x81
    tss_at SMALL_TSS, new_tss, 102, 0xe9
    tss_at SMALL16, new_tss16, 42, 0xe1
    tss_at GONE_TSS, new_tss, 103, 0x69
    tss_at TSS_DPL3, new_tss, 103, 0xe9
    mov esi, tss_pattern
    mov edi, new_tss
    mov ecx, 26
    rep movsd
    mov esi, tss_pattern16
    mov edi, new_tss16
    mov ecx, 11
    rep movsd
    mov dword [main_tss], 0
    popad
    ret

in_ring3:                       ; the new task
    mov dword [new_tss + 0x4c], CODE3 | 3
    mov dword [new_tss + 0x38], STACK3
    mov eax, DATA3 | 3
    mov [new_tss + 0x48], eax
    mov [new_tss + 0x50], eax
    mov [new_tss + 0x54], eax
    mov [new_tss + 0x58], eax
    mov [new_tss + 0x5c], eax
    ret

to_ring:
    pop edi
    test eax, eax
    jz .same
    mov ecx, eax
    shl ecx, 4
    lea edx, [ecx + DATA0]
    or edx, eax
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
bad_name: db "TSS xx  = xxxx", 0
    align 4
pointer: dd 0, 0
state_copy: times 8 dd 0
index: dd 0
targets:
    dw NEW_TSS, NEW_TSS | 3, NEW_TSS16, TSS_DPL3, TSS_DPL3 | 3, SMALL_TSS, SMALL16, GONE_TSS, TASK_GATE, TASK_GATE3, GATE_GONE, GATE_NULL
    dw GATE_LOCAL, GATE_CODE, TSS0, 0xffff
links:
    dw 0, 3, NEW_TSS, GONE_TSS, CODE0, 0x0c, 0x7ff8, TASK_GATE, LDT0, 0xffff
bad_fields:
    dd 0x4c, 0, 0x4c, DATA0, 0x4c, 0x7ff8, 0x4c, CODE0_GONE, 0x4c, CODE0 | 1, 0x4c, CODE3, 0x4c, 0x0c, 0x4c, TSS0, 0x4c, CONFORM0
    dd 0x50, 0, 0x50, DATA3, 0x50, DATA0 | 1, 0x50, CODE0, 0x50, READONLY0, 0x50, DATA0_GONE, 0x50, 0x7ff8, 0x50, 0x0c
    dd 0x54, 0, 0x54, 0x7ff8, 0x54, EXECUTE0, 0x54, DATA0_GONE, 0x54, DATA0 | 3, 0x54, CONFORM0 | 3, 0x54, CODE0, 0x54, TSS0
    dd 0x48, DATA0_GONE, 0x58, 0x7ff8, 0x5c, DATA0_GONE, 0x5c, 3
    dd 0x60, CODE0, 0x60, LDT_GONE, 0x60, 0x7ff8, 0x60, 4, 0x60, LDT0, 0x60, 3
    dd -1
    align 4
tss_pattern:
    dd 0xaaaa0000, STACK0 - 0x3000, DATA0, 0, 0, 0, 0
    dd 0
    dd landing, 0x00000002
    dd 0xa0000000, 0xc0000001, 0xd0000002, 0xb0000003, STACK0 - 0x4000, 0xb0000005, 0x50000006, 0xd0000007
    dd DATA0, CODE0, DATA0, DATA0, DATA0, DATA0
    dd 0
    dw 0, 104
tss_pattern16:
    dw 0xaaaa, 0, 0, 0, 0, 0, 0
    dw landing16 - 0x100000, 2
    dw 0xa000, 0xc001, 0xd002, 0xb003, 0xc000, 0xb005, 0x5006, 0xd007
    dw DATA0, BASED0, STACK16, DATA0
    dw 0, 0, 0
    align 4
new_tss: times 26 dd 0
    align 4
new_tss16: times 11 dd 0

    section .text
