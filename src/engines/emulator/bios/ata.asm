; The ATA disk by programmed I/O, polled with its interrupt held back (nIEN).

ATA                 equ 0x1f0
ATA_CONTROL         equ 0x3f6
ATA_IDENTIFY        equ 0xec
ATA_READ            equ 0x20
ATA_READ_EXT        equ 0x24
ATA_WRITE           equ 0x30
ATA_WRITE_EXT       equ 0x34
ATA_VERIFY          equ 0x40
ATA_VERIFY_EXT      equ 0x42

; Waits until BSY is off; AL = status. CF when it stays on for some seconds.
ata_wait:
    push ecx
    push dx
    mov ecx, 0x00800000
    mov dx, ATA + 7
.wait:
    in al, dx
    test al, 0x80
    jz .ready
    dec ecx
    jnz .wait
    pop dx
    pop ecx
    stc
    ret
.ready:
    pop dx
    pop ecx
    clc
    ret

; Waits for DRQ. CF with AH = INT 0x13 status on an error.
ata_wait_data:
    call ata_wait
    jc .timeout
    test al, 0x21
    jnz .error
    test al, 0x08
    jz ata_wait_data
    clc
    ret
.timeout:
    mov ah, 0x80
    stc
    ret
.error:
    call ata_error
    stc
    ret

; AH: the INT 0x13 status for what the error register says.
ata_error:
    push dx
    mov dx, ATA + 1
    in al, dx
    mov ah, 0x10                        ; uncorrectable
    test al, 0xc0
    jnz .known
    mov ah, 0x04                        ; sector not found
    test al, 0x10
    jnz .known
    mov ah, 0x01                        ; aborted: invalid command
    test al, 0x04
    jnz .known
    mov ah, 0x20                        ; controller failed
.known:
    pop dx
    ret

; IDENTIFY DEVICE to ES:DI. CF when there is no disk.
ata_identify:
    out_byte_at ATA_CONTROL, 0x0a
    out_byte_at ATA + 6, 0xa0
    mov dx, ATA + 2                     ; a register that keeps what is written
    out_byte dx, 0x55
    inc dx
    out_byte dx, 0xaa
    dec dx
    in al, dx
    cmp al, 0x55
    jne .none
    call ata_wait
    jc .none
    out_byte_at ATA + 7, ATA_IDENTIFY
    call ata_wait_data
    jc .none
    mov cx, 256
    mov dx, ATA
    rep insw
    clc
    ret
.none:
    stc
    ret

; Moves sectors between the disk and memory.
; EDX:EAX: first sector. CX: how many, 1 to 127. ES:DI: memory. BL: ATA_READ, ATA_WRITE or ATA_VERIFY.
; CF with AH = INT 0x13 status on an error; CX = sectors that were moved. Destroys the other registers.
ata_transfer:
    push cx
    push bx
    ; 28 bits reach 128 GiB; beyond, the 48-bit command takes the high bytes first.
    mov esi, eax
    push edx
    out_byte_at ATA_CONTROL, 0x0a
    call ata_wait
    pop edx
    jc .timeout
    mov eax, esi
    test edx, edx
    jnz .extended
    add eax, 128
    cmp eax, 0x10000000
    jb .short
.extended:
    push dx                             ; bits 47:32
    out_byte_at ATA + 2, 0
    mov eax, esi
    shr eax, 24
    inc dx
    out dx, al
    pop ax
    inc dx
    out dx, al
    mov al, ah
    inc dx
    out dx, al
    add bl, 4
    cmp bl, ATA_VERIFY + 4
    jne .low
    sub bl, 2
.low:
    mov bh, 0x40
    jmp .common
.short:
    mov eax, esi
    shr eax, 24
    mov bh, al
    or bh, 0xe0
.common:
    mov al, cl
    mov dx, ATA + 2
    out dx, al
    mov eax, esi
    inc dx
    out dx, al
    shr eax, 8
    inc dx
    out dx, al
    shr eax, 8
    inc dx
    out dx, al
    mov al, bh
    inc dx
    out dx, al
    mov al, bl
    inc dx
    out dx, al
    pop bx
    cmp bl, ATA_VERIFY
    je .verify
.sector:
    call ata_wait_data
    jc .error
    push cx
    mov ax, di                          ; a sector never crosses the end of its segment
    shr ax, 4
    mov cx, es
    add ax, cx
    mov es, ax
    and di, 0x0f
    mov cx, 256
    mov dx, ATA
    cmp bl, ATA_WRITE
    je .write
    rep insw
    jmp .moved
.write:
    push ds
    push es
    pop ds
    mov si, di
    rep outsw
    mov di, si
    pop ds
.moved:
    pop cx
    dec cx
    jnz .sector
.end:
    call ata_wait
    jc .timeout_end
    test al, 0x21
    jnz .failed_end
    pop cx
    out_byte_at ATA_CONTROL, 0x08
    clc
    ret
.verify:
    xor cx, cx
    jmp .end
.failed_end:
    call ata_error
    jmp .error
.timeout_end:
    mov ah, 0x80
.error:
    mov si, cx                          ; left
    pop cx
    sub cx, si
    out_byte_at ATA_CONTROL, 0x08
    stc
    ret
.timeout:
    pop bx
    mov ah, 0x80
    jmp .error
