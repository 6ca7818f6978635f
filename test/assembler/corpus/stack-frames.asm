bits 32
%push flat_frame
%stacksize flat
%assign %$localsize 0
%arg i:dword, j:word, k:byte, q:qword
mov eax, [i]
mov ax, [j]
mov al, [k]
mov eax, [q + 4]
%local a:dword, b:word, c:byte
enter %$localsize, 0
mov [a], eax
mov [b], ax
mov [c], al
%local d:qword
mov [d], eax
sub esp, %$localsize
%pop
bits 16
%push small_frame
%stacksize small
%assign %$localsize 0
%arg i:word, j:dword
mov ax, [i]
mov eax, [j]
%local a:word, b:dword
mov [a], ax
mov [b], eax
%pop
%stacksize large
%arg i:word, j:dword
mov ax, [i]
mov eax, [j]
bits 64
%push wide_frame
%stacksize flat64
%assign %$localsize 0
%arg i:dword, j:qword
mov eax, [i]
mov rax, [j]
%local a:word, b:qword
mov [a], ax
mov [b], rax
enter %$localsize, 0
%pop
