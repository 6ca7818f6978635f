/** Debug information of assembled programs. */
import { describe, expect, it } from 'vitest';
import { assemble } from '../../src/assembler/assemble';
import type { LinearAddress } from '../../src/shared/addresses';
import { assemblyDebugInfo } from '../../src/symbols/assembly-info';

const TEXT = `org 0x7c00
bits 16
PORT equ 0x3f8
start:
  mov dx, PORT
.next:
  times 3 nop
  jmp .next
text: db 'hi', 0
count: dd 7
bits 32
flat:
  mov eax, ebx
  ret
`;

describe('debug information from the assembler', () => {
  const result = assemble({ path: '/boot.asm', text: TEXT });
  const info = assemblyDebugInfo('/boot.asm', result);
  const at = (address: number) => info.positionAt(address as LinearAddress);

  it('gives lines with code size, and tells data from code', () => {
    expect(result.diagnostics).toEqual([]);
    expect(at(0x7c00)).toMatchObject({ path: '/boot.asm', line: 5, length: 3, content: 'code', bits: 16 });
    expect(at(0x7c04)).toMatchObject({ line: 7 });
    const text = info.symbolNamed('text')?.address ?? 0;
    expect(at(text)).toMatchObject({ line: 9, content: 'data' });
    expect(at(text)?.bits).toBeUndefined();
    expect(at(info.symbolNamed('flat')?.address ?? 0)).toMatchObject({ line: 13, bits: 32 });
    expect(at(0x7bff)).toBeUndefined();
  });

  it('lists the lines that have code, data not among them', () => {
    expect(info.codeLines('/boot.asm', 1, 100)).toEqual([5, 7, 8, 13, 14]);
    expect(info.codeLines('/boot.asm', 6, 8)).toEqual([7, 8]);
    expect(info.codeLines('/other.asm', 1, 100)).toEqual([]);
  });

  it('knows constants from places, and sizes of data', () => {
    expect(info.symbolNamed('PORT')).toMatchObject({ kind: 'constant', address: 0x3f8 });
    expect(info.symbolNamed('start')).toMatchObject({ kind: 'code', address: 0x7c00 });
    expect(info.symbolNamed('start.next')).toMatchObject({ kind: 'code', address: 0x7c03 });
    expect(info.symbolNamed('count')).toMatchObject({ kind: 'data', size: 4 });
    expect(info.symbolNamed('text')).toMatchObject({ kind: 'data', size: 3 });
    expect(info.symbolAt(0x7c05)).toMatchObject({ symbol: { name: 'start.next' }, offset: 2 });
    // Behind the program is nothing of it.
    expect(info.symbolAt(0x7c00 + 0x100)).toBeUndefined();
    expect(info.symbolAt(0x7bff)).toBeUndefined();
  });
});
