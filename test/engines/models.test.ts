/** A processor raises #UD for what lies outside its sets, and shows in CPUID what it has. */
import { describe, expect, it } from 'vitest';
import { launch } from '../../src/engines/launcher';
import { cpuModel, type CpuModelName } from '../../src/engines/cpu/system/models';

/** Ends with status 3 when the instruction runs, with 15 when it raises #UD. */
const program = (instruction: string): string => `
    bits 16
    org 0x7c00
    xor ax, ax
    mov ds, ax
    mov word [6 * 4], undefined
    mov [6 * 4 + 2], ax
    ${instruction}
    mov al, 1
    jmp leave_now
undefined:
    mov al, 7
leave_now:
    mov dx, 0xf4
    out dx, al
    hlt`;

function status(instruction: string, cpu: CpuModelName): number | undefined {
  const source = new TextEncoder().encode(program(instruction));
  const { engine } = launch({ program: '/guest.asm', cpu }, (path) => (path === '/guest.asm' ? source : undefined));
  const stop = engine.run({ instructions: 100_000_000 });
  expect(stop.reason).toBe('exited');
  return stop.code;
}

const RUNS = 3;
const UNDEFINED = 15;

const FIRST: readonly (readonly [instruction: string, without: CpuModelName, having: CpuModelName])[] = [
  ['rdtsc', 'i486', 'pentium'],
  ['cmovz ax, bx', 'pentium', 'i686'],
  ['lfence', 'i686', 'x86-64'],
  ['popcnt ax, bx', 'x86-64', 'x86-64-v2'],
  ['movbe ax, [0x7c00]', 'x86-64-v2', 'max'],
  ['mwait', 'x86-64-v2', 'max'],
];

describe('processors by name', () => {
  it.each(FIRST)('%s is undefined on %s and runs on %s', (instruction, without, having) => {
    expect(status(instruction, without)).toBe(UNDEFINED);
    expect(status(instruction, having)).toBe(RUNS);
  });

  it('shows no feature without a meaning', () => {
    const model = cpuModel('max');
    expect(model.has('avx')).toBe(false);
    expect(model.bits(1, 0, 2) & (1 << 28)).toBe(0);
    expect(model.bits(1, 0, 3) & (1 << 26)).not.toBe(0);
  });
});
