/** Bitwise logic. */
import { rows, REDUNDANT } from './builder';
import type { RowSource, Traits } from './builder';
import { binaryForms } from './arithmetic';

const RESULT: Traits = { writes: 'oszpc', undefines: 'a' };
const LOGIC: Traits = { ...RESULT, lockable: true };

export const LOGICAL: readonly RowSource[] = [
  ...rows('or', 'OR—Logical Inclusive OR', LOGIC, binaryForms(1)),
  ...rows('and', 'AND—Logical AND', LOGIC, binaryForms(4)),
  ...rows('xor', 'XOR—Logical Exclusive OR', LOGIC, binaryForms(6)),
  ...rows('not', "NOT—One's Complement Negation", { lockable: true }, ['F6 /2: Eb', 'F7 /2: Ev']),
  ...rows('test', 'TEST—Logical Compare', RESULT, [
    '84 /r: Eb,Gb',
    '85 /r: Ev,Gv',
    'A8: AL,Ib',
    'A9: rAX,Iz',
    'F6 /0: Eb,Ib',
    'F7 /0: Ev,Iz',
    ['F6 /1: Eb,Ib', REDUNDANT],
    ['F7 /1: Ev,Iz', REDUNDANT],
  ]),
];
