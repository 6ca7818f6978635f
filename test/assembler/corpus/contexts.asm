%macro repeat 0
  %push repeat
  %$begin:
%endmacro
%macro until 1
  j%-1 %$begin
  %pop
%endmacro
%macro if 1
  %push if
  j%-1 %$ifnot
%endmacro
%macro else 0
  %ifctx if
    %repl else
    jmp %$ifend
    %$ifnot:
  %else
    %error "expected if before else"
  %endif
%endmacro
%macro endif 0
  %ifctx if
    %$ifnot:
    %pop
  %elifctx else
    %$ifend:
    %pop
  %else
    %error "expected if or else before endif"
  %endif
%endmacro
bits 16
  cmp ax, bx
  if ae
    cmp bx, cx
    if ae
      mov ax, cx
    else
      mov ax, bx
    endif
  else
    cmp ax, cx
    if ae
      mov ax, cx
    endif
  endif
  mov cx, 5
  repeat
    add cx, 3
    repeat
      add cx, 4
      cmp cx, 9
    until e
    cmp cx, 20
  until a
%push one
%define %$x 1
%push two
%define %$x 2
%assign %$y 3
db %$x, %$$x, %$y
%pop
db %$x
lab%[%$x]: db 4
%pop one
%push
%define %$stack 9
%ifdef %$stack
db %$stack
%endif
%xdefine saved %$stack + 1
%pop
db saved
