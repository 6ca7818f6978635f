/** MOV from a control register in ring 0. */
import { RECORD } from '../interpreter/records';
import { Intercept, SYS, SYSTEM } from '../layout';
import { at } from '../staged/code-width';
import { i32, i64 } from '../wasm/code';
import { field, handlerCrossing, type MakeHandler, record } from './crossing';

/** Those that are kept as they are read. */
export const PLAIN_CONTROL_REGISTERS: readonly (readonly [number: number, slot: number])[] = [
  [0, SYS.cr0],
  [2, SYS.cr2],
  [3, SYS.cr3],
  [4, SYS.cr4],
];

export const movFromControl =
  (slot: number): MakeHandler =>
  (callees, long) => {
    const c = handlerCrossing(callees, long);
    c.needRing0();
    c.needNoIntercept(Intercept.controlReads);
    const from = SYSTEM + slot * 8;
    const value = long ? i64.load(at(0), from) : i64.extend_u(i32.load(at(0), from));
    i64.store(c.code, field(RECORD.first), value);
    c.next(callees, record);
    return c.code.finish();
  };
