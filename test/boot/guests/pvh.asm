; A PVH kernel: prints the state in which it is entered and its start information.
    bits 32
    global _start

    section .note alloc noexec nowrite note align=4
    dd 4, 4, 18
    db 'Xen', 0
    dd _start

    section .text
_start:
    mov esp, stack
    cld
    %include "serial.inc"
    mov eax, [ebx]
    say "magic "
    call print_hex
    mov eax, cr0
    and eax, 0x80000001
    call print_hex
    mov eax, cr4
    call print_hex
    pushfd
    pop eax
    and eax, 0x20300
    call print_hex
    call print_line
    say "command line "
    mov esi, [ebx + 24]
    call print
    call print_line
    say "modules "
    mov eax, [ebx + 12]
    call print_hex
    mov edi, [ebx + 16]
    mov eax, [edi + 8]
    call print_hex
    mov esi, [edi]
    mov eax, [esi]
    call print_hex
    call print_line
    ; memory below 640 KiB and from 1 MiB that is there for use
    say "memory "
    mov esi, [ebx + 40]
    mov ecx, [ebx + 48]
.range:
    cmp dword [esi + 16], 1
    jne .next
    mov eax, [esi]
    call print_hex
.next:
    add esi, 24
    loop .range
    call print_line
    jmp finish

    section .bss
    resb 4096
stack:
