/** Division of 128 bits by 64, which WebAssembly has no operation for. */
import { type Expr, get, i32, i64 } from '../wasm/code';
import type { Context } from './context';
import { word } from './words';

const DIVIDE_ERROR = 0;
const RAX = 0;
const RDX = 2;

interface Halves {
  readonly low: Expr;
  readonly high: Expr;
}

/** DIV and IDIV of RDX:RAX; `divisor` has been read. */
export function divideQuadwords(c: Context, divisor: Expr, signed: boolean): void {
  const w = word(8);
  const dividend = { low: c.let(i64.type, c.register(RAX, w).read()), high: c.let(i64.type, c.register(RDX, w).read()) };
  c.faultIf(i64.eqz(divisor), DIVIDE_ERROR);
  if (!signed) {
    const { quotient, remainder } = divideUnsigned(c, dividend, divisor);
    c.register(RAX, w).write(quotient);
    c.register(RDX, w).write(remainder);
    return;
  }
  const negative = c.let(i32.type, i64.lt_s(dividend.high, i64.const(0)));
  const opposite = c.let(i32.type, i32.xor(negative, i64.lt_s(divisor, i64.const(0))));
  const { quotient, remainder } = divideUnsigned(c, magnitude(c, dividend, negative), c.let(i64.type, absolute(divisor)));
  // Down to -2^63 when the signs differ, else up to 2^63 - 1.
  c.faultIf(i64.gt_u(quotient, i64.add(i64.shr_u(i64.const(-1), i64.const(1)), i64.extend_u(opposite))), DIVIDE_ERROR);
  c.register(RAX, w).write(c.let(i64.type, signedBy(quotient, opposite)));
  c.register(RDX, w).write(c.let(i64.type, signedBy(remainder, negative)));
}

const absolute = (value: Expr): Expr => {
  const mask = i64.shr_s(value, i64.const(63));
  return i64.sub(i64.xor(value, mask), mask);
};

/** `negative ? -value : value`, by an i32 of 0 or 1. */
const signedBy = (value: Expr, negative: Expr): Expr => {
  const mask = i64.sub(i64.const(0), i64.extend_u(negative));
  return i64.sub(i64.xor(value, mask), mask);
};

function magnitude(c: Context, { low, high }: Halves, negative: Expr): Halves {
  const mask = c.let(i64.type, i64.sub(i64.const(0), i64.extend_u(negative)));
  const flipped = c.let(i64.type, i64.xor(low, mask));
  const result = c.let(i64.type, i64.sub(flipped, mask));
  const carry = i32.and(negative, i64.eqz(result));
  return { low: result, high: c.let(i64.type, i64.add(i64.xor(high, mask), i64.extend_u(carry))) };
}

/** #DE when the quotient needs more than 64 bits. */
function divideUnsigned(c: Context, dividend: Halves, divisor: Expr): { quotient: Expr; remainder: Expr } {
  const { code } = c;
  c.faultIf(i64.ge_u(dividend.high, divisor), DIVIDE_ERROR);
  const quotient = code.local(i64.type);
  const remainder = code.local(i64.type);
  c.if(
    i64.eqz(dividend.high),
    () => {
      code.set(quotient, i64.div_u(dividend.low, divisor));
      code.set(remainder, i64.rem_u(dividend.low, divisor));
    },
    () => {
      code.set(quotient, dividend.low);
      code.set(remainder, dividend.high);
      const left = code.local(i32.type);
      code.set(left, i32.const(64));
      code.loop((again) => {
        const carry = code.let(i32.type, i64.lt_s(get(remainder), i64.const(0)));
        code.set(remainder, i64.or(i64.shl(get(remainder), i64.const(1)), i64.shr_u(get(quotient), i64.const(63))));
        code.set(quotient, i64.shl(get(quotient), i64.const(1)));
        code.if(i32.or(carry, i64.ge_u(get(remainder), divisor)), () => {
          code.set(remainder, i64.sub(get(remainder), divisor));
          code.set(quotient, i64.or(get(quotient), i64.const(1)));
        });
        code.set(left, i32.sub(get(left), i32.const(1)));
        code.if(get(left), again);
      });
    },
  );
  return { quotient: get(quotient), remainder: get(remainder) };
}
