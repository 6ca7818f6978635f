/**
 * All floating-point kernels, to be linked beside the code that calls them. Each is exact: the result rounded as the control
 * word asks and the exceptions that the operation finds (`Flag`), for which the caller decides what unmasked ones mean.
 *
 * | kernel | parameters | results |
 * |---|---|---|
 * | `f?_add` `_sub` `_mul` `_div` | a, b, control | result, flags |
 * | `f?_sqrt` `f?_round` | a, control | result, flags |
 * | `f?_compare` | a, b, control, quiet | relation, flags |
 * | `f32_min` `f64_max` … | a, b, MXCSR | result, flags |
 * | `f?_to_f?` | a, control | result, flags |
 * | `f32_widen` `f64_widen` | a | extended number, flags |
 * | `f?_to_i64` | a, control, bits (16, 32, 64) | integer, flags |
 * | `i64_to_f32` `i64_to_f64` | integer, MXCSR | result, flags |
 * | `i64_to_f80` | integer | result |
 * | `f32_rcp` `f32_rsqrt` | a | result |
 * | `f80_scale` | a, b, control | result, flags |
 * | `f80_remainder` | a, b, control, nearest | result, flags and condition codes |
 * | `f80_denormal_source` | flags, a, control | flags |
 * | `f80_extract` | a, control | significand, exponent, flags |
 * | `f80_quiet` | a NaN or unsupported number | its answer, flags |
 * | `bcd_to_f80` | low quadword, high word | result |
 * | `f80_to_bcd` | a, control | low quadword, high word, flags |
 *
 * An `f32` is an i32 of its bits, an `f64` an i64, an `f80` an i64 (significand) and an i32 (sign and exponent). `control` is
 * MXCSR for singles and doubles and the x87 control word where an `f80` takes part.
 */
import type { LibraryFunction } from '../wasm/library';
import { APPROXIMATIONS } from './approximate';
import { binary, type BinaryOperation, squareRoot } from './arithmetic';
import { compare, extreme } from './compare';
import { convert, fromInteger, roundIntegral, toInteger, widen } from './convert';
import { CORE } from './core';
import { EXTENDED } from './extended';
import { F32_FORMAT, F64_FORMAT, F80_FORMAT } from './formats';

const FORMATS = [F32_FORMAT, F64_FORMAT, F80_FORMAT];
const OPERATIONS: readonly BinaryOperation[] = ['add', 'sub', 'mul', 'div'];

export const FLOAT_LIBRARY: readonly LibraryFunction[] = [
  ...CORE,
  ...FORMATS.flatMap((format) => [
    ...OPERATIONS.map((operation) => binary(format, operation)),
    squareRoot(format),
    compare(format),
    roundIntegral(format),
    fromInteger(format),
    toInteger(format),
    ...FORMATS.filter((other) => other !== format).map((other) => convert(format, other)),
  ]),
  ...[F32_FORMAT, F64_FORMAT].flatMap((format) => [extreme(format, 'min'), extreme(format, 'max'), widen(format)]),
  ...EXTENDED,
  ...APPROXIMATIONS,
];
