; Halts for good.
    org 0x7c00
    bits 16
start:
    cli
    hlt
    jmp start
