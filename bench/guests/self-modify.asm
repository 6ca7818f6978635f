; A loop that changes a constant of the instruction behind the change, every time.
%include "common.inc"

prepare:
    ret

round:
    mov ecx, 2000
    xor eax, eax
.next:
    mov [.changed + 1], ecx
.changed:
    add eax, strict dword 0
    rol eax, 1
    dec ecx
    jnz .next
    ret
