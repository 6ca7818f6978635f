; Flags and privileges: POPF, IRET, CLI, STI by CPL and IOPL, privileged instructions in every ring, ports, control registers.

%include "framework.inc"

BASED equ 0x100000

main:
%ifdef BAD_CONTROL
    jmp bad_control
%endif
; --- each instruction in each ring
    mov ebp, 0
.matrix:
    mov ebx, ebp
    shr ebx, 2
    cmp dword [code_list + ebx * 4], 0
    je .matrix_done
    mov eax, ebx
    shr eax, 4
    digit_into matrix_name + 12, al
    digit_into matrix_name + 13, bl
    mov eax, ebp
    and eax, 3
    add al, '0'
    mov [matrix_name + 20], al
    start_experiment matrix_name, .reported
    mov dword [ring_flags], 2
    mov eax, ebp
    and eax, 3
    call to_ring
    mov ecx, 0x777
    xor eax, eax
    xor edx, edx
    mov esi, gdt_pointer
    jmp [code_list + ebx * 4]
.reported:
    call report
    inc ebp
    jmp .matrix
.matrix_done:

; --- POPF and IRET by CPL and IOPL: what of all flags changes
    mov ebp, 0                  ; bits: ring 0-1, IOPL 2-3, kind 4-5
.flags:
    mov eax, ebp
    shr eax, 2
    and eax, 3
    add al, '0'
    mov [flags_name + 14], al
    mov eax, ebp
    and eax, 3
    add al, '0'
    mov [flags_name + 21], al
    mov eax, ebp
    shr eax, 4
    mov eax, [flags_kinds + eax * 4]
    mov [flags_name], eax
    start_experiment flags_name, .flags_reported
    mov eax, ebp
    and eax, 0xc
    shl eax, 10
    or eax, 2
    mov [ring_flags], eax
    mov eax, ebp
    and eax, 3
    call to_ring
    mov eax, ebp
    shr eax, 4
    jmp [flags_code + eax * 4]
.f_popfd:
    push dword 0x247ed7
    popfd
    int DONE
.f_popf:
    push word 0x7ed7
    popfw
    int DONE
.f_iretd:
    mov eax, cs
    push dword 0x257ed7
    push eax
    push dword .f_there
    iretd
.f_there:
    nop                         ; RF ends with it
    int DONE
.f_cli:
    cli
    int DONE
.f_sti:
    sti
    int DONE
.flags_reported:
    call report
    inc ebp
    cmp ebp, 5 * 16
    jb .flags
    mov dword [ring_flags], 2

    ring_experiment 3, "HLT in ring 3"
    hlt
    conclude
    ring_experiment 1, "HLT in ring 1"
    hlt
    conclude
    experiment "POPFD takes IOPL and IF in ring 0"
    push dword 0x3202
    popfd
    conclude
    push dword 2
    popfd
    ring_experiment 3, "POPFD of VM, RF, VIF and VIP"
    push dword 0x1b0002
    popfd
    pushfd
    pop eax
    mov [scratch], eax
    conclude
    show "flags then: ", [scratch]
    newline
    experiment "IRET to ring 3 with IOPL 3"
    push dword DATA3 | 3
    push dword STACK3
    push dword 0x3202
    push dword CODE3 | 3
    push dword landing
    iretd
    conclude
    ring_experiment 3, "PUSHFD shows IOPL"
    pushfd
    pop dword [scratch]
    conclude
    show "flags of ring 3: ", [scratch]
    newline
    experiment "SAHF and LAHF"
    mov ah, 0xff
    sahf
    mov ah, 0
    lahf
    mov [scratch], eax
    conclude
    mov eax, [scratch]
    and eax, 0xff00
    show "AH: ", eax
    newline
    experiment "ID flag can be changed"
    push dword 0x200002
    popfd
    conclude

; --- ports
    mov word [main_tss + 102], io_bitmap - main_tss
    mov byte [io_bitmap + 0x10], 0xfe
    ring_experiment 3, "IN byte allowed"
    in al, 0x80
    conclude
    ring_experiment 3, "IN byte forbidden"
    in al, 0x81
    conclude
    ring_experiment 3, "OUT word half forbidden"
    out 0x80, ax
    conclude
    mov byte [io_bitmap + 0x10], 0
    mov byte [io_bitmap + 0x11], 0xf8
    ring_experiment 3, "IN doubleword over two bytes"
    mov dx, 0x87
    in eax, dx
    conclude
    ring_experiment 3, "IN doubleword over two bytes, last bit forbidden"
    mov dx, 0x88
    in eax, dx
    conclude
    ring_experiment 3, "OUTSD"
    mov dx, 0x88
    mov esi, scratch
    outsd
    conclude
    ring_experiment 3, "INSB to a read-only segment of a forbidden port"
    mov dx, 0x91
    mov edi, scratch
    insb
    conclude
    mov dword [ring_flags], 0x3002
    ring_experiment 3, "IN with IOPL 3"
    in al, 0x91
    conclude
    mov dword [ring_flags], 0x1002
    ring_experiment 1, "IN in ring 1 with IOPL 1"
    in al, 0x91
    conclude
    ring_experiment 2, "IN in ring 2 with IOPL 1"
    in al, 0x91
    conclude
    mov dword [ring_flags], 2
    mov word [main_tss + 102], 0x200
    ring_experiment 3, "map beyond the limit"
    in al, 0x80
    conclude
    mov word [main_tss + 102], io_bitmap - main_tss

; --- control and debug registers
%macro try 2+
    experiment %1
    %2
    conclude
%endmacro
    ring_experiment 3, "CR1 in ring 3"
    db 0x0f, 0x20, 0xc8
    conclude
    experiment "CR1"
    db 0x0f, 0x20, 0xc8
    conclude
    experiment "to CR1"
    db 0x0f, 0x22, 0xc8
    conclude
    experiment "CR5"
    db 0x0f, 0x20, 0xe8
    conclude
    experiment "CR7"
    db 0x0f, 0x22, 0xf8
    conclude
    experiment "MOV CR ignores mod"
    db 0x0f, 0x20, 0x00         ; as mov eax, cr0
    mov [scratch], eax
    conclude
    mov eax, [scratch]
    and eax, 0x8000001f & ~0xe
    show "CR0: ", eax
    newline
    experiment "ET cannot be cleared"
    mov eax, cr0
    and eax, ~0x10
    mov cr0, eax
    mov eax, cr0
    mov [scratch], eax
    conclude
    mov eax, [scratch]
    and eax, 0x11
    show "CR0 with ET: ", eax
    newline
    experiment "LMSW cannot clear PE"
    smsw eax
    mov [scratch + 4], eax
    lmsw [zero]
    smsw eax
    mov [scratch], eax
    mov eax, [scratch + 4]
    lmsw ax
    conclude
    mov eax, [scratch]
    and eax, 0xf
    show "machine status word: ", eax
    newline
    experiment "CR3 keeps what is written"
    mov eax, 0x12345018
    mov cr3, eax
    mov eax, cr3
    mov [scratch], eax
    xor eax, eax
    mov cr3, eax
    conclude
    show "CR3: ", [scratch]
    newline
    experiment "DR4 is DR6 without CR4.DE"
    mov eax, 0xffffffff
    mov dr6, eax
    db 0x0f, 0x21, 0xe0         ; mov eax, dr4
    mov [scratch], eax
    mov eax, 0x400
    db 0x0f, 0x23, 0xe8         ; mov dr5, eax
    conclude
    show "DR4: ", [scratch]
    newline
    mov eax, 0xffff0ff0
    mov dr6, eax
    mov eax, cr4
    or eax, 8
    mov cr4, eax
    experiment "DR4 with CR4.DE"
    db 0x0f, 0x21, 0xe0
    conclude
    experiment "DR5 with CR4.DE"
    db 0x0f, 0x23, 0xe8
    conclude
    ring_experiment 3, "DR4 with CR4.DE in ring 3"
    db 0x0f, 0x21, 0xe0
    conclude
    mov eax, cr4
    or eax, 4
    mov cr4, eax
    ring_experiment 3, "RDTSC with CR4.TSD"
    rdtsc
    conclude
    ring_experiment 1, "RDTSC with CR4.TSD in ring 1"
    rdtsc
    conclude
    experiment "RDTSC with CR4.TSD in ring 0"
    rdtsc
    conclude
    mov eax, cr4
    and eax, ~0xc
    mov cr4, eax
    experiment "RDMSR of an MSR that does not exist"
    mov ecx, 0x12345678
    rdmsr
    conclude
    experiment "WRMSR of an MSR that does not exist"
    mov ecx, 0x12345678
    xor eax, eax
    xor edx, edx
    wrmsr
    conclude
    experiment "CMPXCHG8B of a register"
    db 0x0f, 0xc7, 0xc8
    conclude
    experiment "CMPXCHG8B"
    mov dword [scratch], 1
    mov dword [scratch + 4], 2
    mov eax, 1
    mov edx, 2
    mov ebx, 3
    mov ecx, 4
    cmpxchg8b [scratch]
    setz [scratch + 8]
    cmpxchg8b [scratch]
    setz [scratch + 9]
    mov [scratch + 12], eax
    conclude
    dump "CMPXCHG8B left:", scratch, 4

; --- SYSENTER and SYSEXIT
    experiment "SYSENTER with a null CS"
    sysenter
    conclude
    experiment "SYSEXIT with a null CS"
    sysexit
    conclude
    mov ecx, 0x174
    xor edx, edx
    mov eax, FREE
    wrmsr
    mov ecx, 0x175
    mov eax, STACK0 - 0x2000
    wrmsr
    mov ecx, 0x176
    mov eax, landing
    wrmsr
    entry_at gdt + FREE, 0x0000ffff, 0x00cf9a00
    entry_at gdt + FREE + 8, 0x0000ffff, 0x00cf9200
    entry_at gdt + FREE + 16, 0x0000ffff, 0x00cffa00
    entry_at gdt + FREE + 24, 0x0000ffff, 0x00cff200
    mov dword [ring_flags], 0x3202
    ring_experiment 3, "SYSENTER"
    sysenter
    conclude
    mov dword [ring_flags], 2
    ring_experiment 3, "SYSEXIT in ring 3"
    sysexit
    conclude
    experiment "SYSEXIT"
    mov edx, landing
    mov ecx, STACK3
    sysexit
    conclude

; --- device not available
    mov eax, cr0
    or eax, 8
    mov cr0, eax
    experiment "WAIT with TS alone"
    wait
    conclude
    mov eax, cr0
    or eax, 10
    mov cr0, eax
    experiment "WAIT with TS and MP"
    wait
    conclude
    clts
    experiment "WAIT after CLTS"
    wait
    conclude
    mov eax, cr0
    and eax, ~2
    mov cr0, eax

; --- alignment
    mov eax, cr0
    or eax, 0x40000
    mov cr0, eax
    mov dword [ring_flags], 0x40002
    ring_experiment 3, "#AC of a doubleword"
    mov eax, [scratch + 2]
    conclude
    ring_experiment 3, "#AC of a word"
    mov ax, [scratch + 1]
    conclude
    ring_experiment 3, "aligned word within a doubleword"
    mov ax, [scratch + 2]
    conclude
    ring_experiment 3, "#AC of a PUSH"
    dec esp
    push eax
    conclude
    ring_experiment 3, "#AC of a POP"
    sub esp, 6
    pop eax
    conclude
    ring_experiment 3, "#AC of MOVSD"
    mov esi, scratch
    mov edi, scratch + 1
    movsd
    conclude
    ring_experiment 3, "#AC of a far pointer on a word"
    les eax, [good_pointer + 2]
    conclude
    ring_experiment 3, "bytes are never unaligned"
    mov al, [scratch + 1]
    conclude
    ring_experiment 1, "no #AC in ring 1"
    mov eax, [scratch + 2]
    conclude
    mov dword [ring_flags], 2
    ring_experiment 3, "no #AC without AC"
    mov eax, [scratch + 2]
    conclude
    experiment "no #AC in ring 0"
    push dword 0x40002
    popfd
    mov eax, [scratch + 2]
    conclude
    mov eax, cr0
    and eax, ~0x40000
    mov cr0, eax
    mov dword [ring_flags], 0x40002
    ring_experiment 3, "no #AC without AM"
    mov eax, [scratch + 2]
    conclude
    mov dword [ring_flags], 2

    finish
%ifdef BAD_CONTROL
; --- values that control registers refuse
bad_control:
    experiment "reserved bits of CR4"
    mov eax, 0x80000000
    mov cr4, eax
    conclude
    try "PG without PE", call .pg
    jmp .pg_done
.pg:
    mov eax, 0x80000010
    mov cr0, eax
    ret
.pg_done:
    experiment "NW without CD"
    mov eax, cr0
    or eax, 0x20000000
    and eax, ~0x40000000
    mov cr0, eax
    conclude
    finish
%endif

landing:
    int DONE

%assign number 0
%macro code 1+
code_ %+ number:
    %1
    int DONE
%assign number number + 1
%endmacro
    code nop
    code cli
    code sti
    code mov eax, cr0
    code mov eax, cr2
    code mov cr2, eax
    code mov eax, cr3
    code mov eax, cr4
    code mov eax, dr0
    code mov eax, dr7
    code mov dr0, eax
    code clts
    code lgdt [esi]
    code lidt [idt_pointer]
    code sgdt [scratch]
    code sidt [scratch]
    code smsw eax
    code lmsw [status_word]
    code sldt eax
    code str eax
    code lldt ax
    code invd
    code wbinvd
    code invlpg [scratch]
    code rdmsr
    code wrmsr
    code rdtsc
    code cpuid
    code in al, 0x80
    code out 0x80, al
    code in al, dx
    code pushfd
    code ud2
    code sysexit
    code db 0x0f, 0x01, 0xf8 - 8
    code db 0x0f, 0x00, 0xf8
    code db 0x0f, 0x01, 0xd0

    section .data
matrix_name: db "instruction 00 ring 0", 0
flags_name:  db "KIND , IOPL = 0 ring 0", 0
    align 4
scratch: times 4 dd 0
zero: dw 0
status_word: dw 1
    align 4
    db 0, 0
good_pointer: dw 0, 0
    dd 0
    dw DATA3 | 3
    align 4
flags_kinds: db "POPDPOPWIRETCLI STI "
flags_code:  dd main.f_popfd, main.f_popf, main.f_iretd, main.f_cli, main.f_sti
code_list:
%assign number 0
%rep 37
    dd code_ %+ number
%assign number number + 1
%endrep
    dd 0
    section .text

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
    push dword [ring_flags]
    push esi
    push edi
    mov ds, dx
    mov es, dx
    mov fs, dx
    mov gs, dx
    iretd
.same:
    push dword [ring_flags]
    popfd
    jmp edi
