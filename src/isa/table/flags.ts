/** Operations on the flags register. */
import { rows, NOT_IN_64 } from './builder';
import type { RowSource, Traits } from './builder';

/** Needs CPL at or below IOPL, or the virtual interrupt flag. */
const INTERRUPT: Traits = { writes: 'i', privilege: 'privileged', flow: 'serialize' };

export const FLAGS: readonly RowSource[] = [
  ...rows('cmc', 'CMC—Complement Carry Flag', { reads: 'c', writes: 'c' }, ['F5']),
  ...rows('clc', 'CLC—Clear Carry Flag', { writes: 'c' }, ['F8']),
  ...rows('stc', 'STC—Set Carry Flag', { writes: 'c' }, ['F9']),
  ...rows('cli', 'CLI—Clear Interrupt Flag', INTERRUPT, ['FA']),
  ...rows('sti', 'STI—Set Interrupt Flag', INTERRUPT, ['FB']),
  ...rows('cld', 'CLD—Clear Direction Flag', { writes: 'd' }, ['FC']),
  ...rows('std', 'STD—Set Direction Flag', { writes: 'd' }, ['FD']),
  ...rows('sahf', 'SAHF—Store AH Into Flags', { writes: 'szapc' }, ['9E']),
  ...rows('lahf', 'LAHF—Load Status Flags Into AH Register', { reads: 'szapc' }, ['9F']),
  ...rows('salc', 'SALC—Set AL From Carry (undocumented)', { reads: 'c', ...NOT_IN_64 }, ['D6']),
];
