bits 16
%macro plain 0
  nop
%endmacro
plain
lab1: plain
lab2 plain
dw lab1, lab2
%macro three 1-3 7, 8
  db %1, %2, %3, %0
%endmacro
three 1
three 1, 2
three 1, 2, 3
%macro rest 2+
  db %1, %2, %0
%endmacro
rest 1, 2, 3, 4
rest "a", "b, c"
%macro any 0-*
  db %0
  %rep %0
    db %1
    %rotate 1
  %endrep
%endmacro
any
any 1
any 1, 2, 3
any {1, 2}, 3
%macro back 1-*
  %rep %0
    %rotate -1
    db %1
  %endrep
%endmacro
back 1, 2, 3
%macro loc 1
  jmp %%skip
  db %1
  %%skip:
  jmp %%skip
%endmacro
loc 1
loc 2
%macro cc 1
  j%+1 %%x
  j%-1 %%x
%%x:
%endmacro
cc z
cc ne
cc ae
cc no
%macro paste 1
lab_%1: db %1
dw lab_%1
x%1y equ %1h
db x%1y
db %1h, 0x%1
%endmacro
paste 10
paste 11
%macro over 1
  db 1, %1
%endmacro
%macro over 2
  db 2, %1, %2
%endmacro
over 5
over 5, 6
%unmacro over 1
%imacro Insens 1
  db %1
%endmacro
INSENS 3
insens 4
%macro withlabel 0
%00 equ 42
%endmacro
lab3: withlabel
lab4 withlabel
db lab3, lab4
%macro outer 1
  %macro inner_%1 1
    db %1, 77
  %endmacro
  inner_%1 8
%endmacro
outer a
outer b
inner_a 9
%macro mov 2
  mov %1, %2
  nop
%endmacro
mov ax, bx
%unmacro mov 2
mov ax, bx
%macro ranges 4
  db %{1:2}
  db %{2:-1}
  db %{-1:1}
  db %{3:2}
%endmacro
ranges 1, 2, 3, 4
%macro leave_early 1
  db 1
  %exitmacro
  db 2
%endmacro
leave_early 1
leave_early 0
db 3
%macro names 0
  %ifidn %?, NAMES
    db 1
  %else
    db 2
  %endif
  %ifidn %??, names
    db 3
  %endif
%endmacro
names
%macro strings 2
  db %1, %2
%endmacro
strings "a, b", 'c'
strings {"x", "y"}, 1
%define single(x) x, x
%macro two 2
  db %1, %2
%endmacro
two single(3)
%macro defaulted 2-4 {1, 2}, 9
  db %1, %2
  db %3
  db %4
%endmacro
defaulted 5, 6
defaulted 5, 6, 7
%macro empties 3
  %ifempty %1
    db 1
  %endif
  %ifempty %2
    db 2
  %endif
  %ifempty %3
    db 3
  %endif
%endmacro
empties , ,
empties 1, , 3
%macro count 0-*
  db %0
%endmacro
count a,b
count {},{}
count a,
%macro globals 1-*.nolist
  %rep %0
   db %1
   %rotate 1
  %endrep
%endmacro
globals 1,2,3
%macro nested_calls 1
  plain
  over %1, %1
  any %1, %1
%endmacro
nested_calls 4
%macro data_block 1
.field%1: dw %1
%endmacro
parent:
data_block 1
data_block 2
dw parent.field1, .field2
