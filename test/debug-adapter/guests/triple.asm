; A fault without an IDT: the processor shuts down.
    org 0x7c00
    bits 16
start:
    cli
    xor ax, ax
    mov ds, ax
    lidt [nothing]
fault:
    ud2
nothing: dw 0
    dd 0
