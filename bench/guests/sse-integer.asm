; Four generators of random numbers (xorshift) side by side, in whole numbers of 32 bits.
%include "common.inc"

prepare:
    ret

round:
    movdqa xmm0, [seeds]
    pxor xmm1, xmm1
    mov ecx, 10_000
.next:
    movdqa xmm2, xmm0
    pslld xmm2, 13
    pxor xmm0, xmm2
    movdqa xmm2, xmm0
    psrld xmm2, 17
    pxor xmm0, xmm2
    movdqa xmm2, xmm0
    pslld xmm2, 5
    pxor xmm0, xmm2
    pshufd xmm1, xmm1, 0x39
    paddd xmm1, xmm0
    dec ecx
    jnz .next
    movd eax, xmm1
    psrldq xmm1, 4
    movd edx, xmm1
    xor eax, edx
    psrldq xmm1, 4
    movd edx, xmm1
    add eax, edx
    psrldq xmm1, 4
    movd edx, xmm1
    xor eax, edx
    ret

    align 16
seeds: dd 1, 2, 3, 4
