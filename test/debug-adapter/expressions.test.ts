/** The debugger's expressions, without a guest. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assign, compile } from '../../src/debug-adapter/expressions/compile';
import type { Environment } from '../../src/debug-adapter/expressions/environment';
import { explainValue, formatValue } from '../../src/debug-adapter/expressions/format';
import { parseExpression, parseStatement } from '../../src/debug-adapter/expressions/parser';
import { ExpressionError } from '../../src/debug-adapter/expressions/syntax';

/** A guest of a few registers and 64 KiB, DS at 0x100, SS at 0x200, ES at 0x300. */
class FakeGuest implements Environment {
  bits: 16 | 32 | 64 = 32;
  readonly memory = new Uint8Array(0x10000);
  readonly registers = new Map<string, { value: bigint; bits: number }>([
    ['eax', { value: 0xffffffffn, bits: 32 }],
    ['ebx', { value: 0x10n, bits: 32 }],
    ['bx', { value: 0x10n, bits: 16 }],
    ['al', { value: 0xffn, bits: 8 }],
    ['ebp', { value: 0x20n, bits: 32 }],
    ['edi', { value: 8n, bits: 32 }],
    ['zf', { value: 1n, bits: 1 }],
    ['es', { value: 0x30n, bits: 16 }],
    ['ds', { value: 0x10n, bits: 16 }],
  ]);
  private readonly bases: Record<string, number> = { ds: 0x100, ss: 0x200, es: 0x300 };

  register(name: string) {
    return this.registers.get(name);
  }

  setRegister(name: string, value: bigint): void {
    const register = this.registers.get(name);
    if (!register) throw new Error(`there is no register "${name}"`);
    register.value = value;
  }

  variable(name: string) {
    return name === 'vector' ? () => 13n : undefined;
  }

  symbol(name: string) {
    if (name === 'table') return { value: 0x1000, constant: false, size: 2 };
    if (name === 'main.loop') return { value: 0x1100, constant: false, size: 0 };
    return name === 'COUNT' ? { value: 5, constant: true, size: 0 } : undefined;
  }

  linear(segment: string, offset: bigint): number {
    return (this.bases[segment] ?? 0) + Number(offset);
  }

  selectorBase(selector: number): number {
    if (selector === 0) throw new Error('the selector 0x0 names no descriptor');
    return selector << 4;
  }

  readMemory(_space: string, address: number, length: number): Uint8Array {
    return this.memory.slice(address, address + length);
  }

  writeMemory(_space: string, address: number, bytes: Uint8Array): number {
    this.memory.set(bytes, address);
    return bytes.length;
  }
}

function evaluate(text: string, guest = new FakeGuest()): string {
  return formatValue(compile(parseExpression(text), guest)());
}

function problem(text: string): string {
  try {
    evaluate(text);
  } catch (error) {
    if (error instanceof ExpressionError) return error.message;
    throw error;
  }
  throw new Error(`${text} was expected to be wrong`);
}

describe('numbers', () => {
  it.each([
    ['10', '10'],
    ['0x1f', '31'],
    ['1fh', '31'],
    ['0b101', '5'],
    ['101b', '5'],
    ['17q', '15'],
    ['0o17', '15'],
    ['0d10', '10'],
    ['1_000', '1000'],
    ["'A'", '65'],
    ["'AB'", '16961'],
    ["'\\n'", '10'],
  ])('reads %s', (text, value) => expect(evaluate(text)).toBe(value));

  it('refuses what is none', () => {
    expect(problem('0x')).toMatch(/column 1: '0x' is no number/);
    expect(problem('12z')).toMatch(/no number/);
    expect(problem(`0x1${'0'.repeat(32)}`)).toMatch(/128 bits/);
    expect(problem("'123456789'")).toMatch(/at most 8 bytes/);
  });
});

describe('operators', () => {
  it.each([
    ['1 + 2 * 3', '7'],
    ['(1 + 2) * 3', '9'],
    ['7 / 2', '3'],
    ['-7 / 2', '-3'],
    ['7 % 3', '1'],
    ['1 << 4 | 1', '17'],
    ['6 & 3 ^ 1', '3'],
    ['~0', '-1'],
    ['!0', '1'],
    ['2 > 1 && 1 != 2', '1'],
    ['1 == 2 || 3 <= 2', '0'],
    ['- - 3', '3'],
  ])('computes %s', (text, value) => expect(evaluate(text)).toBe(value));

  it('wraps at the width of the registers in it', () => {
    expect(evaluate('eax + 1')).toBe('0x00000000');
    expect(evaluate('al + 1')).toBe('0x00');
    expect(evaluate('al + ebx')).toBe('0x0000010f');
    expect(evaluate('~bx')).toBe('0xffef');
  });

  it('compares registers as unsigned, unless told otherwise', () => {
    expect(evaluate('eax == -1')).toBe('1');
    expect(evaluate('eax < 0')).toBe('0');
    expect(evaluate('signed(eax) < 0')).toBe('1');
    expect(evaluate('signed(al)')).toBe('-1');
  });

  it('casts by size', () => {
    expect(evaluate('byte eax')).toBe('0xff');
    expect(evaluate('word 0x12345')).toBe('0x2345');
    expect(evaluate('qword -1')).toBe('0xffffffffffffffff');
  });

  it('says where something is wrong', () => {
    expect(problem('1 +')).toBe('column 4: expected a number, a register, a symbol, or [an address], found the end');
    expect(problem('(1')).toBe("column 3: expected ')', found the end");
    expect(problem('1 2')).toBe("column 3: expected an operator, found '2'");
    expect(problem('ebx = 1')).toBe("column 5: '=' assigns; to compare write '=='");
    expect(problem('1 / 0')).toBe('column 3: division by zero');
    expect(problem('1 + {')).toBe("column 5: the character '{' has no meaning here");
    expect(problem('nothing + 1')).toBe("column 1: 'nothing' is no register and no symbol");
    expect(problem('sqrt(4)')).toMatch(/no function 'sqrt'/);
    expect(problem(`${'('.repeat(500)}1`)).toMatch(/nested too deeply/);
    expect(problem('-'.repeat(500))).toMatch(/nested too deeply/);
    expect(problem('1 << 500')).toMatch(/shift/);
  });
});

describe('names', () => {
  it('knows registers, flags, symbols, constants and variables', () => {
    expect(evaluate('EBX')).toBe('0x00000010');
    expect(evaluate('zf')).toBe('1');
    expect(evaluate('table')).toBe('0x00001000');
    expect(evaluate('table + 4')).toBe('0x00001004');
    expect(evaluate('main.loop')).toBe('0x00001100');
    expect(evaluate('COUNT')).toBe('5');
    expect(evaluate('$vector')).toBe('13');
    expect(evaluate('$table')).toBe('0x00001000');
  });
});

describe('memory', () => {
  function guestWith(bytes: Record<number, number>): FakeGuest {
    const guest = new FakeGuest();
    for (const [address, byte] of Object.entries(bytes)) guest.memory[Number(address)] = byte;
    return guest;
  }

  it.each([
    ['byte [ebx]', 0x110, 'DS by default'],
    ['byte [ebp-4]', 0x21c, 'SS for stack bases'],
    ['byte [es:edi+4]', 0x30c, 'a segment that is named'],
    ['byte es:[edi+4]', 0x30c, 'a segment before the brackets'],
    ['byte [table+ebx]', 0x1010, 'symbols are linear'],
    ['byte [linear:0x400]', 0x400, 'linear addresses'],
    ['byte [phys:0x500]', 0x500, 'physical addresses'],
    ['byte [0x40:0x17]', 0x417, 'selector and offset'],
    ['byte [ebx*2+4]', 0x124, 'scaled indexes'],
  ])('finds %s', (text, address) => {
    expect(evaluate(text, guestWith({ [address]: 0x5a }))).toBe('0x5a');
  });

  it("takes the size that is given, the symbol's, or the code's", () => {
    const guest = guestWith({ 0x1000: 1, 0x1001: 2, 0x1002: 3, 0x1003: 4 });
    expect(evaluate('dword [table]', guest)).toBe('0x04030201');
    expect(evaluate('word ptr [table]', guest)).toBe('0x0201');
    expect(evaluate('[table]', guest)).toBe('0x0201');
    expect(evaluate('[table+0]', guest)).toBe('0x04030201');
    guest.bits = 16;
    expect(evaluate('[table+0]', guest)).toBe('0x0201');
  });

  it('gives far addresses their linear value', () => {
    expect(evaluate('es:edi')).toBe('0x00000308');
    expect(evaluate('0x1234:0x10')).toBe('0x00012350');
    expect(problem('0:5')).toMatch(/names no descriptor/);
    expect(problem('0x12345:0')).toMatch(/more than 16 bits/);
  });

  it('says what cannot be read', () => {
    expect(problem('dword [linear:0xfffe]')).toMatch(/4 bytes at linear:0xfffe cannot be read/);
  });
});

describe('assignments', () => {
  function run(text: string, guest: FakeGuest) {
    const statement = parseStatement(text);
    if (statement.kind !== 'assignment') throw new Error('no assignment');
    return assign(statement, guest);
  }

  it('change registers and memory', () => {
    const guest = new FakeGuest();
    run('ebx = 0x20', guest);
    expect(guest.register('ebx')?.value).toBe(0x20n);
    run('ebx += 4', guest);
    expect(guest.register('ebx')?.value).toBe(0x24n);
    run('al = -1', guest);
    expect(guest.register('al')?.value).toBe(0xffn);
    run('word [table] = 0x1234', guest);
    expect([...guest.memory.subarray(0x1000, 0x1003)]).toEqual([0x34, 0x12, 0]);
    run('byte [table] <<= 1', guest);
    expect(guest.memory[0x1000]).toBe(0x68);
  });

  it('refuse what does not fit or cannot be assigned to', () => {
    const guest = new FakeGuest();
    expect(() => run('al = 256', guest)).toThrow('column 4: the value does not fit 8 bits');
    expect(() => run('COUNT = 1', guest)).toThrow('only a register or [memory] can be assigned to');
    expect(() => run('5 = 1', guest)).toThrow('only a register');
    expect(() => run('ebx = = 1', guest)).toThrow(ExpressionError);
  });
});

describe('values as text', () => {
  it('explains them in the console', () => {
    const guest = new FakeGuest();
    const explain = (text: string) => explainValue(compile(parseExpression(text), guest)());
    expect(explain('al')).toBe('0xff  255  -1');
    expect(explain("byte 'A'")).toBe("0x41  65  'A'");
    expect(explain('100')).toBe('100  0x64');
    expect(explain('zf')).toBe('1');
  });
});

describe('any text', () => {
  it('is an expression or has one clear error', () => {
    const words = fc.constantFrom(
      'eax',
      '[',
      ']',
      '(',
      ')',
      '+',
      '-',
      ':',
      'es',
      'byte',
      '0x10',
      'table',
      '==',
      '&&',
      '=',
      '$',
      '.',
      "'a'",
      '!',
      '<<',
      ' ',
    );
    const texts = fc.oneof(
      fc.array(words, { maxLength: 12 }).map((parts) => parts.join(' ')),
      fc.string({ maxLength: 40 }),
    );
    fc.assert(
      fc.property(texts, (text) => {
        try {
          evaluate(text);
        } catch (error) {
          if (!(error instanceof ExpressionError)) throw error;
          expect(error.message).toMatch(/^column \d+: [^\n]+/);
        }
      }),
      { numRuns: 5000 },
    );
  });
});
