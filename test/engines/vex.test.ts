import { expect, test } from 'vitest';
import { launch } from '../../src/engines/launcher';

/** A guest that counts the #UD of a VEX-encoded instruction in real mode and in 16-bit protected mode. */
const GUEST = `
  bits 16
  org 0x7c00
  cli
  xor ax, ax
  mov ds, ax
  mov ss, ax
  mov sp, 0x7c00
  mov word [6 * 4], undefined
  mov [6 * 4 + 2], ax
  mov ebx, 0xff00ff00
  mov ecx, 0x0ff00ff0
  mov edx, 1
  andn edx, ebx, ecx
  call show                       ; 1: nothing was written
  lgdt [pointer]
  mov eax, cr0
  or al, 1
  mov cr0, eax
  jmp 8:protected
protected:
  andn edx, ebx, ecx
  mov eax, cr0
  and al, 0xfe
  mov cr0, eax
  jmp 0:real
real:
  call show
  mov al, 0
  out 0xf4, al
  hlt
undefined:
  push bp
  mov bp, sp
  add word [bp + 2], 5            ; over the instruction
  pop bp
  iret
show:
  push edx
  mov cl, 8
.next:
  rol edx, 4
  mov al, dl
  and al, 15
  cmp al, 10
  sbb al, 0x69
  das
  push dx
  mov dx, 0x3f8
  out dx, al
  pop dx
  dec cl
  jnz .next
  mov ecx, 0x0ff00ff0
  pop edx
  ret
align 8
table: dq 0, 0x00009a000000ffff
pointer: dw 15
  dd table
`;

test('VEX prefixes exist in protected mode alone', () => {
  const { engine } = launch({ program: '/guest.asm', cpu: 'max' }, () => new TextEncoder().encode(GUEST));
  let serial = '';
  engine.onOutput = (channel, byte) => {
    if (channel === 'serial0') serial += String.fromCharCode(byte);
  };
  expect(engine.run({ instructions: 20_000_000 }).reason).toBe('exited');
  expect(serial).toBe(`00000001${((~0xff00ff00 & 0x0ff00ff0) >>> 0).toString(16).toUpperCase().padStart(8, '0')}`);
});
