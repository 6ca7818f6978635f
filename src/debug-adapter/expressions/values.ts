/** Values of expressions and the arithmetic on them. */
import type { AddressSpace, FloatNotation } from '../../engines/engine';
import type { BinaryOperator } from './syntax';

export interface Location {
  readonly space: AddressSpace;
  readonly address: number;
}

export interface Value {
  /** Unsigned below 2^bits; of any sign for a plain number. */
  readonly value: bigint;
  /** Width; 0 for a plain number, which takes that of what it is combined with. */
  readonly bits: number;
  /** Where it lives, for a value in memory. */
  readonly location?: Location;
  /** What it points to, for an address. */
  readonly target?: Location;
  /** It is a number with a fraction, of which `value` is the bits. */
  readonly float?: FloatNotation;
  /** It is to be read as signed. */
  readonly signed?: boolean;
}

export const plain = (value: bigint): Value => ({ value, bits: 0 });
const truth = (condition: boolean): Value => plain(condition ? 1n : 0n);

export const cut = (value: bigint, bits: number): bigint => (bits === 0 ? value : BigInt.asUintN(bits, value));

export const asSigned = ({ value, bits }: Value): bigint => (bits === 0 ? value : BigInt.asIntN(bits, value));

/** Why an operation has no result. */
export class ArithmeticError extends Error {}

/** Two values at one width: the larger of both, or none for plain numbers. Signed if one is. */
function align(left: Value, right: Value): { readonly a: bigint; readonly b: bigint; readonly bits: number; readonly signed: boolean } {
  const bits = Math.max(left.bits, right.bits);
  const signed = left.signed === true || right.signed === true;
  const at = (value: Value): bigint => {
    const extended = value.signed ? asSigned(value) : value.value;
    return bits === 0 ? extended : signed ? BigInt.asIntN(bits, extended) : BigInt.asUintN(bits, extended);
  };
  return { a: at(left), b: at(right), bits, signed };
}

type Operation = (a: bigint, b: bigint) => bigint;

const MAX_SHIFT = 128n;

const ARITHMETIC: Readonly<Partial<Record<BinaryOperator, Operation>>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => {
    if (b === 0n) throw new ArithmeticError('division by zero');
    return a / b;
  },
  '%': (a, b) => {
    if (b === 0n) throw new ArithmeticError('division by zero');
    return a % b;
  },
  '&': (a, b) => a & b,
  '|': (a, b) => a | b,
  '^': (a, b) => a ^ b,
};

const COMPARISONS: Readonly<Partial<Record<BinaryOperator, (a: bigint, b: bigint) => boolean>>> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
};

/** @throws ArithmeticError */
export function combine(operator: BinaryOperator, left: Value, right: Value): Value {
  if (operator === '<<' || operator === '>>') return shift(operator, left, right);
  const { a, b, bits, signed } = align(left, right);
  const compare = COMPARISONS[operator];
  if (compare) return truth(compare(a, b));
  const result = (ARITHMETIC[operator] as Operation)(a, b);
  // Plain numbers are kept to what the widest registers hold, so that they cannot grow without end.
  return { value: bits === 0 ? BigInt.asIntN(129, result) : cut(result, bits), bits, ...(signed && { signed }) };
}

function shift(operator: '<<' | '>>', left: Value, right: Value): Value {
  const count = right.value;
  if (count < 0n || count > MAX_SHIFT) throw new ArithmeticError(`a shift by ${count}`);
  const value = left.signed ? asSigned(left) : left.value;
  const result = operator === '<<' ? value << count : value >> count;
  return { ...plain(left.bits === 0 ? BigInt.asIntN(129, result) : cut(result, left.bits)), bits: left.bits, signed: left.signed };
}

export function bytesToValue(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]);
  return value;
}

export function valueToBytes(value: bigint, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}
