/** Shifts and rotates. */
import { rows, REDUNDANT } from './builder';
import type { Form, RowSource, Traits } from './builder';

/** Overflow is defined for a count of one only. */
interface ShiftFlags {
  readonly reads?: string;
  readonly writes: string;
  readonly undefines: string;
}

const ROTATE: ShiftFlags = { writes: 'c', undefines: '' };
const ROTATE_THROUGH: ShiftFlags = { reads: 'c', writes: 'c', undefines: '' };
const SHIFT: ShiftFlags = { writes: 'szpc', undefines: 'a' };

/** Group 2: the count is 1, CL or a byte. */
function shiftForms(n: number, flags: ShiftFlags, also: Traits): readonly Form[] {
  const once: Traits = { ...flags, writes: `o${flags.writes}`, ...also };
  const counted: Traits = { ...flags, undefines: `o${flags.undefines}`, conditional: true, ...also };
  return [
    [`D0 /${n}: Eb,1`, once],
    [`D2 /${n}: Eb,CL`, counted],
    [`C0 /${n}: Eb,Ib`, { ...counted, feature: '80186' }],
    [`D1 /${n}: Ev,1`, once],
    [`D3 /${n}: Ev,CL`, counted],
    [`C1 /${n}: Ev,Ib`, { ...counted, feature: '80186' }],
  ];
}

const ROTATES = 'RCL/RCR/ROL/ROR—Rotate';
const SHIFTS = 'SAL/SAR/SHL/SHR—Shift';

const GROUP: readonly (readonly [name: string, manual: string, flags: ShiftFlags, also?: Traits])[] = [
  ['rol', ROTATES, ROTATE],
  ['ror', ROTATES, ROTATE],
  ['rcl', ROTATES, ROTATE_THROUGH],
  ['rcr', ROTATES, ROTATE_THROUGH],
  ['shl', SHIFTS, SHIFT, { aliases: ['sal'] }],
  ['shr', SHIFTS, SHIFT],
  ['sal', SHIFTS, SHIFT, { semantics: 'shl', ...REDUNDANT }],
  ['sar', SHIFTS, SHIFT],
];

const DOUBLE: Traits = { writes: 'szpc', undefines: 'oa', conditional: true, feature: '80386' };

export const SHIFT_AND_ROTATE: readonly RowSource[] = [
  ...GROUP.flatMap(([name, manual, flags, also = {}], n) => rows(name, manual, {}, shiftForms(n, flags, also))),
  ...rows('shld', 'SHLD—Double Precision Shift Left', DOUBLE, ['0F A4 /r: Ev,Gv,Ib', '0F A5 /r: Ev,Gv,CL']),
  ...rows('shrd', 'SHRD—Double Precision Shift Right', DOUBLE, ['0F AC /r: Ev,Gv,Ib', '0F AD /r: Ev,Gv,CL']),
];
