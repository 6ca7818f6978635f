import { describe, expect, test } from 'vitest';
import { helpForRow, helpForSpelling, syntaxOf } from '../../src/isa/help';
import { SUMMARIES } from '../../src/isa/help/summaries';
import { INSTRUCTIONS, ROWS_BY_SPELLING } from '../../src/isa/table';

describe('help', () => {
  test('has a sentence for every row, and none for nothing', () => {
    for (const row of INSTRUCTIONS) {
      const { summary, privilegeNote, exceptions, since } = helpForRow(row);
      expect(summary, row.mnemonic).toMatch(/^[A-Z].*\.$/);
      expect(summary, row.mnemonic).not.toMatch(/[{}]/);
      expect(privilegeNote, row.mnemonic).toMatch(/\.$/);
      expect(exceptions.length, row.mnemonic).toBeGreaterThan(0);
      expect(since, row.mnemonic).toBeTruthy();
    }
    const used = new Set(INSTRUCTIONS.map(({ semantics }) => semantics));
    expect(Object.keys(SUMMARIES).filter((name) => !used.has(name))).toEqual([]);
  });

  test('gives every spelling its meanings apart', () => {
    for (const spelling of ROWS_BY_SPELLING.keys()) expect(helpForSpelling(spelling).length, spelling).toBeGreaterThan(0);
    expect(helpForSpelling('mov').map(({ forms }) => forms.at(-1)?.syntax)).toEqual([
      'mov r/m16/32/64, imm16/32',
      'mov r16/32/64/m16, Sreg',
      'mov Sreg, r/m16',
      'mov r32/64, CR0-CR8',
      'mov CR0-CR8, r32/64',
      'mov r32/64, DR0-DR7',
      'mov DR0-DR7, r32/64',
      'mov r32, TR3-TR7',
      'mov TR3-TR7, r32',
    ]);
    expect(helpForSpelling('movz')).toEqual([]);
  });

  test('says a condition in words and flags', () => {
    expect(helpForSpelling('jnae')[0]).toMatchObject({
      mnemonic: 'jb',
      summary: 'Jumps if below, unsigned (CF = 1).',
      flags: ['Reads CF.'],
    });
  });

  test('says which exceptions come of privilege and of operands', () => {
    const names = (spelling: string): string[] => helpForSpelling(spelling)[0].exceptions.map(({ name, when }) => `${name} ${when}`);
    expect(names('hlt')).toContain('#GP(0) outside ring 0');
    expect(names('lgdt')).toContain('#UD the operand is a register');
    expect(names('lea').join()).not.toContain('#PF');
    expect(names('add').join()).toContain('#PF');
    expect(names('div')[0]).toMatch(/^#DE /);
  });

  test('leaves implied operands out of the syntax', () => {
    expect(syntaxOf(ROWS_BY_SPELLING.get('movsb')![0])).toBe('movsb');
    expect(syntaxOf(ROWS_BY_SPELLING.get('pusha')![0])).toBe('pusha');
  });
});
