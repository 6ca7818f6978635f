; memcpy and memset over 1 MiB, in pieces of SIZE bytes. Defines: SIZE; COPY or not; REP (string instructions) or not.
%define HAS_FINISH
%include "common.inc"

TOTAL equ 0x100000
SOURCE equ ARENA
; Not a power of two away: that would be a test of how translations that fall on one place of a TLB get along.
TARGET equ ARENA + 0x8a5000
counter equ VARIABLES

prepare:
    mov dword [counter], 0
    mov xdi, SOURCE
    mov ecx, TOTAL / 4
    mov eax, 12345
.fill:
    imul eax, eax, 1664525
    add eax, 1013904223
    stosd
    dec ecx
    jnz .fill
    mov ecx, TOTAL / 4
    mov xdi, TARGET
    xor eax, eax
    rep stosd
    ret

round:
    inc dword [counter]
%ifdef COPY
    inc dword [SOURCE]
    mov xsi, SOURCE
%else
    mov eax, [counter]
  %if WIDTH == 64
    mov rdx, rax
    shl rdx, 32
    or rax, rdx
  %endif
%endif
    mov xdi, TARGET
    mov edx, TOTAL / SIZE
.piece:
    call piece
    dec edx
    jnz .piece
    mov eax, [TARGET]
    add eax, [TARGET + TOTAL - 4]
    ret

; One piece from XSI, or of XAX, to XDI; both move behind it.
piece:
    mov xcx, SIZE / WORDSIZE
%ifdef REP
  %ifdef COPY
    rep movsx_
  %else
    rep stosx
  %endif
%else
.word:
  %ifdef COPY
    mov xax, [xsi]
    add xsi, WORDSIZE
  %endif
    mov [xdi], xax
    add xdi, WORDSIZE
    dec xcx
    jnz .word
%endif
    ret

finish:
    mov xsi, TARGET
    mov ecx, TOTAL / 4
    xor eax, eax
.sum:
    rol eax, 1
    add eax, [xsi]
    add xsi, 4
    dec ecx
    jnz .sum
    ret
