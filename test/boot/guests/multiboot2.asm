; A Multiboot 2 kernel without ELF: prints the state in which it is entered and each tag of its boot information.
    bits 32
    org 0x100000

header:
    dd 0xe85250d6, 0, header_end - header, -(0xe85250d6 + (header_end - header))
    ; what must be told: command line, loader, memory map
    dw 1, 0
    dd 20, 1, 2, 6
    align 8
    dw 2, 0
    dd 24, header, header, image_end, bss_end
    dw 3, 0
    dd 12, start
    align 8
    ; text will do
    dw 5, 1
    dd 20, 80, 25, 0
    align 8
    dw 6, 0
    dd 8
    dw 0, 0
    dd 8
header_end:

start:
    mov esp, stack
    cld
    %include "serial.inc"
    say "magic "
    call print_hex
    mov eax, cr0
    and eax, 0x80000001
    call print_hex
    pushfd
    pop eax
    and eax, 0x20200
    call print_hex
    say "bss "
    mov eax, [bss_end - 4]
    call print_hex
    call print_line
    mov esi, ebx
    test esi, 7
    jnz bad
    mov ebp, [ebx]
    add ebp, ebx
    add esi, 8
.tag:
    cmp esi, ebp
    jae bad
    mov eax, [esi]
    test eax, eax
    jz .end
    cmp eax, 22
    jae .next
    cmp dword [handlers + eax * 4], 0
    je .next
    call [handlers + eax * 4]
    call print_line
.next:
    mov eax, [esi + 4]
    add eax, 7
    and eax, ~7
    add esi, eax
    jmp .tag
.end:
    say "end"
    call print_line
    jmp finish
bad:
    say "bad"
    jmp finish

text_tag:
    say "command line "
    push esi
    add esi, 8
    call print
    pop esi
    ret

loader_tag:
    say "loader"
    ret

module_tag:
    say "module "
    push esi
    mov eax, [esi + 12]
    sub eax, [esi + 8]
    call print_hex
    mov eax, [esi + 8]
    and eax, 0xfff
    call print_hex
    mov edx, [esi + 8]
    mov eax, [edx]
    call print_hex
    add esi, 16
    call print
    pop esi
    ret

memory_tag:
    say "memory "
    mov eax, [esi + 8]
    call print_hex
    mov eax, [esi + 12]
    call print_hex
    ret

map_tag:
    say "map "
    mov eax, [esi + 8]
    call print_hex
    mov eax, [esi + 12]
    call print_hex
    push esi
    mov ecx, [esi + 4]
    sub ecx, 16
    shr ecx, 3
    add esi, 16
    jmp .check
.entry:
    call print_line
    mov eax, [esi]
    call print_hex
    mov eax, [esi + 8]
    call print_hex
    mov eax, [esi + 16]
    call print_hex
    add esi, 24
    sub ecx, 3
.check:
    test ecx, ecx
    jnz .entry
    pop esi
    ret

screen_tag:
    say "screen "
    push esi
    mov eax, [esi + 8]
    call print_hex
    mov eax, [esi + 16]
    call print_hex
    mov eax, [esi + 20]
    call print_hex
    mov eax, [esi + 24]
    call print_hex
    movzx eax, byte [esi + 29]
    call print_hex
    pop esi
    ret

handlers:
    dd 0, text_tag, loader_tag, module_tag, memory_tag, 0, map_tag, 0, screen_tag
    times 22 - 9 dd 0

image_end:
    absolute image_end
    resb 4096
stack:
    resb 64
bss_end:
