global foo:function, bar:data (bar.end-bar), _start
extern ext, ext2
common cc 16:8
section .text
_start:
foo: call ext
call bar
call foo
jmp ext
jz ext
mov eax,[ext]
mov eax,[rel ext]
mov rax,ext
mov eax,ext
mov rax,[rel bar]
lea rdi,[rel bar+4]
mov rax,[cc]
call ext wrt ..plt
mov rax,[rel ext wrt ..got]
dq foo-$$
dd ext-$
dd bar-$
dq bar-$
dw ext
db ext
mov [bar], dword 5
mov dword [bar], bar
push bar
section .data
bar: dq foo, bar, ext
.end: dd ext2
dd bar wrt ..sym
section .bss
b: resb 10
section myrodata
dd 1
section mysec progbits alloc exec write align=32
dd 2
section .rodata
db 1
section .note.foo note
db 2
jmp 0x1000
jmp foo
