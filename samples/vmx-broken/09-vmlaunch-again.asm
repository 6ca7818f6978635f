; The exit handler ends with VMLAUNCH: a VMCS that is launched wants VMRESUME.

%define RESUME vmlaunch
%include "base.inc"
