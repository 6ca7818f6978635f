/** The instruction table: the families joined, each row with its number. */
import type { InstructionRow } from './types';
import { ARITHMETIC } from './table/arithmetic';
import { BIT_OPERATIONS } from './table/bits';
import { CONTROL } from './table/control';
import { FLAGS } from './table/flags';
import { LOGICAL } from './table/logic';
import { MOVES } from './table/moves';
import { SHIFT_AND_ROTATE } from './table/shifts';
import { STACK } from './table/stack';
import { STRINGS } from './table/strings';
import { SYSTEM } from './table/system';
import { PACKED_FLOAT } from './table/packed-float';
import { PACKED_INTEGER } from './table/packed-integer';
import { SPECIALS } from './table/specials';
import { STATE } from './table/state';
import { VECTOR_MOVES } from './table/vector-moves';
import { VMX_ROWS } from './table/vmx';
import { X87 } from './table/x87';

const FAMILIES = {
  arithmetic: ARITHMETIC,
  logic: LOGICAL,
  'shifts and rotates': SHIFT_AND_ROTATE,
  'bit operations': BIT_OPERATIONS,
  moves: MOVES,
  stack: STACK,
  control: CONTROL,
  'strings and ports': STRINGS,
  flags: FLAGS,
  system: SYSTEM,
  x87: X87,
  'vector moves': VECTOR_MOVES,
  'packed integers': PACKED_INTEGER,
  'packed floating point': PACKED_FLOAT,
  specials: SPECIALS,
  state: STATE,
  vmx: VMX_ROWS,
} as const;

/** Every row; `INSTRUCTIONS[row.id] === row`. Rows of one mnemonic stand in the order in which an assembler should try them. */
export const INSTRUCTIONS: readonly InstructionRow[] = Object.values(FAMILIES)
  .flat()
  .map((row, id) => ({ id, ...row }));

/** The family of a row, for statistics. */
export function familyOf(id: number): string {
  let end = 0;
  for (const [name, rows] of Object.entries(FAMILIES)) if (id < (end += rows.length)) return name;
  throw new RangeError(`no row ${id}`);
}

/** The rows that a spelling (lower case) may mean, in table order; a redundant row is under its mnemonic too. */
export const ROWS_BY_SPELLING: ReadonlyMap<string, readonly InstructionRow[]> = indexBySpelling();

function indexBySpelling(): Map<string, InstructionRow[]> {
  const index = new Map<string, InstructionRow[]>();
  for (const row of INSTRUCTIONS) {
    for (const spelling of [row.mnemonic, ...row.aliases]) {
      const found = index.get(spelling);
      if (found === undefined) index.set(spelling, [row]);
      else found.push(row);
    }
  }
  return index;
}
