import { CpuidFeature, FlowControl, Instruction as IcedInstruction, RflagsBits } from 'iced-x86';
import { beforeAll, describe, expect, test } from 'vitest';
import { decode, isFailure } from '../../src/isa/decoder';
import { INSTRUCTIONS } from '../../src/isa/table';
import type { ControlFlow, Feature, InstructionRow } from '../../src/isa/types';
import { icedDecode } from './iced-oracle';
import { formsOf } from './row-forms';

interface Sample {
  readonly row: InstructionRow;
  readonly iced: IcedInstruction;
}

/** Some decodings of each row, with iced's; enough to meet each operand size, count and form. */
let samples: readonly Sample[] = [];

beforeAll(() => {
  const found: Sample[] = [];
  for (const row of INSTRUCTIONS) {
    if (row.mnemonic.startsWith('hint_nop')) continue;
    for (const bits of row.modes) {
      let taken = 0;
      for (const { bytes } of formsOf(row, bits)) {
        const result = decode(bytes, 0, bits);
        if (isFailure(result) || result.row !== row) continue;
        found.push({ row, iced: icedDecode(bytes, bits).instruction });
        if (++taken === 40) break;
      }
    }
  }
  samples = found;
});

const FLAG_BITS: Readonly<Record<string, number>> = {
  o: RflagsBits.OF,
  s: RflagsBits.SF,
  z: RflagsBits.ZF,
  a: RflagsBits.AF,
  p: RflagsBits.PF,
  c: RflagsBits.CF,
  d: RflagsBits.DF,
  i: RflagsBits.IF,
};

/** The table's letters leave AC out; iced knows neither TF nor NT. */
const SHARED_FLAGS = Object.values(FLAG_BITS).reduce((mask, bit) => mask | bit, 0);

const maskOf = (letters: string): number => letters.split('').reduce((mask, letter) => mask | (FLAG_BITS[letter] ?? 0), 0);

const name = (row: InstructionRow): string => `${row.mnemonic} ${row.encoding}`;
/** iced leaves what an interrupt pushes and clears to the reader. */
const isInterrupt = (row: InstructionRow): boolean => row.mnemonic.startsWith('int');

describe('what the table says of each row, against iced-x86', () => {
  test('flags read', () => {
    for (const { row, iced } of samples) {
      if (isInterrupt(row)) continue;
      // A rotation through carry by a count of zero reads nothing.
      if (row.flags.conditional && iced.rflagsModified === RflagsBits.None) continue;
      expect(iced.rflagsRead & SHARED_FLAGS, name(row)).toBe(maskOf(row.flags.read));
    }
  });

  test('flags written and undefined', () => {
    for (const { row, iced } of samples) {
      if (isInterrupt(row)) continue;
      const written = (iced.rflagsWritten | iced.rflagsCleared | iced.rflagsSet) & SHARED_FLAGS;
      const all = maskOf(row.flags.written) | maskOf(row.flags.undefined);
      if (row.flags.conditional) {
        // A constant count decides more than the row can say: nothing changes, or overflow is defined.
        expect(written & ~all, name(row)).toBe(0);
        if (written !== 0) expect(written & maskOf(row.flags.written), name(row)).toBe(maskOf(row.flags.written));
      } else {
        expect(written, name(row)).toBe(maskOf(row.flags.written));
        expect(iced.rflagsUndefined & SHARED_FLAGS, name(row)).toBe(maskOf(row.flags.undefined));
      }
    }
  });

  test('flow of control', () => {
    const expected: Readonly<Record<ControlFlow, readonly FlowControl[]>> = {
      next: [FlowControl.Next],
      serialize: [FlowControl.Next],
      stop: [FlowControl.Next],
      branch: [FlowControl.ConditionalBranch],
      jump: [FlowControl.UnconditionalBranch, FlowControl.IndirectBranch],
      call: [FlowControl.Call, FlowControl.IndirectCall],
      return: [FlowControl.Return],
      far: [
        FlowControl.Call,
        FlowControl.IndirectCall,
        FlowControl.UnconditionalBranch,
        FlowControl.IndirectBranch,
        FlowControl.Return,
        FlowControl.Interrupt,
        FlowControl.Exception,
      ],
    };
    for (const { row, iced } of samples) {
      expect(expected[row.flow], name(row)).toContain(iced.flowControl);
      const isFar = iced.isCallFar || iced.isCallFarIndirect || iced.isJmpFar || iced.isJmpFarIndirect;
      if (isFar) expect(row.flow, name(row)).toBe('far');
      if (iced.isCallNear || iced.isCallNearIndirect || iced.isJmpShortOrNear || iced.isJmpNearIndirect) {
        expect(row.flow, name(row)).not.toBe('far');
      }
    }
  });

  test('privilege', () => {
    for (const { row, iced } of samples) {
      // #UD outside ring 0 (manual, MONITOR and MWAIT), which iced does not count.
      const isUndefinedOutside = row.feature === 'monitor';
      expect(iced.isPrivileged || isUndefinedOutside, name(row)).toBe(row.privilege === 'privileged');
    }
  });

  test('LOCK and repeat prefixes', () => {
    for (const { row, iced } of samples) {
      expect(iced.opCode.canUseLockPrefix, name(row)).toBe(row.lockable);
      expect(iced.opCode.canUseRepPrefix, name(row)).toBe(row.repeat !== 'none');
      // F2 means the same as F3 where nothing is compared; iced counts it for these too.
      if (row.repeat === 'repe') expect(iced.opCode.canUseRepnePrefix, name(row)).toBe(true);
    }
  });

  test('features', () => {
    const expected: Partial<Readonly<Record<Feature, readonly CpuidFeature[]>>> = {
      '8086': [CpuidFeature.INTEL8086, CpuidFeature.PAUSE],
      '80186': [CpuidFeature.INTEL186],
      '80286': [CpuidFeature.INTEL286],
      '80386': [CpuidFeature.INTEL386, CpuidFeature.MOV_TR],
      '80486': [CpuidFeature.INTEL486, CpuidFeature.CPUID],
      'x86-64': [CpuidFeature.X64, CpuidFeature.SYSCALL],
      tsc: [CpuidFeature.TSC],
      msr: [CpuidFeature.MSR],
      cx8: [CpuidFeature.CX8],
      cx16: [CpuidFeature.CMPXCHG16B],
      cmov: [CpuidFeature.CMOV],
      sep: [CpuidFeature.SEP],
      nopl: [CpuidFeature.MULTIBYTENOP],
      fpu: [CpuidFeature.FPU, CpuidFeature.FPU287, CpuidFeature.FPU387],
      fcmov: [CpuidFeature.CMOV, CpuidFeature.FPU],
      mmx: [CpuidFeature.MMX],
      fxsr: [CpuidFeature.FXSR],
      sse: [CpuidFeature.SSE],
      // PADDQ on MMX registers came with SSE2, though the manual's table says MMX.
      sse2: [CpuidFeature.SSE2, CpuidFeature.MMX],
      sse3: [CpuidFeature.SSE3],
      ssse3: [CpuidFeature.SSSE3],
      'sse4.1': [CpuidFeature.SSE4_1],
      'sse4.2': [CpuidFeature.SSE4_2],
      popcnt: [CpuidFeature.POPCNT],
      aes: [CpuidFeature.AES],
      pclmulqdq: [CpuidFeature.PCLMULQDQ],
      sha: [CpuidFeature.SHA],
      movbe: [CpuidFeature.MOVBE],
      bmi1: [CpuidFeature.BMI1],
      bmi2: [CpuidFeature.BMI2],
      lzcnt: [CpuidFeature.LZCNT],
      adx: [CpuidFeature.ADX],
      rdrand: [CpuidFeature.RDRAND],
      rdseed: [CpuidFeature.RDSEED],
      xsave: [CpuidFeature.XSAVE],
      xsaveopt: [CpuidFeature.XSAVEOPT],
      xsavec: [CpuidFeature.XSAVEC],
      xsaves: [CpuidFeature.XSAVES],
      clflush: [CpuidFeature.CLFSH],
      clflushopt: [CpuidFeature.CLFLUSHOPT],
      clwb: [CpuidFeature.CLWB],
      prefetchw: [CpuidFeature.PREFETCHW, CpuidFeature.MULTIBYTENOP],
      rdpmc: [CpuidFeature.RDPMC],
      rdtscp: [CpuidFeature.RDTSCP],
      rdpid: [CpuidFeature.RDPID],
      monitor: [CpuidFeature.MONITOR],
      fsgsbase: [CpuidFeature.FSGSBASE],
      invpcid: [CpuidFeature.INVPCID],
      smap: [CpuidFeature.SMAP],
      smm: [CpuidFeature.SMM],
      vmx: [CpuidFeature.VMX, CpuidFeature.INVEPT, CpuidFeature.INVVPID],
    };
    for (const row of INSTRUCTIONS) {
      const ofRow = samples.filter((sample) => sample.row === row);
      if (ofRow.length === 0) continue;
      // iced tells the forms of one encoding apart: the row has the oldest one's feature.
      const found = ofRow.flatMap(({ iced }) => [...iced.cpuidFeatures()] as CpuidFeature[]);
      expect(
        expected[row.feature]?.some((feature) => found.includes(feature)),
        name(row),
      ).toBe(true);
    }
  });
});
