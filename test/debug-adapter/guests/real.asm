; Real mode: calls, a loop, a repetition, recursion, a macro, software interrupts.
    org 0x7c00
    bits 16

LIMIT equ 5

%macro twice 1
    inc %1
    inc %1
%endmacro

start:
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7c00
    mov word [0x60 * 4], handler
    mov word [0x60 * 4 + 2], 0
    call outer
    mov si, text
    mov di, copy
    mov cx, 6
    rep movsb
    twice bx
    int 0x60
    mov cx, LIMIT
.count:
    inc dword [counter]
    loop .count
    mov ax, 3
    call recurse
    mov dx, 0xe9
    mov al, 'k'
    out dx, al
    mov al, 10
    out dx, al
    mov al, 0
    out 0xf4, al
.end:
    hlt
    jmp .end

outer:
    push bp
    mov bp, sp
    call inner
    pop bp
    ret

inner:
    mov bx, 7
    ret

recurse:
    dec ax
    jz .out
    call recurse
.out:
    ret

handler:
    mov dx, 1
    call inner
    iret

text: db 'hello', 0
copy: times 6 db 0
counter: dd 0
