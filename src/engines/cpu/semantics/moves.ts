/** MOV to XLAT: data movement without flags. */
import { Intercept, INTERCEPTS } from '../layout';
import { ExitReason } from '../vmx/exit-reasons';
import { OWN_EXIT } from '../vmx/own-exits';
import { i32, i64, select } from '../wasm/code';
import type { Semantics } from './context';
import { word } from './words';

export const mov: Semantics = (c) => {
  const src = c.operand(1);
  c.operand(0).write(c.let(src.word.type, src.read()));
};

export const movzx: Semantics = (c) => {
  const dst = c.operand(0);
  const src = c.operand(1);
  const value = c.let(src.word.type, src.read());
  dst.write(dst.word.from(value));
};

export const movsx: Semantics = (c) => {
  const dst = c.operand(0);
  const src = c.operand(1);
  const value = src.word.signed(c.let(src.word.type, src.read()));
  dst.write(dst.word.size === 8 ? i64.extend_s(value) : value);
};

export const xchg: Semantics = (c) => {
  const dst = c.operand(0);
  const src = c.operand(1);
  const w = dst.word;
  const b = c.let(w.type, src.read());
  const a = c.let(w.type, dst.update());
  dst.write(b);
  src.write(a);
};

/** The address of a memory operand, truncated or zero-extended to the destination. */
export const lea: Semantics = (c) => {
  const dst = c.operand(0);
  const address = c.memory(1).address();
  const wide = c.facts.addressSize === 8;
  dst.write(dst.word.size === 8 ? (wide ? address : i64.extend_u(address)) : wide ? i32.wrap(address) : address);
};

/** AL from the table at (E)BX: the operand's address includes AL. */
export const xlat: Semantics = (c) => {
  const al = c.register(0, word(1));
  const index = c.let(i32.type, al.read());
  const entry = c.memory(0).at(c.facts.addressSize === 8 ? i64.extend_u(index) : index);
  al.write(c.let(i32.type, entry.read()));
};

export const setcc: Semantics = (c) => c.operand(0).write(c.let(i32.type, c.holds(c.facts.condition)));

/** The source is read and the destination written (its upper half cleared) whether the condition holds or not. */
export const cmovcc: Semantics = (c) => {
  const dst = c.operand(0);
  const w = dst.word;
  const value = c.let(w.type, c.operand(1).read());
  const old = c.let(w.type, dst.read());
  dst.write(select(c.holds(c.facts.condition), value, old));
};

export const nop: Semantics = () => {};
/** A hint; simulated processors take turns by themselves. */
/** A VMCS may want to see it. */
export const pause: Semantics = (c) => {
  c.faultIf(i32.and(c.state(INTERCEPTS), i32.const(Intercept.pause)), OWN_EXIT + ExitReason.pause);
};
