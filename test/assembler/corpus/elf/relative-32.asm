bits 32
extern a
section .text
x: jmp 0x1000
jmp a
mov eax,[a+4]
mov eax,x+4
dd x-$$,a-$+4
dd a - x
dw a-$
dw a
bits 16
jmp a
call a
mov ax,[a]
jmp 8:a
jmp dword 8:a
lea ax,[bx+a]
bits 32
dd y wrt ..sym, y wrt ..got
section .data
global y
dd 0
y: dd 4
