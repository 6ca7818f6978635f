; Two processors: INIT and SIPI, from real mode to long mode, interrupts both ways, x2APIC, a TLB shootdown, counters with LOCK,
; and waking by interrupts and by stores.

%include "framework64.inc"

APIC     equ 0xfee00000
TRAMPOLINE equ 0x8000           ; start-up vector 8
AP_STACK equ 0x60000
PING     equ 0x28               ; to the second processor
PONG     equ 0x29               ; to the first
FLUSH    equ 0x2a
ROUNDS   equ 2000
WINDOW   equ 0x3fe00000         ; the last 2 MiB of the first GiB

%macro icr 2                    ; high, low
    mov esi, APIC
    mov dword [rsi + 0x310], %1
    mov dword [rsi + 0x300], %2
%%wait:
    test dword [rsi + 0x300], 0x1000
    jnz %%wait
%endmacro

%macro await 2                  ; memory, value
%%wait:
    pause
    cmp qword [%1], %2
    jne %%wait
%endmacro

main:
    mov esi, APIC
    mov dword [rsi + 0xf0], 0x1ff
    mov eax, [rsi + 0x20]
    fact "APIC ID", rax, 8
    read_msr 0x1b
    and eax, 0xfff
    fact "IA32_APIC_BASE", rax, 3
    gate_at idt + PONG * 16, CODE0, pong, 0x8e00
    gate_at idt + PING * 16, CODE0, ping, 0x8e00
    gate_at idt + FLUSH * 16, CODE0, flush, 0x8e00
    mov esi, trampoline
    mov edi, TRAMPOLINE
    mov ecx, trampoline_end - trampoline
    rep movsb

; --- INIT, a SIPI, and a second one that is ignored
    icr 0x01000000, 0x4500
    icr 0x01000000, 0x4608
    await started, 1
    icr 0x01000000, 0x4608
    fact "starts", [started], 2
    await ready, 1
    fact "CS of the start", [start_cs], 4
    fact "IP of the start", [start_ip], 4
    fact "DS of the start", [start_ds], 4
    fact "EFLAGS of the start", [start_flags], 8
    fact "CR0 of the start", [start_cr0], 8
    fact "EDX of the start but its model", [start_edx], 4
    fact "limit of the IDT at the start", [start_idt], 4
    fact "APIC ID of the second", [second_id], 8
    fact "BSP flag of the second", [second_base], 3
    fact "CPUID's APIC ID of the second", [second_cpuid], 2
    fact "CR4 of the second", [second_cr4], 8

; --- interrupts both ways, to a processor that waits
    sti
    icr 0x01000000, 0x4000 | PING
    await pings, 1
    await pongs, 1
    fact "a ping, and a pong of the second's handler", [pongs], 2
    icr 0, 0xc4000 | PING       ; all but itself
    await pings, 2
    fact "all but itself", [pings], 2
    icr 0, 0x44000 | PONG       ; itself
    await pongs, 2
    fact "itself", [pongs], 2

; --- waiting for an interrupt
.halt:
    cli
    cmp qword [pongs], 3
    je .woken
    cmp qword [order], 1
    je .wait
    mov qword [order], 1        ; the second sends a pong
.wait:
    sti
    hlt
    jmp .halt
.woken:
    sti
    fact "woken from HLT", [pongs], 2
    mov qword [order], 0

; --- counters
    mov qword [order], 2
    mov ecx, ROUNDS
.count:
    lock inc qword [counter]
    mov eax, 1
    lock xadd [counter + 8], rax
    mov rax, [counter + 16]
.exchange:
    lea rbx, [rax + 1]
    lock cmpxchg [counter + 16], rbx
    jne .exchange
    lock bts qword [bits_], rcx
    dec ecx
    jnz .count
    await done, 2
    fact "LOCK INC from both", [counter], 8
    fact "LOCK XADD from both", [counter + 8], 8
    fact "LOCK CMPXCHG from both", [counter + 16], 8

; --- a lock by XCHG around what is not atomic
    mov qword [order], 3
    mov ecx, ROUNDS
    call locked
    await done, 3
    fact "an increment under a spin lock from both", [counter + 24], 8

; --- shootdown: the second reads through a translation that the first changes
    mov qword [order], 4
    await done, 4
    fact "read by the second", [second_read], 8
    mov dword [PD0 + (WINDOW >> 21) * 8], 0x600000 | 0x87
    mov dword [0x600000], 0x22222222
    mov rax, WINDOW
    invlpg [rax]
    icr 0x01000000, 0x4000 | FLUSH
    await flushed, 1
    mov qword [order], 5
    await done, 5
    fact "read by the second after the shootdown", [second_read], 8

; --- MONITOR and MWAIT: the second waits for the mailbox to be written
    mov qword [order], 7
    mov ecx, 20000
.asleep:
    pause
    loop .asleep
    mov qword [mailbox], 1
    await done, 7
    fact "woken by a store", [second_read], 8
    lea rax, [mailbox]
    xor ecx, ecx
    experiment "MWAIT without MONITOR"
    mwait
    conclude
    experiment "MONITOR with an extension"
    lea rax, [mailbox]
    mov ecx, 1
    monitor
    conclude
    experiment "MONITOR of an address that is not canonical"
    mov rax, 0x1000000000000
    xor ecx, ecx
    monitor
    conclude
    experiment "MWAIT with an extension that does not exist"
    mov ecx, 2
    xor eax, eax
    mwait
    conclude
    ring3_experiment "MONITOR in ring 3"
    mov ecx, 1
    monitor
    conclude
    ring3_experiment "MWAIT in ring 3"
    mwait
    conclude
    sti

; --- an NMI to the second
    icr 0x01000000, 0x4400
    await nmis, 1
    fact "NMIs of the second", [nmis], 2

%ifdef X2APIC
; --- x2APIC on both
    mov qword [order], 6
    await done, 6
    read_msr 0x1b
    or eax, 0x400
    mov ecx, 0x1b
    wrmsr
    read_msr 0x802
    fact "x2APIC ID", rax, 8
    read_msr 0x80d
    fact "logical x2APIC ID", rax, 8
    fact "x2APIC ID of the second", [second_id], 8
    fact "logical x2APIC ID of the second", [second_ldr], 8
    mov qword [pings], 0
    mov rax, 0x100000000 | 0x4000 | PING
    mov rdx, rax
    shr rdx, 32
    mov ecx, 0x830
    wrmsr
    await pings, 1
    fact "a ping by x2APIC", [pings], 2
    mov edx, 2                  ; logical, cluster 0, the second
    mov eax, 0x4800 | PING
    wrmsr
    mov ecx, 100000
.logical:
    pause
    cmp qword [pings], 2
    loopne .logical
    fact "a ping to a logical ID", [pings], 2
    mov qword [pongs], 0
    mov ecx, 0x83f
    mov eax, PONG
    xor edx, edx
    wrmsr
    await pongs, 1
    fact "SELF IPI", [pongs], 2
    experiment "EOI by x2APIC takes 0 alone"
    mov ecx, 0x80b
    mov eax, 1
    xor edx, edx
    wrmsr                       ; EOI takes 0 alone
    conclude
    experiment "x2APIC back to xAPIC"
    read_msr 0x1b
    and eax, ~0x400
    mov ecx, 0x1b
    wrmsr
    conclude
    experiment "x2APIC register that does not exist"
    mov ecx, 0x80e
    rdmsr
    conclude

%else
; --- INIT takes the second out of whatever it does
    mov qword [started], 0
    icr 0x01000000, 0x4500
    icr 0x01000000, 0x4608
    await started, 1
    fact "started once more", [started], 2
%endif
    finish

locked:
    mov eax, 1
.take:
    xchg [spin], eax
    test eax, eax
    jz .own
    pause
    mov eax, 1
    jmp .take
.own:
    mov rax, [counter + 24]
    inc rax
    mov [counter + 24], rax
    mov dword [spin], 0
    dec ecx
    jnz locked
    ret

pong:
    lock inc qword [pongs]
    call end_of_interrupt
    iretq

; To the second: it answers, the first time.
ping:
    lock inc qword [pings]
    cmp qword [answer], 0
    jne .silent
    mov qword [answer], 1
    push rsi
    icr 0, 0x4000 | PONG
    pop rsi
.silent:
    call end_of_interrupt
    iretq

flush:
    push rax
    mov rax, cr3
    mov cr3, rax
    pop rax
    mov qword [flushed], 1
    call end_of_interrupt
    iretq

end_of_interrupt:
    push rax
    push rcx
    push rdx
    push rsi
    mov ecx, 0x1b
    rdmsr
    test eax, 0x400
    jnz .x2
    mov esi, APIC
    mov dword [rsi + 0xb0], 0
    jmp .done
.x2:
    mov ecx, 0x80b
    xor eax, eax
    xor edx, edx
    wrmsr
.done:
    pop rsi
    pop rdx
    pop rcx
    pop rax
    ret

second_nmi:
    lock inc qword [nmis]
    iretq

; --- the second processor in long mode
second:
    mov ax, DATA0
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov rsp, AP_STACK
    lidt [second_idt]
    mov esi, APIC
    mov dword [rsi + 0xf0], 0x1ff
    mov eax, [rsi + 0x20]
    mov [second_id], rax
    read_msr 0x1b
    and eax, 0xfff
    mov [second_base], rax
    mov eax, 1
    cpuid
    shr ebx, 24
    mov [second_cpuid], rbx
    mov rax, cr4
    mov [second_cr4], rax
    gate_at idt + 2 * 16, CODE0, second_nmi, 0x8e00
    sti
    mov qword [ready], 1
    mov qword [taken], 0
.loop:
    mov rax, [order]
    cmp rax, [taken]
    je .idle
    mov [taken], rax
    cmp eax, 1
    je .pong
    cmp eax, 2
    je .count
    cmp eax, 3
    je .lock
    cmp eax, 4
    je .read
    cmp eax, 5
    je .read
    cmp eax, 6
    je .x2
    cmp eax, 7
    je .mailbox
.idle:
    pause
    jmp .loop
.pong:
    icr 0, 0x4000 | PONG
    jmp .loop
.count:
    mov ecx, ROUNDS
.next:
    lock inc qword [counter]
    mov eax, 1
    lock xadd [counter + 8], rax
    mov rax, [counter + 16]
.exchange:
    lea rbx, [rax + 1]
    lock cmpxchg [counter + 16], rbx
    jne .exchange
    dec ecx
    jnz .next
    mov qword [done], 2
    jmp .loop
.lock:
    mov ecx, ROUNDS
    call locked
    mov qword [done], 3
    jmp .loop
.read:
    mov rcx, WINDOW
    cmp eax, 5
    je .again
    mov dword [PD0 + (WINDOW >> 21) * 8], 0x400000 | 0x87
    invlpg [rcx]
    mov dword [rcx], 0x11111111
.again:
    mov ecx, [rcx]
    mov [second_read], rcx
    mov [done], rax
    jmp .loop
.mailbox:
    cli
.armed:
    lea rax, [mailbox + 8]      ; in the same line
    xor ecx, ecx
    xor edx, edx
    monitor
    cmp qword [mailbox], 0
    jne .filled
    xor eax, eax
    mwait
    jmp .armed
.filled:
    sti
    mov rax, [mailbox]
    mov [second_read], rax
    mov qword [done], 7
    jmp .loop
.x2:
    read_msr 0x1b
    or eax, 0x400
    mov ecx, 0x1b
    wrmsr
    read_msr 0x802
    mov [second_id], rax
    read_msr 0x80d
    mov [second_ldr], rax
    mov qword [done], 6
    jmp .loop

; --- copied to TRAMPOLINE
    bits 16
trampoline:
    call .here
.here:
    pop ax
    sub ax, .here - trampoline
    mov bx, ds
    mov cx, cs
    push dword 0x0
    pushfd
    pop esi
    add sp, 4
    cli
    lock inc word [cs:started_here - trampoline]
    o32 lgdt [cs:low_gdt - trampoline]
    sidt [cs:low_idt - trampoline]
    mov edi, cr0
    mov ebp, edi
    or ebp, 1
    mov cr0, ebp
    jmp dword CODE0C:TRAMPOLINE + (.protected - trampoline)
    bits 32
.protected:
    mov bp, DATA0
    mov ds, ebp
    mov es, ebp
    mov ss, ebp
    mov [start_cs], cx
    mov [start_ip], ax
    mov [start_ds], bx
    mov [start_flags], esi
    and edi, 0x60000010         ; CD, NW, ET: the rest is 0
    mov [start_cr0], edi
    shr edx, 16
    and edx, 0
    mov [start_edx], edx
    mov ax, [TRAMPOLINE + (low_idt - trampoline)]
    mov [start_idt], ax
    lock inc dword [started]
    mov esp, AP_STACK
    mov eax, CR4_BASE
    mov cr4, eax
    mov eax, PML4
    mov cr3, eax
    mov ecx, 0xc0000080
    mov eax, 0x100
    xor edx, edx
    wrmsr
    mov eax, 0x80000033
    mov cr0, eax
    jmp CODE0:second
low_gdt:
    dw gdt_end - gdt - 1
    dd gdt
low_idt:
    dw 0
    dd 0
started_here:
    dw 0
trampoline_end:
    bits 64

    [section .data]
    align 8
started:      dq 0
ready:        dq 0
order:        dq 0
taken:        dq 0
done:         dq 0
pings:        dq 0
pongs:        dq 0
answer:       dq 0
flushed:      dq 0
nmis:         dq 0
spin:         dq 0
counter:      dq 0, 0, 0, 0
bits_:        times 64 dq 0
    align 64
mailbox:      times 8 dq 0
start_cs:     dq 0
start_ip:     dq 0
start_ds:     dq 0
start_flags:  dq 0
start_cr0:    dq 0
start_edx:    dq 0
start_idt:    dq 0
second_id:    dq 0
second_base:  dq 0
second_cpuid: dq 0
second_cr4:   dq 0
second_ldr:   dq 0
second_read:  dq 0
second_idt:
    dw idt_end - idt - 1
    dq idt
    __?SECT?__
