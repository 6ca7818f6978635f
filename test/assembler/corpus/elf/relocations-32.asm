global foo:function, bar:data 4
extern ext
section .text
foo: call ext
call bar
mov eax,[ext]
mov ax,[ext]
mov ax,ext
mov al,ext
call ext wrt ..plt
lea ebx,[ebx+ext wrt ..gotoff]
mov eax,[ebx+ext wrt ..got]
add ebx, ext wrt ..gotpc
jmp ext
jz short ext
dd ext - $
section .data
bar: dd foo, bar
dd foo+4
