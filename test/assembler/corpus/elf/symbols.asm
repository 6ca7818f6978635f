extern unused, used
global g1, g2:function hidden, w1:weak
section .data
d1: dd used
..@loc: dd 5
%macro m 0
%%in: dd %%in
%endmacro
m
.loc2: dd 1
eq1 equ 7
eq2 equ d1+4
g1: dq g2
w1: db 1
section .init_array
dq d1
section .tdata tls
t1: dq 1
section foo nobits write align=8
f: resb 3
section .text2 exec
g2: jmp 0x1000
call 5
jmp used
a32 mov eax,[used]
mov eax,[a32 used]
a32 mov eax,[rel used]
mov ax,used
