bits 16
rep movsb
repe cmpsb
repz cmpsb
repne scasb
repnz scasw
lock inc word [bx]
lock add [bx], ax
es lodsb
rep es movsb
es rep lodsb
a32 movsb
a32 o32 movsb
o32 ret
o16 ret
o32 iret
o32 pusha
o32 lgdt [bx]
a32 rep stosd
fs mov ax, [bx]
lock o32 a32 inc dword [ebx]
cs
rep
lock
es
o32
a32
wait
times 3 rep
wait nop
bits 32
o16 ret
o16 retf
a16 loop $
o16 push dword 5
o16 pushad
a16 lodsb
o16 iret
a16 mov eax, [5]
bits 64
o64 ret
o16 ret
a32 lodsb
a32 mov eax, [eax]
o64 push rax
rep stosq
lock cmpxchg [rax], rbx
o64 sysret
fs mov rax, [0]
gs mov rax, [rbx]
