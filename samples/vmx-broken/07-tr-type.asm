; Access rights of TR are copied from the GDT, where the TSS may still be available: a guest has a busy one.

%define TR_RIGHTS 0x89
%include "base.inc"
