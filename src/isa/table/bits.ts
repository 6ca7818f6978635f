/** Bit tests, bit scans and conditional bytes. */
import { rows } from './builder';
import type { RowSource, Traits } from './builder';
import { CONDITIONS } from './conditions';

const TEST: Traits = { writes: 'c', undefines: 'osap', feature: '80386' };
const CHANGE: Traits = { ...TEST, lockable: true };
const SCAN: Traits = { writes: 'z', undefines: 'osapc', feature: '80386' };

export const BIT_OPERATIONS: readonly RowSource[] = [
  ...rows('bt', 'BT—Bit Test', TEST, ['0F A3 /r: Ev,Gv', '0F BA /4: Ev,Ib']),
  ...rows('bts', 'BTS—Bit Test and Set', CHANGE, ['0F AB /r: Ev,Gv', '0F BA /5: Ev,Ib']),
  ...rows('btr', 'BTR—Bit Test and Reset', CHANGE, ['0F B3 /r: Ev,Gv', '0F BA /6: Ev,Ib']),
  ...rows('btc', 'BTC—Bit Test and Complement', CHANGE, ['0F BB /r: Ev,Gv', '0F BA /7: Ev,Ib']),
  ...rows('bsf', 'BSF—Bit Scan Forward', SCAN, ['0F BC /r: Gv,Ev']),
  ...rows('bsr', 'BSR—Bit Scan Reverse', SCAN, ['0F BD /r: Gv,Ev']),
  ...CONDITIONS.flatMap(({ name, aliases, reads }, condition) =>
    rows(
      `set${name}`,
      'SETcc—Set Byte on Condition',
      { aliases: aliases.map((alias) => `set${alias}`), reads, condition, semantics: 'setcc', feature: '80386' },
      [`0F 9${condition.toString(16).toUpperCase()} /r: Eb`],
    ),
  ),
];
