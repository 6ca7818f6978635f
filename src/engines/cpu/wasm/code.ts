/**
 * WebAssembly function bodies written straight into bytes. An expression is a function that writes itself; composing
 * expressions composes functions, so a semantics function reads like arithmetic and costs a few microseconds to emit.
 * Opcodes are those of the WebAssembly Core Specification, "Binary Format".
 */

export const I32 = 0x7f;
export const I64 = 0x7e;
export const F32 = 0x7d;
export const F64 = 0x7c;
export const V128 = 0x7b;
export type ValueType = typeof I32 | typeof I64 | typeof F32 | typeof F64 | typeof V128;

const EMPTY_BLOCK = 0x40;

/** A value under construction: writes the instructions that leave it on the operand stack. */
export type Expr = (code: Code) => void;

export class Code {
  private bytes = new Uint8Array(256);
  private length = 0;
  private readonly locals: ValueType[] = [];
  private readonly parameters: number;
  /** Open blocks, for branch depths. */
  private depth = 0;

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
  signed64(value: bigint): void {
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

  /** A fresh local's index. */
  local(type: ValueType): number {
    this.locals.push(type);
    return this.parameters + this.locals.length - 1;
  }

  set(local: number, value: Expr): void {
    value(this);
    this.byte(0x21);
    this.unsigned(local);
  }

  /** Computes a value once; the result may be used any number of times. */
  let(type: ValueType, value: Expr): Expr {
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
  }

  if(condition: Expr, then: () => void, otherwise?: () => void): void {
    condition(this);
    this.byte(0x04);
    this.byte(EMPTY_BLOCK);
    this.depth++;
    then();
    if (otherwise) {
      this.byte(0x05);
      otherwise();
    }
    this.depth--;
    this.byte(0x0b);
  }

  /** An endless loop; `again` in its body goes back to its start, falling off its end leaves it. */
  loop(body: (again: () => void) => void): void {
    this.byte(0x03);
    this.byte(EMPTY_BLOCK);
    const at = ++this.depth;
    body(() => {
      this.byte(0x0c);
      this.unsigned(this.depth - at);
    });
    this.depth--;
    this.byte(0x0b);
  }

  /** A block; `leave` in its body goes behind it. */
  block(body: (leave: () => void) => void): void {
    this.byte(0x02);
    this.byte(EMPTY_BLOCK);
    const at = ++this.depth;
    body(() => {
      this.byte(0x0c);
      this.unsigned(this.depth - at);
    });
    this.depth--;
    this.byte(0x0b);
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

  /** The body as the code section holds it: size, locals, instructions, end. */
  finish(): Uint8Array {
    const head = new Code(0);
    head.unsigned(this.locals.length);
    for (const type of this.locals) {
      head.unsigned(1);
      head.byte(type);
    }
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

export const get =
  (local: number): Expr =>
  (c) => {
    c.byte(0x20);
    c.unsigned(local);
  };

const unary =
  (opcode: number) =>
  (a: Expr): Expr =>
  (c) => {
    a(c);
    c.byte(opcode);
  };

const binary =
  (opcode: number) =>
  (a: Expr, b: Expr): Expr =>
  (c) => {
    a(c);
    b(c);
    c.byte(opcode);
  };

const load =
  (opcode: number, align: number) =>
  (address: Expr, offset = 0): Expr =>
  (c) => {
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
export const select =
  (condition: Expr, a: Expr, b: Expr): Expr =>
  (c) => {
    a(c);
    b(c);
    condition(c);
    c.byte(0x1b);
  };

/** 32-bit arithmetic. Alignment hints are 0: the guest's data may lie anywhere. */
export const i32 = {
  type: I32 as ValueType,
  const:
    (value: number): Expr =>
    (c) => {
      c.byte(0x41);
      c.signed(value);
    },
  load: load(0x28, 0),
  load8u: load(0x2d, 0),
  load16u: load(0x2f, 0),
  store: store(0x36, 0),
  store8: store(0x3a, 0),
  store16: store(0x3b, 0),
  eqz: unary(0x45),
  eq: binary(0x46),
  ne: binary(0x47),
  lt_s: binary(0x48),
  lt_u: binary(0x49),
  gt_s: binary(0x4a),
  gt_u: binary(0x4b),
  le_s: binary(0x4c),
  le_u: binary(0x4d),
  ge_s: binary(0x4e),
  ge_u: binary(0x4f),
  clz: unary(0x67),
  ctz: unary(0x68),
  popcnt: unary(0x69),
  add: binary(0x6a),
  sub: binary(0x6b),
  mul: binary(0x6c),
  div_s: binary(0x6d),
  div_u: binary(0x6e),
  rem_s: binary(0x6f),
  rem_u: binary(0x70),
  and: binary(0x71),
  or: binary(0x72),
  xor: binary(0x73),
  shl: binary(0x74),
  shr_s: binary(0x75),
  shr_u: binary(0x76),
  rotl: binary(0x77),
  rotr: binary(0x78),
  wrap: unary(0xa7),
  extend8_s: unary(0xc0),
  extend16_s: unary(0xc1),
} as const;

/** 64-bit arithmetic. Comparisons leave an i32. */
export const i64 = {
  type: I64 as ValueType,
  const:
    (value: number | bigint): Expr =>
    (c) => {
      c.byte(0x42);
      c.signed64(BigInt(value));
    },
  load: load(0x29, 0),
  load32u: load(0x35, 0),
  store: store(0x37, 0),
  store32: store(0x3e, 0),
  eqz: unary(0x50),
  eq: binary(0x51),
  ne: binary(0x52),
  lt_s: binary(0x53),
  lt_u: binary(0x54),
  gt_s: binary(0x55),
  gt_u: binary(0x56),
  le_s: binary(0x57),
  le_u: binary(0x58),
  ge_s: binary(0x59),
  ge_u: binary(0x5a),
  clz: unary(0x79),
  ctz: unary(0x7a),
  popcnt: unary(0x7b),
  add: binary(0x7c),
  sub: binary(0x7d),
  mul: binary(0x7e),
  div_s: binary(0x7f),
  div_u: binary(0x80),
  rem_s: binary(0x81),
  rem_u: binary(0x82),
  and: binary(0x83),
  or: binary(0x84),
  xor: binary(0x85),
  shl: binary(0x86),
  shr_s: binary(0x87),
  shr_u: binary(0x88),
  rotl: binary(0x89),
  rotr: binary(0x8a),
  extend_s: unary(0xac),
  extend_u: unary(0xad),
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
  eq: binary(compare),
  ne: binary(compare + 1),
  lt: binary(compare + 2),
  gt: binary(compare + 3),
  le: binary(compare + 4),
  ge: binary(compare + 5),
  abs: unary(arithmetic),
  neg: unary(arithmetic + 1),
  ceil: unary(arithmetic + 2),
  floor: unary(arithmetic + 3),
  trunc: unary(arithmetic + 4),
  nearest: unary(arithmetic + 5),
  sqrt: unary(arithmetic + 6),
  add: binary(arithmetic + 7),
  sub: binary(arithmetic + 8),
  mul: binary(arithmetic + 9),
  div: binary(arithmetic + 10),
  /** From the integer of the same bits. */
  fromBits: unary(reinterpret),
  /** To the integer of the same bits. */
  toBits: unary(toBits),
});

export const f32 = {
  ...float({ type: F32, load: 0x2a, store: 0x38, compare: 0x5b, arithmetic: 0x8b, reinterpret: 0xbe, toBits: 0xbc }),
  convert_i32_s: unary(0xb2),
  convert_i64_s: unary(0xb4),
  demote: unary(0xb6),
} as const;

export const f64 = {
  ...float({ type: F64, load: 0x2b, store: 0x39, compare: 0x61, arithmetic: 0x99, reinterpret: 0xbf, toBits: 0xbd }),
  convert_i32_s: unary(0xb7),
  convert_i64_s: unary(0xb9),
  convert_i64_u: unary(0xba),
  promote: unary(0xbb),
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
