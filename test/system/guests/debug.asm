; Debugging: TF over each kind of instruction, DR0 to DR3, DR6, RF, GD, and the shadows of STI and MOV SS.

%include "framework.inc"

MAX_TRAPS equ 12
BASED0 equ FREE

; Runs code with TF set from its first instruction on; the handler notes each trap's offset and DR6 and goes on.
%macro traced 1                 ; name
    experiment %1
    mov dword [trap_count], 0
    push dword 0x102
    popfd
%endmacro
%macro traced_end 0
    push dword 2
    popfd
    mov dword [trap_kind], 0
    conclude
    call show_traps
%endmacro

%macro idt_gate 4
    gate_at idt + (%1) * 8, %2, %3, %4
%endmacro

main:
    idt_gate 1, CODE0, trap, 0x8e00
    idt_gate 0x30, CODE0, iret_only, 0xee00
    idt_gate 0x31, CODE0, iret_only, 0xef00
    idt_gate 3, CODE0, iret_only, 0xee00
    entry_at gdt + BASED0, 0x0000ffff, 0x00409a10

    traced "plain instructions"
    nop
    mov eax, 1
    add eax, eax
    traced_end
    traced "MOV SS and POP SS cover the next"
    mov ax, ss
    mov ss, ax
    nop
    nop
    push ss
    pop ss
    nop
    nop
    traced_end
    traced "two MOV SS"
    mov ax, ss
    mov ss, ax
    mov ss, ax
    nop
    nop
    traced_end
    traced "LSS does not cover the next"
    mov [stack_pointer], esp
    lss esp, [stack_pointer]
    nop
    traced_end
    traced "MOV DS does not cover the next"
    mov ax, ds
    mov ds, ax
    nop
    traced_end
    traced "INT n clears TF"
    int 0x30
    nop
    traced_end
    traced "INT n through a trap gate"
    int 0x31
    nop
    traced_end
    traced "INT3"
    int3
    nop
    traced_end
    traced "REP STOSB"
    mov edi, scratch
    mov ecx, 3
    rep stosb
    nop
    traced_end
    traced "REP of nothing"
    xor ecx, ecx
    rep stosb
    nop
    traced_end
    traced "REPE CMPSB"
    mov esi, scratch
    mov edi, scratch
    mov ecx, 2
    repe cmpsb
    nop
    traced_end
    traced "CALL, RET and jumps"
    call .sub
    jmp .over
.sub:
    ret
.over:
    nop
    traced_end
    traced "POPF that clears TF"
    pushfd
    and dword [esp], ~0x100
    popfd
    nop
    conclude
    call show_traps
    experiment "POPF that sets TF"
    mov dword [trap_count], 0
    push dword 0x102
    popfd
    nop
    nop
    push dword 2
    popfd
    conclude
    call show_traps
    experiment "IRET that sets TF"
    mov dword [trap_count], 0
    push dword 0x102
    push dword CODE0
    push dword .iret_there
    iretd
.iret_there:
    nop
    nop
    push dword 2
    popfd
    conclude
    call show_traps
    traced "far JMP and CALL"
    jmp BASED0:.based - 0x100000
.based:
    nop
    jmp CODE0:.flat
.flat:
    nop
    traced_end
    traced "PUSHF shows TF"
    pushfd
    pop dword [scratch]
    traced_end
    show "its flags: ", [scratch]
    newline
    traced "CPUID, IN and OUT"
    xor eax, eax
    cpuid
    in al, 0x80
    out 0x80, al
    traced_end
    traced "a fault instead of a trap"
    ud2
    conclude
    call show_traps
    ring_experiment 3, "ring 3 with TF"
    mov dword [trap_count], 0
    push dword 0x102
    popfd
    nop
    int 0x30
    nop
    push dword 2
    popfd
    conclude
    call show_traps
    traced "ICEBP with TF"
    db 0xf1
    nop
    traced_end

; --- ICEBP
    experiment "ICEBP"
    mov dword [trap_count], 0
    nop
    db 0xf1
    nop
    conclude
    call show_traps

; --- instruction breakpoints
    mov eax, .bp1
    mov dr0, eax
    mov eax, .bp2
    mov dr3, eax
    mov eax, 0x402 | 0x80
    mov dr7, eax
    experiment "instruction breakpoints"
    mov dword [trap_count], 0
    mov dword [set_rf], 1
    nop
.bp1:
    mov eax, 5
    nop
.bp2:
    nop
    conclude
    call show_traps
    experiment "instruction breakpoint after MOV SS"
    mov dword [trap_count], 0
    mov eax, .bp3
    mov dr0, eax
    mov ax, ss
    mov ss, ax
.bp3:
    nop
    nop
    conclude
    call show_traps
    experiment "instruction breakpoint on a REP"
    mov dword [trap_count], 0
    mov eax, .bp4
    mov dr0, eax
    mov edi, scratch
    mov ecx, 3
.bp4:
    rep stosb
    nop
    conclude
    call show_traps
    experiment "instruction breakpoint on a fault"
    mov dword [trap_count], 0
    mov eax, .bp5
    mov dr0, eax
.bp5:
    ud2
    conclude
    call show_traps
    experiment "instruction breakpoint on a prefix only"
    mov dword [trap_count], 0
    mov eax, .bp6 + 1
    mov dr0, eax
.bp6:
    mov eax, [fs:scratch]
    conclude
    call show_traps
    experiment "breakpoint with TF"
    mov eax, .bp7
    mov dr0, eax
    mov dword [trap_count], 0
    push dword 0x102
    popfd
    nop
.bp7:
    nop
    nop
    push dword 2
    popfd
    nop
    conclude
    call show_traps
    mov eax, 0x400
    mov dr7, eax
    mov dword [set_rf], 0

; --- data breakpoints
%macro watch 3                  ; address, DR7's type and length nibble, name
    mov eax, %1
    mov dr1, eax
    mov eax, 0x408 | ((%2) << 20)
    mov dr7, eax
    experiment %3
    mov dword [trap_count], 0
%endmacro
%macro watch_end 0
    nop
    mov eax, 0x400
    mov dr7, eax
    conclude
    call show_traps
%endmacro
    watch scratch, 0xd, "write of a doubleword"
    mov [scratch], eax
    mov eax, [scratch]
    mov byte [scratch + 3], 1
    mov byte [scratch + 4], 1
    watch_end
    watch scratch, 0xf, "read or write of a doubleword"
    mov eax, [scratch]
    mov [scratch], eax
    mov al, [scratch - 1]
    watch_end
    watch scratch + 1, 0x1, "write of a byte"
    mov [scratch], al
    mov [scratch], ax
    mov [scratch + 2], al
    watch_end
    watch scratch + 2, 0x5, "write of a word"
    mov [scratch], ax
    mov [scratch + 3], al
    mov [scratch - 1], eax
    mov [scratch + 1], eax
    watch_end
    watch scratch + 3, 0xd, "length makes the address aligned"
    mov [scratch], al
    mov [scratch + 4], al
    watch_end
    watch scratch, 0xd, "read-modify-write"
    inc dword [scratch]
    cmp dword [scratch], 1
    xchg [scratch], eax
    watch_end
    watch scratch + 4, 0x1, "in a REP MOVSB"
    mov esi, scratch + 8
    mov edi, scratch
    mov ecx, 8
    rep movsb
    watch_end
    watch 0x7f000, 0xd, "PUSH and CALL"
    mov ebx, esp
    mov esp, 0x7f004
    push eax
    mov esp, 0x7f004
    call .called
.called:
    mov esp, ebx
    watch_end
    mov dword [0x7f000], debug_ret_to
    watch 0x7f000, 0xf, "RET 64"
    mov ebx, esp
    mov esp, 0x7f000
    ret 64
debug_ret_to:
    mov esp, ebx
    watch_end
    watch scratch, 0xf, "instructions that read twice"
    mov dword [scratch], 0
    mov dword [scratch + 4], 10
    mov eax, 5
    bound eax, [scratch]
    lgdt [gdt_pointer]
    sgdt [scratch + 8]
    sgdt [scratch - 2]
    cmpxchg8b [scratch - 4]
    watch_end
    watch 0x7f000, 0xd, "PUSHA"
    mov ebx, esp
    mov esp, 0x7f010
    pushad
    mov esp, ebx
    nop
    watch_end
.rest:
    watch scratch, 0xf, "under MOV SS"
    mov ax, ss
    mov ss, [scratch_ss]
    mov eax, [scratch]
    nop
    watch_end
    watch scratch_ss, 0x7, "by MOV SS itself"
    mov ss, [scratch_ss]
    nop
    nop
    watch_end
    watch bad_pointer, 0xf, "a read before a fault"
    mov dword [bad_selector], 0x7ff8
    les eax, [bad_pointer]
    watch_end
    watch scratch, 0xd, "two breakpoints at once"
    mov eax, scratch
    mov dr2, eax
    mov eax, 0x408 | 0x20 | (0xd << 20) | (0xf << 24)
    mov dr7, eax
    mov [scratch], eax
    mov eax, [scratch]
    watch_end
    watch scratch, 0xd, "disabled sees nothing"
    mov eax, 0x400 | (0xd << 20)
    mov dr7, eax
    mov [scratch], eax
    watch_end
    watch scratch, 0xd, "data breakpoint with TF"
    push dword 0x102
    popfd
    mov [scratch], eax
    push dword 2
    popfd
    watch_end

; --- GD
    mov dword [set_rf], 0
    mov eax, 0x2400
    mov dr7, eax
    experiment "GD"
    mov dword [trap_count], 0
    mov dword [trap_kind], 1    ; the handler ends it
    mov eax, dr0
    conclude
    call show_traps
    mov eax, dr7
    show "DR7 after GD: ", eax
    newline
    mov dword [trap_kind], 0
    ring_experiment 3, "GD does not come before the privilege"
    mov eax, dr0
    conclude

; --- DR6 and DR7's own bits
    experiment "fixed bits"
    xor eax, eax
    mov dr6, eax
    mov eax, dr6
    mov [scratch], eax
    mov eax, 0xffffdfff & ~0xff
    mov dr7, eax
    mov eax, dr7
    mov [scratch + 4], eax
    mov eax, 0x400
    mov dr7, eax
    conclude
    dump "fixed bits are:", scratch, 2
    finish

; #DB: notes where and why, goes on. An instruction breakpoint needs RF to go on.
trap:
    push eax
    push ecx
    push ds
    mov ax, DATA0
    mov ds, ax
    mov ecx, [trap_count]
    cmp ecx, MAX_TRAPS
    jae .full
    mov eax, [esp + 12]
    sub eax, [experiment_start]
    mov [traps + ecx * 8], eax
    mov eax, dr6
    and eax, 0xe00f
    test dword [esp + 20], 0x10000
    jz .no_rf
    or eax, 0x80000000
.no_rf:
    test dword [esp + 20], 0x100
    jz .no_tf
    or eax, 0x40000000
.no_tf:
    mov [traps + ecx * 8 + 4], eax
    inc dword [trap_count]
.full:
    cmp dword [set_rf], 0
    je .go_on
    or dword [esp + 20], 0x10000
.go_on:
    mov eax, dr6
    test eax, 0x2000            ; BD: the instruction would fault again, were GD not clear now
    mov eax, 0xffff0ff0
    mov dr6, eax
    pop ds
    pop ecx
    pop eax
    iretd

iret_only:
    iretd

show_traps:
    pushad
    xor ebx, ebx
    print "traps of "
    mov esi, [experiment_name]
    call puts
    print ": "
.next:
    cmp ebx, [trap_count]
    jae .done
    mov eax, [traps + ebx * 8]
    mov cl, 2
    call put_hex
    mov al, '/'
    call putc
    mov eax, [traps + ebx * 8 + 4]
    mov cl, 8
    call put_hex
    mov al, ' '
    call putc
    inc ebx
    jmp .next
.done:
    newline
    mov dword [trap_count], 0
    popad
    ret

    section .data
    align 4
trap_count: dd 0
trap_kind: dd 0
set_rf: dd 0
traps: times MAX_TRAPS * 2 dd 0
stack_pointer: dd 0
    dw DATA0
    align 4
    dd 0
scratch: times 8 dd 0
scratch_ss: dw DATA0
    align 4
bad_pointer: dd 0
bad_selector: dd 0
    section .text
