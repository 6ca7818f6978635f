; Real mode: faults through the interrupt table, big real mode, A20, wrapping, odd instructions.
; With LIMITS defined also what goes beyond segments' limits.

    bits 32
    org 0x100000

header:
    dd 0x1badb002, 0x10000, -(0x1badb002 + 0x10000)
    dd header, header, 0, 0, entry

LOW equ 0x8000                  ; where the 16-bit program runs

entry:
    mov esi, program
    mov edi, LOW
    mov ecx, program_end - program
    cld
    rep movsb
    lgdt [pointer]
    lidt [real_idt]
    jmp 8:real

    align 8
gdt:
    dq 0
    dw 0xffff, 0                ; 8: 16-bit code
    db 0x10, 0x9a, 0, 0
    dw 0xffff, 0                ; 16: data of 64 KiB
    db 0, 0x92, 0, 0
    dw 0xffff, 0                ; 24: data of 4 GiB
    db 0, 0x92, 0xcf, 0
    dw 0x0fff, 0                ; 32: data of 4 KiB
    db 0, 0x92, 0, 0
pointer:
    dw pointer - gdt - 1
    dd gdt
real_idt:
    dw 0x3ff
    dd 0

    bits 16
real equ $ - 0x100000
    mov ax, 16
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov fs, ax
    mov gs, ax
    mov eax, cr0
    and al, 0xfe
    mov cr0, eax
    jmp 0:start

program:
; Where a label of the program lies once it is copied.
%define at(label) (LOW + (label) - program)

; An experiment: name. Ends with `conclude`.
%macro experiment 1
    %push experiment
    jmp %%over
%%name: db %1, 0
%%over:
    mov word [cs:at(name)], at(%%name)
    mov word [cs:at(begin)], at(%%start)
    mov word [cs:at(resume)], at(%$resume)
    mov [cs:at(saved_sp)], sp
%%start:
%endmacro
%macro conclude 0
    int 0x2f
%$resume:
    call report
    %pop
%endmacro

start equ at($)
    cli
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7000
    xor di, di                  ; the interrupt table
    mov cx, 0x30
    mov bx, at(stubs)
.vectors:
    mov [di], bx
    mov word [di + 2], 0
    add di, 4
    add bx, 4
    loop .vectors
    mov al, 0xff
    out 0x21, al
    out 0xa1, al
    mov dx, 0x3fb
    mov al, 0x80
    out dx, al
    mov dx, 0x3f8
    mov al, 1
    out dx, al
    inc dx
    mov al, 0
    out dx, al
    mov dx, 0x3fb
    mov al, 3
    out dx, al

    experiment "nothing"
    conclude
%ifdef LIMITS
    experiment "word at the limit"
    mov ax, [0xffff]
    conclude
    experiment "doubleword over the limit"
    mov eax, [0xfffd]
    conclude
%endif
    experiment "byte at the limit"
    mov al, [0xffff]
    conclude
%ifdef LIMITS
    experiment "word at the limit of SS"
    mov bp, 0xffff
    mov ax, [bp]
    conclude
    experiment "32-bit address beyond the limit"
    mov ebx, 0x10000
    mov al, [ebx]
    conclude
%endif
    experiment "32-bit address below it"
    mov ebx, 0x8000
    mov al, [ebx + 0x7fff]
    conclude
    experiment "16-bit addresses wrap"
    mov bx, 0xffff
    mov al, [bx + 2]
    conclude
    experiment "PUSH with SP 0 wraps"
    mov ax, 0x3000
    mov ss, ax
    mov sp, 0
    push ax
    conclude
%ifdef LIMITS
    experiment "POP at the top"
    mov ax, 0x3000
    mov ss, ax
    mov sp, 0xffff
    pop ax
    conclude
%endif
    experiment "write over CS"
    mov [cs:0x7f00], al
    conclude
    experiment "DIV by zero"
    xor cx, cx
    div cx
    conclude
    experiment "UD2"
    ud2
    conclude
    experiment "BOUND"
    mov ax, 0x7fff
    bound ax, [0]
    conclude
    experiment "INTO"
    mov al, 0x7f
    inc al
    into
    conclude
    experiment "INT3"
    int3
    conclude
    experiment "LLDT"
    lldt ax
    conclude
    experiment "STR"
    str ax
    conclude
    experiment "LAR"
    lar ax, bx
    conclude
    experiment "VERW"
    verw ax
    conclude
    experiment "ARPL"
    arpl ax, bx
    conclude
    experiment "SYSENTER"
    sysenter
    conclude
    experiment "SYSEXIT"
    sysexit
    conclude
    experiment "SMSW"
    smsw ax
    conclude
    experiment "INVLPG"
    invlpg [0]
    conclude
    experiment "LOCK NOP"
    db 0xf0, 0x90
    conclude
    experiment "LOCK CMP"
    db 0xf0, 0x39, 0x07
    conclude
    experiment "LOCK of a register"
    db 0xf0, 0x01, 0xc8
    conclude
    experiment "LOCK ADD"
    lock add [0x7f00], ax
    conclude
    experiment "LOCK BT"
    db 0xf0, 0x0f, 0xa3, 0x06, 0x00, 0x7f
    conclude
    experiment "LOCK XCHG"
    lock xchg [0x7f00], ax
    conclude
    experiment "LOCK MOV"
    db 0xf0, 0x89, 0x07
    conclude
    experiment "15 bytes"
    times 14 db 0x3e
    nop
    conclude
    experiment "16 bytes"
    times 15 db 0x3e
    nop
    conclude
    experiment "15 bytes with an operand"
    times 11 db 0x26
    mov [0x7f00], ax
    nop
    conclude
    experiment "16 bytes with an operand"
    times 12 db 0x66
    mov word [0x7f00], 0
    conclude
    experiment "REP of what does not repeat"
    db 0xf3, 0x40
    db 0xf2, 0x43
    conclude
    experiment "both REP prefixes, the last counts"
    mov di, 0x7f00
    mov byte [di], 1
    mov byte [di + 1], 2
    mov al, 2
    mov cx, 5
    db 0xf3, 0xf2, 0xae         ; repne scasb
    mov [0x7f10], cx
    conclude
    mov eax, [0x7f10]
    call show_word
    experiment "the last segment prefix counts"
    mov ax, 0x100
    mov fs, ax
    mov word [0x7f00], 0x1111
    mov word [0x7f00 + 0x1000], 0x2222
    db 0x64, 0x36, 0xa1, 0x00, 0x7f
    mov [0x7f10], ax
    db 0x36, 0x64, 0xa1, 0x00, 0x7f
    mov [0x7f12], ax
    conclude
    mov eax, [0x7f10]
    call show_word
%ifdef LIMITS
    experiment "32-bit jump beyond"
    mov eax, 0x18000
    jmp eax
    conclude
    experiment "32-bit far jump beyond"
    jmp dword 0:0x18000
    conclude
%endif
    experiment "32-bit CALL and RET within"
    call dword .sub32
    jmp .over32
.sub32:
    o32 ret
.over32:
    conclude
%ifdef LIMITS
    experiment "32-bit RET beyond"
    push dword 0x18000
    o32 ret
    conclude
%endif
    experiment "IRETD with VM and IOPL"
    push dword 0x23002
    push dword 0
    push dword at(.iretd)
    iretd
.iretd:
    pushfd
    pop eax
    mov [0x7f10], eax
    conclude
    mov eax, [0x7f10]
    call show_word
    experiment "POPF of all"
    push word 0x7ed7 & ~0x100
    popf
    pushf
    pop ax
    mov [0x7f10], ax
    cli
    cld
    conclude
    mov ax, [0x7f10]
    movzx eax, ax
    call show_word
    push word 2
    popf
    experiment "segment at the top without wrap"
    mov ax, 0xffff
    mov ds, ax
    mov al, [0x10]
    conclude

; --- A20
    mov byte [0x500], 0x11
    mov ax, 0xffff
    mov fs, ax
    in al, 0x92
    or al, 2
    and al, 0xfe
    out 0x92, al
    mov byte [fs:0x510], 0x22
    mov al, [0x500]
    mov [0x7f10], al
    in al, 0x92
    and al, 0xfc
    out 0x92, al
    mov al, [fs:0x510]
    mov [0x7f11], al
    mov byte [fs:0x510], 0x33
    mov al, [0x500]
    mov [0x7f12], al
    in al, 0x92
    or al, 2
    and al, 0xfe
    out 0x92, al
    mov al, [fs:0x510]
    mov [0x7f13], al
    mov eax, [0x7f10]
    mov word [cs:at(name)], at(a20_name)
    call show_word

; --- big real mode
    lgdt [cs:at(low_gdt)]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    mov bx, 24
    mov fs, bx
    mov bx, 32
    mov gs, bx
    and al, 0xfe
    mov cr0, eax
    experiment "beyond 64 KiB through FS"
    mov dword [dword fs:0x200000], 0x12345678
    mov eax, [dword fs:0x200000]
    mov [0x7f10], eax
    conclude
    mov eax, [0x7f10]
    call show_word
%ifdef LIMITS
    experiment "GS keeps its limit of 4 KiB"
    mov al, [gs:0x1000]
    conclude
    experiment "a load in real mode keeps the limit"
    xor ax, ax
    mov gs, ax
    mov al, [gs:0x1000]
    conclude
%endif
    experiment "a load in real mode keeps the large limit"
    mov ax, 0x1000
    mov fs, ax
    mov eax, [dword fs:0x1f0000]
    mov [0x7f10], eax
    conclude
    mov eax, [0x7f10]
    call show_word

; --- the interrupt table's limit
    lidt [cs:at(short_idt)]
    experiment "INT n beyond the interrupt table"
    mov word [0x2f * 4], at(stubs) + 0x2f * 4
    int 0x40
    conclude
    lidt [cs:at(full_idt)]
    mov dx, 0x3fd
.wait:
    in al, dx
    test al, 0x40
    jz .wait
    mov al, 0
    out 0xf4, al
    mov si, at(bye)
    mov dx, 0x8900
    mov cx, 8
    cs rep outsb
    cli
    hlt

stubs:                          ; each of four bytes: CALL pushes where it came from
%rep 0x30
    call caught
    nop
%endrep

caught:
    push ax
    push bp
    push ds
    mov ax, cs
    mov ds, ax
    mov bp, sp
    mov ax, [bp + 6]            ; of the CALL
    sub ax, at(stubs) + 3
    shr ax, 2
    mov [at(vector)], ax
    mov ax, [bp + 8]
    mov [at(fault_ip)], ax
    mov ax, [bp + 10]
    mov [at(fault_cs)], ax
    mov ax, [bp + 12]
    mov [at(fault_flags)], ax
    lea ax, [bp + 14]
    mov [at(fault_sp)], ax
    xor ax, ax
    mov es, ax
    mov ss, ax
    mov sp, [at(saved_sp)]
    cld
    jmp [at(resume)]

report:
    mov si, [at(name)]
    call puts
    mov si, at(vector_text)
    call puts
    mov ax, [at(vector)]
    call put_word
    mov si, at(place_text)
    call puts
    mov ax, [at(fault_ip)]
    cmp word [at(vector)], 0x2f
    je .place
    sub ax, [at(begin)]
    call put_word
.place:
    mov al, ' '
    call putc
    mov ax, [at(fault_cs)]
    call put_word
    mov al, ' '
    call putc
    mov ax, [at(fault_sp)]
    call put_word
    mov al, ' '
    call putc
    mov ax, [at(fault_flags)]
    and ax, 0xf700
    call put_word
    mov al, 10
    jmp putc

show_word:                      ; EAX, as the last experiment's value
    push eax
    mov si, at(value_text)
    call puts
    mov si, [at(name)]
    call puts
    mov al, ':'
    call putc
    mov al, ' '
    call putc
    pop eax
    push ax
    shr eax, 16
    call put_word
    pop ax
    call put_word
    mov al, 10
    jmp putc

puts:
    cs lodsb
    test al, al
    jz .done
    call putc
    jmp puts
.done:
    ret

put_word:
    mov cx, 4
.next:
    rol ax, 4
    push ax
    and al, 15
    cmp al, 10
    jb .digit
    add al, 'a' - '0' - 10
.digit:
    add al, '0'
    call putc
    pop ax
    loop .next
    ret

putc:
    push dx
    push ax
    mov dx, 0x3fd
.wait:
    in al, dx
    test al, 0x20
    jz .wait
    mov dx, 0x3f8
    pop ax
    out dx, al
    pop dx
    ret

vector_text: db ": vector=", 0
place_text:  db " at ", 0
value_text:  db "value of ", 0
a20_name:    db "A20 on, off, write off, on", 0
bye:         db "Shutdown"
    align 4
low_gdt:
    dw 39
    dd gdt
short_idt:
    dw 0x40 * 4 - 1
    dd 0
full_idt:
    dw 0x3ff
    dd 0
name:        dw 0
begin:       dw 0
resume:      dw 0
saved_sp:    dw 0
vector:      dw 0
fault_ip:    dw 0
fault_cs:    dw 0
fault_flags: dw 0
fault_sp:    dw 0
program_end:
