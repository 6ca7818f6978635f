org 0x100
section .text
start: dw start, data1, bss1, other1, text2
section .data
data1: db 1, 2, 3
section .bss
bss1: resb 5
section .other align=16
other1: db 4
dw bss1
section .text
text2: db 5
section .high vstart=0x5000
high1: dw high1, $$, $ - $$
section .next follows=.text
next1: dw next1
section .nob nobits
nob1: resb 3
section .text
dw nob1, next1, high1
%ifdef __SECT__
%endif
[section .data]
db 6
__SECT__
db 7
segment .data
db 8
absolute 0x500
abs1: resw 2
abs2:
__SECT__
section .text
dw abs1, abs2
mov ax, data1
mov bx, [data1 + 2]
jmp next1
call high1
dw $ - start
