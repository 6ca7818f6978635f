; Writes and reads of ports: the UART's scratch register, and its line status.
%include "common.inc"

prepare:
    ret

round:
    mov ecx, 2000
    xor ebx, ebx
.next:
    mov dx, COM1 + 7
    mov eax, ecx
    out dx, al
    in al, dx
    movzx eax, al
    rol ebx, 1
    add ebx, eax
    mov dx, COM1 + 3
    in al, dx
    movzx eax, al
    add ebx, eax
    dec ecx
    jnz .next
    mov eax, ebx
    ret
