%define one 1
%define add(x, y) ((x) + (y))
%define nested(x) add(x, add(x, one))
db one, add(2, 3), nested(4), add((1), 2)
%define self self_value
self_value equ 9
%define recursive recursive
recursive equ 5
db self, recursive
%idefine MiXed 7
db mixed, MIXED, MiXed
%define overload(x) x
%define overload(x, y) x * y
db overload(3), overload(3, 4)
%define noargs() 11
db noargs()
noargs equ 12
db noargs
%define cat(a, b) a %+ b
cat(lab, el): db cat(1, 2)
db label - label
%define f(x) x + 1
%define g(x) f(x)
db g(f(2))
%define outer inner
%define inner 3
db outer
%define inner 4
db outer
%xdefine fixed inner
%define inner 5
db fixed, inner
%undef inner
inner equ 6
db inner
%assign i 5 - 8
db i + 10
%assign i i * 2
dw i
%assign big 0x7fffffffffffffff + 1
dq big
%define text "abc"
%strlen len text
%substr sub1 text 2
%substr sub2 text 2, 2
%substr sub3 text 2, -1
%substr sub4 text -1, 5
%substr sub5 text 1, -2
%strcat joined text, "-", 'q"q', `\n`
db len, sub1, sub2, sub3, sub5, joined
%strlen len2 joined
db len2
%defstr str hello world "x" + 5
db str
%deftok tok "one + 5"
db tok
%deftok tok2 'self'
db tok2
%define e(=x) x
%define q(&x) x
%define greedy(x, y+) y
db e(1 + 2 * 3), q(hello there), greedy(1, 2, 3)
%define EMPTY
EMPTY db EMPTY 5 EMPTY
%define brace(x) db x
brace({1, 2})
%defalias al2 other
%define other 21
db al2
%undef other
%define other 22
db al2
%ifdef al2
db 1
%endif
%define cond(x) x ? 1 : 2
db cond(0), cond(5)
%define semi "; not a comment" ; a comment
db semi
%define long_one 1 + \
  2 + \
  3
db long_one
%define reg ax
%define size word
mov size [bx], 5
mov reg, 5
%define mnem mov
mnem reg, bx
%[mnem] reg, cx
%define pick_1 31
%define pick_2 32
%assign n 1
db %[pick_%[n]], pick_%[n]
%assign n 2
db pick_%[n]
%define comma ,
db 1 comma 2
%define open (
db (1 + 2)
%define unused(x) x x x
db __LINE__, __?LINE?__
%define name(x) %? 
%define a b
%define b a
a: db a - a
%ixdefine Folded 8
%iassign Counted 9
db folded, COUNTED
%idefstr Ds xyz
db DS
%istrlen Sl "four"
db SL
%define rot(x,y,z) z,y,x
db rot(1,2,3)
%define str2 'it"s'
db str2
