/** What MWAIT's wait costs, and what ends it, beside what test/system holds against QEMU and Bochs. */
import { describe, expect, it } from 'vitest';
import { launch } from '../../src/engines/launcher';

/** Real mode, the timer's interrupt masked by IF alone; AL ends up in the exit status. */
const program = (body: string): string => `
    bits 16
    org 0x7c00
    xor ax, ax
    mov ds, ax
    mov word [13 * 4], refused
    mov [13 * 4 + 2], ax
    mov word [8 * 4], ticked
    mov [8 * 4 + 2], ax
    xor bx, bx
    xor ecx, ecx
    xor edx, edx
    mov eax, mailbox
    cli
${body}
leave_now:
    mov al, bl
    mov dx, 0xf4
    out dx, al
    hlt
refused:
    mov bl, 0x3d
    jmp leave_now
ticked:
    inc bx
    mov al, 0x20
    out 0x20, al
    iret
    align 64
mailbox: dq 0`;

interface Outcome {
  readonly reason: string;
  /** What BL was. */
  readonly result: number | undefined;
  readonly instructions: number;
}

function outcome(body: string): Outcome {
  const source = new TextEncoder().encode(program(body));
  const { engine } = launch({ program: '/guest.asm' }, (path) => (path === '/guest.asm' ? source : undefined));
  const { reason, code } = engine.run({ instructions: 100_000_000 });
  return { reason, result: code === undefined ? undefined : code >> 1, instructions: engine.instructionCount };
}

/** Instructions that the machine completes beyond those of the same guest without its wait. */
const TICK = 50_000;

describe('MWAIT', () => {
  it('waits with IF for an interrupt, without running anything meanwhile', () => {
    const fallsThrough = outcome('mwait');
    const waits = outcome('monitor\nsti\nmwait\ncli');
    expect(waits).toMatchObject({ reason: 'exited', result: 1 });
    expect(waits.instructions - fallsThrough.instructions).toBeLessThan(TICK);
  });

  it('goes on at a masked interrupt where ECX asks for that, and does not take it', () => {
    expect(outcome('monitor\nmov cl, 1\nmwait\nmov bl, 5')).toMatchObject({ reason: 'exited', result: 5 });
  });

  it('waits for good where nothing can end it', () => {
    expect(outcome('monitor\nmwait').reason).toBe('halted');
  });

  it('falls through behind a store to the line', () => {
    expect(outcome('monitor\nmov byte [mailbox + 63], 1\nmwait\nmov bl, 6')).toMatchObject({ reason: 'exited', result: 6 });
  });

  it('waits though the line beside is written', () => {
    expect(outcome('monitor\nmov byte [mailbox - 1], 0xcc\nmwait').reason).toBe('halted');
  });

  it('is not armed behind an interrupt', () => {
    expect(outcome('monitor\nsti\nspin: test bl, bl\njz spin\ncli\nmwait')).toMatchObject({ reason: 'exited', result: 1 });
  });

  it('refuses an extension that does not exist', () => {
    expect(outcome('mov cl, 2\nmwait')).toMatchObject({ reason: 'exited', result: 0x3d });
  });

  it('disappears from CPUID, and is undefined, where IA32_MISC_ENABLE turns it off', () => {
    const body = `
      mov word [6 * 4], refused
      mov [6 * 4 + 2], bx
      mov ecx, 0x1a0
      rdmsr
      bt eax, 18
      jnc leave_now
      btr eax, 18
      wrmsr
      mov eax, 1
      cpuid
      xor bx, bx
      test cl, 8
      jnz leave_now
      xor ecx, ecx
      mwait`;
    expect(outcome(body)).toMatchObject({ reason: 'exited', result: 0x3d });
  });
});
