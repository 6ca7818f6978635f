/** Numbers with a fraction, against JavaScript's own for single and double precision, and against what goes back for 80 bits. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatFloat, parseFloatText } from '../../src/debug-adapter/expressions/floats';

const view = new DataView(new ArrayBuffer(8));
function doubleBits(value: number): bigint {
  view.setFloat64(0, value);
  return view.getBigUint64(0);
}
function singleBits(value: number): bigint {
  view.setFloat32(0, value);
  return BigInt(view.getUint32(0));
}

describe('numbers with a fraction', () => {
  it('are read as JavaScript reads them', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const text = Object.is(value, -0) ? '-0' : String(value);
        expect(parseFloatText(text, 'f64')).toBe(doubleBits(value));
        expect(Number(formatFloat(doubleBits(value), 'f64'))).toBe(value);
      }),
    );
  });

  it('are shown in single precision with no more digits than it takes', () => {
    for (const value of [0.1, 1.5, 3.4028234663852886e38, 1e-45, -2, 16777216]) {
      const text = formatFloat(singleBits(value), 'f32');
      expect(Math.fround(Number(text))).toBe(Math.fround(value));
    }
    expect(formatFloat(singleBits(0.1), 'f32')).toBe('0.1');
  });

  it.each([
    ['3fff8000000000000000', '1.0'],
    ['4000c90fdaa22168c235', '3.14159265358979323851'],
    ['bffbcccccccccccccccd', '-0.1'],
    ['7fff8000000000000000', 'infinity'],
    ['ffff8000000000000000', '-infinity'],
    ['7fffc000000000000000', 'nan'],
    ['7fffa000000000000000', 'snan'],
    ['3fff0000000000000001', 'unsupported'],
    ['00000000000000000000', '0.0'],
    ['80000000000000000000', '-0.0'],
  ])('have 80 bits in x87: %s is %s', (bits, text) => {
    const shown = formatFloat(BigInt(`0x${bits}`), 'f80');
    if (/\d/.test(text)) expect(Number(shown)).toBe(Number(text));
    else expect(shown).toBe(text);
  });

  it('come back from their text with the same 80 bits', () => {
    const significand = fc.bigInt({ min: 1n << 63n, max: (1n << 64n) - 1n });
    fc.assert(
      fc.property(significand, fc.integer({ min: 1, max: 0x7ffe }), fc.boolean(), (low, exponent, negative) => {
        const bits = (negative ? 1n << 79n : 0n) | (BigInt(exponent) << 64n) | low;
        expect(parseFloatText(formatFloat(bits, 'f80'), 'f80')).toBe(bits);
      }),
      { numRuns: 60 },
    );
    for (const bits of [1n, 0x7fffffffffffffffn, (1n << 64n) | (1n << 63n)])
      expect(parseFloatText(formatFloat(bits, 'f80'), 'f80')).toBe(bits);
  });

  it('are no words', () => {
    expect(parseFloatText('wibble', 'f64')).toBeUndefined();
    expect(parseFloatText('', 'f80')).toBeUndefined();
  });
});
