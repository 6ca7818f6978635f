; data definitions: strings, escapes, floats, dup, reservations
db 255, -128, 'a', "ab", 'abc', `a\nb\t\\\'\"\`\e\0\101\x41\u00e9\U0001f600\?\q`
db "caf\e", 'é', "日本"
dw "a", "ab", "abc", 'abcde'
dd "abc", "abcde", 'abcdefghi'
dq "a", 'abcdefghi'
dt "a", 'abcdefghijkl'
db "a" + 1, "b"
dw ""
db ""
db 1.5, -1.5, 1e2, 0.0078125, 1000.0
dw 1.5, -1.5, 65504.0, 1e-8, 6.1e-5, 0.1, 1e6
dd 1.5, -1.5, 1e-45, 1e-46, 3.4028235e38, 1.17549435e-38, 0.1, 1_0.5, 16777217.0, 1e10, 0x1.8p3, 0x.8p-1, 1.
dq 0.1, 1e308, 5e-324, 2.2250738585072014e-308, 1e-300, 9007199254740993.0, 0.3, 123456789.123456789
dt 0.1, 1e4000, -1.5, 3.14159265358979323846, 1e-4900, 1.0
do 1.5, 0.1, 3.14159265358979323846264338327950288
dd __?Infinity?__, -__?Infinity?__, __?NaN?__, __QNaN__, -__?SNaN?__
dq __Infinity__, -__?NaN?__, __?SNaN?__
dt __?Infinity?__, __?NaN?__, __?SNaN?__
dd __?float32?__(1.5), __float32__(-0.5)
dq __?float64?__(1.5), __?float80m?__(1.5), __?float80e?__(1.5), __?float128l?__(0.1), __?float128h?__(0.1)
dw __?float16?__(0.5), __?bfloat16?__(3.14)
db __?float8?__(0.5)
db 3 dup (1, 2), %(4, 5), 2 dup (3 dup (9))
dw 2 dup 7, 2 dup (1, 2 dup (3))
db 2 dup ("ab"), 0 dup (5)
dw byte 5, 6, dword 7
n equ 3
db n dup (n)
times 3 db 1, 2
times n * 2 dw $ - $$
times 0 db 1
section .bss
a: resb 3
b: resw 3
c: resd 3
d: resq 3
e: rest 2
f: reso 1
g: resy 1
h: resz 1
i: db ?
j: dd ?, ?
k: dw 4 dup (?)
l: times 3 resw 2
section .text
dw a, b, c, d, e, f, g, h, i, j, k, l, $$
