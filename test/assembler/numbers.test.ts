/** Integers of 64 bits and floating-point constants, against BigInt and the floating point of the machine. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeFloat, FLOAT_FORMATS } from '../../src/assembler/floats';
import * as int64 from '../../src/assembler/int64';
import { parseInteger } from '../../src/assembler/numbers';
import { characterConstant, quoteBytes, stringBytes } from '../../src/assembler/strings';

/** Numbers of all magnitudes, those around the edges more often. */
const integers = fc.oneof(
  fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
  fc.integer({ min: -300, max: 300 }).map(BigInt),
  fc.constantFrom(
    0n,
    1n,
    -1n,
    1n << 31n,
    -(1n << 31n),
    1n << 32n,
    (1n << 53n) - 1n,
    1n << 53n,
    -(1n << 53n),
    (1n << 63n) - 1n,
    -(1n << 63n),
  ),
);

const wrapped = (value: bigint): bigint => BigInt.asIntN(64, value);
const unsigned = (value: bigint): bigint => BigInt.asUintN(64, value);

const OPERATIONS: readonly (readonly [
  name: string,
  ours: (a: int64.Int, b: int64.Int) => int64.Int,
  exact: (a: bigint, b: bigint) => bigint,
])[] = [
  ['add', int64.add, (a, b) => a + b],
  ['subtract', int64.subtract, (a, b) => a - b],
  ['multiply', int64.multiply, (a, b) => a * b],
  ['and', int64.and, (a, b) => a & b],
  ['or', int64.or, (a, b) => a | b],
  ['xor', int64.xor, (a, b) => a ^ b],
  ['divideUnsigned', int64.divideUnsigned, (a, b) => (b === 0n ? 0n : unsigned(a) / unsigned(b))],
  ['divideSigned', int64.divideSigned, (a, b) => (b === 0n ? 0n : a / b)],
  ['remainderUnsigned', int64.remainderUnsigned, (a, b) => (b === 0n ? 0n : unsigned(a) % unsigned(b))],
  ['remainderSigned', int64.remainderSigned, (a, b) => (b === 0n ? 0n : a % b)],
  ['shiftLeft', int64.shiftLeft, (a, b) => a << BigInt.asUintN(6, b)],
  ['shiftRightUnsigned', int64.shiftRightUnsigned, (a, b) => unsigned(a) >> BigInt.asUintN(6, b)],
  ['shiftRightSigned', int64.shiftRightSigned, (a, b) => a >> BigInt.asUintN(6, b)],
];

describe('64-bit arithmetic', () => {
  test.each(OPERATIONS)('%s', (name, ours, exact) => {
    fc.assert(
      fc.property(integers, integers, (a, b) => {
        fc.pre(b !== 0n || !/divide|remainder/.test(name));
        const result = ours(int64.wrap(a), int64.wrap(b));
        expect(BigInt(result)).toBe(wrapped(exact(a, b)));
        // Canonical: a number wherever it is exact.
        expect(typeof result).toBe(Number.isSafeInteger(Number(result)) ? 'number' : 'bigint');
        expect(Object.is(result, -0)).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  test('stores little-endian', () => {
    fc.assert(
      fc.property(integers, fc.constantFrom(1, 2, 4, 8, 10), (value, size) => {
        const bytes = new Uint8Array(size);
        int64.store(bytes, 0, int64.wrap(value), size);
        expect(bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n)).toBe(BigInt.asUintN(8 * size, value));
      }),
    );
  });
});

function machineBytes(value: number, size: 4 | 8): Uint8Array {
  const view = new DataView(new ArrayBuffer(size));
  if (size === 4) view.setFloat32(0, value, true);
  else view.setFloat64(0, value, true);
  return new Uint8Array(view.buffer);
}

describe('floating-point constants', () => {
  const finite = fc.double({ noNaN: true, noDefaultInfinity: true }).map(Math.abs);

  test('64 bits: decimal text is rounded as the machine rounds it', () => {
    fc.assert(
      fc.property(finite, (value) => {
        expect(encodeFloat(String(value), false, FLOAT_FORMATS[8])?.bytes).toEqual(machineBytes(value, 8));
      }),
      { numRuns: 2000 },
    );
  });

  test('64 bits: digits beyond the precision are rounded once', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 1n, max: 10n ** 40n }), fc.integer({ min: -320, max: 300 }), (digits, exponent) => {
        const text = `${digits}.0e${exponent}`;
        const value = Number(text);
        fc.pre(Number.isFinite(value));
        expect(encodeFloat(text, false, FLOAT_FORMATS[8])?.bytes).toEqual(machineBytes(value, 8));
      }),
      { numRuns: 1000 },
    );
  });

  test('32 bits', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }).map(Math.abs), (value) => {
        expect(encodeFloat(String(value), false, FLOAT_FORMATS[4])?.bytes).toEqual(machineBytes(value, 4));
      }),
      { numRuns: 1000 },
    );
  });

  test('what is too large is infinite and said to be', () => {
    expect(encodeFloat('1e400', true, FLOAT_FORMATS[8])).toEqual({ bytes: machineBytes(-Infinity, 8), overflow: true, underflow: false });
    expect(encodeFloat('1e-400', false, FLOAT_FORMATS[8])).toEqual({ bytes: machineBytes(0, 8), overflow: false, underflow: true });
  });

  test('other text is none', () => {
    for (const text of ['', '.', 'e5', '1.5x', '0x1.g', '1..2']) expect(encodeFloat(text, false, FLOAT_FORMATS[8]), text).toBeUndefined();
  });
});

describe('integer constants', () => {
  test.each([
    ['10', 10],
    ['0x1F', 31],
    ['1fh', 31],
    ['$1f', 31],
    ['0b101', 5],
    ['101b', 5],
    ['0x1b', 27],
    ['0b1h', 0xb1],
    ['17q', 15],
    ['0o17', 15],
    ['0d10', 10],
    ['1_000', 1000],
  ])('%s', (text, value) => {
    expect(parseInteger(text)).toEqual({ value, overflow: false });
  });

  test('more than 64 bits are said to be', () => {
    expect(parseInteger('0x10000000000000000')).toEqual({ value: 0, overflow: true });
    expect(parseInteger('18446744073709551615')).toEqual({ value: -1, overflow: false });
  });

  test('digits of another radix are none', () => {
    for (const text of ['12b', '9q', '1g', '0b2', '0x_']) expect(parseInteger(text), text).toBeUndefined();
  });
});

describe('strings', () => {
  test('quoting and reading give the same bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ max: 127 }), (bytes) => {
        expect(stringBytes(quoteBytes(bytes))).toEqual(bytes);
      }),
    );
  });

  test('character constants are little-endian', () => {
    expect(characterConstant("'abcd'")).toEqual({ value: 0x64636261, overflow: false });
    expect(characterConstant('`\\0\\x41`')).toEqual({ value: 0x4100, overflow: false });
  });
});
