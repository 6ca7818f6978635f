/** String operations and port input and output. */
import { rows } from './builder';
import type { RowSource, Traits } from './builder';

/** Suffix, encoding's size and feature of an operation on each width; `v` operands take their size from the first. */
const WIDE: readonly (readonly [suffix: string, size: string, traits: Traits])[] = [
  ['w', 'o16', {}],
  ['d', 'o32', { feature: '80386' }],
  ['q', 'o64', { feature: 'x86-64', modes: [64] }],
];

/** One opcode for bytes, the next for words, doublewords and quadwords; in `operands`, `@*` is the accumulator and `*` the width. */
function string(name: string, manual: string, byteOpcode: number, operands: string, traits: Traits): RowSource[] {
  const hex = (opcode: number): string => opcode.toString(16).toUpperCase();
  const of = (width: 'b' | 'v'): string => operands.replace('@*', width === 'b' ? 'AL' : 'rAX').replaceAll('*', width);
  const common: Traits = { reads: 'd', semantics: name, ...traits };
  return [
    ...rows(`${name}b`, manual, common, [`${hex(byteOpcode)}: ${of('b')}`]),
    ...WIDE.flatMap(([suffix, size, own]) =>
      rows(`${name}${suffix}`, manual, { ...common, ...own }, [`${size} ${hex(byteOpcode + 1)}: ${of('v')}`]),
    ),
  ];
}

const REP: Traits = { repeat: 'rep' };
/** With a count of zero no comparison is made and the flags stay. */
const COMPARE: Traits = { repeat: 'repe', writes: 'oszapc', conditional: true };
/** A device may change the address map (A20) or the interrupt lines, so a block ends here. */
const PORT: Traits = { privilege: 'privileged', flow: 'serialize' };
const PORT_STRING: Traits = { ...PORT, ...REP, reads: 'd', feature: '80186' };

const INS = 'INS/INSB/INSW/INSD—Input from Port to String';
const OUTS = 'OUTS/OUTSB/OUTSW/OUTSD—Output String to Port';

export const STRINGS: readonly RowSource[] = [
  ...string('movs', 'MOVS/MOVSB/MOVSW/MOVSD/MOVSQ—Move Data From String to String', 0xa4, 'Y*,X*', REP),
  ...string('cmps', 'CMPS/CMPSB/CMPSW/CMPSD/CMPSQ—Compare String Operands', 0xa6, 'X*,Y*', COMPARE),
  ...string('stos', 'STOS/STOSB/STOSW/STOSD/STOSQ—Store String', 0xaa, 'Y*,@*', REP),
  ...string('lods', 'LODS/LODSB/LODSW/LODSD/LODSQ—Load String', 0xac, '@*,X*', REP),
  ...string('scas', 'SCAS/SCASB/SCASW/SCASD—Scan String', 0xae, '@*,Y*', COMPARE),

  ...rows('insb', INS, { ...PORT_STRING, semantics: 'ins' }, ['6C: Yb,DX']),
  ...rows('insw', INS, { ...PORT_STRING, semantics: 'ins' }, ['o16 6D: Yz,DX']),
  ...rows('insd', INS, { ...PORT_STRING, semantics: 'ins', feature: '80386' }, ['o32 o64 6D: Yz,DX']),
  ...rows('outsb', OUTS, { ...PORT_STRING, semantics: 'outs' }, ['6E: DX,Xb']),
  ...rows('outsw', OUTS, { ...PORT_STRING, semantics: 'outs' }, ['o16 6F: DX,Xz']),
  ...rows('outsd', OUTS, { ...PORT_STRING, semantics: 'outs', feature: '80386' }, ['o32 o64 6F: DX,Xz']),

  ...rows('in', 'IN—Input From Port', PORT, ['E4: AL,Ib', 'E5: eAX,Ib', 'EC: AL,DX', 'ED: eAX,DX']),
  ...rows('out', 'OUT—Output to Port', PORT, ['E6: Ib,AL', 'E7: Ib,eAX', 'EE: DX,AL', 'EF: DX,eAX']),
];
