; immediates get their shortest form, also where they are known only later
bits 32
add eax, 1
add eax, 127
add eax, 128
add eax, -128
add eax, -129
add eax, 0xffffffff
add eax, 0xffffff80
add ax, 0xffff
add ax, 0xff80
add ebx, strict dword 1
add ebx, strict byte 1
add ebx, byte 1
add eax, strict dword 1
add eax, late
add ebx, late
add ebx, late2
cmp ebx, late2 - late
push 1
push 128
push late
push late2
push strict dword 1
push byte 1
push word 1
push dword 1
imul eax, ebx, 5
imul eax, ebx, late
imul eax, ebx, 500
imul ebx, late2
shl eax, 1
shl eax, late3
shl eax, 2
mov eax, late
mov eax, [ebx + late]
mov eax, [ebx + late2]
mov eax, [late]
add [ebx], byte 5
add [ebx], word 5
add dword [ebx], 5
add word [ebx], late2
add eax, here
here:
late equ 5
late2 equ 500
late3 equ 1
bits 64
mov rax, 1
mov rax, -1
mov rax, 0x7fffffff
mov rax, 0x80000000
mov rax, 0xffffffff
mov rax, 0x100000000
mov rax, 0xffffffff80000000
mov rax, strict dword 5
mov rax, strict qword 5
mov rax, late
mov rax, here
mov eax, here
add rax, 0x7f
add rax, 0x7fffffff
add rax, -0x80000000
push 5
push 500
push late
push -1
mov qword [rax], late2
mov r8, 5
mov r8d, 5
test rax, 5
bits 16
push 5
push dword 5
push dword 0x12345
push word 0x1234
mov eax, 5
add eax, 5
add eax, 500
