/** Floating point in XMM registers: arithmetic, comparisons, conversions, rounding. */
import { rows, STATUS_FLAGS } from './builder';
import type { RowSource, Traits } from './builder';

const SSE: Traits = { feature: 'sse' };
const SSE2: Traits = { feature: 'sse2' };
const SSE3: Traits = { feature: 'sse3' };
const SSE41: Traits = { feature: 'sse4.1' };

const NAMES = { ps: 'Packed Single', pd: 'Packed Double', ss: 'Scalar Single', sd: 'Scalar Double' } as const;
const PREFIXES = { ps: 'NP', pd: '66', ss: 'F3', sd: 'F2' } as const;
type Kind = keyof typeof NAMES;
const KINDS: readonly Kind[] = ['ps', 'pd', 'ss', 'sd'];

const featureOf = (kind: Kind): Traits => (kind === 'ps' || kind === 'ss' ? SSE : SSE2);

/** One operation on packed and scalar singles and doubles, told apart by the mandatory prefix. */
function family(name: string, verb: string, opcode: string, kinds = KINDS, more = ''): RowSource[] {
  return kinds.flatMap((kind) => {
    const mnemonic = `${name}${kind}`;
    const manual = `${mnemonic.toUpperCase()}—${verb} ${NAMES[kind]} Precision Floating-Point Values`;
    return rows(mnemonic, manual, featureOf(kind), [`${PREFIXES[kind]} 0F ${opcode} /r: V${kind},W${kind}${more}`]);
  });
}

const PACKED: readonly Kind[] = ['ps', 'pd'];
const SINGLE: readonly Kind[] = ['ps', 'ss'];

/** Of bits: the same as on integers. */
const bitwise = (name: string, verb: string, opcode: string, semantics: string): RowSource[] =>
  family(name, verb, opcode, PACKED).map((row) => ({ ...row, semantics }));

const compare = (name: string, opcode: string): RowSource[] =>
  (['ss', 'sd'] as const).flatMap((kind) => {
    const manual = `${name.toUpperCase()}${kind.toUpperCase()}—Compare ${NAMES[kind]} Precision Floating-Point Values and Set EFLAGS`;
    return rows(`${name}${kind}`, manual, { ...featureOf(kind), writes: STATUS_FLAGS }, [
      `${kind === 'ss' ? 'NP' : '66'} 0F ${opcode} /r: V${kind},W${kind}`,
    ]);
  });

const conversion = (mnemonic: string, traits: Traits, form: string): RowSource[] =>
  rows(mnemonic, `${mnemonic.toUpperCase()}—Convert`, traits, [form]);

const horizontal = (name: string, verb: string, opcode: string): RowSource[] => [
  ...rows(`${name}pd`, `${name.toUpperCase()}PD—Packed Double Precision Floating-Point ${verb}`, SSE3, [`66 0F ${opcode} /r: Vpd,Wpd`]),
  ...rows(`${name}ps`, `${name.toUpperCase()}PS—Packed Single Precision Floating-Point ${verb}`, SSE3, [`F2 0F ${opcode} /r: Vps,Wps`]),
];

const round = (kind: Kind, opcode: string): RowSource[] =>
  rows(`round${kind}`, `ROUND${kind.toUpperCase()}—Round ${NAMES[kind]} Precision Floating-Point Values`, SSE41, [
    `66 0F 3A ${opcode} /r: V${kind},W${kind},Ib`,
  ]);

export const PACKED_FLOAT: readonly RowSource[] = [
  ...family('add', 'Add', '58'),
  ...family('mul', 'Multiply', '59'),
  ...family('sub', 'Subtract', '5C'),
  ...family('min', 'Minimum of', '5D'),
  ...family('div', 'Divide', '5E'),
  ...family('max', 'Maximum of', '5F'),
  ...family('sqrt', 'Square Root of', '51'),
  ...family('rsqrt', 'Compute Reciprocals of Square Roots of', '52', SINGLE),
  ...family('rcp', 'Compute Reciprocals of', '53', SINGLE),
  ...family('cmp', 'Compare', 'C2', KINDS, ',Ib'),
  ...compare('ucomi', '2E'),
  ...compare('comi', '2F'),
  ...bitwise('and', 'Bitwise Logical AND of', '54', 'pand'),
  ...bitwise('andn', 'Bitwise Logical AND NOT of', '55', 'pandn'),
  ...bitwise('or', 'Bitwise Logical OR of', '56', 'por'),
  ...bitwise('xor', 'Bitwise Logical XOR of', '57', 'pxor'),
  ...horizontal('hadd', 'Horizontal Add', '7C'),
  ...horizontal('hsub', 'Horizontal Subtract', '7D'),
  ...horizontal('addsub', 'Add/Subtract', 'D0'),
  ...round('ps', '08'),
  ...round('pd', '09'),
  ...round('ss', '0A'),
  ...round('sd', '0B'),
  ...rows('dpps', 'DPPS—Dot Product of Packed Single Precision Floating-Point Values', SSE41, ['66 0F 3A 40 /r: Vps,Wps,Ib']),
  ...rows('dppd', 'DPPD—Dot Product of Packed Double Precision Floating-Point Values', SSE41, ['66 0F 3A 41 /r: Vpd,Wpd,Ib']),

  ...conversion('cvtpi2ps', SSE, 'NP 0F 2A /r: Vps,Qpi'),
  ...conversion('cvtpi2pd', SSE2, '66 0F 2A /r: Vpd,Qpi'),
  ...conversion('cvtsi2ss', SSE, 'F3 0F 2A /r: Vss,Ey'),
  ...conversion('cvtsi2sd', SSE2, 'F2 0F 2A /r: Vsd,Ey'),
  ...conversion('cvttps2pi', SSE, 'NP 0F 2C /r: Ppi,Wq'),
  ...conversion('cvttpd2pi', SSE2, '66 0F 2C /r: Ppi,Wpd'),
  ...conversion('cvttss2si', SSE, 'F3 0F 2C /r: Gy,Wss'),
  ...conversion('cvttsd2si', SSE2, 'F2 0F 2C /r: Gy,Wsd'),
  ...conversion('cvtps2pi', SSE, 'NP 0F 2D /r: Ppi,Wq'),
  ...conversion('cvtpd2pi', SSE2, '66 0F 2D /r: Ppi,Wpd'),
  ...conversion('cvtss2si', SSE, 'F3 0F 2D /r: Gy,Wss'),
  ...conversion('cvtsd2si', SSE2, 'F2 0F 2D /r: Gy,Wsd'),
  ...conversion('cvtps2pd', SSE2, 'NP 0F 5A /r: Vpd,Wq'),
  ...conversion('cvtpd2ps', SSE2, '66 0F 5A /r: Vps,Wpd'),
  ...conversion('cvtss2sd', SSE2, 'F3 0F 5A /r: Vsd,Wss'),
  ...conversion('cvtsd2ss', SSE2, 'F2 0F 5A /r: Vss,Wsd'),
  ...conversion('cvtdq2ps', SSE2, 'NP 0F 5B /r: Vps,Wx'),
  ...conversion('cvtps2dq', SSE2, '66 0F 5B /r: Vx,Wps'),
  ...conversion('cvttps2dq', SSE2, 'F3 0F 5B /r: Vx,Wps'),
  ...conversion('cvttpd2dq', SSE2, '66 0F E6 /r: Vx,Wpd'),
  ...conversion('cvtdq2pd', SSE2, 'F3 0F E6 /r: Vpd,Wq'),
  ...conversion('cvtpd2dq', SSE2, 'F2 0F E6 /r: Vx,Wpd'),
];
