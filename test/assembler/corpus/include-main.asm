%include "include-one.inc"
db ONE, __LINE__
%include 'include-two.inc'
TWO 5
incbin "include-data.bin"
incbin "include-data.bin", 2
incbin "include-data.bin", 2, 3
times 2 incbin "include-data.bin", 0, 1
%ifndef GUARD
%define GUARD
%include "include-one.inc"
%endif
%include "include-one.inc"
db __LINE__
%line 100+1 other.asm
db __LINE__, __FILE__
db __LINE__
%pathsearch found "include-one.inc"
%strlen length found
db length > 0
