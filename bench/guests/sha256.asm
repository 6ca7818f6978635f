; SHA-256 (FIPS 180-4) of a message that fills 64 blocks with its padding.
%include "common.inc"

BLOCKS equ 64
MESSAGE equ BLOCKS * 64 - 9

state equ VARIABLES
work equ VARIABLES + 32
left equ VARIABLES + 64
schedule equ VARIABLES + 128

prepare:
    mov xdi, ARENA
    mov ecx, BLOCKS * 64 / 4
    mov eax, 12345
.fill:
    imul eax, eax, 1664525
    add eax, 1013904223
    stosd
    dec ecx
    jnz .fill
    mov byte [ARENA + MESSAGE], 0x80
    mov dword [ARENA + MESSAGE + 1], 0
    mov eax, MESSAGE * 8
    bswap eax
    mov [ARENA + MESSAGE + 5], eax
    ret

round:
    mov xsi, initial
    mov xdi, state
    mov ecx, 8
    rep movsd
    mov xsi, ARENA
    mov dword [left], BLOCKS
.block:
    call block
    dec dword [left]
    jnz .block
    xor eax, eax
    mov ecx, 8
.fold:
    rol eax, 3
    xor eax, [state + xcx * 4 - 4]
    dec ecx
    jnz .fold
    ret

; sigma register, by, by, ror or shr, by: the exclusive or of two rotations with a third or a shift. Changes EAX and EDI.
%macro sigma 5
    mov edi, %1
    mov eax, %1
    ror edi, %2
    ror eax, %3
    xor edi, eax
    %4 %1, %5
    xor %1, edi
%endmacro

; A block of 64 bytes at XSI, which moves behind it.
block:
    mov xbx, schedule
    xor ecx, ecx
.load:
    lodsd
    bswap eax
    mov [xbx + xcx * 4], eax
    inc ecx
    cmp ecx, 16
    jb .load
.extend:
    mov edx, [xbx + xcx * 4 - 60]
    sigma edx, 7, 18, shr, 3
    mov ebp, [xbx + xcx * 4 - 8]
    sigma ebp, 17, 19, shr, 10
    add edx, ebp
    add edx, [xbx + xcx * 4 - 64]
    add edx, [xbx + xcx * 4 - 28]
    mov [xbx + xcx * 4], edx
    inc ecx
    cmp ecx, 64
    jb .extend

    push xsi
    mov xsi, state
    mov xdi, work
    mov ecx, 8
    rep movsd
    xor ecx, ecx
    mov xsi, work
.step:
    ; t1 = h + S1(e) + ch(e, f, g) + k + w
    mov edx, [xsi + 16]
    mov ebp, [xsi + 20]
    mov eax, [xsi + 24]
    xor ebp, eax
    and ebp, edx
    xor ebp, eax
    sigma edx, 6, 11, ror, 25
    add edx, ebp
    add edx, [xsi + 28]
    add edx, [constants + xcx * 4]
    add edx, [xbx + xcx * 4]
    ; h = g, g = f, f = e, e = d + t1
    mov eax, [xsi + 24]
    mov [xsi + 28], eax
    mov eax, [xsi + 20]
    mov [xsi + 24], eax
    mov eax, [xsi + 16]
    mov [xsi + 20], eax
    mov eax, [xsi + 12]
    add eax, edx
    mov [xsi + 16], eax
    ; t2 = S0(a) + maj(a, b, c); d = c, c = b, b = a, a = t1 + t2
    mov ebp, [xsi]
    mov eax, [xsi + 4]
    mov edi, [xsi + 8]
    mov [xsi + 12], edi
    mov [xsi + 8], eax
    mov [xsi + 4], ebp
    push xbp
    and ebp, eax
    add edx, ebp
    pop xbp
    push xbp
    xor ebp, eax
    and ebp, edi
    add edx, ebp
    pop xbp
    sigma ebp, 2, 13, ror, 22
    add edx, ebp
    mov [xsi], edx
    inc ecx
    cmp ecx, 64
    jb .step

    xor ecx, ecx
.add:
    mov eax, [work + xcx * 4]
    add [state + xcx * 4], eax
    inc ecx
    cmp ecx, 8
    jb .add
    pop xsi
    ret

    align 64
constants:
    dd 0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5
    dd 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174
    dd 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da
    dd 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967
    dd 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85
    dd 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070
    dd 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3
    dd 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2
initial: dd 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19
