; Protected mode: ring 0, a program in ring 3, a call gate to ring 1, INT 0x80, a fault that is survived, a timer.
    org 0x7c00
    bits 16
boot:
    cli
    xor ax, ax
    mov ds, ax
    mov ss, ax
    mov sp, 0x7c00
    mov ax, 0x7e0
    mov es, ax
    xor bx, bx
    mov ax, 0x0200 + (end - kernel + 511) / 512
    mov cx, 2
    mov dh, 0
    int 0x13
    jc boot_failed
    cli
    lgdt [gdt_pointer]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp 0x08:kernel
boot_failed:
    hlt
    times 510 - ($ - $$) db 0
    dw 0xaa55

    bits 32
kernel:
    mov ax, 0x10
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov esp, 0x9000
    lidt [idt_pointer]
    mov ax, 0x38
    ltr ax
    push dword 0x33
    push dword 0xb000
    push dword 0x002
    push dword 0x2b
    push dword program
    mov ax, 0x33
    mov ds, ax
    mov es, ax
    iretd

system_call:
    push eax
    call work
    pop eax
    cmp al, 2
    je .exit
    iretd
.exit:
    mov al, 0x10
    out 0xf4, al

work:
    mov ecx, 1
    in al, 0xe9
    mov al, 2
    ret

protection_fault:
    add esp, 4
    inc dword [esp]
    iretd

page_fault:
    add esp, 4
    iretd

service:
    mov ebx, 0x1111
    retf

program:
    mov eax, 1
    int 0x80
    call 0x43:0
    hlt
    mov eax, 2
    int 0x80

    align 8
gdt:
    dq 0
    dq 0x00cf9a000000ffff           ; 08 code, ring 0
    dq 0x00cf92000000ffff           ; 10 data, ring 0
    dq 0x00cfba000000ffff           ; 18 code, ring 1
    dq 0x00cfb2000000ffff           ; 20 data, ring 1
    dq 0x00cffa000000ffff           ; 28 code, ring 3
    dq 0x00cff2000000ffff           ; 30 data, ring 3
    dw 103, tss                     ; 38 task state
    db 0, 0x89, 0, 0
    dw service, 0x19, 0xec00, 0     ; 40 call gate to ring 1, for ring 3
gdt_pointer:
    dw $ - gdt - 1
    dd gdt

    align 8
idt:
    times 13 dq 0
    dw protection_fault, 0x08, 0x8e00, 0
    dw page_fault, 0x08, 0x8e00, 0
    times 0x80 - 15 dq 0
    dw system_call, 0x08, 0xee00, 0
idt_pointer:
    dw $ - idt - 1
    dd idt

tss:
    dd 0, 0x9000, 0x10, 0xa000, 0x21, 0, 0
    times 19 dd 0
    dw 0, 104
end:
