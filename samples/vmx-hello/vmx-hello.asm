; The smallest hypervisor and its guest: VT-x in seven steps.
;
; The hypervisor enters VMX operation, describes itself and its guest in a VMCS, and launches the guest. The guest asks for
; services by VMCALL: each is a VM exit into `vm_exit`, which does what was asked for and resumes the guest behind the VMCALL.
;
; Press F5, set breakpoints on `guest` and `vm_exit`, and step into a VMCALL. README.md beside this file walks through it.

    bits 32
    org 0x100000

COM1        equ 0x3f8
EXIT_PORT   equ 0xf4                ; a write of n ends the run with status 2n + 1

CODE32      equ 0x08
CODE64      equ 0x10
DATA        equ 0x18
TASK        equ 0x20                ; 16 bytes in 64-bit mode

; Pages of memory behind the program, which begin as zeros.
PML4        equ 0x200000
PDPT        equ 0x201000
DIRECTORY   equ 0x202000
VMXON_PAGE  equ 0x203000            ; 4 KiB for the processor's own use
VMCS_PAGE   equ 0x204000            ; 4 KiB that hold the VMCS
HOST_STACK  equ 0x206000            ; the stacks' upper ends
GUEST_STACK equ 0x208000
PAGES       equ 0x200000
PAGES_END   equ 0x208000

; Hypercalls: EAX says what is asked for.
HYPERCALL_PRINT equ 1               ; RBX: address of a text that ends with 0
HYPERCALL_SQUARE equ 2              ; RBX: a number; its square comes back in RAX
HYPERCALL_EXIT  equ 3               ; RBX: status

; ---- Multiboot: the boot loader puts the file at 1 MiB and enters `start` in 32-bit protected mode without paging

header:
    dd 0x1badb002, 0x00010000, -(0x1badb002 + 0x00010000)
    dd header, header, 0, 0, start

; ---- Into 64-bit mode, which has nothing to do with VT-x yet

start:
    cli
    cld
    mov edi, PAGES
    mov ecx, (PAGES_END - PAGES) / 4
    xor eax, eax
    rep stosd
    mov dword [PML4], PDPT | 3
    mov dword [PDPT], DIRECTORY | 3
    mov edi, DIRECTORY
    mov eax, 0x83                   ; present, writable, 2 MiB: the first GiB one to one
.page:
    mov [edi], eax
    add edi, 8
    add eax, 0x200000
    cmp eax, 0x40000000
    jb .page
    mov eax, cr4
    or eax, 1 << 5                  ; CR4.PAE
    mov cr4, eax
    mov eax, PML4
    mov cr3, eax
    mov ecx, 0xc0000080             ; IA32_EFER
    rdmsr
    or eax, 1 << 8                  ; LME
    wrmsr
    mov eax, cr0
    or eax, 0x80000021              ; PG, NE (VMX operation wants it), PE
    mov cr0, eax
    lgdt [gdt_pointer]
    jmp CODE64:host

; ---- The hypervisor

    bits 64
host:
    mov eax, DATA
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov fs, eax
    mov gs, eax
    mov eax, TASK
    ltr ax                          ; the VMCS must name a task register: exits load it
    mov rsp, HOST_STACK

    ; Step 1: is VT-x there, and may it be used?
    mov eax, 1
    cpuid
    mov rsi, text_no_vmx
    bt ecx, 5
    jnc give_up
    mov ecx, 0x3a                   ; IA32_FEATURE_CONTROL
    rdmsr
    test eax, 1                     ; locked: then the firmware has decided
    jnz .locked
    or eax, 1 | 1 << 2              ; VMXON is allowed; lock
    wrmsr
.locked:
    mov rsi, text_locked_out
    test eax, 1 << 2
    jz give_up

    ; Step 2: VMX operation. From VMXON on this processor is in VMX root operation.
    mov rax, cr4
    or eax, 1 << 13                 ; CR4.VMXE
    mov cr4, rax
    mov ecx, 0x480                  ; IA32_VMX_BASIC: its first 31 bits identify the layout of a VMCS
    rdmsr
    and eax, 0x7fffffff
    mov [VMXON_PAGE], eax
    mov [VMCS_PAGE], eax
    mov rsi, text_vmxon
    vmxon [vmxon_pointer]
    jbe give_up                     ; CF or ZF says that a VMX instruction failed

    ; Step 3: a VMCS of our own, clear and current.
    mov rsi, text_vmcs
    vmclear [vmcs_pointer]
    jbe give_up
    vmptrld [vmcs_pointer]
    jbe give_up

    ; Step 4: controls. A capability MSR says which bits must be 1 (low half) and may be 1 (high half).
    mov ecx, 0x48d                  ; IA32_VMX_TRUE_PINBASED_CTLS
    mov edi, 0x4000
    xor ebx, ebx
    call set_control
    mov ecx, 0x48e                  ; IA32_VMX_TRUE_PROCBASED_CTLS
    mov edi, 0x4002
    mov ebx, 1 << 7                 ; HLT exiting
    call set_control
    mov ecx, 0x48f                  ; IA32_VMX_TRUE_EXIT_CTLS
    mov edi, 0x400c
    mov ebx, 1 << 9                 ; host address-space size: exits lead to 64-bit mode
    call set_control
    mov ecx, 0x490                  ; IA32_VMX_TRUE_ENTRY_CTLS
    mov edi, 0x4012
    mov ebx, 1 << 9                 ; IA-32e mode guest
    call set_control

    ; Step 5: the other fields, from a table.
    mov rsi, fields
.field:
    mov rdx, [rsi]                  ; encoding
    mov rax, [rsi + 8]              ; value
    vmwrite rdx, rax
    jbe .no_field
    add rsi, 16
    cmp rsi, fields_end
    jb .field
    ; and those whose values are in registers: host and guest share them
    mov edx, 0x6c00                 ; host CR0
    mov rax, cr0
    vmwrite rdx, rax
    mov edx, 0x6800                 ; guest CR0
    vmwrite rdx, rax
    mov edx, 0x6c02                 ; host CR3
    mov rax, cr3
    vmwrite rdx, rax
    mov edx, 0x6802                 ; guest CR3
    vmwrite rdx, rax
    mov edx, 0x6c04                 ; host CR4
    mov rax, cr4
    vmwrite rdx, rax
    mov edx, 0x6804                 ; guest CR4
    vmwrite rdx, rax

    ; Step 6: the guest. Where this succeeds, the next instruction of ours is at `vm_exit`.
    mov rsi, text_hello
    call print
    vmlaunch

    ; It failed: the VM-instruction error field says why.
    mov rsi, text_vmlaunch
    call print
    mov edx, 0x4400
    vmread rax, rdx
    call print_number
    jmp stop
.no_field:
    mov rsi, text_field
    jmp give_up

; Step 7: every VM exit arrives here, with host state from the VMCS. General registers are still the guest's: RSP alone is ours.
vm_exit:
    push rdx
    push rcx
    mov edx, 0x4402                 ; exit reason
    vmread rcx, rdx
    cmp ecx, 18                     ; VMCALL
    je hypercall
    mov rsi, text_reason
    call print
    mov rax, rcx
    call print_number
    jmp stop

; A hypercall: EAX is its number, RBX its argument, RAX its result.
hypercall:
    cmp eax, HYPERCALL_PRINT
    je .print
    cmp eax, HYPERCALL_SQUARE
    je .square
    cmp eax, HYPERCALL_EXIT
    je .exit
    mov rax, -1                     ; no such hypercall
    jmp .resume
.print:
    push rsi
    mov rsi, rbx
    call print
    pop rsi
    xor eax, eax
    jmp .resume
.square:
    mov rax, rbx
    imul rax, rbx
    jmp .resume
.exit:
    mov rsi, text_done
    call print
    vmxoff
    mov eax, ebx
    out EXIT_PORT, eax
    hlt
.resume:
    ; An exit leaves guest RIP on the instruction that caused it. Whoever emulates the instruction goes on behind it.
    push rax
    mov edx, 0x440c                 ; VM-exit instruction length
    vmread rcx, rdx
    mov edx, 0x681e                 ; guest RIP
    vmread rax, rdx
    add rax, rcx
    vmwrite rdx, rax
    pop rax
    pop rcx
    pop rdx
    vmresume                        ; VMLAUNCH is for the first time only
    mov rsi, text_vmresume
    jmp give_up

; Field EDI = what the capability MSR ECX demands and EBX wishes.
set_control:
    rdmsr
    or eax, ebx
    and eax, edx
    mov edx, edi
    vmwrite rdx, rax
    ret

give_up:
    call print
stop:
    mov eax, 1
    out EXIT_PORT, eax
    hlt
    jmp stop

; Writes the text at RSI to COM1.
print:
    push rax
    push rdx
.next:
    mov dx, COM1 + 5
    in al, dx
    test al, 0x20                   ; ready for the next character?
    jz .next
    lodsb
    test al, al
    jz .end
    mov dx, COM1
    out dx, al
    jmp .next
.end:
    pop rdx
    pop rax
    ret

; Writes RAX in decimal, and a new line.
print_number:
    mov rdi, number_end
    mov ecx, 10
.digit:
    xor edx, edx
    div rcx
    add dl, '0'
    dec rdi
    mov [rdi], dl
    test rax, rax
    jnz .digit
    mov rsi, rdi
    jmp print

; ---- The guest, in VMX non-root operation. It is in ring 0 and cannot tell where its hypervisor is.

guest:
    mov eax, HYPERCALL_PRINT
    mov ebx, text_guest
    vmcall
    mov eax, HYPERCALL_SQUARE
    mov ebx, 12
    vmcall
    cmp eax, 144
    jne .wrong
    mov eax, HYPERCALL_PRINT
    mov ebx, text_square
    vmcall
    mov eax, HYPERCALL_EXIT
    xor ebx, ebx
    vmcall
.wrong:
    hlt                             ; exits, too: "HLT exiting" is set

; ---- Data

text_hello:      db 'hypervisor: in VMX root operation', 10, 0
text_guest:      db 'guest: hello from VMX non-root operation', 10, 0
text_square:     db 'guest: the hypervisor says that 12 * 12 is 144', 10, 0
text_done:       db 'hypervisor: the guest is done', 10, 0
text_no_vmx:     db 'this processor has no VT-x', 10, 0
text_locked_out: db 'the firmware has locked VT-x out', 10, 0
text_vmxon:      db 'VMXON failed', 10, 0
text_vmcs:       db 'VMCLEAR or VMPTRLD failed', 10, 0
text_field:      db 'VMWRITE failed', 10, 0
text_vmlaunch:   db 'VMLAUNCH failed with error ', 0
text_vmresume:   db 'VMRESUME failed', 10, 0
text_reason:     db 'unexpected VM exit ', 0
number:          times 20 db 0
number_end:      db 10, 0

    align 8
vmxon_pointer:  dq VMXON_PAGE
vmcs_pointer:   dq VMCS_PAGE

; Encodings and values, group by group as the manual has them.
fields:
    ; guest registers
    dq 0x681c, GUEST_STACK          ; RSP
    dq 0x681e, guest                ; RIP
    dq 0x6820, 2                    ; RFLAGS: bit 1 is always 1
    dq 0x681a, 0x400                ; DR7
    ; guest segments: selector, base, limit, access rights
    dq 0x0802, CODE64, 0x6808, 0, 0x4802, 0xffffffff, 0x4816, 0xa09b
    dq 0x0804, DATA, 0x680a, 0, 0x4804, 0xffffffff, 0x4818, 0xc093
    dq 0x0806, DATA, 0x680c, 0, 0x4806, 0xffffffff, 0x481a, 0xc093
    dq 0x0800, DATA, 0x6806, 0, 0x4800, 0xffffffff, 0x4814, 0xc093
    dq 0x0808, DATA, 0x680e, 0, 0x4808, 0xffffffff, 0x481c, 0xc093
    dq 0x080a, DATA, 0x6810, 0, 0x480a, 0xffffffff, 0x481e, 0xc093
    dq 0x080c, 0, 0x6812, 0, 0x480c, 0, 0x4820, 0x10000           ; LDTR: unusable
    dq 0x080e, TASK, 0x6814, task_state, 0x480e, 0x67, 0x4822, 0x8b   ; TR: a busy 64-bit TSS
    dq 0x6816, gdt, 0x4810, gdt_end - gdt - 1                     ; GDTR
    dq 0x6818, 0, 0x4812, 0                                       ; IDTR: this guest takes no interrupts
    ; guest non-register state
    dq 0x4826, 0                    ; active
    dq 0x4824, 0                    ; nothing is blocked
    dq 0x6822, 0                    ; no debug exception is pending
    dq 0x2800, -1                   ; VMCS link pointer: none
    dq 0x2802, 0                    ; IA32_DEBUGCTL
    ; host state: what an exit loads
    dq 0x6c14, HOST_STACK
    dq 0x6c16, vm_exit
    dq 0x0c02, CODE64
    dq 0x0c04, DATA, 0x0c06, DATA, 0x0c00, DATA, 0x0c08, DATA, 0x0c0a, DATA
    dq 0x0c0c, TASK
    dq 0x6c06, 0, 0x6c08, 0         ; FS and GS bases
    dq 0x6c0a, task_state, 0x6c0c, gdt, 0x6c0e, 0
    dq 0x4c00, 0, 0x6c10, 0, 0x6c12, 0                            ; SYSENTER's MSRs
    ; execution: nothing else exits
    dq 0x4004, 0                    ; exception bitmap
    dq 0x4006, 0, 0x4008, 0         ; page faults
    dq 0x6000, 0, 0x6002, 0         ; CR0 and CR4 masks: the guest owns them
    dq 0x400a, 0                    ; CR3 targets
    ; lists of MSRs, event injection
    dq 0x400e, 0, 0x4010, 0, 0x4014, 0
    dq 0x4016, 0
fields_end:

    align 8
gdt:
    dq 0
    dq 0x00cf9b000000ffff           ; 32-bit code
    dq 0x00af9b000000ffff           ; 64-bit code
    dq 0x00cf93000000ffff           ; data
    dw 0x67, (task_state - $$) & 0xffff
    db 0x10, 0x89, 0, 0             ; an available 64-bit TSS, at 1 MiB and its offset in this file
    dq 0
gdt_end:
gdt_pointer:
    dw gdt_end - gdt - 1
    dq gdt

    align 16
task_state:
    times 104 db 0
