import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { decode, isFailure } from '../../src/isa/decoder';
import { branchTarget, format } from '../../src/isa/formatter';
import { hex } from '../../src/isa/hex';
import { registerName } from '../../src/isa/registers';
import { INSTRUCTIONS } from '../../src/isa/table';
import type { Bits, Instruction, InstructionRow, Operand, RegisterOperand } from '../../src/isa/types';
import { icedDecode } from './iced-oracle';
import { createIcedFormatter, normalizeText } from './nasm-text';
import { randomBytes, randomSource } from './random';
import { formsOf } from './row-forms';

const MODES: readonly Bits[] = [16, 32, 64];
const RANDOM_CASES = Number(process.env.RINGSIDE_FUZZ ?? 300_000);

describe('the formatter against iced-x86', () => {
  const icedFormat = createIcedFormatter();

  function difference(bytes: Uint8Array, bits: Bits): string | undefined {
    const instruction = decode(bytes, 0, bits);
    if (isFailure(instruction)) return undefined;
    const iced = icedDecode(bytes, bits).instruction;
    const ours = normalizeText(format(instruction), instruction);
    const theirs = normalizeText(icedFormat(iced), instruction);
    iced.free();
    if (ours === theirs) return undefined;
    return `${bits}-bit ${Buffer.from(bytes.subarray(0, instruction.length)).toString('hex')}: ${ours} | ${theirs}`;
  }

  test('agrees on every row in every form', { timeout: 120_000 }, () => {
    const differences: string[] = [];
    for (const row of INSTRUCTIONS) {
      for (const bits of row.modes) {
        for (const { bytes } of formsOf(row, bits)) {
          const found = difference(bytes, bits);
          if (found !== undefined && differences.length < 20) differences.push(found);
        }
      }
    }
    expect(differences).toEqual([]);
  });

  test(`agrees on ${RANDOM_CASES} random byte strings`, { timeout: Math.max(120_000, RANDOM_CASES) }, () => {
    const random = randomSource(RANDOM_CASES + 1);
    const differences: string[] = [];
    for (let n = 0; n < RANDOM_CASES; n++) {
      const found = difference(randomBytes(random), MODES[n % 3]);
      if (found !== undefined && differences.length < 20) differences.push(found);
    }
    expect(differences).toEqual([]);
  });
});

/** What an instruction does, whichever of several encodings it has. */
function meaningOf(instruction: Instruction, address: number): string {
  const { row, prefixes, operandSize, addressSize } = instruction;
  const operands = instruction.operands.map((operand) => operandMeaning(operand, instruction, address));
  if (row.semantics === 'xchg') operands.sort();
  // An exchange of a register with itself does nothing, but that of a doubleword clears the upper half in 64-bit mode.
  const clearsUpperHalf = instruction.bits === 64 && row.operands[0] !== 'Eb' && operandSize === 4;
  const isNothing = row.semantics === 'xchg' && operands[0] === operands[1] && !clearsUpperHalf;
  if (isNothing || (row.semantics === 'nop' && operands.length === 0)) return 'nothing';
  if (leavesUpperHalfZero(instruction)) operands[0] = registerName({ ...instruction.operands[0], size: 4 } as RegisterOperand);
  const repeat = row.repeat === 'none' ? '' : prefixes.repeat;
  const size = isSizedWithoutOperands(row) ? operandSize : '';
  const counts = /^loop|^j.?cxz/.test(row.mnemonic) ? addressSize : '';
  // An undocumented encoding of FSTP that does not mind an empty register; NASM has no name for it.
  const semantics = row.semantics === 'fstpnce' ? 'fstp' : row.semantics;
  return [semantics, row.condition, prefixes.lock, repeat, size, counts, ...operands].join(' ');
}

/** A quadword that NASM writes as a doubleword, which the processor extends with zeros. */
function leavesUpperHalfZero({ row, operandSize, operands: [to, from] }: Instruction): boolean {
  if (operandSize !== 8 || to?.kind !== 'register' || to.size !== 8) return false;
  if (/^(movFromSegment|sldt|str|pextrb)$/.test(row.semantics)) return true;
  return row.mnemonic === 'mov' && from.kind === 'immediate' && from.value >= 0 && from.value < 2 ** 32;
}

/** Whose operand size acts beyond its operands: on the stack, on IP, on a descriptor table's base. */
function isSizedWithoutOperands({ operands, encoding, size64, semantics }: InstructionRow): boolean {
  if (operands.length === 0 && encoding.startsWith('o')) return true;
  return semantics === 'retFar' || (size64 !== 'normal' && !semantics.startsWith('mov'));
}

function operandMeaning(operand: Operand, instruction: Instruction, address: number): string {
  switch (operand.kind) {
    case 'register':
      return registerName(operand);
    case 'immediate':
      return operand.value64 === undefined ? hex(operand.value, operand.size) : `0x${operand.value64.toString(16)}`;
    case 'relative':
      return hex(branchTarget(instruction, operand, address));
    case 'far':
      return `${operand.selector}:${operand.offset}/${operand.offsetSize}`;
    case 'memory': {
      // [ebx*2] is [ebx+ebx].
      const factors = new Map<number, number>();
      if (operand.base >= 0) factors.set(operand.base, 1);
      if (operand.index >= 0) factors.set(operand.index, (factors.get(operand.index) ?? 0) + operand.scale);
      const registers = [...factors].sort(([a], [b]) => a - b).map(([register, factor]) => `r${register}*${factor}`);
      const isSegmentUsed = instruction.row.semantics !== 'lea' && (instruction.bits !== 64 || /^[fg]s$/.test(operand.segment));
      const segment = isSegmentUsed ? operand.segment : '';
      return `${operand.size} ${segment}:${registers.join('+')}+${operand.displacement}/${operand.addressSize}`;
    }
  }
}

const hasNasm = spawnSync('nasm', ['-v']).status === 0;

/** Bytes between two instructions of a round trip: room for the longest, so that each one's address is known beforehand. */
const SLOT = 16;
/** A 16-bit image has to fit its segment. */
const BATCH = 4000;

interface Sample {
  readonly instruction: Instruction;
  readonly text: string;
}

/** What NASM cannot write, though the processor has it. */
const NO_TEXT: readonly { readonly why: string; readonly is: (instruction: Instruction) => boolean }[] = [
  {
    why: 'MOVSXD to a register of 16 or 32 bits',
    is: ({ row, operandSize }) => row.mnemonic === 'movsxd' && operandSize !== 8,
  },
  {
    why: 'MOVZX and MOVSX from word to word',
    is: ({ row, operandSize }) => /^movzx|^movsx$/.test(row.mnemonic) && row.operands[1] === 'Ew' && operandSize === 2,
  },
  {
    why: 'BSWAP of a word, whose result the manual leaves undefined',
    is: ({ row, operandSize }) => row.mnemonic === 'bswap' && operandSize === 2,
  },
  {
    why: 'a 32-bit address alone in 64-bit code, which NASM sign-extends',
    is: ({ bits, operands }) =>
      bits === 64 &&
      operands.some((operand) => operand.kind === 'memory' && operand.addressSize === 32 && operand.base < 0 && operand.index < 0),
  },
  {
    why: 'RIP-relative addresses without a symbol: NASM takes a number for absolute',
    is: ({ operands }) => operands.some((operand) => operand.kind === 'memory' && operand.ripRelative),
  },
  {
    why: 'short branches to where the shortest encoding of the same branch does not reach',
    is: ({ operands: [operand] }) => operand?.kind === 'relative' && operand.encodedSize === 1 && Math.abs(operand.displacement) > 100,
  },
];

describe.skipIf(!hasNasm)('text that NASM reads back (skipped without the program nasm)', () => {
  test.each(MODES)('in %i-bit code', { timeout: 120_000 }, (bits) => {
    const directory = mkdtempSync(join(tmpdir(), 'ringside-nasm-'));
    try {
      const samples = samplesOf(bits);
      const differences: string[] = [];
      for (let start = 0; start < samples.length; start += BATCH) {
        differences.push(...readBack(samples.slice(start, start + BATCH), bits, directory));
      }
      expect(differences.slice(0, 20), `${differences.length} of ${samples.length} differ`).toEqual([]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  /** Every row in a sample of its forms, addressed as it will stand in its batch. */
  function samplesOf(bits: Bits): Sample[] {
    const random = randomSource(bits);
    const samples: Sample[] = [];
    for (const row of INSTRUCTIONS) {
      if (!row.modes.includes(bits)) continue;
      for (const { bytes } of formsOf(row, bits)) {
        if (row.encoding.includes('/') && random() % 24 !== 0) continue;
        const instruction = decode(bytes, 0, bits);
        if (isFailure(instruction) || NO_TEXT.some(({ is }) => is(instruction))) continue;
        const address = (samples.length % BATCH) * SLOT;
        samples.push({ instruction, text: format(instruction, { address }) });
      }
    }
    return samples;
  }

  /** Assembles the samples, decodes what came of them, and gives those whose text has changed. */
  function readBack(samples: readonly Sample[], bits: Bits, directory: string): string[] {
    const source = join(directory, 'samples.asm');
    const image = join(directory, 'samples.bin');
    const lines = samples.map(({ text }) => `align ${SLOT}\n${text}`);
    writeFileSync(source, `bits ${bits}\norg 0\n${lines.join('\n')}\nalign ${SLOT}\n`);
    const { stderr } = spawnSync('nasm', ['-f', 'bin', '-w-all', '-w+error=number-overflow', source, '-o', image], { encoding: 'utf8' });
    // Two lines before the first sample, and two for each.
    const refused = [...stderr.matchAll(/:(\d+): error: (.*)/g)].map(([, line, why]) => `${samples[(Number(line) - 4) / 2].text}: ${why}`);
    if (refused.length > 0) return refused;
    const bytes = readFileSync(image);
    return samples.flatMap(({ instruction, text }, n) => {
      const address = n * SLOT;
      const again = decode(bytes.subarray(address), 0, bits);
      if (!isFailure(again) && meaningOf(again, address) === meaningOf(instruction, address)) return [];
      return [`${text} came back as ${isFailure(again) ? again.failure : format(again, { address })}`];
    });
  }
});

describe('the formatter', () => {
  const textOf = (hex: string, bits: Bits, options = {}): string => {
    const instruction = decode(Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex')), 0, bits);
    if (isFailure(instruction)) throw new Error(instruction.failure);
    return format(instruction, options);
  };

  test('counts branch targets from the address', () => {
    expect(textOf('EB FE', 16, { address: 0x7c10 })).toBe('jmp short 0x7c10');
    expect(textOf('EB FC', 16, { address: 0 })).toBe('jmp short 0xfffe');
    expect(textOf('E8 00 00 00 00', 64, { address: -0x1000 })).toBe('call 0xfffffffffffff005');
  });

  test('names addresses that have a symbol', () => {
    const symbols = (address: number): string | undefined => ({ 0x7c10: 'again', 0x500: 'counter' })[address];
    expect(textOf('EB FE', 16, { address: 0x7c10, symbols })).toBe('jmp short again');
    expect(textOf('A1 00 05', 16, { symbols })).toBe('mov ax, [counter]');
    expect(textOf('8B 87 00 05', 16, { symbols })).toBe('mov ax, [bx+0x500]');
    expect(textOf('8B 05 F9 04 00 00', 64, { address: 1, symbols })).toBe('mov eax, [rel counter]');
  });
});
