; Quicksort of 16,384 numbers: Hoare's partition, recursive, insertion sort for short parts.
%include "common.inc"

COUNT equ 16384
INSERTION_SPAN equ 12 * 4

prepare:
    ret

round:
    mov xdi, ARENA
    mov ecx, COUNT
    mov eax, 12345
.fill:
    imul eax, eax, 1664525
    add eax, 1013904223
    stosd
    dec ecx
    jnz .fill
    mov xsi, ARENA
    mov xdi, ARENA + COUNT * 4 - 4
    call sort
    ; Every number by its place.
    xor eax, eax
    mov ecx, COUNT
.sum:
    mov edx, [ARENA + xcx * 4 - 4]
    imul edx, ecx
    add eax, edx
    dec ecx
    jnz .sum
    ret

; From XSI to XDI, both inclusive. Keeps neither.
sort:
    mov xax, xdi
    sub xax, xsi
    cmp xax, INSERTION_SPAN
    jle insertion
    shr xax, 3
    mov ebp, [xsi + xax * 4]
    mov xbx, xsi
    mov xcx, xdi
.partition:
    cmp [xbx], ebp
    jae .right
    add xbx, 4
    jmp .partition
.right:
    cmp [xcx], ebp
    jbe .swap
    sub xcx, 4
    jmp .right
.swap:
    cmp xbx, xcx
    ja .parted
    mov eax, [xbx]
    mov edx, [xcx]
    mov [xcx], eax
    mov [xbx], edx
    add xbx, 4
    sub xcx, 4
    cmp xbx, xcx
    jbe .partition
.parted:
    push xdi
    push xbx
    mov xdi, xcx
    call sort
    pop xsi
    pop xdi
    jmp sort

insertion:
    lea xbx, [xsi + 4]
.next:
    cmp xbx, xdi
    ja .end
    mov eax, [xbx]
    mov xcx, xbx
.shift:
    cmp xcx, xsi
    je .place
    mov edx, [xcx - 4]
    cmp edx, eax
    jbe .place
    mov [xcx], edx
    sub xcx, 4
    jmp .shift
.place:
    mov [xcx], eax
    add xbx, 4
    jmp .next
.end:
    ret
