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

/** Every row; `INSTRUCTIONS[row.id] === row`. Rows of one mnemonic stand in the order in which an assembler should try them. */
export const INSTRUCTIONS: readonly InstructionRow[] = [
  ARITHMETIC,
  LOGICAL,
  SHIFT_AND_ROTATE,
  BIT_OPERATIONS,
  MOVES,
  STACK,
  CONTROL,
  STRINGS,
  FLAGS,
  SYSTEM,
  X87,
  VECTOR_MOVES,
  PACKED_INTEGER,
  PACKED_FLOAT,
  SPECIALS,
  STATE,
  VMX_ROWS,
]
  .flat()
  .map((row, id) => ({ id, ...row }));

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
