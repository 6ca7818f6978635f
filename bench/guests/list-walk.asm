; A circle of 8,192 nodes, each in a page of its own, in an order that no prefetcher knows: more pages than any TLB holds.
%include "common.inc"
%include "paging.inc"

NODES equ 8192

prepare:
    call map_pages
    ; The next of node n is node (n * 1229 + 3079) mod 8192: all of them come.
    xor ecx, ecx
    mov xdi, ARENA
.node:
    imul eax, ecx, 1229
    add eax, 3079
    and eax, NODES - 1
    mov edx, eax
    shl edx, 12
    and eax, 31
    shl eax, 6
    add eax, edx
    add eax, ARENA
    mov edx, ecx
    and edx, 31
    shl edx, 6
    mov [xdi + xdx], xax
    mov [xdi + xdx + 8], ecx
    add xdi, 4096
    inc ecx
    cmp ecx, NODES
    jb .node
    ret

round:
    mov xsi, ARENA
    mov ecx, NODES
    xor eax, eax
.next:
    rol eax, 1
    add eax, [xsi + 8]
    mov xsi, [xsi]
    dec ecx
    jnz .next
    ret
