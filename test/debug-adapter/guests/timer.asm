; A timer that interrupts every few hundred instructions, in protected mode, while a loop runs.
    org 0x7c00
    bits 16
boot:
    cli
    xor ax, ax
    mov ds, ax
    mov ss, ax
    mov sp, 0x7c00
    lgdt [gdt_pointer]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp 0x08:kernel

    bits 32
kernel:
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov esp, 0x7c00
    mov edi, 0x6000 + 0x20 * 8
    mov eax, 0x00080000 + (timer - $$) + 0x7c00
    stosd
    mov eax, 0x00008e00
    stosd
    lidt [idt_pointer]
    mov al, 0x11
    out 0x20, al
    mov al, 0x20
    out 0x21, al
    mov al, 4
    out 0x21, al
    mov al, 1
    out 0x21, al
    mov al, 0xfe
    out 0x21, al
    mov al, 0x34
    out 0x43, al
    mov al, 2
    out 0x40, al
    mov al, 0
    out 0x40, al
    sti
again:
    inc ebx
    call leaf
    jmp again

leaf:
    inc ecx
    ret

timer:
    push eax
    inc dword [ticks]
    mov al, 0x20
    out 0x20, al
    pop eax
    iretd

    align 4
ticks: dd 0
gdt:
    dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
    dw $ - gdt - 1
    dd gdt
idt_pointer:
    dw 0x21 * 8 - 1
    dd 0x6000
