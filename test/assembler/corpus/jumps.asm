; sizes of jumps settle where NASM's do
bits 16
a: jmp b
   jz b
   times 120 nop
b: jmp a
   jz a
   jmp c
   jc c
   times 127 nop
c: jmp d
   times 128 nop
d: jnz c
   loop d
   jcxz d
   jecxz d

   jmp short d
   jmp near d
   jz near d
   jmp strict d
   call d
   call near d
   jmp word d
   jmp dword d
   call dword d
   jmp 0x10:d
   jmp dword 0x10:d
   call 8:a
   jmp $
   jmp $$
   jmp $+2
   jmp 0x1234
   call 5
bits 32
e: jmp f
   jz f
   jmp a
   times 126 nop
f: jz e
f2: jz e
   jmp word e
   call e
   loope f2
   loopne f2, cx
   loop f2, ecx
   jecxz f2
   jcxz f2
   jmp 8:e
   jmp word 8:e
bits 64
g: jmp h
   jz h
   jmp a
   times 125 nop
h: jz g
   call g
h2:
   loop h2
   loop h2, ecx
   jrcxz h2
   jecxz h2
   jmp near g
   times (h - g > 126) + 1 nop
   times 3 jmp i
   times 3 jmp $
i:
%assign n 0
%rep 40
   jmp end
   times n nop
   jz end
%assign n n + 1
%endrep
end:
