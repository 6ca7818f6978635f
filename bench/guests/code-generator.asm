; Writes a function, runs it a thousand times, and writes the next one over it.
%include "common.inc"

FUNCTION equ ARENA

prepare:
    mov xsi, template
    mov xdi, FUNCTION
    mov ecx, template_end - template
    rep movsb
    ret

round:
    xor eax, eax
    mov ebp, 10
.generate:
    mov [FUNCTION + template.number - template - 4], ebp
    mov edx, ebp
    mov [FUNCTION + template.count - template - 1], dl
    mov ecx, 1000
    mov xbx, FUNCTION
.run:
    call xbx
    dec ecx
    jnz .run
    dec ebp
    jnz .generate
    ret

template:
    add eax, strict dword 0
.number:
    rol eax, strict byte 2
.count:
    xor eax, ecx
    ret
template_end:
