; INT 0x13 functions 0x41 to 0x48: sectors by number ("BIOS Enhanced Disk Drive Specification", version 3.0).

; Disk address packet at DS:SI of the caller: size, 0, count (word), offset, segment, sector (64 bits).
dap_count           equ 2
dap_offset          equ 4
dap_segment         equ 6
dap_sector          equ 8

disk_extended:
    cmp dl, 0x80
    jne disk_invalid
    cmp byte [bda_disk_count], 0
    je disk_invalid
    cmp ah, 0x41
    je extended_check
    cmp ah, 0x48
    ja disk_invalid
    movzx bx, ah
    sub bx, 0x42
    shl bx, 1
    jmp [cs:.functions + bx]
.functions:
    dw extended_read, extended_write, extended_verify, disk_invalid, disk_invalid, extended_seek, extended_parameters

; BX: 0x55AA both ways. Version 3.0: packets, no removable drives, parameters.
extended_check:
    cmp word [bp + r_ebx], 0x55aa
    jne disk_invalid
    mov word [bp + r_ebx], 0xaa55
    mov word [bp + r_ecx], 0x0005
    mov byte [bp + r_ah], 0x30
    mov byte [bda_disk_status], 0
    succeed
    leave_service

extended_read:
    mov bl, ATA_READ
    jmp extended_move
extended_write:
    mov bl, ATA_WRITE
    jmp extended_move
extended_verify:
    mov bl, ATA_VERIFY
; Moves in steps that one command can take; the packet's count becomes what was moved.
extended_move:
    call packet
    jc disk_invalid
    mov di, [si + dap_offset]
    mov si, [si + dap_segment]
    push word EBDA
    pop ds
    mov [ebda_left], cx
    mov [ebda_next], eax
    mov [ebda_next + 4], edx
    mov es, si
    xor ah, ah
.step:
    mov cx, [ebda_left]
    test cx, cx
    jz .end
    cmp cx, 64
    jbe .fits
    mov cx, 64
.fits:
    mov eax, [ebda_next]
    mov edx, [ebda_next + 4]
    call ata_transfer
    pushf
    movzx ecx, cx
    sub [ebda_left], cx
    add [ebda_next], ecx
    adc dword [ebda_next + 4], 0
    popf
    jc .end
    xor ah, ah
    jmp .step
.end:
    mov cx, [ebda_left]
    mov ds, [bp + r_ds]
    mov si, [bp + r_esi]
    sub [si + dap_count], cx
    push word BDA
    pop ds
    jmp disk_end

extended_seek:
    call packet
    push word BDA
    pop ds
    jc disk_invalid
    jmp disk_fine

; The caller's packet at DS:SI, its count to CX, its sector to EDX:EAX. CF, and DS unchanged, when it names no sectors of
; the disk.
packet:
    mov ds, [bp + r_ds]
    mov si, [bp + r_esi]
    cmp byte [si], 0x10
    jb .bad
    movzx ecx, word [si + dap_count]
    mov eax, [si + dap_sector]
    mov edx, [si + dap_sector + 4]
    push eax
    push edx
    add eax, ecx
    adc edx, 0
    cmp edx, [es:ebda_sectors + 4]
    ja .outside
    jb .inside
    cmp eax, [es:ebda_sectors]
    ja .outside
.inside:
    pop edx
    pop eax
    clc
    ret
.outside:
    add sp, 8
.bad:
    push word BDA
    pop ds
    stc
    ret

; Result at DS:SI of the caller: 26 bytes, or 30 with a pointer to nothing.
extended_parameters:
    mov ds, [bp + r_ds]
    mov si, [bp + r_esi]
    cmp word [si], 26
    jb .bad
    cmp word [si], 30
    mov word [si], 26
    jb .short
    mov word [si], 30
    mov dword [si + 26], 0xffffffff
.short:
    mov word [si + 2], 0x0002           ; cylinders, heads and sectors are valid
    movzx eax, word [es:ebda_ata_cylinders]
    mov [si + 4], eax
    movzx eax, word [es:ebda_ata_heads]
    mov [si + 8], eax
    movzx eax, word [es:ebda_ata_track]
    mov [si + 12], eax
    mov eax, [es:ebda_sectors]
    mov [si + 16], eax
    mov eax, [es:ebda_sectors + 4]
    mov [si + 20], eax
    mov word [si + 24], 512
    push word BDA
    pop ds
    jmp disk_fine
.bad:
    push word BDA
    pop ds
    jmp disk_invalid
