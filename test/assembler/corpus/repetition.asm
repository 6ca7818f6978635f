%rep 3
db 1
%endrep
%rep 0
db bad
%endrep
%assign i 0
%rep 5
  db i
  %assign i i + 1
%endrep
%assign i 0
%rep 10
  %if i == 3
    %exitrep
  %endif
  db i
  %assign i i + 1
%endrep
%assign i 0
%rep 3
  %assign j 0
  %rep i
    db i * 16 + j
    %assign j j + 1
  %endrep
  %assign i i + 1
%endrep
%macro fill 2
  %rep %1
    db %2
  %endrep
%endmacro
fill 3, 7
fill 0, 8
%assign a 1
%assign b 1
%rep 100
  %if a > 200
    %exitrep
  %endif
  db a
  %assign t a + b
  %assign a b
  %assign b t
%endrep
%rep 2
%macro in_rep 0
db 99
%endmacro
in_rep
%endrep
%assign i 0
%rep 4
label %+ i: db $ - $$
dw label %+ i
%assign i i + 1
%endrep
table:
%assign i 0
%rep 4
  dw label%[i]
%assign i i + 1
%endrep
%rep 3
 %rep 2
  %exitrep
  db bad
 %endrep
 db 55
%endrep
times 3 db 4
size: times 16 - ($ - $$) % 16 db 0xcc
