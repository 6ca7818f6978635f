import { describe, expect, test } from 'vitest';
import { INSTRUCTIONS, ROWS_BY_SPELLING } from '../../src/isa/table';
import { opcodeNumbers, VEX_MAPS } from '../../src/isa/decoder-lookup';
import { parseEncoding } from '../../src/isa/encoding';
import { parseOperandCode } from '../../src/isa/operand-codes';

describe('the instruction table', () => {
  test('numbers its rows by their place', () => {
    INSTRUCTIONS.forEach((row, index) => expect(row.id).toBe(index));
  });

  test('is written in its own notation throughout', () => {
    for (const row of INSTRUCTIONS) {
      expect(() => parseEncoding(row.encoding), `${row.mnemonic} ${row.encoding}`).not.toThrow();
      for (const code of row.operands) expect(() => parseOperandCode(code), `${row.mnemonic} ${row.encoding}`).not.toThrow();
    }
  });

  test('has its opcodes where they are looked for', () => {
    for (const { encoding } of INSTRUCTIONS) {
      const { map, vex, opcode, plusRegister } = parseEncoding(encoding);
      const first = ((map + (vex === undefined ? 0 : VEX_MAPS)) << 8) | opcode;
      expect(opcodeNumbers(encoding), encoding).toEqual({ first, count: plusRegister ? 8 : 1 });
    }
  });

  test('says nothing twice about an encoding', () => {
    const seen = new Map<string, string>();
    for (const row of INSTRUCTIONS) {
      for (const mode of row.modes) {
        const codes = row.operands.map(parseOperandCode);
        // One encoding may mean one thing with memory and another with a register.
        const form = codes.some(({ method }) => method === 'memory')
          ? 'memory'
          : codes.some(({ method }) => method === 'rmRegister')
            ? 'register'
            : '';
        const key = `${mode} ${row.encoding} ${form}`;
        expect(seen.get(key), key).toBeUndefined();
        seen.set(key, row.mnemonic);
      }
    }
  });

  test('uses flag letters of its own alphabet, each once', () => {
    for (const row of INSTRUCTIONS) {
      for (const letters of [row.flags.read, row.flags.written + row.flags.undefined]) {
        expect(letters, row.mnemonic).toMatch(/^[oditszapcn]*$/);
        expect(new Set(letters).size, row.mnemonic).toBe(letters.length);
      }
    }
  });

  test('finds a row under each of its spellings', () => {
    expect(ROWS_BY_SPELLING.get('jz')).toEqual(ROWS_BY_SPELLING.get('je'));
    expect(ROWS_BY_SPELLING.get('pushf')?.map((row) => row.mnemonic)).toEqual(['pushf', 'pushfd', 'pushfq']);
  });
});
