; Real mode, with accesses and jumps beyond the limits of segments.

%define LIMITS
%include "real.asm"
