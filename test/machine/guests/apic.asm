; Local APIC and IOAPIC, as a boot sector's 32-bit protected mode sees them. Prints what must be the same everywhere to COM1.
    bits 16
    org 0x7c00
LOCAL   equ 0xfee00000
IOAPIC  equ 0xfec00000

    cli
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7c00
    ; the rest of the program
    mov ah, 0x02
    mov al, 8
    mov cx, 2
    xor dh, dh
    mov dl, 0x80
    mov bx, 0x7e00
    int 0x13
    mov ax, 0x2401
    int 0x15
    in al, 0x92
    or al, 2
    and al, 0xfe
    out 0x92, al
    lgdt [gdt_pointer]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp 8:protected

gdt:
    dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
    dw 23
    dd gdt
idt_pointer:
    dw 0x7ff
    dd 0x9000

    times 510 - ($ - $$) db 0
    dw 0xaa55

    bits 32
protected:
    mov ax, 16
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov esp, 0x7c00
    ; all vectors to their own stub at 0xa000: push vector; jmp handler
    mov edi, 0xa000
    mov ebx, 0x9000
    xor ecx, ecx
.stub:
    mov byte [edi], 0x68
    mov [edi + 1], ecx
    mov byte [edi + 5], 0xe9
    mov eax, handler
    sub eax, edi
    sub eax, 10
    mov [edi + 6], eax
    mov eax, edi
    mov [ebx], ax
    mov word [ebx + 2], 8
    mov word [ebx + 4], 0x8e00
    shr eax, 16
    mov [ebx + 6], ax
    add edi, 16
    add ebx, 8
    inc ecx
    cmp ecx, 256
    jb .stub
    lidt [idt_pointer]
    ; no 8259 interrupts
    mov al, 0xff
    out 0x21, al
    out 0xa1, al
    mov ebp, LOCAL
    mov dword [ebp + 0xf0], 0x1ff
    mov dword [ebp + 0x350], 0x10000
    mov dword [ebp + 0x80], 0

    call title
    db 'registers', 0
    mov eax, [ebp + 0x20]
    call hex
    mov eax, [ebp + 0x30]
    call hex
    mov eax, [ebp + 0xf0]
    call hex
    mov eax, [ebp + 0xe0]
    call hex
    mov dword [ebp + 0x320], 0xfffff0ff & ~0x10000
    mov eax, [ebp + 0x320]
    and eax, 0x200ff
    call hex
    mov dword [ebp + 0x320], 0x10000
    mov dword [ebp + 0x370], 0x100fe
    mov eax, [ebp + 0x370]
    call hex

    call title
    db 'self IPIs, highest first', 0
    mov dword [ebp + 0x300], 0x40031
    mov dword [ebp + 0x300], 0x40052
    mov dword [ebp + 0x300], 0x40045
    mov dword [ebp + 0x300], 0x40032
    call pending
    sti
    nop
    nop
    cli
    call end_all

    call title
    db 'nesting', 0
    mov dword [nested], 0x40071
    mov dword [ebp + 0x300], 0x40061
    sti
    nop
    nop
    cli
    mov dword [nested], 0x40063
    mov dword [ebp + 0x300], 0x40068
    sti
    nop
    nop
    cli
    mov dword [nested], 0

    call title
    db 'task priority', 0
    mov dword [ebp + 0x80], 0x50
    mov dword [ebp + 0x300], 0x4005f
    mov dword [ebp + 0x300], 0x40060
    mov eax, [ebp + 0xa0]
    call hex
    sti
    nop
    nop
    cli
    call pending
    mov dword [ebp + 0x80], 0x4f
    sti
    nop
    nop
    cli
    mov dword [ebp + 0x80], 0

    call title
    db 'IPIs to all, and by physical and logical address', 0
    mov dword [ebp + 0x300], 0x80033
    mov dword [ebp + 0x300], 0xc0034
    mov dword [ebp + 0x310], 0x00000000
    mov dword [ebp + 0x300], 0x00035
    mov dword [ebp + 0x310], 0xff000000
    mov dword [ebp + 0x300], 0x00036
    mov dword [ebp + 0x310], 0x07000000
    mov dword [ebp + 0x300], 0x00037
    mov dword [ebp + 0xd0], 0x02000000
    mov dword [ebp + 0x310], 0x06000000
    mov dword [ebp + 0x300], 0x00838
    mov dword [ebp + 0x310], 0x04000000
    mov dword [ebp + 0x300], 0x00839
    mov dword [ebp + 0xe0], 0x0fffffff
    mov dword [ebp + 0xd0], 0x21000000
    mov dword [ebp + 0x310], 0x21000000
    mov dword [ebp + 0x300], 0x0083a
    mov dword [ebp + 0x310], 0x11000000
    mov dword [ebp + 0x300], 0x0083b
    mov dword [ebp + 0x310], 0x23000000
    mov dword [ebp + 0x300], 0x0083c
    mov dword [ebp + 0xe0], 0xffffffff
    sti
    nop
    nop
    cli

    call title
    db 'timer, one-shot', 0
    mov dword [ebp + 0x3e0], 0xb
    mov dword [ebp + 0x320], 0x41
    mov dword [ebp + 0x380], 200000
    call wait_interrupt
    mov eax, [ebp + 0x390]
    call hex
    mov eax, [ebp + 0x380]
    call hex

    call title
    db 'timer, periodic', 0
    mov dword [ebp + 0x320], 0x20042
    mov dword [shown], 3
    mov dword [ebp + 0x380], 300000
.repeat:
    call wait_interrupt
    cmp dword [shown], 0
    jg .repeat
    mov dword [ebp + 0x380], 0
    mov eax, [ebp + 0x390]
    call hex
    ; one more may have come meanwhile
    sti
    nop
    nop
    cli
    mov dword [shown], 0x7fffffff

    call title
    db 'timer, masked', 0
    mov dword [ebp + 0x320], 0x10043
    mov dword [ebp + 0x380], 50000
.run_out:
    cmp dword [ebp + 0x390], 0
    jne .run_out
    call pending

    call title
    db 'I/O APIC', 0
    mov edi, IOAPIC
    mov dword [edi], 1
    mov eax, [edi + 16]
    call hex
    mov dword [edi], 0x10
    mov eax, [edi + 16]
    call hex
    mov dword [edi], 0x12
    mov dword [edi + 16], 0xffffffff
    mov eax, [edi + 16]
    and eax, 0x1afff
    call hex
    mov dword [edi + 16], 0x10000

    call title
    db 'edges and masks', 0
    ; line 5 of the test device
    mov dword [edi], 0x1b
    mov dword [edi + 16], 0
    mov dword [edi], 0x1a
    mov dword [edi + 16], 0x55
    call raise_5
    call lower_5
    call raise_5
    call lower_5
    sti
    nop
    nop
    cli
    mov dword [edi + 16], 0x10055
    call raise_5
    mov dword [edi + 16], 0x55
    call lower_5
    call pending

    call title
    db 'levels', 0
    mov dword [edi + 16], 0x8056
    call raise_5
    mov eax, [edi + 16]
    call hex
    mov dword [lower], 2
    sti
    nop
    nop
    nop
    nop
    cli
    mov eax, [edi + 16]
    call hex
    call pending
    mov dword [edi + 16], 0x10000

    call title
    db 'timer 0 at input 2', 0
    mov al, 0x30
    out 0x43, al
    mov al, 0x00
    out 0x40, al
    mov al, 0x10
    out 0x40, al
    mov dword [edi], 0x15
    mov dword [edi + 16], 0
    mov dword [edi], 0x14
    mov dword [edi + 16], 0x66
    call wait_interrupt

    call title
    db 'software disable', 0
    mov dword [ebp + 0x360], 0x400
    mov dword [ebp + 0xf0], 0xff
    mov eax, [ebp + 0x360]
    call hex
    mov eax, [ebp + 0xf0]
    call hex

    call title
    db 'end', 0
    call new_line
    mov al, 0
    out 0xf4, al
    hlt

nested: dd 0
lower:  dd 0
seen:   dd 0
; interrupts still to be told
shown:  dd 0x7fffffff

raise_5:
    mov al, 1
    jmp drive_5
lower_5:
    mov al, 0
drive_5:
    mov dx, 0x2005
    out dx, al
    ret

; Lets interrupts come until one has.
wait_interrupt:
    mov dword [seen], 0
.again:
    sti
    nop
    cli
    cmp dword [seen], 0
    je .again
    ret

; The vector is on the stack. Prints it with what is in service, sends a nested IPI if asked, and ends the interrupt.
handler:
    pushad
    mov dword [seen], 1
    dec dword [shown]
    js .end
    mov al, '['
    call put
    mov eax, [esp + 32]
    call hex
    mov eax, [ebp + 0xa0]
    call hex
    mov eax, [nested]
    test eax, eax
    jz .level
    mov dword [nested], 0
    mov [ebp + 0x300], eax
    sti
    nop
    nop
    cli
.level:
    cmp dword [lower], 0
    je .told
    dec dword [lower]
    jnz .told
    call lower_5
.told:
    mov dword [ebp + 0xb0], 0
    mov al, ']'
    call put
    popad
    add esp, 4
    iret
.end:
    mov dword [ebp + 0xb0], 0
    popad
    add esp, 4
    iret

end_all:
    mov ecx, 8
.next:
    mov dword [ebp + 0xb0], 0
    loop .next
    ret

; Requests that wait.
pending:
    push ecx
    mov ecx, 1
.word:
    mov eax, ecx
    shl eax, 4
    mov eax, [ebp + 0x200 + eax]
    call hex
    inc ecx
    cmp ecx, 4
    jb .word
    pop ecx
    ret

; Text behind the call.
title:
    call new_line
    pop esi
.next:
    lodsb
    test al, al
    jz .done
    call put
    jmp .next
.done:
    mov al, ':'
    call put
    mov al, ' '
    call put
    jmp esi

put:
    push edx
    push eax
    mov edx, 0x3fd
.wait:
    in al, dx
    test al, 0x20
    jz .wait
    pop eax
    mov edx, 0x3f8
    out dx, al
    pop edx
    ret

new_line:
    mov al, 10
    call put
    ret

hex:
    push eax
    push ecx
    push ebx
    mov ebx, eax
    mov ecx, 8
.digit:
    rol ebx, 4
    mov al, bl
    and al, 15
    cmp al, 10
    sbb al, 0x69
    das
    call put
    loop .digit
    mov al, ' '
    call put
    pop ebx
    pop ecx
    pop eax
    ret

    times 512 * 16 - ($ - $$) db 0
