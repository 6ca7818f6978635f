/** What checks on the host's and on the guest's control registers share. */
import { Field, type FieldKey } from '../fields';
import type { CheckWorld, FoundValue } from './check';
import type { Predicate } from './predicates';

export const ALL_ONES = 0xffffffff;
/** Control-flow enforcement. */
export const CR4_CET = 1 << 23;

/** IA32_EFER.LMA of the processor that enters. */
export const longMode: Predicate = ({ processor }) => processor.longMode;

/** No bit of a CR4 field that IA32_VMX_CR4_FIXED1 lacks. */
export const cr4Supported = (key: FieldKey): Predicate => {
  const field = Field[key];
  return ({ vmcs, processor }) => (vmcs.low(field) & ~processor.cr4Fixed1) === 0 && vmcs.high(field) === 0;
};
export const supportedCr4 = ({ processor }: CheckWorld): readonly FoundValue[] => [
  { name: 'IA32_VMX_CR4_FIXED1', low: processor.cr4Fixed1, high: 0, bits: 64 },
];

/** No bit of a field for IA32_EFER that the register lacks. */
export const eferSupported = (key: FieldKey): Predicate => {
  const field = Field[key];
  return ({ vmcs, processor }) => (vmcs.low(field) & ~processor.eferBits) === 0 && vmcs.high(field) === 0;
};
export const supportedEfer = ({ processor }: CheckWorld): readonly FoundValue[] => [
  { name: 'bits of IA32_EFER', low: processor.eferBits, high: 0, bits: 64 },
];

/** Both hold, or neither. */
export const sameBits =
  (a: Predicate, b: Predicate): Predicate =>
  (world) =>
    a(world) === b(world);
