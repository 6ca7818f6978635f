; The sieve of Eratosthenes, a byte a number.
%include "common.inc"

LIMIT equ 262144

prepare:
    ret

round:
    mov xdi, ARENA
    mov ecx, LIMIT / 4
    mov eax, 0x01010101
    rep stosd
    mov xbx, ARENA
    mov ecx, 2
.candidate:
    cmp byte [xbx + xcx], 0
    je .composite
    mov esi, ecx
    imul esi, ecx
.strike:
    mov byte [xbx + xsi], 0
    add esi, ecx
    cmp esi, LIMIT
    jb .strike
.composite:
    inc ecx
    cmp ecx, 512
    jb .candidate
    ; Count what is left.
    xor eax, eax
    mov ecx, 2
.count:
    movzx edx, byte [xbx + xcx]
    add eax, edx
    inc ecx
    cmp ecx, LIMIT
    jb .count
    ret
