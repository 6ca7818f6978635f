; Registers alone: arithmetic, rotations, a multiplication, carries, and a jump that goes now one way, now the other.
%include "common.inc"

prepare:
    ret

round:
    mov xax, 1
    mov xbx, 2
    mov xdx, 3
    mov xsi, 4
    mov xdi, 5
    mov xcx, 20_000
.next:
    add xax, xdx
    adc xdi, xbx
    xor xdx, xax
    rol xax, 5
    lea xbx, [xbx + xax * 2 + 1]
    imul xsi, xsi, 69069
    add xsi, xbx
    test xsi, 0x10000
    jz .even
    sub xdx, xsi
.even:
    shr xdi, 1
    sbb xdi, xsi
    dec xcx
    jnz .next
    xor xax, xbx
    xor xax, xdx
    xor xax, xsi
    xor xax, xdi
%if WIDTH == 64
    mov rdx, rax
    shr rdx, 32
    xor eax, edx
%endif
    ret
