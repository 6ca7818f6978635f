; INT 0x15: A20, waiting, block moves, configuration. The memory map is in memory-map.asm.

int_system:
    cmp ah, 0x4f                        ; the keyboard's hook: quick, and nobody changed the code
    jne .not_keyboard
    push bp
    mov bp, sp
    or byte [bp + 6], FLAG_CARRY
    pop bp
    iret
.not_keyboard:
    enter_service
    mov si, .functions
.next:
    mov bx, [cs:si]
    cmp bl, ah
    je .found
    add si, 4
    cmp si, .end
    jb .next
system_unknown:
    mov byte [bp + r_ah], 0x86
    fail
    leave_service
int_system.found:
    call [cs:si + 2]
    leave_service

int_system.functions:
    dw 0x24, system_a20
    dw 0x86, system_wait
    dw 0x87, system_block_move
    dw 0x88, system_extended_memory
    dw 0x90, system_nothing
    dw 0x91, system_nothing
    dw 0xc0, system_configuration
    dw 0xc1, system_ebda
    dw 0xe8, system_memory_map
int_system.end:

; A function that is not there, called as one.
system_missing:
    mov byte [bp + r_ah], 0x86
    fail
    ret

; Device busy and device ready: an operating system's hooks.
system_nothing:
    mov byte [bp + r_ah], 0
    succeed
    ret

; AL: 0 close, 1 open, 2 state, 3 means.
system_a20:
    mov byte [bp + r_ah], 0
    succeed
    cmp al, 1
    jb .close
    je .open
    cmp al, 3
    jb .state
    ja system_missing
    mov word [bp + r_ebx], 0x0003       ; keyboard controller and port 0x92
    ret
.close:
    in al, 0x92
    and al, 0xfc
    jmp .set
.open:
    in al, 0x92
    or al, 0x02
    and al, 0xfe
.set:
    out 0x92, al
    ret
.state:
    call a20_open
    mov [bp + r_al], al
    ret

; AL = 1 when A20 is open. A word in the data area is compared with the one a megabyte above it, changed and compared again.
a20_open:
    push ds
    push es
    push bx
    push word 0
    pop ds
    push word 0xffff
    pop es
    pushf
    cli
    mov ax, [0x400 + bda_reset_flag]
    mov bx, ax
    cmp ax, [es:0x410 + bda_reset_flag]
    mov al, 1
    jne .known
    xor word [0x400 + bda_reset_flag], 0xffff
    mov ax, [0x400 + bda_reset_flag]
    cmp ax, [es:0x410 + bda_reset_flag]
    mov [0x400 + bda_reset_flag], bx
    mov al, 1
    jne .known
    dec al
.known:
    popf
    pop bx
    pop es
    pop ds
    ret

; CX:DX microseconds, counted by channel 0 of the timer (0.838 µs a cycle).
system_wait:
    sti
    mov ax, cx
    shl eax, 16
    mov ax, dx
    mov ebx, 1193182
    mul ebx
    mov ebx, 1000000
    div ebx
    mov esi, eax                        ; cycles to wait
    call timer_count
    mov dx, ax
.more:
    call timer_count
    mov bx, dx
    sub bx, ax                          ; it counts down
    mov dx, ax
    movzx ebx, bx
    sub esi, ebx
    ja .more
    mov byte [bp + r_ah], 0
    succeed
    ret

; Channel 0's count to AX.
timer_count:
    pushf
    cli
    out_byte 0x43, 0x00
    in al, 0x40
    mov ah, al
    in al, 0x40
    xchg al, ah
    popf
    ret

; Moves CX words in protected mode. ES:SI: table of six descriptors, of which the caller filled source (2) and target (3).
system_block_move:
    cli
    mov es, [bp + r_es]
    call a20_open
    push ax
    call system_a20.open
    movzx eax, word [bp + r_es]
    shl eax, 4
    movzx ebx, word [bp + r_esi]
    mov si, bx
    add eax, ebx
    mov word [es:si + 0x08], 0x2f       ; descriptor 1: the table itself
    mov [es:si + 0x0a], eax
    mov byte [es:si + 0x0d], 0x93
    mov word [es:si + 0x0e], 0
    mov word [es:si + 0x20], 0xffff     ; descriptor 4: this code
    mov dword [es:si + 0x22], (ROM << 4) | 0x9b000000
    mov word [es:si + 0x26], 0
    mov dx, ss                          ; descriptor 5: the stack, where it is
    movzx ebx, dx
    shl ebx, 4
    or ebx, 0x93000000
    mov word [es:si + 0x28], 0xffff
    mov [es:si + 0x2a], ebx
    mov word [es:si + 0x2e], 0
    push eax
    push word 0x2f
    mov bx, sp
    lgdt [ss:bx]
    add sp, 6
    mov cx, [bp + r_ecx]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp 0x20:.protected
.protected:
    mov ax, 0x28
    mov ss, ax
    mov ax, 0x10
    mov ds, ax
    mov ax, 0x18
    mov es, ax
    xor si, si
    xor di, di
    rep movsw
    mov ax, 0x28                        ; limits of real mode again
    mov ds, ax
    mov es, ax
    mov eax, cr0
    and al, 0xfe
    mov cr0, eax
    jmp ROM:.real
.real:
    mov ss, dx
    push word BDA
    pop ds
    pop ax
    test al, al                         ; A20 as it was
    jnz .was_open
    call system_a20.close
.was_open:
    mov byte [bp + r_ah], 0
    or byte [bp + r_flags], FLAG_ZERO
    succeed
    ret

system_configuration:
    mov word [bp + r_es], ROM
    mov word [bp + r_ebx], .table
    mov byte [bp + r_ah], 0
    succeed
    ret
.table:
    dw 8
    db 0xfc, 0x00, 0x00                 ; model, submodel, revision
    db 0x74                             ; second interrupt controller, clock, keyboard hook, extended data area
    db 0x40, 0x00, 0x00, 0x00           ; INT 0x16 function 9

system_ebda:
    mov ax, [bda_ebda]
    mov [bp + r_es], ax
    succeed
    ret
