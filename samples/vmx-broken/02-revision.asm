; The VMXON region does not begin with the revision of IA32_VMX_BASIC: VMXON fails, and no error number says why, since there is no VMCS.

%define REVISION 0
%include "base.inc"
