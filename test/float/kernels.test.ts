import { afterAll, describe, expect, it } from 'vitest';
import { buildKernels, CASE, RESULT } from './module';
import { isX87, type Operation, OPERATIONS } from './operations';
import { type FormatName, putCompanion, putOperand, Random } from './operands';
import { Silicon } from './silicon';

/** Cases an operation; set RINGSIDE_FUZZ for a long run. */
const COUNT = Number(process.env.RINGSIDE_FUZZ ?? 10_000);
const SEED = Number(process.env.RINGSIDE_SEED ?? 1);
const ONLY = process.env.RINGSIDE_ONLY;
const BATCH = 20_000;
const SHOWN = 8;

const silicon = new Silicon();
afterAll(() => silicon.dispose());

const kernels = buildKernels(OPERATIONS.map(({ drive }) => drive));
const memory = new DataView(kernels.memory.buffer);
const bytes = new Uint8Array(kernels.memory.buffer);
const OUT = BATCH * CASE.size;

/** Control words: all rounding and precision modes, exceptions mostly masked; for MXCSR flags, DAZ and FTZ too. */
function putControl(view: DataView, at: number, x87: boolean, random: Random): void {
  const masks = random.below(3) ? 0x3f : random.word() & 0x3f;
  const rounding = random.below(4);
  const control = x87
    ? masks | (random.below(4) << 8) | (rounding << 10) | 0x40
    : (masks << 7) |
      (rounding << 13) |
      (random.below(4) ? 0 : random.word() & 0x8040) |
      (random.below(2) ? 0x20 : random.below(4) ? 0 : random.word() & 0x3f);
  view.setUint32(at, control, true);
}

function putCases({ code, a, b }: Operation, count: number, random: Random): void {
  bytes.fill(0, 0, count * CASE.size);
  for (let i = 0; i < count; i++) {
    const at = i * CASE.size;
    memory.setUint32(at + CASE.operation, code, true);
    putControl(memory, at + CASE.control, code < 100, random);
    for (const [operand, offset] of [
      [a, CASE.a],
      [b, CASE.b],
    ] as const) {
      if (operand === undefined) continue;
      if (operand[0] !== 'f') {
        for (let j = 0; j < 12; j += 4) memory.setUint32(at + offset + j, random.word() >> random.below(32), true);
        if (operand === 'bcd') for (let j = 0; j < 9; j++) bytes[at + offset + j] = (random.below(10) << 4) | random.below(10);
        if (operand === 'bcd') bytes[at + offset + 9] &= 0x80;
      } else if (offset === CASE.a) putOperand(memory, at + offset, operand as FormatName, random);
      else putCompanion(memory, at + offset, at + CASE.a, operand as FormatName, random);
    }
  }
}

const EXCEPTIONS = 0x3f;
const BEFORE = 7;
const hex = (view: DataView, at: number, count: number): string =>
  Array.from({ length: count }, (_, i) =>
    view
      .getUint8(at + count - 1 - i)
      .toString(16)
      .padStart(2, '0'),
  ).join('');

/** The differences between a kernel's result, committed as the instruction would, and the silicon's. */
function difference(operation: Operation, at: number, out: number, actual: DataView, index: number): string | undefined {
  const { commit, bytes: size = 0 } = operation;
  const x87 = isX87(operation);
  const real = index * RESULT.size;
  const control = memory.getUint32(at + CASE.control, true);
  const given = memory.getUint32(out + RESULT.status, true);
  const masks = x87 ? control : control >>> 7;
  let flags = given & EXCEPTIONS;
  const unmasked = flags & ~masks;
  const before = (unmasked & BEFORE) !== 0;
  const status = actual.getUint32(real + RESULT.status, true);
  const wrong: string[] = [];
  const same = (what: string, expected: string, found: string): void => {
    if (expected !== found) wrong.push(`${what} ${expected}, silicon ${found}`);
  };
  let codes = given & 0x4700;
  if (!x87) {
    const old = control & EXCEPTIONS;
    if (before) flags &= BEFORE;
    same('flags', (flags | old).toString(16), (status & EXCEPTIONS).toString(16));
  } else {
    if (commit === 'codes') codes |= memory.getUint32(out + RESULT.eflags, true) << 8;
    const expected = flags | codes | (unmasked ? 0x8080 : 0);
    const compared =
      0xffff & ~0x3800 & ~(commit === 'register' && operation.name.startsWith('fprem') ? 0 : commit === 'codes' ? 0 : 0x4500);
    same('status', (expected & compared).toString(16), (status & compared).toString(16));
  }
  const result = (where: 'first' | 'second', n = size): [string, string] => [
    hex(memory, out + RESULT[where], n),
    hex(actual, real + RESULT[where], n),
  ];
  switch (commit) {
    case 'register':
      if (before) same('unchanged', hex(memory, at + CASE.a, 10), result('first')[1]);
      else same('result', ...result('first'));
      break;
    case 'push':
      if (before) break;
      same('result', ...result('first'));
      break;
    case 'extract':
      if (before) break;
      same('significand', ...result('first'));
      same('exponent', ...result('second'));
      break;
    case 'store':
      if (unmasked & ~0x20) same('unchanged', 'ee'.repeat(size), result('first')[1]);
      else same('result', ...result('first'));
      break;
    case 'flags':
      if (!unmasked || (x87 && !before)) {
        const relation = memory.getUint32(out + RESULT.eflags, true);
        same('eflags', (relation & 0x45).toString(16), (actual.getUint32(real + RESULT.eflags, true) & 0x45).toString(16));
      }
      break;
    case 'scalar':
      if (unmasked === 0) same('result', ...result('first'));
      break;
    case 'integer':
      if (unmasked === 0) same('result', hex(memory, out + RESULT.rax, size), hex(actual, real + RESULT.rax, size));
  }
  if (wrong.length === 0) return undefined;
  const shown = [CASE.a, CASE.b].map((offset) => hex(memory, at + offset, 10)).join(' ');
  return `${operation.name} ${shown} control ${control.toString(16)}: ${wrong.join('; ')}`;
}

describe.skipIf(silicon.missing !== undefined)(`floating-point kernels against the silicon ${silicon.missing ?? ''}`, () => {
  it.each(OPERATIONS.map((operation, index) => ({ ...operation, index })).filter(({ name }) => !ONLY || name.includes(ONLY)))(
    '$name',
    ({ index }) => {
      const operation = OPERATIONS[index];
      const random = new Random(SEED * 1000 + index);
      const differences: string[] = [];
      let total = 0;
      for (let done = 0; done < COUNT; done += BATCH) {
        const count = Math.min(BATCH, COUNT - done);
        putCases(operation, count, random);
        const results = silicon.run(bytes.subarray(0, count * CASE.size));
        const actual = new DataView(results.buffer, results.byteOffset, results.length);
        bytes.fill(0, OUT, OUT + count * RESULT.size);
        for (let i = 0; i < count; i++) {
          kernels.run[index](i * CASE.size, OUT + i * RESULT.size);
          const found = difference(operation, i * CASE.size, OUT + i * RESULT.size, actual, i);
          if (found === undefined) continue;
          total++;
          if (differences.length < SHOWN) differences.push(found);
        }
      }
      expect(differences, `${total} of ${COUNT} differ`).toEqual([]);
    },
    Math.max(120_000, COUNT / 10),
  );
});
