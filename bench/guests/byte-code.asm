; An interpreter of byte code. Define CALLS: a loop that calls each operation; else each operation jumps to the next.
%include "common.inc"

cell equ VARIABLES

prepare:
    ret

; Accumulator EAX, second register EDX, count ECX, next operation XSI.
round:
    mov xsi, program
    mov eax, 1
    mov edx, 2
    mov ecx, 2000
    mov dword [cell], 0
%ifdef CALLS
.next:
    movzx ebx, byte [xsi]
    inc xsi
    call [table + xbx * WORDSIZE]
    jmp .next
  %macro next 0
    ret
  %endmacro
%else
  %macro next 0
    movzx ebx, byte [xsi]
    inc xsi
    jmp [table + xbx * WORDSIZE]
  %endmacro
    next
%endif

op_add:
    add eax, edx
    next
op_xor:
    xor edx, eax
    next
op_rotate:
    rol eax, 7
    next
op_add_number:
    movzx ebx, byte [xsi]
    inc xsi
    add eax, ebx
    next
op_multiply:
    imul eax, eax, 69069
    next
op_store:
    add [cell], eax
    next
op_load:
    sub edx, [cell]
    next
op_swap:
    xchg eax, edx
    next
op_repeat:
    movzx ebx, byte [xsi]
    inc xsi
    dec ecx
    jz .end
    sub xsi, xbx
.end:
    next
op_end:
%ifdef CALLS
    pop xbx
%endif
    xor eax, edx
    ret

program: db 0, 1, 2, 3, 13, 4, 5, 6, 7, 0, 8, program_end - program, 9
program_end equ $ - 1
    align 8
table: dx_ op_add, op_xor, op_rotate, op_add_number, op_multiply, op_store, op_load, op_swap, op_repeat, op_end
