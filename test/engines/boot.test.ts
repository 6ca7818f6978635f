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
