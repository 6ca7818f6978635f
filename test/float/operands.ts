/** Operands at which arithmetic goes wrong: random ones, those near the formats' edges, and pairs that belong together. */

/** A generator of pseudo-random numbers (xorshift), the same for the same seed. */
export class Random {
  private x: number;

  constructor(seed: number) {
    this.x = seed | 1;
    for (let i = 0; i < 8; i++) this.word();
  }

  /** 32 bits. */
  word(): number {
    this.x ^= this.x << 13;
    this.x ^= this.x >>> 17;
    this.x ^= this.x << 5;
    return this.x >>> 0;
  }

  below(limit: number): number {
    return this.word() % limit;
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }
}

interface Shape {
  readonly exponentBits: number;
  /** Bits of the fraction, without an integer bit. */
  readonly fractionBits: number;
}

const SHAPES = {
  f32: { exponentBits: 8, fractionBits: 23 },
  f64: { exponentBits: 11, fractionBits: 52 },
  f80: { exponentBits: 15, fractionBits: 63 },
};
export type FormatName = keyof typeof SHAPES;

/** A 64-bit pattern as two words with the density of ones, runs and rounding cases that arithmetic stumbles over. */
function pattern(random: Random): [number, number] {
  switch (random.below(8)) {
    case 0:
      return [0, 0];
    case 1:
      return [0xffffffff, 0xffffffff];
    case 2: {
      const bit = random.below(64);
      return bit < 32 ? [(1 << bit) >>> 0, 0] : [0, (1 << (bit - 32)) >>> 0];
    }
    case 3: {
      const bit = random.below(64);
      return bit < 32 ? [(-1 << bit) >>> 0, 0xffffffff] : [0, (-1 << (bit - 32)) >>> 0];
    }
    case 4:
      return [0, (random.word() << random.below(32)) >>> 0];
    case 5:
      // Halfway cases of the narrower formats, and close to them.
      return [(random.of([0x400, 0x3ff, 0x401, 0, 0xc00]) + random.of([0, 0, 0x800])) >>> 0, (random.word() & ~0xff) >>> 0];
    default:
      return [random.word(), random.word()];
  }
}

function exponentOf(random: Random, { exponentBits }: Shape): number {
  const maximum = (1 << exponentBits) - 1;
  const bias = maximum >> 1;
  switch (random.below(10)) {
    case 0:
      return 0;
    case 1:
      return maximum;
    case 2:
      return 1 + random.below(4);
    case 3:
      return maximum - 1 - random.below(4);
    case 4:
      return random.below(maximum + 1);
    case 5:
      return Math.max(0, Math.min(maximum, (bias >> 1) + random.below(8) - 4));
    case 6:
      return Math.max(0, Math.min(maximum, bias + (bias >> 1) + random.below(8) - 4));
    case 7:
      return Math.max(0, Math.min(maximum, bias + random.below(160) - 80));
    default:
      return bias + random.below(8) - 4;
  }
}

/** Writes a number's bytes (4, 8 or 10). */
export function putOperand(view: DataView, at: number, format: FormatName, random: Random): void {
  const shape = SHAPES[format];
  const exponent = exponentOf(random, shape);
  const sign = random.below(2);
  const [low, high] = pattern(random);
  putFields(view, at, format, sign, exponent, low, high, random);
}

function putFields(
  view: DataView,
  at: number,
  format: FormatName,
  sign: number,
  exponent: number,
  low: number,
  high: number,
  random: Random,
): void {
  if (format === 'f32') {
    view.setUint32(at, ((sign << 31) | (exponent << 23) | (high >>> 9)) >>> 0, true);
  } else if (format === 'f64') {
    view.setUint32(at, ((low >>> 12) | (high << 20)) >>> 0, true);
    view.setUint32(at + 4, ((sign << 31) | (exponent << 20) | (high >>> 12)) >>> 0, true);
  } else {
    // Unsupported encodings and pseudo-denormals are rare; usually the integer bit fits the exponent.
    const odd = random.below(16) === 0;
    const integer = exponent === 0 ? odd : !odd;
    view.setUint32(at, low, true);
    view.setUint32(at + 4, ((high & 0x7fffffff) | (integer ? 0x80000000 : 0)) >>> 0, true);
    view.setUint16(at + 8, (sign << 15) | exponent, true);
  }
}

const BYTES = { f32: 4, f64: 8, f80: 10 };

/** A second operand: often close to the first, so that sums cancel and comparisons meet equals. */
export function putCompanion(view: DataView, at: number, first: number, format: FormatName, random: Random): void {
  if (random.below(3) !== 0) {
    putOperand(view, at, format, random);
    return;
  }
  for (let i = 0; i < BYTES[format]; i++) view.setUint8(at + i, view.getUint8(first + i));
  const top = at + BYTES[format] - 1;
  switch (random.below(5)) {
    case 0:
      return;
    case 1:
      view.setUint8(top, view.getUint8(top) ^ 0x80);
      return;
    case 2:
      view.setUint8(at, view.getUint8(at) + random.below(5) - 2);
      return;
    case 3:
      view.setUint8(at + 1, view.getUint8(at + 1) ^ (1 << random.below(8)));
      return;
    default: {
      // Another exponent not far away.
      const exponent = format === 'f80' ? at + 8 : top - 1;
      view.setUint8(exponent, view.getUint8(exponent) + random.below(9) - 4);
    }
  }
}
