/**
 * What checks on VM entry are made of. They run at each VM entry, so predicates look at halves of fields and make no objects; one whose
 * condition is not met answers true at once.
 */
import { PHYSICAL_ADDRESS_BITS } from '../../system/paging';
import { type AllowedSettings, BEYOND_PHYSICAL } from '../capabilities';
import { ENTRY_CONTROLS, EXIT_CONTROLS, PIN_CONTROLS, PRIMARY_CONTROLS, SECONDARY_CONTROLS } from '../control-bits';
import { Field, type FieldKey, fieldByKey } from '../fields';
import type { CheckArea, CheckWorld, EntryCheck, FoundValue } from './check';

export type Predicate = (world: CheckWorld) => boolean;

/** A check as files write it down: what they have in common is said once, by `checks`. */
export type Row = readonly [
  id: string,
  rule: string,
  fields: readonly FieldKey[],
  holds: Predicate,
  found?: (world: CheckWorld) => readonly FoundValue[],
  readsMemory?: 'reads memory',
];

/** Rows of one section of the manual. */
export const checks = (area: CheckArea, section: string, rows: readonly Row[], qualification?: number): readonly EntryCheck[] =>
  rows.map(([id, rule, fields, holds, found, readsMemory]) => ({
    id,
    area,
    section,
    rule,
    fields,
    holds,
    ...(found && { found }),
    ...(readsMemory && { readsMemory: true }),
    ...(qualification !== undefined && { qualification }),
  }));

export const and =
  (...all: readonly [Predicate, Predicate, Predicate?]): Predicate =>
  (world) =>
    all[0](world) && all[1](world) && (all[2] === undefined || all[2](world));
export const or =
  (a: Predicate, b: Predicate): Predicate =>
  (world) =>
    a(world) || b(world);
export const not =
  (condition: Predicate): Predicate =>
  (world) =>
    !condition(world);
/** `rule` holds where `condition` does. */
export const when =
  (condition: Predicate, rule: Predicate): Predicate =>
  (world) =>
    !condition(world) || rule(world);

/** The same, for a rule that mostly holds even where it need not: it is asked first. */
export const unless =
  (exempt: Predicate, rule: Predicate): Predicate =>
  (world) =>
    rule(world) || exempt(world);

/** Bits of `lowMask` in the low half and of `highMask` in the high half are 0. */
export const zero = (key: FieldKey, lowMask: number, highMask = 0): Predicate => {
  const field = Field[key];
  if (highMask === 0) return ({ vmcs }) => (vmcs.low(field) & lowMask) === 0;
  if (lowMask === 0) return ({ vmcs }) => (vmcs.high(field) & highMask) === 0;
  return ({ vmcs }) => (vmcs.low(field) & lowMask) === 0 && (vmcs.high(field) & highMask) === 0;
};
/** All bits of `mask` in the low half are 1. */
export const ones = (key: FieldKey, mask: number): Predicate => {
  const field = Field[key];
  return ({ vmcs }) => (vmcs.low(field) & mask) >>> 0 === mask >>> 0;
};
/** Some bit of `mask` in the low half is 1. */
export const some = (key: FieldKey, mask: number): Predicate => {
  const field = Field[key];
  return ({ vmcs }) => (vmcs.low(field) & mask) !== 0;
};
/** No bit is 1, of a field of 16 or 32 bits. */
export const isZero = (key: FieldKey): Predicate => zero(key, 0xffffffff);

/** No bit at or above the processor's physical-address width. */
export const withinPhysical = (key: FieldKey): Predicate => zero(key, 0, BEYOND_PHYSICAL);
/** A physical address that can be read: aligned, and not too wide. For checks on what lies there; others refuse the address itself. */
export const readable = (key: FieldKey, alignment: number): Predicate => zero(key, alignment - 1, BEYOND_PHYSICAL);
/** An address or count as a number; exact up to 2^53. */
export const unsigned = ({ vmcs }: CheckWorld, field: number): number => vmcs.high(field) * 2 ** 32 + vmcs.low(field);

/** Bits 63:47 are identical (manual, "Canonical Addressing"). */
export const canonical = (key: FieldKey): Predicate => {
  const field = Field[key];
  return ({ vmcs }) => {
    const top = vmcs.high(field) >> 15;
    return top === 0 || top === -1;
  };
};

/** Of four bytes each names a memory type: 0, 1, 4, 5, 6 or 7. That is: below 8, and bit 1 only beside bit 2. */
const areMemoryTypes = (half: number): boolean => (half & 0xf8f8f8f8) === 0 && (half & 0x02020202 & ~((half & 0x04040404) >>> 1)) === 0;
export const memoryTypes = (key: FieldKey): Predicate => {
  const field = Field[key];
  return ({ vmcs }) => areMemoryTypes(vmcs.low(field)) && areMemoryTypes(vmcs.high(field));
};

/** One bit of a control word. */
export interface Control {
  /** As rules name it, in quotation marks. */
  readonly name: string;
  readonly field: FieldKey;
  /** Another field without which the bit means nothing. */
  readonly within?: FieldKey;
  /** It is 1. Secondary controls are 0 while they are not activated. */
  readonly on: Predicate;
}

interface Words {
  pin: typeof PIN_CONTROLS.bits;
  primary: typeof PRIMARY_CONTROLS.bits;
  secondary: typeof SECONDARY_CONTROLS.bits;
  exit: typeof EXIT_CONTROLS.bits;
  entry: typeof ENTRY_CONTROLS.bits;
}
const WORDS: Words = {
  pin: PIN_CONTROLS.bits,
  primary: PRIMARY_CONTROLS.bits,
  secondary: SECONDARY_CONTROLS.bits,
  exit: EXIT_CONTROLS.bits,
  entry: ENTRY_CONTROLS.bits,
};
const TEST: Readonly<Record<keyof Words, (mask: number) => Predicate>> = {
  pin:
    (mask) =>
    ({ controls }) =>
      (controls.pin & mask) !== 0,
  primary:
    (mask) =>
    ({ controls }) =>
      (controls.primary & mask) !== 0,
  secondary:
    (mask) =>
    ({ controls }) =>
      (controls.secondary & mask) !== 0,
  exit:
    (mask) =>
    ({ controls }) =>
      (controls.exit & mask) !== 0,
  entry:
    (mask) =>
    ({ controls }) =>
      (controls.entry & mask) !== 0,
};

/** @param word which control word @param key of the bit in its table */
export function control<W extends keyof Words>(word: W, key: keyof Words[W] & string): Control {
  const { bit, name } = (WORDS[word] as Readonly<Record<string, { bit: number; name: string }>>)[key];
  return { name: `"${name}"`, field: `${word}Controls`, on: TEST[word](1 << bit) };
}

/** What rules call a field. */
export const nameOf = (key: FieldKey): string => `the ${fieldByKey(key).name}`;
export const upperFirst = (text: string): string => text[0].toUpperCase() + text.slice(1);
/** Without repetitions. */
export const fieldsOf = (...keys: readonly FieldKey[]): readonly FieldKey[] => [...new Set(keys)];

const mask = (value: number): string => `${value.toString(16).padStart(8, '0').toUpperCase()}H`;

/** Reserved bits of a control word, as its capability MSR has them: a row for those that must be 1, if any, and one for the others. */
export function reservedBits(id: string, key: FieldKey, read: (world: CheckWorld) => number, allowed: AllowedSettings): readonly Row[] {
  const { mustBe1, mayBe1 } = allowed;
  const rule = `Reserved bits of ${nameOf(key)} must be set properly:`;
  const ones: Row = [`${id}.must-be-1`, `${rule} bits ${mask(mustBe1)} must be 1.`, [key], (world) => (~read(world) & mustBe1) === 0];
  const zeros: Row = [`${id}.must-be-0`, `${rule} no bits but ${mask(mayBe1)} may be 1.`, [key], (world) => (read(world) & ~mayBe1) === 0];
  return mustBe1 === 0 ? [zeros] : [ones, zeros];
}

const within = (control: Control): readonly FieldKey[] => (control.within ? [control.within] : []);

/** `a` may be 1 only beside `b`. */
export const needs = (id: string, a: Control, b: Control): Row => [
  id,
  `If ${a.name} is 1, ${b.name} must be 1.`,
  fieldsOf(a.field, b.field, ...within(a)),
  when(a.on, b.on),
];
/** `a` and `b` may not both be 1. */
export const excludes = (id: string, a: Control, b: Control): Row => [
  id,
  `If ${a.name} is 1, ${b.name} must be 0.`,
  fieldsOf(a.field, b.field),
  not(and(a.on, b.on)),
];
/** While `enabled` is 1, a field is the physical address of something aligned to `alignment` bytes: two rows. */
export const physicalAddress = (id: string, enabled: Control, key: FieldKey, alignment = 4096): readonly Row[] => [
  [
    `${id}.aligned`,
    `If ${enabled.name} is 1, bits ${Math.log2(alignment) - 1}:0 of ${nameOf(key)} must be 0.`,
    [key, enabled.field, ...within(enabled)],
    when(enabled.on, zero(key, alignment - 1)),
  ],
  [
    `${id}.width`,
    `If ${enabled.name} is 1, ${nameOf(key)} must not set bits beyond the physical-address width.`,
    [key, enabled.field, ...within(enabled)],
    when(enabled.on, withinPhysical(key)),
  ],
];

const MSR_ENTRY = 16;
/** First address beyond what the processor can name. */
const PHYSICAL_END = 2 ** PHYSICAL_ADDRESS_BITS;

/** Where a list of MSRs lies, unless it is empty: three rows. */
export function msrList(id: string, countKey: FieldKey, addressKey: FieldKey): readonly Row[] {
  const [count, address] = [Field[countKey], Field[addressKey]];
  const listed: Predicate = ({ vmcs }) => vmcs.low(count) !== 0;
  const unless = `If ${nameOf(countKey)} is not 0`;
  const fields = [addressKey, countKey];
  return [
    [`${id}.aligned`, `${unless}, bits 3:0 of ${nameOf(addressKey)} must be 0.`, fields, when(listed, zero(addressKey, MSR_ENTRY - 1))],
    [
      `${id}.width`,
      `${unless}, ${nameOf(addressKey)} must not set bits beyond the physical-address width.`,
      fields,
      when(listed, withinPhysical(addressKey)),
    ],
    [
      `${id}.end`,
      `${unless}, the last byte of the list (${nameOf(addressKey)} + 16 × count − 1) must not lie beyond the physical-address width.`,
      fields,
      (world) => !listed(world) || unsigned(world, address) + world.vmcs.low(count) * MSR_ENTRY <= PHYSICAL_END,
    ],
  ];
}
