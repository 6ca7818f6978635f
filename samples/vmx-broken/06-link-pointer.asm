; The VMCS link pointer is left 0, which is an address and not "none".

%define LINK_POINTER 0
%include "base.inc"
