; every operator, precedence, wrap at 64 bits, character constants
start:
dq 5 ? 6 : 7
dq 1 < 2 ? 3 : 4
dq 1 <=> 2, 2 <=> 1, 2 <=> 2
dq 2 > 1, 1==1, 1 = 1, 1 != 2, 1 <> 1, !5, !0, ~0, -5/2, -5//2, -5% 3, -5 %% 3
dq 1<<65, 1<<<3, -1>>>1, -1>>1, 2||0, 2&&1, 2^^3, 1|2^3&4
dq 1<<64, 1<<63, 1>>64, 1>>65, -1>>>65, 1<<-1
dq 0x7fffffffffffffff < -1, -1 < 0x7fffffffffffffff, 0x8000000000000000 < 1
dq 0x7fffffffffffffff + 1, 0xffffffffffffffff * 0xffffffffffffffff, 0 - 1
dq 123456789012345678 * 987654321, 123456789012345678 / 1000, 123456789012345678 % 1000
dq "abcdefgh", `\u263a\x41`, 'a' + 1, "ab" * 2
dq 1 ^ 1 | 1, 5 & 3 == 3, 1 < 2 < 3, 1 + 2 * 3 - 4 / 2, (1 + 2) * 3
dq __?ilog2e?__(16), __?ilog2w?__(15), __?ilog2f?__(15), __?ilog2c?__(15), __ilog2c__(17), __?ilog2w?__(0)
dq 1 + (2 < 3) * 4, 10 ? 0 ? 1 : 2 : 3, 0 ? 1 : 0 ? 2 : 3
x: dq x - $$, ($ - x) * 2, x, ($$), -x + x + 1, 5 - x + x
dq x == x + 1, x < $, $ - start >= 0
dq 0b1h, 0bh, 0d1h, 0xb, 1_000, 0h10, 0q17, 17q, 0y11, 11y, 0t10, 10t, $0f, 0d10, 777o, 0o777, 0ah, 0ffh, 1010_1010b
dq 18446744073709551615, 0xffffffffffffffff, -9223372036854775808
dq - - 5, ~ ~ 5, !!5, -(-(5)), + 5, -+-5
dq %[5 + 5] * 2
later_use dq later, later + 1, later - known
known equ 5
later equ known * 3
dd $ - start
