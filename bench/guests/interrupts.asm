; Interrupts through the 8259, made by software: the UART asks for one whenever its "transmitter empty" interrupt is allowed anew.
%include "common.inc"

COUNT equ 500
LINE equ 4
VECTOR equ 0x20 + LINE
counter equ VARIABLES

prepare:
    mov dword [counter], 0
    mov ecx, VECTOR
    mov xax, handler
    call set_gate
    ; ICW1 to ICW4 of both, then the masks.
    mov al, 0x11
    out 0x20, al
    out 0xa0, al
    mov al, 0x20
    out 0x21, al
    mov al, 0x28
    out 0xa1, al
    mov al, 4
    out 0x21, al
    mov al, 2
    out 0xa1, al
    mov al, 1
    out 0x21, al
    out 0xa1, al
    mov al, 0xff
    out 0xa1, al
    mov al, ~(1 << LINE) & 0xff
    out 0x21, al
    ret

round:
    mov ecx, COUNT
    sti
.next:
    mov ebx, [counter]
    mov dx, COM1 + 1
    xor eax, eax
    out dx, al
    mov al, 2
    out dx, al
.wait:
    cmp ebx, [counter]
    je .wait
    dec ecx
    jnz .next
    cli
    mov dx, COM1 + 1
    xor eax, eax
    out dx, al
    mov eax, [counter]
    ret

handler:
    push xax
    push xdx
    ; Reading IIR takes the UART's wish back.
    mov dx, COM1 + 2
    in al, dx
    inc dword [counter]
    mov al, 0x20
    out 0x20, al
    pop xdx
    pop xax
    xiret
