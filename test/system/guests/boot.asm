; A BIOS ROM that does one thing: copies the flat image in front of it to 1 MiB and enters it as a Multiboot loader does.
; The ROM ends at 4 GiB, the image lies at its start; this is its last 64 KiB.
    bits 16
    org 0

ROM_SIZE equ 0x40000
GUEST    equ 0x100000
HERE     equ 0xffff0000         ; linear address of this part

start:
    cli
    mov al, 2                   ; A20, for machines that start without it
    out 0x92, al
    o32 lgdt [cs:table]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp dword 8:HERE + protected

    bits 32
protected:
    mov ax, 16
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov fs, ax
    mov gs, ax
    cld
    mov esi, 0x100000000 - ROM_SIZE
    mov edi, GUEST
    mov ecx, (ROM_SIZE - 0x10000) / 4
    rep movsd
    mov eax, 0x2badb002
    xor ebx, ebx
    jmp dword [GUEST + 28]      ; entry_addr of the Multiboot header

    align 8
gdt:
    dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
table:
    dw table - gdt - 1
    dd HERE + gdt

    times 0xfff0 - ($ - $$) db 0
    bits 16
    jmp start
    times 0x10000 - ($ - $$) db 0
