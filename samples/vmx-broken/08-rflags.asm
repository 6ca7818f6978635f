; RFLAGS begins as 0: bit 1 is always 1.

%define GUEST_RFLAGS 0
%include "base.inc"
