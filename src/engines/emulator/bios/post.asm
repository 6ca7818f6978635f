; Power-on self test: from reset to the boot loader.

power_on:
    cli
    cld
    xor ax, ax
    mov al, 0x8f                        ; CMOS shutdown status, NMI off
    out 0x70, al
    in al, 0x71
    mov bl, al
    out_byte 0x70, 0x8f
    out_byte 0x71, 0
    ; A program that left protected mode by reset goes on where it asked to.
    cmp bl, 0x05
    je .resume_with_eoi
    cmp bl, 0x0a
    je .resume
    jmp .cold

.resume_with_eoi:
    out_byte 0xa0, 0x20
    out 0x20, al
.resume:
    push word BDA
    pop ds
    jmp far [bda_resume]

.cold:
    xor ax, ax
    mov ss, ax
    mov sp, 0x7c00
    out_byte 0x80, 0x01                 ; POST codes: 1 start, 2 vectors, 3 devices, 4 screen, 5 adapters, 6 disk, 7 boot
    call clear_data_areas
    out_byte 0x80, 0x02
    call set_vectors
    out_byte 0x80, 0x03
    call start_interrupt_controllers
    call start_timer
    call start_clock
    call start_serial
    call start_keyboard
    out_byte 0x80, 0x04
    call start_video
    out_byte 0x80, 0x05
    call start_adapters
    call start_processors
    sti
    out_byte 0x80, 0x06
    call start_disk
    out_byte 0x80, 0x07
    int 0x19
    int 0x18

; Zeroes the BIOS data area (all but the reset flag) and the EBDA, and describes memory and equipment.
clear_data_areas:
    push word BDA
    pop es
    mov dx, [es:bda_reset_flag]
    xor di, di
    mov cx, 0x100 / 2
    xor ax, ax
    rep stosw
    mov [es:bda_reset_flag], dx
    push word EBDA
    pop es
    xor di, di
    mov cx, 0x400 / 2
    rep stosw
    mov byte [es:ebda_size], 1
    mov al, 0x40                        ; bit 0 of CMOS byte 0x40: text output to COM1 too
    call read_cmos
    and al, 1
    mov [es:ebda_mirror], al
    push word BDA
    pop ds
    mov word [bda_ebda], EBDA
    mov word [bda_memory], 639
    mov al, 0x14
    call read_cmos
    and ax, 0x0006                      ; coprocessor and mouse as the set-up byte says
    or ax, 0x0020                       ; 80 columns in colour
    mov [bda_equipment], ax
    ret

; Fills the interrupt vector table: INT n to a dummy, hardware interrupts to handlers that end them, services to theirs.
set_vectors:
    xor ax, ax
    mov es, ax
    xor di, di
    mov cx, 0x78
.dummy:
    mov ax, int_return
    stosw
    mov ax, ROM
    stosw
    loop .dummy
    xor ax, ax                          ; 0x78 to 0xff: nothing there
    mov cx, (0x100 - 0x78) * 2
    rep stosw
    mov di, 0x08 * 4
    mov ax, irq_master
    mov cx, 8
    call .fill
    mov di, 0x70 * 4
    mov ax, irq_slave
    mov cx, 8
    call .fill
    mov si, service_vectors
.next:
    cs lodsw
    cmp ax, 0xffff
    je .pointers
    mov di, ax
    cs lodsw
    mov [es:di], ax
    jmp .next
.pointers:
    mov dword [es:0x1d * 4], 0          ; no 6845 parameters
    mov word [es:0x46 * 4], 0
    mov word [es:0x46 * 4 + 2], 0
    mov word [es:0x41 * 4], ebda_disk_table
    mov word [es:0x41 * 4 + 2], EBDA
    ret
.fill:
    mov [es:di], ax
    mov word [es:di + 2], ROM
    add di, 4
    loop .fill
    ret

; Vector times four, offset in this segment.
service_vectors:
    dw 0x08 * 4, irq_timer
    dw 0x09 * 4, irq_keyboard
    dw 0x10 * 4, int_video
    dw 0x11 * 4, int_equipment
    dw 0x12 * 4, int_memory
    dw 0x13 * 4, int_disk
    dw 0x14 * 4, int_serial
    dw 0x15 * 4, int_system
    dw 0x16 * 4, int_keyboard
    dw 0x17 * 4, int_printer
    dw 0x18 * 4, int_no_boot
    dw 0x19 * 4, int_boot
    dw 0x1a * 4, int_time
    dw 0x1e * 4, floppy_parameters
    dw 0x1f * 4, font_8x8_high
    dw 0x70 * 4, irq_clock
    dw 0xffff

; Vectors 8 to 15 and 0x70 to 0x77; open are the timer, the keyboard, the cascade and the disk.
start_interrupt_controllers:
    out_byte 0x20, 0x11
    out 0xa0, al
    out_byte 0x21, 0x08
    out_byte 0xa1, 0x70
    out_byte 0x21, 0x04
    out_byte 0xa1, 0x02
    out_byte 0x21, 0x01
    out 0xa1, al
    out_byte 0x21, 0xb8
    out_byte 0xa1, 0xbf
    ret

; Calls the initialization entry of each adapter's ROM between C000:0000 and E000:0000.
start_adapters:
    mov dx, 0xc000
.next:
    mov es, dx
    cmp word [es:0], 0xaa55
    jne .step
    movzx ecx, byte [es:2]              ; length in units of 512 bytes
    test cl, cl
    jz .step
    cmp cl, 0x80
    ja .step
    mov bx, cx
    shl ecx, 9
    xor esi, esi
    xor al, al
.sum:
    add al, [es:esi]
    inc esi
    cmp esi, ecx
    jb .sum
    test al, al
    jnz .step
    push bx
    push dx
    push ds
    push cs
    push word .back
    push dx
    push word 3
    retf
.back:
    pop ds
    pop dx
    pop bx
    add bx, 3                           ; on to the next multiple of 2 KiB
    shr bx, 2
    shl bx, 7
    add dx, bx
    jmp .more
.step:
    add dx, 0x80
.more:
    cmp dx, 0xe000
    jb .next
    ret
