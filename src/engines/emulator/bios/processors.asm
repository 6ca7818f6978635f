; What firmware does for the processors: memory types (MTRRs) on all of them, and the others woken once and halted.

    cpu pentium

CPUID_MTRR          equ 12              ; bits of CPUID leaf 1, EDX
CPUID_APIC          equ 9
MSR_FIXED_64K       equ 0x250
MSR_FIXED_16K       equ 0x258           ; two registers
MSR_FIXED_4K        equ 0x268           ; eight registers
MSR_VARIABLE        equ 0x200
MSR_MTRR_DEFAULT    equ 0x2ff
UNCACHEABLE         equ 0
WRITE_PROTECTED     equ 5
WRITE_BACK          equ 6
PCI_HOLE            equ 0xc0000000      ; to 4 GiB: devices
PHYSICAL_HIGH       equ 0xff            ; address bits 32 to 39
APIC_COMMAND        equ 0xfee00300
SEND_INIT           equ 0xc4500         ; to all but self
SEND_STARTUP        equ 0xc4600
AP_PAGE             equ 0x01            ; page in which they start; free during POST
AP_COUNT            equ AP_PAGE * 0x1000 + 0x10
CMOS_OTHERS         equ 0x5f            ; number of processors less one

start_processors:
    call read_features
    jnc .done
    bt edx, CPUID_MTRR
    jnc .apic
    push edx
    call set_memory_types
    pop edx
.apic:
    bt edx, CPUID_APIC
    jnc .done
    mov al, CMOS_OTHERS
    call read_cmos
    test al, al
    jz .done
    movzx cx, al
    call wake_others
.done:
    ret

; CF set and EDX of CPUID leaf 1 where the processor has CPUID.
read_features:
    pushfd
    pop eax
    mov ecx, eax
    xor eax, 1 << 21
    push eax
    popfd
    pushfd
    pop eax
    push ecx
    popfd
    xor eax, ecx
    bt eax, 21
    jnc .none
    mov eax, 1
    cpuid
    stc
.none:
    ret

; RAM below 1 MiB is cached, the display's is not, ROMs are read through the cache, devices below 4 GiB are uncached.
set_memory_types:
    mov ecx, MSR_FIXED_64K
    mov bl, WRITE_BACK
    call .fill
    mov ecx, MSR_FIXED_16K
    call .fill
    inc ecx
    mov bl, UNCACHEABLE
    call .fill
    mov ecx, MSR_FIXED_4K
    mov bl, WRITE_PROTECTED
.rom:
    call .fill
    inc ecx
    cmp ecx, MSR_FIXED_4K + 8
    jne .rom
    mov ecx, MSR_VARIABLE
    mov eax, PCI_HOLE | UNCACHEABLE
    xor edx, edx
    wrmsr
    inc ecx
    mov eax, PCI_HOLE | 0x800           ; 1 GiB, valid
    mov edx, PHYSICAL_HIGH
    wrmsr
    mov ecx, MSR_MTRR_DEFAULT
    mov eax, 0xc00 | WRITE_BACK         ; fixed and variable ranges on
    xor edx, edx
    wrmsr
    mov eax, cr0                        ; caches on
    and eax, ~0x60000000
    mov cr0, eax
    ret
.fill:
    mov al, bl
    mov ah, bl
    mov edx, eax
    shl eax, 16
    mov ax, dx
    mov edx, eax
    wrmsr
    ret

; Starts CX other processors, and waits until each has come by.
wake_others:
    push ds
    push es
    push fs
    cli
    xor ax, ax
    mov ds, ax
    mov byte [AP_PAGE * 0x1000], 0xea   ; a far jump into this ROM
    mov word [AP_PAGE * 0x1000 + 1], other_processor
    mov word [AP_PAGE * 0x1000 + 3], ROM
    mov word [AP_COUNT], 0
    mov word [AP_STACK * 16 + 0x100], 0
    ; FS with a limit of 4 GiB, to reach the local APIC.
    lgdt [cs:flat_table]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    mov dx, 8
    mov fs, dx
    and al, 0xfe
    mov cr0, eax
    mov dword [fs:dword APIC_COMMAND], SEND_INIT
    mov dword [fs:dword APIC_COMMAND], SEND_STARTUP | AP_PAGE
.wait:
    pause
    cmp [AP_COUNT], cx
    jb .wait
    mov eax, cr0                        ; the limit of real mode again
    or al, 1
    mov cr0, eax
    mov dx, 16
    mov fs, dx
    and al, 0xfe
    mov cr0, eax
    xor ax, ax
    mov es, ax
    mov di, AP_PAGE * 0x1000
    mov cx, 0x200 / 2
    rep stosw
    pop fs
    pop es
    pop ds
    ret

flat_table:
    dw .end - .start - 1
    dd (ROM << 4) + .start
    dw 0
.start:
    dq 0
    dq 0x00cf93000000ffff
    dq 0x000093000000ffff
.end:

; Where another processor comes from its far jump, in real mode and without a stack.
other_processor:
    cli
    mov eax, 1
    cpuid
    bt edx, CPUID_MTRR
    jnc .counted
    mov ax, AP_STACK
    mov ss, ax
    mov sp, 0x100
.lock:                                  ; one at a time on the one stack
    mov ax, 1
    xchg ax, [ss:0x100]
    test ax, ax
    jnz .lock
    call set_memory_types
    mov word [ss:0x100], 0
.counted:
    xor ax, ax
    mov ds, ax
    lock inc word [AP_COUNT]
.sleep:
    hlt
    jmp .sleep
AP_STACK            equ 0x0102          ; in the same free page, behind what it holds

    cpu 386
