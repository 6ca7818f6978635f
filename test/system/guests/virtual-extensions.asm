; CR4.VME and CR4.PVI: VIF for IF, the redirection bitmap, in virtual-8086 mode and in ring 3.

%include "framework.inc"

VCODE equ 0x20000               ; where the 16-bit programs are copied, CS 0x2000
VSTACK equ 0x3000               ; SS: base 0x30000
HANDLER equ 0x80                ; offset in a program of what INT n is redirected to
BITMAP equ 104                  ; offset in the TSS of the redirection bitmap; that for ports follows
VIF equ 1 << 19
VIP equ 1 << 20

%macro say 1                    ; where a text's address is
    mov esi, %1
    call puts
%endmacro

; An experiment in virtual-8086 mode: IOPL, name, more flags. Its code follows, up to `vend`.
%macro virtual 2-3 0
    say [state]
    experiment %2
    %push virtual
    mov esi, %$code
    mov edi, VCODE
    mov ecx, (%$over - %$code)
    cld
    rep movsb
    mov dword [experiment_start], 0
    push dword 0x1004           ; GS, FS, DS, ES, SS, ESP, EFLAGS, CS, EIP
    push dword 0x1003
    push dword 0x1002
    push dword 0x1001
    push dword VSTACK
    push dword 0x1000
    push dword 0x20002 | ((%1) << 12) | (%3)
    push dword VCODE >> 4
    push dword 0
    mov eax, 0x1234
    mov ebx, 0x100
    mov edx, 0x80
    iretd
    bits 16
%$code:
%endmacro

%macro vend 0
    int DONE
%$over:
    bits 32
    %pop
    conclude
    say [state]
    say [experiment_name]
    dump ", stack:", VSTACK * 16 + 0xff0, 4
    mov edi, VSTACK * 16 + 0xff0
    mov ecx, 4
    mov eax, 0xeeeeeeee
    rep stosd
%endmacro

; The redirected handler: what is not allowed in any mode but ring 0 shows where it came to.
%macro handler 0
    times HANDLER - ($ - %$code) nop
    hlt
%endmacro

; An experiment in a ring: ring, name.
%macro in_ring 2
    say [state]
    ring_experiment %1, %2
%endmacro

main:
    mov edi, VSTACK * 16 + 0xf00
    mov ecx, 0x80
    mov eax, 0xeeeeeeee
    rep stosd
    mov word [3 * 4], HANDLER
    mov word [3 * 4 + 2], VCODE >> 4
    mov word [0x21 * 4], HANDLER
    mov word [0x21 * 4 + 2], VCODE >> 4
    mov word [0x23 * 4], HANDLER + 0x80
    mov word [0x23 * 4 + 2], (VCODE >> 4) - 8 ; the same place by another CS
    mov word [main_tss + 102], BITMAP + 32
    and byte [main_tss + BITMAP], ~(1 << 3)
    and byte [main_tss + BITMAP + 4], ~((1 << 1) | (1 << 3))
    mov dword [state], states

; --- the same experiments with each combination of the extensions
again:
    virtual 0, "CLI, IOPL 0", VIF
    cli
    vend
    virtual 3, "CLI, IOPL 3", VIF | 0x200
    cli
    vend
    virtual 0, "STI, IOPL 0"
    sti
    vend
    virtual 0, "STI with VIP, IOPL 0", VIP
    sti
    vend
    virtual 3, "STI with VIP, IOPL 3", VIP
    sti
    vend
    virtual 2, "PUSHF, IOPL 2", VIF
    pushf
    vend
    virtual 1, "PUSHF without VIF, IOPL 1", 0x200
    pushf
    vend
    virtual 3, "PUSHF, IOPL 3", VIF
    pushf
    vend
    virtual 0, "PUSHFD, IOPL 0", VIF
    pushfd
    vend
    virtual 3, "PUSHFD, IOPL 3", VIF
    pushfd
    vend
    virtual 0, "POPF with IF, IOPL 0"
    push word 0x4602
    popf
    vend
    virtual 0, "POPF without IF, IOPL 0", VIF
    push word 0x3002
    popf
    vend
    virtual 0, "POPF with IF and VIP, IOPL 0", VIP
    push word 0x202
    popf
    vend
    virtual 0, "POPF without IF, with VIP, IOPL 0", VIP
    push word 2
    popf
    vend
    virtual 0, "POPF with TF, IOPL 0"
    push word 0x102
    popf
    vend
    virtual 0, "POPFD, IOPL 0"
    push dword 0x202
    popfd
    vend
    virtual 3, "POPFD, IOPL 3", VIF
    push dword VIP | 0x202
    popfd
    vend
    virtual 0, "IRET with IF, IOPL 0"
    push word 0x0602
    push cs
    push word 0x20
    iret
    times 0x20 nop
    vend
    virtual 0, "IRET without IF, IOPL 0", VIF
    push word 0x3002
    push cs
    push word 0x20
    iret
    times 0x20 nop
    vend
    virtual 0, "IRET with IF and VIP, IOPL 0", VIP
    push word 0x0202
    push cs
    push word 0x20
    iret
    times 0x20 nop
    vend
    virtual 0, "IRET with TF, IOPL 0"
    push word 0x0102
    push cs
    push word 0x20
    iret
    times 0x20 nop
    vend
    virtual 0, "IRETD, IOPL 0"
    push dword 2
    push dword VCODE >> 4
    push dword 0x20
    iretd
    times 0x20 nop
    vend
    virtual 3, "IRETD, IOPL 3", VIF
    push dword VIP | 2
    push dword VCODE >> 4
    push dword 0x20
    iretd
    times 0x20 nop
    vend
    virtual 0, "INT n redirected, IOPL 0", VIF
    int 0x21
    handler
    vend
    virtual 0, "INT n redirected without VIF, IOPL 0", 0x200
    int 0x21
    handler
    vend
    virtual 3, "INT n redirected, IOPL 3", VIF | 0x200
    int 0x21
    handler
    vend
    virtual 0, "INT n that is not redirected, IOPL 0", VIF
    int 0x22
    handler
    vend
    virtual 3, "INT n that is not redirected, IOPL 3", VIF
    int DONE
    handler
    vend
    virtual 0, "INT3 redirected"
    int3
    handler
    vend
    virtual 0, "INT 3 of two bytes redirected"
    db 0xcd, 3
    handler
    vend
    virtual 0, "INT n to another CS"
    int 0x23
    handler
    vend
    virtual 0, "INT n without room on the stack"
    mov sp, 1
    int 0x21
    handler
    vend

    mov dword [ring_flags], 2 | VIF
    in_ring 3, "CLI in ring 3"
    cli
    conclude
    in_ring 2, "CLI in ring 2"
    cli
    conclude
    mov dword [ring_flags], 2
    in_ring 3, "STI in ring 3"
    sti
    conclude
    in_ring 2, "STI in ring 2"
    sti
    conclude
    in_ring 3, "POPF in ring 3"
    push dword VIF | 0x202
    popfd
    conclude
    mov dword [ring_flags], 2 | VIF
    in_ring 3, "IRET in ring 3"
    push dword 2
    push cs
    push back
    iretd
back:
    conclude
    mov dword [ring_flags], 2 | VIP
    in_ring 3, "STI in ring 3 with VIP"
    sti
    conclude
    in_ring 3, "CLI in ring 3 with VIP"
    cli
    conclude
    mov dword [ring_flags], 0x3002 | VIF
    in_ring 3, "CLI in ring 3 with IOPL 3"
    cli
    conclude
    mov dword [ring_flags], 2
    mov esi, [state]
.skip:
    lodsb
    test al, al
    jnz .skip
    mov [state], esi
    mov eax, cr4                ; 0, 1, 2, 3
    inc eax
    test eax, 3
    jz .over
    mov cr4, eax
    jmp again
.over:
; --- the bitmap's place
    virtual 3, "IN behind the redirection bitmap"
    in al, dx
    vend
    mov word [main_tss + 102], main_tss_end - main_tss + 32 - 4
    virtual 3, "INT n at the TSS's end"
    int 0x21
    handler
    vend
    mov word [main_tss + 102], main_tss_end - main_tss + 32 - 5
    virtual 0, "INT n inside the TSS"
    int 0x21
    handler
    vend
    finish

    section .data
state: dd 0
states: db "no extension, ", 0, "VME, ", 0, "PVI, ", 0, "both, ", 0, 0
