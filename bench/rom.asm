; A 128 KiB ROM that puts a guest's flat image at 1 MiB and enters it as a Multiboot loader would: for machines that have no
; loader for it. Define: IMAGE, the image's path.

    bits 16
    org 0xe0000

CODE32 equ 8
DATA32 equ 16
LOAD_ADDRESS equ 0x100000
BOOT_MAGIC equ 0x2badb002

image:
    incbin IMAGE
image_end:

    times 0x1fe00 - ($ - $$) db 0xff
start16:
    cli
    ; A20 open, where there is a gate.
    in al, 0x92
    or al, 2
    and al, 0xfe
    out 0x92, al
    o32 lgdt [cs:pointer - 0xf0000]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp dword CODE32:start32

    bits 32
start32:
    mov ax, DATA32
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov esi, image
    mov edi, LOAD_ADDRESS
    mov ecx, image_end - image
    cld
    rep movsb
    mov eax, BOOT_MAGIC
    xor ebx, ebx
    mov edx, [LOAD_ADDRESS + 28]
    jmp edx

    align 8
gdt:
    dq 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
pointer:
    dw 23
    dd gdt

    times 0x1fff0 - ($ - $$) db 0xff
    bits 16
    jmp 0xf000:start16 - 0xf0000
    times 0x20000 - ($ - $$) db 0xff
