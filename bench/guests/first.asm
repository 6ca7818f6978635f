; The shortest guest: one character, and the end.

    bits 32
    org 0x100000

header:
    dd 0x1badb002, 0x10000, -(0x1badb002 + 0x10000)
    dd header, header, 0, 0, start

start:
    mov dx, 0x3f8
    mov al, '!'
    out dx, al
    mov dx, 0xf4
    xor eax, eax
    out dx, eax
    hlt
