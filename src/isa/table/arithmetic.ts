/** Integer arithmetic, comparison, decimal adjustment and conversion. */
import { rows, NOT_IN_64, ONLY_IN_64, REDUNDANT, STATUS_FLAGS } from './builder';
import type { Form, RowSource, Traits } from './builder';

/**
 * The six forms that the eight two-operand operations share, `n` being the operation's number.
 * In the order in which NASM tries them.
 */
export function binaryForms(n: number): readonly Form[] {
  const opcode = (low: number): string => (n * 8 + low).toString(16).toUpperCase().padStart(2, '0');
  return [
    `${opcode(0)} /r: Eb,Gb`,
    `${opcode(1)} /r: Ev,Gv`,
    `${opcode(2)} /r: Gb,Eb`,
    `${opcode(3)} /r: Gv,Ev`,
    `83 /${n}: Ev,sIb`,
    `${opcode(4)}: AL,Ib`,
    `${opcode(5)}: rAX,Iz`,
    `80 /${n}: Eb,Ib`,
    `81 /${n}: Ev,Iz`,
    [`82 /${n}: Eb,Ib`, { ...NOT_IN_64, ...REDUNDANT }],
  ];
}

const SUM: Traits = { writes: STATUS_FLAGS, lockable: true };
const SUM_WITH_CARRY: Traits = { ...SUM, reads: 'c' };
/** INC and DEC leave the carry alone. */
const COUNT: Traits = { writes: 'oszap', lockable: true };
const PRODUCT: Traits = { writes: 'oc', undefines: 'szap' };
const QUOTIENT: Traits = { undefines: STATUS_FLAGS };
const DECIMAL: Traits = { reads: 'ac', writes: 'szapc', undefines: 'o', ...NOT_IN_64 };
const ASCII: Traits = { reads: 'a', writes: 'ac', undefines: 'oszp', ...NOT_IN_64 };
const ASCII_SCALE: Traits = { writes: 'szp', undefines: 'oac', ...NOT_IN_64 };

const CBW = 'CBW/CWDE/CDQE—Convert Byte to Word/Convert Word to Doubleword/Convert Doubleword to Quadword';
const COMPARE_BYTES = 'CMPXCHG8B/CMPXCHG16B—Compare and Exchange Bytes';
const CWD = 'CWD/CDQ/CQO—Convert Word to Doubleword/Convert Doubleword to Quadword';

export const ARITHMETIC: readonly RowSource[] = [
  ...rows('add', 'ADD—Add', SUM, binaryForms(0)),
  ...rows('adc', 'ADC—Add With Carry', SUM_WITH_CARRY, binaryForms(2)),
  ...rows('sbb', 'SBB—Integer Subtraction With Borrow', SUM_WITH_CARRY, binaryForms(3)),
  ...rows('sub', 'SUB—Subtract', SUM, binaryForms(5)),
  ...rows('cmp', 'CMP—Compare Two Operands', { writes: STATUS_FLAGS }, binaryForms(7)),

  ...rows('inc', 'INC—Increment by 1', COUNT, [['40+r: Zv', NOT_IN_64], 'FE /0: Eb', 'FF /0: Ev']),
  ...rows('dec', 'DEC—Decrement by 1', COUNT, [['48+r: Zv', NOT_IN_64], 'FE /1: Eb', 'FF /1: Ev']),
  ...rows('neg', "NEG—Two's Complement Negation", SUM, ['F6 /3: Eb', 'F7 /3: Ev']),

  ...rows('mul', 'MUL—Unsigned Multiply', PRODUCT, ['F6 /4: Eb', 'F7 /4: Ev']),
  ...rows('imul', 'IMUL—Signed Multiply', PRODUCT, [
    'F6 /5: Eb',
    'F7 /5: Ev',
    ['0F AF /r: Gv,Ev', { semantics: 'imulLow', feature: '80386' }],
    ['6B /r: Gv,Ev,sIb', { semantics: 'imulLow', feature: '80186' }],
    ['69 /r: Gv,Ev,Iz', { semantics: 'imulLow', feature: '80186' }],
  ]),
  ...rows('div', 'DIV—Unsigned Divide', QUOTIENT, ['F6 /6: Eb', 'F7 /6: Ev']),
  ...rows('idiv', 'IDIV—Signed Divide', QUOTIENT, ['F6 /7: Eb', 'F7 /7: Ev']),

  ...rows('daa', 'DAA—Decimal Adjust AL After Addition', DECIMAL, ['27']),
  ...rows('das', 'DAS—Decimal Adjust AL After Subtraction', DECIMAL, ['2F']),
  ...rows('aaa', 'AAA—ASCII Adjust After Addition', ASCII, ['37']),
  ...rows('aas', 'AAS—ASCII Adjust AL After Subtraction', ASCII, ['3F']),
  ...rows('aam', 'AAM—ASCII Adjust AX After Multiply', ASCII_SCALE, ['D4: Ib']),
  ...rows('aad', 'AAD—ASCII Adjust AX Before Division', ASCII_SCALE, ['D5: Ib']),

  ...rows('cbw', CBW, { semantics: 'cbw' }, ['o16 98']),
  ...rows('cwde', CBW, { semantics: 'cbw', feature: '80386' }, ['o32 98']),
  ...rows('cdqe', CBW, { semantics: 'cbw', ...ONLY_IN_64 }, ['o64 98']),
  ...rows('cwd', CWD, { semantics: 'cwd' }, ['o16 99']),
  ...rows('cdq', CWD, { semantics: 'cwd', feature: '80386' }, ['o32 99']),
  ...rows('cqo', CWD, { semantics: 'cwd', ...ONLY_IN_64 }, ['o64 99']),

  ...rows('xadd', 'XADD—Exchange and Add', { ...SUM, feature: '80486' }, ['0F C0 /r: Eb,Gb', '0F C1 /r: Ev,Gv']),
  ...rows('cmpxchg', 'CMPXCHG—Compare and Exchange', { ...SUM, feature: '80486' }, ['0F B0 /r: Eb,Gb', '0F B1 /r: Ev,Gv']),
  ...rows('cmpxchg8b', COMPARE_BYTES, { writes: 'z', lockable: true, feature: 'cx8' }, ['0F C7 /1: Mq']),
  ...rows('cmpxchg16b', COMPARE_BYTES, { writes: 'z', lockable: true, modes: [64], feature: 'cx16' }, ['o64 0F C7 /1: Mdq']),
];
