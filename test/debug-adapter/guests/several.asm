; Two processors: the first starts the others by INIT and SIPI, and all count, each in a place of its own.
    org 0x7c00
    bits 16
boot:
    cli
    xor ax, ax
    mov ds, ax
    mov ss, ax
    mov sp, 0x7c00
    mov byte [0x7000], 0xea                 ; jmp 0:other
    mov word [0x7001], other
    mov word [0x7003], 0
    mov ecx, 0x1b
    rdmsr
    or ax, 0xc00                            ; x2APIC
    wrmsr
    mov ecx, 0x830
    xor edx, edx
    mov eax, 0xc4500                        ; INIT to all others
    wrmsr
    mov eax, 0xc4607                        ; SIPI, vector 7
    wrmsr
first:
    inc dword [counts]
    call shared
    jmp first

other:
    xor ax, ax
    mov ds, ax
    mov ss, ax
    mov sp, 0x6000
.loop:
    inc dword [counts + 4]
    call shared
    jmp .loop

shared:
    nop
    ret

counts:
    dd 0, 0
    times 510 - ($ - $$) db 0
    dw 0xaa55
