import { describe, expect, it } from 'vitest';
import { launch } from '../../src/engines/launcher';

/** Runs a source text to its end and gives what it printed on COM1. */
function runSource(text: string, instructions = 20_000_000): { serial: string; reason: string; count: number } {
  const { engine } = launch({ program: '/guest.asm' }, (path) => (path === '/guest.asm' ? new TextEncoder().encode(text) : undefined));
  let serial = '';
  engine.onOutput = (channel, byte) => {
    if (channel === 'serial0') serial += String.fromCharCode(byte);
  };
  const stop = engine.run({ instructions });
  return { serial, reason: stop.reason, count: engine.instructionCount };
}

describe('booting through our BIOS', () => {
  it('runs a boot sector that prints on the serial line', () => {
    const result = runSource(`
      bits 16
      org 0x7c00
      xor ax, ax
      mov ds, ax
      mov si, message
      mov dx, 0x3f8
    .next:
      lodsb
      test al, al
      jz .done
      out dx, al
      jmp .next
    .done:
      mov al, 0
      out 0xf4, al
      hlt
    message: db 'hello', 10, 0
    `);
    expect(result).toMatchObject({ serial: 'hello\n', reason: 'exited' });
  });
});

describe('the debug registers', () => {
  it('trap after an instruction that uses a watched port, with CR4.DE alone', () => {
    const guest = (de: number): string => `
      bits 16
      org 0x7c00
      cli
      xor ax, ax
      mov ds, ax
      mov word [1 * 4], trap
      mov [1 * 4 + 2], ax
      mov eax, cr4
      or eax, ${de}
      mov cr4, eax
      mov eax, 0x3f9
      mov dr0, eax
      mov eax, 0x00020002             ; DR0 global, type 2, one byte
      mov dr7, eax
      mov dx, 0x3f8
      mov al, 'a'
      out dx, al                      ; another port
      inc dx
      in al, dx                       ; this one
      mov dx, 0x3f8
      mov al, 'b'
      out dx, al
      mov al, 0
      out 0xf4, al
    trap:
      push ax
      push dx
      mov dx, 0x3f8
      mov eax, dr6
      and al, 15
      add al, '0'
      out dx, al
      xor eax, eax
      mov dr7, eax
      pop dx
      pop ax
      iret
    `;
    expect(runSource(guest(8)).serial).toBe('a1b');
    expect(runSource(guest(0)).serial).toBe('ab');
  });
});
