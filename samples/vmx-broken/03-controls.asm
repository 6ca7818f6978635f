; Pin-based controls are written without a look at the capability MSR: bits that must be 1 are 0.

%define PIN_CONTROLS 0
%include "base.inc"
