; Using segments: limits and types at each access, null selectors, expand-down, 16-bit stacks, the limit of CS.

%include "framework.inc"

main:
    entry_at gdt + FREE + 40, 0x00000fff, 0x0040f200     ; ring 3 data of 4 KiB
    experiment "read through a null DS"
    xor eax, eax
    mov ds, ax
    mov eax, [0x1000]
    conclude

    experiment "null selector with RPL 3"
    mov ax, 3
    mov es, ax
    mov al, [es:0]
    conclude

    experiment "write through readable code"
    mov ax, CODE0
    mov ds, ax
    mov [scratch], eax
    conclude

    experiment "write to a read-only segment"
    mov ax, READONLY0
    mov ds, ax
    mov [scratch], eax
    conclude

    experiment "ring 3, write over CS"
    enter_ring 3, .r9
.r9:
    mov [cs:scratch], eax
    conclude

    experiment "ring 3, accessed bit of a loaded segment"
    enter_ring 3, .r10
.r10:
    mov ax, FREE + 40 | 3
    mov gs, ax
    mov al, [gs:0xfff]
    mov ax, [gs:0xfff]
    conclude


    entry_at gdt + FREE, 0x00000fff, 0x00409200          ; 4 KiB of bytes
    experiment "last byte under the limit"
    mov ax, FREE
    mov es, ax
    mov al, [es:0xfff]
    conclude
    experiment "byte beyond the limit"
    mov al, [es:0x1000]
    conclude
    experiment "doubleword over the limit"
    mov ax, FREE
    mov es, ax
    mov eax, [es:0xffd]
    conclude
    experiment "word at the limit"
    mov ax, FREE
    mov es, ax
    mov [es:0xfff], ax
    conclude
    experiment "offset that wraps"
    mov ax, FREE
    mov es, ax
    mov ebx, 0xfffffffe
    mov eax, [es:ebx]
    conclude

    entry_at gdt + FREE + 8, 0x00000fff, 0x00409600      ; expand-down, 32-bit: valid above 0xfff
    experiment "expand-down, first valid byte"
    mov ax, FREE + 8
    mov es, ax
    mov al, [es:0x1000]
    conclude
    experiment "expand-down, below"
    mov ax, FREE + 8
    mov es, ax
    mov al, [es:0xfff]
    conclude
    experiment "expand-down, top"
    mov ax, FREE + 8
    mov es, ax
    mov ebx, 0xfffffffc
    mov eax, [es:ebx]
    conclude
    entry_at gdt + FREE + 16, 0x00000fff, 0x00009600     ; expand-down, 16-bit: valid 0x1000 to 0xffff
    experiment "expand-down 16-bit, beyond 64 KiB"
    mov ax, FREE + 16
    mov es, ax
    mov al, [es:0x10000]
    conclude
    experiment "expand-down 16-bit, last word"
    mov ax, FREE + 16
    mov es, ax
    mov ax, [es:0xfffe]
    conclude
    experiment "expand-down 16-bit, word over the top"
    mov ax, FREE + 16
    mov es, ax
    mov ax, [es:0xffff]
    conclude
    entry_at gdt + FREE + 24, 0x00000000, 0x00c09200     ; one page, granular
    experiment "granular limit of 0, last byte of the page"
    mov ax, FREE + 24
    mov es, ax
    mov al, [es:0xfff]
    conclude
    experiment "granular limit of 0, beyond"
    mov ax, FREE + 24
    mov es, ax
    mov al, [es:0x1000]
    conclude

    entry_at gdt + FREE + 40, 0x00000fff, 0x0040f200     ; ring 3 stacks of 4 KiB
    entry_at gdt + FREE + 48, 0x00000fff, 0x0000f200     ; 16-bit
    experiment "ring 3, stack beyond its limit"
    enter_ring 3, .s1
.s1:
    mov ax, FREE + 40 | 3
    mov ss, ax
    mov esp, 0x1004
    push eax
    conclude
    experiment "ring 3, stack read beyond its limit"
    enter_ring 3, .s2
.s2:
    mov ax, FREE + 40 | 3
    mov ss, ax
    mov esp, 0xffe
    pop eax
    conclude
    experiment "ring 3, access through EBP beyond the limit of SS"
    enter_ring 3, .s3
.s3:
    mov ax, FREE + 40 | 3
    mov ss, ax
    mov ebp, 0x1000
    mov al, [ebp]
    conclude
    experiment "ring 3, DS override of EBP"
    enter_ring 3, .s4
.s4:
    mov ax, FREE + 40 | 3
    mov ds, ax
    mov ebp, 0x1000
    mov al, [ds:ebp]
    conclude
    experiment "ring 3, 16-bit stack wraps"
    enter_ring 3, .s5
.s5:
    mov ax, FREE + 48 | 3
    mov ss, ax
    mov esp, 0x12340000
    push eax
    conclude
    experiment "ring 3, 16-bit stack keeps the upper half of ESP"
    enter_ring 3, .s6
.s6:
    mov ax, FREE + 48 | 3
    mov ss, ax
    mov esp, 0x12340100
    push eax
    pushad
    add esp, 8
    conclude
    experiment "ring 3, PUSHA over the stack's limit"
    enter_ring 3, .s7
.s7:
    mov ax, FREE + 40 | 3
    mov ss, ax
    mov esp, 0x10
    pushad
    conclude
    experiment "ring 3, ENTER over the stack's limit"
    enter_ring 3, .s8
.s8:
    mov ax, FREE + 40 | 3
    mov ss, ax
    mov esp, 0x100
    enter 0x200, 0
    conclude
    experiment "ring 3, ENTER with levels from beyond the limit"
    enter_ring 3, .s9
.s9:
    mov ax, FREE + 40 | 3
    mov ss, ax
    mov esp, 0x100
    mov ebp, 0x2000
    enter 0x10, 3
    conclude
    experiment "ring 3, near CALL over the stack's limit"
    enter_ring 3, .s10
.s10:
    mov ax, FREE + 40 | 3
    mov ss, ax
    mov esp, 2
    call .s10_end
.s10_end:
    conclude
    experiment "ring 3, LEAVE"
    enter_ring 3, .s11
.s11:
    mov ax, FREE + 40 | 3
    mov ss, ax
    mov ebp, 0xffe
    leave
    conclude

    ; --- offsets that go over the limit in every kind of access
    experiment "ring 3, MOVS from beyond the limit"
    enter_ring 3, .m1
.m1:
    mov ax, FREE + 40 | 3
    mov fs, ax
    mov esi, 0xffe
    mov edi, scratch
    mov ecx, 4
    fs rep movsb
    conclude
    experiment "ring 3, read-modify-write over the limit"
    enter_ring 3, .m2
.m2:
    mov ax, FREE + 40 | 3
    mov fs, ax
    add dword [fs:0xffd], 1
    conclude
    experiment "ring 3, bit string beyond the limit"
    enter_ring 3, .m3
.m3:
    mov ax, FREE + 40 | 3
    mov fs, ax
    mov eax, 0x8000
    bts [fs:0], eax
    conclude
    experiment "ring 3, bit string before the segment's start"
    enter_ring 3, .m4
.m4:
    mov ax, FREE + 40 | 3
    mov fs, ax
    mov eax, -1
    bt [fs:0], eax
    conclude
    experiment "ring 3, XLAT beyond the limit"
    enter_ring 3, .m5
.m5:
    mov ax, FREE + 40 | 3
    mov fs, ax
    mov ebx, 0xff0
    mov al, 0x10
    fs xlatb
    conclude
    experiment "ring 3, far pointer over the limit"
    enter_ring 3, .m6
.m6:
    mov ax, FREE + 40 | 3
    mov fs, ax
    les eax, [fs:0xffc]
    conclude
    experiment "ring 3, BOUND over the limit"
    enter_ring 3, .m7
.m7:
    mov ax, FREE + 40 | 3
    mov fs, ax
    bound eax, [fs:0xffc]
    conclude
    experiment "ring 3, CMPXCHG8B over the limit"
    enter_ring 3, .m8
.m8:
    mov ax, FREE + 40 | 3
    mov fs, ax
    cmpxchg8b [fs:0xffc]
    conclude
    experiment "ring 3, POP to memory beyond the limit"
    enter_ring 3, .m9
.m9:
    mov ax, FREE + 40 | 3
    mov fs, ax
    push eax
    pop dword [fs:0xffe]
    conclude
    experiment "ring 3, SGDT over the limit"
    enter_ring 3, .m10
.m10:
    mov ax, FREE + 40 | 3
    mov fs, ax
    sgdt [fs:0xffc]
    conclude
    experiment "ring 3, execute-only CS as data"
    entry_at gdt + FREE + 56, 0x0000ffff, 0x00cff800
    push dword DATA3 | 3
    push dword STACK3
    push dword 2
    push dword FREE + 56 | 3
    push dword .m11
    iretd
.m11:
    mov eax, [cs:0x100000]
    conclude

    ; --- the code segment's own limit
    experiment "jump beyond the limit of CS"
    entry_at gdt + FREE + 56, 0x00000200, 0x00c09a00     ; up to 0x200fff
    jmp FREE + 56:.c1
.c1:
    mov eax, 0x201000
    jmp eax
    conclude
    experiment "near CALL beyond the limit of CS"
    jmp FREE + 56:.c2
.c2:
    mov eax, 0x201000
    call eax
    conclude
    experiment "RET beyond the limit of CS"
    jmp FREE + 56:.c3
.c3:
    push dword 0x201000
    ret
    conclude
    experiment "instruction over the limit of CS"
    mov dword [0x200ffe], 0x9090b890                     ; nop, then mov eax, … across the limit
    jmp FREE + 56:.c4
.c4:
    mov eax, 0x200ffe
    jmp eax
    conclude
    experiment "instruction after the last byte of CS"
    mov dword [0x200ffc], 0x90909090
    jmp FREE + 56:.c5
.c5:
    mov eax, 0x200ffe
    jmp eax
    conclude
    experiment "far JMP beyond the limit"
    jmp FREE + 56:0x201000
    conclude
    experiment "far CALL beyond the limit"
    call FREE + 56:0x201000
    conclude
    experiment "conditional jump beyond the limit"
    mov dword [0x200ff0], 0x0010840f                     ; jz near, 0x1000 further
    mov word [0x200ff4], 0
    jmp FREE + 56:.c6
.c6:
    xor eax, eax
    mov eax, 0x200ff0
    jmp eax
    conclude
    experiment "LOOP beyond the limit"
    mov word [0x200ffe], 0x7fe2
    mov ecx, 5
    jmp FREE + 56:.c7
.c7:
    mov eax, 0x200ffe
    jmp eax
    conclude
    show "ECX after LOOP: ", ecx
    newline
    finish

    section .data
scratch: times 4 dd 0
