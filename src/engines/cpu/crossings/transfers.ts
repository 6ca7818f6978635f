/** INT n, IRET, SYSENTER, SYSEXIT, SYSCALL and SYSRET as handlers of their common case (manual, by their names). */
import { FIRST_INT_NAME, kindNumber, nameNumber } from '../../transition-rows';
import { Exit, RECORD } from '../interpreter/records';
import { EFLAGS, FLAT_SEGMENTS, Intercept, SYS } from '../layout';
import { at, state } from '../staged/code-width';
import { Attr, Efer, Flag, Reg, Seg } from '../state';
import { call, type Expr, get, I32, i32, i64 } from '../wasm/code';
import { type Crossing, type CrossingCallees, field, handlerCrossing, type MakeHandler, record } from './crossing';
import { isCanonical } from './delivery';
import { LogRow } from './log';

const R11 = 11;
const BREAKPOINT = 3;
const DATA_SEGMENTS = [Seg.es, Seg.ds, Seg.fs, Seg.gs];
const { dplShift } = Attr;
/** Attributes of the segments that SYSCALL and SYSENTER load, for ring 0. */
const CODE_64 = 0xa09b;
const CODE_32 = 0xc09b;
const DATA = 0xc093;
const RING3 = 3 << dplShift;
/** What IRET in ring 0 loads, and what SYSRET does. */
const IRET_FLAGS = 0x3d7fd5;
const SYSRET_FLAGS = 0x3c7fd7;

/** Back to the loop where flags let something in that waits, else on at IP. */
function follow(c: Crossing, callees: CrossingCallees, flags: Expr): void {
  const resumes = i32.and(flags, at(Flag.rf));
  c.code.if(i32.or(c.letsIn(flags), resumes), () => c.leave(record, Exit.next));
  c.goOn(callees, record);
}

/** @param intercept bit of `Intercept` that keeps it from being made here */
const interrupt =
  (vector: Expr, name: Expr, intercept = 0): MakeHandler =>
  (callees, long) => {
    const c = handlerCrossing(callees, long);
    if (intercept) c.needNoIntercept(intercept);
    const function_ = long ? callees.deliver64 : callees.deliver;
    const kind = at(kindNumber('gate'));
    const done = call(function_, vector, at(1), at(-1), field(RECORD.here), field(RECORD.next), at(0), kind, name, c.count(record));
    c.need(done);
    c.goOn(callees, record);
    return c.code.finish();
  };

export const int: MakeHandler = (callees, long) => {
  const vector = i32.and(field(RECORD.immediate), at(0xff));
  return interrupt(vector, i32.add(at(FIRST_INT_NAME), vector))(callees, long);
};

export const int3 = interrupt(at(BREAKPOINT), at(nameNumber('INT3')), Intercept.breakpoints);

export const iret: MakeHandler = (callees, long) => {
  const c = handlerCrossing(callees, long);
  const { code } = c;
  c.needPlainCode();
  LogRow.need(c);
  c.needRing0();
  c.needNo(state(EFLAGS));
  // NMIs are not blocked.
  c.need(i32.eqz(c.sys(SYS.nmi)));
  const word = long ? 8 : 4;
  const top = c.letOffset(c.register(Reg.esp));
  if (!long) c.need(i32.and(state(FLAT_SEGMENTS), at(1 << Seg.ss)));
  const near = c.host(top, 3 * word);
  const load = (pointer: Expr, index: number): Expr => c.letOffset((long ? i64 : i32).load(pointer, index * word));
  const target = load(near, 0);
  const selector = c.let(i32.load16u(near, word));
  const flags = c.let(i32.and(i32.load(near, 2 * word), at(IRET_FLAGS | Flag.vm)));
  c.needNo(flags);
  const rpl = c.let(i32.and(selector, at(3)));
  const segment = c.descriptor(selector);
  c.needCode(segment, rpl);
  if (long) c.need(isCanonical(target));
  else c.needWhole(segment);
  const origin = {
    count: c.count(record),
    at: c.letOffset(c.ip(field(RECORD.here))),
    kind: 'return',
    name: at(nameNumber('IRET')),
    cause: at(-1),
  } as const;

  code.if(
    rpl,
    () => {
      c.need(i32.eq(rpl, at(3)));
      const far = c.host(top, 5 * word);
      const pointer = load(far, 3);
      const stackSelector = c.let(i32.load16u(far, 4 * word));
      c.need(i32.eq(i32.and(stackSelector, at(3)), at(3)));
      const stack = c.descriptor(stackSelector);
      c.needStack(stack, at(3));
      const row = new LogRow(c, { ...origin, switched: at(1) });
      c.setFlags(flags);
      c.load(Seg.cs, selector, segment);
      c.load(Seg.ss, stackSelector, stack);
      c.setRegister(Reg.esp, pointer);
      c.dropInner(DATA_SEGMENTS);
      c.enterRing(3);
      c.setIp(target);
      row.finish(3, { target: segment, offset: target });
    },
    () => {
      if (!long) {
        const row = new LogRow(c, { ...origin, switched: at(0) });
        c.setFlags(flags);
        c.load(Seg.cs, selector, segment);
        c.setRegister(Reg.esp, i32.add(top, at(12)));
        c.enterRing(0);
        c.setIp(target);
        row.finish(0, { target: segment, offset: target });
        return;
      }
      const far = c.host(top, 5 * word);
      const pointer = load(far, 3);
      const stackSelector = c.let(i32.load16u(far, 4 * word));
      // 64-bit code of ring 0 may have no stack segment.
      const none = c.let(i32.eqz(i32.and(stackSelector, at(0xfffc))));
      const [stackLow, stackHigh] = [code.local(I32), code.local(I32)];
      code.if(i32.eqz(none), () => {
        c.need(i32.eqz(i32.and(stackSelector, at(3))));
        const stack = c.descriptor(stackSelector);
        c.needStack(stack, at(0));
        code.set(stackLow, stack.low);
        code.set(stackHigh, stack.high);
      });
      const row = new LogRow(c, { ...origin, switched: at(1) });
      c.setFlags(flags);
      c.load(Seg.cs, selector, segment);
      code.if(
        none,
        () => c.loadNull(Seg.ss, stackSelector),
        () => c.load(Seg.ss, stackSelector, { low: get(stackLow), high: get(stackHigh) }),
      );
      c.setRegister(Reg.esp, pointer);
      c.dropNull(DATA_SEGMENTS);
      c.enterRing(0);
      c.setIp(target);
      row.finish(0, { target: segment, offset: target });
    },
  );
  follow(c, callees, flags);
  return code.finish();
};

/** What SYSCALL and its kin have in common: the log's row around what changes. */
function fastCall(
  c: Crossing,
  name: 'SYSENTER' | 'SYSEXIT' | 'SYSCALL' | 'SYSRET',
  ring: 0 | 3,
  change: () => { readonly target: Expr; readonly pointer?: Expr },
): void {
  const row = new LogRow(c, {
    count: c.count(record),
    at: c.letOffset(c.ip(field(RECORD.here))),
    kind: ring === 0 ? 'syscall' : 'return',
    name: at(nameNumber(name)),
    cause: at(-1),
    switched: at(1),
  });
  const { target, pointer } = change();
  c.enterRing(ring);
  if (pointer) c.setRegister(Reg.esp, pointer);
  c.setIp(target);
  row.finish(ring, { offset: target });
}

export const syscall: MakeHandler = (callees, long) => {
  const c = handlerCrossing(callees, long);
  c.needPlainCode();
  LogRow.need(c);
  c.need(i32.and(c.sys(SYS.efer), at(Efer.sce)));
  const flags = c.flags();
  c.needNo(flags, Flag.tf);
  const target = c.letOffset(c.sysOffset(SYS.lstar));
  fastCall(c, 'SYSCALL', 0, () => {
    c.setRegister(Reg.ecx, c.ip(field(RECORD.next)));
    c.setRegister(R11, i64.extend_u(flags));
    const kept = i32.and(i32.xor(c.sys(SYS.sfmask), at(-1)), at(~Flag.rf));
    c.setFlags(c.let(i32.and(flags, kept)));
    const star = c.let(c.sysHigh(SYS.star));
    c.loadFlat(Seg.ss, i32.add(i32.and(star, at(0xffff)), at(8)), DATA);
    c.loadFlat(Seg.cs, i32.and(star, at(0xfffc)), CODE_64);
    return { target };
  });
  c.goOn(callees, record);
  return c.code.finish();
};

export const sysret: MakeHandler = (callees, long) => {
  const c = handlerCrossing(callees, long);
  c.needPlainCode();
  LogRow.need(c);
  c.need(i32.and(c.sys(SYS.efer), at(Efer.sce)));
  c.needRing0();
  const target = c.letOffset(c.register(Reg.ecx));
  c.need(isCanonical(target));
  const flags = c.let(i32.and(i32.wrap(c.register(R11)), at(SYSRET_FLAGS)));
  c.needNo(flags);
  fastCall(c, 'SYSRET', 3, () => {
    c.setFlags(flags);
    const star = c.let(i32.shr_u(c.sysHigh(SYS.star), at(16)));
    c.loadFlat(Seg.ss, i32.or(i32.add(star, at(8)), at(3)), DATA | RING3);
    c.loadFlat(Seg.cs, i32.or(i32.add(star, at(16)), at(3)), CODE_64 | RING3);
    return { target };
  });
  follow(c, callees, flags);
  return c.code.finish();
};

/** IA32_SYSENTER_CS without its RPL, which may not be null. */
function sysenterCs(c: Crossing): Expr {
  const selector = c.let(i32.and(c.sys(SYS.sysenterCs), at(0xfffc)));
  c.need(selector);
  return selector;
}

export const sysenter: MakeHandler = (callees, long) => {
  const c = handlerCrossing(callees, long);
  c.needPlainCode();
  LogRow.need(c);
  const selector = sysenterCs(c);
  const flags = c.let(state(EFLAGS));
  c.needNo(flags, Flag.tf);
  const target = c.letOffset(c.sysOffset(SYS.sysenterEip));
  fastCall(c, 'SYSENTER', 0, () => {
    c.store(EFLAGS, i32.and(flags, at(~(Flag.vm | Flag.if | Flag.rf))));
    c.loadFlat(Seg.ss, i32.add(selector, at(8)), DATA);
    c.loadFlat(Seg.cs, selector, long ? CODE_64 : CODE_32);
    return { target, pointer: c.letOffset(c.sysOffset(SYS.sysenterEsp)) };
  });
  c.goOn(callees, record);
  return c.code.finish();
};

export const sysexit: MakeHandler = (callees, long) => {
  const c = handlerCrossing(callees, long);
  c.needPlainCode();
  LogRow.need(c);
  c.needRing0();
  const selector = sysenterCs(c);
  c.needNo(state(EFLAGS), Flag.tf);
  const target = c.letOffset(c.register(Reg.edx));
  const pointer = c.letOffset(c.register(Reg.ecx));
  if (long) c.need(i32.and(isCanonical(target), isCanonical(pointer)));
  fastCall(c, 'SYSEXIT', 3, () => {
    const first = c.let(i32.add(selector, at(long ? 32 : 16)));
    c.loadFlat(Seg.ss, i32.or(i32.add(first, at(8)), at(3)), DATA | RING3);
    c.loadFlat(Seg.cs, i32.or(first, at(3)), (long ? CODE_64 : CODE_32) | RING3);
    return { target, pointer };
  });
  c.goOn(callees, record);
  return c.code.finish();
};
