; Characters on the screen: one interface over text and graphics modes.

; ZF set in a text mode. Keeps all registers.
mode_kind:
    cmp byte [bda_video_mode], 3
    jbe .text
    cmp byte [bda_video_mode], 7
    ret
.text:
    cmp al, al
    ret

; ES:DI: the cell at DH, DL of page BH in a text mode. Destroys AX.
cell_address:
    push bx
    push dx
    mov ax, TEXT_SEGMENT
    mov es, ax
    movzx ax, bh
    mul word [bda_page_size]
    mov di, ax
    pop dx
    mov al, dh
    mul byte [bda_columns]
    add al, dl
    adc ah, 0
    shl ax, 1
    add di, ax
    pop bx
    ret

; AL, CX times from the cursor of page BH. BL: attribute or colour.
video_write_cell:
    mov ah, 1
    jmp video_put
video_write_character:
    mov ah, 0
video_put:
    and bh, 7
    movzx si, bh
    shl si, 1
    mov dx, [bda_cursor + si]
; AL, CX times from DH, DL of page BH; AH = 0 leaves attributes as they are. BL: attribute or colour.
put_cells:
    jcxz .done
    call mode_kind
    jnz draw_characters
    push ax
    call cell_address
    pop ax
    test ah, ah
    mov ah, bl
    jz .characters
    rep stosw
.done:
    ret
.characters:
    stosb
    inc di
    loop .characters
    ret

; AH, AL: attribute and character at the cursor of page BH.
video_read_cell:
    and bh, 7
    movzx si, bh
    shl si, 1
    mov dx, [bda_cursor + si]
    call mode_kind
    jnz recognize_character
    call cell_address
    mov ax, [es:di]
    mov [bp + r_eax], ax
    ret

; AL lines (0: all) of the window CH, CL to DH, DL; BH: attribute of new lines.
video_scroll_up:
    mov bl, 0
    jmp video_scroll
video_scroll_down:
    mov bl, 1
video_scroll:
    mov ah, [bda_page]
; BL = 0 up, 1 down; page AH.
scroll_window:
    cmp dh, [bda_rows]
    jbe .rows
    mov dh, [bda_rows]
.rows:
    cmp dl, [bda_columns]
    jb .columns
    mov dl, [bda_columns]
    dec dl
.columns:
    cmp ch, dh
    ja .done
    cmp cl, dl
    ja .done
    movzx si, ah                        ; page
    mov ah, dh                          ; lines in the window
    sub ah, ch
    inc ah
    test al, al
    jz .all
    cmp al, ah
    jb .some
.all:
    mov al, ah
.some:
    call mode_kind
    jnz scroll_graphics
    push ds
    pusha
    mov bp, sp
    ; [bp + 14] AX: lines, [bp + 8] BX, [bp + 12] CX, [bp + 10] DX, [bp + 2] SI: page
    mov bh, [bp + 2]
    mov dx, cx                          ; top left
    cmp bl, 0
    je .first
    mov dh, [bp + 11]                   ; bottom left
.first:
    call cell_address
    movzx ax, byte [bda_columns]
    shl ax, 1                           ; bytes a row, in the direction of the scroll
    cmp bl, 0
    je .up
    neg ax
.up:
    mov dx, ax                          ; up: from low rows to high ones
    mov al, [bp + 14]
    movzx si, al
    imul si, dx
    add si, di                          ; from
    mov al, [bp + 11]
    sub al, [bp + 13]
    inc al
    sub al, [bp + 14]                   ; rows to move
    movzx bx, byte [bp + 10]
    movzx cx, byte [bp + 12]
    sub bx, cx
    inc bx                              ; cells a row
    push es
    pop ds
.move:
    test al, al
    jz .blank
    push si
    push di
    mov cx, bx
    rep movsw
    pop di
    pop si
    add si, dx
    add di, dx
    dec al
    jmp .move
.blank:
    mov al, [bp + 14]
.line:
    push ax
    push di
    mov cx, bx
    mov ah, [bp + 9]
    mov al, ' '
    rep stosw
    pop di
    pop ax
    add di, dx
    dec al
    jnz .line
    popa
    pop ds
.done:
    ret
