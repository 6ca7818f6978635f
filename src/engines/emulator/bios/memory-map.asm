; How much memory there is: INT 0x15 functions 0x88, 0xE801 and 0xE820.

; Bytes above 1 MiB to EAX, from the CMOS RAM: word 0x34 counts 64 KiB above 16 MiB, word 0x30 KiB above 1 MiB.
extended_bytes:
    push bx
    mov al, 0x34
    call read_cmos_word
    test ax, ax
    jz .small
    movzx eax, ax
    shl eax, 16
    add eax, 15 << 20
    pop bx
    ret
.small:
    mov al, 0x30
    call read_cmos_word
    movzx eax, ax
    shl eax, 10
    pop bx
    ret

; AX: KiB above 1 MiB, at most 63 MiB as far as this call's users can count.
system_extended_memory:
    call extended_bytes
    shr eax, 10
    cmp eax, 63 << 10
    jbe .fits
    mov ax, 63 << 10
.fits:
    mov [bp + r_eax], ax
    succeed
    ret

system_memory_map:
    cmp al, 0x01
    je .e801
    cmp al, 0x20
    je .e820
    jmp system_missing

; AX = CX: KiB from 1 MiB to 16 MiB, BX = DX: 64 KiB blocks above.
.e801:
    call extended_bytes
    xor ebx, ebx
    cmp eax, 15 << 20
    jbe .low
    mov ebx, eax
    sub ebx, 15 << 20
    shr ebx, 16
    mov eax, 15 << 20
.low:
    shr eax, 10
    mov [bp + r_eax], ax
    mov [bp + r_ecx], ax
    mov [bp + r_ebx], bx
    mov [bp + r_edx], bx
    succeed
    ret

; EBX: number of the entry, ES:DI: buffer of ECX bytes, EDX: 'SMAP'.
.e820:
    cmp edx, 'PAMS'
    jne system_missing
    cmp ecx, 20
    jb system_missing
    mov ebx, [bp + r_ebx]
    cmp ebx, .entries
    jae system_missing
    call extended_bytes
    mov edx, eax
    imul si, bx, 12
    add si, .map
    mov es, [bp + r_es]
    mov eax, [cs:si]
    stosd
    xor eax, eax
    stosd
    mov eax, [cs:si + 4]
    test eax, eax
    jnz .length
    mov eax, edx                        ; the entry above 1 MiB
.length:
    stosd
    xor eax, eax
    stosd
    mov eax, [cs:si + 8]
    stosd
    inc ebx
    cmp ebx, .entries
    jb .more
    xor ebx, ebx
.more:
    mov [bp + r_ebx], ebx
    mov dword [bp + r_ecx], 20
    mov dword [bp + r_eax], 'PAMS'
    succeed
    ret

; Start, length (0: what the CMOS RAM says), type: 1 usable, 2 reserved.
.map:
    dd 0x00000000, 0x0009fc00, 1
    dd 0x0009fc00, 0x00000400, 2
    dd 0x000f0000, 0x00010000, 2
    dd 0x00100000, 0, 1
    dd 0xfffc0000, 0x00040000, 2
.entries            equ ($ - .map) / 12
