org 0x7c00
bits 16
%define STACK 0x7c00
%macro print 1
    mov si, %1
    call puts
%endmacro
start:
    cli
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, STACK
    sti
    mov [drive], dl
    print hello
    mov ah, 0x42
    mov si, dap
    int 13h
    jc .error
    lgdt [gdtr]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp 8:protected
.error:
    print failed
.halt: hlt
    jmp .halt
puts:
    lodsb
    or al, al
    jz .done
    mov ah, 0eh
    mov bx, 7
    int 10h
    jmp puts
.done: ret
hello db "Hello", 13, 10, 0
failed: db 'failed', 0
drive: db 0
dap: db 16, 0
    dw 1, 0x8000, 0
    dq 1
align 8
gdt: dq 0
    dw 0xffff, 0
    db 0, 10011010b, 11001111b, 0
    dw 0xffff, 0
    db 0, 10010010b, 11001111b, 0
.end:
gdtr: dw gdt.end - gdt - 1
    dd gdt
bits 32
protected:
    mov ax, 16
    mov ds, ax
    mov esp, 0x90000
    mov edi, 0xb8000
    mov ecx, 80*25
    mov eax, 0x07200720
    rep stosw
    lea esi, [ebx*4+eax+10h]
    cmp dword [esi+128], byte 5
    jne near .x
    call far [es:esi]
.x: hlt
    jmp $
times 510-($-$$) db 0
dw 0xaa55
