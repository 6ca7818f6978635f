; Exactness: repeated strings interrupted by the timer and gone on with, STI's shadow, HLT, interrupts between two loads.

%include "framework.inc"

main:
    mov al, 0x11                ; IRQ 0 at 0x40, 10 kHz
    out 0x20, al
    mov al, 0x40
    out 0x21, al
    mov al, 4
    out 0x21, al
    mov al, 1
    out 0x21, al
    gate_at idt + 0x40 * 8, CODE0, tick, 0x8e00
    mov al, 0x34
    out 0x43, al
    mov al, 119
    out 0x40, al
    mov al, 0
    out 0x40, al

%macro interrupted 1+           ; name; the code follows
    experiment %1
    mov dword [ticks], 0
    mov dword [inside], 0
    mov dword [amid], 0
    mov dword [full], 0
    mov al, 0xfe
    out 0x21, al
%endmacro
%macro interrupted_end 0
    cli
    mov al, 0xff
    out 0x21, al
    conclude
%endmacro

    interrupted "REP STOSB with interrupts in it"
.again1:
    mov edi, 0x300000
    mov ecx, 0x100000
    mov [full], ecx
    mov al, [ticks]
    inc al
    mov [expected], al
    mov dword [first], .rep1
    mov dword [last], .rep1
    sti
.rep1:
    rep stosb
    cli
    cmp edi, 0x400000
    jne .bad1
    test ecx, ecx
    jne .bad1
    mov edi, 0x300000
    mov ecx, 0x100000
    mov al, [expected]
    repe scasb
    jne .bad1
    cmp dword [amid], 3
    jb .again1
    interrupted_end
    jmp .two
.bad1:
    ud2

.two:
    interrupted "REP MOVSD with interrupts in it"
.again2:
    mov esi, 0x300000
    mov edi, 0x500000
    mov ecx, 0x40000
    mov [full], ecx
    mov dword [first], .rep2
    mov dword [last], .rep2
    sti
.rep2:
    rep movsd
    cli
    cmp esi, 0x400000
    jne .bad1
    cmp edi, 0x600000
    jne .bad1
    cmp dword [amid], 3
    jb .again2
    interrupted_end

    interrupted "HLT wakes after itself"
    mov dword [first], .after_hlt
    mov dword [last], .after_hlt
.again3:
    sti
    hlt
.after_hlt:
    cli
    cmp dword [ticks], 3
    jb .again3
    interrupted_end
    mov eax, [ticks]
    sub eax, [inside]
    show "ticks elsewhere than after HLT: ", eax
    newline

    interrupted "STI covers the next instruction"
    mov dword [first], .covered
    mov dword [last], .covered_end - 1
    mov ebx, 200000
.again4:
    sti
.covered:
    cli
.covered_end:
    dec ebx
    jnz .again4
    interrupted_end
    mov eax, [inside]
    show "ticks between STI and CLI: ", eax
    newline

    interrupted "MOV SS covers the next instruction"
    mov dword [first], .covered2
    mov dword [last], .covered2
    mov ax, ss
    mov ebx, 200000
    sti
.again5:
    mov ss, ax
.covered2:
    mov esi, esi
    dec ebx
    jnz .again5
    interrupted_end
    mov eax, [inside]
    show "ticks after MOV SS: ", eax
    newline

    interrupted "a loop counts right whatever comes between"
    mov dword [first], 0
    mov dword [last], 0
    mov ecx, 300000
    xor ebx, ebx
    sti
.again6:
    inc ebx
    add ebx, 0
    loop .again6
    cli
    mov [scratch], ebx
    interrupted_end
    show "counted: ", [scratch]
    newline
    finish

tick:
    push eax
    inc dword [ticks]
    mov eax, [esp + 4]
    cmp eax, [first]
    jb .outside
    cmp eax, [last]
    ja .outside
    inc dword [inside]
    cmp ecx, [full]             ; before the first iteration: none of the string yet
    je .outside
    inc dword [amid]
.outside:
    mov al, 0x20
    out 0x20, al
    pop eax
    iretd

    section .data
    align 4
ticks: dd 0
inside: dd 0
amid: dd 0
full: dd 0
first: dd 0
last: dd 0
expected: dd 0
scratch: dd 0
    section .text
