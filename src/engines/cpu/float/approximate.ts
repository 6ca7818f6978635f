/**
 * RCPSS and RSQRTSS. The manual only bounds their error; these are the values of Intel's processors, which are the
 * reciprocal (root) of the middle of the operand's interval (11 bits of the fraction; for roots 10 and the exponent's last),
 * rounded to 13 bits. They raise nothing, take denormals for zeros and give zeros for what would be denormal.
 */
import { f64, get, I32, I64, i32, i64, truncate } from '../wasm/code';
import type { LibraryFunction } from '../wasm/library';
import { F32_FORMAT as F32, indefinite, infinity, isInfinite, isNaN, quieted, zero } from './formats';
import { n, not, q, variable } from './kit';

/** Bits of a result's significand, the leading one counted. */
const PRECISION = 13;
const ONE = 1 << PRECISION;

const fractionBits = (rounded: ReturnType<typeof get>): ReturnType<typeof get> => i64.shl(i64.extend_u(rounded), q(64 - PRECISION));

/** f32_rcp: (a) → approximation of 1/a. */
const reciprocal: LibraryFunction = {
  name: 'f32_rcp',
  parameters: [I32],
  results: [I32],
  body: (c) => {
    const a = F32.unpack(c, [get(0)]);
    c.if(isNaN(F32, a), () => c.returnMany(...quieted(F32, a)));
    c.if(not(a.exponent.get), () => c.returnMany(...infinity(F32, a.sign.get)));
    // Zero, also where the result would be denormal, for infinities among others.
    const exponent = c.let(I32, i32.sub(n(2 * F32.bias - 1), a.exponent.get));
    c.if(i32.le_s(exponent, n(0)), () => c.returnMany(...zero(F32, a.sign.get)));
    // 2^13 / (1 + (2i + 1)/2^12), to nearest.
    const interval = i32.wrap(i64.and(i64.shr_u(a.significand.get, q(52)), q(0x7ff)));
    const divisor = c.let(I32, i32.add(i32.shl(interval, n(1)), n(0x1001)));
    const rounded = i32.div_u(i32.add(n(ONE * 0x2000), divisor), i32.shl(divisor, n(1)));
    c.returnMany(...F32.pack(a.sign.get, exponent, fractionBits(rounded)));
  },
};

/** f32_rsqrt: (a) → approximation of 1/sqrt(a). */
const reciprocalRoot: LibraryFunction = {
  name: 'f32_rsqrt',
  parameters: [I32],
  results: [I32],
  body: (c) => {
    const a = F32.unpack(c, [get(0)]);
    c.if(isNaN(F32, a), () => c.returnMany(...quieted(F32, a)));
    c.if(not(a.exponent.get), () => c.returnMany(...infinity(F32, a.sign.get)));
    c.if(a.sign.get, () => c.returnMany(...indefinite(F32)));
    c.if(isInfinite(F32, a), () => c.returnMany(...zero(F32, n(0))));
    const exponent = c.let(I32, i32.sub(a.exponent.get, n(F32.bias)));
    const interval = c.let(I32, i32.wrap(i64.and(i64.shr_u(a.significand.get, q(53)), q(0x3ff))));
    // The interval's middle in units of 2^-11, an odd exponent's bit taken in.
    const middle = variable(c, I32, i32.add(i32.shl(interval, n(1)), n(0x801)));
    middle.set(i32.shl(middle.get, i32.and(exponent, n(1))));
    const root = f64.sqrt(f64.convert_i32_s(middle.get));
    const scaled = f64.div(f64.sqrt(f64.convert_i32_s(n(0x800))), root);
    const rounded = c.let(
      I64,
      truncate.i64_f64_s(f64.add(f64.mul(scaled, f64.convert_i32_s(n(ONE))), f64.div(f64.convert_i32_s(n(1)), f64.convert_i32_s(n(2))))),
    );
    const whole = n(F32.bias - 1);
    c.returnMany(...F32.pack(n(0), i32.sub(whole, i32.shr_s(exponent, n(1))), fractionBits(i32.wrap(rounded))));
  },
};

export const APPROXIMATIONS: readonly LibraryFunction[] = [reciprocal, reciprocalRoot];
