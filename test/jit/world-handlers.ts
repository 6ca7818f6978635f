/**
 * Handlers of exceptions and interrupts. Traps and the timer's interrupt return; a page fault in the code or in the page that is
 * not there at first puts the page where it belongs; any other fault goes on at the next address of a list, with pointers
 * and segments as they were at the start, and behind the list's end the processor halts for good.
 *
 * Stubs are 16 bytes apart. Variables are 8 bytes each, in the order of world.ts.
 */

const ERROR_CODES = [8, 10, 11, 12, 13, 14, 17];
/** Vectors below 0x30, 0x80, and all others. */
const STUBS = [...Array.from({ length: 0x30 }, (_, vector) => vector), 0x80, 0x31];

const stubs = (errors: boolean): string =>
  STUBS.map((vector) => {
    const code = errors && ERROR_CODES.includes(vector) ? '' : 'push 0';
    return `times ($$ - $) & 15 nop\n${code}\npush ${vector}\njmp entered`;
  }).join('\n');

export const HANDLERS_16 = `
bits 16
org HANDLERS
${stubs(false)}
entered:                        ; es 0, ds 2, di 4, si 6, bp 8, sp 10, bx 12, dx 14, cx 16, ax 18, vector 20, 0 22, ip 24, cs 26, flags 28
  pusha
  push ds
  push es
  mov bp, sp
  xor ax, ax
  mov ds, ax
  cld
  mov bx, [bp + 20]
  shl bx, 1
  inc word [VARIABLES + 0x300 + bx]
  shr bx, 1
  cmp bx, 0x20
  je out
  cmp bx, 0x80
  je out
  cmp bx, 1
  je debug
  cmp bx, 3
  je out
  cmp bx, 4
  je out
  mov bx, [VARIABLES]
  cmp bx, RESUMES
  jae finish
  inc word [VARIABLES]
  shl bx, 3
  mov cx, [VARIABLES + 0x100 + bx]
  mov dx, [bp + 28]
  and dx, ~0x4100 & 0xffff
  mov ax, [bp + 18]
  mov ss, [VARIABLES + 16]
  mov sp, [VARIABLES + 32]
  push dx
  push word [VARIABLES + 8]
  push cx
  mov bx, [VARIABLES + 40]
  mov bp, [VARIABLES + 48]
  mov si, [VARIABLES + 56]
  mov di, [VARIABLES + 64]
  mov fs, [VARIABLES + 72]
  mov gs, [VARIABLES + 80]
  mov es, [VARIABLES + 24]
  mov ds, [VARIABLES + 24]
  iret
debug:
  mov eax, dr6
  mov [VARIABLES + 0x2f0], eax
  xor eax, eax
  mov dr6, eax
  inc byte [VARIABLES + 0x2f8]
  test byte [VARIABLES + 0x2f8], 7
  jnz out
  and word [bp + 28], ~0x100 & 0xffff
  mov dr7, eax
out:
  pop es
  pop ds
  popa
  add sp, 4
  iret
finish:
  cli
  hlt
  jmp finish
`;

export const HANDLERS_32 = `
bits 32
org HANDLERS
${stubs(true)}
entered:                        ; es 0, ds 4, edi 8, esi 12, ebp 16, esp 20, ebx 24, edx 28, ecx 32, eax 36, vector 40, error 44,
  pushad                        ; eip 48, cs 52, eflags 56, esp 60, ss 64
  push ds
  push es
  mov eax, FLAT_DATA
  mov ds, eax
  mov es, eax
  cld
  mov eax, [esp + 40]
  inc dword [VARIABLES + 0x300 + eax * 4]
  cmp eax, 0x20
  je out
  cmp eax, 0x80
  je service
  cmp eax, 1
  je debug
  cmp eax, 3
  je out
  cmp eax, 4
  je out
  cmp eax, 14
  je page
skip:
  mov ebx, [VARIABLES]
  cmp ebx, RESUMES
  jae finish
  inc dword [VARIABLES]
  mov ecx, [VARIABLES + 0x100 + ebx * 8]
  and dword [esp + 56], ~0x4100
  test byte [esp + 58], 2
  jnz inward
  test byte [esp + 52], 3
  jnz inward
  mov edx, [esp + 56]
  mov eax, [esp + 36]
  mov ss, [VARIABLES + 16]
  mov esp, [VARIABLES + 32]
  push edx
  push dword [VARIABLES + 8]
  push ecx
  jmp registers
inward:
  mov [esp + 48], ecx
  mov eax, [VARIABLES + 8]
  mov [esp + 52], eax
  mov eax, [VARIABLES + 32]
  mov [esp + 60], eax
  mov eax, [VARIABLES + 16]
  mov [esp + 64], eax
  mov eax, [esp + 36]
  add esp, 48
  test byte [esp + 10], 2
  jz registers
  mov ebx, [VARIABLES + 24]     ; ES and DS of virtual-8086 mode
  mov [esp + 20], ebx
  mov [esp + 24], ebx
  mov ebx, [VARIABLES + 72]
  mov [esp + 28], ebx
  jmp pointers
registers:
  mov fs, [VARIABLES + 72]
  mov gs, [VARIABLES + 80]
  mov es, [VARIABLES + 24]
pointers:
  mov ebx, [VARIABLES + 40]
  mov ebp, [VARIABLES + 48]
  mov esi, [VARIABLES + 56]
  mov edi, [VARIABLES + 64]
  test byte [esp + 10], 2
  jnz back
  mov ds, [VARIABLES + 24]
back:
  iretd
page:
  test byte [esp + 44], 1
  jnz skip
  mov ebx, cr0
  test ebx, ebx
  jns skip
  mov ebx, cr2
  shr ebx, 12
  cmp ebx, LAZY >> 12
  je mend
  cmp ebx, CODE >> 12
  jb skip
  cmp ebx, (CODE >> 12) + 3
  ja skip
mend:
  mov ecx, ebx
  shl ecx, 12
  or ecx, 0x67
  mov [PAGE_TABLE + ebx * 4], ecx
  invlpg [ecx]
  jmp out
service:
  mov eax, cr3
  mov cr3, eax
  jmp out
debug:
  mov eax, dr6
  mov [VARIABLES + 0x2f0], eax
  test al, 15
  jz .step
  or dword [esp + 56], 0x10000
.step:
  xor eax, eax
  mov dr6, eax
  inc byte [VARIABLES + 0x2f8]
  test byte [VARIABLES + 0x2f8], 7
  jnz out
  and dword [esp + 56], ~0x100
  mov dr7, eax
out:
  pop es
  pop ds
  popad
  add esp, 8
  iretd
finish:
  cli
  hlt
  jmp finish
`;

export const HANDLERS_64 = `
bits 64
default abs
org HANDLERS
${stubs(true)}
entered:                        ; rdi 0, rsi 8, rbp 16, rbx 24, rdx 32, rcx 40, rax 48, vector 56, error 64, rip 72, cs 80, rflags 88,
  push rax                      ; rsp 96, ss 104
  push rcx
  push rdx
  push rbx
  push rbp
  push rsi
  push rdi
  cld
  mov rax, [rsp + 56]
  inc dword [VARIABLES + 0x300 + rax * 4]
  cmp eax, 0x20
  je out
  cmp eax, 0x80
  je service
  cmp eax, 1
  je debug
  cmp eax, 3
  je out
  cmp eax, 4
  je out
  cmp eax, 14
  je page
skip:
  mov ebx, [VARIABLES]
  cmp ebx, RESUMES
  jae finish
  inc dword [VARIABLES]
  mov rcx, [VARIABLES + 0x100 + rbx * 8]
  mov [rsp + 72], rcx
  and dword [rsp + 88], ~0x4100
  mov rax, [VARIABLES + 8]
  mov [rsp + 80], rax
  mov rax, [VARIABLES + 32]
  mov [rsp + 96], rax
  mov rax, [VARIABLES + 16]
  mov [rsp + 104], rax
  mov rax, [VARIABLES + 40]
  mov [rsp + 24], rax
  mov rax, [VARIABLES + 48]
  mov [rsp + 16], rax
  mov rax, [VARIABLES + 56]
  mov [rsp + 8], rax
  mov rax, [VARIABLES + 64]
  mov [rsp], rax
  mov ds, [VARIABLES + 24]
  mov es, [VARIABLES + 24]
  jmp out
page:
  test byte [rsp + 64], 1
  jnz skip
  mov rax, cr2
  mov ebx, eax
  shr ebx, 12
  and ebx, 0x7ffff
  cmp ebx, LAZY >> 12
  je mend
  cmp ebx, CODE >> 12
  jb skip
  cmp ebx, (CODE >> 12) + 3
  ja skip
mend:
  mov ecx, ebx
  shl ecx, 12
  or ecx, 0x67
  mov [PAGE_TABLE + rbx * 8], rcx
  invlpg [rax]
  jmp out
service:
  mov rax, cr3
  mov cr3, rax
  jmp out
debug:
  mov rax, dr6
  mov [VARIABLES + 0x2f0], rax
  test al, 15
  jz .step
  or dword [rsp + 88], 0x10000
.step:
  xor eax, eax
  mov dr6, rax
  inc byte [VARIABLES + 0x2f8]
  test byte [VARIABLES + 0x2f8], 7
  jnz out
  and dword [rsp + 88], ~0x100
  mov dr7, rax
out:
  pop rdi
  pop rsi
  pop rbp
  pop rbx
  pop rdx
  pop rcx
  pop rax
  add rsp, 16
  iretq
finish:
  cli
  hlt
  jmp finish
`;
