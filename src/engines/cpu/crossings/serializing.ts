/** STI, POPF, IN and OUT: after them something may want to be looked at, mostly nothing does. */
import { Exit, RECORD } from '../interpreter/records';
import { EFLAGS, FLAT_SEGMENTS, Intercept, IP, LOOK, Look, REGISTERS, STI_COUNT, SYS, TLB_BASE, UNWATCHED } from '../layout';
import { at, state } from '../staged/code-width';
import { Flag, Reg, Seg } from '../state';
import { call, type Expr, f64, i32, i64, select } from '../wasm/code';
import { type Crossing, type CrossingCallees, field, handlerCrossing, type MakeHandler, record } from './crossing';

const IOPL_SHIFT = 12;

/** CPL is at or below IOPL; in real mode it always is. */
function mayUseDevices(c: Crossing): Expr {
  return i32.le_u(c.sys(SYS.cpl), i32.and(i32.shr_u(state(EFLAGS), at(IOPL_SHIFT)), at(3)));
}

/** Back to the loop behind the instruction. */
function leaveBehind(c: Crossing): void {
  c.setIp(c.ip(field(RECORD.next)));
  c.leave(record, Exit.next);
}

/** STI's shadow is told by the count of instructions: whoever comes out of handlers at it finds the next instruction under it. */
export const sti: MakeHandler = (callees, long) => {
  const c = handlerCrossing(callees, long);
  c.need(state(UNWATCHED));
  c.need(mayUseDevices(c));
  c.need(i32.eqz(state(LOOK)));
  c.code.if(i32.eqz(i32.and(state(EFLAGS), at(Flag.if))), () => {
    c.store(EFLAGS, i32.or(state(EFLAGS), at(Flag.if)));
    f64.store(c.code, at(0), f64.add(c.count(record), f64.convert_i32_s(at(1))), STI_COUNT);
  });
  c.next(callees, record);
  return c.code.finish();
};

const POPF_FLAGS = Flag.cf | Flag.pf | Flag.af | Flag.zf | Flag.sf | Flag.tf | Flag.df | Flag.of | Flag.nt | Flag.ac | Flag.id;

export const popf: MakeHandler = (callees, long) => {
  const c = handlerCrossing(callees, long);
  c.needPlainCode();
  const top = c.letOffset(c.register(Reg.esp));
  if (!long) c.need(i32.and(state(FLAT_SEGMENTS), at(1 << Seg.ss)));
  const size = long ? 8 : 4;
  const value = c.let(i32.load(c.host(top, size, false, state(TLB_BASE))));
  const ring0 = i32.eqz(c.sys(SYS.cpl));
  const more = select(ring0, at(Flag.iopl | Flag.if), select(mayUseDevices(c), at(Flag.if), at(0)));
  const changeable = c.let(i32.or(at(POPF_FLAGS), more));
  const old = c.flags();
  const kept = i32.and(old, i32.and(i32.xor(changeable, at(-1)), at(~Flag.rf)));
  const flags = c.let(i32.or(kept, i32.and(value, changeable)));
  c.needNo(flags);
  c.setFlags(flags);
  c.setRegister(Reg.esp, c.plus(top, size));
  c.code.if(c.letsIn(flags), () => leaveBehind(c));
  c.next(callees, record);
  return c.code.finish();
};

/** What IN and OUT do around the access itself. IP is behind the instruction meanwhile. */
function port(callees: CrossingCallees, long: boolean, byRegister: boolean, access: (c: Crossing, number: Expr) => void): Uint8Array {
  const c = handlerCrossing(callees, long);
  const { code } = c;
  c.need(state(UNWATCHED));
  c.needNoIntercept(Intercept.ports);
  c.need(mayUseDevices(c));
  c.need(i32.eqz(i32.and(state(EFLAGS), at(Flag.vm))));
  const number = byRegister ? i32.load16u(at(0), REGISTERS + Reg.edx * 8) : i32.and(field(RECORD.immediate), at(0xff));
  const ip = code.let(i64.type, i64.load(at(0), IP));
  if (long) i64.store(code, at(0), i64.add(ip, i64.extend_u(field(RECORD.next))), IP);
  else c.store(IP, i32.add(i32.wrap(ip), field(RECORD.next)));
  access(c, number);
  code.if(i32.or(c.letsIn(state(EFLAGS)), i32.and(state(LOOK), at(Look.boundary))), () => c.leave(record, Exit.next));
  i64.store(code, at(0), ip, IP);
  c.next(callees, record);
  return code.finish();
}

/** @param size in bytes @param byRegister the port's number is in DX */
export const input =
  (size: 1 | 2 | 4, byRegister: boolean): MakeHandler =>
  (callees, long) =>
    port(callees, long, byRegister, (c, number) => {
      const value = c.let(call(callees.portRead, record, number, at(size)));
      const eax = REGISTERS + Reg.eax * 8;
      if (size === 1) i32.store8(c.code, at(0), value, eax);
      else if (size === 2) i32.store16(c.code, at(0), value, eax);
      else i64.store(c.code, at(0), i64.extend_u(value), eax);
    });

export const output =
  (size: 1 | 2 | 4, byRegister: boolean): MakeHandler =>
  (callees, long) =>
    port(callees, long, byRegister, (c, number) => {
      const eax = REGISTERS + Reg.eax * 8;
      const value = size === 1 ? i32.load8u(at(0), eax) : size === 2 ? i32.load16u(at(0), eax) : i32.load(at(0), eax);
      c.code.call(callees.portWrite, record, number, at(size), value);
    });
