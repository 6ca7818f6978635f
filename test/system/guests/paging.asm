; Paging: permissions in all rings, error codes, accessed and dirty bits, 4 MiB pages, INVLPG, faults amid instructions,
; accesses and fetches over page boundaries, self-modifying code.

%include "framework.inc"

DIRECTORY equ 0x200000
TABLE0    equ 0x201000          ; 0 to 4 MiB
TABLE1    equ 0x202000          ; 4 to 8 MiB: the experiments' pages
FRAMES    equ 0x210000          ; where those lead, one after the other
WINDOW    equ 0x400000
NEW_TSS   equ FREE

%macro pte 2                    ; number of a page of the window, entry's flags
    mov dword [TABLE1 + (%1) * 4], FRAMES + (%1) * 0x1000 + (%2)
    invlpg [WINDOW + (%1) * 0x1000]
%endmacro

%macro show_pte 2
    mov eax, [TABLE1 + (%2) * 4]
    and eax, 0xfff
    show %1, eax
    newline
%endmacro

main:
    mov edi, DIRECTORY
    mov ecx, 0x1000
    xor eax, eax
    rep stosd
    mov dword [DIRECTORY], TABLE0 + 7
    mov dword [DIRECTORY + 4], TABLE1 + 7
    mov edi, TABLE0
    mov eax, 7
    mov ecx, 1024
.identity:
    stosd
    add eax, 0x1000
    loop .identity
    mov edi, TABLE1
    mov eax, FRAMES + 7
    mov ecx, 64
.window:
    stosd
    add eax, 0x1000
    loop .window
    mov eax, DIRECTORY
    mov cr3, eax
    mov eax, cr0
    or eax, 0x80000000
    mov cr0, eax

; --- every permission from every ring, with WP clear and set
    mov ebp, 0                  ; WP * 512 + PDE * 64 + PTE * 8 + ring * 2 + write
.matrix:
    mov eax, ebp
    shr eax, 3
    and eax, 7                  ; PTE: P, W, U
    mov ebx, eax
    or ebx, FRAMES
    mov [TABLE1], ebx
    mov eax, ebp
    shr eax, 6
    and eax, 7
    mov ecx, eax
    or ecx, TABLE1
    mov [DIRECTORY + 4], ecx
    mov eax, cr3
    mov cr3, eax
    mov eax, cr0
    and eax, ~0x10000
    test ebp, 0x200
    jz .wp_clear
    or eax, 0x10000
.wp_clear:
    mov cr0, eax
    mov eax, ebp
    shr eax, 1
    and eax, 3
    add al, '0'
    mov [matrix_name + 5], al
    mov eax, ebp
    shr eax, 9
    digit_into matrix_name + 10, al
    mov eax, ebp
    shr eax, 6
    and eax, 7
    digit_into matrix_name + 16, al
    mov eax, ebp
    shr eax, 3
    and eax, 7
    digit_into matrix_name + 22, al
    mov byte [matrix_name + 24], 'r'
    test ebp, 1
    jz .reads
    mov byte [matrix_name + 24], 'w'
.reads:
    start_experiment matrix_name, .reported
    mov eax, ebp
    shr eax, 1
    and eax, 3
    call to_ring
    test ebp, 1
    jnz .write
    mov eax, [WINDOW + 0x123]
    int DONE
.write:
    mov [WINDOW + 0x123], eax
    int DONE
.reported:
    call report
    cmp dword [experiment_fault], DONE
    jne .next                   ; the manual leaves open what a walk that ends in a fault marks
    mov ebx, [TABLE1]
    and ebx, 0xfff
    mov ecx, [DIRECTORY + 4]
    and ecx, 0xfff
    print "bits after "
    mov esi, matrix_name
    call puts
    show ": ", ecx
    show " ", ebx
    newline
.next:
    inc ebp
    cmp ebp, 0x400
    jb .matrix
    mov dword [DIRECTORY + 4], TABLE1 + 7
    mov eax, cr3
    mov cr3, eax
    mov eax, cr0
    or eax, 0x10000
    mov cr0, eax

; --- fetches
    pte 0, 3
    ring_experiment 3, "fetch from a supervisor's page"
    mov eax, WINDOW
    jmp eax
    conclude
    pte 0, 6
    experiment "fetch from a page that is not present"
    mov eax, WINDOW + 0x10
    jmp eax
    conclude
    pte 0, 7
    pte 1, 6
    mov byte [WINDOW + 0xffe], 0x90
    mov byte [WINDOW + 0xfff], 0xb8
    experiment "fetch over the boundary to a page that is not present"
    mov eax, WINDOW + 0xffe
    jmp eax
    conclude
    experiment "near CALL to a page that is not present"
    mov eax, WINDOW + 0x1010
    call eax
    conclude

; --- faults amid instructions: nothing of them has happened
    pte 0, 7
    pte 1, 6
    pte 2, 5
    ring_experiment 3, "PUSHA into a page that is not present"
    mov esp, WINDOW + 0x2010
    pushad
    conclude
    ring_experiment 3, "CALL with a stack that is not present"
    mov esp, WINDOW + 0x2000
    call landing
    conclude
    ring_experiment 3, "PUSH over a boundary"
    mov esp, WINDOW + 0x2002
    push eax
    conclude
    ring_experiment 3, "POP to a page that is not present leaves ESP"
    push eax
    pop dword [WINDOW + 0x1000]
    conclude
    ring_experiment 3, "POP to memory addressed by ESP"
    mov esp, WINDOW + 0xffc
    pop dword [esp]
    conclude
    ring_experiment 3, "ENTER into a page that is not present"
    mov esp, WINDOW + 0x2010
    mov ebp, WINDOW + 0x500
    enter 0x20, 0
    conclude
    ring_experiment 3, "LEAVE from a page that is not present"
    mov ebp, WINDOW + 0x1ffe
    leave
    conclude
    ring_experiment 3, "write over the boundary to a read-only page"
    mov dword [WINDOW + 0x1ffe], 1
    conclude
    ring_experiment 3, "read over the boundary"
    mov eax, [WINDOW + 0xffd]
    conclude
    ring_experiment 3, "CMPXCHG that does not match writes all the same"
    mov eax, 1
    mov ecx, 5
    cmpxchg [WINDOW + 0x2000], ecx
    conclude
    ring_experiment 3, "CMPXCHG8B of a read-only page"
    cmpxchg8b [WINDOW + 0x2008]
    conclude
    ring_experiment 3, "XCHG with a read-only page"
    xchg eax, [WINDOW + 0x2008]
    conclude
    ring_experiment 3, "XADD to a read-only page"
    xadd [WINDOW + 0x2008], eax
    conclude
    ring_experiment 3, "ADD to a read-only page"
    add dword [WINDOW + 0x2008], 1
    conclude
    ring_experiment 3, "BT of a read-only page only reads"
    bt dword [WINDOW + 0x2008], 1
    conclude
    ring_experiment 3, "BTS of a read-only page"
    bts dword [WINDOW + 0x2008], 1
    conclude
    ring_experiment 3, "shift by zero of a read-only page"
    mov cl, 0
    shl dword [WINDOW + 0x2008], cl
    conclude
    ring_experiment 3, "LES from over the boundary"
    les eax, [WINDOW + 0xffc]
    conclude
    ring_experiment 3, "SGDT over the boundary"
    sgdt [WINDOW + 0xffd]
    conclude
    ring_experiment 3, "far CALL pointer over the boundary"
    call far [WINDOW + 0xffc]
    conclude
    ring_experiment 3, "RETF with CS on the other page"
    mov esp, WINDOW + 0xffc
    retf
    conclude
    ring_experiment 3, "IRET with EFLAGS on the other page"
    mov esp, WINDOW + 0xff8
    iretd
    conclude
    ring_experiment 3, "BOUND over the boundary"
    bound eax, [WINDOW + 0xffc]
    conclude
    ring_experiment 3, "POPA from over the boundary"
    mov esp, WINDOW + 0xff0
    popad
    conclude

; --- repeated strings stop where the page ends, with registers that go on
%macro string_experiment 2+
    ring_experiment 3, %1
    mov eax, 0x41414141
    cld
    %2
    conclude
    call show_strings
%endmacro
    string_experiment "REP STOSB into a page that is not present", call .stosb
    string_experiment "REP STOSD over the boundary", call .stosd
    string_experiment "REP MOVSB from a page that is not present", call .movsb
    string_experiment "REP MOVSD downward", call .movsd
    string_experiment "REPE CMPSB into a page that is not present", call .cmpsb
    string_experiment "REPNE SCASD into a page that is not present", call .scasd
    string_experiment "REP LODSW from a page that is not present", call .lodsw
    string_experiment "REP STOSB of nothing", call .nothing
    jmp .strings_done
.stosb:
    mov edi, WINDOW + 0xff0
    mov ecx, 100
    rep stosb
    ret
.stosd:
    mov edi, WINDOW + 0xff2
    mov ecx, 100
    rep stosd
    ret
.movsb:
    mov esi, WINDOW + 0xfe0
    mov edi, WINDOW + 0x100
    mov ecx, 100
    rep movsb
    ret
.movsd:
    std
    mov esi, WINDOW + 0x3010
    mov edi, WINDOW + 0x2010 + 0x1000
    mov ecx, 100
    rep movsd
    ret
.cmpsb:
    mov esi, WINDOW + 0xfe0
    mov edi, WINDOW + 0xfe0
    mov ecx, 100
    repe cmpsb
    ret
.scasd:
    mov edi, WINDOW + 0xfe0
    mov ecx, 100
    mov eax, 0x12345678
    repne scasd
    ret
.lodsw:
    mov esi, WINDOW + 0xfe0
    mov ecx, 100
    rep lodsw
    ret
.nothing:
    mov edi, WINDOW + 0x1000
    xor ecx, ecx
    rep stosb
    ret
.strings_done:

; --- accessed and dirty bits
    pte 4, 7
    mov eax, [WINDOW + 0x4000]
    show_pte "bits after a read: ", 4
    mov [WINDOW + 0x4000], eax
    show_pte "bits after a write: ", 4
    pte 4, 7
    pte 5, 7
    mov eax, [WINDOW + 0x4ffe]
    show_pte "first page's bits after a read over the boundary: ", 4
    show_pte "second page's bits after a read over the boundary: ", 5
    pte 4, 7
    pte 5, 7
    mov [WINDOW + 0x4ffe], eax
    show_pte "first page's bits after a write over the boundary: ", 4
    show_pte "second page's bits after a write over the boundary: ", 5
    pte 4, 5
    experiment "a write that faults sets no dirty bit"
    mov [WINDOW + 0x4000], eax
    conclude
    show_pte "bits after a write that faults: ", 4
    pte 4, 7
    mov byte [WINDOW + 0x4000], 0xc3
    pte 4, 7
    mov eax, WINDOW + 0x4000
    call eax
    show_pte "bits after a fetch: ", 4
    pte 4, 7
    cmp dword [WINDOW + 0x4000], 0
    show_pte "bits after CMP: ", 4
    pte 4, 0x207 | 0x800
    mov eax, [WINDOW + 0x4000]
    show_pte "bits with those that are software's: ", 4

; --- 4 MiB pages
    mov eax, cr4
    or eax, 0x10
    mov cr4, eax
    mov dword [DIRECTORY + 8], 0x400087         ; the window's frame region's 4 MiB: physical 4 MiB
    mov dword [0x800000], 0x12345678
    mov eax, [DIRECTORY + 8]
    show "large page's entry after a write: ", eax
    newline
    mov dword [DIRECTORY + 12], 0x400087
    mov eax, [0xc00000]
    show "through the other large page: ", eax
    newline
    mov eax, [DIRECTORY + 12]
    show "its entry after a read: ", eax
    newline
    mov dword [DIRECTORY + 12], 0x400083
    invlpg [0xc00000]
    ring_experiment 3, "large page of the supervisor"
    mov eax, [0xdeadbc]
    conclude
    mov dword [DIRECTORY + 12], 0x400085
    mov eax, cr3
    mov cr3, eax
    ring_experiment 3, "large page, read-only"
    mov [0xdeadbc], eax
    conclude
    mov dword [DIRECTORY + 12], 0x600087
    mov eax, cr3
    mov cr3, eax
    experiment "large page with a reserved bit set"
    mov eax, [0xdeadbc]
    conclude
    ring_experiment 3, "large page with a reserved bit set, ring 3 write"
    mov [0xdeadbc], eax
    conclude
    mov eax, cr4
    and eax, ~0x10
    mov cr4, eax
    mov dword [DIRECTORY + 12], TABLE1 + 0x87
    mov eax, cr3
    mov cr3, eax
    experiment "the size bit without CR4.PSE"
    mov eax, [0xc00000]
    conclude

; --- segments, gates and tasks in pages that are not present: supervisor accesses from ring 3
    pte 8, 6
    pte 9, 7
    sgdt [old_gdt]
    mov esi, gdt
    mov edi, WINDOW + 0x9000 - 0x90
    pte 8, 7
    mov ecx, (gdt_end - gdt) / 4
    rep movsd
    mov dword [new_gdt + 2], WINDOW + 0x9000 - 0x90
    lgdt [new_gdt]
    pte 9, 6
    ring_experiment 3, "descriptor in a page that is not present"
    mov ax, 0x98
    mov ds, ax
    conclude
    lgdt [old_gdt]
    pte 9, 7
    pte 9, 3
    lgdt [new_gdt]
    mov dword [WINDOW + 0x9000 + 8], 0x0000ffff
    mov dword [WINDOW + 0x9000 + 12], 0x00cff200
    pte 9, 3
    ring_experiment 3, "descriptor in a supervisor's page"
    mov ax, 0x98 | 3
    mov gs, ax
    conclude
    show_pte "bits of the descriptors' page: ", 9
    mov dword [WINDOW + 0x9000 + 12], 0x00cff200
    pte 9, 1
    ring_experiment 3, "accessed bit in a read-only page"
    mov ax, 0x98 | 3
    mov gs, ax
    conclude
    lgdt [old_gdt]
    pte 9, 7

; --- self-modifying code
    experiment "code that changes the next instruction"
    mov byte [.next1 + 1], 0x77
.next1:
    mov al, 0x11
    movzx eax, al
    mov [scratch], eax
    conclude
    show "AL: ", [scratch]
    newline
    mov dword [scratch], 0
    experiment "code that changes itself in a loop"
    mov ecx, 5
.loop2:
.imm2:
    mov eax, 1
    add [scratch], eax
    inc byte [.imm2 + 1]
    loop .loop2
    conclude
    show "sum: ", [scratch]
    newline
    experiment "code through an alias"
    mov dword [TABLE1 + 20 * 4], FRAMES + 21 * 0x1000 + 7
    mov dword [TABLE1 + 21 * 4], FRAMES + 21 * 0x1000 + 7
    mov eax, cr3
    mov cr3, eax
    mov dword [WINDOW + 20 * 0x1000], 0xc30000b8 | (0x01 << 8)
    mov dword [WINDOW + 20 * 0x1000], 0x000001b8
    mov word [WINDOW + 20 * 0x1000 + 4], 0xc300
    mov ebx, WINDOW + 20 * 0x1000
    call ebx
    mov [scratch], eax
    mov byte [WINDOW + 21 * 0x1000 + 1], 2
    call ebx
    mov [scratch + 4], eax
    mov byte [WINDOW + 20 * 0x1000 + 1], 3
    call ebx
    mov [scratch + 8], eax
    conclude
    dump "through the alias:", scratch, 3
    experiment "code over a page boundary that is changed"
    mov ebx, WINDOW + 0x4ffd
    mov byte [ebx], 0xb8
    mov dword [ebx + 1], 0x11223344
    mov byte [ebx + 5], 0xc3
    call ebx
    mov [scratch], eax
    mov byte [ebx + 4], 0x55
    call ebx
    mov [scratch + 4], eax
    mov byte [ebx + 1], 0x66
    call ebx
    mov [scratch + 8], eax
    conclude
    dump "over the boundary:", scratch, 3
    experiment "code over a page boundary whose second page is another one now"
    mov ebx, WINDOW + 0x4ffd
    mov eax, [TABLE1 + 5 * 4]
    mov dword [WINDOW + 0x6000], 0xc3998877
    mov ecx, [TABLE1 + 6 * 4]
    mov [TABLE1 + 5 * 4], ecx
    invlpg [WINDOW + 0x5000]
    call ebx
    mov [scratch], eax
    conclude
    show "from the other page: ", [scratch]
    newline
    pte 5, 7
    experiment "code whose page is another one now"
    mov ebx, WINDOW + 0x7000
    mov dword [WINDOW + 0x7000], 0xc3414043
    mov dword [WINDOW + 0x8000], 0xc3424040
    xor eax, eax
    call ebx
    mov dword [TABLE1 + 7 * 4], FRAMES + 8 * 0x1000 + 7
    invlpg [WINDOW + 0x7000]
    mov ebx, WINDOW + 0x7000
    call ebx
    mov [scratch], eax
    conclude
    show "EAX: ", [scratch]
    newline
    experiment "REP STOSB over the code that goes on"
    mov edi, .filled
    mov ecx, 4
    mov al, 0x42                ; inc edx
    xor edx, edx
    cld
    rep stosb
.filled:
    nop
    nop
    nop
    nop
    mov [scratch], edx
    conclude
    show "EDX: ", [scratch]
    newline

; --- double faults with pages
    mov dword [gdt + NEW_TSS], 103
    mov eax, df_tss
    mov [gdt + NEW_TSS + 2], ax
    shr eax, 16
    mov [gdt + NEW_TSS + 4], al
    mov byte [gdt + NEW_TSS + 5], 0x89
    mov dword [idt + 8 * 8], NEW_TSS << 16
    mov dword [idt + 8 * 8 + 4], 0x8500
    pte 9, 6
    mov eax, [main_tss + 4]
    mov [scratch], eax
    mov dword [main_tss + 4], WINDOW + 0xa000
    ring_experiment 3, "#PF while delivering #PF"
    mov eax, [WINDOW + 0x9008]
    conclude
    call show_double
    ring_experiment 3, "#PF while delivering #GP"
    hlt
    conclude
    call show_double
    mov eax, [scratch]
    mov [main_tss + 4], eax
    mov byte [idt + 14 * 8 + 5], 0x0e
    ring_experiment 3, "#NP while delivering #PF"
    mov eax, [WINDOW + 0x9008]
    conclude
    call show_double
    mov byte [idt + 14 * 8 + 5], 0x8e
    finish

landing:
    int DONE

show_strings:
    pushad
    print "registers of "
    mov esi, [experiment_name]
    call puts
    show ": ECX ", [saved_ecx]
    show " ESI ", [saved_esi]
    show " EDI ", [saved_edi]
    newline
    popad
    ret

show_double:
    pushad
    print "the task that failed "
    mov esi, [experiment_name]
    call puts
    mov eax, [experiment_start]
    sub [df_copy], eax
    dump ":", df_copy, 5
    popad
    ret

df_entry:
    push dword [main_tss + 0x20]
    pop dword [df_copy]
    push dword [main_tss + 0x4c]
    pop dword [df_copy + 4]
    push dword [main_tss + 0x38]
    pop dword [df_copy + 8]
    push dword [main_tss + 0x50]
    pop dword [df_copy + 12]
    mov eax, cr2
    mov [df_copy + 16], eax
    mov dword [main_tss + 0x20], .back
    mov dword [main_tss + 0x4c], CODE0
    mov dword [main_tss + 0x24], 2
    mov dword [main_tss + 0x50], DATA0
    mov dword [main_tss + 0x38], STACK0 - 0x1100
    mov dword [main_tss + 0x48], DATA0
    mov dword [main_tss + 0x54], DATA0
    mov dword [main_tss + 0x1c], DIRECTORY
    add esp, 4
    iretd
    jmp df_entry
.back:
    int DONE

to_ring:
    pop edi
    test eax, eax
    jz .same
    mov ecx, eax
    shl ecx, 4
    lea edx, [ecx + DATA0]
    or edx, eax
    lea esi, [ecx + CODE0]
    or esi, eax
    imul eax, eax, -0x4000
    add eax, STACK0
    push edx
    push eax
    push dword 2
    push esi
    push edi
    mov ds, dx
    mov es, dx
    mov fs, dx
    mov gs, dx
    iretd
.same:
    jmp edi

    section .data
matrix_name: db "ring 0 WP 0 PDE 0 PTE 0 r", 0
    align 4
scratch: times 4 dd 0
df_copy: times 5 dd 0
old_gdt: dw 0
    dd 0
new_gdt: dw gdt_end - gdt - 1
    dd 0
    align 4
df_tss:
    dd 0
    times 6 dd 0
    dd DIRECTORY
    dd df_entry, 2
    dd 0, 0, 0, 0, 0x8a000, 0, 0, 0
    dd DATA0, CODE0, DATA0, DATA0, DATA0, DATA0
    dd 0
    dw 0, 104

    section .text
