/**
 * Deliveries through an interrupt or trap gate to ring 0 (manual, "Exception- or Interrupt-Handler Procedures", "64-Bit Mode Stack
 * Frame"), as a function that INT n and the processor's loop call.
 */
import { kindNumber } from '../../transition-rows';
import { FLAT_SEGMENTS, SEG, SEGMENT_SIZE, SEGMENTS, SYS, SYSTEM } from '../layout';
import { at, state } from '../staged/code-width';
import { Flag, Reg, Seg } from '../state';
import { Code, type Expr, F64, f64, get, I32, i32, i64, select } from '../wasm/code';
import type { Signature } from '../wasm/module';
import { Crossing } from './crossing';
import { LogRow } from './log';

/** Parameters of the function: see `Delivery`. */
const [VECTOR, SOFTWARE, ERROR, HERE, NEXT, RESUME, KIND, NAME, COUNT] = [0, 1, 2, 3, 4, 5, 6, 7, 8].map(get);
/**
 * (vector, 1 if the gate's DPL counts, error code or -1, distance of the instruction from IP, distance of what is returned to from IP, RF to
 * push, kind and name of the row in the log, instructions completed) → 1 when it is done, 0 when nothing has changed.
 */
export const DELIVERY: Signature = { parameters: [I32, I32, I32, I32, I32, I32, I32, I32, F64], results: [I32] };
export type Delivery = (
  vector: number,
  software: number,
  errorCode: number,
  here: number,
  next: number,
  resume: number,
  kind: number,
  name: number,
  count: number,
) => number;

const PAGE_FAULT = 14;
const TR_WIDE = 8;
/** Type and present bit of an interrupt or trap gate, but for the bit that tells them apart. */
const GATE_MASK = 0x9e00 | (1 << 12);
const GATE = 0x8e00;
/** Offsets in the TSS of 32 and of 64 bits. */
const TSS_ESP0 = 4;
const TSS_RSP0 = 4;
const TSS_IST1 = 0x24;

export function deliveryBody(long: boolean): Uint8Array {
  const code = new Code(DELIVERY.parameters.length);
  const c = new Crossing(code, long, () => code.return(at(0)));
  c.needPlainCode();
  LogRow.need(c);
  const cpl = c.let(c.sys(SYS.cpl));
  const flags = c.flags();
  // A fault met where RF is set pushes it; NT only goes with it.
  c.needNo(flags, Flag.tf | Flag.vm | Flag.ac);

  // The gate.
  const size = long ? 16 : 8;
  const entry = c.let(i32.mul(VECTOR, at(size)));
  c.need(i32.le_u(i32.add(entry, at(size - 1)), c.sys(SYS.idtrLimit)));
  const table = c.sysOffset(SYS.idtrBase);
  const gateAt = c.host(c.letOffset(long ? i64.add(table, i64.extend_u(entry)) : i32.add(table, entry)), size);
  const gate = { low: c.let(i32.load(gateAt)), high: c.let(i32.load(gateAt, 4)) };
  c.need(i32.eq(i32.and(gate.high, at(GATE_MASK)), at(GATE)));
  const gateDpl = i32.and(i32.shr_u(gate.high, at(13)), at(3));
  c.need(i32.or(i32.eqz(SOFTWARE), i32.le_u(cpl, gateDpl)));
  const low = i32.or(i32.and(gate.low, at(0xffff)), i32.and(gate.high, at(0xffff0000 | 0)));
  const target = c.letOffset(long ? i64.or(i64.extend_u(low), i64.shl(i64.extend_u(i32.load(gateAt, 8)), i64.const(32))) : low);

  // The handler's segment.
  const selector = c.let(i32.shr_u(gate.low, at(16)));
  const segment = c.descriptor(selector);
  c.needCode(segment, at(0));
  if (long) c.need(isCanonical(target));
  else c.needWhole(segment);

  const inward = c.let(i32.ne(cpl, at(0)));
  if (long) deliver64(c, { gate, segment, selector, target, flags, inward });
  else deliver32(c, { gate, segment, selector, target, flags, inward });
  code.return(at(1));
  code.unreachable();
  return code.finish();
}

interface Way {
  readonly gate: { readonly low: Expr; readonly high: Expr };
  readonly segment: { readonly low: Expr; readonly high: Expr };
  readonly selector: Expr;
  readonly target: Expr;
  readonly flags: Expr;
  readonly inward: Expr;
}

/** Bits 48 to 63 all equal bit 47. */
export const isCanonical = (offset: Expr): Expr => i64.eq(i64.shr_s(i64.shl(offset, i64.const(16)), i64.const(16)), offset);

/** What follows the frame: flags and code. */
function enter(c: Crossing, { gate, segment, selector, target, flags }: Way): void {
  const cleared = i32.or(at(Flag.tf | Flag.nt | Flag.rf | Flag.vm), select(i32.and(gate.high, at(1 << 8)), at(0), at(Flag.if)));
  c.setFlags(c.let(i32.and(flags, i32.xor(cleared, at(-1)))));
  c.load(Seg.cs, c.let(i32.and(selector, at(0xfffc))), segment);
  c.enterRing(0);
  c.setIp(target);
}

function begin(c: Crossing, switched: Expr): LogRow {
  const at = c.letOffset(c.ip(HERE));
  return new LogRow(c, { count: COUNT, at, kind: KIND, name: NAME, cause: VECTOR, errorCode: ERROR, switched });
}

/** CR2 beside a page fault that the processor raised. */
function faultAddress(): Expr {
  const raised = i32.and(i32.eq(KIND, at(kindNumber('exception'))), i32.eq(VECTOR, at(PAGE_FAULT)));
  const cr2 = f64.convert_i64_s(i64.load(at(0), SYSTEM + SYS.cr2 * 8));
  return select(raised, cr2, f64.convert_i32_s(at(-1)));
}

/** Stores what a frame consists of, from the lowest on. */
function frameWriter(c: Crossing, frame: Expr): (value: Expr) => void {
  const { code, long } = c;
  const top = code.local(I32);
  code.set(top, frame);
  return (value) => {
    if (long) i64.store(code, get(top), value);
    else i32.store(code, get(top), value);
    code.set(top, i32.add(get(top), at(long ? 8 : 4)));
  };
}

function deliver32(c: Crossing, way: Way): void {
  const { code } = c;
  const { flags, inward } = way;
  const [pointer, stackLow, stackHigh, stackSelector] = [0, 0, 0, 0].map(() => code.local(I32));
  code.set(pointer, c.register(Reg.esp));
  code.if(
    inward,
    () => {
      c.need(i32.and(c.segment(Seg.tr, SEG.attributes), at(TR_WIDE)));
      c.need(i32.ge_u(c.segment(Seg.tr, SEG.limit), at(TSS_ESP0 + 5)));
      const stack = c.host(c.let(i32.add(c.segment(Seg.tr, SEG.base), at(TSS_ESP0))), 6);
      code.set(pointer, i32.load(stack));
      code.set(stackSelector, i32.load16u(stack, 4));
      c.need(i32.eqz(i32.and(get(stackSelector), at(3))));
      const descriptor = c.descriptor(get(stackSelector));
      c.needStack(descriptor, at(0));
      code.set(stackLow, descriptor.low);
      code.set(stackHigh, descriptor.high);
    },
    () => c.need(i32.and(state(FLAT_SEGMENTS), at(1 << Seg.ss))),
  );
  const hasError = c.let(i32.ge_s(ERROR, at(0)));
  const size = c.let(i32.add(i32.add(at(12), i32.shl(inward, at(3))), i32.shl(hasError, at(2))));
  const bottom = c.let(i32.sub(get(pointer), size));
  const frame = c.host(bottom, size, true);

  // Nothing faults from here on.
  const row = begin(c, inward);
  const put = frameWriter(c, frame);
  code.if(hasError, () => put(ERROR));
  put(c.ip(NEXT));
  put(c.segment(Seg.cs, SEG.selector));
  put(i32.or(flags, RESUME));
  code.if(inward, () => {
    put(c.register(Reg.esp));
    put(c.segment(Seg.ss, SEG.selector));
    c.load(Seg.ss, get(stackSelector), { low: get(stackLow), high: get(stackHigh) });
  });
  c.setRegister(Reg.esp, bottom);
  enter(c, way);
  row.finish(0, { gate: way.gate, target: way.segment, extra: faultAddress(), offset: way.target });
}

function deliver64(c: Crossing, way: Way): void {
  const { code } = c;
  const { flags, inward, gate } = way;
  const ist = c.let(i32.and(gate.high, at(7)));
  const switched = c.let(i32.or(inward, i32.ne(ist, at(0))));
  const pointer = code.local(i64.type);
  code.set(pointer, c.register(Reg.esp));
  code.if(switched, () => {
    const offset = c.let(select(ist, i32.add(at(TSS_IST1 - 8), i32.shl(ist, at(3))), at(TSS_RSP0)));
    c.need(i32.le_u(i32.add(offset, at(7)), c.segment(Seg.tr, SEG.limit)));
    const base = i64.load(at(0), SEGMENTS + Seg.tr * SEGMENT_SIZE + SEG.base);
    code.set(pointer, i64.load(c.host(c.letOffset(i64.add(base, i64.extend_u(offset))), 8)));
  });
  const hasError = c.let(i32.ge_s(ERROR, at(0)));
  const size = c.let(i32.add(at(40), i32.shl(hasError, at(3))));
  const bottom = c.letOffset(i64.sub(i64.and(get(pointer), i64.const(-16)), i64.extend_u(size)));
  const frame = c.host(bottom, size, true);

  // Nothing faults from here on.
  const row = begin(c, switched);
  const put = frameWriter(c, frame);
  code.if(hasError, () => put(i64.extend_u(ERROR)));
  put(c.ip(NEXT));
  put(i64.extend_u(c.segment(Seg.cs, SEG.selector)));
  put(i64.extend_u(i32.or(flags, RESUME)));
  put(c.register(Reg.esp));
  put(i64.extend_u(c.segment(Seg.ss, SEG.selector)));
  code.if(inward, () => c.loadNull(Seg.ss, at(0)));
  c.setRegister(Reg.esp, bottom);
  enter(c, way);
  row.finish(0, { gate, target: way.segment, extra: faultAddress(), offset: way.target });
}
