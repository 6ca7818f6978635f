; What makes a guest of the built-in hypervisor exit: CPUID, ports, a hypercall.

    bits 16
    cpu x64
    org 0x7c00

start:
    xor ax, ax
    mov ss, ax
    mov ds, ax
    mov sp, 0x7c00
    mov eax, 1
    cpuid
    mov al, '!'
    out 0xe9, al
    call asks
    mov si, text
    mov dx, 0xe9
    mov cx, 3
    rep outsb
    mov al, 0
    out 0xf4, al
    hlt

asks:
    push bp
    mov bp, sp
    mov eax, 5
    vmcall
    pop bp
    ret

text: db 'abc'

    times 510 - ($ - $$) db 0
    dw 0xaa55
