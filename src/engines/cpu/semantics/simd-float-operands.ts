/** What SSE floating-point instructions share: operands as bits and as native numbers, results native or exact, and how they are written. */
import { n } from '../float/kit';
import { type Expr, get, i32, i64, V128, type ValueType } from '../wasm/code';
import { f32x4, f64x2, v128 } from '../wasm/vector';
import type { Context, Semantics } from './context';
import { DWORD, type Group, INVALID_OPCODE, type Kind, SIMD_ERROR, SS } from './simd-float-exact';
import { nativeOf } from './simd-float-native';

/** An operand, read. */
export interface Source {
  readonly bits: Expr;
  /** As native arithmetic takes it: read anew at each use, if it is one lane. */
  readonly value: Expr;
}

const bytesOf = ({ lane, count }: Group): number => lane.bytes * count;
const integersOf = ({ lane }: Group): typeof i32 | typeof i64 => (lane === DWORD ? i32 : i64);
export const isScalar = ({ count }: Group): boolean => count === 1;

/** Operand `index`; 16 bytes in memory have to be aligned. */
export function read(c: Context, index: number, kind: Kind): Source {
  const bytes = bytesOf(kind);
  const pointer = c.pointer(index, 'read', bytes, bytes === 16);
  if (isScalar(kind)) return { bits: c.let(kind.lane.type, integersOf(kind).load(pointer)), value: nativeOf(kind).load(pointer) };
  const value = c.let(V128, v128.load(pointer));
  return { bits: value, value };
}

/** Of one lane, for more than one use. */
export function readOnce(c: Context, index: number, kind: Kind): Source {
  const { bits, value } = read(c, index, kind);
  return { bits, value: isScalar(kind) ? c.let(nativeOf(kind).type, value) : value };
}

/** A group of lanes in operand `index`: an integer of its bits, or a vector with zeros above. */
export function readGroup(c: Context, index: number, group: Group): Expr {
  const bytes = bytesOf(group);
  const pointer = c.pointer(index, 'read', bytes, bytes === 16);
  if (isScalar(group)) return c.let(group.lane.type, integersOf(group).load(pointer));
  return c.let(V128, (bytes === 8 ? v128.load64_zero : v128.load)(pointer));
}

/**
 * A result into register operand 0, of a scalar its lowest lane. The whole register is stored, since processors are slow to load
 * what has been stored in parts.
 * @param value as native arithmetic gives it
 */
export function write(c: Context, kind: Kind, value: Expr): void {
  const pointer = c.pointer(0, 'write', 16);
  const lanes = kind === SS ? f32x4 : f64x2;
  v128.store(c.code, pointer, isScalar(kind) ? lanes.replace(v128.load(pointer), 0, value) : value);
}

/** Runs `then` where all conditions hold; those behind the first one that does not are not looked at. */
function whenAll(c: Context, conditions: readonly Expr[], then: () => void): void {
  if (conditions.length === 0) return then();
  c.if(conditions[0], () => whenAll(c, conditions.slice(1), then));
}

/** How a result can be had natively. */
export interface Quick {
  /** Conditions on the operands. */
  readonly before: readonly Expr[];
  readonly value: Expr;
  /** Conditions on the result's bits. */
  readonly after?: (bits: Expr) => Expr[];
}

/** What a native result is: its type, and its bits as integer (or vector) there and back. */
export interface Result {
  readonly type: ValueType;
  readonly bits?: ValueType;
  readonly toBits?: (value: Expr) => Expr;
  readonly fromBits?: (bits: Expr) => Expr;
}

export const resultOf = (kind: Kind): Result => (isScalar(kind) ? { ...nativeOf(kind), bits: kind.lane.type } : { type: V128 });

/** A result that is computed natively if that is sure to be right, else by an exact function, which may raise an exception. */
export function compute(
  c: Context,
  { type, bits, toBits = (value) => value, fromBits = (value) => value }: Result,
  { before, value, after }: Quick,
  exact: string,
  args: readonly Expr[],
): Expr {
  const local = c.code.local(type);
  const result = get(local);
  c.code.block((done) => {
    whenAll(c, before, () => {
      c.code.set(local, value);
      whenAll(c, after?.(bits === undefined ? result : c.let(bits, toBits(result))) ?? [], done);
    });
    const [exactly, vector] = c.library(`sse_${exact}`, ...args);
    c.if(vector, () => {
      c.faultIf(i32.eq(vector, n(INVALID_OPCODE)), INVALID_OPCODE);
      c.faultIf(n(1), SIMD_ERROR);
    });
    c.code.set(local, fromBits(exactly));
  });
  return result;
}

export const sse =
  (describe: (c: Context) => void): Semantics =>
  (c) => {
    c.requireUnit('sse');
    describe(c);
  };

/** The immediate operand `index`, 0 to 255. */
export const immediate = (c: Context, index: number): Expr => c.let(i32.type, i32.and(c.operand(index).read(), n(0xff)));
