; Character generators: plane 2 of the adapter's memory, and INT 0x10 function 0x11.

; Opens plane 2 at A000:0000 for the processor.
open_font_plane:
    push si
    mov si, .registers
    jmp write_font_registers
.registers:
    dw 0x0402, 0x0704                   ; sequencer: plane 2 alone, addresses not interleaved
    dw 0x0204, 0x0005, 0x0406           ; graphics controller: the same for reading, 64 KiB at A0000
close_font_plane:
    push si
    mov si, .registers
    jmp write_font_registers
.registers:
    dw 0x0302, 0x0304
    dw 0x0004, 0x1005, 0x0e06
write_font_registers:
    push ax
    push dx
    mov dx, 0x3c4
    mov ax, [cs:si]
    out dx, ax
    mov ax, [cs:si + 2]
    out dx, ax
    mov dx, 0x3ce
    mov ax, [cs:si + 4]
    out dx, ax
    mov ax, [cs:si + 6]
    out dx, ax
    mov ax, [cs:si + 8]
    out dx, ax
    pop dx
    pop ax
    pop si
    ret

; Where the generator of block BL lies in plane 2, to DI.
font_block:
    push ax
    movzx di, bl
    and di, 7
    mov ax, di
    shl di, 14
    cmp al, 4
    jb .done
    add di, 0x2000                      ; blocks 4 to 7 lie between 0 to 3
.done:
    pop ax
    ret

; Copies CX characters of AL bytes each from ES:SI to character DX of block BL.
load_font:
    jcxz .done
    push ds
    call font_block
    shl dx, 5
    add di, dx
    push es
    pop ds
    mov dx, GRAPHICS_SEGMENT
    mov es, dx
    call open_font_plane
    movzx bx, al
.character:
    push cx
    push di
    mov cx, bx
    rep movsb
    mov cx, 32
    sub cx, bx
    xor al, al
    rep stosb
    pop di
    pop cx
    add di, 32
    loop .character
    call close_font_plane
    pop ds
.done:
    ret

; The font of AL lines (8 or 16) from this ROM into block CL.
load_rom_font:
    mov bl, cl
    push cs
    pop es
    mov si, font_8x16
    cmp al, 16
    jne .eight
    mov cx, 256
    xor dx, dx
    jmp load_font
.eight:
    push bx
    mov si, font_8x8
    mov cx, 128
    xor dx, dx
    call load_font
    pop bx
    push cs
    pop es
    mov al, 8
    mov si, font_8x8_high
    mov cx, 128
    mov dx, 128
    jmp load_font

; INT 0x10 function 0x11, by AL. 14 lines are had by 16.
video_font:
    cmp al, 0x30
    je font_information
    cmp al, 0x20
    jae font_graphics
    mov ah, al
    and al, 0x0f
    jz .user
    cmp al, 3
    je .blocks
    cmp al, 4
    ja .done
    cmp al, 2
    mov al, 16
    jne .rom
    mov al, 8
.rom:
    mov cl, bl
    push ax
    call load_rom_font
    pop ax
    jmp .recalculate
.user:
    mov es, [bp + r_es]
    mov si, [bp + r_ebp]
    mov al, bh
    cmp al, 32
    ja .done
    push ax
    call load_font
    pop ax
.recalculate:                           ; functions 0x10 and up fit the screen to the new height
    test ah, 0x10
    jnz font_set_height
.done:
    ret
.blocks:
    mov dx, 0x3c4
    mov al, 3
    mov ah, bl
    out dx, ax
    ret

; Characters of AL lines on the 400 lines of a text mode.
font_set_height:
    call mode_kind
    jnz .done
    xor ah, ah
    mov [bda_char_height], ax
    mov bl, al
    mov dx, [bda_crtc]
    mov al, 9
    out dx, al
    inc dx
    in al, dx
    and al, 0xe0
    mov ah, bl
    dec ah
    or al, ah
    out dx, al
    mov ax, 400
    div bl
    mov bh, al                          ; rows
    dec al
    mov [bda_rows], al
    mov al, bh
    mul bl
    dec ax
    mov cl, al
    mov al, 0x12                        ; last line shown
    mov ah, cl
    call write_crtc
    mov al, bh
    mul byte [bda_columns]
    shl ax, 1
    add ax, 0xff
    xor al, al
    mov [bda_page_size], ax
    mov cx, 0x0607
    cmp bl, 8
    ja .cursor
    mov cx, 0x0607
.cursor:
    jmp video_cursor_shape
.done:
    ret

; Fonts for graphics modes: INT 0x1F and INT 0x43.
font_graphics:
    cmp al, 0x24
    ja .done
    xor cx, cx
    mov es, cx
    cmp al, 0x21
    jb .upper
    je .user
    mov si, font_8x16
    mov bh, 16
    cmp al, 0x23
    jne .rom
    mov si, font_8x8
    mov bh, 8
.rom:
    call set_font_vector
    jmp .rows
.upper:
    mov ax, [bp + r_ebp]
    mov [es:0x1f * 4], ax
    mov ax, [bp + r_es]
    mov [es:0x1f * 4 + 2], ax
    ret
.user:
    mov ax, [bp + r_ebp]
    mov [es:0x43 * 4], ax
    mov ax, [bp + r_es]
    mov [es:0x43 * 4 + 2], ax
    mov bh, [bp + r_cl]
.rows:
    mov [bda_char_height], bh
    movzx si, byte [bp + r_bl]          ; 0: DL rows, else 14, 25, 43
    mov al, [bp + r_dl]
    test si, si
    jz .have
    cmp si, 3
    ja .done
    mov al, [cs:.counts + si - 1]
.have:
    dec al
    mov [bda_rows], al
.done:
    ret
.counts:
    db 14, 25, 43

; ES:BP: the font that BH names, CX: bytes of a character on the screen, DL: rows less one.
font_information:
    mov ax, [bda_char_height]
    mov [bp + r_ecx], ax
    mov al, [bda_rows]
    mov [bp + r_dl], al
    xor ax, ax
    mov es, ax
    cmp bh, 1
    jb .upper
    je .current
    cmp bh, 7
    ja .done
    movzx si, bh
    shl si, 1
    mov ax, [cs:.fonts + si - 4]
    mov [bp + r_ebp], ax
    mov word [bp + r_es], ROM
.done:
    ret
.upper:
    mov eax, [es:0x1f * 4]
    jmp .pointer
.current:
    mov eax, [es:0x43 * 4]
.pointer:
    mov [bp + r_ebp], ax
    shr eax, 16
    mov [bp + r_es], ax
    ret
.fonts:
    dw font_8x16, font_8x8, font_8x8_high, font_8x16, font_8x16, font_8x16
