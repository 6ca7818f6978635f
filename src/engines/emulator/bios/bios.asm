; The BIOS of the emulated PC: 64 KiB at F000:0000, entered at F000:FFF0.
;
; It serves a machine without PCI: 8259 interrupt controllers, 8254 timer, MC146818 clock, 8042 keyboard controller,
; 16550 serial ports, VGA, one ATA disk by programmed I/O. Its interface is that of the IBM PC/AT and PS/2 BIOS
; ("IBM Personal System/2 and Personal Computer BIOS Interface Technical Reference") with the disk extensions of the
; "BIOS Enhanced Disk Drive Specification" and the memory map call of the ACPI specification, "System Address Map Interfaces".
;
; It runs from read-only memory: everything that changes lives in the BIOS data area and in its extension at 9FC0:0000.

    bits 16
    cpu 386
    org 0

%include "common.inc"
%include "post.asm"
%include "processors.asm"
%include "interrupts.asm"
%include "boot.asm"
%include "cmos.asm"
%include "time.asm"
%include "keyboard.asm"
%include "keymap.asm"
%include "serial.asm"
%include "system.asm"
%include "memory-map.asm"
%include "disk.asm"
%include "disk-extensions.asm"
%include "ata.asm"
%include "video.asm"
%include "video-modes.asm"
%include "video-text.asm"
%include "video-graphics.asm"
%include "video-palette.asm"
%include "video-font.asm"

font_8x16:
%include "font8x16.inc"
font_8x8_high:
%include "font8x8-high.inc"

; ---- fixed places: programs jump to or read these without asking
    at_offset 0xe05b
    jmp power_on

    at_offset 0xefc7
floppy_parameters:
    db 0xaf, 0x02, 0x25, 0x02, 0x12, 0x1b, 0xff, 0x6c, 0xf6, 0x0f, 0x08

; The MultiProcessor floating pointer, where systems look for it at multiples of 16. The machine puts the table itself at E000:0100.
mp_table            equ 0xe0100
    at_offset 0xefe0
mp_pointer:
    db '_MP_'
    dd mp_table
    db 1, 4                             ; length in units of 16, version 1.4
    db (0 - ('_' + 'M' + 'P' + '_' + (mp_table & 0xff) + ((mp_table >> 8) & 0xff) + (mp_table >> 16) + 1 + 4)) & 0xff
    db 0, 0, 0, 0, 0                    ; a configuration table; virtual-wire mode

    at_offset 0xfa6e
font_8x8:
%include "font8x8-low.inc"

    at_offset 0xff53
int_return:
    iret

    at_offset 0xfff0
    jmp ROM:power_on
    db '01/01/26'
    at_offset 0xfffe
    db 0xfc                             ; model: PC/AT
    db 0
