# From Multiboot's 32-bit entry into 64-bit C, and what of VT-x C cannot say: entering a guest, and coming back from it.

    .section .multiboot, "a"
    .align 4
header:
    .long 0x1badb002, 0x00010000, -(0x1badb002 + 0x00010000)
    .long header, _load_start, _load_end, _end, start

    .text
    .code32
    .globl start
start:
    cli
    cld
    movl $stack_end, %esp
    movl $(pdpt + 3), pml4
    movl $(directory + 3), pdpt
    movl $directory, %edi
    movl $0x83, %eax            # present, writable, 2 MiB: the first GiB one to one
1:  movl %eax, (%edi)
    addl $8, %edi
    addl $0x200000, %eax
    cmpl $0x40000000, %eax
    jb 1b
    movl %cr4, %eax
    orl $0x20, %eax             # PAE
    movl %eax, %cr4
    movl $pml4, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx      # IA32_EFER.LME
    rdmsr
    orl $0x100, %eax
    wrmsr
    movl %cr0, %eax
    orl $0x80000021, %eax       # PG, NE, PE
    movl %eax, %cr0
    lgdt gdt_pointer
    ljmp $8, $long_mode

    .code64
long_mode:
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    # the TSS's descriptor gets its base, and TR the TSS
    movl $task_state, %eax
    movw %ax, gdt + 24 + 2
    shrl $16, %eax
    movb %al, gdt + 24 + 4
    movl $24, %eax
    ltr %ax
    movl $stack_end, %esp
    call hypervisor
2:  hlt
    jmp 2b

# int enter_guest(struct registers *registers, int launched): 0 behind a VM exit, else what the VMX instruction left in CF (1) and ZF (2).
    .globl enter_guest
enter_guest:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rdi
    movl $0x6c14, %eax          # host RSP: an exit comes back to this frame
    vmwrite %rsp, %rax
    movl $0x6c16, %eax          # host RIP
    movl $vm_exit, %edx
    vmwrite %rdx, %rax
    cmpl $0, %esi
    movq 0(%rdi), %rax
    movq 8(%rdi), %rbx
    movq 16(%rdi), %rcx
    movq 24(%rdi), %rdx
    movq 32(%rdi), %rsi
    movq 48(%rdi), %rbp
    movq 56(%rdi), %r8
    movq 64(%rdi), %r9
    movq 72(%rdi), %r10
    movq 80(%rdi), %r11
    movq 88(%rdi), %r12
    movq 96(%rdi), %r13
    movq 104(%rdi), %r14
    movq 112(%rdi), %r15
    movq 40(%rdi), %rdi
    jne 3f
    vmlaunch
    jmp 4f
3:  vmresume
4:  movl $0, %eax
    movl $1, %edx
    cmovcl %edx, %eax
    movl $2, %edx
    cmovzl %edx, %eax
    jmp 5f
vm_exit:
    pushq %rdi
    movq 8(%rsp), %rdi
    movq %rax, 0(%rdi)
    movq %rbx, 8(%rdi)
    movq %rcx, 16(%rdi)
    movq %rdx, 24(%rdi)
    movq %rsi, 32(%rdi)
    popq 40(%rdi)
    movq %rbp, 48(%rdi)
    movq %r8, 56(%rdi)
    movq %r9, 64(%rdi)
    movq %r10, 72(%rdi)
    movq %r11, 80(%rdi)
    movq %r12, 88(%rdi)
    movq %r13, 96(%rdi)
    movq %r14, 104(%rdi)
    movq %r15, 112(%rdi)
    xorl %eax, %eax
5:  popq %rdi
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

    .data
    .globl gdt, task_state
    .align 8
gdt:
    .quad 0
    .quad 0x00af9b000000ffff    # 64-bit code
    .quad 0x00cf93000000ffff    # data
    .quad 0x0000890000000067    # an available 64-bit TSS
    .quad 0
gdt_pointer:
    .word gdt_pointer - gdt - 1
    .long gdt

    .bss
    .align 4096
pml4:       .skip 4096
pdpt:       .skip 4096
directory:  .skip 4096
task_state: .skip 104
    .align 16
    .skip 16384
stack_end:
