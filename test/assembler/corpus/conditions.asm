%define yes 1
%define empty
%macro mm 1-2
%endmacro
%if 1
db 1
%endif
%if 0
db bad
%elif 1
db 2
%else
db bad
%endif
%if 0
%elif 0
%else
db 3
%endif
%if 1
  %if 0
    db bad
  %else
    db 4
  %endif
%else
  %if 1
  db bad
  %endif
%endif
%ifdef yes
db 5
%endif
%ifndef no
db 6
%endif
%ifdef no
db bad
%elifdef yes
db 7
%endif
%ifmacro mm
db 8
%endif
%ifmacro mm 1
db 9
%endif
%ifmacro mm 2
db 10
%endif
%ifnmacro mm 3
db 11
%endif
%ifidn abc, abc
db 12
%endif
%ifnidn abc, ABC
db 13
%endif
%ifidni abc, ABC
db 14
%endif
%ifidn "a" , "a"
db 15
%endif
%ifidn 'a', "a"
db 16
%endif
%ifid foo
db 17
%endif
%ifnid 5
db 18
%endif
%ifnum 5
db 19
%endif
%ifnum -5
db 20
%endif
%ifnum 0x5
db 21
%endif
%ifnnum foo
db 22
%endif
%ifstr "x"
db 23
%endif
%ifstr 'x'
db 24
%endif
%ifstr `x`
db 25
%endif
%ifnstr x
db 26
%endif
%ifempty
db 27
%endif
%ifempty empty
db 28
%endif
%ifnempty x
db 29
%endif
%iftoken a
db 30
%endif
%ifntoken a b
db 31
%endif
%iftoken "a b"
db 32
%endif
%push first
%ifctx first
db 33
%endif
%ifnctx second
db 34
%endif
%push second
%ifctx second
db 35
%endif
%ifctx first
db bad
%endif
%pop
%pop first
%if yes == 1 && 2 > 1
db 36
%endif
here: nop
%if $ - here == 1
db 37
%endif
%if ($ - $$) > 30
db 38
%endif
%assign length $ - here
db length
%ifn 0
db 39
%endif
%ifdef __?NASM_VER?__
db 40
%endif
%if __?NASM_MAJOR?__ >= 2 && __NASM_MINOR__ >= 14
db 41
%endif
%ifidn __?OUTPUT_FORMAT?__, bin
db 42
%endif
%if 0
%unknown_directive
%macro never 1
%endmacro
%rep 5
%endrep
'unterminated
%endif
%if 0 ; comment
%elifidn a, a
db 43
%else
db bad
%endif
%ifdef yes empty
db 44
%endif
%ifn yes
db bad
%elifn 0
db 45
%endif
%if 1 > 0
 %ifdef nope
 %elifempty
 db 46
 %endif
%endif
