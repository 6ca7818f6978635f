section .tdata tls
dq 1
section .data2 write
db 1
section .rodata2
db 1
section .text.foo exec
nop
section .lbss nobits
resb 1
section .ldata
db 1
section .lrodata
db 1
section .note
db 1
section .debug_foo
db 1
section .fini_array
section .preinit_array
section .strtab2 noalloc
section foo alloc
section foo2 noalloc
section foo3 nobits
section foo4 nobits alloc
section foo5 write nobits
section foo6 exec write align=8
section .data align=64
section .text align=1
section .rodata align=1
section .bss nobits align=1
section .eh_frame
