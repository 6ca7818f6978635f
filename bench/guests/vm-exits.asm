; An instruction that always leaves a guest of VMX, time and again: nothing else is worth mentioning.
%include "common.inc"

prepare:
    ret

round:
    mov esi, 10_000
.next:
    xor eax, eax
    cpuid
    dec esi
    jnz .next
    mov eax, esi
    ret
