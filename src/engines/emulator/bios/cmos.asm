; Access to the CMOS RAM. NMI stays enabled.

; Byte AL of the CMOS RAM to AL.
read_cmos:
    out 0x70, al
    in al, 0x71
    ret

; AH to byte AL of the CMOS RAM.
write_cmos:
    out 0x70, al
    xchg al, ah
    out 0x71, al
    xchg al, ah
    ret

; Word at AL to AX.
read_cmos_word:
    push bx
    mov bl, al
    inc al
    call read_cmos
    mov bh, al
    mov al, bl
    call read_cmos
    mov ah, bh
    pop bx
    ret

; Waits until the time can be read for 244 µs, at most two updates long.
wait_for_clock:
    push cx
    mov cx, 0xffff
.wait:
    mov al, 0x0a
    call read_cmos
    test al, 0x80
    loopnz .wait
    pop cx
    ret
