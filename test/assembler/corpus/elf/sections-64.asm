section .tdata
t: dq 1
section .tbss
resb 4
section .comment
db 5
section .note.GNU-stack noalloc noexec nowrite progbits
section .rodata.str merge strings byte
db "a",0
section .foo align=16
db 1
align 64
section .bss
resb 4
alignb 32
section .text
lea rbx,[rel _G wrt ..gotpc]
align 32
mov rax, x wrt ..gotoff
mov rax,[rel t wrt ..gottpoff]
extern _G
global x, t
x: ret
%rep 3
nop
%endrep
x2 equ x+4
x3 equ $-x
global x2
common cz 10
common cz2 8:16
