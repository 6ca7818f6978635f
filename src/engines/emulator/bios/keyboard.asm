; The keyboard: IRQ 1 turns scan codes into key codes in the ring buffer, INT 0x16 takes them out.

SHIFT_RIGHT         equ 0x01            ; bits of bda_shift
SHIFT_LEFT          equ 0x02
SHIFT_CTRL          equ 0x04
SHIFT_ALT           equ 0x08
SHIFT_SCROLL        equ 0x10
SHIFT_NUM           equ 0x20
SHIFT_CAPS          equ 0x40
SHIFT_INSERT        equ 0x80
STATE_E1            equ 0x01            ; bits of bda_key_state
STATE_E0            equ 0x02
STATE_RIGHT_CTRL    equ 0x04
STATE_RIGHT_ALT     equ 0x08
STATE_101_KEYS      equ 0x10
PAUSED              equ 0x08            ; of bda_shift2

; Tests the controller, turns on translation and IRQ 1, resets the keyboard.
start_keyboard:
    mov word [bda_key_head], bda_key_buffer
    mov word [bda_key_tail], bda_key_buffer
    mov word [bda_key_start], bda_key_buffer
    mov word [bda_key_end], bda_key_buffer + 32
    mov byte [bda_key_state], STATE_101_KEYS
    mov cx, 32                          ; empty the output buffer
.flush:
    in al, 0x64
    test al, 0x01
    jz .empty
    in al, 0x60
    loop .flush
.empty:
    mov al, 0xad
    call controller_command
    mov al, 0xaa
    call controller_command
    call controller_read                ; 0x55
    mov al, 0x60
    call controller_command
    mov al, 0x44                        ; translate, system flag, no interrupts yet
    call controller_write
    mov al, 0xff
    call controller_write
    call controller_read                ; 0xfa
    call controller_read                ; 0xaa
    mov al, 0x60
    call controller_command
    mov al, 0x45                        ; and IRQ 1
    jmp controller_write

; AL to port 0x64 or 0x60 when the controller can take it. Keeps AL.
controller_command:
    call controller_ready
    out 0x64, al
    ret
controller_write:
    call controller_ready
    out 0x60, al
    ret
controller_ready:
    push ax
    push cx
    mov cx, 0xffff
.wait:
    in al, 0x64
    test al, 0x02
    loopnz .wait
    pop cx
    pop ax
    ret

; The next byte from port 0x60 to AL; waits for up to a second.
controller_read:
    push cx
    push dx
    mov dx, 32
.again:
    xor cx, cx
.wait:
    in al, 0x64
    test al, 0x01
    loopz .wait
    jnz .ready
    dec dx
    jnz .again
.ready:
    in al, 0x60
    pop dx
    pop cx
    ret

irq_keyboard:
    enter_service
    in al, 0x64
    test al, 0x01
    jz .end
    test al, 0x20                       ; a mouse's byte is not ours
    jnz .end
    in al, 0x60
    mov ah, 0x4f
    stc
    int 0x15                            ; a program may change or swallow it
    cli
    jnc .end
    call take_scan_code
.end:
    out_byte 0x20, 0x20
    leave_service

; Scan code AL of set 1.
take_scan_code:
    cmp al, 0xe0
    je .prefix_e0
    cmp al, 0xe1
    je .prefix_e1
    mov dl, [bda_key_state]
    test dl, STATE_E1
    jnz .pause
    and byte [bda_key_state], ~STATE_E0 & 0xff
    mov bl, al
    and bl, 0x7f
    xor bh, bh                          ; BL: key, AL bit 7: released
    mov si, modifier_keys
.modifier:
    cmp byte [cs:si], 0
    je .ordinary
    cmp bl, [cs:si]
    je .found
    add si, 4
    jmp .modifier
.found:
    jmp [cs:si + 2]
.prefix_e0:
    or byte [bda_key_state], STATE_E0
    ret
.prefix_e1:
    or byte [bda_key_state], STATE_E1
    ret
.pause:
    cmp al, 0x45                        ; E1 1D 45 is Pause; the releases E1 9D C5 end it too
    je .pause_made
    cmp al, 0xc5
    je .pause_over
    ret
.pause_made:
    or byte [bda_shift2], PAUSED
.pause_over:
    and byte [bda_key_state], ~STATE_E1 & 0xff
    test byte [bda_shift2], PAUSED
    jz .done
    cmp al, 0x45
    jne .done
    out_byte 0x20, 0x20                 ; waits here for the next key, interrupts on
.paused:
    sti
    hlt
    cli
    test byte [bda_shift2], PAUSED
    jnz .paused
.done:
    ret

.ordinary:
    test al, 0x80
    jnz .done
    test byte [bda_shift2], PAUSED      ; any key ends a pause and is not kept
    jz .translate
    and byte [bda_shift2], ~PAUSED & 0xff
    ret
.translate:
    cmp bl, KEY_COUNT
    jae .done
    mov cl, [bda_shift]
    call special_combination
    jc .done
    mov si, bx                          ; eight bytes a key: plain, shift, Ctrl, Alt
    shl si, 3
    add si, key_table
    test cl, SHIFT_ALT
    jnz .alt
    test cl, SHIFT_CTRL
    jnz .ctrl
    test dl, STATE_E0
    jnz .plain
    call shifted
    jz .plain
    mov ax, [cs:si + 2]
    jmp .have
.alt:
    cmp bl, 0x47                        ; Alt and the keypad's digits type a number
    jb .alt_key
    cmp bl, 0x53
    ja .alt_key
    mov ah, bl                          ; Alt and a grey key: scan code + 0x50, ASCII 0
    add ah, 0x50
    xor al, al
    test dl, STATE_E0
    jnz put_key
    cmp bl, 0x53
    je .alt_key
    push bx
    movzx bx, byte [cs:keypad_digits + bx - 0x47]
    cmp bl, 10
    jae .no_digit
    mov al, [bda_alt_digits]
    mov ah, 10
    mul ah
    add al, bl
    mov [bda_alt_digits], al
    pop bx
    ret
.no_digit:
    pop bx
.alt_key:
    mov ax, [cs:si + 6]
    jmp .have
.ctrl:
    mov ax, [cs:si + 4]
    jmp .have
.plain:
    mov ax, [cs:si]
.have:
    test ax, ax
    jz .done
    test dl, STATE_E0
    jz put_key
    ; Keys with prefix E0 have ASCII 0xE0, but Enter and / of the keypad, which have their scan code replaced.
    cmp bl, 0x1c
    je .grey_enter
    cmp bl, 0x35
    je .grey_enter
    mov al, 0xe0
    jmp put_key
.grey_enter:
    test cl, SHIFT_ALT
    jnz .grey_alt
    test al, al
    jz put_key
    mov ah, 0xe0
    jmp put_key
.grey_alt:
    mov ax, 0xa600
    cmp bl, 0x1c
    je put_key
    mov ax, 0xa400
; Key code AX into the ring buffer; a full one drops it.
put_key:
    mov di, [bda_key_tail]
    mov si, di
    add si, 2
    cmp si, [bda_key_end]
    jb .inside
    mov si, [bda_key_start]
.inside:
    cmp si, [bda_key_head]
    je .full
    mov [di], ax
    mov [bda_key_tail], si
    clc
    ret
.full:
    stc
    ret

; ZF clear when key BL takes its shifted meaning under shift flags CL.
shifted:
    mov ch, cl
    and ch, SHIFT_LEFT | SHIFT_RIGHT
    jz .no_shift
    mov ch, 1
.no_shift:
    call is_letter
    jne .not_letter
    test cl, SHIFT_CAPS
    jz .decide
    xor ch, 1
    jmp .decide
.not_letter:
    cmp bl, 0x47                        ; the keypad
    jb .decide
    cmp bl, 0x53
    ja .decide
    test cl, SHIFT_NUM
    jz .decide
    xor ch, 1
.decide:
    test ch, ch
    ret

; ZF set when key BL is a letter.
is_letter:
    push ax
    mov al, [cs:si]
    cmp al, 'a'
    jb .no
    cmp al, 'z'
    ja .no
    cmp al, al
.no:
    pop ax
    ret

; Ctrl+Alt+Del, Ctrl+Break. CF when key BL was one. DL: state before, CL: shift flags.
special_combination:
    mov ch, cl
    and ch, SHIFT_CTRL | SHIFT_ALT
    cmp bl, 0x53
    jne .not_delete
    cmp ch, SHIFT_CTRL | SHIFT_ALT
    jne .none
    mov word [bda_reset_flag], 0x1234
    out_byte 0x64, 0xfe
.stop:
    hlt
    jmp .stop
.not_delete:
    cmp bl, 0x46                        ; Ctrl+Break is E0 46
    jne .none
    test dl, STATE_E0
    jz .none
    mov byte [bda_break], 0x80
    mov ax, [bda_key_start]
    mov [bda_key_head], ax
    mov [bda_key_tail], ax
    int 0x1b
    cli
    xor ax, ax
    call put_key
    stc
    ret
.none:
    clc
    ret

; Key, bits in bda_shift, handler.
modifier_keys:
    db 0x2a, SHIFT_LEFT
    dw key_shift
    db 0x36, SHIFT_RIGHT
    dw key_shift
    db 0x1d, SHIFT_CTRL
    dw key_ctrl
    db 0x38, SHIFT_ALT
    dw key_alt
    db 0x3a, SHIFT_CAPS
    dw key_toggle
    db 0x45, SHIFT_NUM
    dw key_toggle
    db 0x46, SHIFT_SCROLL
    dw key_scroll
    db 0x52, SHIFT_INSERT
    dw key_insert
    db 0

; All: AL scan code, BX key, DL state before, SI row of modifier_keys.
key_shift:
    test dl, STATE_E0                   ; E0 2A and E0 36 come with grey keys and mean nothing
    jnz take_scan_code.done
    mov ah, [cs:si + 1]
    jmp set_or_clear

key_ctrl:
    mov ch, STATE_RIGHT_CTRL
    mov cl, 0x01                        ; left Ctrl in bda_shift2
    mov ah, SHIFT_CTRL
    call two_sided
    mov ah, SHIFT_CTRL
    jmp settle_two_sided

key_alt:
    mov ch, STATE_RIGHT_ALT
    mov cl, 0x02
    call two_sided
    mov ah, SHIFT_ALT
    call settle_two_sided
    test byte [bda_shift], SHIFT_ALT
    jnz .done
    xor al, al                          ; a number typed on the keypad ends with Alt
    xchg al, [bda_alt_digits]
    test al, al
    jz .done
    xor ah, ah
    jmp put_key
.done:
    ret

; Marks the left (bda_shift2, bit CL) or right (bda_key_state, bit CH) key as pressed or released.
two_sided:
    mov di, bda_shift2
    mov ah, cl
    test dl, STATE_E0
    jz .side
    mov di, bda_key_state
    mov ah, ch
.side:
    test al, 0x80
    jnz .released
    or [di], ah
    ret
.released:
    not ah
    and [di], ah
    ret

; The common bit AH is set while either side is pressed.
settle_two_sided:
    or [bda_shift], ah
    test [bda_shift2], cl
    jnz .done
    test [bda_key_state], ch
    jnz .done
    not ah
    and [bda_shift], ah
.done:
    ret

set_or_clear:
    test al, 0x80
    jnz .clear
    or [bda_shift], ah
    ret
.clear:
    not ah
    and [bda_shift], ah
    ret

; Lock keys: bda_shift2 holds which are down, so that a held key toggles once.
key_toggle:
    mov ah, [cs:si + 1]
    test al, 0x80
    jnz .released
    test [bda_shift2], ah
    jnz .held
    or [bda_shift2], ah
    xor [bda_shift], ah
    jmp set_leds
.released:
    not ah
    and [bda_shift2], ah
.held:
    ret

key_scroll:
    test dl, STATE_E0
    jnz take_scan_code.ordinary
    jmp key_toggle

; Insert toggles its flag and is a key too; so is 0 on the keypad under Num Lock.
key_insert:
    test al, 0x80
    jnz .released
    test dl, STATE_E0
    jnz .toggle
    test byte [bda_shift], SHIFT_NUM | SHIFT_LEFT | SHIFT_RIGHT | SHIFT_ALT
    jnz take_scan_code.ordinary
.toggle:
    test byte [bda_shift2], SHIFT_INSERT
    jnz .repeat
    xor byte [bda_shift], SHIFT_INSERT
    or byte [bda_shift2], SHIFT_INSERT
.repeat:
    jmp take_scan_code.ordinary
.released:
    and byte [bda_shift2], ~SHIFT_INSERT & 0xff
    ret

; Shows the lock flags on the keyboard.
set_leds:
    mov al, [bda_shift]
    shr al, 4
    and al, 7
    mov ah, al
    mov al, [bda_leds]
    and al, 0xf8
    or al, ah
    mov [bda_leds], al
    mov al, 0xed
    call .send
    mov al, ah
.send:
    call controller_write
    jmp controller_read                 ; 0xfa

int_keyboard:
    enter_service
    sti
    movzx bx, ah
    cmp bl, 0x12
    ja .done
    shl bx, 1
    call [cs:.functions + bx]
.done:
    leave_service
.functions:
    dw key_read, key_peek, key_flags, key_typematic, key_nothing, key_store
    dw key_nothing, key_nothing, key_nothing, key_capabilities, key_identify
    dw key_nothing, key_nothing, key_nothing, key_nothing, key_nothing
    dw key_read_extended, key_peek_extended, key_flags_extended

key_nothing:
    ret

; Waits for a key; the processor sleeps meanwhile.
key_wait:
    cli
    mov si, [bda_key_head]
    cmp si, [bda_key_tail]
    jne .there
    sti
    hlt
    jmp key_wait
.there:
    mov ax, [si]
    ret

; Removes the key at SI.
key_drop:
    add si, 2
    cmp si, [bda_key_end]
    jb .inside
    mov si, [bda_key_start]
.inside:
    mov [bda_key_head], si
    sti
    ret

key_read_extended:
    call key_wait
    call key_drop
    call key_old_grey
    mov [bp + r_eax], ax
    ret

key_read:
    call key_wait
    call key_drop
    call key_to_83
    mov [bp + r_eax], ax
    ret

key_peek_extended:
    call key_look
    jz .none
    call key_old_grey
    mov [bp + r_eax], ax
    and byte [bp + r_flags], ~FLAG_ZERO & 0xff
    ret
.none:
    or byte [bp + r_flags], FLAG_ZERO
    ret

key_peek:
    call key_look
    jz key_peek_extended.none
    call key_to_83
    mov [bp + r_eax], ax
    and byte [bp + r_flags], ~FLAG_ZERO & 0xff
    ret

; ZF when there is no key; else AX and SI.
key_look:
    cli
    mov si, [bda_key_head]
    mov ax, [si]
    cmp si, [bda_key_tail]
    sti
    ret

; 0xF0 in AL marks keys that only the extended functions give.
key_old_grey:
    cmp al, 0xf0
    jne .done
    test ah, ah
    jz .done
    xor al, al
.done:
    ret

; AX as a keyboard of 83 keys would give it, where that has the key. The others (F11 …) are given as they are.
key_to_83:
    cmp ah, 0xe0
    jne .not_keypad
    mov ah, 0x1c                        ; Enter or / of the keypad
    cmp al, '/'
    jne .done
    mov ah, 0x35
    ret
.not_keypad:
    cmp al, 0xe0
    jne key_old_grey
    test ah, ah
    jz .done
    xor al, al
.done:
    ret

key_flags:
    mov al, [bda_shift]
    mov [bp + r_al], al
    ret

key_flags_extended:
    mov al, [bda_shift]
    mov [bp + r_al], al
    mov al, [bda_shift2]
    mov ah, al
    and ah, 0x73                        ; locks held down and left Ctrl, Alt
    test al, 0x04
    jz .no_sysreq
    or ah, 0x80
.no_sysreq:
    mov al, [bda_key_state]
    and al, STATE_RIGHT_CTRL | STATE_RIGHT_ALT
    or ah, al
    mov [bp + r_ah], ah
    ret

; AL = 5: rate and delay from BL and BH.
key_typematic:
    cmp byte [bp + r_al], 5
    jne key_nothing
    mov al, 0xf3
    call set_leds.send
    mov bx, [bp + r_ebx]
    mov al, bh
    and al, 3
    shl al, 5
    and bl, 0x1f
    or al, bl
    jmp set_leds.send

; CX into the buffer. AL = 0 when it was stored, 1 when there is no room.
key_store:
    cli
    mov ax, [bp + r_ecx]
    call put_key
    mov al, 0
    adc al, 0
    mov [bp + r_al], al
    ret

; Functions 0x10 to 0x12 exist, 0x0A too, typematic can be set.
key_capabilities:
    mov byte [bp + r_al], 0x32
    ret

key_identify:
    mov word [bp + r_ebx], 0x41ab
    ret
