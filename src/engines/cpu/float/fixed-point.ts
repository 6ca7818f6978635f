/** Elementary functions of fixed-point numbers: a BigInt `x` with `bits` stands for x / 2^bits. Errors stay below 2^-(bits - 8). */

/** Some 60 bits beyond what rounding an extended number ever looks at, for arguments of ordinary size. */
export const WORKING_BITS = 192;

const abs = (x: bigint): bigint => (x < 0n ? -x : x);

/** e^x - 1 for |x| < 1. */
export function expMinusOne(x: bigint, bits: number): bigint {
  const scale = BigInt(bits);
  let term = x;
  let sum = x;
  for (let i = 2n; term !== 0n && term !== -1n; i++) {
    term = ((term * x) >> scale) / i;
    sum += term;
  }
  return sum;
}

/** The sine and cosine for |x| < 2. */
export function sineCosine(x: bigint, bits: number): { sine: bigint; cosine: bigint } {
  const scale = BigInt(bits);
  const square = (x * x) >> scale;
  const series = (first: bigint, start: bigint): bigint => {
    let term = first;
    let sum = first;
    for (let i = start; term !== 0n && term !== -1n; i += 2n) {
      term = -((term * square) >> scale) / (i * (i + 1n));
      sum += term;
    }
    return sum;
  };
  return { sine: series(x, 2n), cosine: series(1n << scale, 1n) };
}

/** Series of x^i / i for odd i, signs alternating for the arc tangent, equal for the area tangent; for small x. */
function oddSeries(x: bigint, bits: number, alternate: boolean): bigint {
  const scale = BigInt(bits);
  const square = (x * x) >> scale;
  let power = x;
  let sum = x;
  for (let i = 3n; power !== 0n && power !== -1n; i += 2n) {
    power = (power * square) >> scale;
    if (alternate) power = -power;
    sum += power / i;
  }
  return sum;
}

/** As a double, for first estimates only. */
export const estimate = (x: bigint, bits: number): number => {
  const excess = Math.max(0, abs(x).toString(2).length - 64);
  return Number(x >> BigInt(excess)) * 2 ** (excess - bits);
};

const fromDouble = (value: number, bits: number): bigint => BigInt(Math.round(value * 2 ** 52)) << BigInt(bits - 52);

/** The arc tangent of y/x for 0 <= y <= x, x > 0: a double's estimate, and the series for what it misses. */
export function arcTangent(y: bigint, x: bigint, bits: number): bigint {
  const scale = BigInt(bits);
  const ratio = (y << scale) / x;
  const near = fromDouble(Math.atan(estimate(ratio, bits)), bits);
  const { sine, cosine } = sineCosine(near, bits);
  const one = 1n << scale;
  const rest = ((ratio * cosine - one * sine) << scale) / (one * cosine + ratio * sine);
  return near + oddSeries(rest, bits, true);
}

/** The natural logarithm for 1/2 <= x <= 2, likewise. */
export function logarithm(x: bigint, bits: number): bigint {
  const near = fromDouble(Math.log(estimate(x, bits)), bits);
  const power = (1n << BigInt(bits)) + expMinusOne(near, bits);
  return near + 2n * oddSeries(((x - power) << BigInt(bits)) / (x + power), bits, false);
}

/** ln(1 + x) for |x| < 1/2, exact in relation to x where x is small. */
export function logarithmPlusOne(x: bigint, bits: number): bigint {
  const two = 2n << BigInt(bits);
  if (abs(x) >> BigInt(bits - 8) === 0n) return 2n * oddSeries((x << BigInt(bits)) / (two + x), bits, false);
  return logarithm((1n << BigInt(bits)) + x, bits);
}

/** ln 2. */
export const logarithmOfTwo = (bits: number): bigint => 2n * oddSeries((1n << BigInt(bits)) / 3n, bits, false);

/** Machin's formula. */
export function pi(bits: number): bigint {
  const guarded = bits + 16;
  const inverse = (n: bigint): bigint => oddSeries((1n << BigInt(guarded)) / n, guarded, true);
  return (16n * inverse(5n) - 4n * inverse(239n)) >> 16n;
}
