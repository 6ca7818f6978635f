/**
 * Many iterations of REP MOVS and REP STOS at once: as many as lie in one page at both ends, where the TLB knows both. What does not
 * fit is left to single iterations: a page's last element, what overlaps, devices, pages that hold code.
 */
import type { Context } from '../semantics/context';
import { word } from '../semantics/words';
import { type Expr, get, I32, i32, i64, select } from '../wasm/code';
import type { Bulk } from './base-context';
import { Access, at, type CodeWidth } from './code-width';
import type { Fields, SegmentPlace } from './fields';
import { ES } from '../layout';

const PAGE = 4096;
const EAX = 0;
const ECX = 1;
const ESI = 6;
const EDI = 7;
/** Bytes below which single iterations are as quick. */
const WORTH = 32;

const least = (c: Context, values: readonly Expr[]): Expr =>
  values.reduce((a, b) => {
    const [x, y] = [c.let(I32, a), c.let(I32, b)];
    return select(i32.lt_u(x, y), x, y);
  });

/**
 * Writes code that makes iterations at once and advances (E)SI and (E)DI.
 * @param budget instructions that may run beside the first iteration, which is paid for
 * @returns how many it made, an i32; 0 for none
 */
export function bulkOf(c: Context, width: CodeWidth, fields: Fields, { kind, element }: Bulk, budget: Expr): Expr {
  const { code } = c;
  const { addressSize } = c.facts;
  const made = code.local(I32);
  code.set(made, at(0));
  const shift = Math.log2(element.size);
  const aw = word(addressSize);
  const counter = c.let(aw.type, c.register(ECX, aw).read());
  const many = i32.eqz(aw.lt_u(counter, aw.const(Math.max(2, WORTH >> shift))));
  code.if(i32.and(i32.eqz(c.direction()), many), () => {
    const end = (segment: SegmentPlace, register: number, access: Access): { pointer: Expr; room: Expr } => {
      const offset = width.stringAddress(register, addressSize);
      const pointer = width.known(segment, offset, access, PAGE);
      const room = (low: Expr): Expr => i32.shr_u(i32.sub(at(PAGE), i32.and(low, at(PAGE - 1))), at(shift));
      const inPage = room(width.linearLow(segment, offset));
      // 16-bit offsets wrap somewhere in the page.
      return { pointer, room: addressSize === 2 ? least(c, [inPage, i32.shr_u(i32.sub(at(0x10000), offset), at(shift))]) : inPage };
    };
    const to = end(fields.segment(ES), EDI, Access.write);
    const from = kind === 'copy' ? end(fields.operandSegment(), ESI, Access.read) : undefined;
    const some = addressSize === 8 ? i32.wrap(select(i64.lt_u(counter, i64.const(PAGE)), counter, i64.const(PAGE))) : counter;
    const rooms = from ? [to.room, from.room] : [to.room];
    const elements = c.let(I32, least(c, [some, i32.add(budget, at(1)), ...rooms]));
    const bytes = c.let(I32, i32.shl(elements, at(shift)));
    const reached = from ? i32.and(i32.ne(to.pointer, at(0)), i32.ne(from.pointer, at(0))) : to.pointer;
    // What one iteration writes and a later one reads takes them one by one.
    const apart = from ? i32.ge_u(i32.sub(to.pointer, from.pointer), bytes) : at(1);
    const worth = i32.gt_s(bytes, at(WORTH - 1));
    code.if(i32.and(i32.and(i32.ne(reached, at(0)), apart), worth), () => {
      if (from) code.copyMemory(to.pointer, from.pointer, bytes);
      else fill(c, element.size, to.pointer, bytes);
      for (const register of from ? [ESI, EDI] : [EDI]) {
        const place = c.register(register, aw);
        place.write(aw.add(place.read(), aw.from(bytes)));
      }
      code.set(made, elements);
    });
  });
  return get(made);
}

/** Stores the accumulator over and over; bytes that are all the same at once. */
function fill(c: Context, size: number, to: Expr, bytes: Expr): void {
  const { code } = c;
  const w = word(size);
  const value = c.let(w.type, c.register(EAX, w).read());
  const byte = c.let(I32, i32.and(w.low(value), at(0xff)));
  if (size === 1) return code.fillMemory(to, byte, bytes);
  const same = w.eq(value, w.zero(w.mul(w.from(byte), size === 8 ? i64.const(0x0101010101010101n) : at(0x01010101))));
  code.if(
    same,
    () => code.fillMemory(to, byte, bytes),
    () => {
      const pointer = code.local(I32);
      const end = c.let(I32, i32.add(to, bytes));
      code.set(pointer, to);
      code.loop((again) => {
        w.store(code, get(pointer), value);
        code.set(pointer, i32.add(get(pointer), at(size)));
        code.if(i32.ne(get(pointer), end), again);
      });
    },
  );
}
