; The Mandelbrot set in double precision, one number at a time: 32 by 32 points, up to 64 steps each.
%include "common.inc"

SIDE equ 32
STEPS equ 64

prepare:
    ret

round:
    xor eax, eax
    xor ebx, ebx
    movsd xmm7, [four]
.row:
    cvtsi2sd xmm1, ebx
    mulsd xmm1, [scale]
    addsd xmm1, [top]
    xor edx, edx
.point:
    cvtsi2sd xmm0, edx
    mulsd xmm0, [scale]
    addsd xmm0, [left]
    xorpd xmm2, xmm2
    xorpd xmm3, xmm3
    mov ecx, STEPS
.step:
    movapd xmm4, xmm2
    mulsd xmm4, xmm2
    movapd xmm5, xmm3
    mulsd xmm5, xmm3
    movapd xmm6, xmm4
    addsd xmm6, xmm5
    comisd xmm6, xmm7
    ja .outside
    mulsd xmm3, xmm2
    addsd xmm3, xmm3
    addsd xmm3, xmm1
    subsd xmm4, xmm5
    addsd xmm4, xmm0
    movapd xmm2, xmm4
    dec ecx
    jnz .step
.outside:
    rol eax, 1
    add eax, ecx
    cvttsd2si esi, xmm2
    sub eax, esi
    inc edx
    cmp edx, SIDE
    jb .point
    inc ebx
    cmp ebx, SIDE
    jb .row
    ret

    align 16
four: dq 4.0
scale: dq 0.09375
top: dq -1.5
left: dq -2.25
