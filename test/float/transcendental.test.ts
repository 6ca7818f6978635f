import { afterAll, describe, expect, it } from 'vitest';
import {
  type Answer,
  type Extended,
  f2xm1,
  fcos,
  fpatan,
  fptan,
  fsin,
  fsincos,
  fyl2x,
  fyl2xp1,
} from '../../src/engines/cpu/float/transcendental';
import { CASE, RESULT } from './module';
import { putCompanion, putOperand, Random } from './operands';
import { Silicon } from './silicon';

/** Cases an instruction; set RINGSIDE_FUZZ for a long run. */
const COUNT = Number(process.env.RINGSIDE_FUZZ ?? 1_000);
const SEED = Number(process.env.RINGSIDE_SEED ?? 1);
const BATCH = 10_000;
/**
 * Of a hundred results at most so many may differ in the last bit, rounding to nearest and otherwise: the silicon's approximations
 * are not always the number next to the exact result.
 */
const ROUNDED_OTHERWISE = [15, 20];

const silicon = new Silicon();
afterAll(() => silicon.dispose());

interface Row {
  readonly name: string;
  readonly code: number;
  readonly run: (control: number, top: Extended, below: Extended) => Answer;
  /** Exponents of the first operand worth most of the cases. */
  readonly exponents: readonly [number, number];
  /** The instruction pops, its result lying in ST(1)'s place. */
  readonly binary?: true;
  /** Operands for which the manual promises nothing. */
  readonly open?: (top: Extended) => boolean;
}

const BIAS = 16383;
const exponentOf = ({ signExponent }: Extended): number => (signExponent & 0x7fff) - BIAS;
/** 1 - sqrt(2)/2. */
const LARGEST_PLUS_ONE = 0x95f619980c4336f7n;

const ROWS: readonly Row[] = [
  {
    name: 'f2xm1',
    code: 31,
    run: f2xm1,
    exponents: [-75, 0],
    open: (x) => exponentOf(x) > 0 || (exponentOf(x) === 0 && x.significand !== 1n << 63n),
  },
  { name: 'fyl2x', code: 32, run: fyl2x, exponents: [-4, 4], binary: true },
  {
    name: 'fyl2xp1',
    code: 33,
    run: fyl2xp1,
    exponents: [-75, -1],
    binary: true,
    open: (x) => exponentOf(x) > -2 || (exponentOf(x) === -2 && x.significand > LARGEST_PLUS_ONE),
  },
  { name: 'fpatan', code: 34, run: fpatan, exponents: [-10, 10], binary: true },
  { name: 'fptan', code: 35, run: fptan, exponents: [-40, 63] },
  { name: 'fsin', code: 36, run: fsin, exponents: [-40, 63] },
  { name: 'fcos', code: 37, run: fcos, exponents: [-40, 63] },
  { name: 'fsincos', code: 38, run: fsincos, exponents: [-40, 63] },
];

const extended = (view: DataView, at: number): Extended => ({
  significand: view.getBigUint64(at, true),
  signExponent: view.getUint16(at + 8, true),
});
const hex = ({ significand, signExponent }: Extended): string =>
  signExponent.toString(16).padStart(4, '0') + significand.toString(16).padStart(16, '0');
const ordinal = ({ significand, signExponent }: Extended): bigint =>
  (BigInt(signExponent & 0x7fff) << 63n) + (significand & ((1n << 63n) - 1n));
const LEAST_NORMAL = 1n << 63n;
const ulps = (a: Extended, b: Extended): bigint => {
  const distance = ordinal(a) - ordinal(b);
  return (a.signExponent ^ b.signExponent) & 0x8000 ? 1n << 80n : distance < 0n ? -distance : distance;
};

function putCases(view: DataView, row: Row, count: number, random: Random): void {
  for (let i = 0; i < count; i++) {
    const at = i * CASE.size;
    view.setUint32(at + CASE.operation, row.code, true);
    const masks = random.below(4) ? 0x3f : random.word() & 0x3f;
    view.setUint32(at + CASE.control, masks | (random.below(4) << 8) | (random.below(4) << 10) | 0x40, true);
    putOperand(view, at + CASE.a, 'f80', random);
    if (random.below(4)) {
      const [least, greatest] = row.exponents;
      const sign = row.name === 'fyl2x' && random.below(8) ? 0 : random.below(2);
      view.setUint16(at + CASE.a + 8, (sign << 15) | (BIAS + least + random.below(greatest - least + 1)), true);
      view.setUint8(at + CASE.a + 7, view.getUint8(at + CASE.a + 7) | 0x80);
    }
    putCompanion(view, at + CASE.b, at + CASE.a, 'f80', random);
  }
}

describe.skipIf(silicon.missing !== undefined)(`transcendental instructions against the silicon ${silicon.missing ?? ''}`, () => {
  it.each(ROWS.map((row, index) => ({ ...row, index })))(
    '$name',
    (row) => {
      const random = new Random(SEED * 100 + row.index);
      const bytes = new Uint8Array(BATCH * CASE.size);
      const view = new DataView(bytes.buffer);
      const wrong: string[] = [];
      const compared = [0, 0];
      const lastBit = [0, 0];
      for (let done = 0; done < COUNT; done += BATCH) {
        const count = Math.min(BATCH, COUNT - done);
        bytes.fill(0);
        putCases(view, row, count, random);
        const results = silicon.run(bytes.subarray(0, count * CASE.size));
        const actual = new DataView(results.buffer, results.byteOffset, results.length);
        for (let i = 0; i < count; i++) {
          const at = i * CASE.size;
          const top = extended(view, at + CASE.a);
          const below = extended(view, at + CASE.b);
          if (row.open?.(top)) continue;
          const control = view.getUint32(at + CASE.control, true);
          const answer = row.run(control, top, below);
          const unmasked = answer.flags & ~control & 0x3f;
          const stays = (unmasked & 7) !== 0 || (answer.flags & 0x400) !== 0;
          const status = (answer.flags & 0x43f) | (unmasked ? 0x8080 : 0);
          const real = i * RESULT.size;
          const realStatus = actual.getUint32(real + RESULT.status, true);
          const pushed = !stays && answer.pushed !== undefined;
          const first = extended(actual, real + RESULT.first);
          const second = extended(actual, real + RESULT.second);
          const pairs: [Extended, Extended][] = pushed
            ? [
                [answer.pushed ?? top, first],
                [answer.result, second],
              ]
            : [[stays ? top : answer.result, first]];
          const shown = `${row.name} ${hex(top)} ${hex(below)} control ${control.toString(16)}`;
          const directed = control & 0xc00 ? 1 : 0;
          compared[directed]++;
          // At the least normal number the last bit decides on underflow.
          const edge = ordinal(answer.result) >> 1n === LEAST_NORMAL >> 1n || ordinal(answer.result) === LEAST_NORMAL - 1n;
          if (!edge && status !== (realStatus & 0x84bf)) {
            wrong.push(`${shown}: status ${status.toString(16)}, silicon ${(realStatus & 0x84bf).toString(16)}`);
            continue;
          }
          const distances = pairs.map(([ours, theirs]) => ulps(ours, theirs));
          if (distances.some((distance) => distance > 1n)) {
            wrong.push(`${shown}: ${pairs.map(([ours, theirs]) => `${hex(ours)}, silicon ${hex(theirs)}`).join('; ')}`);
          } else if (distances.some((distance) => distance === 1n)) lastBit[directed]++;
        }
      }
      if (process.env.RINGSIDE_FUZZ)
        console.log(
          `${row.name}: ${compared.join(' + ')} compared, ${lastBit.join(' + ')} differ in the last bit, ${wrong.length} otherwise`,
        );
      expect(wrong.slice(0, 8), `${wrong.length} of ${compared.join(' + ')}`).toEqual([]);
      for (const directed of [0, 1]) {
        expect(lastBit[directed]).toBeLessThanOrEqual(Math.ceil((compared[directed] * ROUNDED_OTHERWISE[directed]) / 100));
      }
    },
    Math.max(120_000, COUNT * 2),
  );
});
