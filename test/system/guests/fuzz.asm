; Runs the random bytes at 0x10000 to 0x1ffff, from one random place after the other: every exception goes on at the next.
; MODE is REAL, PROTECTED, PAGED, USER or VIRTUAL.

%include "framework.inc"

CODE_AT equ 0x10000
REAL_STUB equ 0x600
DIRECTORY equ 0x200000

main:
    mov dword [experiment_resume], again
    mov dword [experiment_stack], STACK0
%ifidn MODE, REAL
    mov esi, stub
    mov edi, REAL_STUB
    mov ecx, stub_end - stub
    rep movsb
    xor edi, edi
    mov eax, REAL_STUB
    mov ecx, 256
    rep stosd
    lidt [real_idt]
    entry_at gdt + REAL_CODE, 0x0000ffff, 0x00009a00
    mov ax, REAL_DATA
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov fs, ax
    mov gs, ax
    jmp REAL_CODE:REAL_STUB + (to_real - stub)
%endif
%ifidn MODE, PAGED
    mov edi, DIRECTORY
    mov eax, 0x87               ; large pages, by identity
    mov ecx, 1024
.directory:
    stosd
    add eax, 0x400000
    loop .directory
    mov eax, cr4
    or eax, 0x10
    mov cr4, eax
    mov eax, DIRECTORY
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80010000
    mov cr0, eax
%endif

again:
    imul eax, [seed], 1664525
    add eax, 1013904223
    mov [seed], eax
    shr eax, 16
%ifidn MODE, VIRTUAL
    push dword 0x1000
    push dword 0x1000
    push dword 0x1000
    push dword 0x1000
    push dword 0x8000
    push dword 0x7000
    push dword 0x23002          ; IOPL 3
    push dword 0x1000
    push eax
%elifidn MODE, PROTECTED
    push dword 2
    push dword CODE0
    add eax, CODE_AT
    push eax
%elifidn MODE, PAGED
    push dword DATA3 | 3
    push dword STACK3
    push dword 2
    push dword CODE3 | 3
    add eax, CODE_AT
    push eax
%else
    push dword DATA3 | 3
    push dword STACK3
    push dword 0x3002
    push dword CODE3 | 3
    add eax, CODE_AT
    push eax
%endif
%ifnidn MODE, PROTECTED
%ifnidn MODE, VIRTUAL
    mov cx, DATA3 | 3
    mov ds, cx
    mov es, cx
%endif
%endif
    and eax, 0xfff0             ; registers: from the random bytes, too
    mov ecx, [ss:eax + CODE_AT]
    mov ebx, [ss:eax + CODE_AT + 4]
    mov esi, [ss:eax + CODE_AT + 8]
    mov edi, [ss:eax + CODE_AT + 12]
    and esi, 0x1ffff
    and edi, 0x1ffff
    mov edx, 0x10800
    mov ebp, 0x10400
    iretd

REAL_CODE equ FREE
REAL_DATA equ DATA16

    bits 16
stub:                           ; at REAL_STUB; the segments are 0
    cli
    xor ax, ax
    mov ds, ax
    mov ss, ax
    mov sp, 0x7000
    imul eax, [REAL_STUB + (.seed - stub)], 1664525
    add eax, 1013904223
    mov [REAL_STUB + (.seed - stub)], eax
    shr eax, 16
    push word 0x1000
    push ax
    mov bx, ax
    mov ax, 0x1000
    mov ds, ax
    mov es, ax
    mov cx, [bx]
    mov dx, [bx + 2]
    mov si, [bx + 4]
    retf
    align 4
.seed: dd 1
to_real:
    mov eax, cr0
    and al, 0xfe
    mov cr0, eax
    jmp 0:REAL_STUB
stub_end:
    bits 32

    section .data
seed: dd 1
real_idt:
    dw 0x3ff
    dd 0
