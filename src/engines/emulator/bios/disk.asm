; INT 0x13: the fixed disk 0x80. Drives below 0x80 are floppies, of which the machine has none.

DISK_FUNCTIONS      equ 0x19

; Identifies the drive and chooses the geometry that INT 0x13 shows.
start_disk:
    push word EBDA
    pop es
    push es
    mov di, ebda_buffer
    call ata_identify
    pop es
    jc .none
    mov byte [bda_disk_count], 1
    mov ax, [es:ebda_buffer + 1 * 2]
    mov [es:ebda_ata_cylinders], ax
    mov ax, [es:ebda_buffer + 3 * 2]
    mov [es:ebda_ata_heads], ax
    mov ax, [es:ebda_buffer + 6 * 2]
    mov [es:ebda_ata_track], ax
    mov eax, [es:ebda_buffer + 60 * 2]
    xor edx, edx
    test word [es:ebda_buffer + 83 * 2], 0x0400
    jz .size
    mov ecx, [es:ebda_buffer + 100 * 2]
    test ecx, ecx
    jz .size
    mov eax, ecx
    mov edx, [es:ebda_buffer + 102 * 2]
.size:
    mov [es:ebda_sectors], eax
    mov [es:ebda_sectors + 4], edx
    ; The drive's own geometry where its cylinders fit ten bits, else 63 sectors and as few heads as needed.
    mov cx, [es:ebda_ata_cylinders]
    mov bx, [es:ebda_ata_heads]
    mov si, [es:ebda_ata_track]
    cmp cx, 1024
    jbe .show
    mov si, 63
    mov bx, 16
    test edx, edx
    jnz .largest
.more_heads:
    movzx ecx, bx
    imul ecx, ecx, 63 * 1024
    cmp eax, ecx
    jbe .cylinders
    shl bx, 1
    cmp bx, 256
    jb .more_heads
.largest:
    mov bx, 255
    mov cx, 1024
    cmp eax, 255 * 63 * 1024
    jae .show
    test edx, edx
    jnz .show
.cylinders:
    movzx ecx, bx
    imul ecx, ecx, 63
    xor edx, edx
    div ecx
    mov cx, ax
    cmp cx, 1024
    jbe .show
    mov cx, 1024
.show:
    mov [es:ebda_cylinders], cx
    mov [es:ebda_heads], bx
    mov [es:ebda_track], si
    mov [es:ebda_disk_table], cx
    mov [es:ebda_disk_table + 2], bl
    mov word [es:ebda_disk_table + 5], 0xffff
    mov byte [es:ebda_disk_table + 8], 0x08
    mov [es:ebda_disk_table + 12], cx
    mov ax, si
    mov [es:ebda_disk_table + 14], al
.none:
    out_byte_at ATA_CONTROL, 0x08
    ret

int_disk:
    enter_service
    sti
    push word EBDA
    pop es                              ; all functions: DS data area, ES its extension, AH and DL the caller's
    cmp ah, 0x41
    jae disk_extended
    cmp ah, DISK_FUNCTIONS
    jae disk_invalid
    cmp dl, 0x80
    jb no_floppy
    jne no_disk
    cmp byte [bda_disk_count], 0
    je no_disk
    movzx bx, ah
    shl bx, 1
    jmp [cs:.functions + bx]
.functions:
    dw disk_reset, disk_status, disk_read, disk_write, disk_verify, disk_invalid, disk_invalid, disk_invalid
    dw disk_parameters, disk_fine, disk_invalid, disk_invalid, disk_seek, disk_reset, disk_invalid, disk_invalid
    dw disk_ready, disk_fine, disk_invalid, disk_invalid, disk_fine, disk_type, disk_invalid, disk_invalid
    dw disk_invalid

; Ends of all functions: status AH, carry when it is not 0.
disk_invalid:
    mov ah, 0x01
    jmp disk_end
disk_ready:
    call ata_wait
    mov ah, 0xaa                        ; not ready
    jc disk_end
    test al, 0x40
    jz disk_end
disk_fine:
    xor ah, ah
disk_end:
    mov [bda_disk_status], ah
    mov [bp + r_ah], ah
    succeed
    test ah, ah
    jz .done
    fail
.done:
    leave_service

no_floppy:
    test ah, ah                         ; reset is for all drives
    jz disk_fine
    cmp ah, 0x01
    je disk_status
    cmp ah, 0x15
    je no_type
    cmp ah, 0x08
    jne disk_invalid
    mov word [bp + r_ecx], 0
    mov word [bp + r_edx], 0
    mov byte [bp + r_bl], 0
    jmp disk_invalid

no_disk:
    cmp ah, 0x15
    jne disk_invalid
no_type:
    mov word [bp + r_ecx], 0
    mov word [bp + r_edx], 0
    jmp disk_fine

disk_reset:
    out_byte_at ATA_CONTROL, 0x0e
    mov cx, 16                          ; SRST lasts 5 µs at least
.hold:
    in al, dx
    loop .hold
    out_byte dx, 0x0a
    call ata_wait
    mov ah, 0x80
    jc disk_end
    out_byte dx, 0x08
    jmp disk_fine

disk_status:
    mov ah, [bda_disk_status]
    mov byte [bda_disk_status], 0
    mov [bp + r_ah], ah
    succeed
    test ah, ah
    jz .done
    fail
.done:
    leave_service

disk_read:
    mov bl, ATA_READ
    jmp disk_move
disk_write:
    mov bl, ATA_WRITE
    jmp disk_move
disk_verify:
    mov bl, ATA_VERIFY
; AL sectors at CX, DH to or from the caller's ES:BX.
disk_move:
    movzx si, byte [bp + r_al]
    test si, si
    jz disk_invalid
    cmp si, 128
    ja disk_invalid
    call chs_to_lba
    jc disk_invalid
    mov cx, si
    mov di, [bp + r_ebx]
    mov es, [bp + r_es]
    call ata_transfer
    mov [bp + r_al], cl
    jc disk_end
    jmp disk_fine

; The sector that the caller's CX and DH name, to EDX:EAX. CF when there is none. Keeps BX and SI.
chs_to_lba:
    mov cx, [bp + r_ecx]
    movzx edi, cl
    and di, 0x3f                        ; sector
    jz .bad
    cmp di, [es:ebda_track]
    ja .bad
    movzx edx, byte [bp + r_dh]
    cmp dx, [es:ebda_heads]
    jae .bad
    movzx eax, ch
    shl cl, 1                           ; cylinder bits 9:8 are the sector's bits 7:6
    jnc .bit8
    or ah, 2
.bit8:
    test cl, 0x80
    jz .cylinder
    or ah, 1
.cylinder:
    cmp ax, [es:ebda_cylinders]
    jae .bad
    movzx ecx, word [es:ebda_heads]
    imul eax, ecx
    add eax, edx
    movzx ecx, word [es:ebda_track]
    imul eax, ecx
    lea eax, [eax + edi - 1]
    xor edx, edx
    ret
.bad:
    stc
    ret

; Geometry: CH, CL last cylinder and sector, DH last head, DL number of drives. The last cylinder is not told, as it was
; for diagnostics on the PC/AT and still is to every BIOS.
disk_parameters:
    mov ax, [es:ebda_cylinders]
    sub ax, 2
    mov [bp + r_ch], al
    shl ah, 6
    mov al, [es:ebda_track]
    or al, ah
    mov [bp + r_cl], al
    mov al, [es:ebda_heads]
    dec al
    mov [bp + r_dh], al
    mov al, [bda_disk_count]
    mov [bp + r_dl], al
    mov byte [bp + r_al], 0
    mov byte [bp + r_bl], 0
    jmp disk_fine

disk_seek:
    call chs_to_lba
    jc disk_invalid
    jmp disk_fine

; AH = 3: fixed disk, CX:DX sectors.
disk_type:
    movzx eax, word [es:ebda_cylinders]
    dec eax
    movzx ecx, word [es:ebda_heads]
    imul eax, ecx
    movzx ecx, word [es:ebda_track]
    imul eax, ecx
    mov [bp + r_edx], ax
    shr eax, 16
    mov [bp + r_ecx], ax
    mov byte [bp + r_ah], 0x03
    mov byte [bda_disk_status], 0
    succeed
    leave_service
