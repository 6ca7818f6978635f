/** PUSH, POP, LEAVE and the near transfers of control. */
import { type Expr, i32 } from '../wasm/code';
import type { Context, Place, Semantics } from './context';
import { word } from './words';

const EBP = 5;

export const push: Semantics = (c) => {
  const src = c.operand(0);
  const w = word(c.facts.operandSize);
  c.push(w, c.let(w.type, src.read()));
};

/** A memory destination addressed by ESP uses the value after the pop (manual, POP). */
export const pop: Semantics = (c) => {
  const w = word(c.facts.operandSize);
  const value = c.let(w.type, c.peek(w));
  if (!c.isMemory(0)) {
    // POP ESP: the popped value wins.
    c.release(i32.const(w.size));
    c.operand(0).write(value);
    return;
  }
  const esp = c.stackPointer();
  const before = c.let(esp.word.type, esp.read());
  c.release(i32.const(w.size));
  c.guard(
    () => esp.write(before),
    () => c.operand(0).write(value),
  );
};

/** The stack pointer becomes the frame pointer at the stack's address size; the pop may fault before anything is written. */
export const leave: Semantics = (c) => {
  const w = word(c.facts.operandSize);
  const value = c.let(w.type, c.peekAtFrame(w));
  c.releaseFrame(w.size);
  c.register(EBP, w).write(value);
};

export const jcc: Semantics = (c) => branch(c, c.holds(c.facts.condition));

function branch(c: Context, condition: Expr): void {
  c.if(condition, () => jumpTo(c, c.target()));
}

function jumpTo(c: Context, target: Expr): void {
  const to = c.let(c.offsets.type, target);
  c.checkTarget(to);
  c.jump(to);
}

/** A value of the operand size as an offset in CS: they differ in width for 16-bit operands alone. */
function offset(operand: Place): Expr {
  return operand.word.zero(operand.read());
}

export const jmp: Semantics = (c) => {
  if (c.isRelative(0)) return jumpTo(c, c.target());
  jumpTo(c, offset(c.operand(0)));
};

export const call: Semantics = (c) => {
  const w = word(c.facts.operandSize);
  const target = c.let(c.offsets.type, c.isRelative(0) ? c.target() : offset(c.operand(0)));
  if (!c.facts.long) c.checkTarget(target);
  const pointer = c.stackPointer();
  const before = c.let(pointer.word.type, pointer.read());
  c.push(w, c.nextIp());
  // 64-bit processors notice a target that is not canonical when the return address has been stored.
  if (c.facts.long) {
    c.guard(
      () => pointer.write(before),
      () => c.checkTarget(target),
    );
  }
  c.jump(target);
};

export const ret: Semantics = (c) => {
  const w = word(c.facts.operandSize);
  const target = c.let(c.offsets.type, w.zero(c.peek(w)));
  c.checkTarget(target);
  c.release(c.operandCount === 0 ? i32.const(w.size) : i32.add(i32.const(w.size), c.operand(0).read()));
  c.jump(target);
};

/** LOOPcc counts (E)CX down first; the jump's own checks come before the count is stored. */
const counted =
  (also?: (c: Context) => Expr): Semantics =>
  (c) => {
    const counter = c.counter();
    const w = counter.word;
    const left = c.let(w.type, w.zero(w.sub(counter.read(), w.const(1))));
    const goes = i32.eqz(w.eqz(left));
    const target = c.let(c.offsets.type, c.target());
    c.if(
      also ? i32.and(goes, also(c)) : goes,
      () => {
        c.checkTarget(target);
        counter.write(left);
        c.jump(target);
      },
      () => counter.write(left),
    );
  };

const EQUAL = 4;
const NOT_EQUAL = 5;

export const loop = counted();
export const loope = counted((c) => c.holds(EQUAL));
export const loopne = counted((c) => c.holds(NOT_EQUAL));

export const jcxz: Semantics = (c) => {
  const counter = c.counter();
  branch(c, counter.word.eqz(counter.read()));
};
