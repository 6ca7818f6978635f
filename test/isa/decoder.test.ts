import { Code, CodeExt, Instruction as IcedInstruction } from 'iced-x86';
import { describe, expect, test } from 'vitest';
import { createDecoder, decode, isFailure } from '../../src/isa/decoder';
import { INSTRUCTIONS } from '../../src/isa/table';
import type { Bits, DecodeFailure, Instruction } from '../../src/isa/types';
import { icedDecode, plainOfIced, plainOfOurs, TABLE_FEATURES, whyNotOurs } from './iced-oracle';
import { randomBytes, randomSource } from './random';
import { formsOf } from './row-forms';

const MODES: readonly Bits[] = [16, 32, 64];
/** Random byte strings; RINGSIDE_FUZZ=n tries n of them. */
const RANDOM_CASES = Number(process.env.RINGSIDE_FUZZ ?? 300_000);

/** Encodings of our features that no row of ours has, and why. */
const WITH_WAIT = 'WAIT and the instruction without it, two for a decoder';
const OF_3DNOW = "of AMD's 3DNow!";
const LEFT_OUT: Readonly<Record<string, string>> = {
  Fstenv_m14byte: WITH_WAIT,
  Fstenv_m28byte: WITH_WAIT,
  Fstcw_m2byte: WITH_WAIT,
  Feni: WITH_WAIT,
  Fdisi: WITH_WAIT,
  Fclex: WITH_WAIT,
  Finit: WITH_WAIT,
  Fsetpm: WITH_WAIT,
  Fsave_m94byte: WITH_WAIT,
  Fsave_m108byte: WITH_WAIT,
  Fstsw_m2byte: WITH_WAIT,
  Fstsw_AX: WITH_WAIT,
  Prefetch_m8: OF_3DNOW,
  Prefetchreserved3_m8: OF_3DNOW,
  Prefetchreserved4_m8: OF_3DNOW,
  Prefetchreserved5_m8: OF_3DNOW,
  Prefetchreserved6_m8: OF_3DNOW,
  Prefetchreserved7_m8: OF_3DNOW,
  Popw_CS: '0F is POP CS on the 8086 alone',
  Nop_rm16: 'a reserved NOP under the options of the oracle',
  Nop_rm32: 'a reserved NOP under the options of the oracle',
  Nop_rm64: 'a reserved NOP under the options of the oracle',
};

/** One line about the first differences, or none: an assertion for each of a million cases would take minutes. */
class Differences {
  private readonly lines: string[] = [];
  private count = 0;

  add(bytes: Uint8Array, bits: Bits, ours: string, theirs: string): void {
    this.count++;
    if (this.lines.length < 20) this.lines.push(`${bits}-bit ${Buffer.from(bytes).toString('hex')}: ours ${ours}, iced ${theirs}`);
  }

  expectNone(): void {
    expect(this.lines, `${this.count} differences`).toEqual([]);
  }
}

/** Compares one decoding with iced's, and gives iced's code. */
function compare(bytes: Uint8Array, bits: Bits, result: Instruction | DecodeFailure, differences: Differences): Code {
  const ours = plainOfOurs(result);
  const oracle = icedDecode(bytes, bits);
  const theirs = plainOfIced(oracle, bits);
  const { code } = oracle.instruction;
  if (isFailure(result)) {
    // Which of two faults comes first is not iced's to say: it knows "invalid" for a too long instruction, too.
    const fails = theirs.text === 'invalid' || theirs.text === 'truncated' || whyNotOurs(oracle, bits) !== undefined;
    if (!fails) differences.add(bytes, bits, ours.text, theirs.text);
  } else if (ours.text !== theirs.text || ours.length !== theirs.length) {
    differences.add(bytes, bits, `${ours.text} (${ours.length})`, `${theirs.text} (${theirs.length})`);
  }
  oracle.instruction.free();
  return code;
}

describe('the decoder against iced-x86', () => {
  test('agrees on every row in every form', { timeout: 120_000 }, () => {
    const differences = new Differences();
    const met = new Set<Code>();
    const unreached: string[] = [];
    for (const row of INSTRUCTIONS) {
      for (const bits of row.modes) {
        let isReached = false;
        for (const { bytes } of formsOf(row, bits)) {
          const result = decode(bytes, 0, bits);
          isReached ||= !isFailure(result) && result.row === row;
          met.add(compare(bytes, bits, result, differences));
        }
        if (!isReached) unreached.push(`${bits}-bit ${row.mnemonic} ${row.encoding}`);
      }
    }
    differences.expectNone();
    expect(unreached, 'rows that nothing decodes to').toEqual([]);

    const missing = icedCodesOfOurFeatures().filter((code) => !met.has(code) && !(Code[code] in LEFT_OUT));
    expect(missing.map((code) => Code[code])).toEqual([]);
  });

  test(`agrees on ${RANDOM_CASES} random byte strings`, { timeout: Math.max(120_000, RANDOM_CASES) }, () => {
    const random = randomSource(RANDOM_CASES);
    const differences = new Differences();
    for (let n = 0; n < RANDOM_CASES; n++) {
      const bytes = randomBytes(random);
      const bits = MODES[n % 3];
      compare(bytes, bits, decode(bytes, 0, bits), differences);
    }
    differences.expectNone();
  });

  test('finds every cut of an instruction truncated', () => {
    const differences: string[] = [];
    for (const row of INSTRUCTIONS) {
      for (const bits of row.modes) {
        const whole = formsOf(row, bits).next().value!.bytes;
        const result = decode(whole, 0, bits);
        if (isFailure(result)) continue;
        for (let cut = 0; cut < result.length; cut++) {
          const part = decode(whole.subarray(0, cut), 0, bits);
          if (!isFailure(part) || part.failure !== 'truncated') differences.push(`${bits}-bit ${row.encoding} cut to ${cut}`);
        }
      }
    }
    expect(differences).toEqual([]);
  });
});

/** The legacy encodings that iced's Intel decoder knows for the features of the table. */
function icedCodesOfOurFeatures(): Code[] {
  const instruction = new IcedInstruction();
  return Object.values(Code)
    .filter((value): value is Code => typeof value === 'number')
    .filter((code) => {
      const info = CodeExt.opCode(code);
      instruction.code = code;
      const isOurs = info.isInstruction && [...instruction.cpuidFeatures()].every((feature) => TABLE_FEATURES.has(feature));
      return isOurs && (info.intelDecoder16 || info.intelDecoder32 || info.intelDecoder64);
    });
}

describe('the decoder', () => {
  const bytesOf = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
  const decodeHex = (hex: string, bits: Bits): Instruction | DecodeFailure => decode(bytesOf(hex), 0, bits);

  test('tells an instruction of 16 bytes from one of 15', () => {
    expect(decodeHex('66 '.repeat(14) + '90', 32)).toMatchObject({ length: 15 });
    expect(decodeHex('66 '.repeat(15) + '90', 32)).toEqual({ failure: 'too-long', length: 15 });
    expect(decodeHex('66 '.repeat(15), 32)).toEqual({ failure: 'too-long', length: 15 });
    expect(decodeHex('66 '.repeat(14), 32)).toEqual({ failure: 'truncated', length: 14 });
  });

  test('takes LOCK before a memory destination only', () => {
    expect(decodeHex('F0 01 00', 32)).toMatchObject({ row: { mnemonic: 'add' }, prefixes: { lock: true } });
    for (const hex of ['F0 01 C0', 'F0 03 00', 'F0 39 00', 'F0 90', 'F0 0F BA 20 01']) {
      expect(decodeHex(hex, 32), hex).toMatchObject({ failure: 'invalid' });
    }
  });

  test('takes REX directly before the opcode only', () => {
    expect(decodeHex('48 01 C0', 64)).toMatchObject({ operandSize: 8, prefixes: { rex: 0x48 } });
    expect(decodeHex('48 66 01 C0', 64)).toMatchObject({ operandSize: 2, prefixes: { rex: 0 } });
  });

  test('lets the last prefix of a group count', () => {
    expect(decodeHex('2E 64 8B 00', 32)).toMatchObject({ prefixes: { segment: 'fs' } });
    expect(decodeHex('64 2E 8B 00', 32)).toMatchObject({ prefixes: { segment: 'cs' } });
    expect(decodeHex('64 2E 8B 00', 64)).toMatchObject({ prefixes: { segment: 'fs' } });
    expect(decodeHex('F2 F3 A4', 32)).toMatchObject({ prefixes: { repeat: 'rep' } });
  });

  test('without a feature lacks its rows, and shows what they hid', () => {
    const old = createDecoder((row) => row.feature !== 'cmov' && row.mnemonic !== 'pause');
    expect(old(bytesOf('0F 44 C1'), 0, 32)).toMatchObject({ failure: 'invalid' });
    expect(old(bytesOf('F3 90'), 0, 32)).toMatchObject({ row: { mnemonic: 'nop' }, length: 2 });
  });

  test('begins anywhere in the bytes', () => {
    expect(decode(bytesOf('00 00 B8 78 56 34 12'), 2, 32)).toMatchObject({ length: 5, operands: [{}, { value: 0x12345678 }] });
  });
});
