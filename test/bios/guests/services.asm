; Asks the BIOS for its services and prints the answers. Loads itself: the first sector fetches the rest.
    bits 16
    cpu 386
    org 0x7c00
SECTORS             equ 12              ; after the first

    jmp 0:start
start:
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7c00
    mov [drive], dl
    mov ax, 0x0200 + SECTORS
    mov bx, 0x7e00
    mov cx, 2
    xor dh, dh
    int 0x13
    jc $
    jmp more
drive: db 0
    times 510 - ($ - $$) db 0
    dw 0xaa55

%include "print.inc"

; Calls an interrupt with AX, BX, CX, DX and prints what comes back.
%macro ask 6
    mov ax, %2
    mov bx, %3
    mov cx, %4
    mov dx, %5
    print %6
    stc
    int %1
    call print_registers
%endmacro

more:
    print {'drive '}
    mov al, [drive]
    call print_hex8
    print 10
    ask 0x11, 0, 0, 0, 0, 'int 11'
    ask 0x12, 0, 0, 0, 0, 'int 12'
    ; The disk.
    ask 0x13, 0x4100, 0x55aa, 0, 0x80, '13/41 check'
    ask 0x13, 0x0800, 0, 0, 0x80, '13/08 parameters'
    ask 0x13, 0x1500, 0, 0, 0x80, '13/15 type'
    ask 0x13, 0x1500, 0, 0, 0x81, '13/15 second drive'
    ask 0x13, 0x0800, 0, 0, 0x81, '13/08 second drive'
    ask 0x13, 0x0201, 0x9000, 0x0001, 0x00, '13/02 floppy'
    ask 0x13, 0x0201, 0x9000, 0x0000, 0x80, '13/02 sector 0'
    ask 0x13, 0x0100, 0, 0, 0x80, '13/01 status'
    ask 0x13, 0x0201, 0x9000, 0x003f, 0xff80, '13/02 head 255'
    ask 0x13, 0x0202, 0x9000, 0x0003, 0x80, '13/02 two sectors'
    call sum_9000
    ask 0x13, 0x0402, 0, 0x0003, 0x80, '13/04 verify'
    ask 0x13, 0x4200, 0, 0, 0x80, '13/42 no packet size'
    mov si, packet
    ask 0x13, 0x4200, 0, 0, 0x80, '13/42 three sectors'
    call sum_9000
    mov dword [packet + 8], 0x00ffffff
    ask 0x13, 0x4200, 0, 0, 0x80, '13/42 beyond the end'
    mov dword [packet + 8], 100
    mov si, large_packet
    ask 0x13, 0x4200, 0, 0, 0x80, '13/42 100 sectors'
    push word 0x1ff0
    pop ds
    xor dx, dx
    xor si, si
    mov cx, 100 * 256
.large:
    lodsw
    rol dx, 1
    add dx, ax
    loop .large
    push word 0
    pop ds
    print 'sum '
    mov ax, dx
    call print_hex16
    print 10
    mov si, packet
    ; Write, read back, restore.
    mov di, 0x9000
    mov cx, 3 * 256
    mov ax, 0xa55a
    rep stosw
    ask 0x13, 0x4300, 0, 0, 0x80, '13/43 write'
    mov di, 0x9000
    mov cx, 3 * 256
    xor ax, ax
    rep stosw
    ask 0x13, 0x4200, 0, 0, 0x80, '13/42 read back'
    call sum_9000
    mov word [0x9000], 26
    mov si, 0x9000
    ask 0x13, 0x4800, 0, 0, 0x80, '13/48 drive'
    print 'size '
    mov eax, [0x9010]
    call print_hex32
    print ' bytes '
    mov ax, [0x9018]
    call print_hex16
    print 10
    ask 0x13, 0x0000, 0, 0, 0x80, '13/00 reset'
    ; The memory.
    ask 0x15, 0x8800, 0, 0, 0, '15/88'
    ask 0x15, 0xe801, 0, 0, 0, '15/e801'
    ask 0x15, 0x2402, 0, 0, 0, '15/2402 A20 state'
    ask 0x15, 0x2400, 0, 0, 0, '15/2400 close'
    ask 0x15, 0x2402, 0, 0, 0, '15/2402 A20 state'
    ask 0x15, 0x2401, 0, 0, 0, '15/2401 open'
    ask 0x15, 0x2402, 0, 0, 0, '15/2402 A20 state'
    ask 0x15, 0x2403, 0, 0, 0, '15/2403 means'
    ask 0x15, 0xc100, 0, 0, 0, '15/c1'
    push ds
    pop es
    ask 0x15, 0x5300, 0, 0, 0, '15/53 no APM'
    xor ebx, ebx
.map:
    mov eax, 0xe820
    mov ecx, 20
    mov edx, 'PAMS'
    mov di, 0x9000
    int 0x15
    jc .map_end
    mov eax, [0x9004]
    call print_hex32
    mov eax, [0x9000]
    call print_hex32
    print ' + '
    mov eax, [0x900c]
    call print_hex32
    mov eax, [0x9008]
    call print_hex32
    print ' type '
    mov eax, [0x9010]
    call print_hex32
    print 10
    test ebx, ebx
    jnz .map
.map_end:
    ; A block move from 1 MiB to 0x9000 and back.
    mov di, 0x9000
    mov cx, 256
    mov ax, 0x1234
.fill:
    stosw
    inc ax
    loop .fill
    mov si, descriptors
    ask 0x15, 0x8700, 0, 256, 0, '15/87 up'
    xor ax, ax
    mov di, 0x9000
    mov cx, 256
    rep stosw
    mov word [descriptors + 0x12], 0x0000
    mov byte [descriptors + 0x14], 0x10
    mov word [descriptors + 0x1a], 0x9000
    mov byte [descriptors + 0x1c], 0x00
    ask 0x15, 0x8700, 0, 256, 0, '15/87 down'
    call sum_9000
    ; The screen.
    ask 0x10, 0x0003, 0, 0, 0, '10/00'
    ask 0x10, 0x0f00, 0, 0, 0, '10/0f'
    ask 0x10, 0x0200, 0, 0, 0x0a14, '10/02'
    ask 0x10, 0x0941, 0x001e, 3, 0, '10/09'
    ask 0x10, 0x0800, 0, 0, 0, '10/08'
    ask 0x10, 0x0300, 0, 0, 0, '10/03'
    ask 0x10, 0x0e42, 0x0007, 0, 0, '10/0e'
    ask 0x10, 0x0300, 0, 0, 0, '10/03'
    ask 0x10, 0x1a00, 0, 0, 0, '10/1a'
    ask 0x10, 0x1210, 0xff10, 0, 0, '10/12'
    mov cx, 30
.lines:
    mov ax, 0x0e0a
    mov bx, 0x0007
    int 0x10
    loop .lines
    ask 0x10, 0x0300, 0, 0, 0, '10/03'
    mov ax, 0xb800
    mov es, ax
    print 'top left '
    mov ax, [es:0]
    call print_hex16
    print 10
    push ds
    pop es
    ask 0x10, 0x0013, 0, 0, 0, '10/00 mode 13'
    ask 0x10, 0x0c2a, 0, 100, 50, '10/0c'
    ask 0x10, 0x0d00, 0, 100, 50, '10/0d'
    mov ax, 0xa000
    mov es, ax
    print 'pixel '
    mov al, [es:50 * 320 + 100]
    call print_hex8
    print 10
    push ds
    pop es
    ask 0x10, 0x1015, 0x0020, 0, 0, '10/1015 colour 32'
    ask 0x10, 0x0012, 0, 0, 0, '10/00 mode 12'
    ask 0x10, 0x0c05, 0, 639, 479, '10/0c'
    ask 0x10, 0x0d00, 0, 639, 479, '10/0d'
    ask 0x10, 0x0003, 0, 0, 0, '10/00'
    ; The keyboard's buffer.
    ask 0x16, 0x0100, 0, 0, 0, '16/01 empty'
    ask 0x16, 0x0500, 0, 0x1e61, 0, '16/05'
    ask 0x16, 0x0500, 0, 0x4800, 0, '16/05'
    ask 0x16, 0x0100, 0, 0, 0, '16/01'
    ask 0x16, 0x0000, 0, 0, 0, '16/00'
    ask 0x16, 0x1000, 0, 0, 0, '16/10'
    ask 0x16, 0x0200, 0, 0, 0, '16/02'
    ; The serial line.
    ask 0x14, 0x00e3, 0, 0, 0, '14/00'
    ask 0x14, 0x0300, 0, 0, 0, '14/03'
    ask 0x14, 0x0141, 0, 0, 0, '14/01'
    ask 0x14, 0x0300, 0, 0, 3, '14/03 no port'
    ask 0x17, 0x0200, 0, 0, 2, '17/02 no printer'
    ; Fonts and rows.
    ask 0x10, 0x1130, 0x0600, 0, 0, '10/1130'
    push ds
    pop es
    ask 0x10, 0x1112, 0, 0, 0, '10/1112'
    ask 0x10, 0x1130, 0x0300, 0, 0, '10/1130'
    push ds
    pop es
    ask 0x10, 0x0003, 0, 0, 0, '10/00'
    ask 0x10, 0x1003, 0, 0, 0, '10/1003 no blinking'
    ask 0x10, 0x1007, 0x0006, 0, 0, '10/1007'
    ask 0x10, 0x101a, 0, 0, 0, '10/101a'
    ; Time.
    ask 0x15, 0x8600, 0, 0, 1000, '15/86'
    ask 0x1a, 0x0100, 0, 0x0012, 0x3456, '1a/01'
    mov ah, 0
    int 0x1a
    sub dx, 0x3456
    cmp dx, 40
    print 'ticks '
    mov ax, cx
    call print_hex16
    mov al, '+'
    jb .near
    mov al, '?'
.near:
    call print_char
    print 10
    ask 0x1a, 0x0500, 0, 0x2024, 0x0229, '1a/05'
    ask 0x1a, 0x0400, 0, 0, 0, '1a/04'
    ask 0x1a, 0xb101, 0, 0, 0, '1a/b101 no PCI'
    ; A tick comes by itself.
    sti
    mov ax, 0x40
    mov es, ax
    mov al, [es:0x6c]
.tick:
    hlt
    cmp al, [es:0x6c]
    je .tick
    print {'tick', 10}
    mov al, 0
    out 0xf4, al
    cli
    hlt

; Sum of the words at 0x9000, three sectors.
sum_9000:
    push ds
    push es
    pop ds
    mov si, 0x9000
    mov cx, 3 * 256
    xor dx, dx
.next:
    lodsw
    rol dx, 1
    add dx, ax
    loop .next
    print 'sum '
    mov ax, dx
    call print_hex16
    print 10
    pop ds
    mov si, packet
    ret

packet:
    db 16, 0
    dw 3
    dw 0x9000, 0
    dq 100

large_packet:                           ; across a boundary of 64 KiB
    db 16, 0
    dw 100
    dw 0x0100, 0x1fe0
    dq 50

descriptors:
    times 16 db 0
    dw 0xffff, 0x9000, 0x9300, 0
    dw 0xffff, 0x0000, 0x9310, 0
    times 16 db 0
    times SECTORS * 512 + 512 - ($ - $$) db 0
