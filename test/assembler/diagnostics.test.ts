/** Problems: all of a file, each at its place, each saying what was expected. */
import { describe, expect, test } from 'vitest';
import { assemble } from '../../src/assembler/assemble';
import { errorsOf, nasm, NO_NASM, ours, program } from './nasm';

const SOURCE = `org 0x7c00
bits 16
mov ax, bl
mov [bx], 5
mov ax, undefined_label
movv ax, bx
mov ax
jmp short $ + 300
dw (1 + 2
lable: equ
%macro m 1
  mov ax, %1
  bogus: nop
%endmacro
m [bx+ax]
m 5
%include "nofile"
add eax, [ax]
mov eax, [ebx+ecx*3]
cdqe
foo: db 1
foo: db 2
times -1 db 0
%error custom message
[unknown 5]
bits 15
mov ax, 5 5
db 5/0
%undefined
%endif
times 200 nop
nop
mov cx, dword [bx]
resb undefined_too
`;

const EXPECTED = `3:1: mismatch in operand sizes: ax has 16 bits, bl 8
4:1: operation size not specified: expected byte, word, dword or qword before the memory operand
5:9: symbol 'undefined_label' is not defined
6:1: unknown instruction 'movv': expected an instruction of the table, or a label and a colon
7:1: 'mov' takes 2 operands, not 1
8:11: short jump is out of range: 298 bytes, expected -128 to 127
9:10: expected ')' to close the parenthesis, found the end of the line
10:11: expected an expression, found the end of the line
15:3: [bx+ax] is no 16-bit address: expected bx or bp and si or di
16:1: symbol 'bogus' is defined twice: first at program.asm:13
17:1: cannot read the file 'nofile'
18:10: [ax] is no 16-bit address: expected bx or bp and si or di
19:10: an index can be scaled by 1, 2, 4 or 8, not by 3
20:1: instruction not supported in 16-bit mode
22:1: symbol 'foo' is defined twice: first at program.asm:21
23:1: the count of TIMES is -1: it cannot be negative
24:1: custom message
25:2: unknown directive 'unknown'
26:6: expected 16, 32 or 64 after BITS, found 15
27:11: expected a comma or the end of the line, found '5'
28:5: division by zero
29:1: unknown preprocessor directive '%undefined'
30:1: %endif without a %if before it
33:1: mismatch in operand sizes
34:6: symbol 'undefined_too' is not defined`;

test('all errors of a file with line, column and what was expected', () => {
  expect(errorsOf(ours(program(SOURCE)))).toEqual(EXPECTED.split('\n').map((line) => `program.asm:${line}`));
});

describe.skipIf(NO_NASM)('nasm finds fault with the same lines', () => {
  // nasm tells the errors of later passes only where there are none of earlier ones, so each line is tried alone.
  const single = EXPECTED.split('\n')
    .map((line) => Number(line.split(':')[0]))
    .filter((line) => ![15, 16, 22].includes(line))
    .map((line) => [SOURCE.split('\n')[line - 1]] as const);
  test.each(single)('%s', (line) => {
    const { image } = nasm(program(`bits 16\n${line}\n`));
    expect(image).toBeUndefined();
    expect(ours(program(`bits 16\n${line}\n`)).ok).toBe(false);
  });
});

describe('places', () => {
  test('an argument of a macro is marked in the call', () => {
    const [{ line, column, length, related }] = ours(
      program('%macro twice 1\n  mov ax, %1\n  mov bx, %1\n%endmacro\n  twice bogus\n'),
    ).diagnostics;
    expect([line, column, length]).toEqual([5, 9, 5]);
    expect(related).toBeUndefined();
  });

  test("a macro's own mistake is marked at the call, with its lines beside it", () => {
    const text = '%macro inner 0\n  frobnicate ax\n%endmacro\n%macro outer 0\n  inner\n%endmacro\nouter\n';
    const [{ line, column, length, related }] = ours(program(text)).diagnostics;
    expect([line, column, length]).toEqual([7, 1, 5]);
    expect(related).toEqual([
      { file: 'program.asm', line: 2, column: 3, length: 10, message: "in macro 'inner'" },
      { file: 'program.asm', line: 5, column: 3, length: 5, message: "in macro 'outer'" },
    ]);
  });

  test('a name that a single-line macro stands for is marked where the program writes the macro', () => {
    const [{ line, column, length }] = ours(program('%define NAME missing + 1\n  dw 1, NAME\n')).diagnostics;
    expect([line, column, length]).toEqual([2, 9, 4]);
  });

  test('a line that is continued counts on', () => {
    const [{ line, column }] = ours(program('db 1, \\\n 2, \\\n  missing\n')).diagnostics;
    expect([line, column]).toEqual([3, 3]);
  });

  test('included files have names of their own', () => {
    const result = assemble({
      path: 'main.asm',
      text: '%include "part.inc"\n',
      includePaths: ['lib'],
      read: (path) => (path === 'lib/part.inc' ? 'nop\nmov ax\n' : undefined),
    });
    expect(errorsOf(result)).toEqual(["lib/part.inc:2:1: 'mov' takes 2 operands, not 1"]);
    expect(result.files).toEqual(['main.asm', 'lib/part.inc']);
  });

  test('lines may end in CR LF', () => {
    const [{ line, column, length }] = ours(program('nop\r\n  mov ax, missing\r\n')).diagnostics;
    expect([line, column, length]).toEqual([2, 11, 7]);
  });
});

describe('warnings', () => {
  const warnings = (text: string): string[] =>
    ours(program(text)).diagnostics.map(({ line, severity, code, message }) => `${line} ${severity} ${code}: ${message}`);

  test('do not make the image fail', () => {
    expect(ours(program('db 300\n'))).toMatchObject({ ok: true, image: Uint8Array.of(44) });
  });

  test.each([
    ['db 300', '1 warning number-overflow: byte data exceeds bounds'],
    ['mov al, 300', '1 warning number-overflow: byte value exceeds bounds'],
    ['lonely', '1 warning label-orphan: label alone on a line without a colon might be in error'],
    ['resb 1', '1 warning zeroing: uninitialized space declared in section .text: zeroing'],
    ['%warning take care', '1 warning user: take care'],
    ['bits 16\nlock mov ax, bx', '2 warning prefix-lock-error: instruction is not lockable'],
    ['dd 1e400', '1 warning float-overflow: overflow in floating-point constant'],
  ])('%s', (text, warning) => {
    expect(warnings(text)).toEqual([warning]);
  });

  test('can be silenced', () => {
    expect(warnings('[warning -number-overflow]\ndb 300\n[warning +number-overflow]\ndb 300\n')).toHaveLength(1);
  });
});

describe('definitions from outside', () => {
  test('are macros from the first line on', () => {
    const { image } = assemble({ path: 'a', text: '%ifdef DEBUG\ndb LEVEL\n%endif\n', defines: { DEBUG: '', LEVEL: '7' } });
    expect(image).toEqual(Uint8Array.of(7));
  });

  test('the same input gives the same result', () => {
    const [one, two] = [ours(program(SOURCE)), ours(program(SOURCE))];
    expect(one).toEqual(two);
  });
});
