/** Packed integers in MMX and XMM registers: arithmetic, comparisons, logic, shifts, packing. */
import { rows } from './builder';
import type { RowSource, Traits } from './builder';

const MMX: Traits = { feature: 'mmx' };
/** The MMX forms that SSE, SSE2 and SSSE3 added. */
const SSE: Traits = { feature: 'sse' };
const SSE2: Traits = { feature: 'sse2' };
const SSSE3: Traits = { feature: 'ssse3' };
const SSE41: Traits = { feature: 'sse4.1' };

/** Mnemonic, opcode byte. */
type Names = Readonly<Record<string, string>>;

/** The same operation on 64 bits of MMX and 128 bits of XMM registers. */
function pairs(
  manual: string,
  names: Names,
  mmx: Traits = MMX,
  map = '0F',
  xmm: Traits = SSE2,
  operands = ['Pq,Qq', 'Vx,Wx'],
): RowSource[] {
  return Object.entries(names).flatMap(([mnemonic, opcode]) =>
    rows(mnemonic, manual, {}, [
      [`NP ${map} ${opcode} /r: ${operands[0]}`, mmx],
      [`66 ${map} ${opcode} /r: ${operands[1]}`, xmm],
    ]),
  );
}

const ssse3 = (manual: string, names: Names): RowSource[] => pairs(manual, names, SSSE3, '0F 38', SSSE3);

/** On XMM registers alone. */
function vectors(manual: string, traits: Traits, map: string, names: Names, operands = 'Vx,Wx'): RowSource[] {
  return Object.entries(names).flatMap(([mnemonic, opcode]) => rows(mnemonic, manual, traits, [`66 ${map} ${opcode} /r: ${operands}`]));
}

const sse41 = (manual: string, names: Names): RowSource[] => vectors(manual, SSE41, '0F 38', names);

/** By a count in a register or memory, and by an immediate count. */
function shift(mnemonic: string, manual: string, opcode: string, immediate: string): RowSource[] {
  return rows(mnemonic, manual, {}, [
    [`NP 0F ${opcode} /r: Pq,Qq`, MMX],
    [`NP 0F ${immediate}: Nq,Ib`, MMX],
    [`66 0F ${opcode} /r: Vx,Wx`, SSE2],
    [`66 0F ${immediate}: Ux,Ib`, SSE2],
  ]);
}

const PADD = 'PADDB/PADDW/PADDD/PADDQ—Add Packed Integers';
const PSUB = 'PSUBB/PSUBW/PSUBD—Subtract Packed Integers';
const UNPACK_LOW = 'PUNPCKLBW/PUNPCKLWD/PUNPCKLDQ/PUNPCKLQDQ—Unpack Low Data';
const UNPACK_HIGH = 'PUNPCKHBW/PUNPCKHWD/PUNPCKHDQ/PUNPCKHQDQ—Unpack High Data';
const PACK = 'PACKSSWB/PACKSSDW—Pack With Signed Saturation';
const SHIFT_LEFT = 'PSLLW/PSLLD/PSLLQ—Shift Packed Data Left Logical';
const SHIFT_RIGHT = 'PSRLW/PSRLD/PSRLQ—Shift Packed Data Right Logical';
const SHIFT_ARITHMETIC = 'PSRAW/PSRAD/PSRAQ—Shift Packed Data Right Arithmetic';
const SIGN_EXTEND = 'PMOVSX—Packed Move With Sign Extend';
const ZERO_EXTEND = 'PMOVZX—Packed Move With Zero Extend';

/** Opcode's low digit, operands by the width that is extended. */
const EXTENSIONS: readonly (readonly [name: string, digit: number, memory: string])[] = [
  ['bw', 0, 'q'],
  ['bd', 1, 'd'],
  ['bq', 2, 'w'],
  ['wd', 3, 'q'],
  ['wq', 4, 'd'],
  ['dq', 5, 'q'],
];

export const PACKED_INTEGER: readonly RowSource[] = [
  ...pairs(PADD, { paddb: 'FC', paddw: 'FD', paddd: 'FE' }),
  ...pairs(PADD, { paddq: 'D4' }, SSE2),
  ...pairs('PADDSB/PADDSW—Add Packed Signed Integers With Signed Saturation', { paddsb: 'EC', paddsw: 'ED' }),
  ...pairs('PADDUSB/PADDUSW—Add Packed Unsigned Integers With Unsigned Saturation', { paddusb: 'DC', paddusw: 'DD' }),
  ...pairs(PSUB, { psubb: 'F8', psubw: 'F9', psubd: 'FA' }),
  ...pairs('PSUBQ—Subtract Packed Quadword Integers', { psubq: 'FB' }, SSE2),
  ...pairs('PSUBSB/PSUBSW—Subtract Packed Signed Integers With Signed Saturation', { psubsb: 'E8', psubsw: 'E9' }),
  ...pairs('PSUBUSB/PSUBUSW—Subtract Packed Unsigned Integers With Unsigned Saturation', { psubusb: 'D8', psubusw: 'D9' }),
  ...pairs('PMULLW—Multiply Packed Signed Integers and Store Low Result', { pmullw: 'D5' }),
  ...pairs('PMULHW—Multiply Packed Signed Integers and Store High Result', { pmulhw: 'E5' }),
  ...pairs('PMULHUW—Multiply Packed Unsigned Integers and Store High Result', { pmulhuw: 'E4' }, SSE),
  ...pairs('PMULUDQ—Multiply Packed Unsigned Doubleword Integers', { pmuludq: 'F4' }, SSE2),
  ...pairs('PMADDWD—Multiply and Add Packed Integers', { pmaddwd: 'F5' }),
  ...pairs('PAVGB/PAVGW—Average Packed Integers', { pavgb: 'E0', pavgw: 'E3' }, SSE),
  ...pairs('PSADBW—Compute Sum of Absolute Differences', { psadbw: 'F6' }, SSE),
  ...pairs('PMINUB/PMINUW—Minimum of Packed Unsigned Integers', { pminub: 'DA' }, SSE),
  ...pairs('PMINSB/PMINSW—Minimum of Packed Signed Integers', { pminsw: 'EA' }, SSE),
  ...pairs('PMAXUB/PMAXUW—Maximum of Packed Unsigned Integers', { pmaxub: 'DE' }, SSE),
  ...pairs('PMAXSB/PMAXSW/PMAXSD/PMAXSQ—Maximum of Packed Signed Integers', { pmaxsw: 'EE' }, SSE),

  ...pairs('PCMPEQB/PCMPEQW/PCMPEQD—Compare Packed Data for Equal', { pcmpeqb: '74', pcmpeqw: '75', pcmpeqd: '76' }),
  ...pairs('PCMPGTB/PCMPGTW/PCMPGTD—Compare Packed Signed Integers for Greater Than', { pcmpgtb: '64', pcmpgtw: '65', pcmpgtd: '66' }),
  ...pairs('PAND—Logical AND', { pand: 'DB' }),
  ...pairs('PANDN—Logical AND NOT', { pandn: 'DF' }),
  ...pairs('POR—Bitwise Logical OR', { por: 'EB' }),
  ...pairs('PXOR—Logical Exclusive OR', { pxor: 'EF' }),

  ...shift('psllw', SHIFT_LEFT, 'F1', '71 /6'),
  ...shift('pslld', SHIFT_LEFT, 'F2', '72 /6'),
  ...shift('psllq', SHIFT_LEFT, 'F3', '73 /6'),
  ...shift('psrlw', SHIFT_RIGHT, 'D1', '71 /2'),
  ...shift('psrld', SHIFT_RIGHT, 'D2', '72 /2'),
  ...shift('psrlq', SHIFT_RIGHT, 'D3', '73 /2'),
  ...shift('psraw', SHIFT_ARITHMETIC, 'E1', '71 /4'),
  ...shift('psrad', SHIFT_ARITHMETIC, 'E2', '72 /4'),
  ...rows('pslldq', 'PSLLDQ—Shift Double Quadword Left Logical', SSE2, ['66 0F 73 /7: Ux,Ib']),
  ...rows('psrldq', 'PSRLDQ—Shift Double Quadword Right Logical', SSE2, ['66 0F 73 /3: Ux,Ib']),

  ...pairs(PACK, { packsswb: '63', packssdw: '6B' }),
  ...pairs('PACKUSWB—Pack With Unsigned Saturation', { packuswb: '67' }),
  ...pairs(UNPACK_LOW, { punpcklbw: '60', punpcklwd: '61', punpckldq: '62' }, MMX, '0F', SSE2, ['Pq,Qd', 'Vx,Wx']),
  ...vectors(UNPACK_LOW, SSE2, '0F', { punpcklqdq: '6C' }),
  ...pairs(UNPACK_HIGH, { punpckhbw: '68', punpckhwd: '69', punpckhdq: '6A' }),
  ...vectors(UNPACK_HIGH, SSE2, '0F', { punpckhqdq: '6D' }),
  ...rows('pshufw', 'PSHUFW—Shuffle Packed Words', SSE, ['NP 0F 70 /r: Pq,Qq,Ib']),
  ...rows('pshufd', 'PSHUFD—Shuffle Packed Doublewords', SSE2, ['66 0F 70 /r: Vx,Wx,Ib']),
  ...rows('pshufhw', 'PSHUFHW—Shuffle Packed High Words', SSE2, ['F3 0F 70 /r: Vx,Wx,Ib']),
  ...rows('pshuflw', 'PSHUFLW—Shuffle Packed Low Words', SSE2, ['F2 0F 70 /r: Vx,Wx,Ib']),

  ...ssse3('PSHUFB—Packed Shuffle Bytes', { pshufb: '00' }),
  ...ssse3('PHADDW/PHADDD—Packed Horizontal Add', { phaddw: '01', phaddd: '02' }),
  ...ssse3('PHADDSW—Packed Horizontal Add and Saturate', { phaddsw: '03' }),
  ...ssse3('PMADDUBSW—Multiply and Add Packed Signed and Unsigned Bytes', { pmaddubsw: '04' }),
  ...ssse3('PHSUBW/PHSUBD—Packed Horizontal Subtract', { phsubw: '05', phsubd: '06' }),
  ...ssse3('PHSUBSW—Packed Horizontal Subtract and Saturate', { phsubsw: '07' }),
  ...ssse3('PSIGNB/PSIGNW/PSIGND—Packed SIGN', { psignb: '08', psignw: '09', psignd: '0A' }),
  ...ssse3('PMULHRSW—Packed Multiply High With Round and Scale', { pmulhrsw: '0B' }),
  ...ssse3('PABSB/PABSW/PABSD/PABSQ—Packed Absolute Value', { pabsb: '1C', pabsw: '1D', pabsd: '1E' }),
  ...pairs('PALIGNR—Packed Align Right', { palignr: '0F' }, SSSE3, '0F 3A', SSSE3, ['Pq,Qq,Ib', 'Vx,Wx,Ib']),

  ...EXTENSIONS.flatMap(([name, digit, memory]) => [
    ...rows(`pmovsx${name}`, SIGN_EXTEND, SSE41, [`66 0F 38 2${digit} /r: Vx,Ux/M${memory}`]),
    ...rows(`pmovzx${name}`, ZERO_EXTEND, SSE41, [`66 0F 38 3${digit} /r: Vx,Ux/M${memory}`]),
  ]),
  ...sse41('PMULDQ—Multiply Packed Doubleword Integers', { pmuldq: '28' }),
  ...sse41('PMULLD/PMULLQ—Multiply Packed Integers and Store Low Result', { pmulld: '40' }),
  ...sse41('PCMPEQQ—Compare Packed Qword Data for Equal', { pcmpeqq: '29' }),
  ...vectors('PCMPGTQ—Compare Packed Data for Greater Than', { feature: 'sse4.2' }, '0F 38', { pcmpgtq: '37' }),
  ...sse41('PACKUSDW—Pack With Unsigned Saturation', { packusdw: '2B' }),
  ...sse41('PMINSB/PMINSW—Minimum of Packed Signed Integers', { pminsb: '38' }),
  ...sse41('PMINSD/PMINSQ—Minimum of Packed Signed Integers', { pminsd: '39' }),
  ...sse41('PMINUB/PMINUW—Minimum of Packed Unsigned Integers', { pminuw: '3A' }),
  ...sse41('PMINUD/PMINUQ—Minimum of Packed Unsigned Integers', { pminud: '3B' }),
  ...sse41('PMAXSB/PMAXSW/PMAXSD/PMAXSQ—Maximum of Packed Signed Integers', { pmaxsb: '3C', pmaxsd: '3D' }),
  ...sse41('PMAXUB/PMAXUW—Maximum of Packed Unsigned Integers', { pmaxuw: '3E' }),
  ...sse41('PMAXUD/PMAXUQ—Maximum of Packed Unsigned Integers', { pmaxud: '3F' }),
  ...sse41('PHMINPOSUW—Packed Horizontal Word Minimum', { phminposuw: '41' }),
  ...rows('ptest', 'PTEST—Logical Compare', { ...SSE41, writes: 'oszapc' }, ['66 0F 38 17 /r: Vx,Wx']),
  ...sse41('PBLENDVB—Variable Blend Packed Bytes', { pblendvb: '10' }),
  ...vectors('PBLENDW—Blend Packed Words', SSE41, '0F 3A', { pblendw: '0E' }, 'Vx,Wx,Ib'),
  ...vectors('MPSADBW—Compute Multiple Packed Sums of Absolute Difference', SSE41, '0F 3A', { mpsadbw: '42' }, 'Vx,Wx,Ib'),

  ...rows('emms', 'EMMS—Empty MMX Technology State', MMX, ['NP 0F 77']),
];
