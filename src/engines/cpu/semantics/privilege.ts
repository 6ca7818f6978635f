/** What looks at the privilege level and changes nothing that has to be looked at before the next instruction. */
import { EFLAGS, SEG, SEGMENT_SIZE, SEGMENTS, SYS, SYSTEM } from '../layout';
import { type Expr, I32, i32, i64 } from '../wasm/code';
import type { Context, Semantics } from './context';
import { word } from './words';

const GENERAL_PROTECTION = 13;
const [IF, IOPL_SHIFT, RF, VM] = [1 << 9, 12, 1 << 16, 1 << 17];
const at = i32.const;
const GS_BASE = SEGMENTS + 5 * SEGMENT_SIZE + SEG.base;
const KERNEL_GS_BASE = SYSTEM + SYS.kernelGsBase * 8;

const cpl = (c: Context): Expr => c.state(SYSTEM + SYS.cpl * 8);
const iopl = (c: Context): Expr => i32.and(i32.shr_u(c.state(EFLAGS), at(IOPL_SHIFT)), at(3));

/** In virtual-8086 mode it needs IOPL 3; neither VM nor RF is ever pushed. */
export const pushf: Semantics = (c) => {
  const w = word(c.facts.operandSize);
  const virtual = i32.ne(i32.and(c.state(EFLAGS), at(VM)), at(0));
  if (!c.facts.long) c.faultIf(i32.and(virtual, i32.ne(iopl(c), at(3))), GENERAL_PROTECTION);
  const status = i32.or(c.statusByte(), i32.shl(c.overflow(), at(11)));
  const flags = c.let(I32, i32.or(i32.and(c.state(EFLAGS), at(~(VM | RF))), status));
  c.push(w, w.from(flags));
};

export const cli: Semantics = (c) => {
  c.faultIf(i32.gt_u(cpl(c), iopl(c)), GENERAL_PROTECTION);
  i32.store(c.code, at(0), i32.and(c.state(EFLAGS), at(~IF)), EFLAGS);
};

export const swapgs: Semantics = (c) => {
  c.faultIf(i32.ne(cpl(c), at(0)), GENERAL_PROTECTION);
  const base = c.let(i64.type, i64.load(at(0), GS_BASE));
  i64.store(c.code, at(0), i64.load(at(0), KERNEL_GS_BASE), GS_BASE);
  i64.store(c.code, at(0), base, KERNEL_GS_BASE);
};

/** A register takes the selector zero-extended, memory its 16 bits. */
export const movFromSegment: Semantics = (c) => {
  const dst = c.operand(0);
  dst.write(dst.word.from(c.let(I32, c.operand(1).read())));
};
