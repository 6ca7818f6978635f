/** What the x87 FPU loads, as extended numbers: normal numbers and integers right here, the rest by the kernels. */
import { n, q, TOP_BIT } from '../float/kit';
import { type Expr, get, I32, I64, i32, i64, select } from '../wasm/code';
import type { Context } from './context';
import type { Extended } from './x87-unit';

const BIAS = 16383;
const SIGN = 0x8000;

/** A signed integer of 64 bits. Zero has no leading bit: then the exponent is cleared. */
export function fromInteger(c: Context, value: Expr): Extended {
  const kept = c.let(I64, value);
  const negative = c.let(I64, i64.shr_s(kept, q(63)));
  const magnitude = c.let(I64, i64.sub(i64.xor(kept, negative), negative));
  const count = c.let(I64, i64.clz(magnitude));
  const exponent = i32.or(i32.and(i32.wrap(negative), n(SIGN)), i32.sub(n(BIAS + 63), i32.wrap(count)));
  return [c.let(I64, i64.shl(magnitude, count)), c.let(I32, select(i64.eqz(kept), n(0), exponent))];
}

/**
 * A single or double.
 * @param kernel for zeros, denormals, infinities and NaNs: f64_to_f80, f32_widen, …
 * @returns the number and its exceptions
 */
export function fromFloat(
  c: Context,
  size: 4 | 8,
  bits: Expr,
  kernel: string,
  control: readonly Expr[],
): { number: Extended; flags: Expr } {
  const { code } = c;
  const [significand, top, flags] = [code.local(I64), code.local(I32), code.local(I32)];
  const [digits, bias, maximum] = size === 4 ? [23, 127, 0xff] : [52, 1023, 0x7ff];
  const high = size === 4 ? bits : c.let(I32, i32.wrap(i64.shr_u(bits, q(32))));
  const exponent = c.let(I32, i32.and(i32.shr_u(high, n(digits & 31)), n(maximum)));
  c.if(
    i32.lt_u(i32.sub(exponent, n(1)), n(maximum - 1)),
    () => {
      const wide = size === 4 ? i64.extend_u(bits) : bits;
      code.set(significand, i64.or(i64.shl(wide, q(63 - digits)), q(TOP_BIT)));
      code.set(top, i32.or(i32.and(i32.shr_u(high, n(16)), n(SIGN)), i32.add(exponent, n(BIAS - bias))));
      code.set(flags, n(0));
    },
    () => {
      const results = c.library(kernel, bits, ...control);
      [significand, top, flags].forEach((local, i) => code.set(local, results[i]));
    },
  );
  return { number: [get(significand), get(top)], flags: get(flags) };
}
