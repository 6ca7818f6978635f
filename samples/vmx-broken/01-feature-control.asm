; IA32_FEATURE_CONTROL is locked without "VMXON outside SMX operation", as some firmware does: VMXON raises #GP.

%define FEATURE_CONTROL 1
%include "base.inc"
