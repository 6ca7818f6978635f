/** Data movement among general registers, memory, segment and system registers. */
import { rows, NOT_IN_64, ONLY_IN_64, STATUS_FLAGS } from './builder';
import type { RowSource, Traits } from './builder';
import { CONDITIONS } from './conditions';

/** Segment loads compare with the CPL and end a block: bases, limits and (SS) the interrupt shadow change. */
const SEGMENT_LOAD: Traits = { privilege: 'sensitive', flow: 'serialize' };
const CONTROL_READ: Traits = { privilege: 'privileged', undefines: STATUS_FLAGS, feature: '80386', size64: 'always64' };
const CONTROL_WRITE: Traits = { ...CONTROL_READ, flow: 'serialize' };
const TEST_REGISTER: Traits = { ...CONTROL_READ, ...NOT_IN_64 };

const CONTROL = 'MOV—Move to/from Control Registers';
const DEBUG = 'MOV—Move to/from Debug Registers';
const TEST = 'MOV—Move to/from Test Registers';
const POINTER = 'LDS/LES/LFS/LGS/LSS—Load Far Pointer';
const SIGN = 'MOVSX/MOVSXD—Move With Sign-Extension';

const pointer = (segment: string, traits: Traits, encoding: string): RowSource[] =>
  rows(`l${segment}`, POINTER, { ...SEGMENT_LOAD, semantics: 'loadFarPointer', ...traits }, [`${encoding} /r: Gv,Mp`]);

export const MOVES: readonly RowSource[] = [
  ...rows('mov', 'MOV—Move', {}, [
    'A0: AL,Ob',
    'A1: rAX,Ov',
    'A2: Ob,AL',
    'A3: Ov,rAX',
    '88 /r: Eb,Gb',
    '89 /r: Ev,Gv',
    '8A /r: Gb,Eb',
    '8B /r: Gv,Ev',
    'B0+r: Zb,Ib',
    'B8+r: Zv,Iv',
    'C6 /0: Eb,Ib',
    'C7 /0: Ev,Iz',
  ]),
  ...rows('mov', 'MOV—Move', {}, [
    ['8C /r: Rv/Mw,Sw', { semantics: 'movFromSegment', privilege: 'sensitive' }],
    ['8E /r: Sw,Ew', { semantics: 'movToSegment', ...SEGMENT_LOAD }],
  ]),
  ...rows('mov', CONTROL, {}, [
    ['0F 20 /r: Rd,Cd', { semantics: 'movFromControl', ...CONTROL_READ }],
    ['0F 22 /r: Cd,Rd', { semantics: 'movToControl', ...CONTROL_WRITE }],
  ]),
  ...rows('mov', DEBUG, {}, [
    ['0F 21 /r: Rd,Dd', { semantics: 'movFromDebug', ...CONTROL_READ }],
    ['0F 23 /r: Dd,Rd', { semantics: 'movToDebug', ...CONTROL_WRITE }],
  ]),
  ...rows('mov', TEST, TEST_REGISTER, [
    ['0F 24 /r: Rd,Td', { semantics: 'movFromTest' }],
    ['0F 26 /r: Td,Rd', { semantics: 'movToTest', flow: 'serialize' }],
  ]),

  ...rows('movzx', 'MOVZX—Move With Zero-Extend', { feature: '80386' }, ['0F B6 /r: Gv,Eb', '0F B7 /r: Gv,Ew']),
  ...rows('movsx', SIGN, { feature: '80386' }, ['0F BE /r: Gv,Eb', '0F BF /r: Gv,Ew']),
  ...rows('movsxd', SIGN, { semantics: 'movsx', ...ONLY_IN_64 }, ['63 /r: Gv,Ez']),

  ...rows('nop', 'NOP—No Operation', {}, ['90']),
  ...rows('pause', 'PAUSE—Spin Loop Hint', {}, ['F3 90']),
  ...rows('xchg', 'XCHG—Exchange Register/Memory With Register', { lockable: true }, ['90+r: Zv,rAX', '86 /r: Eb,Gb', '87 /r: Ev,Gv']),
  ...rows('bswap', 'BSWAP—Byte Swap', { feature: '80486' }, ['0F C8+r: Zv']),
  ...CONDITIONS.flatMap(({ name, aliases, reads }, condition) =>
    rows(
      `cmov${name}`,
      'CMOVcc—Conditional Move',
      { aliases: aliases.map((alias) => `cmov${alias}`), reads, condition, semantics: 'cmovcc', feature: 'cmov' },
      [`0F 4${condition.toString(16).toUpperCase()} /r: Gv,Ev`],
    ),
  ),

  ...rows('lea', 'LEA—Load Effective Address', {}, ['8D /r: Gv,M']),
  ...rows('xlatb', 'XLAT/XLATB—Table Look-up Translation', { aliases: ['xlat'], semantics: 'xlat' }, ['D7: BBb']),
  ...pointer('es', NOT_IN_64, 'C4'),
  ...pointer('ds', NOT_IN_64, 'C5'),
  ...pointer('ss', { feature: '80386' }, '0F B2'),
  ...pointer('fs', { feature: '80386' }, '0F B4'),
  ...pointer('gs', { feature: '80386' }, '0F B5'),
];
