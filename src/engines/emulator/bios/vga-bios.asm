; The video part of the BIOS as an adapter's ROM at C000:0000, for a machine that runs another BIOS: INT 0x10 alone.
; The last byte is left for the checksum, which whoever puts the ROM in place fills in (option-rom.ts).

    bits 16
    cpu 386
    org 0

%define ROM 0xc000
%include "common.inc"

ROM_SIZE            equ 0x4000

    db 0x55, 0xaa, ROM_SIZE / 512
    jmp initialize

; Called by the BIOS once, far.
initialize:
    push ds
    push es
    pushad
    cld
    push word 0
    pop es
    mov word [es:0x10 * 4], int_video
    mov [es:0x10 * 4 + 2], cs
    mov word [es:0x1f * 4], font_8x8_high
    mov [es:0x1f * 4 + 2], cs
    push word BDA
    pop ds
    and byte [bda_equipment], 0xcf
    or byte [bda_equipment], 0x20       ; 80 columns in colour
    call start_video
    popad
    pop es
    pop ds
    retf

; The serial line is the other BIOS's.
mirror_character:
    ret

%include "video.asm"
%include "video-modes.asm"
%include "video-text.asm"
%include "video-graphics.asm"
%include "video-palette.asm"
%include "video-font.asm"

font_8x16:
%include "font8x16.inc"
font_8x8:
%include "font8x8-low.inc"
font_8x8_high:
%include "font8x8-high.inc"

    at_offset ROM_SIZE
