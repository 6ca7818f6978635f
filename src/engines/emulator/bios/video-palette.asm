; Colours: the DAC's contents for each mode, and INT 0x10 function 0x10.

; Sets AL (register) to AH through the attribute controller, screen on. Keeps BX, CX, SI and DI.
write_attribute:
    push ax
    mov dx, 0x3da
    in al, dx
    pop ax
    mov dx, 0x3c0
    out dx, al
    mov al, ah
    out dx, al
    mov al, 0x20
    out dx, al
    ret

; Register AL of the attribute controller to AL.
read_attribute:
    push ax
    mov dx, 0x3da
    in al, dx
    pop ax
    mov dx, 0x3c0
    or al, 0x20
    out dx, al
    inc dx
    in al, dx
    push ax
    mov dx, 0x3da
    in al, dx
    mov dx, 0x3c0
    mov al, 0x20
    out dx, al
    mov dx, 0x3da
    in al, dx
    pop ax
    ret

; Fills the DAC. DI: kind of palette.
load_palette:
    mov dx, 0x3c8
    xor al, al
    out dx, al
    inc dx
    cmp di, PALETTE_16
    jb .ega
    je .cga
    jmp load_256_colours
; 64 colours: bits 5 to 3 are a third, bits 2 to 0 two thirds of red, green and blue.
.ega:
    xor bx, bx
.ega_colour:
    mov cl, 2
.ega_part:
    mov ax, bx
    shr al, cl
    xor ah, ah
    test al, 0x01
    jz .no_high
    mov ah, 0x2a
.no_high:
    test al, 0x08
    jz .no_low
    add ah, 0x15
.no_low:
    mov al, ah
    out dx, al
    dec cl
    jns .ega_part
    inc bx
    cmp bx, 64
    jb .ega_colour
    jmp .rest
; Bits 2 to 0: red, green, blue; bit 4: bright. Dark yellow is brown.
.cga:
    xor bx, bx
.cga_colour:
    mov al, bl
    and al, 0x07
    test bl, 0x10
    jz .dark
    or al, 0x08
.dark:
    call .sixteen
    inc bx
    cmp bx, 64
    jb .cga_colour
.rest:
    mov cx, (256 - 64) * 3              ; black
    xor al, al
.black:
    out dx, al
    loop .black
    ret

; The colour AL of sixteen.
.sixteen:
    mov ah, al
    cmp al, 6
    jne .not_brown
    mov al, 0x2a
    out dx, al
    mov al, 0x15
    out dx, al
    xor al, al
    out dx, al
    ret
.not_brown:
    mov cl, 2
.part:
    mov al, ah
    shr al, cl
    and al, 0x01
    jz .zero
    mov al, 0x2a
.zero:
    test ah, 0x08
    jz .out
    add al, 0x15
.out:
    out dx, al
    dec cl
    jns .part
    ret

; Sixteen colours, sixteen greys, three brightnesses of three saturations of 24 hues, eight times black.
load_256_colours:
    xor bx, bx
.first:
    mov al, bl
    call load_palette.sixteen
    inc bx
    cmp bx, 16
    jb .first
    mov si, .greys
    mov cx, 16
.grey:
    cs lodsb
    out dx, al
    out dx, al
    out dx, al
    loop .grey
    mov si, .levels
.saturation:
    mov di, .hues
.hue:
    movzx bx, byte [cs:di]
    mov al, [cs:si + bx]
    out dx, al
    movzx bx, byte [cs:di + 1]
    mov al, [cs:si + bx]
    out dx, al
    movzx bx, byte [cs:di + 2]
    mov al, [cs:si + bx]
    out dx, al
    add di, 3
    cmp di, .hues_end
    jb .hue
    add si, 5
    cmp si, .levels_end
    jb .saturation
    mov cx, 8 * 3
    xor al, al
.black:
    out dx, al
    loop .black
    ret
.greys:
    db 0x00, 0x05, 0x08, 0x0b, 0x0e, 0x11, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x28, 0x2d, 0x32, 0x38, 0x3f
; Five levels from the least to the most of a component.
.levels:
    db 0, 16, 31, 47, 63
    db 31, 39, 47, 55, 63
    db 45, 49, 54, 58, 63
    db 0, 7, 14, 21, 28
    db 14, 17, 21, 24, 28
    db 20, 22, 24, 26, 28
    db 0, 4, 8, 12, 16
    db 8, 10, 12, 14, 16
    db 11, 12, 13, 15, 16
.levels_end:
; Levels of red, green and blue, once round from blue.
.hues:
    db 0, 0, 4,  1, 0, 4,  2, 0, 4,  3, 0, 4
    db 4, 0, 4,  4, 0, 3,  4, 0, 2,  4, 0, 1
    db 4, 0, 0,  4, 1, 0,  4, 2, 0,  4, 3, 0
    db 4, 4, 0,  3, 4, 0,  2, 4, 0,  1, 4, 0
    db 0, 4, 0,  0, 4, 1,  0, 4, 2,  0, 4, 3
    db 0, 4, 4,  0, 3, 4,  0, 2, 4,  0, 1, 4
.hues_end:

; INT 0x10 function 0x10, by AL.
video_palette:
    mov si, .functions
.next:
    cmp al, [cs:si]
    je .found
    add si, 3
    cmp si, .end
    jb .next
    ret
.found:
    jmp [cs:si + 1]
.functions:
    db 0x00
    dw palette_set
    db 0x01
    dw palette_border
    db 0x02
    dw palette_set_all
    db 0x03
    dw palette_blink
    db 0x07
    dw palette_get
    db 0x08
    dw palette_get_border
    db 0x09
    dw palette_get_all
    db 0x10
    dw dac_set
    db 0x12
    dw dac_set_block
    db 0x13
    dw dac_paging
    db 0x15
    dw dac_get
    db 0x17
    dw dac_get_block
    db 0x1a
    dw dac_get_paging
    db 0x1b
    dw dac_grey
.end:

palette_set:
    cmp bl, 0x14
    ja palette_done
    mov al, bl
    mov ah, bh
    jmp write_attribute
palette_border:
    mov al, 0x11
    mov ah, bh
    jmp write_attribute
palette_done:
    ret

; 17 bytes at ES:DX of the caller.
palette_set_all:
    mov es, [bp + r_es]
    mov si, dx
    xor bl, bl
.next:
    mov ah, [es:si]
    inc si
    mov al, bl
    cmp al, 0x10
    jb .write
    mov al, 0x11
.write:
    call write_attribute
    inc bl
    cmp bl, 0x11
    jb .next
    ret

palette_blink:
    mov al, 0x10
    call read_attribute
    and al, 0xf7
    and bl, 0x01
    shl bl, 3
    or al, bl
    mov ah, al
    mov al, 0x10
    jmp write_attribute

palette_get:
    mov al, bl
    call read_attribute
    mov [bp + r_bh], al
    ret
palette_get_border:
    mov al, 0x11
    call read_attribute
    mov [bp + r_bh], al
    ret
palette_get_all:
    mov es, [bp + r_es]
    mov di, dx
    xor bl, bl
.next:
    mov al, bl
    cmp al, 0x10
    jb .read
    mov al, 0x11
.read:
    call read_attribute
    stosb
    inc bl
    cmp bl, 0x11
    jb .next
    ret

; Colour BX from DH, CH, CL.
dac_set:
    mov ah, dh
    mov dx, 0x3c8
    mov al, bl
    out dx, al
    inc dx
    mov al, ah
    out dx, al
    mov al, ch
    out dx, al
    mov al, cl
    out dx, al
    ret

; CX colours from BX, from ES:DX of the caller.
dac_set_block:
    mov es, [bp + r_es]
    mov si, dx
    mov dx, 0x3c8
    mov al, bl
    out dx, al
    inc dx
    imul cx, cx, 3
    jcxz .done
.next:
    mov al, [es:si]
    inc si
    out dx, al
    loop .next
.done:
    ret

dac_get:
    mov dx, 0x3c7
    mov al, bl
    out dx, al
    mov dx, 0x3c9
    in al, dx
    mov [bp + r_dh], al
    in al, dx
    mov [bp + r_ch], al
    in al, dx
    mov [bp + r_cl], al
    ret

dac_get_block:
    mov es, [bp + r_es]
    mov di, dx
    mov dx, 0x3c7
    mov al, bl
    out dx, al
    mov dx, 0x3c9
    imul cx, cx, 3
    jcxz .done
.next:
    in al, dx
    stosb
    loop .next
.done:
    ret

; BL = 0: BH = 0 four pages of 64 colours, 1 sixteen of 16; BL = 1: BH is the page.
dac_paging:
    push bx
    mov al, 0x10
    call read_attribute
    pop bx
    test bl, bl
    jnz .page
    and al, 0x7f
    and bh, 0x01
    shl bh, 7
    or al, bh
    mov ah, al
    mov al, 0x10
    jmp write_attribute
.page:
    test al, 0x80
    jnz .sixteen
    shl bh, 2
.sixteen:
    mov ah, bh
    and ah, 0x0f
    mov al, 0x14
    jmp write_attribute

dac_get_paging:
    mov al, 0x10
    call read_attribute
    mov bl, al
    shr bl, 7
    mov al, 0x14
    call read_attribute
    test bl, bl
    jnz .sixteen
    shr al, 2
.sixteen:
    mov bh, al
    mov [bp + r_ebx], bx
    ret

; CX colours from BX to greys: 30 % red, 59 % green, 11 % blue.
dac_grey:
    jcxz .done
.next:
    mov dx, 0x3c7
    mov al, bl
    out dx, al
    mov dx, 0x3c9
    in al, dx
    mov ah, 77
    mul ah
    mov si, ax
    in al, dx
    mov ah, 151
    mul ah
    add si, ax
    in al, dx
    mov ah, 28
    mul ah
    add si, ax
    add si, 128
    shr si, 8
    mov dx, 0x3c8
    mov al, bl
    out dx, al
    inc dx
    mov ax, si
    out dx, al
    out dx, al
    out dx, al
    inc bl
    loop .next
.done:
    ret
