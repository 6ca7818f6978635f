; The timer tick, the real-time clock and INT 0x1A.

TICKS_A_DAY         equ 0x1800b0

; Channel 0: mode 2 at 18.2 Hz. Channel 1: the refresh, as programs expect to find it.
start_timer:
    out_byte 0x43, 0x34
    out_byte 0x40, 0
    out 0x40, al
    out_byte 0x43, 0x54
    out_byte 0x41, 18
    ret

; The clock to 24 hours, BCD and no interrupts; the tick count from the time of day.
start_clock:
    mov ax, 0x260a
    call write_cmos
    mov ax, 0x020b
    call write_cmos
    mov al, 0x0c
    call read_cmos
    call wait_for_clock
    mov al, 4
    call read_bcd
    imul ebx, eax, 3600
    mov al, 2
    call read_bcd
    imul eax, eax, 60
    add ebx, eax
    xor al, al
    call read_bcd
    add eax, ebx                        ; seconds since midnight
    mov ebx, 1193182
    mul ebx
    shrd eax, edx, 16                   ; a tick is 65,536 cycles
    mov [bda_ticks], eax
    ret

; BCD byte AL of the CMOS RAM to EAX, in binary.
read_bcd:
    call read_cmos
    mov ah, al
    and al, 0x0f
    shr ah, 4
    aad
    movzx eax, al
    ret

; IRQ 0: counts ticks and calls INT 0x1C.
irq_timer:
    push ds
    push eax
    push word BDA
    pop ds
    mov eax, [bda_ticks]
    inc eax
    cmp eax, TICKS_A_DAY
    jb .same_day
    xor eax, eax
    inc byte [bda_midnight]
.same_day:
    mov [bda_ticks], eax
    int 0x1c
    cli
    out_byte 0x20, 0x20
    pop eax
    pop ds
    iret

; IRQ 8: calls INT 0x4A for an alarm.
irq_clock:
    push ax
    mov al, 0x0c
    call read_cmos
    mov ah, al
    mov al, 0x0b
    call read_cmos
    and ah, al
    test ah, 0x20
    jz .end
    push ds
    push word 0
    pop ds
    cmp dword [0x4a * 4], 0
    pop ds
    je .end
    int 0x4a
    cli
.end:
    out_byte 0xa0, 0x20
    out 0x20, al
    pop ax
    iret

int_time:
    enter_service
    movzx bx, ah
    cmp bl, 7
    ja .unknown
    shl bx, 1
    call [cs:.functions + bx]
    leave_service
.unknown:
    fail
    leave_service
.functions:
    dw time_get_ticks, time_set_ticks, time_get_clock, time_set_clock
    dw time_get_date, time_set_date, time_set_alarm, time_clear_alarm

time_get_ticks:
    cli
    mov ax, [bda_ticks]
    mov [bp + r_edx], ax
    mov ax, [bda_ticks + 2]
    mov [bp + r_ecx], ax
    xor al, al
    xchg al, [bda_midnight]
    mov [bp + r_al], al
    mov byte [bp + r_ah], 0
    succeed
    ret

time_set_ticks:
    cli
    mov [bda_ticks], dx
    mov [bda_ticks + 2], cx
    mov byte [bda_midnight], 0
    mov byte [bp + r_ah], 0
    succeed
    ret

; CH, CL, DH: hours, minutes, seconds in BCD; DL: daylight saving.
time_get_clock:
    call wait_for_clock
    xor al, al
    call read_cmos
    mov [bp + r_dh], al
    mov al, 2
    call read_cmos
    mov [bp + r_cl], al
    mov al, 4
    call read_cmos
    mov [bp + r_ch], al
    mov al, 0x0b
    call read_cmos
    and al, 1
    mov [bp + r_dl], al
    mov byte [bp + r_ah], 0
    mov al, [bp + r_ch]
    mov [bp + r_al], al
    succeed
    ret

time_set_clock:
    mov al, 0x0b
    call read_cmos
    and al, 0x7e
    and dl, 1
    or al, dl
    mov bl, al                          ; register B to be
    or al, 0x80
    mov ah, al
    mov al, 0x0b
    call write_cmos
    mov ah, dh
    xor al, al
    call write_cmos
    mov ah, cl
    mov al, 2
    call write_cmos
    mov ah, ch
    mov al, 4
    call write_cmos
    mov ah, bl
    mov al, 0x0b
    call write_cmos
    mov byte [bp + r_ah], 0
    succeed
    ret

; CH, CL: century and year; DH, DL: month and day; all BCD.
time_get_date:
    call wait_for_clock
    mov al, 0x32
    call read_cmos
    mov [bp + r_ch], al
    mov al, 9
    call read_cmos
    mov [bp + r_cl], al
    mov al, 8
    call read_cmos
    mov [bp + r_dh], al
    mov al, 7
    call read_cmos
    mov [bp + r_dl], al
    mov byte [bp + r_ah], 0
    mov al, [bp + r_ch]
    mov [bp + r_al], al
    succeed
    ret

time_set_date:
    mov al, 0x0b
    call read_cmos
    and al, 0x7f
    mov bl, al
    or al, 0x80
    mov ah, al
    mov al, 0x0b
    call write_cmos
    mov ah, ch
    mov al, 0x32
    call write_cmos
    mov ah, cl
    mov al, 9
    call write_cmos
    mov ah, dh
    mov al, 8
    call write_cmos
    mov ah, dl
    mov al, 7
    call write_cmos
    mov ah, bl
    mov al, 0x0b
    call write_cmos
    mov byte [bp + r_ah], 0
    succeed
    ret

; INT 0x4A at CH:CL:DH; fails when an alarm is set already.
time_set_alarm:
    mov al, 0x0b
    call read_cmos
    test al, 0x20
    jnz .taken
    mov bl, al
    mov ah, dh
    mov al, 1
    call write_cmos
    mov ah, cl
    mov al, 3
    call write_cmos
    mov ah, ch
    mov al, 5
    call write_cmos
    in al, 0xa1
    and al, 0xfe
    out 0xa1, al
    mov ah, bl
    or ah, 0x20
    mov al, 0x0b
    call write_cmos
    mov byte [bp + r_ah], 0
    succeed
    ret
.taken:
    mov word [bp + r_eax], 0
    fail
    ret

time_clear_alarm:
    mov al, 0x0b
    call read_cmos
    and al, 0x5f
    mov ah, al
    mov al, 0x0b
    call write_cmos
    mov byte [bp + r_ah], 0
    succeed
    ret
