/** Moves into, out of and among MMX and XMM registers; shuffles and blends of floating-point lanes. */
import { rows } from './builder';
import type { Form, RowSource, Traits } from './builder';

const MMX: Traits = { feature: 'mmx' };
const SSE: Traits = { feature: 'sse' };
const SSE2: Traits = { feature: 'sse2' };
const SSE3: Traits = { feature: 'sse3' };
const SSE41: Traits = { feature: 'sse4.1' };

/** All 128 bits, to memory and back: one meaning with the address aligned, one without. */
const aligned = (traits: Traits): Traits => ({ ...traits, semantics: 'moveAligned' });
const unaligned = (traits: Traits): Traits => ({ ...traits, semantics: 'moveUnaligned' });
/** Past the caches; the processor may do otherwise, and does. */
const storeAligned = aligned;

const LOW_PACKED = 'Move Low Packed';
const HIGH_PACKED = 'Move High Packed';
const MOVD = 'MOVD/MOVQ—Move Doubleword/Move Quadword';
const MOVQ = 'MOVQ—Move Quadword';

const only64: Traits = { modes: [64] };
const moves = (mnemonic: string, manual: string, traits: Traits, forms: readonly Form[]): RowSource[] =>
  rows(mnemonic, `${mnemonic.toUpperCase()}—${manual}`, traits, forms);

export const VECTOR_MOVES: readonly RowSource[] = [
  ...rows('movd', MOVD, {}, [
    ['NP 0F 6E /r: Pd,Ed', MMX],
    ['NP 0F 7E /r: Ed,Pd', MMX],
    ['66 0F 6E /r: Vd,Ed', SSE2],
    ['66 0F 7E /r: Ed,Vd', SSE2],
  ]),
  ...rows('movq', MOVQ, {}, [
    ['NP 0F 6F /r: Pq,Qq', MMX],
    ['NP 0F 7F /r: Qq,Pq', MMX],
    ['NP o64 0F 6E /r: Pq,Eq', { ...MMX, ...only64, aliases: ['movd'] }],
    ['NP o64 0F 7E /r: Eq,Pq', { ...MMX, ...only64, aliases: ['movd'] }],
    ['F3 0F 7E /r: Vq,Wq', SSE2],
    ['66 0F D6 /r: Wq,Vq', SSE2],
    ['66 o64 0F 6E /r: Vq,Eq', { ...SSE2, ...only64 }],
    ['66 o64 0F 7E /r: Eq,Vq', { ...SSE2, ...only64 }],
  ]),
  ...moves('movq2dq', 'Move Quadword From MMX Technology to XMM Register', { ...SSE2, semantics: 'movq' }, ['F3 0F D6 /r: Vdq,Nq']),
  ...moves('movdq2q', 'Move Quadword From XMM to MMX Technology Register', { ...SSE2, semantics: 'movq' }, ['F2 0F D6 /r: Pq,Uq']),

  ...moves('movaps', 'Move Aligned Packed Single Precision Floating-Point Values', aligned(SSE), [
    'NP 0F 28 /r: Vps,Wps',
    'NP 0F 29 /r: Wps,Vps',
  ]),
  ...moves('movapd', 'Move Aligned Packed Double Precision Floating-Point Values', aligned(SSE2), [
    '66 0F 28 /r: Vpd,Wpd',
    '66 0F 29 /r: Wpd,Vpd',
  ]),
  ...moves('movups', 'Move Unaligned Packed Single Precision Floating-Point Values', unaligned(SSE), [
    'NP 0F 10 /r: Vps,Wps',
    'NP 0F 11 /r: Wps,Vps',
  ]),
  ...moves('movupd', 'Move Unaligned Packed Double Precision Floating-Point Values', unaligned(SSE2), [
    '66 0F 10 /r: Vpd,Wpd',
    '66 0F 11 /r: Wpd,Vpd',
  ]),
  ...moves('movdqa', 'Move Aligned Packed Integer Values', aligned(SSE2), ['66 0F 6F /r: Vx,Wx', '66 0F 7F /r: Wx,Vx']),
  ...moves('movdqu', 'Move Unaligned Packed Integer Values', unaligned(SSE2), ['F3 0F 6F /r: Vx,Wx', 'F3 0F 7F /r: Wx,Vx']),
  ...moves('lddqu', 'Load Unaligned Integer 128 Bits', unaligned(SSE3), ['F2 0F F0 /r: Vx,Mx']),

  ...moves('movss', 'Move or Merge Scalar Single Precision Floating-Point Value', SSE, ['F3 0F 10 /r: Vss,Wss', 'F3 0F 11 /r: Wss,Vss']),
  ...moves('movsd', 'Move or Merge Scalar Double Precision Floating-Point Value', SSE2, ['F2 0F 10 /r: Vsd,Wsd', 'F2 0F 11 /r: Wsd,Vsd']),
  ...moves('movlps', `${LOW_PACKED} Single Precision Floating-Point Values`, SSE, [
    ['NP 0F 12 /r: Vq,Mq', { semantics: 'loadLow' }],
    ['NP 0F 13 /r: Mq,Vq', { semantics: 'storeLow' }],
  ]),
  ...moves('movlpd', `${LOW_PACKED} Double Precision Floating-Point Value`, SSE2, [
    ['66 0F 12 /r: Vq,Mq', { semantics: 'loadLow' }],
    ['66 0F 13 /r: Mq,Vq', { semantics: 'storeLow' }],
  ]),
  ...moves('movhps', `${HIGH_PACKED} Single Precision Floating-Point Values`, SSE, [
    ['NP 0F 16 /r: Vq,Mq', { semantics: 'loadHigh' }],
    ['NP 0F 17 /r: Mq,Vq', { semantics: 'storeHigh' }],
  ]),
  ...moves('movhpd', `${HIGH_PACKED} Double Precision Floating-Point Value`, SSE2, [
    ['66 0F 16 /r: Vq,Mq', { semantics: 'loadHigh' }],
    ['66 0F 17 /r: Mq,Vq', { semantics: 'storeHigh' }],
  ]),
  ...moves('movhlps', 'Move Packed Single Precision Floating-Point Values High to Low', SSE, ['NP 0F 12 /r: Vq,Uq']),
  ...moves('movlhps', 'Move Packed Single Precision Floating-Point Values Low to High', SSE, ['NP 0F 16 /r: Vq,Uq']),
  ...moves('movsldup', 'Replicate Single Precision Floating-Point Values', SSE3, ['F3 0F 12 /r: Vps,Wps']),
  ...moves('movshdup', 'Replicate Single Precision Floating-Point Values', SSE3, ['F3 0F 16 /r: Vps,Wps']),
  ...moves('movddup', 'Replicate Double Precision Floating-Point Values', SSE3, ['F2 0F 12 /r: Vq,Wq']),

  ...moves('movntps', 'Store Packed Single Precision Floating-Point Values Using Non-Temporal Hint', storeAligned(SSE), [
    'NP 0F 2B /r: Mps,Vps',
  ]),
  ...moves('movntpd', 'Store Packed Double Precision Floating-Point Values Using Non-Temporal Hint', storeAligned(SSE2), [
    '66 0F 2B /r: Mpd,Vpd',
  ]),
  ...moves('movntdq', 'Store Packed Integers Using Non-Temporal Hint', storeAligned(SSE2), ['66 0F E7 /r: Mx,Vx']),
  ...moves('movntdqa', 'Load Double Quadword Non-Temporal Aligned Hint', aligned(SSE41), ['66 0F 38 2A /r: Vx,Mx']),
  ...moves('movntq', 'Store of Quadword Using Non-Temporal Hint', { ...SSE, semantics: 'movq' }, ['NP 0F E7 /r: Mq,Pq']),
  ...moves('movnti', 'Store Doubleword Using Non-Temporal Hint', { ...SSE2, semantics: 'mov' }, ['NP 0F C3 /r: My,Gy']),
  ...moves('maskmovq', 'Store Selected Bytes of Quadword', { ...SSE, semantics: 'maskmov' }, ['NP 0F F7 /r: BDq,Pq,Nq']),
  ...moves('maskmovdqu', 'Store Selected Bytes of Double Quadword', { ...SSE2, semantics: 'maskmov' }, ['66 0F F7 /r: BDdq,Vdq,Udq']),

  ...moves('movmskps', 'Extract Packed Single Precision Floating-Point Sign Mask', SSE, ['NP 0F 50 /r: Gy,Ups']),
  ...moves('movmskpd', 'Extract Packed Double Precision Floating-Point Sign Mask', SSE2, ['66 0F 50 /r: Gy,Upd']),
  ...moves('pmovmskb', 'Move Byte Mask', {}, [
    ['NP 0F D7 /r: Gd,Nq', SSE],
    ['66 0F D7 /r: Gd,Ux', SSE2],
  ]),
  ...moves('pinsrw', 'Insert Word', {}, [
    ['NP 0F C4 /r: Pq,Rd/Mw,Ib', SSE],
    ['66 0F C4 /r: Vdq,Ry/Mw,Ib', SSE2],
  ]),
  ...rows('pextrw', 'PEXTRW—Extract Word', {}, [
    ['NP 0F C5 /r: Gd,Nq,Ib', SSE],
    ['66 0F C5 /r: Gy,Udq,Ib', SSE2],
    ['66 0F 3A 15 /r: Ry/Mw,Vdq,Ib', SSE41],
  ]),
  ...rows('pextrb', 'PEXTRB/PEXTRD/PEXTRQ—Extract Byte/Dword/Qword', SSE41, ['66 0F 3A 14 /r: Ry/Mb,Vdq,Ib']),
  ...rows('pextrd', 'PEXTRB/PEXTRD/PEXTRQ—Extract Byte/Dword/Qword', SSE41, ['66 0F 3A 16 /r: Ed,Vdq,Ib']),
  ...rows('pextrq', 'PEXTRB/PEXTRD/PEXTRQ—Extract Byte/Dword/Qword', { ...SSE41, ...only64 }, ['66 o64 0F 3A 16 /r: Eq,Vdq,Ib']),
  ...rows('pinsrb', 'PINSRB/PINSRD/PINSRQ—Insert Byte/Dword/Qword', SSE41, ['66 0F 3A 20 /r: Vdq,Rd/Mb,Ib']),
  ...rows('pinsrd', 'PINSRB/PINSRD/PINSRQ—Insert Byte/Dword/Qword', SSE41, ['66 0F 3A 22 /r: Vdq,Ed,Ib']),
  ...rows('pinsrq', 'PINSRB/PINSRD/PINSRQ—Insert Byte/Dword/Qword', { ...SSE41, ...only64 }, ['66 o64 0F 3A 22 /r: Vdq,Eq,Ib']),
  ...moves('extractps', 'Extract Packed Floating-Point Values', SSE41, ['66 0F 3A 17 /r: Ry/Md,Vdq,Ib']),
  ...moves('insertps', 'Insert Scalar Single Precision Floating-Point Value', SSE41, ['66 0F 3A 21 /r: Vdq,Udq/Md,Ib']),

  ...moves('unpcklps', 'Unpack and Interleave Low Packed Single Precision Floating-Point Values', { ...SSE, semantics: 'punpckldq' }, [
    'NP 0F 14 /r: Vps,Wps',
  ]),
  ...moves('unpcklpd', 'Unpack and Interleave Low Packed Double Precision Floating-Point Values', { ...SSE2, semantics: 'punpcklqdq' }, [
    '66 0F 14 /r: Vpd,Wpd',
  ]),
  ...moves('unpckhps', 'Unpack and Interleave High Packed Single Precision Floating-Point Values', { ...SSE, semantics: 'punpckhdq' }, [
    'NP 0F 15 /r: Vps,Wps',
  ]),
  ...moves('unpckhpd', 'Unpack and Interleave High Packed Double Precision Floating-Point Values', { ...SSE2, semantics: 'punpckhqdq' }, [
    '66 0F 15 /r: Vpd,Wpd',
  ]),
  ...moves('shufps', 'Packed Interleave Shuffle of Quadruplets of Single Precision Floating-Point Values', SSE, [
    'NP 0F C6 /r: Vps,Wps,Ib',
  ]),
  ...moves('shufpd', 'Packed Interleave Shuffle of Pairs of Double Precision Floating-Point Values', SSE2, ['66 0F C6 /r: Vpd,Wpd,Ib']),
  ...moves('blendps', 'Blend Packed Single Precision Floating-Point Values', SSE41, ['66 0F 3A 0C /r: Vps,Wps,Ib']),
  ...moves('blendpd', 'Blend Packed Double Precision Floating-Point Values', SSE41, ['66 0F 3A 0D /r: Vpd,Wpd,Ib']),
  ...moves('blendvps', 'Variable Blend Packed Single Precision Floating-Point Values', SSE41, ['66 0F 38 14 /r: Vps,Wps']),
  ...moves('blendvpd', 'Variable Blend Packed Double Precision Floating-Point Values', SSE41, ['66 0F 38 15 /r: Vpd,Wpd']),
];
