; INT 0x19 and INT 0x18: from the first disk's boot sector to the program in it.

BOOT_SECTOR         equ 0x7c00

int_boot:
    xor ax, ax
    mov ds, ax
    mov es, ax
    cli
    mov ss, ax
    mov sp, BOOT_SECTOR
    sti
    cld
    mov si, .no_disk
    cmp byte [0x400 + bda_disk_count], 0
    je .fail
    mov bx, BOOT_SECTOR
    mov ax, 0x0201
    mov cx, 0x0001
    mov dx, 0x0080
    int 0x13
    mov si, .unreadable
    jc .fail
    mov si, .no_signature
    cmp word [BOOT_SECTOR + 510], 0xaa55
    jne .fail
    xor eax, eax
    xor ebx, ebx
    xor ecx, ecx
    mov edx, 0x80
    xor esi, esi
    xor edi, edi
    xor ebp, ebp
    jmp 0:BOOT_SECTOR
.fail:
    call print
    int 0x18
.no_disk:
    db 'No disk.', 13, 10, 0
.unreadable:
    db 'The boot sector of the disk cannot be read.', 13, 10, 0
.no_signature:
    db 'The disk has no boot sector (its last two bytes are not 55 AA).', 13, 10, 0

int_no_boot:
    mov si, .text
    call print
.stop:
    cli
    hlt
    jmp .stop
.text:
    db 'Nothing to boot from. The machine is halted.', 13, 10, 0

; Text at CS:SI, up to a 0, to the screen.
print:
    cs lodsb
    test al, al
    jz .end
    mov ah, 0x0e
    mov bx, 0x0007
    int 0x10
    jmp print
.end:
    ret
