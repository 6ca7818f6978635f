; Hardware tasks: the processor itself saves one set of registers and loads another.
;
; Three tasks. `main` jumps to `partner` and back through their TSS descriptors, calls a task through a task gate, takes an
; exception in a task of its own (double faults are handled like that in real kernels), and at last starts a
; virtual-8086 task: a 16-bit real-mode program inside protected mode, whose INT and I/O end in the monitor.
; README.md beside this file walks through it.

    org 0x7c00
    bits 16

COM1        equ 0x3f8
EXIT_PORT   equ 0xf4

CODE        equ 0x08
DATA        equ 0x10
MAIN_TSS    equ 0x18
PARTNER_TSS equ 0x20
FAULT_TSS   equ 0x28
HELPER_TSS  equ 0x30
HELPER_GATE equ 0x38
VIRTUAL_TSS equ 0x40

MAIN_STACK    equ 0x9000
PARTNER_STACK equ 0xa000
FAULT_STACK   equ 0xb000
HELPER_STACK  equ 0xc000
MONITOR_STACK equ 0xd000
VIRTUAL_SEGMENT equ 0x2000      ; the 16-bit program at 2000:0000

boot:
    cli
    xor ax, ax
    mov ds, ax
    mov ss, ax
    mov sp, 0x7c00
    sti
    mov si, disk_packet
    mov ah, 0x42
    int 0x13
    jc .failed
    cli
    lgdt [gdt_pointer]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp CODE:start
.failed:
    hlt
    jmp .failed

    align 4
disk_packet:
    db 16, 0
    dw (image_end - second + 511) / 512
    dw second, 0
    dq 1

    times 510 - ($ - $$) db 0
    dw 0xaa55
second:

    bits 32
start:
    mov ax, DATA
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov esp, MAIN_STACK
    lidt [idt_pointer]
    mov ax, MAIN_TSS            ; where this task is saved when it is left
    ltr ax

    mov esi, text_main
    call print

    jmp PARTNER_TSS:0           ; a task switch; the offset is not looked at
back:                           ; partner jumps back: all registers are as they were
    mov esi, text_back
    call print

    call HELPER_GATE:0          ; nested: NT is set, IRET returns
    mov esi, text_nested
    call print

    int 0x0d                    ; a task gate stands in the IDT for #GP: a whole task takes the interrupt
    mov esi, text_gated
    call print

    ; Copy the 16-bit program to its segment and go there by a task switch: its TSS has VM set.
    mov esi, virtual_program
    mov edi, VIRTUAL_SEGMENT * 16
    mov ecx, virtual_end - virtual_program
    rep movsb
    jmp VIRTUAL_TSS:0

; ---- partner: runs once and jumps back

partner:
    mov esi, text_partner
    call print
    jmp MAIN_TSS:0

; ---- helper: called through the gate; goes back with IRET each time

helper:
    mov esi, text_helper
    call print
    iretd                       ; NT is set: back to the task in the link field
    jmp helper                  ; the next call goes on here

; ---- the task behind the #GP gate

fault_task:
    mov esi, text_fault
    call print
    iretd                       ; INT pushes no error code
    jmp fault_task

; ---- the monitor of the virtual-8086 task, in ring 0: INT 0x21 in there comes here

monitor:
    push ds
    push eax
    mov ax, DATA
    mov ds, ax
    mov al, [esp + 4 + 4]       ; the return EIP's low byte: not used, shown for stepping
    mov esi, text_virtual
    call print
    pop eax
    pop ds
    cmp al, 0                   ; AL = 0 asked to end
    je .exit
    iretd                       ; back to virtual-8086 mode: VM is in the saved EFLAGS
.exit:
    out EXIT_PORT, al

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

; ---- the 16-bit program

    bits 16
virtual_program:
    mov al, 1
    int 0x21
    mov ax, ds                  ; segment registers hold paragraphs here, not selectors
    mov al, 0
    int 0x21
virtual_end:
    bits 32

text_main:    db 'main: jumping to partner', 10, 0
text_partner: db 'partner: jumping back', 10, 0
text_back:    db 'main: calling helper through a task gate', 10, 0
text_helper:  db 'helper: returning with IRET', 10, 0
text_nested:  db 'main: INT 0x0D through a task gate', 10, 0
text_fault:   db 'fault task: returning', 10, 0
text_gated:   db 'main: starting the virtual-8086 task', 10, 0
text_virtual: db 'monitor: INT 0x21 from virtual-8086 mode', 10, 0

    align 8
gdt:
    dq 0
    dw 0xffff, 0
    db 0, 0x9a, 0xcf, 0         ; 0x08 code
    dw 0xffff, 0
    db 0, 0x92, 0xcf, 0         ; 0x10 data
%macro task_segment 1
    dw 0x67, %1
    db 0, 0x89, 0, 0
%endmacro
    task_segment main_tss       ; 0x18
    task_segment partner_tss    ; 0x20
    task_segment fault_tss      ; 0x28
    task_segment helper_tss     ; 0x30
    dw 0, HELPER_TSS            ; 0x38 task gate
    db 0, 0x85, 0, 0
    task_segment virtual_tss    ; 0x40
gdt_end:

gdt_pointer:
    dw gdt_end - gdt - 1
    dd gdt

    align 8
idt:
    times 13 dq 0
    dw 0, FAULT_TSS             ; 13: task gate
    db 0, 0x85, 0, 0
    times 0x21 - 14 dq 0
    dw monitor, CODE            ; 0x21: interrupt gate that virtual-8086 mode (ring 3) may use
    dw 0xee00, 0
idt_end:

idt_pointer:
    dw idt_end - idt - 1
    dd idt

; A TSS whose task begins at an address: entry, stack, EFLAGS, CS, data selector.
%macro tss 5
    dd 0                        ; link
    dd MONITOR_STACK, DATA      ; stack of ring 0
    dd 0, 0, 0, 0
    dd 0                        ; CR3
    dd %1, %3                   ; EIP, EFLAGS
    dd 0, 0, 0, 0               ; EAX ECX EDX EBX
    dd %2, 0, 0, 0              ; ESP EBP ESI EDI
    dd %5, %4, %5, %5, %5, %5   ; ES CS SS DS FS GS
    dd 0                        ; LDT
    dw 0, 0x68                  ; no T bit; the I/O bitmap lies beyond the limit
%endmacro

    align 4
main_tss:    tss 0, 0, 0, 0, 0
partner_tss: tss partner, PARTNER_STACK, 2, CODE, DATA
fault_tss:   tss fault_task, FAULT_STACK, 2, CODE, DATA
helper_tss:  tss helper, HELPER_STACK, 2, CODE, DATA
virtual_tss: tss 0, 0xfffe, 0x23002, VIRTUAL_SEGMENT, VIRTUAL_SEGMENT   ; VM, IOPL 3

image_end:
    times (512 - ($ - $$) % 512) % 512 db 0
