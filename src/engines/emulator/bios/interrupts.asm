; Hardware interrupts that nobody else handles, and the services that only report.

; IRQ 0 to 7 without a handler of their own. The line is masked, so that a level that stays up cannot hang the machine.
irq_master:
    push ax
    out_byte 0x20, 0x0b                 ; in service?
    in al, 0x20
    test al, al
    jz .spurious
    and al, 0xfb                        ; never mask the cascade
    mov ah, al
    in al, 0x21
    or al, ah
    out 0x21, al
    out_byte 0x20, 0x20
.spurious:
    pop ax
    iret

; IRQ 8 to 15: the same, and IRQ 14 simply ends (the disk driver polls).
irq_slave:
    push ax
    out_byte 0xa0, 0x0b
    in al, 0xa0
    test al, al
    jz .master
    test al, 0x40
    jnz .end
    mov ah, al
    in al, 0xa1
    or al, ah
    out 0xa1, al
.end:
    out_byte 0xa0, 0x20
.master:
    out_byte 0x20, 0x20
    pop ax
    iret

; INT 0x11: equipment word in AX.
int_equipment:
    push ds
    push word BDA
    pop ds
    mov ax, [bda_equipment]
    pop ds
    iret

; INT 0x12: KiB of memory below the EBDA in AX.
int_memory:
    push ds
    push word BDA
    pop ds
    mov ax, [bda_memory]
    pop ds
    iret

; INT 0x17: there is no printer. AH = 0x01, time-out.
int_printer:
    mov ah, 0x01
    iret
