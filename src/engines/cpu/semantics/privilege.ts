/** What looks at the privilege level and changes nothing that has to be looked at before the next instruction. */
import { EFLAGS, SEG, SEGMENT_SIZE, SEGMENTS, SYS, SYSTEM } from '../layout';
import { type Expr, I32, i32, i64, select } from '../wasm/code';
import type { Context, Semantics } from './context';
import { word } from './words';

const GENERAL_PROTECTION = 13;
const [IF, IOPL_SHIFT, RF, VM, VIF] = [1 << 9, 12, 1 << 16, 1 << 17, 1 << 19];
const IOPL = 3 << IOPL_SHIFT;
const [VM_SHIFT, IF_TO_VIF] = [17, 10];
/** CR4. */
const [VME, PVI] = [1, 2];
const at = i32.const;
const GS_BASE = SEGMENTS + 5 * SEGMENT_SIZE + SEG.base;
const KERNEL_GS_BASE = SYSTEM + SYS.kernelGsBase * 8;

const cpl = (c: Context): Expr => c.state(SYSTEM + SYS.cpl * 8);
const iopl = (c: Context): Expr => i32.and(i32.shr_u(c.state(EFLAGS), at(IOPL_SHIFT)), at(3));

const cr4 = (c: Context): Expr => c.state(SYSTEM + SYS.cr4 * 8);

/**
 * In virtual-8086 mode it needs IOPL 3, or with 16 bits CR4.VME, which shows VIF as IF and an IOPL of 3; neither VM nor RF is ever
 * pushed.
 */
export const pushf: Semantics = (c) => {
  const w = word(c.facts.operandSize);
  const virtual = i32.ne(i32.and(c.state(EFLAGS), at(VM)), at(0));
  const limited = c.facts.long ? undefined : c.let(I32, i32.and(virtual, i32.ne(iopl(c), at(3))));
  const extended = limited !== undefined && c.facts.operandSize === 2;
  if (limited) c.faultIf(extended ? i32.and(limited, i32.eqz(i32.and(cr4(c), at(VME)))) : limited, GENERAL_PROTECTION);
  const status = i32.or(c.statusByte(), i32.shl(c.overflow(), at(11)));
  const flags = c.let(I32, i32.or(i32.and(c.state(EFLAGS), at(~(VM | RF))), status));
  if (!extended) {
    c.push(w, w.from(flags));
    return;
  }
  const virtualIf = i32.and(i32.shr_u(flags, at(IF_TO_VIF)), at(IF));
  const shown = i32.or(i32.and(flags, at(~IF)), i32.or(virtualIf, at(IOPL)));
  c.push(w, w.from(c.let(I32, select(limited, shown, flags))));
};

/** Where IOPL forbids it ring 3 has VIF instead: in virtual-8086 mode by CR4.VME, elsewhere by CR4.PVI. */
export const cli: Semantics = (c) => {
  const denied = c.let(I32, i32.gt_u(cpl(c), iopl(c)));
  const extension = i32.shr_u(at(PVI), i32.and(i32.shr_u(c.state(EFLAGS), at(VM_SHIFT)), at(1)));
  const enabled = i32.ne(i32.and(cr4(c), extension), at(0));
  const virtual = c.let(I32, i32.and(i32.and(denied, i32.eq(cpl(c), at(3))), enabled));
  c.faultIf(i32.ne(denied, virtual), GENERAL_PROTECTION);
  i32.store(c.code, at(0), i32.and(c.state(EFLAGS), select(virtual, at(~VIF), at(~IF))), EFLAGS);
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
