/** x87, MMX and SSE registers, read where they lie: looking must not raise what an instruction would. */
import type { RegisterField } from '../../engine';
import {
  MXCSR,
  X87_CONTROL,
  X87_CS,
  X87_DP,
  X87_DS,
  X87_IP,
  X87_OPCODE,
  X87_REGISTERS,
  X87_STATUS,
  X87_STRIDE,
  X87_TAGS,
  XMM,
  XMM_STRIDE,
} from '../layout';
import type { Processor } from '../processor';
import { MXCSR_MASK, X87State } from '../system/x87-state';
import { laneFields, registerFields } from './fields';
import type { RegisterSpec } from './register-set';

const viewOf = ({ state }: Processor): DataView => new DataView(state.host.memory.buffer);
const topOf = (cpu: Processor): number => (viewOf(cpu).getUint32(X87_STATUS, true) >> 11) & 7;

const TAGS = ['valid', 'zero', 'special', 'empty'] as const;
const EMPTY = 3;

/** As FNSTENV gives it (manual, "x87 FPU Tag Word"). */
function tagOf(cpu: Processor, physical: number): number {
  const view = viewOf(cpu);
  if (((view.getUint32(X87_TAGS, true) >> physical) & 1) === 0) return EMPTY;
  const significand = view.getBigUint64(X87_REGISTERS + physical * X87_STRIDE, true);
  const exponent = view.getUint16(X87_REGISTERS + physical * X87_STRIDE + 8, true) & 0x7fff;
  if (exponent === 0) return significand === 0n ? 1 : 2;
  return exponent === 0x7fff || significand >> 63n === 0n ? 2 : 0;
}

/** Sign, exponent and significand of an 80-bit number (manual, "x87 FPU Data Types"). */
function extendedFields(value: bigint): RegisterField[] {
  return [
    { name: 'sign', value: value >> 79n, low: 79, high: 79 },
    { name: 'exponent', value: (value >> 64n) & 0x7fffn, low: 64, high: 78, meaning: `biased by 16383` },
    { name: 'significand', value: BigInt.asUintN(64, value), low: 0, high: 63, meaning: 'with its integer bit' },
  ];
}

function stackRegister(distance: number): RegisterSpec {
  const physical = (cpu: Processor): number => (topOf(cpu) + distance) & 7;
  return {
    name: `st${distance}`,
    group: 'x87',
    bits: 80,
    float: 'f80',
    exists: ({ model }) => model.has('fpu'),
    read: (cpu) => {
      const at = X87_REGISTERS + physical(cpu) * X87_STRIDE;
      const view = viewOf(cpu);
      return (BigInt(view.getUint16(at + 8, true)) << 64n) | view.getBigUint64(at, true);
    },
    write: (cpu, value) =>
      new X87State(cpu).write(distance, { significand: BigInt.asUintN(64, value), signExponent: Number(value >> 64n) }),
    fields: (cpu, value) => [
      ...extendedFields(value),
      {
        name: 'tag',
        value: BigInt(tagOf(cpu, physical(cpu))),
        bits: 2,
        meaning: `${TAGS[tagOf(cpu, physical(cpu))]}; in R${physical(cpu)}`,
      },
    ],
    meaning: (cpu) => TAGS[tagOf(cpu, physical(cpu))],
  };
}

type Word = Pick<RegisterSpec, 'name' | 'bits' | 'read'> & Pick<RegisterSpec, 'write'>;

const word =
  (offset: number, mask: number) =>
  (cpu: Processor): bigint =>
    BigInt(viewOf(cpu).getUint32(offset, true) & mask);
const setWord =
  (offset: number, bits: number) =>
  (cpu: Processor, value: bigint): void => {
    if (bits === 64) viewOf(cpu).setBigUint64(offset, value, true);
    else viewOf(cpu).setUint32(offset, Number(value), true);
  };
const quad =
  (offset: number) =>
  (cpu: Processor): bigint =>
    viewOf(cpu).getBigUint64(offset, true);

/** Set while the opcode is to be read from memory when someone asks. */
const OPCODE_KNOWN = 0x7ff;

const WORDS: readonly Word[] = [
  {
    name: 'fcw',
    bits: 16,
    read: word(X87_CONTROL, 0xffff),
    write: (cpu, value) => {
      const unit = new X87State(cpu);
      unit.control = Number(value);
      unit.updateSummary();
    },
  },
  {
    name: 'fsw',
    bits: 16,
    read: word(X87_STATUS, 0xffff),
    write: (cpu, value) => {
      new X87State(cpu).status = Number(value);
    },
  },
  {
    name: 'ftw',
    bits: 16,
    read: (cpu) => BigInt(Array.from({ length: 8 }, (_, n) => tagOf(cpu, n) << (2 * n)).reduce((all, tag) => all | tag, 0)),
    write: (cpu, value) => {
      const tags = Array.from({ length: 8 }, (_, n) => (((Number(value) >> (2 * n)) & 3) === EMPTY ? 0 : 1 << n));
      new X87State(cpu).tags = tags.reduce((all, tag) => all | tag, 0);
    },
  },
  { name: 'fop', bits: 11, read: word(X87_OPCODE, OPCODE_KNOWN), write: setWord(X87_OPCODE, 32) },
  { name: 'fcs', bits: 16, read: word(X87_CS, 0xffff), write: setWord(X87_CS, 32) },
  { name: 'fip', bits: 64, read: quad(X87_IP), write: setWord(X87_IP, 64) },
  { name: 'fds', bits: 16, read: word(X87_DS, 0xffff), write: setWord(X87_DS, 32) },
  { name: 'fdp', bits: 64, read: quad(X87_DP), write: setWord(X87_DP, 64) },
];

function mmx(number: number): RegisterSpec {
  const at = X87_REGISTERS + number * X87_STRIDE;
  return {
    name: `mm${number}`,
    group: 'mmx',
    bits: 64,
    exists: ({ model }) => model.has('mmx'),
    read: (cpu) => viewOf(cpu).getBigUint64(at, true),
    write: (cpu, value) => {
      // As every MMX instruction that writes one: sign and exponent become ones.
      viewOf(cpu).setBigUint64(at, value, true);
      viewOf(cpu).setUint16(at + 8, 0xffff, true);
    },
    fields: (_, value) => laneFields(value, 64),
  };
}

function xmm(number: number): RegisterSpec {
  const at = XMM + number * XMM_STRIDE;
  return {
    name: `xmm${number}`,
    group: 'sse',
    bits: 128,
    exists: ({ model }) => model.has('sse'),
    read: (cpu) => (viewOf(cpu).getBigUint64(at + 8, true) << 64n) | viewOf(cpu).getBigUint64(at, true),
    write: (cpu, value) => {
      viewOf(cpu).setBigUint64(at, BigInt.asUintN(64, value), true);
      viewOf(cpu).setBigUint64(at + 8, value >> 64n, true);
    },
    fields: (_, value) => laneFields(value, 128),
  };
}

const MXCSR_SPEC: RegisterSpec = {
  name: 'mxcsr',
  group: 'sse',
  bits: 32,
  exists: ({ model }) => model.has('sse'),
  read: (cpu) => BigInt(viewOf(cpu).getUint32(MXCSR, true)),
  write: (cpu, value) => {
    if (value & ~BigInt(MXCSR_MASK)) throw new Error(`bits of mxcsr outside 0x${MXCSR_MASK.toString(16)} are reserved`);
    viewOf(cpu).setUint32(MXCSR, Number(value), true);
  },
  fields: (_, value) => registerFields('mxcsr', value),
};

const count = (length: number): number[] => Array.from({ length }, (_, i) => i);

export const FLOAT_REGISTERS: readonly RegisterSpec[] = [
  ...count(8).map(stackRegister),
  ...WORDS.map(
    (spec): RegisterSpec => ({
      ...spec,
      group: 'x87',
      exists: ({ model }) => model.has('fpu'),
      fields: (_, value) => registerFields(spec.name, value),
    }),
  ),
  ...count(8).map(mmx),
  ...count(16).map(xmm),
  MXCSR_SPEC,
];
