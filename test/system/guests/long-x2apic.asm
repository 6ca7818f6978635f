; Two processors that talk by x2APIC registers.

%define X2APIC
%include "long-pair.asm"
