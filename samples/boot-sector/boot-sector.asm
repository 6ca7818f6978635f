; The smallest guest there is: 512 bytes that the BIOS loads at 0000:7C00 and jumps to, in real mode.
;
; Press F5. Step with F11 into INT 0x10 and watch the Rings panel: real mode has no rings, every instruction may do
; anything. README.md beside this file says what else to look at.

    bits 16
    org 0x7c00

start:
    cli                         ; no interrupts while SS and SP disagree
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7c00
    sti

    mov si, greeting
    call print

    mov cx, 5                   ; count the timer's ticks: INT 0x1A, function 0 reads the counter
.wait:
    call next_tick
    mov al, '.'
    call put
    loop .wait

    mov si, farewell
    call print
    cli
.halt:
    hlt
    jmp .halt

; Waits until the BIOS's tick counter moves. Clobbers AX, DX.
next_tick:
    push cx
    xor ah, ah
    int 0x1a
    mov bx, dx
.again:
    hlt                         ; sleep until any interrupt: here the timer's
    xor ah, ah
    int 0x1a
    cmp dx, bx
    je .again
    pop cx
    ret

; Prints the zero-terminated text at DS:SI on the screen and the serial line.
print:
    lodsb
    test al, al
    jz .done
    call put
    jmp print
.done:
    ret

; Prints AL on both.
put:
    push ax
    mov ah, 0x0e                ; teletype output
    mov bx, 7
    int 0x10
    pop ax
    mov dx, 0x3f8               ; COM1's transmitter
    out dx, al
    ret

greeting: db 'Hello from real mode ', 0
farewell: db ' done', 13, 10, 0

    times 510 - ($ - $$) db 0
    dw 0xaa55
