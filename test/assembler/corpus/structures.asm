struc point
  .x: resd 1
  .y: resd 1
endstruc
struc packet, 8
  .kind: resb 1
  .length resw 1
  .where: resb point_size
  alignb 4
  .data: resb 10
endstruc
struc noprefix
field_a: resb 1
field_b: resq 2
endstruc
dd point.x, point.y, point_size
dd packet.kind, packet.length, packet.where, packet.data, packet_size, packet
dd field_a, field_b, noprefix_size
origin:
istruc point
  at point.x, dd 1
  at point.y, dd 2
iend
p: istruc noprefix
  at field_a, db 5
  at field_b, dq 6
iend
after: db after - p
istruc point
 at .y, dd 7
iend
bits 32
mov eax, [ebx + point.y]
mov byte [esi + packet.data + 3], 1
add esi, point_size
align 16
nop
align 16, db 0
align 4
align 1
nop
align 32
alignb 8
db 1
alignb 16, db 7
section .bss
resb 3
alignb 16
here: resb 1
align 4, resb 1
there: resb 1
section .text
dd here, there
