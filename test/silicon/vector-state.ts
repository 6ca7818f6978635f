/** Random x87 and SSE state, full of the numbers at which floating point turns. */
import type { InstructionRow } from '../../src/isa/types';
import { FX } from './wire';

type Random = () => number;

const SIGN64 = 1n << 63n;
const SINGLES = [0, 0x3f800000, 0x7f800000, 0x7fc00000, 0x7f800001, 0x00000001, 0x007fffff, 0x00800000, 0x7f7fffff, 0x4f000000, 0x4b800000];
const DOUBLES = [
  0n,
  0x3ff0000000000000n,
  0x7ff0000000000000n,
  0x7ff8000000000000n,
  0x7ff0000000000001n,
  1n,
  0x000fffffffffffffn,
  0x0010000000000000n,
  0x7fefffffffffffffn,
  0x41e0000000000000n,
  0x43e0000000000000n,
  0x4340000000000000n,
];

const word64 = (random: Random): bigint => (BigInt(random()) << 32n) | BigInt(random());

function single(random: Random): number {
  const sign = random() & 0x80000000;
  switch (random() % 4) {
    case 0:
      return (SINGLES[random() % SINGLES.length] | sign) >>> 0;
    case 1:
      // Near one another, so that sums cancel and round.
      return ((((0x7f - 12 + (random() % 24)) << 23) | (random() & 0x7fffff)) + sign) >>> 0;
    default:
      return random();
  }
}

function double(random: Random): bigint {
  const sign = random() & 1 ? SIGN64 : 0n;
  switch (random() % 4) {
    case 0:
      return DOUBLES[random() % DOUBLES.length] | sign;
    case 1:
      return (BigInt(0x3ff - 30 + (random() % 60)) << 52n) | (word64(random) & 0xfffffffffffffn) | sign;
    default:
      return word64(random);
  }
}

/** Significand and sign with exponent of an 80-bit number. */
function extended(random: Random): [significand: bigint, high: number] {
  const sign = random() & 0x8000;
  const fraction = word64(random) & (SIGN64 - 1n);
  switch (random() % 8) {
    case 0:
      return [0n, sign];
    case 1:
      return [SIGN64, 0x7fff | sign];
    case 2:
      return [SIGN64 | fraction, 0x7fff | sign];
    case 3:
      return [fraction, sign];
    case 4:
      // Whatever: unnormals too.
      return [word64(random), random() & 0xffff];
    case 5:
      return [SIGN64 | (BigInt(random() % 16) << 60n), (0x3fff + (random() % 4)) | sign];
    default:
      return [SIGN64 | fraction, (0x3fff - 70 + (random() % 140)) | sign];
  }
}

const lane: readonly ((view: DataView, at: number, random: Random) => void)[] = [
  (view, at, random) => [0, 4, 8, 12].forEach((i) => view.setUint32(at + i, single(random), true)),
  (view, at, random) => [0, 8].forEach((i) => view.setBigUint64(at + i, double(random), true)),
  (view, at, random) => [0, 4, 8, 12].forEach((i) => view.setUint32(at + i, random(), true)),
  // Saturation and comparison happen among small numbers and edges.
  (view, at, random) => Array.from({ length: 16 }, (_, i) => view.setUint8(at + i, [0, 1, 0x7f, 0x80, 0xff, random() & 15][random() % 6])),
];

const ALL_MASKED = 0x1f80;
const DAZ = 0x40;
const FTZ = 0x8000;

function randomMxcsr(random: Random): number {
  const rounding = (random() & 3) << 13;
  const flags = random() % 2 ? random() & 0x3f : 0;
  const masks = random() % 4 ? ALL_MASKED : random() & ALL_MASKED;
  const special = random() % 4 ? 0 : random() & (DAZ | FTZ);
  // A flag without its mask would not raise anything by itself, so any mixture is a state that can be.
  return masks | flags | special | rounding;
}

/** Control and status word, the latter without a pending exception. */
function randomControl(random: Random): [control: number, status: number] {
  const masks = random() % 4 ? 0x3f : random() & 0x3f;
  const precision = random() % 2 ? 3 : random() & 3;
  const control = 0x40 | masks | (precision << 8) | ((random() & 3) << 10);
  const flags = random() % 2 ? random() & 0x3f & masks : 0;
  return [control, flags | (random() & 0x4700) | ((random() & 7) << 11)];
}

/** Most instructions have no use for it, and get the same plain state. */
export const usesVectors = ({ feature }: InstructionRow): boolean => WITH_VECTORS.test(feature);
const WITH_VECTORS = /^(fpu|fcmov|mmx|fxsr|s?sse.*|aes|pclmulqdq|sha|xsave.*)$/;

/** Fills in random contents. @param fx 512 zeros, for an image as FXSAVE stores it */
export function writeVectorState(fx: Uint8Array, random: Random): void {
  const view = new DataView(fx.buffer, fx.byteOffset, fx.length);
  const [control, status] = randomControl(random);
  view.setUint16(FX.control, control, true);
  view.setUint16(FX.status, status, true);
  fx[FX.tags] = random() % 3 ? 0xff : random() & 0xff;
  view.setUint32(FX.mxcsr, randomMxcsr(random), true);
  for (let i = 0; i < 8; i++) {
    const [significand, high] = extended(random);
    view.setBigUint64(FX.registers + i * 16, significand, true);
    view.setUint16(FX.registers + i * 16 + 8, high, true);
  }
  for (let i = 0; i < 16; i++) lane[random() % lane.length](view, FX.xmm + i * 16, random);
  // Equal operands now and then.
  if (random() % 8 === 0) fx.copyWithin(FX.xmm, FX.xmm + 16, FX.xmm + 32);
}
