; A 64-bit host that forgets "host address-space size".

%define EXIT_CONTROLS 0
%include "base.inc"
