; A kernel in ring 0, a service in ring 1 and a program in ring 3, and every way across.
;
; Press F5, set a breakpoint on `program`, and step. In the Rings panel watch the marker move outward with IRET, inward
; with INT 0x80, to ring 1 through a call gate, and inward again when HLT faults in ring 3 and when the timer interrupts.
; README.md beside this file walks through it.

    org 0x7c00
    bits 16

COM1        equ 0x3f8
EXIT_PORT   equ 0xf4            ; a write of n ends the run with status 2n + 1

KERNEL_CODE equ 0x08
KERNEL_DATA equ 0x10
SERVICE_CODE equ 0x18 | 1
SERVICE_DATA equ 0x20 | 1
USER_CODE   equ 0x28 | 3
USER_DATA   equ 0x30 | 3
TASK_STATE  equ 0x38
SERVICE_GATE equ 0x40 | 3

KERNEL_STACK  equ 0x9000
SERVICE_STACK equ 0xa000
USER_STACK    equ 0xb000

; ---- the boot sector: load the rest, leave real mode

boot:
    cli
    xor ax, ax
    mov ds, ax
    mov ss, ax
    mov sp, 0x7c00
    sti
    mov si, disk_packet
    mov ah, 0x42                ; extended read
    int 0x13
    jc .failed
    cli
    lgdt [gdt_pointer]
    mov eax, cr0
    or al, 1                    ; CR0.PE: protected mode from the next instruction on
    mov cr0, eax
    jmp KERNEL_CODE:kernel      ; loads CS with a 32-bit code segment
.failed:
    hlt
    jmp .failed

    align 4
disk_packet:
    db 16, 0
    dw (image_end - loaded + 511) / 512
    dw loaded, 0                  ; to 0000:7E00
    dq 1                        ; from the second sector

    times 510 - ($ - $$) db 0
    dw 0xaa55
loaded:

; ---- ring 0

    bits 32
kernel:
    mov ax, KERNEL_DATA
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov esp, KERNEL_STACK
    call fill_idt
    lidt [idt_pointer]
    mov ax, TASK_STATE          ; the TSS holds the stacks of rings 0 and 1
    ltr ax
    call start_timer
    mov esi, text_kernel
    call print

    ; An interrupt return to a ring that never was: the frame of a ring 3 program, made by hand.
    push dword USER_DATA
    push dword USER_STACK
    pushfd
    or dword [esp], 0x200       ; IF: the program can be interrupted
    push dword USER_CODE
    push dword program
    mov ax, USER_DATA
    mov ds, ax
    mov es, ax
    iretd                       ; ring 0 → ring 3

; INT 0x80: AL = 1 prints the text at ESI, AL = 2 ends the run with status BL.
system_call:
    push ds
    push es
    push eax
    mov ax, KERNEL_DATA
    mov ds, ax
    mov es, ax
    pop eax
    cmp al, 1
    je .print
    mov al, bl
    out EXIT_PORT, al
.print:
    call print
    pop es
    pop ds
    iretd                       ; ring 0 → ring 3

; #GP: the program tried something of ring 0. The return address is moved behind the instruction (HLT is one byte).
general_protection:
    push ds
    push esi
    push eax
    mov ax, KERNEL_DATA
    mov ds, ax
    mov esi, text_fault
    call print
    pop eax
    pop esi
    pop ds
    add esp, 4                  ; the error code
    inc dword [esp]
    iretd

; IRQ 0: one tick.
timer:
    push ds
    push eax
    mov ax, KERNEL_DATA
    mov ds, ax
    inc dword [ticks]
    mov al, 0x20                ; end of interrupt
    out 0x20, al
    pop eax
    pop ds
    iretd

; Prints the text at DS:ESI on COM1.
print:
    push eax
    push edx
    mov edx, COM1
.next:
    lodsb
    test al, al
    jz .done
    out dx, al
    jmp .next
.done:
    pop edx
    pop eax
    ret

; One gate: vector, handler, DPL of who may call it by INT.
%macro gate 3
    mov edi, idt + %1 * 8
    mov eax, %2
    mov [edi], ax
    mov word [edi + 2], KERNEL_CODE
    mov word [edi + 4], 0x8e00 | (%3 << 13)  ; present 32-bit interrupt gate
    shr eax, 16
    mov [edi + 6], ax
%endmacro

fill_idt:
    gate 13, general_protection, 0
    gate 0x20, timer, 0
    gate 0x80, system_call, 3   ; ring 3 may: the others it may not
    ret

; The interrupt controllers' vectors moved to 0x20, the timer at 1 kHz, everything else masked.
start_timer:
    mov al, 0x11
    out 0x20, al
    out 0xa0, al
    mov al, 0x20
    out 0x21, al
    mov al, 0x28
    out 0xa1, al
    mov al, 4
    out 0x21, al
    mov al, 2
    out 0xa1, al
    mov al, 1
    out 0x21, al
    out 0xa1, al
    mov al, 0xfe
    out 0x21, al
    mov al, 0xff
    out 0xa1, al
    mov al, 0x34                ; channel 0, rate generator
    out 0x43, al
    mov ax, 1193
    out 0x40, al
    mov al, ah
    out 0x40, al
    ret

; ---- ring 1: called from ring 3 through a gate; it may not touch ports or halt, but has its own stack and segments

service:
    push ds
    push ebp
    mov ebp, esp
    mov ax, SERVICE_DATA
    mov ds, ax
    inc dword [service_calls]
    mov eax, [ebp + 16]         ; the parameter, copied from the caller's stack by the gate
    add eax, eax
    pop ebp
    pop ds
    retf 4                      ; ring 1 → ring 3, dropping the parameter on both stacks

; ---- ring 3

program:
    mov al, 1
    mov esi, text_program
    int 0x80                    ; ring 3 → ring 0 and back

    push dword 21
    call SERVICE_GATE:0         ; ring 3 → ring 1 and back; the offset does not matter
    mov [answer], eax

    hlt                         ; ring 0 only: #GP

    mov ecx, [ticks]            ; wait for the timer to interrupt ring 3
    add ecx, 3
.wait:
    cmp [ticks], ecx
    jb .wait

    mov al, 1
    mov esi, text_done
    int 0x80
    mov al, 2
    mov ebx, 0
    int 0x80
.end:
    jmp .end                    ; not reached: the port ended the run

; ---- data

text_kernel:  db 'ring 0: starting a program in ring 3', 10, 0
text_program: db 'ring 3: asked ring 0 to print this', 10, 0
text_fault:   db 'ring 0: the program tried HLT', 10, 0
text_done:    db 'ring 3: interrupted by the timer, done', 10, 0

    align 4
ticks:         dd 0
service_calls: dd 0
answer:        dd 0

; A flat segment: access byte.
%macro flat 1
    dw 0xffff, 0
    db 0, %1, 0xcf, 0
%endmacro

    align 8
gdt:
    dq 0
    flat 0x9a                   ; 0x08 code, DPL 0
    flat 0x92                   ; 0x10 data, DPL 0
    flat 0xba                   ; 0x18 code, DPL 1
    flat 0xb2                   ; 0x20 data, DPL 1
    flat 0xfa                   ; 0x28 code, DPL 3
    flat 0xf2                   ; 0x30 data, DPL 3
    dw tss_end - tss - 1, tss   ; 0x38 TSS
    db 0, 0x89, 0, 0
    dw service, SERVICE_CODE    ; 0x40 call gate to ring 1 with one parameter, for ring 3
    db 1, 0xec
    dw 0
gdt_end:

gdt_pointer:
    dw gdt_end - gdt - 1
    dd gdt
idt_pointer:
    dw 0x81 * 8 - 1
    dd idt

    align 4
tss:
    dd 0
    dd KERNEL_STACK, KERNEL_DATA
    dd SERVICE_STACK, SERVICE_DATA
    times 23 - 2 dd 0           ; registers of a task switch: not used here
    dw 0, tss_end - tss         ; the I/O bitmap lies beyond the limit: no ports for ring 3
tss_end:

image_end:
    times (512 - ($ - $$) % 512) % 512 db 0

idt equ 0x6000                  ; in free memory
