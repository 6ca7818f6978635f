; A 64 KiB ROM that runs one loop many times in RAM, in flat 32-bit protected mode, and turns the machine off.
; Defines: KERNEL (1 the loop of seven instructions, 2 a sieve), ROUNDS.

    bits 16
    org 0xf0000

CODE32 equ 8
DATA32 equ 16
RAM    equ 0x10000

start16:
    cli
    o32 lgdt [cs:pointer - 0xf0000]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp dword CODE32:start32

    bits 32
start32:
    mov ax, DATA32
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov esp, 0x9000
    mov esi, kernel
    mov edi, RAM
    mov ecx, kernel_end - kernel
    cld
    rep movsb
    mov eax, RAM
    call eax
    mov esi, goodbye
    mov dx, 0x8900
.next:
    lodsb
    test al, al
    jz .halt
    out dx, al
    jmp .next
.halt:
    cli
    hlt
    jmp .halt

goodbye: db 'Shutdown', 0

kernel:
%if KERNEL == 1
    ; add, xor, rol, store, load, sub, jnz: a load, a store and flags each round
    mov ecx, ROUNDS
    mov ebx, 0x20000
    mov edx, 0x12345678
.loop:
    add eax, edx
    xor edx, eax
    rol eax, 3
    mov [ebx], eax
    mov edi, [ebx]
    sub ecx, 1
    jnz .loop
    ret
%else
    ; primes below 65536, ROUNDS times
    mov ebp, ROUNDS
.round:
    mov edi, 0x20000
    mov ecx, 65536 / 4
    mov eax, 0x01010101
    rep stosd
    mov ebx, 2
.candidate:
    cmp byte [0x20000 + ebx], 0
    je .composite
    lea esi, [ebx + ebx]
.strike:
    cmp esi, 65536
    jae .composite
    mov byte [0x20000 + esi], 0
    add esi, ebx
    jmp .strike
.composite:
    inc ebx
    cmp ebx, 256
    jb .candidate
    dec ebp
    jnz .round
    ret
%endif
kernel_end:

    align 8
gdt:
    dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
pointer:
    dw 23
    dd gdt

    times 0xfff0 - ($ - $$) db 0xff
    bits 16
    jmp 0xf000:start16 - 0xf0000
    times 0x10000 - ($ - $$) db 0xff
