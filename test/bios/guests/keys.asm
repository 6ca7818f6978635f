; Prints each key that INT 0x16 gives, with the shift flags but that of Insert: through function 0x10 until Escape, then
; through function 0 until Escape.
    bits 16
    cpu 386
    org 0x7c00

    xor ax, ax
    mov ds, ax
    mov ss, ax
    mov sp, 0x7c00
    sti
    mov bh, 0x10
    mov al, '>'                         ; ready
    out 0xe9, al
.next:
    mov ah, bh
    int 0x16
    push ax
    call print_hex16
    mov ah, 2
    int 0x16
    mov ah, al
    and ah, 0x7f
    mov al, '/'
    out 0xe9, al
    mov al, ah
    call print_hex8
    mov al, 10
    out 0xe9, al
    pop ax
    cmp ax, 0x011b
    jne .next
    sub bh, 0x10
    jz .next
    out 0xf4, al
    cli
    hlt

%include "print.inc"
    times 510 - ($ - $$) db 0
    dw 0xaa55
