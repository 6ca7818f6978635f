; The handler of the page fault lies in a page that cannot be fetched: fault after fault, and never an instruction.

%include "framework64.inc"

main:
    mov eax, CR4_BASE | 0x100000        ; SMEP, while all pages are for users
    mov cr4, rax
    finish
