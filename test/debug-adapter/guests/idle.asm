; Waits for timer interrupts and for bytes on COM1, which it sends back one higher; 'q' (sent back as 'r') ends the run.
    org 0x7c00
    bits 16
start:
    xor ax, ax
    mov ds, ax
    mov ss, ax
    mov sp, 0x7c00
    sti
wait_for_it:
    hlt
woken:
    inc word [wakes]
    mov dx, 0x3fd
    in al, dx
    test al, 1
    jz wait_for_it
    mov dx, 0x3f8
    in al, dx
    inc al
    out dx, al
    cmp al, 'r'
    jne wait_for_it
    mov al, 3
    out 0xf4, al
wakes: dw 0
