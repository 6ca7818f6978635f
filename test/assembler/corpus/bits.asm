bits 16
mov ax, 1
use32
mov eax, 1
[bits 64]
mov rax, 1
use16
db __BITS__, __?BITS?__
BITS 32
db __BITS__
use64
db __BITS__
