; The x87 and SSE units and the system around them: who may use them, how errors are reported, what state images look like.

%include "framework.inc"

%macro set_cr0 2                ; bits to clear, bits to set
    mov eax, cr0
    and eax, ~(%1)
    or eax, %2
    mov cr0, eax
%endmacro

CR0_MP equ 2
CR0_EM equ 4
CR0_TS equ 8
CR0_NE equ 32
CR4_OSFXSR equ 1 << 9
CR4_OSXMMEXCPT equ 1 << 10

; A unit with a pending divide error: 1 / 0 with the exception not masked.
%macro pend 0
    fninit
    fldcw [unmasked]
    fld1
    fldz
    fdivp st1, st0
%endmacro

main:
    ; The 8259s: IRQ 13 is interrupt 0x2d.
    mov al, 0x11
    out 0x20, al
    out 0xa0, al
    mov al, 0x20
    out 0x21, al
    mov al, 0x28
    out 0xa1, al
    mov al, 4
    out 0x21, al
    mov al, 2
    out 0xa1, al
    mov al, 1
    out 0x21, al
    out 0xa1, al
    mov al, 0xfb
    out 0x21, al
    mov al, 0xdf
    out 0xa1, al

    set_cr0 CR0_EM | CR0_TS, CR0_MP | CR0_NE
    fninit
    fnstcw [word_at]
    show "control word after FNINIT: ", [word_at]
    newline

    set_cr0 CR0_EM, CR0_TS
    experiment "FLD1 with TS"
        fld1
    conclude
    experiment "WAIT with TS and MP"
        wait
    conclude
    set_cr0 CR0_MP, 0
    experiment "WAIT with TS alone"
        wait
    conclude
    set_cr0 CR0_TS, CR0_EM
    experiment "FLD1 with EM"
        fld1
    conclude
    experiment "FNINIT with EM"
        fninit
    conclude
    experiment "WAIT with EM"
        wait
    conclude
    set_cr0 CR0_EM, CR0_MP

    pend
    experiment "FLD1 with a pending exception"
        fld1
    conclude
    experiment "WAIT with a pending exception"
        wait
    conclude
    experiment "instructions that do not wait"
        fnstsw ax
        fnstcw [word_at]
        fnclex
    conclude
    experiment "FLD1 behind FNCLEX"
        fld1
    conclude

    ; State images.
    fninit
    fld1
    fldpi
    fldz
    mov edi, area
    mov ecx, 32
    xor eax, eax
    rep stosd
    fnstenv [area]
    and dword [area + 12], 0    ; where the instruction was, and what its selector was, processors tell otherwise
    and dword [area + 16], 0
    dump "FNSTENV:", area, 6
    mov edi, area
    mov ecx, 32
    xor eax, eax
    rep stosd
    o16 fnstenv [area]
    and dword [area + 4], 0xffff
    and dword [area + 8], 0
    dump "FNSTENV of 16 bits:", area, 3
    fninit
    fld1
    fldpi
    fldz
    fnsave [area]
    dump "registers of FNSAVE:", area + 28, 8
    fnstsw ax
    movzx eax, ax
    show "status after FNSAVE: ", eax
    newline
    frstor [area]
    fnstsw ax
    movzx eax, ax
    show "status after FRSTOR: ", eax
    newline
    fstp qword [area]
    fstp qword [area + 8]
    dump "ST0 and ST1 after FRSTOR:", area, 4

    ; SSE.
    mov eax, cr4
    and eax, ~(CR4_OSFXSR | CR4_OSXMMEXCPT)
    mov cr4, eax
    experiment "ADDPS without OSFXSR"
        addps xmm0, xmm1
    conclude
    experiment "LDMXCSR without OSFXSR"
        ldmxcsr [usual_mxcsr]
    conclude
    mov eax, cr4
    or eax, CR4_OSFXSR
    mov cr4, eax
    ldmxcsr [usual_mxcsr]
    experiment "LDMXCSR with a reserved bit"
        ldmxcsr [wrong_mxcsr]
    conclude
    experiment "ADDPS of memory that is not aligned"
        addps xmm0, [area + 4]
    conclude
    experiment "FXSAVE that is not aligned"
        fxsave [area + 8]
    conclude
    set_cr0 0, CR0_TS
    experiment "ADDPS with TS"
        addps xmm0, xmm1
    conclude
    experiment "FXSAVE with TS"
        fxsave [area]
    conclude
    set_cr0 CR0_TS, CR0_EM
    experiment "ADDPS with EM"
        addps xmm0, xmm1
    conclude
    set_cr0 CR0_EM, 0
    xorps xmm0, xmm0
    ldmxcsr [unmasked_mxcsr]
    experiment "0 / 0 without OSXMMEXCPT"
        divss xmm0, xmm0
    conclude
    mov eax, cr4
    or eax, CR4_OSXMMEXCPT
    mov cr4, eax
    experiment "0 / 0 with OSXMMEXCPT"
        divss xmm0, xmm0
    conclude
    stmxcsr [word_at]
    show "MXCSR: ", [word_at]
    newline
    ldmxcsr [usual_mxcsr]
    fninit
    fld1
    movaps xmm0, [pattern]
    fxsave [area]
    fninit
    xorps xmm0, xmm0
    fxrstor [area]
    movaps [area], xmm0
    fstp qword [area + 16]
    dump "XMM0 and ST0 after FXRSTOR:", area, 6

    ; Errors by IRQ 13.
    set_cr0 CR0_NE, 0
    pend
    experiment "WAIT by IRQ 13"
        sti
        nop
        wait
        nop
    conclude
    finish

    section .data
    align 16
pattern: dd 0x3f800000, 0x40000000, 0x7f800001, 0x80000001
    align 16
area: times 512 db 0
unmasked: dw 0x340
    align 4
word_at: dd 0
usual_mxcsr: dd 0x1f80
wrong_mxcsr: dd 0x11f80
unmasked_mxcsr: dd 0x1f00
