; Loading segment registers: every check, in ring 0 and ring 3; LAR, LSL, VERR, VERW and ARPL. limits.asm goes on from here.

%include "framework.inc"

main:
    ; --- data segments
    experiment "DS = null selector, no use"
    xor eax, eax
    mov ds, ax
    mov ax, DATA0
    mov ds, ax
    conclude

    experiment "DS beyond the GDT"
    mov ax, 0x7ff8
    mov ds, ax
    conclude

    experiment "DS of an execute-only segment"
    mov ax, EXECUTE0
    mov ds, ax
    conclude

    experiment "DS of readable code"
    mov ax, CODE0
    mov ds, ax
    mov eax, [main]
    conclude

    experiment "DS not present"
    mov ax, ABSENT0
    mov ds, ax
    conclude

    experiment "DS of a system descriptor"
    mov ax, TSS0
    mov ds, ax
    conclude

    experiment "DS with RPL 3 of a DPL 0 segment"
    mov ax, DATA0 | 3
    mov ds, ax
    conclude

    experiment "DS with RPL 3 of conforming code"
    mov ax, CONFORM0 | 3
    mov ds, ax
    conclude

    ; --- stack segments
    experiment "SS = null"
    xor eax, eax
    mov ss, ax
    conclude

    experiment "SS with the wrong RPL"
    mov ax, DATA0 | 1
    mov ss, ax
    conclude

    experiment "SS with the wrong DPL"
    mov ax, DATA3
    mov ss, ax
    conclude

    experiment "SS of code"
    mov ax, CODE0
    mov ss, ax
    conclude

    experiment "SS of read-only data"
    mov ax, READONLY0
    mov ss, ax
    conclude

    experiment "SS not present"
    mov ax, ABSENT0
    mov ss, ax
    conclude

    experiment "POP SS beyond the GDT"
    push dword 0x7ff8
    pop ss
    conclude

    entry_at gdt + FREE, 0x00000fff, 0x00409200          ; 4 KiB of bytes
    entry_at gdt + FREE + 8, 0x00000fff, 0x00409600      ; expand-down, 32-bit
    entry_at gdt + FREE + 24, 0x00000000, 0x00c09200     ; one page, granular
    entry_at gdt + FREE + 40, 0x00000fff, 0x0040f200     ; for ring 3

    ; --- accessed bits
    entry_at gdt + FREE + 32, 0x0000ffff, 0x00cf9200
    experiment "accessed bit"
    mov ax, FREE + 32
    mov es, ax
    conclude
    show "accessed descriptor: ", [gdt + FREE + 36]
    newline

    ; --- LDT
    experiment "LDT selector without an LDT"
    mov ax, 0x0c
    mov es, ax
    conclude
    experiment "LLDT of a data segment"
    mov ax, DATA0
    lldt ax
    conclude
    experiment "LLDT"
    mov ax, LDT0
    lldt ax
    mov ax, 0x04
    mov es, ax
    mov al, [es:0]
    sldt ax
    conclude
    experiment "LDT selector beyond the LDT"
    mov ax, 0x24
    mov es, ax
    conclude
    experiment "LLDT null, then use"
    xor eax, eax
    lldt ax
    mov ax, 0x04
    mov es, ax
    conclude
    experiment "LTR of a busy TSS"
    mov ax, TSS0
    ltr ax
    conclude
    experiment "LTR of an LDT"
    mov ax, LDT0
    ltr ax
    conclude
    experiment "LTR from the LDT"
    mov ax, 4
    ltr ax
    conclude

    ; --- far pointers
    experiment "LES with a bad selector"
    les ebx, [bad_pointer]
    conclude
    experiment "LSS"
    lss esp, [good_stack]
    conclude
    experiment "LFS leaves the register alone where the selector is bad"
    mov ebx, 0x55
    lfs ebx, [bad_pointer]
    conclude
    show "EBX after LFS: ", ebx
    newline
    experiment "LDS from a register"
    db 0xc5, 0xc3
    conclude
    experiment "MOV CS"
    db 0x8e, 0xc8
    conclude
    experiment "MOV of a seventh segment register"
    db 0x8e, 0xf0
    conclude
    experiment "MOV from a seventh segment register"
    db 0x8c, 0xf0
    conclude

    ; --- probes
    mov dword [probe_index], 0
.probes:
    mov ebx, [probe_index]
    movzx ebx, word [probe_list + ebx * 2]
    cmp bx, 0xffff
    je .probed
    print "selector "
    mov eax, ebx
    mov cl, 4
    call put_hex
    print ":"
    mov eax, 0xdeadbeef
    lar eax, bx
    pushfd
    jnz .denied
    and eax, 0x00f0ff00         ; the manual leaves bits 16 to 19 open
.denied:
    popfd
    call show_result
    mov eax, 0xdeadbeef
    lsl eax, bx
    call show_result
    xor eax, eax
    verr bx
    call show_result
    verw bx
    call show_result
    newline
    inc dword [probe_index]
    jmp .probes
.probed:
    experiment "ARPL"
    mov ax, DATA0
    mov bx, 3
    arpl ax, bx
    mov [scratch], ax
    conclude
    show "ARPL result: ", [scratch]
    newline

    ; --- ring 3
    experiment "ring 3, DS of ring 0"
    enter_ring 3, .r1
.r1:
    mov ax, DATA0
    mov ds, ax
    conclude
    experiment "ring 3, DS with RPL 0 of ring 3 data"
    enter_ring 3, .r2
.r2:
    mov ax, DATA3
    mov ds, ax
    int 0x20
    conclude
    experiment "ring 3, SS of ring 0"
    enter_ring 3, .r3
.r3:
    mov ax, DATA0
    mov ss, ax
    conclude
    experiment "ring 1, DS of ring 2"
    enter_ring 1, .r4
.r4:
    mov ax, DATA2 | 2
    mov ds, ax
    mov ax, DATA0
    mov ds, ax
    conclude
    experiment "ring 3, conforming code as data"
    enter_ring 3, .r5
.r5:
    mov ax, CONFORM0
    mov ds, ax
    hlt
    conclude
    experiment "ring 3, LGDT"
    enter_ring 3, .r6
.r6:
    lgdt [gdt_pointer]
    conclude
    experiment "ring 3, LLDT"
    enter_ring 3, .r7
.r7:
    lldt ax
    conclude
    experiment "ring 3, LTR"
    enter_ring 3, .r8
.r8:
    ltr ax
    conclude
    ; ring 3 sees less
    experiment "probes in ring 3"
    enter_ring 3, .r11
.r11:
    mov esi, probe_list
    mov edi, probe_results
.r12:
    lodsw
    cmp ax, 0xffff
    je .r13
    mov ebx, eax
    mov byte [edi], 0
    verr bx
    setz [edi]
    verw bx
    setz [edi + 1]
    lar eax, bx
    setz [edi + 2]
    lsl eax, bx
    setz [edi + 3]
    add edi, 4
    jmp .r12
.r13:
    conclude
    mov esi, probe_results
    xor ebx, ebx
.r14:
    print "ring 3 sees "
    movzx eax, word [probe_list + ebx * 2]
    cmp ax, 0xffff
    je .r15
    mov cl, 4
    call put_hex
    print ": "
    mov eax, [probe_results + ebx * 4]
    mov cl, 8
    call put_hex
    newline
    inc ebx
    jmp .r14
.r15:
    print "end: 0"
    newline
    finish

show_result:                    ; ZF and EAX
    pushfd
    mov dl, ' '
    xchg al, dl
    call putc
    xchg al, dl
    mov cl, 8
    call put_hex
    popfd
    mov al, '-'
    jnz .clear
    mov al, '+'
.clear:
    jmp putc

    section .data
scratch: dd 0, 0
bad_pointer:
    dd 0x1234
    dw 0x7ff8
good_stack:
    dd STACK0 - 0x2000
    dw DATA0
probe_index: dd 0
probe_results: times 64 dd 0
probe_list:
    dw 0, 3, CODE0, CODE0 | 3, DATA0, DATA0 | 1, CODE1, DATA1, CODE3, DATA3 | 3, TSS0, CODE16, DATA16
    dw CONFORM0, CONFORM0 | 3, EXECUTE0, READONLY0, ABSENT0, LDT0, LDT0 | 1, FREE, FREE + 8, FREE + 24, 0x7ff8, 0x04, 0xffff
