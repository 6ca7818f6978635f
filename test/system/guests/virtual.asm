; Virtual-8086 mode: ways in and out, what IOPL lets through, the I/O bitmap's edges, limits, frames of exceptions.

%include "framework.inc"

VCODE equ 0x20000               ; where the 16-bit programs are copied, CS 0x2000
NEW_TSS equ FREE
VSTACK equ 0x3000               ; SS: base 0x30000

; An experiment in virtual-8086 mode: IOPL, name. Its code follows, up to `vend`, in 16 bits, copied to VCODE.
%macro virtual 2
    experiment %2
    %push virtual
    mov esi, %%code
    mov edi, VCODE
    mov ecx, (%$over - %%code)
    cld
    rep movsb
    mov dword [experiment_start], 0
    push dword 0x1004           ; GS, FS, DS, ES, SS, ESP, EFLAGS, CS, EIP
    push dword 0x1003
    push dword 0x1002
    push dword 0x1001
    push dword VSTACK
    push dword 0x1000
    push dword 0x20002 | ((%1) << 12)
    push dword VCODE >> 4
    push dword 0
    mov eax, 0x1234
    mov ebx, 0x100
    mov edx, 0x80
    iretd
    bits 16
%%code:
%endmacro

%macro vend 0
    int DONE
%$over:
    bits 32
    %pop
    conclude
%endmacro

; The same, showing what the handler found beyond EFLAGS, and doublewords of the stack.
%macro vend_show 1
    vend
    dump %1, VSTACK * 16 + 0xff0, 5
%endmacro

main:
    mov edi, VSTACK * 16 + 0xf00
    mov ecx, 0x80
    mov eax, 0xeeeeeeee
    rep stosd

; --- software interrupts and flags by IOPL
    virtual 3, "INT n with IOPL 3"
    int 0x20
    vend
    virtual 0, "INT n with IOPL 0"
    int 0x20
    vend
    virtual 2, "INT n with IOPL 2"
    int DONE
    vend
    virtual 0, "INT3 with IOPL 0"
    int3
    vend
    virtual 0, "INTO with IOPL 0"
    mov al, 0x7f
    inc al
    into
    vend
    or byte [idt + 3 * 8 + 5], 0x60
    virtual 0, "INT3 with IOPL 0 and a gate for ring 3"
    int3
    vend
    and byte [idt + 3 * 8 + 5], ~0x60
    virtual 0, "PUSHF with IOPL 0"
    pushf
    vend
    virtual 3, "PUSHF with IOPL 3"
    pushf
    pop ax
    push eax
    vend_show "16-bit flags:"
    virtual 3, "PUSHFD with IOPL 3"
    pushfd
    vend_show "32-bit flags:"
    virtual 0, "POPF with IOPL 0"
    push word 2
    popf
    vend
    virtual 3, "POPF with IOPL 3 leaves IOPL"
    push word 0x4e02
    popf
    vend
    virtual 3, "POPFD with IOPL 3 leaves VM and IOPL"
    push dword 0x240202
    popfd
    vend
    virtual 0, "CLI with IOPL 0"
    cli
    vend
    virtual 3, "CLI and STI with IOPL 3"
    sti
    nop
    vend
    virtual 0, "STI with IOPL 0"
    sti
    vend
    virtual 0, "IRET with IOPL 0"
    iret
    vend
    virtual 3, "IRET with IOPL 3"
    push word 0x0202
    push cs
    push word 0x18
    iret
    times 0x20 nop
    vend
    virtual 3, "IRETD with IOPL 3"
    push dword 0x200202
    push dword VCODE >> 4
    push dword 0x20
    iretd
    times 0x20 nop
    vend
    virtual 3, "IRETD beyond 64 KiB"
    push dword 2
    push dword VCODE >> 4
    push dword 0x10000
    iretd
    vend
    virtual 3, "LOCK NOP"
    db 0xf0, 0x90
    vend

; --- privileged and protected-mode instructions
    virtual 3, "HLT"
    hlt
    vend
    virtual 3, "MOV from CR0"
    mov eax, cr0
    vend
    virtual 3, "MOV to DR7"
    mov dr7, eax
    vend
    virtual 3, "LGDT"
    lgdt [0]
    vend
    virtual 3, "SGDT"
    sgdt [0x100]
    vend
    virtual 3, "SMSW"
    smsw ax
    vend
    virtual 3, "LMSW"
    lmsw ax
    vend
    virtual 3, "CLTS"
    clts
    vend
    virtual 3, "LLDT"
    lldt ax
    vend
    virtual 3, "SLDT"
    sldt ax
    vend
    virtual 3, "STR"
    str ax
    vend
    virtual 3, "LAR"
    lar ax, bx
    vend
    virtual 3, "VERR"
    verr ax
    vend
    virtual 3, "ARPL"
    arpl ax, bx
    vend
    virtual 3, "WBINVD"
    wbinvd
    vend
    virtual 3, "INVLPG"
    invlpg [0]
    vend
    virtual 3, "RDMSR"
    rdmsr
    vend
    virtual 3, "RDTSC"
    rdtsc
    vend
    virtual 3, "SYSEXIT"
    sysexit
    vend
    virtual 3, "SYSENTER with a null CS"
    sysenter
    vend

; --- segments: base is the selector times 16, limit 64 KiB
    virtual 3, "loading segments"
    mov ax, 0x7ff8
    mov ds, ax
    mov es, ax
    push ds
    pop fs
    les bx, [0]
    vend
    virtual 3, "word at the limit"
    mov ax, [0xffff]
    vend
    virtual 3, "byte at the limit"
    mov al, [0xffff]
    vend
    virtual 3, "doubleword over the limit"
    mov eax, [0xfffd]
    vend
    virtual 3, "32-bit address beyond the limit"
    mov ebx, 0x10000
    mov al, [ebx]
    vend
    virtual 3, "stack word at the limit"
    mov bp, 0xffff
    mov ax, [bp]
    vend
    virtual 3, "PUSH with SP 1"
    mov sp, 1
    push ax
    vend
    virtual 3, "PUSH with SP 0 wraps"
    mov sp, 0
    push ax
    vend
    virtual 3, "write over CS"
    mov [cs:0x80], al
    vend
    virtual 3, "far JMP"
    jmp (VCODE >> 4) - 1:0x15
    times 32 nop
    vend
    virtual 3, "far CALL and RETF"
    push cs
    push word 0x10
    retf
    times 32 nop
    vend
    virtual 3, "32-bit far JMP beyond 64 KiB"
    jmp dword (VCODE >> 4):0x10010
    vend
    virtual 3, "near JMP beyond 64 KiB"
    mov eax, 0x10000
    jmp eax
    vend
    virtual 3, "near 16-bit JMP wraps"
    mov ax, 8
    jmp ax
    times 32 nop
    vend
    virtual 3, "wrap of the instruction pointer"
    jmp word 0xfffe
    vend

; --- exceptions' frames
    virtual 3, "DIV by zero"
    xor cx, cx
    div cx
    vend
    virtual 3, "UD2"
    ud2
    vend
    virtual 3, "BOUND"
    bound ax, [0]
    vend
    ; the frame: what lies above ESP and SS
    gate_at idt + 6 * 8, CODE0, frame_handler, 0x8e00
    virtual 1, "frame of #UD"
    ud2
    vend
    and byte [frame_copy + 10], ~1              ; RF is shown above
    dump "frame:", frame_copy, 9
    gate_at idt + 6 * 8, CODE0, stub6, 0x8e00

    ; handlers that must be refused
    mov word [idt + 6 * 8 + 2], CONFORM0
    virtual 3, "#UD to a conforming handler"
    ud2
    vend
    mov word [idt + 6 * 8 + 2], CODE1
    virtual 3, "#UD to a handler in ring 1"
    ud2
    vend
    mov word [idt + 6 * 8 + 2], CODE3
    virtual 3, "#UD to a handler in ring 3"
    ud2
    vend
    mov word [idt + 6 * 8 + 2], CODE0

; --- ports: IOPL does not matter, the bitmap does
    mov word [main_tss + 102], io_bitmap - main_tss
    mov byte [io_bitmap + 0x80 / 8], 0xfe       ; 0x80 alone
    virtual 3, "IN of a port that the map allows"
    in al, 0x80
    vend
    virtual 0, "IN of a port that the map allows, IOPL 0"
    in al, 0x80
    vend
    virtual 3, "IN of a port that the map forbids"
    in al, 0x81
    vend
    virtual 3, "IN of a word of which half is forbidden"
    in ax, 0x80
    vend
    mov byte [io_bitmap + 0x80 / 8], 0xf0
    virtual 3, "IN of a doubleword that the map allows"
    in eax, 0x80
    vend
    virtual 3, "IN of a doubleword of which part is forbidden"
    in eax, 0x81
    vend
    mov byte [io_bitmap + 0x80 / 8], 0x00
    virtual 3, "IN of a word over two bytes of the map"
    in ax, 0x87
    vend
    mov byte [io_bitmap + 0x88 / 8], 0xfe
    virtual 3, "the same, allowed"
    in ax, 0x87
    vend
    virtual 3, "OUTSB to a port that the map forbids"
    mov dx, 0x91
    outsb
    vend
    virtual 3, "REP INSB of nothing from a forbidden port"
    mov dx, 0x91
    xor cx, cx
    rep insb
    vend
    mov byte [io_bitmap + 0xff], 0
    virtual 3, "last port of the map"
    mov dx, 0x7ff
    in al, dx
    vend
    virtual 3, "word beyond the map's end"
    mov dx, 0x7ff
    in ax, dx
    vend
    virtual 3, "port beyond the map"
    mov dx, 0x800
    in al, dx
    vend
    virtual 3, "highest port"
    mov dx, 0xffff
    in al, dx
    vend
    mov eax, gdt + TSS0
    dec word [eax]                              ; without the byte of ones
    and byte [eax + 5], ~2
    mov ax, TSS0
    ltr ax
    virtual 3, "last port with no byte after it"
    mov dx, 0x7ff
    in al, dx
    vend
    mov word [main_tss + 102], 0xffff
    virtual 3, "no map at all"
    in al, 0x80
    vend
    mov word [main_tss + 102], io_bitmap - main_tss

; --- entered beyond 64 KiB
    experiment "IRET to virtual-8086 mode beyond 64 KiB"
    push dword 0x1004
    push dword 0x1003
    push dword 0x1002
    push dword 0x1001
    push dword VSTACK
    push dword 0x1000
    push dword 0x20002
    push dword VCODE >> 4
    push dword 0x10010
    iretd
    conclude

; --- by a task switch
    mov eax, new_tss
    mov word [gdt + NEW_TSS], 103
    mov [gdt + NEW_TSS + 2], ax
    shr eax, 16
    mov [gdt + NEW_TSS + 4], al
    mov byte [gdt + NEW_TSS + 5], 0x89
    mov dword [VCODE], 0x20cd9090               ; nop nop int 0x20
    mov esi, new_tss
    experiment "a task in virtual-8086 mode"
    mov dword [experiment_start], 0
    call NEW_TSS:0
    conclude
    dump "its TSS:", new_tss + 0x20, 16
    finish

frame_handler:
    push ds
    pushad
    mov ax, DATA0
    mov ds, ax
    mov es, ax
    lea esi, [esp + 36]
    mov edi, frame_copy
    mov ecx, 9
    cld
    rep movsd
    popad
    pop ds
    int DONE

    section .data
    align 4
frame_copy: times 9 dd 0
new_tss:
    dd 0
    dd STACK0 - 0x3000, DATA0, 0, 0, 0, 0
    dd 0
    dd 0, 0x23202
    dd 1, 2, 3, 4, 0x1000, 5, 6, 7
    dd 0x1001, VCODE >> 4, VSTACK, 0x1002, 0x1003, 0x1004
    dd 0
    dw 0, 104
    section .text
