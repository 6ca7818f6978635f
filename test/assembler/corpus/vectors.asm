; Registers, sizes and spellings of x87, MMX, SSE and what came after.
bits 32
        fninit
        finit
        fstcw [ebx]
        fnstcw word [es:bx]
        fstsw ax
        o16 fsave [ebx]
        fld dword [number]
        fld qword [number]
        fld tword [number]
        fld st3
        fadd
        fadd st2
        fadd to st2
        fadd st2, st0
        fsubp st4, st0
        fsubrp
        fcomi st1
        fcmovnbe st0, st5
        fisttp qword [esp]
        fxch
        fxch st3, st0
        movd mm1, eax
        movq mm1, [ebx]
        paddb mm1, mm2
        psrlq mm3, 7
        pshufw mm1, [ebx], 0b11011000
        maskmovq mm1, mm2
        emms
        movaps xmm0, [ebx]
        movaps xmm0, oword [ebx]
        movsd xmm1, [ebx]
        movsd
        cmpsd xmm1, xmm2, 3
        cmpsd
        cmpnless xmm1, [ebx]
        cvtsi2ss xmm1, [ebx]
        blendvps xmm1, xmm2
        blendvps xmm1, xmm2, xmm0
        pextrw eax, xmm1, 3
        pextrw [ebx], xmm1, 3
        crc32 eax, byte [ebx]
        aesenc xmm1, [ebx]
        pclmulhqlqdq xmm1, xmm2
        sha256rnds2 xmm1, xmm2, xmm0
        andn eax, ebx, [ecx]
        rorx eax, [ebx], 5
        shlx eax, [ebx], ecx
        fxsave [ebx]
        prefetcht0 [ebx]
        lfence
bits 64
        movd xmm9, r10d
        movq xmm9, r10
        movq r10, mm3
        movq [rel number], xmm15
        cvttsd2si rax, xmm8
        pinsrq xmm1, [rbx], 1
        pmovzxbw xmm1, [r9]
        fxrstor64 [rbx]
        xsave64 [rbx]
        rdfsbase r9
        mulx r9, r10, [r11 + rcx * 8]
        pdep rax, rbx, r15
        adox r9, rax
        movbe [rbx], r9
        rdrand r9w
        invpcid rax, [rbx]
        vmread [rbx], r9

number: dt 1.5, -0.1, 1e4931, 1e-4950, __Infinity__, __NaN__
        do 3.14159265358979323846264338327950288, -1e-4965
        dq 0.1, 1e-320, 0x1.8p3, -__SNaN__
        dd 16777217.0, 1e-45
