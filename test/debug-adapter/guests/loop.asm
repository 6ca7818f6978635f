; Counts forever.
    org 0x7c00
    bits 16
start:
    xor ax, ax
    mov ds, ax
    xor ecx, ecx
again:
    inc ecx
    mov [count], ecx
second:
    mov eax, [count]
    jmp again
count: dd 0
