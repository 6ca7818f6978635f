; The exit handler does not move guest RIP behind the VMCALL: the guest makes the same call for ever.

%define SKIP 0
%include "base.inc"
