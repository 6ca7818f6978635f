; The built-in hypervisor: it runs in VMX root operation, and the whole guest, from its first instruction on, in non-root operation.
;
; The guest has the PC to itself: what it does to ports, to CR0.NE and CR4.VMXE, and what arrives as an external interrupt comes by here as
; a VM exit; memory is the guest's by EPT, one to one, but for the mebibyte at ORIGIN in which all of this lies. What is beyond
; 200 lines of assembly (task switches, INIT, hypercalls of the user's own) is asked of the engine through a port, `service`.
;
; One of these runs on every processor. GS points to the processor's own area, RSP to the end of it while the guest runs.

    bits 64
    cpu x64
ORIGIN          equ 0xf0000000
    org ORIGIN

%include "layout.inc"
%include "fields.inc"

%macro push_registers 0
    push r15
    push r14
    push r13
    push r12
    push r11
    push r10
    push r9
    push r8
    push rdi
    push rsi
    push rbp
    push rsp                            ; keeps the place
    push rbx
    push rdx
    push rcx
    push rax
%endmacro

%macro pop_registers 0
    pop rax
    pop rcx
    pop rdx
    pop rbx
    lea rsp, [rsp + 8]
    pop rbp
    pop rsi
    pop rdi
    pop r8
    pop r9
    pop r10
    pop r11
    pop r12
    pop r13
    pop r14
    pop r15
%endmacro

; ---- the first instruction: RDI = own area, RSI = fields to write. In 64-bit mode, ring 0, with the tables of layout.inc.
start:
    mov rax, cr4
    or eax, CR4_VMXE
    mov cr4, rax
    vmxon [rdi + AREA_VMXON_POINTER]
    jbe fatal
    vmclear [rdi + AREA_VMCS_POINTER]
    jbe fatal
    vmptrld [rdi + AREA_VMCS_POINTER]
    jbe fatal
.next_field:
    mov rax, [rsi]
    cmp rax, -1
    je .launch
    vmwrite rax, [rsi + 8]
    jbe fatal
    add rsi, 16
    jmp .next_field
.launch:
    lea rsp, [rdi + AREA_REGISTERS]     ; what the guest begins with
    pop_registers
    vmlaunch
    jmp fatal

; ---- every VM exit
exit:
    push_registers
    mov eax, EXIT_REASON
    vmread rax, rax
    cmp eax, HANDLER_COUNT
    jae unexpected
    lea rdx, [rel handlers]
    call [rdx + rax * 8]

    mov eax, IDT_VECTORING_INFO         ; an event whose delivery the exit broke off is delivered anew
    vmread rax, rax
    test eax, eax
    js reinject
    cmp byte [gs:AREA_NMI], 0
    jne inject_nmi
resume:
    pop_registers
    vmresume
    jmp fatal

reinject:
    mov edx, ENTRY_INTERRUPTION_INFO
    and eax, ~(1 << 12)                 ; undefined in one, reserved in the other
    vmwrite rdx, rax
    mov eax, IDT_VECTORING_ERROR_CODE
    vmread rax, rax
    mov edx, ENTRY_ERROR_CODE
    vmwrite rdx, rax
    mov eax, EXIT_INSTRUCTION_LENGTH
    vmread rax, rax
    mov edx, ENTRY_INSTRUCTION_LENGTH
    vmwrite rdx, rax
    jmp resume

inject_nmi:
    mov byte [gs:AREA_NMI], 0
    mov edx, ENTRY_INTERRUPTION_INFO
    mov eax, VALID | TYPE_NMI | 2
    vmwrite rdx, rax
    jmp resume

unexpected:
    mov eax, SERVICE_UNEXPECTED
    call service
    jmp resume

fatal:
    mov eax, SERVICE_FATAL
    call service
    cli
    hlt

; ---- asks the engine: EAX = what, RBX = the guest's registers
service:
    lea rbx, [rsp + 8]
    mov dx, SERVICE_PORT
service_out:
    out dx, eax
    ret

; ---- by exit reason; each returns to `exit`, and finds the guest's registers behind its return address

%define guest(n) [rsp + 8 + (n) * 8]

; Goes on behind the instruction that exited.
advance:
    mov eax, GUEST_RIP
    vmread rcx, rax
    mov edx, EXIT_INSTRUCTION_LENGTH
    vmread rdx, rdx
    add rcx, rdx
    vmwrite rax, rcx
    mov eax, GUEST_INTERRUPTIBILITY     ; the shadow of STI or MOV SS was this instruction's
    vmread rcx, rax
    and ecx, ~3
    vmwrite rax, rcx
    mov eax, GUEST_RFLAGS
    vmread rax, rax
    test eax, FLAG_TF                   ; single-stepped: the trap comes behind it
    jz .done
    mov eax, GUEST_PENDING_DEBUG
    mov ecx, 1 << 14
    vmwrite rax, rcx
.done:
    ret

; An exception for the guest. EAX = interruption information without the valid bit; the error code is 0.
raise:
    or eax, VALID
    mov edx, ENTRY_INTERRUPTION_INFO
    vmwrite rdx, rax
    xor eax, eax
    mov edx, ENTRY_ERROR_CODE
    vmwrite rdx, rax
    ret

undefined:
    mov eax, TYPE_EXCEPTION | 6
    jmp raise

protection:
    mov edx, GUEST_CR0
    vmread rcx, rdx
    mov eax, TYPE_EXCEPTION | 13
    test cl, CR0_PE
    jz raise                            ; real mode knows no error codes
    or eax, ERROR_CODE
    jmp raise

on_cpuid:
    mov eax, guest(RAX)
    mov ecx, guest(RCX)
    mov edi, eax
    cpuid
    cmp edi, 1
    jne .store
    and ecx, ~(CPUID_VMX | CPUID_OSXSAVE)   ; nobody nests here, and CR4.OSXSAVE is the guest's
    mov edi, GUEST_CR4
    vmread rdi, rdi
    test edi, CR4_OSXSAVE
    jz .store
    or ecx, CPUID_OSXSAVE
.store:
    mov guest(RAX), rax
    mov guest(RBX), rbx
    mov guest(RCX), rcx
    mov guest(RDX), rdx
    jmp advance

on_xsetbv:
    mov eax, guest(RAX)
    mov ecx, guest(RCX)
    mov edx, guest(RDX)
xsetbv_may_fault:
    xsetbv
    jmp advance
xsetbv_faulted:                         ; where the handler of #GP goes on
    jmp protection

; CR0.NE and CR4.VMXE are the processor's in VMX operation; what the guest wants of them is in the shadow. With the shadow as the guest
; wants it the same instruction does not exit any more, and does the rest itself.
on_control_register:
    mov eax, EXIT_QUALIFICATION
    vmread rax, rax
    mov ecx, eax
    shr ecx, 8
    and ecx, 15
    mov rdx, guest(rcx)
    cmp ecx, RSP
    jne .known
    mov edi, GUEST_RSP
    vmread rdx, rdi
.known:
    test al, 15
    jnz .cr4
    mov edi, CR0_SHADOW
    vmwrite rdi, rdx
    xor ecx, ecx                        ; with NE clear an x87 error is not #MF but IRQ 13
    test edx, CR0_NE
    jnz .bitmap
    mov ecx, 1 << 16
.bitmap:
    mov edi, EXCEPTION_BITMAP
    vmwrite rdi, rcx
    ret
.cr4:
    test edx, CR4_VMXE
    jnz protection
    mov edi, CR4_SHADOW
    vmwrite rdi, rdx
    ret

on_exception:                           ; #MF alone
    mov eax, SERVICE_FLOAT_ERROR
    jmp service_from_handler

on_io:
    mov eax, EXIT_QUALIFICATION
    vmread rcx, rax
    mov edx, ecx
    shr edx, 16
    test cl, 1 << 4
    jnz string_io
    cmp dx, SERVICE_PORT
    je .nothing
    and ecx, 15                         ; size - 1, and 8 for IN
    mov rax, guest(RAX)
    cmp cl, 8
    jae .in
    cmp cl, 1
    je .out_word
    ja .out_dword
    out dx, al
    jmp advance
.out_word:
    out dx, ax
    jmp advance
.out_dword:
    out dx, eax
    jmp advance
.in:
    cmp cl, 9
    je .in_word
    ja .in_dword
    in al, dx
    mov guest(RAX), rax
    jmp advance
.in_word:
    in ax, dx
    mov guest(RAX), rax
    jmp advance
.in_dword:
    in eax, dx
    mov guest(RAX), rax
    jmp advance
.nothing:                               ; no device of the guest's is there
    test cl, 8
    jz advance
    mov rax, -1
    mov guest(RAX), rax
    jmp advance

; INS and OUTS run by themselves, an element at a time: the monitor trap flag brings the guest back.
string_io:
    mov eax, PRIMARY_CONTROLS
    vmread rcx, rax
    and ecx, ~IO_BITMAPS
    or ecx, MONITOR_TRAP
    vmwrite rax, rcx
    ret

on_monitor_trap:
    mov eax, PRIMARY_CONTROLS
    vmread rcx, rax
    or ecx, IO_BITMAPS
    and ecx, ~MONITOR_TRAP
    vmwrite rax, rcx
    ret

; An interrupt waits at the controller. If the guest takes interrupts now, it is acknowledged by letting it in here for a moment, and
; injected; else the guest's own window is awaited, and nothing is acknowledged before.
on_interrupt:
    mov eax, GUEST_RFLAGS
    vmread rax, rax
    test eax, FLAG_IF
    jz .later
    mov eax, GUEST_INTERRUPTIBILITY
    vmread rax, rax
    test al, 3
    jnz .later
    mov dword [gs:AREA_VECTOR], -1
    sti
    nop
    cli
    mov eax, [gs:AREA_VECTOR]
    mov dword [gs:AREA_VECTOR], 0
    cmp eax, -1
    je .none
    or eax, VALID
    mov edx, ENTRY_INTERRUPTION_INFO
    vmwrite rdx, rax
.none:
    ret
.later:
    mov eax, PIN_CONTROLS
    vmread rcx, rax
    and ecx, ~EXTERNAL_INTERRUPT_EXITING
    vmwrite rax, rcx
    mov eax, PRIMARY_CONTROLS
    vmread rcx, rax
    or ecx, INTERRUPT_WINDOW_EXITING
    vmwrite rax, rcx
    ret

on_interrupt_window:
    mov eax, PIN_CONTROLS
    vmread rcx, rax
    or ecx, EXTERNAL_INTERRUPT_EXITING
    vmwrite rax, rcx
    mov eax, PRIMARY_CONTROLS
    vmread rcx, rax
    and ecx, ~INTERRUPT_WINDOW_EXITING
    vmwrite rax, rcx
    ret

on_startup:                             ; a start-up IPI: its vector is the number of a page
    mov eax, EXIT_QUALIFICATION
    vmread rcx, rax
    mov edx, ecx
    shl edx, 8
    mov eax, GUEST_CS_SELECTOR
    vmwrite rax, rdx
    shl edx, 4
    mov eax, GUEST_CS_BASE
    vmwrite rax, rdx
    xor ecx, ecx
    mov eax, GUEST_RIP
    vmwrite rax, rcx
    mov eax, GUEST_ACTIVITY
    vmwrite rax, rcx
    ret

on_vmcall:
    mov eax, SERVICE_HYPERCALL
    call service_for_handler
    jmp advance

on_task_switch:
    mov eax, SERVICE_TASK_SWITCH
    jmp service_from_handler
on_init:
    mov eax, SERVICE_INIT
    jmp service_from_handler
on_triple_fault:
    mov eax, SERVICE_TRIPLE_FAULT
    jmp service_from_handler
on_other:
    mov eax, SERVICE_UNEXPECTED
    jmp service_from_handler

service_for_handler:                    ; called by a handler
    lea rbx, [rsp + 16]
    jmp service_at
service_from_handler:                   ; in a handler's place
    lea rbx, [rsp + 8]
service_at:
    mov dx, SERVICE_PORT
    jmp service_out

handlers:
    dq on_exception, on_interrupt, on_triple_fault, on_init             ; 0 to 3
    dq on_startup, on_other, on_other, on_interrupt_window
    dq on_other, on_task_switch, on_cpuid, on_other                     ; 8 to 11
    dq on_other, advance, on_other, on_other
    dq on_other, on_other, on_vmcall, undefined                         ; 16 to 19
    dq undefined, undefined, undefined, undefined
    dq undefined, undefined, undefined, undefined                       ; 24 to 27
    dq on_control_register, on_other, on_io, protection
    dq protection, on_other, on_other, on_other                         ; 32 to 35
    dq on_other, on_monitor_trap, on_other, on_other
    dq on_other, on_other, on_other, on_other                           ; 40 to 43
    dq on_other, on_other, on_other, on_other
    dq on_other, on_other, undefined, on_other                          ; 48 to 51
    dq on_other, undefined, on_other, on_xsetbv
HANDLER_COUNT   equ ($ - handlers) / 8

; ---- interrupts and exceptions of the hypervisor itself
on_vector:                              ; [rsp] = vector, then an error code if there is one, then the frame
    push rax
    mov eax, [rsp + 8]
    cmp eax, 2
    je .nmi
    cmp dword [gs:AREA_VECTOR], -1      ; an old interrupt controller's vectors are those of exceptions
    jne .exception
    mov [gs:AREA_VECTOR], eax
    and dword [rsp + 32], ~FLAG_IF      ; one at a time
    pop rax
    add rsp, 8
    iretq
.nmi:
    mov byte [gs:AREA_NMI], 1
    pop rax
    add rsp, 8
    iretq
.exception:
    cmp eax, 13
    jne fatal
    lea rax, [rel xsetbv_may_fault]
    cmp [rsp + 24], rax
    jne fatal
    lea rax, [rel xsetbv_faulted]
    mov [rsp + 24], rax
    pop rax
    add rsp, 16
    iretq

    align 16
stubs:
%assign n 0
%rep 256
    align 16
    push n
    jmp near on_vector
%assign n n + 1
%endrep

    align 16
idt:
%assign n 0
%rep 256
    dw (ORIGIN + (stubs - $$) + n * 16) & 0xffff
    dw CODE
    dw 0x8e00
    dw (ORIGIN + (stubs - $$) + n * 16) >> 16
    dq 0
%assign n n + 1
%endrep

gdt:
    dq 0
    dq 0x00af9b000000ffff               ; CODE
    dq 0x00cf93000000ffff               ; DATA
    dq 0x00008b0000000067 | ((tss - $$) & 0xffffff) << 16 | (ORIGIN & 0xff000000) << 32   ; TASK
    dq 0
gdt_end:

tss:
    times 0x68 db 0
