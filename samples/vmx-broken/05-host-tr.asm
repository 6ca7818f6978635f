; Who never needed a task register forgets it in the VMCS, too: host TR may not be null.

%define HOST_TR 0
%include "base.inc"
