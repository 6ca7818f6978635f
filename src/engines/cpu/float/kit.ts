/** What the floating-point kernels are written with: shorthands over the emitter, and the words that they exchange. */
import { type Code, type Expr, get, I32, i32, i64, type ValueType } from '../wasm/code';

/** Exception bits, as in the x87 status word and in MXCSR. */
export const Flag = { invalid: 1, denormal: 2, zeroDivide: 4, overflow: 8, underflow: 0x10, precision: 0x20, roundedUp: 0x200 } as const;
/** Exceptions that are found before the operation: unmasked, they keep it from being done. */
export const BEFORE_OPERATION = Flag.invalid | Flag.denormal | Flag.zeroDivide;
export const ALL_EXCEPTIONS = 0x3f;

/**
 * The control word that kernels take: laid out as the x87's (masks in bits 0 to 5, precision in 8 and 9, rounding in 10 and 11),
 * with MXCSR's two further bits above.
 */
export const Control = { precision: 0x300, rounding: 0xc00, flushToZero: 0x10000, denormalsAreZeros: 0x20000 } as const;
export const ROUNDING_SHIFT = 10;

/** MXCSR (manual, "MXCSR Control and Status Register"). */
export const Mxcsr = {
  denormalsAreZeros: 0x40,
  masks: 7,
  rounding: 0x6000,
  flushToZero: 0x8000,
  precision: 0x20,
  precisionMask: 0x1000,
} as const;

export const TOP_BIT = 1n << 63n;
export const QUIET_BIT = 1n << 62n;
export const INDEFINITE = TOP_BIT | QUIET_BIT;

export const n = i32.const;
export const q = i64.const;

export const any = (...values: Expr[]): Expr => values.reduce((sum, value) => i32.or(sum, value));
export const both = (...values: Expr[]): Expr => values.reduce((sum, value) => i32.and(sum, value));
export const not = i32.eqz;
export const has = (flags: Expr, bit: number): Expr => i32.and(flags, n(bit));

/** A local that changes. */
export interface Variable {
  readonly get: Expr;
  set(value: Expr): void;
}

export function variable(c: Code, type: ValueType, initial: Expr): Variable {
  const local = c.local(type);
  c.set(local, initial);
  return { get: get(local), set: (value) => c.set(local, value) };
}

/** The high 64 bits of (high:low) << count, 0 < count < 64. */
export const shiftLeftHigh = (high: Expr, low: Expr, count: Expr): Expr =>
  i64.or(i64.shl(high, count), i64.shr_u(low, i64.sub(q(64), count)));

/** 1 where some bit of a quadword is set, as a quadword: what falls off the end must still be felt in rounding. */
export const sticky = (value: Expr): Expr => i64.extend_u(i64.ne(value, q(0)));

/** The kernels' control word from MXCSR. */
export const controlOfMxcsr = (mxcsr: Expr): Expr =>
  any(
    i32.and(i32.shr_u(mxcsr, n(Mxcsr.masks)), n(ALL_EXCEPTIONS)),
    i32.and(i32.shr_u(mxcsr, n(3)), n(Control.rounding)),
    i32.shl(i32.and(mxcsr, n(Mxcsr.flushToZero)), n(1)),
    i32.shl(i32.and(mxcsr, n(Mxcsr.denormalsAreZeros)), n(11)),
  );

export const roundingOf = (control: Expr): Expr => i32.and(i32.shr_u(control, n(ROUNDING_SHIFT)), n(3));

/**
 * Whether to go to the next greater magnitude. `fraction` is what lies below the last bit kept, its half at bit 63.
 * @param odd i32 of 0 or 1: the last bit kept
 */
export function roundsUp(c: Code, rounding: Expr, sign: Expr, fraction: Expr, odd: Expr): Expr {
  const up = variable(c, I32, n(0));
  c.if(
    i32.eqz(rounding),
    () => up.set(i32.or(i64.gt_u(fraction, q(TOP_BIT)), i32.and(i64.eq(fraction, q(TOP_BIT)), odd))),
    // Down (1) for negative, up (2) for positive numbers.
    () => up.set(i32.and(i32.eq(rounding, i32.sub(n(2), sign)), i64.ne(fraction, q(0)))),
  );
  return up.get;
}
