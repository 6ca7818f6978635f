; Paging in IA-32e mode: permissions and error codes at every level, large pages, reserved bits, NX, SMEP, SMAP, WP, accessed and
; dirty bits, flushes, global pages, accesses over page boundaries.
; The framework's pages are the supervisor's here; ring 3 has the same memory at USER.

%define MAP_FLAGS 3
%include "framework64.inc"

EFER   equ 0xc0000080
WPDPT  equ 0x211000
WPD    equ 0x212000
WPT    equ 0x213000
FRAMES equ 0x400000
USER   equ 0x10000000000        ; PML4 2: the first GiB for users
UPDPT  equ 0x214000
UPD    equ 0x215000
HIGH   equ 0x8000000000         ; PML4 1: the window

%macro page 2                   ; page of the window, flags (64 bits)
    mov rax, FRAMES + (%1) * 0x1000 + (%2)
    mov [WPT + (%1) * 8], rax
    mov rax, HIGH + (%1) * 0x1000
    invlpg [rax]
%endmacro

%macro reload 0
    mov rax, cr3
    mov cr3, rax
%endmacro

%macro show_page 2              ; name, page
    mov rax, [WPT + (%2) * 8]
    fact %1, rax
%endmacro

%macro set_cr4 1
    mov eax, CR4_BASE | (%1)
    mov cr4, rax
%endmacro

; Ring 3 reads (0), writes (1) or executes (2) what RDI points to.
%macro user_access 3            ; name, kind, address
    experiment {%1}
    mov rdi, %3
    mov rsi, %2
    call to_user
    conclude
%endmacro

%macro read 2
    experiment {%1}
    mov rdi, %2
    mov eax, [rdi]
    conclude
%endmacro

%macro write 2
    experiment {%1}
    mov rdi, %2
    mov [rdi], eax
    conclude
%endmacro

%macro fetch 2
    experiment {%1}
    mov rdi, %2
    call rdi
    conclude
%endmacro

main:
    mov qword [PML4 + 8], WPDPT + 7
    mov qword [WPDPT], WPD + 7
    mov qword [WPD], WPT + 7
    mov qword [PML4 + 16], UPDPT + 7
    mov qword [UPDPT], UPD + 7
    mov edi, UPD
    mov eax, 0x87
    mov ecx, 512
.user:
    mov [rdi], rax
    add eax, 0x200000
    add edi, 8
    loop .user
    mov edi, FRAMES
    mov ecx, 0x10000 / 8
    mov rax, 0xc3c3c3c3c3c3c3c3 ; RET
    rep stosq
    mov edi, WPT
    mov eax, FRAMES + 7
    mov ecx, 16
.window:
    mov [rdi], rax
    add eax, 0x1000
    add edi, 8
    loop .window
    reload
    mov rax, cr0
    or eax, 0x10000             ; WP
    mov cr0, rax

; --- all permissions of all levels: rights of the four levels in turn, kind of access, ring, WP
    mov dword [level], 0
.level:
    mov dword [rights], 0
.rights:
    mov dword [kind], 0
.kind:
    mov eax, [level]
    mov rbx, [levels + rax * 8]
    mov ecx, [rights]
    mov rdx, [rbx]
    and dl, ~7
    or dl, cl
    mov [rbx], rdx
    reload
    mov eax, [kind]             ; bit 0: write, bit 1: ring 3, bit 2: WP clear
    mov rdx, cr0
    or edx, 0x10000
    test al, 4
    jz .wp
    and edx, ~0x10000
.wp:
    mov cr0, rdx
    digit_into matrix_level, [level]
    digit_into matrix_rights, [rights]
    digit_into matrix_kind, [kind]
    mov qword [experiment_name], matrix_name
    start_experiment .start, .result
.start:
    mov rdi, HIGH
    mov esi, [kind]
    test esi, 2
    jz .supervisor
    and esi, 1
    call to_user
.supervisor:
    test esi, 1
    jnz .write
    mov eax, [rdi]
    int DONE
.write:
    mov [rdi], eax
    int DONE
.result:
    call report
    mov eax, [level]
    mov rbx, [levels + rax * 8]
    or byte [rbx], 7
    inc dword [kind]
    cmp dword [kind], 8
    jb .kind
    inc dword [rights]
    cmp dword [rights], 8
    jb .rights
    inc dword [level]
    cmp dword [level], 4
    jb .level
    reload
    mov rax, cr0
    or eax, 0x10000
    mov cr0, rax

; --- NX
    page 1, 0x8000000000000007
    read "NX without NXE is reserved, read", HIGH + 0x1000
    fetch "NX without NXE is reserved, fetch", HIGH + 0x1000
    user_access "NX without NXE is reserved, ring 3", 1, HIGH + 0x1000
    write_msr EFER, 0xd00
    read "NX, read", HIGH + 0x1000
    write "NX, write", HIGH + 0x1000
    fetch "NX, fetch", HIGH + 0x1000
    user_access "NX, ring 3 reads", 0, HIGH + 0x1000
    user_access "NX, ring 3 executes", 2, HIGH + 0x1000
    page 1, 7
    mov dword [FRAMES + 0x1000], 0xc3c3c3c3     ; which the writes were over
    fetch "no NX, fetch", HIGH + 0x1000
    page 1, 6
    fetch "not present, fetch with NXE", HIGH + 0x1000
    page 1, 3
    user_access "supervisor's, ring 3 executes with NXE", 2, HIGH + 0x1000
    page 1, 7
    bts qword [WPD], 63
    reload
    fetch "NX in the PDE", HIGH + 0x1000
    btr qword [WPD], 63
    bts qword [WPDPT], 63
    reload
    fetch "NX in the PDPTE", HIGH + 0x1000
    btr qword [WPDPT], 63
    bts qword [PML4 + 8], 63
    reload
    fetch "NX in the PML4E", HIGH + 0x1000
    btr qword [PML4 + 8], 63
    reload

; --- reserved bits
%macro reserved 3               ; name, entry, bit
    bts qword [%2], %3
    reload
    read {%1, ", read"}, HIGH + 0x1000
    user_access {%1, ", ring 3 writes"}, 1, HIGH + 0x1000
    btr qword [%2], %3
    reload
%endmacro
    reserved "bit 40 of a PTE", WPT + 8, 40
    reserved "bit 51 of a PTE", WPT + 8, 51
    reserved "bit 40 of a PDE", WPD, 40
    reserved "bit 50 of a PDPTE", WPDPT, 50
    reserved "bit 51 of a PML4E", PML4 + 8, 51
    reserved "bit 7 of a PML4E", PML4 + 8, 7
    bts qword [WPT + 8], 52
    bts qword [WPT + 8], 62
    reload
    read "bits 52 and 62 are free", HIGH + 0x1000
    page 1, 7
    page 1, 0x0001000000000006
    read "reserved bits of an entry that is not present", HIGH + 0x1000
    page 1, 7

; --- large pages
    mov qword [WPD + 8], FRAMES + 0x87
    read "2 MiB", HIGH + 0x200000 + 0x1ffffc
    mov qword [WPD + 8], FRAMES + 0x87 + 0x2000
    reload
    read "2 MiB with bit 13", HIGH + 0x200000
    mov qword [WPD + 8], FRAMES + 0x87 + 0x100000
    reload
    read "2 MiB with bit 20", HIGH + 0x200000
    mov qword [WPD + 8], FRAMES + 0x87 + 0x1000
    reload
    read "2 MiB with PAT", HIGH + 0x200000
    mov qword [WPD + 8], FRAMES + 0x85
    reload
    write "2 MiB read-only", HIGH + 0x200000
    mov qword [WPDPT + 8], 0x87
    read "1 GiB", HIGH + 0x40000000 + header
    mov [saved_rax], rax
    fact "the same read through 1 GiB", [saved_rax], 8
    mov rax, [WPDPT + 8]
    fact "its PDPTE", rax
    mov qword [WPDPT + 8], 0x87 + 0x20000000
    reload
    read "1 GiB with bit 29", HIGH + 0x40000000
    mov qword [WPDPT + 8], 0x83
    reload
    user_access "1 GiB of the supervisor", 0, HIGH + 0x40000000
    mov qword [WPDPT + 8], 0

; --- accessed and dirty
    page 2, 7
    and byte [WPD], ~0x20
    and byte [WPDPT], ~0x20
    and byte [PML4 + 8], ~0x20
    reload
    read "accessed", HIGH + 0x2000
    show_page "PTE read", 2
    mov rax, [WPD]
    fact "PDE read", rax
    mov rax, [WPDPT]
    fact "PDPTE read", rax
    mov rax, [PML4 + 8]
    fact "PML4E read", rax
    write "dirty", HIGH + 0x2000
    show_page "PTE written", 2
    page 2, 5
    write "read-only", HIGH + 0x2000
    show_page "PTE of a write that is refused", 2
    page 2, 3
    user_access "refused to ring 3", 0, HIGH + 0x2000
    show_page "PTE of a read that is refused", 2
    page 2, 7
    experiment "CMPXCHG that does not match writes all the same"
    mov rdi, HIGH + 0x2000
    mov eax, 1
    lock cmpxchg [rdi], ecx
    conclude
    show_page "PTE of CMPXCHG", 2
    page 2, 5
    experiment "CMPXCHG to a read-only page"
    mov rdi, HIGH + 0x2000
    mov eax, 1
    cmpxchg [rdi], ecx
    conclude
    experiment "BTS to a read-only page"
    mov rdi, HIGH + 0x2000
    bts dword [rdi], 3
    conclude
    experiment "BT of one"
    mov rdi, HIGH + 0x2000
    bt dword [rdi], 3
    conclude

; --- page boundaries
    page 3, 7
    page 4, 6
    read "over the end, the second page is absent", HIGH + 0x4000 - 2
    write "over the end, write", HIGH + 0x4000 - 1
    user_access "over the end, ring 3 writes", 1, HIGH + 0x4000 - 3
    experiment "over the end, SSE"
    mov rdi, HIGH + 0x4000 - 8
    movups xmm0, [rdi]
    conclude
    experiment "over the end, FXSAVE"
    mov rdi, HIGH + 0x4000 - 256
    fxsave [rdi]
    conclude
    experiment "over the end, REP MOVSB"
    mov rdi, HIGH + 0x4000 - 5
    mov rsi, HIGH + 0x3000
    mov ecx, 9
    rep movsb
    conclude
    fact "RCX left", [saved_rcx]
    fact "RDI then", [saved_rdi]
    fetch "over the end, fetch of one byte", HIGH + 0x4000 - 1
    mov byte [FRAMES + 0x3fff], 0xb8
    fetch "over the end, fetch", HIGH + 0x4000 - 1
    mov byte [FRAMES + 0x3fff], 0xc3
    page 3, 6
    page 4, 7
    read "over the start, the first page is absent", HIGH + 0x4000 - 2
    write "over the start, write", HIGH + 0x4000 - 2
    page 3, 6
    read "both pages absent", HIGH + 0x4000 - 2
    page 3, 7
    page 4, 5
    write "the second page is read-only", HIGH + 0x4000 - 2
    fact "what it held", [FRAMES + 0x3ffc], 8
    experiment "a locked write over both"
    mov rdi, HIGH + 0x4000 - 2
    lock inc dword [rdi]
    conclude
    page 4, 7

; --- flushes
    page 5, 7
    mov rdi, HIGH + 0x5000
    mov eax, [rdi]
    mov dword [FRAMES + 0x6000], 0x66666666
    mov qword [WPT + 5 * 8], FRAMES + 0x6000 + 7
    invlpg [rdi]
    mov eax, [rdi]
    fact "after INVLPG", rax, 8
    mov qword [WPT + 5 * 8], FRAMES + 0x5000 + 7
    reload
    mov eax, [rdi]
    fact "after MOV CR3", rax, 8
    set_cr4 0x80
    mov qword [WPT + 5 * 8], FRAMES + 0x6000 + 0x107
    reload
    mov eax, [rdi]
    mov qword [WPT + 5 * 8], FRAMES + 0x5000 + 0x107
    invlpg [rdi]
    mov eax, [rdi]
    fact "a global page after INVLPG", rax, 8
    mov qword [WPT + 5 * 8], FRAMES + 0x6000 + 0x107
    set_cr4 0
    mov eax, [rdi]
    fact "a global page after CR4.PGE", rax, 8
    mov qword [WPT + 5 * 8], FRAMES + 0x5000 + 7
    invlpg [rdi]
    experiment "INVLPG of an address that is not canonical"
    mov rdi, 0x800000000000
    invlpg [rdi]
    conclude
    user_access "INVLPG in ring 3", 3, HIGH
    mov qword [WPD + 8], FRAMES + 0x87
    mov rdi, HIGH + 0x200000
    mov eax, [rdi + 0x6000]
    mov qword [WPD + 8], FRAMES + 0x200087
    mov rcx, HIGH + 0x300000
    invlpg [rcx]
    mov dword [FRAMES + 0x206000], 0x77777777
    mov eax, [rdi + 0x6000]
    fact "INVLPG of another part of a large page", rax, 8

; --- SMEP and SMAP
    set_cr4 0x100000
    page 6, 7
    mov dword [FRAMES + 0x6000], 0xc3c3c3c3
    fetch "SMEP, fetch of a user's page", HIGH + 0x6000
    read "SMEP, read of one", HIGH + 0x6000
    page 6, 3
    fetch "SMEP, fetch of a supervisor's page", HIGH + 0x6000
    page 6, 7
    user_access "SMEP, ring 3 fetches", 2, HIGH + 0x6000
    write_msr EFER, 0x500
    fetch "SMEP without NXE", HIGH + 0x6000
    page 6, 6
    fetch "SMEP without NXE, not present", HIGH + 0x6000
    set_cr4 0
    fetch "neither SMEP nor NXE, not present", HIGH + 0x6000
    page 6, 7
    set_cr4 0x200000
    read "SMAP, read", HIGH + 0x6000
    write "SMAP, write", HIGH + 0x6000
    fetch "SMAP, fetch", HIGH + 0x6000
    experiment "SMAP, STAC and read"
    mov rdi, HIGH + 0x6000
    stac
    mov eax, [rdi]
    clac
    mov eax, [rdi]
    conclude
    user_access "SMAP, ring 3 reads", 0, HIGH + 0x6000
    page 6, 5
    experiment "SMAP, STAC and write to a read-only page"
    mov rdi, HIGH + 0x6000
    stac
    mov [rdi], eax
    conclude
    write "SMAP, write to a read-only page", HIGH + 0x6000
    page 6, 7
    user_access "STAC in ring 3", 4, HIGH + 0x6000
    experiment "SMAP, AC in ring 0 by POPF"
    push qword 0x40002
    popfq
    mov rdi, HIGH + 0x6000
    mov eax, [rdi]
    conclude
    set_cr4 0

; --- addresses
    read "canonical top of the lower half", 0x7ffffffffff8
    read "bottom of the upper half", 0xffff800000000000
    read "above the lower half", 0x800000000000
    experiment "page fault's CR2 has 64 bits"
    mov rdi, -8
    mov rax, [rdi]
    conclude
    finish

to_user:
    mov rax, cs
    push qword DATA3 | 3
    mov rax, USER + STACK3
    push rax
    push qword 2
    push qword CODE3 | 3
    mov rax, USER + .there
    push rax
    iretq
.there:
    cmp esi, 1
    je .write
    cmp esi, 2
    je .execute
    cmp esi, 3
    je .invalidate
    cmp esi, 4
    je .allow
    mov eax, [rdi]
    int DONE
.write:
    mov [rdi], eax
    int DONE
.execute:
    call rdi
    int DONE
.invalidate:
    invlpg [rdi]
    int DONE
.allow:
    stac
    int DONE

    [section .data]
    align 8
levels: dq WPT, WPD, WPDPT, PML4 + 8
level:  dq 0
rights: dq 0
kind:   dq 0
matrix_name:   db "level "
matrix_level:  db "0 rights "
matrix_rights: db "0 access "
matrix_kind:   db "0", 0
    __?SECT?__
