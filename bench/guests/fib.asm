; Fibonacci numbers by their definition: calls and returns.
%include "common.inc"

prepare:
    ret

round:
    mov ecx, 20

; The number of ECX's place in EAX.
fib:
    cmp ecx, 2
    jb .first
    push xcx
    dec ecx
    call fib
    pop xcx
    push xax
    sub ecx, 2
    call fib
    pop xdx
    add eax, edx
    ret
.first:
    mov eax, ecx
    ret
