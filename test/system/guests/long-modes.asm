; The way into 64-bit mode and out of it: what is refused, and what the processor then is.

%include "framework64.inc"

EFER equ 0xc0000080
NEW  equ FREE                   ; a 16-bit TSS
; Tables for PAE paging, and 16-bit code.
pae_table     equ 0x208000
pae_directory equ 0x209000
low_code      equ 0x7000

%macro set_cr0 1
    mov eax, cr0
    or eax, %1
    mov cr0, eax
%endmacro

%macro clear_cr0 1
    mov rax, cr0
    and eax, ~(%1) & 0xffffffff
    mov cr0, rax
%endmacro

; In flat 32-bit code: a CR4 and an IA32_EFER.
%macro prepare 2
    mov eax, %1
    mov cr4, eax
    mov ecx, EFER
    mov eax, %2
    xor edx, edx
    wrmsr
    mov eax, PML4
    mov cr3, eax
%endmacro

%macro try_cr4 2                ; name, bits to change
    experiment %1
    mov rax, cr4
    mov rdx, %2
    xor rax, rdx
    mov cr4, rax
    conclude
    mov eax, CR4_BASE
    mov cr4, rax
%endmacro

main:
    mov rax, cr0
    fact "CR0", rax
    mov rax, cr4
    fact "CR4", rax
    mov ecx, EFER
    rdmsr
    shl rdx, 32
    or rax, rdx
    fact "EFER", rax

; --- on the way in
    legacy_experiment "PG without PE"
    mov eax, 0x80000010
    mov cr0, eax
    conclude_legacy

    legacy_experiment "NW without CD"
    set_cr0 0x20000000
    conclude_legacy

    legacy_experiment "LME and PG without PAE"
    prepare 0, 0x100
    set_cr0 0x80000000
    conclude_legacy

    legacy_experiment "LME is not LMA"
    prepare 0x20, 0x100
    rdmsr
    conclude_legacy
    fact "EFER with LME alone", [saved_rax], 8

    legacy_experiment "LMA cannot be written"
    prepare 0x20, 0x500
    rdmsr
    conclude_legacy
    fact "EFER with LMA written", [saved_rax], 8

    legacy_experiment "reserved bit of EFER"
    mov ecx, EFER
    xor edx, edx
    mov eax, 2
    wrmsr
    conclude_legacy

    legacy_experiment "high half of EFER"
    mov ecx, EFER
    mov edx, 1
    xor eax, eax
    wrmsr
    conclude_legacy

    legacy_experiment "PCIDE outside of IA-32e mode"
    prepare 0x20, 0x100
    mov eax, 0x20020
    mov cr4, eax
    conclude_legacy

    legacy_experiment "CR8 outside of 64-bit mode: MOV"
    db 0x44, 0x0f, 0x20, 0xc0   ; INC ESP; MOV EAX, CR0
    conclude_legacy

    legacy_experiment "LOCK MOV CR0 is no CR8"
    db 0xf0, 0x0f, 0x20, 0xc0
    conclude_legacy

    legacy_experiment "CR1"
    db 0x0f, 0x20, 0xc8
    conclude_legacy

    legacy_experiment "SYSCALL outside of IA-32e mode"
    mov ecx, EFER
    xor edx, edx
    mov eax, 1
    wrmsr
    db 0x0f, 0x05
    conclude_legacy

    legacy_experiment "SWAPGS outside of 64-bit mode"
    db 0x0f, 0x01, 0xf8
    conclude_legacy

    legacy_experiment "a descriptor with L outside of IA-32e mode"
    jmp CODE0:.there
.there:
    conclude_legacy

; PAE paging, from which LME cannot be changed.
    mov qword [pae_table], pae_directory + 1
    mov qword [pae_table + 8], 0
    mov qword [pae_table + 16], 0
    mov qword [pae_table + 24], 0
    mov qword [pae_directory], 0x83
    legacy_experiment "LME set while PAE paging is on"
    prepare 0x20, 0
    mov eax, pae_table
    mov cr3, eax
    set_cr0 0x80000000
    mov ecx, EFER
    xor edx, edx
    mov eax, 0x100
    wrmsr
    conclude_legacy

    legacy_experiment "PAE cleared in PAE paging"
    prepare 0x20, 0
    mov eax, pae_table
    mov cr3, eax
    set_cr0 0x80000000
    mov eax, cr4
    conclude_legacy

    mov qword [pae_table + 8], 7
    legacy_experiment "reserved bit of a PDPTE at CR0.PG"
    prepare 0x20, 0
    mov eax, pae_table
    mov cr3, eax
    set_cr0 0x80000000
    conclude_legacy

    mov qword [pae_table + 8], 6
    legacy_experiment "reserved bit of a PDPTE that is not present"
    prepare 0x20, 0
    mov eax, pae_table
    mov cr3, eax
    set_cr0 0x80000000
    mov eax, cr3
    mov cr3, eax
    conclude_legacy

    legacy_experiment "reserved bit of a PDPTE at MOV CR3"
    prepare 0x20, 0
    mov eax, pae_table
    mov cr3, eax
    set_cr0 0x80000000
    mov byte [pae_table + 8], 7
    mov eax, cr3
    mov cr3, eax
    conclude_legacy

    mov qword [pae_table + 8], 0
    mov dword [pae_table + 12], 0x100
    mov byte [pae_table + 8], 1
    legacy_experiment "physical address of a PDPTE too wide"
    prepare 0x20, 0
    mov eax, pae_table
    mov cr3, eax
    set_cr0 0x80000000
    conclude_legacy
    mov qword [pae_table + 8], 0

    legacy_experiment "4-level tables seen by PAE paging without LME"
    prepare 0x20, 0
    mov eax, pae_table
    mov cr3, eax
    set_cr0 0x80000000
    mov eax, [0x40000000]
    conclude_legacy

; --- in 64-bit mode
    experiment "PG cleared in 64-bit mode"
    clear_cr0 0x80000000
    conclude

    experiment "PE cleared in 64-bit mode"
    clear_cr0 1
    conclude

    experiment "PE and PG cleared in 64-bit mode"
    clear_cr0 0x80000001
    conclude

    experiment "CR0 bit 32"
    mov rax, cr0
    bts rax, 32
    mov cr0, rax
    conclude

    experiment "CR0 reserved bit 6 is ignored"
    mov rax, cr0
    bts rax, 6
    mov cr0, rax
    mov rax, cr0
    conclude
    fact "CR0 after bit 6", [saved_rax]

    experiment "CR0 bit 4 stays"
    mov rax, cr0
    and al, ~0x10
    mov cr0, rax
    mov rax, cr0
    conclude
    fact "CR0 after ET", [saved_rax]

    try_cr4 "PAE cleared in 64-bit mode", 0x20
    try_cr4 "CR4 bit 11 with 31", 0x80000000
    try_cr4 "CR4 bit 32", 0x100000000
    try_cr4 "CR4 bit 15", 0x8000
    try_cr4 "CR4 PSE and PGE", 0x90
    try_cr4 "CR4 FSGSBASE", 0x10000

    experiment "LME cleared in 64-bit mode"
    mov ecx, EFER
    rdmsr
    btr eax, 8
    wrmsr
    conclude

    experiment "LMA cleared in EFER is ignored"
    mov ecx, EFER
    rdmsr
    btr eax, 10
    wrmsr
    rdmsr
    conclude
    fact "EFER with LMA cleared", [saved_rax], 8

    experiment "NXE and SCE"
    mov ecx, EFER
    rdmsr
    or eax, 0x801
    wrmsr
    rdmsr
    conclude
    fact "EFER with NXE and SCE", [saved_rax], 8

    experiment "CR3 beyond the physical address"
    mov rax, cr3
    bts rax, 51
    mov cr3, rax
    conclude

    experiment "CR3 bit 62"
    mov rax, cr3
    bts rax, 62
    mov cr3, rax
    conclude

    experiment "CR3 bit 63 without PCIDE"
    mov rax, cr3
    bts rax, 63
    mov cr3, rax
    conclude

    experiment "CR3 keeps PWT and PCD"
    mov rax, cr3
    or rax, 0x18
    mov cr3, rax
    mov rax, cr3
    conclude
    fact "CR3 with PWT and PCD", [saved_rax]
    mov eax, PML4
    mov cr3, rax

    experiment "CR2 has 64 bits, canonical or not"
    mov rax, 0x123456789abcdef0
    mov cr2, rax
    mov rax, cr2
    conclude
    fact "CR2", [saved_rax]

; --- CR8
    experiment "CR8"
    mov eax, 9
    mov cr8, rax
    mov eax, 0
    mov rax, cr8
    conclude
    fact "CR8 read", [saved_rax]
    mov esi, 0xfee00080
    mov eax, [rsi]
    fact "TPR behind CR8", rax, 8

    experiment "CR8 reserved bit"
    mov eax, 16
    mov cr8, rax
    conclude

    experiment "CR8 high half"
    mov rax, 0x100000000
    mov cr8, rax
    conclude

    experiment "TPR"
    mov esi, 0xfee00080
    mov dword [rsi], 0x5a
    mov rax, cr8
    conclude
    fact "CR8 of the TPR", [saved_rax]
    xor eax, eax
    mov cr8, rax

    ring3_experiment "CR8 in ring 3"
    mov rax, cr8
    conclude

    ring3_experiment "CR8 read in compatibility mode is INC and CR0", narrow
    db 0x44, 0x0f, 0x20, 0xc0
    conclude_narrow

%macro undefined_cr 2
    experiment {"MOV from CR", %2}
    db 0x40 | ((%1 & 8) >> 1), 0x0f, 0x20, 0xc0 | ((%1 & 7) << 3)
    conclude
    ring3_experiment {"MOV to CR", %2, " in ring 3"}
    db 0x40 | ((%1 & 8) >> 1), 0x0f, 0x22, 0xc0 | ((%1 & 7) << 3)
    conclude
%endmacro
    undefined_cr 1, "1"
    undefined_cr 5, "5"
    undefined_cr 9, "9"
    undefined_cr 15, "15"

    experiment "MOV CR0 takes no memory and 64 bits with any mod"
    mov eax, 0x55
    db 0x0f, 0x20, 0x00         ; mod 0: MOV RAX, CR0
    conclude
    fact "CR0 by mod 0", [saved_rax]

; --- what 64-bit mode does not know
%macro invalid 2+
    experiment {%1, " in 64-bit mode"}
    db %2
    nop
    nop
    nop
    nop
    nop
    nop
    conclude
%endmacro
    invalid "PUSH ES", 0x06
    invalid "POP DS", 0x1f
    invalid "DAA", 0x27
    invalid "AAA", 0x37
    invalid "AAM", 0xd4, 0x0a
    invalid "PUSHA", 0x60
    invalid "POPA", 0x61
    invalid "BOUND", 0x62, 0x00
    invalid "far CALL", 0x9a
    invalid "far JMP", 0xea
    invalid "INTO", 0xce
    invalid "SALC", 0xd6
    invalid "opcode 82", 0x82, 0xc0, 0x01
    invalid "LES", 0xc4, 0x00
    invalid "LDS", 0xc5, 0x00
    invalid "UD2", 0x0f, 0x0b
    invalid "SYSEXIT with SYSENTER_CS 0", 0x0f, 0x35
    invalid "SYSENTER with SYSENTER_CS 0", 0x0f, 0x34

    experiment "a 16-byte instruction"
    times 10 db 0x66
    db 0x48, 0xb8
    dq 1
    conclude

; --- compatibility mode, and out
    experiment "PG cleared with PCIDE off in compatibility mode"
    push qword CODE0C
    push qword .narrow
    o64 retf
    bits 32
.narrow:
    mov eax, cr0
    and eax, 0x7fffffff
    mov cr0, eax
    mov ecx, EFER
    rdmsr
    mov esi, eax                ; LMA is off
    mov eax, cr0
    or eax, 0x80000000
    mov cr0, eax
    rdmsr
    mov edi, eax
    int DONE
    bits 64
%$resume:
    call report
    %pop
    fact "EFER without paging", [saved_rsi], 8
    fact "EFER with paging again", [saved_rdi], 8

    experiment "PAE cleared in compatibility mode"
    push qword CODE0C
    push qword .narrow2
    o64 retf
    bits 32
.narrow2:
    mov eax, cr4
    and al, ~0x20
    mov cr4, eax
    conclude_narrow

    experiment "code without L entered by a far return is 32-bit"
    push qword CODE0C
    push qword .narrow3
    o64 retf
    bits 32
.narrow3:
    mov eax, -1
    db 0x48                     ; DEC EAX here
    conclude_narrow
    fact "RAX of DEC EAX", [saved_rax], 8

    mov dword [low_code], 0xb8  ; MOV AX, 0 and INT DONE
    mov dword [low_code + 3], 0x2fcd
    experiment "16-bit compatibility mode"
    push qword CODE16
    push qword low_code
    mov rax, -1
    o64 retf
    conclude

    legacy_experiment "CS.L set at CR0.PG"
    prepare 0x20, 0x100
    jmp CODE0:.same
    bits 16                     ; what L and a clear D are outside of IA-32e mode
.same:
    set_cr0 0x80000000
    conclude_legacy

    entry_at free_entries, 0x00670000, 0x00008100
    legacy_experiment "a 16-bit TSS at CR0.PG"
    mov ax, NEW
    ltr ax
    prepare 0x20, 0x100
    set_cr0 0x80000000
    conclude_legacy
    finish

