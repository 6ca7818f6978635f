; Interrupts and exceptions: gate types and privileges, error codes, double faults, NT, TF and IF, the timer in each ring.

%include "framework.inc"

BASED0     equ FREE
CODE0_GONE equ FREE + 8
DF_TSS     equ FREE + 16
READONLY1  equ FREE + 24
SMALL0     equ FREE + 32
TSS16_NEW  equ FREE + 40
STACK1_GONE equ FREE + 48

%macro idt_gate 4               ; vector, selector, offset, access
    gate_at idt + (%1) * 8, %2, %3, %4
%endmacro

VEC equ 0x30                    ; vectors of the experiments' own: VEC and on

main:
    entry_at gdt + BASED0, 0x0000ffff, 0x00409a10
    entry_at gdt + CODE0_GONE, 0x0000ffff, 0x00cf1a00
    entry_at gdt + READONLY1, 0x0000ffff, 0x00cfb000
    entry_at gdt + SMALL0, 0x00000010, 0x00409a10
    entry_at gdt + STACK1_GONE, 0x0000ffff, 0x00cf3200
    mov word [idt_pointer], 0x80 * 8 - 1
    lidt [idt_pointer]

; --- every kind of gate from every ring
    mov ebp, 0
.gates:
    mov ebx, ebp
    shr ebx, 2
    cmp ebx, GATES
    je .gates_done
    mov eax, [gate_list + ebx * 8]
    mov [idt + VEC * 8], eax
    mov eax, [gate_list + ebx * 8 + 4]
    mov [idt + VEC * 8 + 4], eax
    mov eax, ebx
    shr eax, 4
    digit_into matrix_name + 19, al
    digit_into matrix_name + 20, bl
    mov eax, ebp
    and eax, 3
    add al, '0'
    mov [matrix_name + 12], al
    start_experiment matrix_name, .gate_reported
    mov eax, ebp
    and eax, 3
    call to_ring
    int VEC
.gate_reported:
    call report
    inc ebp
    jmp .gates
.gates_done:

; --- what software interrupts other than INT n meet
    idt_gate 3, CODE0, stub3, 0x8e00
    idt_gate 4, CODE0, stub4, 0x8e00
    idt_gate 1, CODE0, stub1, 0x8e00
    ring_experiment 3, "INT3 through a DPL 0 gate"
    int3
    conclude
    ring_experiment 3, "INT 3 in two bytes through a DPL 0 gate"
    db 0xcd, 3
    conclude
    ring_experiment 3, "INTO through a DPL 0 gate"
    mov al, 0x7f
    inc al
    into
    conclude
    ring_experiment 3, "INTO without overflow"
    xor eax, eax
    into
    conclude
    ring_experiment 3, "INT1 is not checked"
    db 0xf1
    conclude
    ring_experiment 3, "INT 1 is checked"
    int 1
    conclude
    ring_experiment 3, "INT 13 has no error code of its own"
    int 13
    conclude
    ring_experiment 3, "BOUND"
    mov eax, 5
    bound eax, [bounds]
    conclude
    ring_experiment 3, "BOUND within"
    mov eax, -3
    bound eax, [bounds]
    conclude
    ring_experiment 3, "BOUND below"
    mov eax, -4
    bound eax, [bounds]
    conclude
    ring_experiment 3, "BOUND of words"
    mov eax, 0x12340005
    bound ax, [bounds16]
    conclude
    ring_experiment 3, "BOUND of a register"
    db 0x62, 0xc0
    conclude
    ring_experiment 3, "UD2"
    ud2
    conclude
    ring_experiment 3, "DIV by zero"
    xor ecx, ecx
    div ecx
    conclude
    ring_experiment 3, "IDIV of the smallest number by -1"
    mov eax, 0x80000000
    cdq
    mov ecx, -1
    idiv ecx
    conclude
    ring_experiment 3, "DIV overflow of a byte"
    mov ax, 0x100
    mov cl, 1
    div cl
    conclude
    ring_experiment 3, "IDIV that just fits"
    mov ax, -128 * 2 - 1
    mov cl, 2
    idiv cl
    conclude
    ring_experiment 3, "AAM 0"
    aam 0
    conclude
    experiment "INT3 in ring 0"
    int3
    conclude
    experiment "INTO in ring 0"
    mov al, 0x80
    dec al
    into
    conclude

; --- the IDT's limit
    ring_experiment 3, "INT n beyond the IDT"
    int 0x80
    conclude
    mov word [idt_pointer], 0x40 * 8 - 2
    lidt [idt_pointer]
    ring_experiment 3, "INT n over the IDT's end"
    int 0x3f
    conclude
    mov word [idt_pointer], 0x30 * 8 - 1
    lidt [idt_pointer]

; --- gates of exceptions that are wrong: EXT is set
    idt_gate 6, CODE0, stub6, 0x0e00
    ring_experiment 3, "#UD through a gate that is not present"
    ud2
    conclude
    entry_at idt + 6 * 8, 0, 0
    ring_experiment 3, "#UD through no gate"
    ud2
    conclude
    idt_gate 6, CODE0_GONE, stub6, 0x8e00
    ring_experiment 3, "#UD to code that is not present"
    ud2
    conclude
    idt_gate 6, 0, stub6, 0x8e00
    ring_experiment 3, "#UD to a null selector"
    ud2
    conclude
    idt_gate 6, DATA0, stub6, 0x8e00
    ring_experiment 3, "#UD to data"
    ud2
    conclude
    idt_gate 6, 0x7ff8, stub6, 0x8e00
    ring_experiment 3, "#UD beyond the GDT"
    ud2
    conclude
    idt_gate 6, CODE3, stub6, 0x8e00
    experiment "#UD outward"
    ud2
    conclude
    idt_gate 6, CODE0, stub6, 0x8e00
    idt_gate 3, CODE0_GONE, stub3, 0xee00
    ring_experiment 3, "INT3 to code that is not present"
    int3
    conclude
    idt_gate 3, CODE0, stub3, 0xee00

; --- wrong stacks on the way
    mov word [idt_pointer], 0x80 * 8 - 1
    lidt [idt_pointer]
    idt_gate VEC, CODE1, landing, 0xee00
    mov dword [main_tss + 0x10], DATA0
    ring_experiment 3, "INT n onto a wrong stack"
    int VEC
    conclude
    idt_gate 6, CODE1, landing, 0x8e00
    ring_experiment 3, "#UD onto a wrong stack"
    ud2
    conclude
    mov dword [main_tss + 0x10], 0
    ring_experiment 3, "#UD onto a null stack"
    ud2
    conclude
    mov dword [main_tss + 0x10], STACK1_GONE | 1
    ring_experiment 3, "#UD onto a stack that is not present"
    ud2
    conclude
    mov dword [main_tss + 0x10], DATA1 | 1
    idt_gate 6, CODE0, stub6, 0x8e00

; --- error codes go by the gate's size
    idt_gate 13, BASED0, save16 - 0x100000, 0x8600
    ring_experiment 3, "#GP through a 16-bit gate"
    mov ax, 0x7ff8
    mov ds, ax
    conclude
    dump "its frame:", frame_copy, 4
    idt_gate 13, BASED0, save16 - 0x100000, 0x8700
    experiment "#GP through a 16-bit trap gate in ring 0"
    mov ax, 0x7ff8
    mov ds, ax
    conclude
    dump "its frame in ring 0:", frame_copy, 3
    idt_gate 13, CODE0, stub13, 0x8e00

; --- NT, TF, IF on the way in
    idt_gate VEC, CODE0, landing, 0x8f00
    experiment "trap gate keeps IF"
    push dword 0x4302
    popfd
    int VEC
    conclude
    idt_gate VEC, CODE0, landing, 0x8e00
    experiment "interrupt gate clears IF"
    push dword 0x4202
    popfd
    int VEC
    conclude
    push dword 2
    popfd
    idt_gate VEC, CODE0, flags_and_back, 0x8e00
    experiment "flags in the handler and after IRET"
    push dword 0x246dd7
    popfd
    int VEC
    pushfd
    pop dword [frame_copy + 8]
    push dword 2
    popfd
    conclude
    dump "flags pushed, in the handler, after:", frame_copy, 3

; --- double faults: through a task gate, so that any stack will do
    mov eax, df_tss
    mov [gdt + DF_TSS + 2], ax
    shr eax, 16
    mov [gdt + DF_TSS + 4], al
    mov word [gdt + DF_TSS], 103
    mov byte [gdt + DF_TSS + 5], 0x89
    mov byte [gdt + DF_TSS + 7], 0
    idt_gate 8, CODE0, double_fault, 0x8e00
    entry_at idt + 13 * 8, 0, 0
    experiment "#GP without a gate"
    mov ax, 0x7ff8
    mov ds, ax
    conclude
    experiment "#DE without a gate leads to #NP"
    idt_gate 0, CODE0, stub0, 0x0e00
    xor ecx, ecx
    div ecx
    conclude
    idt_gate 0, CODE0, stub0, 0x8e00
    experiment "#UD without a gate, and none for the #GP"
    entry_at idt + 6 * 8, 0, 0
    ud2
    conclude
    idt_gate 6, CODE0, stub6, 0x8e00
    experiment "INT n without a gate, and none for the #GP"
    entry_at idt + VEC * 8, 0, 0
    int VEC
    conclude
    experiment "#SS without a gate"
    entry_at idt + 12 * 8, 0, 0
    push dword 0
    mov ax, ABSENT0
    mov ss, ax
    conclude
    idt_gate 12, CODE0, stub12, 0x8e00
    experiment "#NP without a gate"
    entry_at idt + 11 * 8, 0, 0
    mov ax, ABSENT0
    mov ds, ax
    conclude
    idt_gate 11, CODE0, stub11, 0x8e00
    idt_gate 8, DF_TSS, 0, 0x8500
    ring_experiment 3, "#GP without a gate, #DF through a task gate"
    mov ax, 0x7ff8
    mov ds, ax
    conclude
    dump "EIP, CS, ESP, SS, EFLAGS in the old TSS:", frame_copy, 5
    experiment "the stack itself broken, #DF through a task gate"
    mov ax, FREE + 56
    entry_at gdt + FREE + 56, 0x00000fff, 0x00409200
    mov ss, ax
    mov esp, 0x2000
    push eax
    conclude
    mov eax, [experiment_start]
    sub [frame_copy], eax
    dump "EIP, CS, ESP, SS, EFLAGS of the broken stack:", frame_copy, 5
    idt_gate 13, CODE0, stub13, 0x8e00
    idt_gate 8, CODE0, double_fault, 0x8e00

; --- the timer in each ring
    call pic_on
    mov ebp, 0
.timer:
    mov eax, ebp
    add al, '0'
    mov [timer_name + 14], al
    mov dword [ticks], 0
    start_experiment timer_name, .timer_reported
    mov dword [to_ring_flags], 0x3202
    mov eax, ebp
    call to_ring
    sti
    mov ecx, 50000000
.wait:
    cmp dword [ticks], 2
    jae .ticked
    loop .wait
.ticked:
    cli
    int DONE
.timer_reported:
    call report
    inc ebp
    cmp ebp, 4
    jb .timer
    mov al, 0xff
    out 0x21, al
    show "timer's frames had CS: ", [timer_cs]
    newline
    finish

pic_on:                         ; IRQ 0 at vector 0x40, 1 kHz
    mov al, 0x11
    out 0x20, al
    mov al, 0x40
    out 0x21, al
    mov al, 4
    out 0x21, al
    mov al, 1
    out 0x21, al
    mov al, 0xfe
    out 0x21, al
    mov al, 0x34
    out 0x43, al
    mov al, 1193 & 0xff
    out 0x40, al
    mov al, 1193 >> 8
    out 0x40, al
    idt_gate 0x40, CODE0, tick, 0x8e00
    ret

tick:
    push eax
    push ds
    mov ax, DATA0
    mov ds, ax
    inc dword [ticks]
    movzx eax, byte [esp + 12]
    and eax, 3
    bts [timer_cs], eax
    mov al, 0x20
    out 0x20, al
    pop ds
    pop eax
    iretd

landing:
    int DONE

save16:                         ; CS is based
    mov ax, DATA0
    mov ds, ax
    pop dword [frame_copy]
    pop dword [frame_copy + 4]
    pop dword [frame_copy + 8]
    pop dword [frame_copy + 12]
    sub esp, 32
    int DONE

flags_and_back:
    pushfd
    pop dword [frame_copy + 4]
    push dword [esp + 8]
    pop dword [frame_copy]
    iretd

double_fault:
    mov ax, DATA0
    mov ds, ax
    push dword 8
    jmp caught

df_entry:                       ; a task: the old one's TSS holds where it was
    push dword [main_tss + 0x20]
    pop dword [frame_copy]
    push dword [main_tss + 0x4c]
    pop dword [frame_copy + 4]
    push dword [main_tss + 0x38]
    pop dword [frame_copy + 8]
    push dword [main_tss + 0x50]
    pop dword [frame_copy + 12]
    push dword [main_tss + 0x24]
    pop dword [frame_copy + 16]
    mov dword [main_tss + 0x20], .back
    mov dword [main_tss + 0x4c], CODE0
    mov dword [main_tss + 0x24], 2
    mov dword [main_tss + 0x50], DATA0
    mov dword [main_tss + 0x38], STACK0 - 0x1100
    mov dword [main_tss + 0x48], DATA0
    mov dword [main_tss + 0x54], DATA0
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
    push dword [to_ring_flags]
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
matrix_name: db "INT in ring 0 gate 00", 0
timer_name:  db "timer in ring 0", 0
    align 4
to_ring_flags: dd 2
ticks: dd 0
timer_cs: dd 0
bounds: dd -3, 4
bounds16: dw -3, 5
frame_copy: times 8 dd 0

    align 8
%macro G 3
    dw %2 - 0x100000, %1
    dd %3 | 0x100000
%endmacro
%macro G16 3
    dw %2 - 0x100000, %1
    dd %3
%endmacro
gate_list:
    G CODE0, landing, 0xee00
    G CODE0, landing, 0xef00
    G CODE0, landing, 0x8e00
    G CODE0, landing, 0xae00
    G CODE0, landing, 0x6e00
    G CODE1, landing, 0xee00
    G CODE2, landing, 0xee00
    G CODE3, landing, 0xee00
    G CONFORM0, landing, 0xee00
    G EXECUTE0, landing, 0xee00
    G CODE0_GONE, landing, 0xee00
    G DATA0, landing, 0xee00
    G 0, landing, 0xee00
    G 3, landing, 0xee00
    G 0x7ff8, landing, 0xee00
    G 0x0c, landing, 0xee00
    G TSS0, landing, 0xee00
    G CODE0 | 3, landing, 0xee00
    G CODE0, landing, 0xec00
    G CODE0, landing, 0xe900
    G CODE0, landing, 0xfe00
    G CODE0, landing, 0xe000
    G 0, landing, 0xe500
    G CODE0, landing, 0xe500
    G TSS0, landing, 0xe500
    G 0x0c, landing, 0xe500
    G 0x7ff8, landing, 0xe500
    G16 BASED0, landing, 0xe600
    G16 BASED0, landing, 0xe700
    G16 SMALL0, landing, 0xe600
GATES equ ($ - gate_list) / 8

    align 4
df_tss:
    dd 0
    times 6 dd 0
    dd 0                        ; CR3
    dd df_entry, 2
    dd 0, 0, 0, 0, 0x8a000, 0, 0, 0
    dd DATA0, CODE0, DATA0, DATA0, DATA0, DATA0
    dd 0
    dw 0, 104

    section .text
