/** PUSH, POP, LEAVE and the near transfers of control. */
import { type Expr, i32, i64 } from '../wasm/code';
import type { Context, Semantics } from './context';
import { type Word, word } from './words';

const ESP = 4;
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
  const esp = c.register(ESP, word(4));
  const before = c.let(i32.type, esp.read());
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
  const to = c.let(i32.type, target);
  c.checkTarget(to);
  c.jump(to);
}

/** The operand of an indirect near transfer, as an offset. */
function offset(w: Word, value: Expr): Expr {
  return w.size === 8 ? i32.wrap(value) : w.zero(value);
}

export const jmp: Semantics = (c) => {
  if (c.isRelative(0)) return jumpTo(c, c.target());
  const src = c.operand(0);
  jumpTo(c, offset(src.word, src.read()));
};

export const call: Semantics = (c) => {
  const w = word(c.facts.operandSize);
  const target = c.let(i32.type, c.isRelative(0) ? c.target() : offset(w, c.operand(0).read()));
  c.checkTarget(target);
  c.push(w, w.size === 8 ? i64.extend_u(c.nextIp()) : c.nextIp());
  c.jump(target);
};

export const ret: Semantics = (c) => {
  const w = word(c.facts.operandSize);
  const target = c.let(i32.type, offset(w, c.peek(w)));
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
    const target = c.let(i32.type, c.target());
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
