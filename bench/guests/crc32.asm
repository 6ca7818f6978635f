; CRC-32 (IEEE 802.3) of 64 KiB, a table look-up a byte.
%include "common.inc"

SIZE equ 65536
table equ VARIABLES

prepare:
    mov xdi, table
    xor ecx, ecx
.entry:
    mov eax, ecx
    mov edx, 8
.bit:
    shr eax, 1
    jnc .zero
    xor eax, 0xedb88320
.zero:
    dec edx
    jnz .bit
    stosd
    inc ecx
    cmp ecx, 256
    jb .entry
    mov xdi, ARENA
    mov ecx, SIZE / 4
    mov eax, 12345
.fill:
    imul eax, eax, 1664525
    add eax, 1013904223
    stosd
    dec ecx
    jnz .fill
    ret

round:
    mov xsi, ARENA
    mov xbx, table
    mov ecx, SIZE
    mov eax, -1
.byte:
    movzx edx, byte [xsi]
    inc xsi
    xor dl, al
    shr eax, 8
    xor eax, [xbx + xdx * 4]
    dec ecx
    jnz .byte
    not eax
    ret
