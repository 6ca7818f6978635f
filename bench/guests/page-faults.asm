; Touches a thousand pages that are not there; the handler of the page fault brings each.
%include "common.inc"
%include "paging.inc"

PAGES equ 1024
REGION equ 0x2000000
ENTRIES equ PAGE_TABLES + (REGION >> 12) * WORDSIZE
faults equ VARIABLES

prepare:
    call map_pages
    mov dword [faults], 0
    mov ecx, 14
    mov xax, page_fault
    call set_gate
    jmp unmap

unmap:
    mov xdi, ENTRIES
    mov ecx, PAGES * WORDSIZE / 4
    xor eax, eax
    rep stosd
    mov xax, cr3
    mov cr3, xax
    ret

round:
    mov xsi, REGION
    mov ecx, PAGES
.touch:
    mov [xsi], ecx
    add xsi, 4096
    dec ecx
    jnz .touch
    ; All of them are there now.
    mov xsi, REGION
    mov ecx, PAGES
    xor ebx, ebx
.sum:
    rol ebx, 1
    add ebx, [xsi]
    add xsi, 4096
    dec ecx
    jnz .sum
    call unmap
    mov eax, [faults]
    add eax, ebx
    ret

page_fault:
    push xax
    push xdx
    inc dword [faults]
    mov xax, cr2
    and eax, -4096
    mov xdx, xax
    shr xdx, 12
    or eax, PRESENT_WRITABLE_USER
    mov [PAGE_TABLES + xdx * WORDSIZE], xax
    pop xdx
    pop xax
    add xsp, WORDSIZE
    xiret
