/**
 * From a syntax tree to a closure. Names are resolved once, here, so that a condition costs little each time the guest
 * comes by, and a wrong one is told when it is set.
 *
 * A symbol's value is a linear address. In `[…]` an address without segment is an offset in the segment that the
 * processor would take (SS where the base is a stack register, else DS), unless a symbol is part of it: then it is linear.
 */
import type { FloatNotation } from '../../engines/engine';
import { formatReference } from '../memory/reference';
import type { Environment } from './environment';
import { parseFloatText } from './floats';
import { type Assignment, type Expression, ExpressionError, type Size } from './syntax';
import { ArithmeticError, asSigned, bytesToValue, combine, cut, type Location, plain, type Value, valueToBytes } from './values';

export type Evaluate = () => Value;

/** @throws ExpressionError for names that do not exist; the closure throws it for memory that is not there */
export function compile(expression: Expression, environment: Environment): Evaluate {
  switch (expression.kind) {
    case 'number': {
      const value = plain(expression.value);
      return () => value;
    }
    case 'fraction':
      throw new ExpressionError(
        'a number with a fraction can be put into an element such as xmm0.f32.1 or into st0, not computed with',
        expression.at,
      );
    case 'name':
      return compileName(expression, environment);
    case 'memory':
      return compileMemory(expression, environment);
    case 'cast': {
      const inner = compile(expression.of, environment);
      const bits = expression.size * 8;
      return () => {
        const value = inner();
        return { value: cut(value.signed ? asSigned(value) : value.value, bits), bits };
      };
    }
    case 'space':
    case 'far': {
      const locate = compileAddress(expression, environment);
      return () => addressValue(locate(), environment);
    }
    case 'unary': {
      const inner = compile(expression.of, environment);
      return UNARY[expression.operator](inner);
    }
    case 'binary':
      return compileBinary(expression, environment);
    case 'call':
      return compileCall(expression, environment);
  }
}

const UNARY: Readonly<Record<'-' | '+' | '~' | '!', (inner: Evaluate) => Evaluate>> = {
  '+': (inner) => inner,
  '-': (inner) => () => combine('-', plain(0n), inner()),
  '~': (inner) => () => combine('^', inner(), plain(-1n)),
  '!': (inner) => () => plain(inner().value === 0n ? 1n : 0n),
};

function compileBinary({ operator, left, right, at }: Expression & { kind: 'binary' }, environment: Environment): Evaluate {
  const a = compile(left, environment);
  const b = compile(right, environment);
  if (operator === '&&') return () => plain(a().value !== 0n && b().value !== 0n ? 1n : 0n);
  if (operator === '||') return () => plain(a().value !== 0n || b().value !== 0n ? 1n : 0n);
  return () => {
    try {
      const first = a();
      const result = combine(operator, first, b());
      // An address plus or minus something still points.
      const points = (operator === '+' || operator === '-') && first.target !== undefined && result.bits > 0;
      return points ? { ...result, target: { space: first.target.space, address: addressIn(result) } } : result;
    } catch (error) {
      throw error instanceof ArithmeticError ? new ExpressionError(error.message, at) : error;
    }
  };
}

const FUNCTIONS: Readonly<Record<string, (value: Value) => Value>> = {
  signed: (value) => ({ value: value.value, bits: value.bits, signed: true }),
  unsigned: (value) => ({ value: value.value, bits: value.bits }),
};

function compileCall({ name, argument, at }: Expression & { kind: 'call' }, environment: Environment): Evaluate {
  const operation = Object.hasOwn(FUNCTIONS, name) ? FUNCTIONS[name] : undefined;
  if (!operation) throw new ExpressionError(`there is no function '${name}'; there are ${Object.keys(FUNCTIONS).join(', ')}`, at);
  const inner = compile(argument, environment);
  return () => operation(inner());
}

function compileName({ name, at }: Expression & { kind: 'name' }, environment: Environment): Evaluate {
  const lower = name.toLowerCase();
  if (environment.register(lower)) return () => registerValue(lower, environment);
  if (name.startsWith('$')) {
    const variable = environment.variable(name.slice(1));
    if (variable) return () => plain(variable());
  }
  // NASM's `$name` is a symbol even where a register has that name.
  const symbol = environment.symbol(name) ?? (name.startsWith('$') ? environment.symbol(name.slice(1)) : undefined);
  if (!symbol) throw new ExpressionError(`'${name}' is no register and no symbol`, at);
  if (symbol.constant) return () => plain(BigInt(symbol.value));
  const value = addressValue({ space: 'linear', address: symbol.value }, environment);
  return () => value;
}

/** Of a kernel's symbol 64 bits, also before the processor can reach it. */
function addressValue(target: Location, environment: Environment): Value {
  const bits = environment.bits === 64 || target.address < 0 || target.address >= 2 ** 32 ? 64 : 32;
  return { value: cut(BigInt(target.address), bits), bits, target };
}

function registerValue(name: string, environment: Environment): Value {
  const register = environment.register(name);
  return register ? { value: register.value, bits: register.bits, float: register.float } : plain(0n);
}

function compileMemory({ size, address, at }: Expression & { kind: 'memory' }, environment: Environment): Evaluate {
  const locate = compileAddress(address, environment);
  const bytes = size ?? sizeOfTarget(address, environment);
  return () => {
    const location = locate();
    const read = environment.readMemory(location.space, location.address, bytes);
    if (read.length < bytes) throw new ExpressionError(`${bytes} bytes at ${formatReference(location)} cannot be read`, at);
    return { value: bytesToValue(read), bits: bytes * 8, location };
  };
}

/** Of `[symbol]` the symbol's own size, else the code size. */
function sizeOfTarget(address: Expression, environment: Environment): Size {
  if (address.kind === 'name') {
    const size = environment.symbol(address.name)?.size ?? 0;
    if (size === 1 || size === 2 || size === 4 || size === 8) return size;
  }
  return (environment.bits / 8) as Size;
}

const SEGMENTS: ReadonlySet<string> = new Set(['es', 'cs', 'ss', 'ds', 'fs', 'gs']);
const STACK_BASES: ReadonlySet<string> = new Set(['bp', 'ebp', 'rbp', 'sp', 'esp', 'rsp']);

/** Where an address expression leads. */
export function compileAddress(expression: Expression, environment: Environment): () => Location {
  if (expression.kind === 'space') {
    const inner = compile(expression.of, environment);
    const { space, at } = expression;
    return () => ({ space, address: toAddress(inner(), at) });
  }
  if (expression.kind === 'far') return compileFar(expression, environment);
  const inner = compile(expression, environment);
  const names = [...namesIn(expression)];
  const absolute = names.some((name) => !environment.register(name.toLowerCase()) && environment.symbol(name)?.constant === false);
  if (absolute) return () => ({ space: 'linear', address: toAddress(inner(), expression.at) });
  const segment = names.some((name) => STACK_BASES.has(name.toLowerCase())) ? 'ss' : 'ds';
  return () => ({ space: 'linear', address: environment.linear(segment, inner().value) });
}

function compileFar({ segment, offset, at }: Expression & { kind: 'far' }, environment: Environment): () => Location {
  const inner = compile(offset, environment);
  if (segment.kind === 'name' && SEGMENTS.has(segment.name.toLowerCase())) {
    const name = segment.name.toLowerCase();
    return () => ({ space: 'linear', address: environment.linear(name, inner().value) });
  }
  const selector = compile(segment, environment);
  return () => {
    const value = selector().value;
    if (value < 0n || value > 0xffffn) throw new ExpressionError(`the selector 0x${value.toString(16)} has more than 16 bits`, at);
    return { space: 'linear', address: withOffset(baseOf(Number(value), at, environment), inner().value, environment) };
  };
}

function baseOf(selector: number, at: number, environment: Environment): number {
  try {
    return environment.selectorBase(selector);
  } catch (error) {
    throw new ExpressionError((error as Error).message, at);
  }
}

function withOffset(base: number, offset: bigint, { bits }: Environment): number {
  const sum = BigInt(base) + offset;
  return Number(bits === 64 ? BigInt.asIntN(64, sum) : BigInt.asUintN(32, sum));
}

const addressIn = ({ value, bits }: Value): number =>
  Number(bits === 64 || (bits === 0 && value >> 63n === 1n) ? BigInt.asIntN(64, value) : value);

/** A value as an address: canonical, sign-extended above 32 bits. */
function toAddress({ value, bits }: Value, at: number): number {
  const address = addressIn({ value, bits });
  if (!Number.isSafeInteger(address)) throw new ExpressionError(`0x${value.toString(16)} is no address`, at);
  return address;
}

function* namesIn(expression: Expression): Iterable<string> {
  if (expression.kind === 'name') yield expression.name;
  else if (expression.kind === 'binary') {
    yield* namesIn(expression.left);
    yield* namesIn(expression.right);
  } else if (expression.kind === 'unary' || expression.kind === 'cast') yield* namesIn(expression.of);
  else if (expression.kind === 'call') yield* namesIn(expression.argument);
}

/** What an assignment did. */
export interface Assigned {
  readonly value: Value;
  /** What changed: memory, or a register. */
  readonly location: Location | undefined;
  /** Bytes, for memory. */
  readonly size: number;
}

const SPECIAL: ReadonlySet<string> = new Set(['inf', 'infinity', 'nan', 'snan']);

/** The bits of a number written as people write numbers; undefined for hexadecimal ones, which are bits themselves, and for the rest. */
function floatBits(value: Expression, float: FloatNotation): bigint | undefined {
  const negative = value.kind === 'unary' && value.operator === '-';
  const number = negative ? value.of : value;
  let text: string | undefined;
  if (number.kind === 'fraction') text = number.text.replaceAll('_', '');
  else if (number.kind === 'number' && number.decimal) text = String(number.value);
  else if (number.kind === 'name' && SPECIAL.has(number.name.toLowerCase())) text = number.name;
  return text === undefined ? undefined : parseFloatText(`${negative ? '-' : ''}${text}`, float);
}

/** @throws ExpressionError for what cannot be assigned to, or a value that does not fit */
export function assign({ target, operator, value, at }: Assignment, environment: Environment): Assigned {
  const float = target.kind === 'name' && !operator ? environment.register(target.name.toLowerCase())?.float : undefined;
  const bits = float && floatBits(value, float);
  if (bits !== undefined)
    return assign({ kind: 'assignment', target, operator, value: { kind: 'number', value: bits, at }, at }, environment);
  const evaluate = compile(operator ? { kind: 'binary', operator, left: target, right: value, at } : value, environment);
  if (target.kind === 'memory') {
    const locate = compileAddress(target.address, environment);
    const size = target.size ?? sizeOfTarget(target.address, environment);
    return store(evaluate(), size, locate(), target.at, environment);
  }
  const name = target.kind === 'name' ? target.name.toLowerCase() : '';
  const register = name ? environment.register(name) : undefined;
  if (!register) throw new ExpressionError('only a register or [memory] can be assigned to', target.at);
  const result = fit(evaluate(), register.bits, at);
  try {
    environment.setRegister(name, result);
  } catch (error) {
    throw new ExpressionError((error as Error).message, target.at);
  }
  return { value: registerValue(name, environment), location: undefined, size: 0 };
}

function store(value: Value, size: Size, location: Location, at: number, environment: Environment): Assigned {
  const result = fit(value, size * 8, at);
  const written = environment.writeMemory(location.space, location.address, valueToBytes(result, size));
  if (written < size) throw new ExpressionError(`${size} bytes at ${formatReference(location)} cannot be written`, at);
  return { value: { value: result, bits: size * 8, location }, location, size };
}

function fit(value: Value, bits: number, at: number): bigint {
  const number = value.signed ? asSigned(value) : value.value;
  const limit = 1n << BigInt(bits);
  if (number >= limit || number < -(limit >> 1n)) throw new ExpressionError(`the value does not fit ${bits} bits`, at);
  return BigInt.asUintN(bits, number);
}
