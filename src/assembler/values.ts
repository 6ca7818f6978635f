/** What expressions evaluate to: plain integers, or sums of registers and section bases with an integer. */

import type { AssemblerRegister } from '../isa/encoder';
import { type Int, add, multiply } from './int64';

/**
 * Something that addresses are relative to until the linker (or, in a flat image, the layout) places it: a section, an external
 * or a common symbol. Compared by identity.
 */
export interface Base {
  readonly kind: 'section' | 'external' | 'common' | 'segment-of';
  readonly name: string;
}

interface Term {
  readonly of: AssemblerRegister | Base;
  readonly coefficient: Int;
  /** Written with a multiplication sign: `[eax*1+ebx]` says that EAX is the index. */
  readonly scaled: boolean;
}

/** A value that is no plain integer. */
export interface Sum {
  readonly constant: Int;
  readonly terms: readonly Term[];
  /** Contains a symbol whose value is not known yet. */
  readonly unknown: boolean;
  /** Of the WRT operator. */
  readonly wrt?: WrtTarget | undefined;
}

/** What stands to the right of WRT: a special symbol of the output format or a segment. */
export type WrtTarget = { readonly kind: 'special'; readonly name: string } | { readonly kind: 'base'; readonly base: Base };

export type Value = Int | Sum;

export const UNKNOWN: Sum = { constant: 0, terms: [], unknown: true };

export const isInt = (value: Value): value is Int => typeof value === 'number' || typeof value === 'bigint';

export const isRegister = (of: AssemblerRegister | Base): of is AssemblerRegister => 'class' in of;

export function relative(base: Base, offset: Int): Sum {
  return { constant: offset, terms: [{ of: base, coefficient: 1, scaled: false }], unknown: false };
}

/** Where only an integer is left of a sum, the integer. */
function simplify(sum: Sum): Value {
  return sum.terms.length === 0 && !sum.unknown && !sum.wrt ? sum.constant : sum;
}

function asSum(value: Value): Sum {
  return isInt(value) ? { constant: value, terms: [], unknown: false } : value;
}

export function addValues(a: Value, b: Value): Value {
  if (isInt(a) && isInt(b)) return add(a, b);
  const x = asSum(a);
  const y = asSum(b);
  const terms = [...x.terms];
  for (const term of y.terms) {
    const at = terms.findIndex((other) => other.of === term.of);
    if (at < 0) {
      terms.push(term);
      continue;
    }
    const coefficient = add(terms[at].coefficient, term.coefficient);
    if (coefficient === 0) terms.splice(at, 1);
    else terms[at] = { of: term.of, coefficient, scaled: terms[at].scaled || term.scaled };
  }
  return simplify({ constant: add(x.constant, y.constant), terms, unknown: x.unknown || y.unknown, wrt: x.wrt ?? y.wrt });
}

/** @param scaled the source has a multiplication sign here */
export function multiplyValue(value: Value, factor: Int, scaled: boolean): Value {
  if (isInt(value)) return multiply(value, factor);
  const terms = value.terms
    .map((term) => ({ of: term.of, coefficient: multiply(term.coefficient, factor), scaled: term.scaled || scaled }))
    .filter((term) => term.coefficient !== 0);
  return simplify({ constant: multiply(value.constant, factor), terms, unknown: value.unknown, wrt: value.wrt });
}

export const isUnknown = (value: Value): boolean => !isInt(value) && value.unknown;

/** A register alone. */
export function soleRegister(value: Value): AssemblerRegister | undefined {
  if (isInt(value) || value.terms.length !== 1 || value.constant !== 0 || value.unknown) return undefined;
  const [{ of, coefficient, scaled }] = value.terms;
  return isRegister(of) && coefficient === 1 && !scaled ? of : undefined;
}

export const hasRegisters = (value: Value): boolean => !isInt(value) && value.terms.some((term) => isRegister(term.of));

/** The parts of an address or number that can be written to the output. */
export interface Relocatable {
  readonly offset: Int;
  /** Relative to this; undefined for an absolute number. */
  readonly base: Base | undefined;
  /** Less the address of this: the place itself, for self-relative values. */
  readonly minus: Base | undefined;
  readonly wrt: WrtTarget | undefined;
  readonly unknown: boolean;
}

/**
 * The value as something that can be written; undefined where it is a sum of several sections, a multiple of one, or has registers.
 * @param self the section that the value stands in: only its own base can be subtracted
 */
export function relocatable(value: Value, self: Base | undefined): Relocatable | undefined {
  if (isInt(value)) return { offset: value, base: undefined, minus: undefined, wrt: undefined, unknown: false };
  let base: Base | undefined;
  let minus: Base | undefined;
  for (const { of, coefficient } of value.terms) {
    if (isRegister(of)) return undefined;
    if (coefficient === 1 && !base) base = of;
    else if (coefficient === -1 && !minus && of === self) minus = of;
    else return undefined;
  }
  return { offset: value.constant, base, minus, wrt: value.wrt, unknown: value.unknown };
}
