; A load, a store and flags in every round of seven instructions.
%include "common.inc"

prepare:
    ret

round:
    mov xax, 1
    mov xdx, 0x12345678
    mov xbx, ARENA
    mov xcx, 20_000
.next:
    add xax, xdx
    xor xdx, xax
    rol xax, 3
    mov [xbx], xax
    add xdx, [xbx]
    sub xcx, 1
    jnz .next
    xor eax, edx
    ret
