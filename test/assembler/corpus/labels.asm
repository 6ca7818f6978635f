; local labels, special labels, escapes, forward and backward references
bits 32
first:
.a: nop
    jmp .a
.b  jmp .b
second: jmp first.a
.a: jmp .a
    dd first.a, second.a, .a
..@special: nop
.c: jmp ..@special
    dd second.c, .c
$mov: nop
$eax equ 5
    jmp $mov
    mov eax, $eax
    dd $mov
third equ 7
.d: dd third, .d
fourth: equ 8
    dd fourth
size equ end - start
    mov eax, [size]
    mov ecx, size
    resb chain1
chain1 equ chain2
chain2 equ chain3 + 1
chain3 equ 3
start:
    times 5 nop
end:
no_colon nop
alone:
    nop
mixed.name_1$#@~?: nop
    jmp mixed.name_1$#@~?
_under: dd _under
?question: dd ?question
@at: dd @at
absolute 0x40
z: resb 2
zz: resd 1
.local: resw 1
section .text
    dd z, zz, zz.local
absolute first + 16
q: resd 2
qq:
section .text
    dd q, qq, qq - q
same equ 4
same equ 4
    dd same

; names of instructions and pseudo-instructions as labels
    bits 16
rest:   dw rest, add
add:    dw add
        mov ax, db
db:     db 1
equ:    dw equ
        jmp equ
