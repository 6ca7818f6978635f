/**
 * WebAssembly function bodies written straight into bytes. An expression is a function that writes itself; composing
 * expressions composes functions, so a semantics function reads like arithmetic and costs a few microseconds to emit.
 * Opcodes are those of the WebAssembly Core Specification, "Binary Format".
 */

import type { VectorCopies } from './vector-copies';

export const I32 = 0x7f;
export const I64 = 0x7e;
export const F32 = 0x7d;
export const F64 = 0x7c;
export const V128 = 0x7b;
export type ValueType = typeof I32 | typeof I64 | typeof F32 | typeof F64 | typeof V128;

const EMPTY_BLOCK = 0x40;

/** A value under construction: writes the instructions that leave it on the operand stack. */
export interface Expr {
  (code: Code): void;
  /** What it is known to be: an i32 as a number, an i64 as a bigint, both signed. */
  readonly value?: number | bigint;
  /** It is a local's value, and nothing else. */
  readonly local?: number;
}

/** What a condition mostly is. */
export type Hint = 'likely' | 'unlikely';

/** Where a branch can go: an open block (behind it) or loop (to its start). */
export interface Label {
  readonly depth: number;
}

export type BranchHints = readonly { readonly at: number; readonly likely: boolean }[];

export class Code {
  private bytes = new Uint8Array(256);
  private length = 0;
  private readonly locals: ValueType[] = [];
  private readonly parameters: number;
  /** Open blocks, for branch depths. */
  private depth = 0;
  /** Locals that may be used again, by type; see `reuse`. */
  private readonly spare = new Map<ValueType, number[]>();
  /** Locals handed out since the last `collect`, while someone collects. */
  private taken: number[] | undefined;
  /** Where conditions are that are mostly true, or mostly not. */
  private hinted: { readonly at: number; readonly likely: boolean }[] = [];

  /** Copies of vectors in memory, where they are kept. */
  vectors: VectorCopies | undefined;

  constructor(parameters: number) {
    this.parameters = parameters;
  }

  byte(value: number): void {
    if (this.length === this.bytes.length) {
      const larger = new Uint8Array(this.length * 2);
      larger.set(this.bytes);
      this.bytes = larger;
    }
    this.bytes[this.length++] = value;
  }

  append(bytes: Uint8Array): void {
    const end = this.length + bytes.length;
    if (end > this.bytes.length) {
      const larger = new Uint8Array(Math.max(end, this.bytes.length * 2));
      larger.set(this.bytes);
      this.bytes = larger;
    }
    this.bytes.set(bytes, this.length);
    this.length = end;
  }

  /** Unsigned LEB128 of a 32-bit value. */
  unsigned(value: number): void {
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.byte((rest & 0x7f) | 0x80);
      rest >>>= 7;
    }
    this.byte(rest);
  }

  /** Signed LEB128 of a 32-bit value. */
  signed(value: number): void {
    let rest = value | 0;
    for (;;) {
      const low = rest & 0x7f;
      rest >>= 7;
      if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) {
        this.byte(low);
        return;
      }
      this.byte(low | 0x80);
    }
  }

  /** Signed LEB128 of a 64-bit value. */
  signed64(value: bigint | number): void {
    if (typeof value === 'number') {
      if (value === (value | 0)) return this.signed(value);
      return this.signed64(BigInt(value));
    }
    let rest = BigInt.asIntN(64, value);
    for (;;) {
      const low = Number(rest & 0x7fn);
      rest >>= 7n;
      if ((rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0)) {
        this.byte(low);
        return;
      }
      this.byte(low | 0x80);
    }
  }

  /** A local's index; what it holds is not known. */
  local(type: ValueType): number {
    const index = this.spare.get(type)?.pop() ?? this.parameters + this.locals.push(type) - 1;
    this.taken?.push(index);
    return index;
  }

  /** A local that is 0 at the start and never used for anything else. */
  permanent(type: ValueType): number {
    return this.parameters + this.locals.push(type) - 1;
  }

  /** The locals handed out since the last call, to be given to `reuse` when nobody needs their values any more. */
  collect(): readonly number[] {
    const taken = this.taken ?? [];
    this.taken = [];
    return taken;
  }

  reuse(locals: readonly number[]): void {
    for (const local of locals) {
      const type = this.locals[local - this.parameters];
      const list = this.spare.get(type);
      if (list) list.push(local);
      else this.spare.set(type, [local]);
    }
  }

  set(local: number, value: Expr): void {
    value(this);
    this.byte(0x21);
    this.unsigned(local);
  }

  /** Computes a value once; the result may be used any number of times. */
  let(type: ValueType, value: Expr): Expr {
    if (value.value !== undefined) return value;
    const local = this.local(type);
    this.set(local, value);
    return get(local);
  }

  store(opcode: number, align: number, address: Expr, value: Expr, offset = 0): void {
    address(this);
    value(this);
    this.byte(opcode);
    this.unsigned(align);
    this.unsigned(offset);
    if (typeof address.value === 'number') this.vectors?.storePart(address.value + offset);
  }

  /** @param hint so that what is seldom done costs nothing where it is not: engines read it from the module, or leave it */
  if(condition: Expr, then: () => void, otherwise?: () => void, hint?: Hint): void {
    if (condition.value !== undefined) {
      if (condition.value) then();
      else otherwise?.();
      return;
    }
    condition(this);
    if (hint) this.hinted.push({ at: this.length, likely: hint === 'likely' });
    this.byte(0x04);
    this.byte(EMPTY_BLOCK);
    this.depth++;
    // What is known stays so on both ways, if neither writes part of it.
    const before = this.vectors?.enter(false);
    then();
    if (before) this.vectors?.turn(before);
    if (otherwise) {
      this.byte(0x05);
      otherwise();
    }
    if (before) this.vectors?.leave(before);
    this.depth--;
    this.byte(0x0b);
  }

  /** What seldom has to be done. */
  unlikely(condition: Expr, then: () => void): void {
    this.if(condition, then, undefined, 'unlikely');
  }

  /** What mostly has to be done. */
  likely(condition: Expr, then: () => void): void {
    this.if(condition, then, undefined, 'likely');
  }

  /** An endless loop; `again` in its body goes back to its start, falling off its end leaves it. */
  loop(body: (again: () => void) => void): void {
    this.byte(0x03);
    this.byte(EMPTY_BLOCK);
    const at = ++this.depth;
    const before = this.vectors?.enter(true);
    body(() => {
      this.byte(0x0c);
      this.unsigned(this.depth - at);
    });
    if (before) this.vectors?.leave(before);
    this.depth--;
    this.byte(0x0b);
  }

  /** A block; `leave` in its body goes behind it. */
  block(body: (leave: () => void) => void): void {
    this.byte(0x02);
    this.byte(EMPTY_BLOCK);
    const at = ++this.depth;
    const before = this.vectors?.enter(false);
    body(() => {
      this.byte(0x0c);
      this.unsigned(this.depth - at);
    });
    if (before) this.vectors?.leave(before);
    this.depth--;
    this.byte(0x0b);
  }

  /** Opens a block; `branch` to it goes behind its `close`. */
  open(): Label {
    this.byte(0x02);
    this.byte(EMPTY_BLOCK);
    return { depth: ++this.depth };
  }

  /** Opens a loop; `branch` to it goes back here. */
  openLoop(): Label {
    this.byte(0x03);
    this.byte(EMPTY_BLOCK);
    return { depth: ++this.depth };
  }

  /** Closes what was opened last. */
  close(): void {
    this.depth--;
    this.byte(0x0b);
  }

  branch(label: Label): void {
    this.byte(0x0c);
    this.unsigned(this.depth - label.depth);
  }

  branchIf(condition: Expr, label: Label, hint?: Hint): void {
    condition(this);
    if (hint) this.hinted.push({ at: this.length, likely: hint === 'likely' });
    this.byte(0x0d);
    this.unsigned(this.depth - label.depth);
  }

  /** Goes to the label at an index; beyond the list to the last. */
  branchTable(index: Expr, labels: readonly Label[]): void {
    index(this);
    this.byte(0x0e);
    this.unsigned(labels.length - 1);
    for (const label of labels) this.unsigned(this.depth - label.depth);
  }

  /** Copies bytes within the memory, as if all were read before any is written. */
  copyMemory(to: Expr, from: Expr, bytes: Expr): void {
    for (const operand of [to, from, bytes]) operand(this);
    for (const byte of [0xfc, 0x0a, 0x00, 0x00]) this.byte(byte);
  }

  fillMemory(to: Expr, value: Expr, bytes: Expr): void {
    for (const operand of [to, value, bytes]) operand(this);
    for (const byte of [0xfc, 0x0b, 0x00]) this.byte(byte);
  }

  return(value: Expr): void {
    value(this);
    this.byte(0x0f);
  }

  /** Returns from a function of several results. */
  returnMany(...values: Expr[]): void {
    for (const value of values) value(this);
    this.byte(0x0f);
  }

  call(index: number, ...args: Expr[]): void {
    for (const arg of args) arg(this);
    this.byte(0x10);
    this.unsigned(index);
  }

  /** Calls a function of several results; each may then be used any number of times. */
  callMany(index: number, results: readonly ValueType[], ...args: Expr[]): Expr[] {
    this.call(index, ...args);
    const locals = results.map((type) => this.local(type));
    for (const local of [...locals].reverse()) {
      this.byte(0x21);
      this.unsigned(local);
    }
    return locals.map(get);
  }

  /** Tail call through table 0. */
  returnCallIndirect(type: number, callee: Expr, ...args: Expr[]): void {
    for (const arg of args) arg(this);
    callee(this);
    this.byte(0x13);
    this.unsigned(type);
    this.unsigned(0);
  }

  returnCall(index: number, ...args: Expr[]): void {
    for (const arg of args) arg(this);
    this.byte(0x12);
    this.unsigned(index);
  }

  unreachable(): void {
    this.byte(0x00);
  }

  /** Where the code is now, for `insert`. */
  mark(): number {
    return this.length;
  }

  /** Moves what `write` writes to a place before. It opens nothing that it does not close. */
  insert(mark: number, write: () => void): void {
    const end = this.length;
    write();
    const added = this.bytes.slice(end, this.length);
    const moved = (at: number): number => (at >= end ? at - end + mark : at >= mark ? at + added.length : at);
    this.hinted = this.hinted.map(({ at, likely }) => ({ at: moved(at), likely }));
    this.bytes.copyWithin(mark + added.length, mark, end);
    this.bytes.set(added, mark);
  }

  private head(): Code {
    const head = new Code(0);
    head.unsigned(this.locals.length);
    for (const type of this.locals) {
      head.unsigned(1);
      head.byte(type);
    }
    return head;
  }

  /** Hints by their places in the finished body, counted from behind its size. */
  get hints(): BranchHints {
    const { length } = this.head();
    return this.hinted.map(({ at, likely }) => ({ at: at + length, likely })).sort((a, b) => a.at - b.at);
  }

  /** The body as the code section holds it: size, locals, instructions, end. */
  finish(): Uint8Array {
    const head = this.head();
    const size = new Code(0);
    size.unsigned(head.length + this.length + 1);
    const body = new Uint8Array(size.length + head.length + this.length + 1);
    body.set(size.bytes.subarray(0, size.length), 0);
    body.set(head.bytes.subarray(0, head.length), size.length);
    body.set(this.bytes.subarray(0, this.length), size.length + head.length);
    body[body.length - 1] = 0x0b;
    return body;
  }

  /** The bytes so far, for sections that are no function. */
  raw(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}

export const get = (local: number): Expr => {
  const read = (c: Code): void => {
    c.byte(0x20);
    c.unsigned(local);
  };
  (read as { local?: number }).local = local;
  return read;
};

function constant32(value: number): Expr {
  const write = (c: Code): void => {
    c.byte(0x41);
    c.signed(value);
  };
  (write as { value?: number }).value = value | 0;
  return write;
}

function constant64(value: number | bigint): Expr {
  const write = (c: Code): void => {
    c.byte(0x42);
    c.signed64(value);
  };
  (write as { value?: bigint }).value = BigInt.asIntN(64, BigInt(value));
  return write;
}

/** What an operation on known values gives: the code is not written at all then. */
type Fold1 = (a: number) => number;
type Fold2 = (a: number, b: number) => number;
type Wide2 = (a: bigint, b: bigint) => bigint;

const plain =
  (opcode: number) =>
  (a: Expr): Expr =>
  (c) => {
    a(c);
    c.byte(opcode);
  };

const plain2 =
  (opcode: number) =>
  (a: Expr, b: Expr): Expr =>
  (c) => {
    a(c);
    b(c);
    c.byte(opcode);
  };

function unary(opcode: number, fold: Fold1): (a: Expr) => Expr {
  const write = plain(opcode);
  return (a) => (typeof a.value === 'number' ? constant32(fold(a.value)) : write(a));
}

/** @param neutral the right operand that changes nothing */
function binary(opcode: number, fold: Fold2, neutral?: number): (a: Expr, b: Expr) => Expr {
  const write = plain2(opcode);
  return (a, b) => {
    if (typeof b.value === 'number') {
      if (b.value === neutral) return a;
      if (typeof a.value === 'number') return constant32(fold(a.value, b.value));
    }
    return write(a, b);
  };
}

function binary64(opcode: number, fold: Wide2, neutral?: bigint): (a: Expr, b: Expr) => Expr {
  const write = plain2(opcode);
  return (a, b) => {
    if (typeof b.value === 'bigint') {
      if (b.value === neutral) return a;
      if (typeof a.value === 'bigint') return constant64(fold(a.value, b.value));
    }
    return write(a, b);
  };
}

const compare64 = (opcode: number, fold: (a: bigint, b: bigint) => boolean): ((a: Expr, b: Expr) => Expr) => {
  const write = plain2(opcode);
  return (a, b) => (typeof a.value === 'bigint' && typeof b.value === 'bigint' ? constant32(fold(a.value, b.value) ? 1 : 0) : write(a, b));
};

const flag = (fold: (a: number, b: number) => boolean): Fold2 => {
  return (a, b) => (fold(a, b) ? 1 : 0);
};
const unsigned64 = (a: bigint): bigint => BigInt.asUintN(64, a);

const load =
  (opcode: number, align: number) =>
  (address: Expr, offset = 0): Expr =>
  (c) => {
    if (c.vectors && typeof address.value === 'number' && c.vectors.loadPart(opcode, address.value + offset)) return;
    address(c);
    c.byte(opcode);
    c.unsigned(align);
    c.unsigned(offset);
  };

const store =
  (opcode: number, align: number) =>
  (c: Code, address: Expr, value: Expr, offset = 0): void =>
    c.store(opcode, align, address, value, offset);

export const call =
  (index: number, ...args: Expr[]): Expr =>
  (c) =>
    c.call(index, ...args);

/** `condition ? a : b`, both computed. */
export const select = (condition: Expr, a: Expr, b: Expr): Expr =>
  condition.value === undefined
    ? (c) => {
        a(c);
        b(c);
        condition(c);
        c.byte(0x1b);
      }
    : condition.value
      ? a
      : b;

const wrapped = plain(0xa7);
const isZero64 = plain(0x50);
const signExtended = plain(0xac);
const zeroExtended = plain(0xad);

/** 32-bit arithmetic. Alignment hints are 0: the guest's data may lie anywhere. */
export const i32 = {
  type: I32 as ValueType,
  const: constant32,
  load: load(0x28, 0),
  load8u: load(0x2d, 0),
  load16u: load(0x2f, 0),
  store: store(0x36, 0),
  store8: store(0x3a, 0),
  store16: store(0x3b, 0),
  eqz: unary(0x45, (a) => (a === 0 ? 1 : 0)),
  eq: binary(
    0x46,
    flag((a, b) => a === b),
  ),
  ne: binary(
    0x47,
    flag((a, b) => a !== b),
  ),
  lt_s: binary(
    0x48,
    flag((a, b) => a < b),
  ),
  lt_u: binary(
    0x49,
    flag((a, b) => a >>> 0 < b >>> 0),
  ),
  gt_s: binary(
    0x4a,
    flag((a, b) => a > b),
  ),
  gt_u: binary(
    0x4b,
    flag((a, b) => a >>> 0 > b >>> 0),
  ),
  le_s: binary(
    0x4c,
    flag((a, b) => a <= b),
  ),
  le_u: binary(
    0x4d,
    flag((a, b) => a >>> 0 <= b >>> 0),
  ),
  ge_s: binary(
    0x4e,
    flag((a, b) => a >= b),
  ),
  ge_u: binary(
    0x4f,
    flag((a, b) => a >>> 0 >= b >>> 0),
  ),
  clz: plain(0x67),
  ctz: plain(0x68),
  popcnt: plain(0x69),
  add: binary(0x6a, (a, b) => a + b, 0),
  sub: binary(0x6b, (a, b) => a - b, 0),
  mul: binary(0x6c, Math.imul, 1),
  div_s: plain2(0x6d),
  div_u: plain2(0x6e),
  rem_s: plain2(0x6f),
  rem_u: plain2(0x70),
  and: binary(0x71, (a, b) => a & b, -1),
  or: binary(0x72, (a, b) => a | b, 0),
  xor: binary(0x73, (a, b) => a ^ b, 0),
  shl: binary(0x74, (a, b) => a << b, 0),
  shr_s: binary(0x75, (a, b) => a >> b, 0),
  shr_u: binary(0x76, (a, b) => a >>> b, 0),
  rotl: plain2(0x77),
  rotr: plain2(0x78),
  wrap: (a: Expr): Expr => (typeof a.value === 'bigint' ? constant32(Number(BigInt.asIntN(32, a.value))) : wrapped(a)),
  extend8_s: unary(0xc0, (a) => (a << 24) >> 24),
  extend16_s: unary(0xc1, (a) => (a << 16) >> 16),
} as const;

/** 64-bit arithmetic. Comparisons leave an i32. */
export const i64 = {
  type: I64 as ValueType,
  const: constant64,
  load: load(0x29, 0),
  load32u: load(0x35, 0),
  store: store(0x37, 0),
  store32: store(0x3e, 0),
  eqz: (a: Expr): Expr => (typeof a.value === 'bigint' ? constant32(a.value === 0n ? 1 : 0) : isZero64(a)),
  eq: compare64(0x51, (a, b) => a === b),
  ne: compare64(0x52, (a, b) => a !== b),
  lt_s: compare64(0x53, (a, b) => a < b),
  lt_u: compare64(0x54, (a, b) => unsigned64(a) < unsigned64(b)),
  gt_s: compare64(0x55, (a, b) => a > b),
  gt_u: compare64(0x56, (a, b) => unsigned64(a) > unsigned64(b)),
  le_s: compare64(0x57, (a, b) => a <= b),
  le_u: compare64(0x58, (a, b) => unsigned64(a) <= unsigned64(b)),
  ge_s: compare64(0x59, (a, b) => a >= b),
  ge_u: compare64(0x5a, (a, b) => unsigned64(a) >= unsigned64(b)),
  clz: plain(0x79),
  ctz: plain(0x7a),
  popcnt: plain(0x7b),
  add: binary64(0x7c, (a, b) => a + b, 0n),
  sub: binary64(0x7d, (a, b) => a - b, 0n),
  mul: binary64(0x7e, (a, b) => a * b, 1n),
  div_s: plain2(0x7f),
  div_u: plain2(0x80),
  rem_s: plain2(0x81),
  rem_u: plain2(0x82),
  and: binary64(0x83, (a, b) => a & b, -1n),
  or: binary64(0x84, (a, b) => a | b, 0n),
  xor: binary64(0x85, (a, b) => a ^ b, 0n),
  shl: binary64(0x86, (a, b) => a << (b & 63n), 0n),
  shr_s: binary64(0x87, (a, b) => a >> (b & 63n), 0n),
  shr_u: binary64(0x88, (a, b) => unsigned64(a) >> (b & 63n), 0n),
  rotl: plain2(0x89),
  rotr: plain2(0x8a),
  extend_s: (a: Expr): Expr => (typeof a.value === 'number' ? constant64(a.value) : signExtended(a)),
  extend_u: (a: Expr): Expr => (typeof a.value === 'number' ? constant64(a.value >>> 0) : zeroExtended(a)),
} as const;

interface FloatOpcodes {
  readonly type: ValueType;
  readonly load: number;
  readonly store: number;
  /** The first of eq, ne, lt, gt, le, ge. */
  readonly compare: number;
  /** The first of abs, neg, ceil, floor, trunc, nearest, sqrt, add, sub, mul, div, min, max, copysign. */
  readonly arithmetic: number;
  readonly reinterpret: number;
  readonly toBits: number;
}

/** Native IEEE 754 arithmetic: round to nearest, no flags, and NaNs of no certain payload. Comparisons leave an i32. */
const float = ({ type, load: loadOpcode, store: storeOpcode, compare, arithmetic, reinterpret, toBits }: FloatOpcodes) => ({
  type,
  load: load(loadOpcode, 0),
  store: store(storeOpcode, 0),
  eq: plain2(compare),
  ne: plain2(compare + 1),
  lt: plain2(compare + 2),
  gt: plain2(compare + 3),
  le: plain2(compare + 4),
  ge: plain2(compare + 5),
  abs: plain(arithmetic),
  neg: plain(arithmetic + 1),
  ceil: plain(arithmetic + 2),
  floor: plain(arithmetic + 3),
  trunc: plain(arithmetic + 4),
  nearest: plain(arithmetic + 5),
  sqrt: plain(arithmetic + 6),
  add: plain2(arithmetic + 7),
  sub: plain2(arithmetic + 8),
  mul: plain2(arithmetic + 9),
  div: plain2(arithmetic + 10),
  /** From the integer of the same bits. */
  fromBits: plain(reinterpret),
  /** To the integer of the same bits. */
  toBits: plain(toBits),
});

export const f32 = {
  ...float({ type: F32, load: 0x2a, store: 0x38, compare: 0x5b, arithmetic: 0x8b, reinterpret: 0xbe, toBits: 0xbc }),
  convert_i32_s: plain(0xb2),
  convert_i64_s: plain(0xb4),
  demote: plain(0xb6),
} as const;

export const f64 = {
  ...float({ type: F64, load: 0x2b, store: 0x39, compare: 0x61, arithmetic: 0x99, reinterpret: 0xbf, toBits: 0xbd }),
  convert_i32_s: plain(0xb7),
  convert_i64_s: plain(0xb9),
  convert_i64_u: plain(0xba),
  promote: plain(0xbb),
} as const;

const saturating =
  (opcode: number) =>
  (a: Expr): Expr =>
  (c) => {
    a(c);
    c.byte(0xfc);
    c.unsigned(opcode);
  };

/** Float to integer: towards zero; NaN gives 0, what does not fit the nearest integer that does. */
export const truncate = {
  i32_f32_s: saturating(0),
  i32_f64_s: saturating(2),
  i64_f32_s: saturating(4),
  i64_f64_s: saturating(6),
  i64_f64_u: saturating(7),
} as const;
