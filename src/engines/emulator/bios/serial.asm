; Serial ports and INT 0x14.

COM1                equ 0x3f8
COM2                equ 0x2f8

; Finds the ports and sets them to 9,600 baud, 8 bits, no parity, one stop bit.
start_serial:
    xor bx, bx
    mov dx, COM1
    call .probe
    mov dx, COM2
    call .probe
    shl bx, 8                           ; two bytes a port: the count lands in bits 11:9
    or [bda_equipment], bx
    ret
.probe:
    add dx, 7                           ; the scratch register keeps what is written
    out_byte dx, 0x5a
    in al, dx
    cmp al, 0x5a
    jne .absent
    out_byte dx, 0xa5
    in al, dx
    cmp al, 0xa5
    jne .absent
    sub dx, 7
    mov [bda_com + bx], dx
    mov si, bx
    shr si, 1
    mov byte [bda_com_timeout + si], 0x0a
    add bx, 2
    mov cx, 12
    mov ah, 0x03
    call set_line
    inc dx                              ; no interrupts
    out_byte dx, 0
.absent:
    ret

; Port DX: divisor CX, line control AH. Keeps DX.
set_line:
    add dx, 3
    mov al, ah
    or al, 0x80
    out dx, al
    sub dx, 3
    mov al, cl
    out dx, al
    inc dx
    mov al, ch
    out dx, al
    add dx, 2
    mov al, ah
    out dx, al
    inc dx
    out_byte dx, 0x03                   ; DTR and RTS
    sub dx, 4
    ret

int_serial:
    enter_service
    mov bx, dx
    cmp bx, 3
    ja .unknown
    shl bx, 1
    mov dx, [bda_com + bx]
    shr bx, 1
    test dx, dx
    jz .unknown
    cmp ah, 3
    ja .unknown
    succeed
    cmp ah, 3
    je serial_status
    cmp ah, 1
    jb serial_initialize
    je serial_send
    jmp serial_receive
.unknown:
    leave_service

; AL: baud rate in bits 7:5, parity 4:3, stop bits 2, length 1:0, as on the PC/AT.
serial_initialize:
    movzx si, al
    shr si, 5
    shl si, 1
    mov cx, [cs:.divisors + si]
    mov ah, al
    and ah, 0x1f
    call set_line
    jmp serial_status
.divisors:
    dw 1047, 768, 384, 192, 96, 48, 24, 12

serial_status:
    add dx, 5
    in al, dx
    mov [bp + r_ah], al
    inc dx
    in al, dx
    mov [bp + r_al], al
    leave_service

serial_send:
    mov ah, al
    call wait_to_send
    jz .timeout
    mov al, ah
    out dx, al
    add dx, 5
    in al, dx
    and al, 0x7f
    mov [bp + r_ah], al
    leave_service
.timeout:
    or byte [bp + r_ah], 0x80
    leave_service

; Waits for port DX's transmitter. ZF when it stays busy. Keeps AH, BX and DX.
wait_to_send:
    push cx
    add dx, 5
    xor cx, cx
.wait:
    in al, dx
    test al, 0x20
    loopz .wait
    pop cx
    lea dx, [edx - 5]                   ; keeps ZF
    ret

serial_receive:
    add dx, 5
    movzx si, byte [bda_com_timeout + bx]
    sti
.second:
    mov di, [bda_ticks]                 ; the time-out counts in ticks here, as IBM's unit has no meaning at any clock rate
    add di, 18
.wait:
    in al, dx
    test al, 0x01
    jnz .ready
    cmp di, [bda_ticks]
    jns .wait
    dec si
    jnz .second
    mov byte [bp + r_ah], 0x80
    leave_service
.ready:
    and al, 0x1e
    mov [bp + r_ah], al
    sub dx, 5
    in al, dx
    mov [bp + r_al], al
    leave_service

; AL to COM1, if the set-up asks for it. Keeps all registers.
mirror_character:
    push ds
    push word EBDA
    pop ds
    cmp byte [ebda_mirror], 0
    pop ds
    je .off
    pusha
    mov ah, al
    mov dx, COM1
    call wait_to_send
    jz .busy
    mov al, ah
    out dx, al
.busy:
    popa
.off:
    ret
