; Long mode: a kernel in the upper half, a program in ring 3 that calls it by SYSCALL and INT 0x80, vectors and the x87.
    org 0x7c00
    bits 16
boot:
    cli
    xor ax, ax
    mov ds, ax
    mov ss, ax
    mov sp, 0x7c00
    mov ax, 0x7e0
    mov es, ax
    xor bx, bx
    mov ax, 0x0200 + (end - kernel + 511) / 512
    mov cx, 2
    mov dh, 0
    int 0x13
    jc boot_failed
    cli
    ; PML4 at 0x10000, PDPTs at 0x11000 (low) and 0x12000 (high), PD at 0x13000, PT at 0x14000.
    mov ax, 0x1000
    mov es, ax
    xor di, di
    xor ax, ax
    mov cx, 0xa000
    rep stosw
    mov dword [es:0x0000], 0x11007
    mov dword [es:0x0ff8], 0x12003
    mov dword [es:0x1000], 0x13007
    mov dword [es:0x2ff0], 0x13003
    mov dword [es:0x3000], 0x14007
    mov dword [es:0x3008], 0x200083         ; 2 MiB, for supervisors
    mov dword [es:0x3010], 0x400083         ; the next, and not to be executed
    mov dword [es:0x3014], 0x80000000
    mov bx, 0x4000
    mov eax, 0x107
.pages:
    mov [es:bx], eax
    add eax, 0x1000
    add bx, 8
    cmp bx, 0x4100
    jb .pages
    mov dword [es:0x4000 + 9 * 8], 0x9105   ; the program's page is read-only
    lgdt [gdt_pointer]
    mov eax, cr4
    or ax, 0x620                            ; PAE, OSFXSR, OSXMMEXCPT
    mov cr4, eax
    mov eax, 0x10000
    mov cr3, eax
    mov ecx, 0xc0000080
    xor edx, edx
    mov eax, 0x901                          ; SCE, LME, NXE
    wrmsr
    mov eax, cr0
    or eax, 0x80010003
    mov cr0, eax
    jmp 0x08:kernel
boot_failed:
    hlt
    times 510 - ($ - $$) db 0
    dw 0xaa55

HIGH equ 0xffffffff80000000

    bits 64
kernel:
    mov rax, HIGH + upper
    jmp rax
upper:
    mov rsp, HIGH + 0x8f00
    lidt [rel idt_pointer]
    mov ax, 0x28
    ltr ax
    mov ecx, 0xc0000081
    xor eax, eax
    mov edx, 0x00100008
    wrmsr
    inc ecx
    mov eax, 0x80000000 + system_call
    mov edx, 0xffffffff
    wrmsr
    mov ecx, 0xc0000084
    mov eax, 0x200
    xor edx, edx
    wrmsr
    mov ecx, 0xc0000101
    mov eax, HIGH & 0xffffffff
    mov edx, 0xffffffff
    wrmsr
    call vectors
    mov rdi, 3
    call HIGH_STEP
    push 0x1b
    push 0xa000
    push 0x002
    push 0x23
    push program
    iretq

vectors:
    movaps xmm0, [rel numbers]
    addps xmm0, xmm0
    movq mm1, [rel numbers]
    emms
    fld tword [rel third]
    fldpi
    ret

HIGH_STEP:
    push rbp
    mov rbp, rsp
    mov rax, HIGH + indirect
    call rax
    pop rbp
    ret

indirect:
    push rbx
    sub rsp, 0x20
    nop
    add rsp, 0x20
    pop rbx
    ret

system_call:
    mov [gs:saved_stack], rsp
    mov rsp, HIGH + 0x8f00
    push rcx
    call work
    pop rcx
    mov rsp, [gs:saved_stack]
    o64 sysret

work:
    lea rax, [rdi + 1]
    ret

interrupt:
    push rax
    call work
    pop rax
    iretq

fault:
    mov al, 0x10
    out 0xf4, al

    align 16
numbers:
    dd 1.5, -0.25, 1.0e10, 0.0
third:
    dt 0.3333333333333333333333
saved_stack:
    dq 0

    align 8
gdt:
    dq 0
    dq 0x00af9a000000ffff           ; 08 code, ring 0
    dq 0x00cf92000000ffff           ; 10 data, ring 0
    dq 0x00cff2000000ffff           ; 18 data, ring 3
    dq 0x00affa000000ffff           ; 20 code, ring 3
    dw 103, tss                     ; 28 task state
    db 0, 0x89, 0, 0x80
    dd 0xffffffff, 0
gdt_pointer:
    dw $ - gdt - 1
    dd gdt

    align 16
idt:
    times 14 dq 0, 0
    dw fault, 0x08, 0x8e01, 0x8000
    dd 0xffffffff, 0
    times 0x80 - 15 dq 0, 0
    dw interrupt, 0x08, 0xee00, 0x8000
    dd 0xffffffff, 0
idt_pointer:
    dw $ - idt - 1
    dq idt

tss:
    dd 0
    dq HIGH + 0x8f00, 0, 0, 0
    dq HIGH + 0x8800, 0, 0, 0, 0, 0, 0, 0
    dw 0, 104

    times 0x9000 - 0x7c00 - ($ - $$) db 0
program:
    mov rdi, 41
    syscall
    int 0x80
    mov byte [program], 1
end:
