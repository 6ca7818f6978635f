; y = y * a + x over 4,096 numbers of single precision, four at a time.
%include "common.inc"

COUNT equ 4096
X equ ARENA
Y equ ARENA + 0x10000

prepare:
    mov xdi, X
    mov ecx, COUNT
    mov eax, 12345
.fill:
    imul eax, eax, 1664525
    add eax, 1013904223
    mov edx, eax
    shr edx, 8
    cvtsi2ss xmm0, edx
    movss [xdi], xmm0
    add xdi, 4
    dec ecx
    jnz .fill
    ret

round:
    mov xsi, X
    mov xdi, Y
    mov ecx, COUNT
    rep movsd
    movaps xmm7, [factor]
    mov ebx, 4
.pass:
    mov xsi, X
    mov xdi, Y
    mov ecx, COUNT / 8
.eight:
    movaps xmm0, [xdi]
    movaps xmm1, [xdi + 16]
    mulps xmm0, xmm7
    mulps xmm1, xmm7
    addps xmm0, [xsi]
    addps xmm1, [xsi + 16]
    movaps [xdi], xmm0
    movaps [xdi + 16], xmm1
    add xsi, 32
    add xdi, 32
    dec ecx
    jnz .eight
    dec ebx
    jnz .pass
    xor eax, eax
    mov xdi, Y
    mov ecx, COUNT
.mix:
    rol eax, 1
    xor eax, [xdi]
    add xdi, 4
    dec ecx
    jnz .mix
    ret

    align 16
factor: dd 0.3, 0.3, 0.3, 0.3
