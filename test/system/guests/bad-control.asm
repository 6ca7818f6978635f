; Values that control registers refuse.

%define BAD_CONTROL
%include "privileges.asm"
