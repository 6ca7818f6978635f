/** Stack operations and stack frames. */
import { rows, ALL_FLAGS, NOT_IN_64, ONLY_IN_64, STACK_SIZE } from './builder';
import type { RowSource, Traits } from './builder';

const PUSH = 'PUSH—Push Word, Doubleword, or Quadword Onto the Stack';
const POP = 'POP—Pop a Value From the Stack';
const PUSHA = 'PUSHA/PUSHAD—Push All General-Purpose Registers';
const POPA = 'POPA/POPAD—Pop All General-Purpose Registers';
const PUSHF = 'PUSHF/PUSHFD/PUSHFQ—Push EFLAGS Register Onto the Stack';
const POPF = 'POPF/POPFD/POPFQ—Pop Stack Into EFLAGS Register';

const PUSH_SEGMENT: Traits = { ...STACK_SIZE, semantics: 'pushSegment', privilege: 'sensitive' };
const POP_SEGMENT: Traits = { ...STACK_SIZE, semantics: 'popSegment', privilege: 'sensitive', flow: 'serialize' };
/** At CPL above IOPL neither faults outside virtual-8086 mode, and POPF leaves IF alone: the classic hole. */
const PUSH_FLAGS: Traits = { ...STACK_SIZE, semantics: 'pushf', reads: ALL_FLAGS, privilege: 'sensitive' };
const POP_FLAGS: Traits = { ...STACK_SIZE, semantics: 'popf', writes: ALL_FLAGS, privilege: 'sensitive', flow: 'serialize' };
const ALL: Traits = { ...NOT_IN_64, feature: '80186' };

export const STACK: readonly RowSource[] = [
  ...rows('push', PUSH, STACK_SIZE, ['50+r: Zv', 'FF /6: Ev', ['6A: sIb', { feature: '80186' }], ['68: Iz', { feature: '80186' }]]),
  ...rows('push', PUSH, PUSH_SEGMENT, [
    ['06: ES', NOT_IN_64],
    ['0E: CS', NOT_IN_64],
    ['16: SS', NOT_IN_64],
    ['1E: DS', NOT_IN_64],
    ['0F A0: FS', { feature: '80386' }],
    ['0F A8: GS', { feature: '80386' }],
  ]),
  ...rows('pop', POP, STACK_SIZE, ['58+r: Zv', '8F /0: Ev']),
  ...rows('pop', POP, POP_SEGMENT, [
    ['07: ES', NOT_IN_64],
    ['17: SS', NOT_IN_64],
    ['1F: DS', NOT_IN_64],
    ['0F A1: FS', { feature: '80386' }],
    ['0F A9: GS', { feature: '80386' }],
  ]),

  ...rows('pusha', PUSHA, { ...ALL, aliases: ['pushaw'] }, ['o16 60']),
  ...rows('pushad', PUSHA, { ...ALL, aliases: ['pusha'], semantics: 'pusha', feature: '80386' }, ['o32 60']),
  ...rows('popa', POPA, { ...ALL, aliases: ['popaw'] }, ['o16 61']),
  ...rows('popad', POPA, { ...ALL, aliases: ['popa'], semantics: 'popa', feature: '80386' }, ['o32 61']),

  ...rows('pushf', PUSHF, { ...PUSH_FLAGS, aliases: ['pushfw'] }, ['o16 9C']),
  ...rows('pushfd', PUSHF, { ...PUSH_FLAGS, aliases: ['pushf'], ...NOT_IN_64, feature: '80386' }, ['o32 9C']),
  ...rows('pushfq', PUSHF, { ...PUSH_FLAGS, aliases: ['pushf'], ...ONLY_IN_64 }, ['o64 9C']),
  ...rows('popf', POPF, { ...POP_FLAGS, aliases: ['popfw'] }, ['o16 9D']),
  ...rows('popfd', POPF, { ...POP_FLAGS, aliases: ['popf'], ...NOT_IN_64, feature: '80386' }, ['o32 9D']),
  ...rows('popfq', POPF, { ...POP_FLAGS, aliases: ['popf'], ...ONLY_IN_64 }, ['o64 9D']),

  ...rows('enter', 'ENTER—Make Stack Frame for Procedure Parameters', { ...STACK_SIZE, feature: '80186' }, ['C8: Iw,Ib']),
  ...rows('leave', 'LEAVE—High Level Procedure Exit', { ...STACK_SIZE, feature: '80186' }, ['C9']),
];
