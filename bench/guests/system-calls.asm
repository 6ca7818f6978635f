; A program in ring 3 that calls its kernel. Define CALL: 1 is INT 0x80, 2 SYSENTER (32 bit alone), 3 SYSCALL (64 bit alone).
%include "common.inc"

COUNT equ 2000
kernel_stack equ VARIABLES

prepare:
    mov ax, DATA3 | 3
    mov ds, ax
    mov es, ax
    mov ecx, 0x80
    mov xax, int80
    call set_gate
    or byte [xdx + 5], 0x60
    mov ecx, 0x81
    mov xax, leave_ring3
    call set_gate
    or byte [xdx + 5], 0x60
%if CALL == 2
    xor edx, edx
    mov ecx, 0x174
    mov eax, CODE0
    wrmsr
    mov ecx, 0x175
    mov eax, RING0_STACK
    wrmsr
    mov ecx, 0x176
    mov eax, entry
    wrmsr
%elif CALL == 3
    ; STAR, LSTAR, FMASK.
    mov ecx, 0xc0000081
    xor eax, eax
    mov edx, CODE3_32 << 16 | CODE0
    wrmsr
    inc ecx
    mov eax, entry
    xor edx, edx
    wrmsr
    mov ecx, 0xc0000084
    mov eax, 0x200
    wrmsr
%endif
    ret

round:
    mov [kernel_stack], xsp
    push byte DATA3 | 3
    push xword RING3_STACK
    push byte 2
    push byte CODE3 | 3
    push xword program
    xiret

leave_ring3:
    mov xsp, [kernel_stack]
    ret

int80:
    rol eax, 1
    add eax, ebx
    xiret

%if CALL == 2
entry:
    rol eax, 1
    add eax, ebx
    sysexit
%elif CALL == 3
entry:
    mov rdi, rsp
    mov esp, RING0_STACK
    rol eax, 1
    add eax, ebx
    mov rsp, rdi
    o64 sysret
%endif

program:
    mov esi, COUNT
    xor eax, eax
.next:
    mov ebx, esi
%if CALL == 1
    int 0x80
%elif CALL == 2
    mov ecx, esp
    mov edx, .back
    sysenter
.back:
%else
    syscall
%endif
    dec esi
    jnz .next
    int 0x81
