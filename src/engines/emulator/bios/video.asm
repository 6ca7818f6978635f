; INT 0x10: the dispatcher and what does not depend on the kind of mode.

VIDEO_FUNCTIONS     equ 0x1b
TEXT_SEGMENT        equ 0xb800
GRAPHICS_SEGMENT    equ 0xa000

int_video:
    enter_service
    movzx si, ah
    cmp si, VIDEO_FUNCTIONS
    jae .done
    shl si, 1
    call [cs:.functions + si]           ; DS data area; AX, BX, CX, DX the caller's
.done:
    leave_service
.functions:
    dw video_set_mode, video_cursor_shape, video_set_cursor, video_get_cursor
    dw video_light_pen, video_select_page, video_scroll_up, video_scroll_down
    dw video_read_cell, video_write_cell, video_write_character, video_cga_palette
    dw video_write_pixel, video_read_pixel, video_teletype, video_get_mode
    dw video_palette, video_font, video_alternate, video_write_string
    dw video_nothing, video_nothing, video_nothing, video_nothing
    dw video_nothing, video_nothing, video_display_code

; Calls the initialization of the screen: VGA in mode 3.
start_video:
    mov dx, 0x3c3                       ; wake the adapter up, colour addresses
    out_byte dx, 0x01
    mov word [bda_crtc], 0x3d4
    mov byte [bda_ega_info], 0x60       ; 256 KiB
    mov byte [bda_ega_switches], 0xf9
    mov byte [bda_vga_flags], 0x51
    mov byte [bda_display], 0x08
    mov ax, 0x0003
    int 0x10
    ret

video_nothing:
    ret

video_light_pen:
    mov byte [bp + r_ah], 0
    ret

; AL mode, AH columns, BH page.
video_get_mode:
    mov al, [bda_ega_info]
    and al, 0x80
    or al, [bda_video_mode]
    mov ah, [bda_columns]
    mov [bp + r_eax], ax
    mov al, [bda_page]
    mov [bp + r_bh], al
    ret

; AL = 0: which adapter. BL = 8: VGA with a colour display.
video_display_code:
    cmp al, 0
    jne .set
    mov byte [bp + r_al], 0x1a
    mov bl, [bda_display]
    xor bh, bh
    mov [bp + r_ebx], bx
    ret
.set:
    cmp al, 1
    jne .done
    mov byte [bp + r_al], 0x1a
    mov [bda_display], bl
.done:
    ret

; INT 0x10 function 0x12: BL selects.
video_alternate:
    cmp bl, 0x10
    je .information
    cmp bl, 0x30
    jb .done
    cmp bl, 0x36
    ja .done
    mov byte [bp + r_al], 0x12
    cmp bl, 0x36
    je .refresh
    cmp bl, 0x31
    je .palette_loading
.done:
    ret
.information:
    mov word [bp + r_ebx], 0x0003       ; colour, 256 KiB
    mov word [bp + r_ecx], 0x0009
    ret
.palette_loading:
    and byte [bda_vga_flags], ~0x08 & 0xff
    test al, al
    jz .done
    or byte [bda_vga_flags], 0x08
    ret
.refresh:                               ; AL = 1 turns the screen off
    mov dx, 0x3c4
    mov ah, al
    mov al, 1
    out dx, al
    inc dx
    in al, dx
    and al, 0xdf
    and ah, 1
    shl ah, 5
    or al, ah
    out dx, al
    ret

; CH, CL: first and last scan line of the cursor. Shapes for eight lines are stretched, as on all VGAs.
video_cursor_shape:
    mov [bda_cursor_shape], cx
    call stretch_cursor
    mov ah, ch
    mov al, 0x0a
    call write_crtc
    mov ah, cl
    mov al, 0x0b
    jmp write_crtc

stretch_cursor:
    test byte [bda_vga_flags], 0x01     ; VGA
    jz .done
    mov dl, [bda_char_height]
    cmp dl, 8
    jbe .done
    test ch, 0x20
    jnz .done
    mov al, ch
    or al, cl
    cmp al, 8
    jae .done
    cmp ch, cl
    ja .done
    mov al, cl                          ; a line at the bottom stays one, a block stays a block
    sub al, ch
    cmp al, 1
    ja .block
    mov cl, dl
    sub cl, 2
    mov ch, cl
    sub ch, al
    ret
.block:
    mov al, ch
    mul dl
    shr ax, 3
    mov ch, al
    mov cl, dl
    dec cl
.done:
    ret

; AH to CRT controller register AL.
write_crtc:
    push dx
    mov dx, [bda_crtc]
    out dx, ax
    pop dx
    ret

; Cursor of page BH to DL, DH.
video_set_cursor:
    and bh, 7
    movzx si, bh
    shl si, 1
    mov [bda_cursor + si], dx
    cmp bh, [bda_page]
    jne .done
    call show_cursor
.done:
    ret

video_get_cursor:
    and bh, 7
    movzx si, bh
    shl si, 1
    mov ax, [bda_cursor + si]
    mov [bp + r_edx], ax
    mov ax, [bda_cursor_shape]
    mov [bp + r_ecx], ax
    ret

; Moves the hardware cursor to that of the page shown. Keeps all registers.
show_cursor:
    pusha
    movzx si, byte [bda_page]
    mov ax, [bda_page_size]
    shr ax, 1
    mul si
    mov bx, ax
    shl si, 1
    mov dx, [bda_cursor + si]
    mov al, dh
    mul byte [bda_columns]
    add bx, ax
    xor dh, dh
    add bx, dx
    mov ah, bh
    mov al, 0x0e
    call write_crtc
    mov ah, bl
    mov al, 0x0f
    call write_crtc
    popa
    ret

; Shows page AL.
video_select_page:
    cmp al, 8
    jae .done
    mov [bda_page], al
    movzx cx, al
    mov ax, [bda_page_size]
    mul cx
    mov [bda_page_start], ax
    mov bx, ax
    call mode_kind                      ; the start counts characters in text modes
    jnz .bytes
    shr bx, 1
.bytes:
    mov ah, bh
    mov al, 0x0c
    call write_crtc
    mov ah, bl
    mov al, 0x0d
    call write_crtc
    call show_cursor
.done:
    ret

; BH = 0: background BL (bits 3:0) and border.
video_cga_palette:
    test bh, bh
    jnz .done
    mov bh, bl
    mov al, 0x01
    jmp palette_border
.done:
    ret

; Writes AL as on a terminal: bell, backspace, line feed and return move the cursor. BL: colour in graphics modes.
video_teletype:
    call mirror_character
    mov bh, [bda_page]
; AL on page BH
teletype_page:
    movzx si, bh
    and si, 7
    shl si, 1
    mov dx, [bda_cursor + si]
    cmp al, 0x0d
    ja .visible
    je .return
    cmp al, 0x0a
    je .feed
    cmp al, 0x08
    je .back
    cmp al, 0x07
    je .done                            ; no bell: nobody would hear it
.visible:
    mov cx, 1
    push bx
    push si
    push dx
    mov ah, 0                           ; keep the attribute
    call put_cells
    pop dx
    pop si
    pop bx
    inc dl
    cmp dl, [bda_columns]
    jb .move
    xor dl, dl
.feed:
    inc dh
    cmp dh, [bda_rows]
    jbe .move
    mov dh, [bda_rows]
    call scroll_one
    jmp .move
.back:
    test dl, dl
    jz .done
    dec dl
    jmp .move
.return:
    xor dl, dl
.move:
    mov [bda_cursor + si], dx
    cmp bh, [bda_page]
    jne .done
    call show_cursor
.done:
    ret

; Scrolls page BH up by a line, which takes the attribute of the cell at its start. Keeps BX, DX and SI.
scroll_one:
    push bx
    push dx
    push si
    mov bl, 0
    call mode_kind
    jnz .blank
    push dx
    xor dl, dl
    call cell_address
    pop dx
    mov bl, [es:di + 1]
.blank:
    mov al, 1
    mov ah, bh                          ; page
    mov bh, bl
    xor cx, cx
    mov dh, [bda_rows]
    mov dl, [bda_columns]
    dec dl
    mov bl, 0                           ; up
    call scroll_window
    pop si
    pop dx
    pop bx
    ret

; String ES:BP of the caller, CX characters at DH, DL of page BH. AL bit 0: the cursor follows, bit 1: attributes between.
video_write_string:
    test cx, cx
    jz .done
    and bh, 7
    movzx si, bh
    shl si, 1
    push word [bda_cursor + si]
    push si
    mov [bda_cursor + si], dx
    mov di, [bp + r_ebp]
.next:
    mov es, [bp + r_es]
    mov al, [es:di]
    inc di
    call mirror_character
    mov bl, [bp + r_bl]
    test byte [bp + r_al], 0x02
    jz .write
    mov bl, [es:di]
    inc di
.write:
    push cx
    push di
    push bx
    mov bh, [bp + r_bh]
    and bh, 7
    call string_character
    pop bx
    pop di
    pop cx
    loop .next
    pop si
    pop ax
    test byte [bp + r_al], 0x01
    jnz .done
    mov [bda_cursor + si], ax
    call show_cursor
.done:
    ret

; One character AL of a string with attribute BL on page BH.
string_character:
    cmp al, 0x07
    je teletype_page
    cmp al, 0x08
    je teletype_page
    cmp al, 0x0a
    je teletype_page
    cmp al, 0x0d
    je teletype_page
    movzx si, bh
    shl si, 1
    mov dx, [bda_cursor + si]
    push ax
    push bx
    mov cx, 1
    mov ah, 1                           ; with the attribute
    call put_cells
    pop bx
    pop ax
    jmp teletype_page
