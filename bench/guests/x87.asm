; x87 with results rounded to 53 bits, as compilers set it for double precision.
%include "common.inc"

control equ VARIABLES
number equ VARIABLES + 4
result equ VARIABLES + 8
factors equ VARIABLES + 16

prepare:
    mov word [control], 0x27f
    fldcw [control]
    mov dword [number], 3
    fild dword [number]
    mov dword [number], 7
    fidiv dword [number]
    fstp qword [factors]
    ret

; ST1 is a sum, ST0 a quotient.
round:
    mov ecx, 2000
    fld1
    fldz
.next:
    mov [number], ecx
    fild dword [number]
    fsqrt
    faddp st2, st0
    fld st1
    fmul qword [factors]
    fst st2
    fld1
    faddp st1, st0
    fdivp st1, st0
    fild dword [number]
    faddp st1, st0
    dec ecx
    jnz .next
    faddp st1, st0
    fstp qword [result]
    mov eax, [result]
    xor eax, [result + 4]
    ret
