; Characters and pixels in graphics modes: four planes of a bit a pixel, or mode 0x13's byte a pixel.

LINEAR_MODE         equ 0x13
LINEAR_WIDTH        equ 320

; Graphics controller: write mode AL, function AH (0x18: exclusive or). Keeps AX and DX.
set_write_mode:
    push dx
    push ax
    mov dx, 0x3ce
    mov ah, al
    mov al, 5
    out dx, ax
    pop ax
    push ax
    mov al, 3
    out dx, ax
    pop ax
    pop dx
    ret

; Back to write mode 0, all bits.
reset_write_mode:
    push ax
    push dx
    xor ax, ax
    call set_write_mode
    mov dx, 0x3ce
    mov ax, 0xff08
    out dx, ax
    pop dx
    pop ax
    ret

; AH = 0x18 when colour BL has bit 7 set, else 0.
xor_function:
    xor ah, ah
    test bl, 0x80
    jz .done
    mov ah, 0x18
.done:
    ret

; AL, CX times from DH, DL of page BH in colour BL.
draw_characters:
    push ax
    push bx
    push cx
    push dx
    call draw_character
    pop dx
    pop cx
    pop bx
    pop ax
    inc dl
    cmp dl, [bda_columns]
    jb .next
    xor dl, dl
    inc dh
.next:
    loop draw_characters
    ret

; DS:SI: the glyph of AL; CX: its lines. Destroys AX.
glyph:
    movzx cx, byte [bda_char_height]
    mul cl
    push word 0
    pop ds
    lds si, [0x43 * 4]
    add si, ax
    ret

; Offset of the first line of cell DH, DL of page BH to DI; bytes a line to AX.
cell_offset:
    push bx
    push cx
    push dx
    xor cx, cx
    cmp byte [bda_video_mode], LINEAR_MODE
    je .offset
    push dx
    movzx ax, bh
    mul word [bda_page_size]
    mov cx, ax
    pop dx
.offset:
    mov di, cx
    mov cl, 0                           ; a column is 1 or 8 bytes
    movzx bx, byte [bda_columns]
    cmp byte [bda_video_mode], LINEAR_MODE
    jne .planar
    mov cl, 3
    mov bx, LINEAR_WIDTH
.planar:
    push dx
    mov al, dh
    mul byte [bda_char_height]
    mul bx
    add di, ax
    pop dx
    xor dh, dh
    shl dx, cl
    add di, dx
    mov ax, bx
    pop dx
    pop cx
    pop bx
    ret

; AL at DH, DL of page BH in colour BL. Destroys everything but BP and DS.
draw_character:
    push bp
    push ds
    push ax
    call cell_offset
    mov bp, ax                          ; bytes a line
    pop ax
    push word GRAPHICS_SEGMENT
    pop es
    mov dl, [bda_video_mode]
    call glyph
    cmp dl, LINEAR_MODE
    je .linear
    call xor_function
    mov al, 2
    call set_write_mode
    mov bh, ah
    mov dx, 0x3ce
.line:
    mov al, 8                           ; the bit mask chooses the glyph's pixels
    mov ah, [si]
    inc si
    out dx, ax
    mov al, [es:di]
    mov [es:di], bl
    test bh, bh
    jnz .next
    mov al, 8
    not ah
    out dx, ax
    mov al, [es:di]
    mov byte [es:di], 0
.next:
    add di, bp
    loop .line
    call reset_write_mode
    jmp .done
.linear:
    push cx
    push di
    mov dh, [si]
    inc si
    mov cx, 8
.pixel:
    mov al, bl
    shl dh, 1
    jc .draw
    xor al, al
.draw:
    test bl, 0x80
    jz .store
    and al, 0x7f
    xor al, [es:di]
.store:
    stosb
    loop .pixel
    pop di
    pop cx
    add di, bp
    loop .linear
.done:
    pop ds
    pop bp
    ret

; AL lines of the window CH, CL to DH, DL on page SI; BH: colour of new lines, BL: 0 up, 1 down.
scroll_graphics:
    push bp
    push ds
    sub sp, 8
    mov bp, sp
    ; [bp] colour, [bp + 2] bytes of a line in the window, [bp + 4] lines to move, [bp + 6] lines to fill
    mov [bp], bh
    mov ah, bl                          ; direction
    push ax
    push dx
    mov bx, si
    mov bh, bl
    cmp ah, 0
    je .from_top
    push cx
    mov ch, dh
    mov dx, cx
    pop cx
    call cell_offset
    mov bx, ax                          ; last line of the window's last row
    movzx ax, byte [bda_char_height]
    dec ax
    mul bx
    add di, ax
    mov ax, bx
    neg ax
    jmp .start
.from_top:
    mov dx, cx
    call cell_offset
.start:
    mov bx, ax                          ; from line to line in the direction of the scroll
    pop dx
    movzx ax, dl
    sub al, cl
    inc ax
    cmp byte [bda_video_mode], LINEAR_MODE
    jne .width
    shl ax, 3
.width:
    mov [bp + 2], ax
    pop ax                              ; AL: rows to scroll
    sub dh, ch
    inc dh
    sub dh, al                          ; rows to move
    mul byte [bda_char_height]
    mov [bp + 6], ax
    mov al, dh
    mul byte [bda_char_height]
    mov [bp + 4], ax
    mov si, [bp + 6]
    imul si, bx
    add si, di
    mov dl, [bda_video_mode]
    push word GRAPHICS_SEGMENT
    pop es
    push es
    pop ds
    cmp dl, LINEAR_MODE
    je .move
    push ax
    mov ax, 0x0001                      ; write mode 1 copies all planes through the latches
    call set_write_mode
    pop ax
.move:
    mov cx, [bp + 4]
    jcxz .fill
.move_line:
    push cx
    push si
    push di
    mov cx, [bp + 2]
    rep movsb
    pop di
    pop si
    pop cx
    add si, bx
    add di, bx
    loop .move_line
.fill:
    cmp dl, LINEAR_MODE
    je .fill_lines
    mov ax, 0x0002
    call set_write_mode
.fill_lines:
    mov cx, [bp + 6]
.fill_line:
    push cx
    push di
    mov al, [bp]
    mov cx, [bp + 2]
    rep stosb
    pop di
    pop cx
    add di, bx
    loop .fill_line
    cmp dl, LINEAR_MODE
    je .done
    call reset_write_mode
.done:
    add sp, 8
    pop ds
    pop bp
    ret

; The character whose glyph is at DH, DL of page BH, 0 when none is.
recognize_character:
    push ds
    movzx cx, byte [bda_char_height]
    call cell_offset
    mov bx, ax
    mov dl, [bda_video_mode]
    push word GRAPHICS_SEGMENT
    pop es
    cmp dl, LINEAR_MODE
    je .start
    push dx
    mov dx, 0x3ce
    mov ax, 0x0805                      ; read mode 1: a bit is set where the pixel is black
    out dx, ax
    mov ax, 0x0002
    out dx, ax
    mov ax, 0x0f07
    out dx, ax
    pop dx
.start:
    xor si, si
    sub sp, 32
.line:
    cmp dl, LINEAR_MODE
    je .linear
    mov al, [es:di]
    not al
    jmp .have
.linear:
    push cx
    mov cx, 8
.pixel:
    cmp byte [es:di], 1
    cmc
    rcl al, 1
    inc di
    loop .pixel
    sub di, 8
    pop cx
.have:
    push bx
    mov bx, sp
    mov [ss:bx + si + 2], al
    pop bx
    inc si
    add di, bx
    loop .line
    cmp dl, LINEAR_MODE
    je .compare
    mov dx, 0x3ce
    mov ax, 0x0005
    out dx, ax
.compare:
    xor dx, dx
.candidate:
    mov al, dl
    push word BDA
    pop ds
    call glyph
    mov bx, sp
    push ss
    pop es
    mov di, bx
    repe cmpsb
    je .found
    inc dx
    cmp dx, 256
    jb .candidate
    xor dx, dx
.found:
    add sp, 32
    pop ds
    mov [bp + r_al], dl
    ret

; Offset of pixel CX, DX on page BH to DI, ES: its segment. Planar: AH the bit. Keeps BX and AL.
pixel_address:
    push word GRAPHICS_SEGMENT
    pop es
    push bx
    push ax
    cmp byte [bda_video_mode], LINEAR_MODE
    je .linear
    push dx
    movzx ax, bh
    mul word [bda_page_size]
    mov di, ax
    pop dx
    movzx ax, byte [bda_columns]
    mul dx
    add di, ax
    mov ax, cx
    shr ax, 3
    add di, ax
    pop ax
    and cl, 7
    mov ah, 0x80
    shr ah, cl
    pop bx
    ret
.linear:
    imul di, dx, LINEAR_WIDTH
    add di, cx
    pop ax
    pop bx
    ret

; Pixel CX, DX in colour AL; bit 7: exclusive or (not with 256 colours).
video_write_pixel:
    call mode_kind
    jz .done
    call pixel_address
    cmp byte [bda_video_mode], LINEAR_MODE
    je .linear
    mov bl, al
    mov bh, ah
    call xor_function
    mov al, 2
    call set_write_mode
    mov dx, 0x3ce
    mov al, 8
    mov ah, bh
    out dx, ax
    mov al, [es:di]
    mov [es:di], bl
    jmp reset_write_mode
.linear:
    mov [es:di], al
.done:
    ret

video_read_pixel:
    call mode_kind
    jz .done
    call pixel_address
    cmp byte [bda_video_mode], LINEAR_MODE
    je .linear
    mov bh, ah
    xor bl, bl
    mov dx, 0x3ce
    mov ax, 0x0304                      ; planes 3 to 0
.plane:
    out dx, ax
    shl bl, 1
    test [es:di], bh
    jz .zero
    inc bl
.zero:
    dec ah
    jns .plane
    mov [bp + r_al], bl
    ret
.linear:
    mov al, [es:di]
    mov [bp + r_al], al
.done:
    ret
