/** x87 loads, stores, moves within the stack, and control. Arithmetic is in x87-arithmetic.ts, what is rare in system/x87.ts. */
import { Flag, n, q, TOP_BIT, variable } from '../float/kit';
import { CONSTANTS } from '../float/transcendental';
import { X87_CONTROL, X87_CS, X87_DP, X87_DS, X87_IP, X87_OPCODE } from '../layout';
import { type Expr, I32, I64, i32, i64, select, type ValueType } from '../wasm/code';
import type { Context, Semantics } from './context';
import { fromFloat, fromInteger } from './x87-widen';
import { control, type Extended, type Fpu, INDEFINITE_NUMBER, Status, UNDERFLOW, x87 } from './x87-unit';

const STATE = n(0);
const NONE = n(0);

// --- loads

export const fld = x87((fpu, c) => {
  if (!c.isMemory(0)) {
    const source = fpu.operand(0);
    const number = fpu.read(source);
    c.if(
      fpu.empty(source),
      () =>
        fpu.underflow(() => {
          fpu.rotate(-1);
          fpu.write(fpu.top(), INDEFINITE_NUMBER);
        }),
      () => fpu.push(() => ({ number, flags: NONE })),
    );
    return;
  }
  const size = c.sizeOf(0);
  if (size === 10) {
    const number = fpu.read(c.pointer(0, 'read', 10));
    fpu.push(() => ({ number, flags: NONE }));
    return;
  }
  const bits = c.operand(0).read();
  fpu.push(() => {
    return size === 4 ? fromFloat(c, 4, bits, 'f32_to_f80', [fpu.control]) : fromFloat(c, 8, bits, 'f64_to_f80', [fpu.control]);
  });
});

export const fild = x87((fpu, c) => {
  const place = c.operand(0);
  const value = place.word.signed(place.read());
  const wide = place.word.size === 8 ? value : i64.extend_s(value);
  fpu.push(() => {
    return { number: fromInteger(c, wide), flags: NONE };
  });
});

export const fbld = x87((fpu, c) => {
  const [low, high] = fpu.read(c.pointer(0, 'read', 10));
  fpu.push(() => {
    const [significand, signExponent] = c.library('bcd_to_f80', low, high);
    return { number: [significand, signExponent], flags: NONE };
  });
});

/** Rounded as the control word says: away from zero is up, all of them being positive. */
const constant = (name: string): Semantics =>
  x87((fpu) => {
    const { truncated, signExponent, exact, up } = CONSTANTS[name];
    fpu.push(() => {
      const rounding = i32.and(fpu.control, n(0xc00));
      const next = i32.or(i32.eq(rounding, n(0x800)), up ? i32.eqz(rounding) : n(0));
      const significand = exact ? q(truncated) : select(next, q(truncated + 1n), q(truncated));
      return { number: [significand, n(signExponent)], flags: NONE };
    });
  });

export const fld1 = constant('fld1');
export const fldl2t = constant('fldl2t');
export const fldl2e = constant('fldl2e');
export const fldpi = constant('fldpi');
export const fldlg2 = constant('fldlg2');
export const fldln2 = constant('fldln2');
export const fldz = constant('fldz');

// --- stores

/** What a store to memory writes: the value, its exceptions, and how it is put at a host offset. */
interface Stored {
  readonly value: readonly Expr[];
  readonly flags: Expr;
}

/** Writes the parts of a value to memory; `raise` sets flags, once no access can fault any more. */
type Put = (value: readonly Expr[], raise: () => void) => void;

/**
 * Stores to memory. Unlike a result in a register, one that overflows or underflows unmasked is not delivered, and memory not touched.
 * @param types of the parts of a value
 * @param indefinite what an empty register or an invalid operation gives
 */
function storeToMemory(
  fpu: Fpu,
  types: readonly ValueType[],
  convert: (top: Extended) => Stored,
  indefinite: readonly Expr[],
  put: Put,
  pops: boolean,
): void {
  const { c } = fpu;
  const top = fpu.top();
  const parts = types.map((type, i) => variable(c.code, type, indefinite[i]));
  const flags = variable(c.code, I32, n(UNDERFLOW));
  c.if(i32.eqz(fpu.empty(top)), () => {
    const converted = convert(fpu.read(top));
    parts.forEach((part, i) => part.set(converted.value[i]));
    flags.set(converted.flags);
  });
  const refused = i32.and(fpu.unmasked(flags.get), n(Status.exceptions & ~Flag.precision));
  c.if(
    refused,
    () => fpu.raise(flags.get),
    () => {
      put(
        parts.map((part) => part.get),
        () => fpu.raise(flags.get),
      );
      if (pops) fpu.pop();
    },
  );
}

/** Two stores, as processors make them: the first is not taken back when the second, on the next page, faults. */
const putTen =
  (c: Context): Put =>
  ([low, high], raise) => {
    const at = (distance: number): Expr => (c.facts.addressSize === 8 ? i64.const(distance) : n(distance));
    c.memory(0).at(at(0), 8).write(low);
    c.memory(0).at(at(8), 2).write(high);
    raise();
  };

const putWord =
  (c: Context, bytes: number): Put =>
  ([value], raise) => {
    const store = { 2: i32.store16, 4: i32.store, 8: i64.store }[bytes as 2 | 4 | 8];
    const pointer = c.pointer(0, 'write', bytes);
    raise();
    store(c.code, pointer, value);
    c.commit(pointer);
  };

const store = (pops: boolean): Semantics =>
  x87((fpu, c) => {
    if (!c.isMemory(0)) {
      const top = fpu.top();
      const target = fpu.operand(0);
      const number = fpu.read(top);
      const put = (value: Extended): void => {
        fpu.write(target, value);
        if (pops) fpu.pop();
      };
      c.if(
        fpu.empty(top),
        () => fpu.underflow(() => put(INDEFINITE_NUMBER)),
        () => {
          fpu.raise(NONE);
          put(number);
        },
      );
      return;
    }
    const size = c.sizeOf(0);
    if (size === 10) {
      storeToMemory(fpu, [I64, I32], (top) => ({ value: top, flags: NONE }), INDEFINITE_NUMBER, putTen(c), pops);
      return;
    }
    const single = size === 4;
    const convert = (top: Extended): Stored => {
      const [value, flags] = c.library(single ? 'f80_to_f32' : 'f80_to_f64', ...top, fpu.control);
      return { value: [value], flags };
    };
    const indefinite = single ? n(0xffc00000 | 0) : q(0xfff8n << 48n);
    storeToMemory(fpu, [single ? I32 : I64], convert, [indefinite], putWord(c, size), pops);
  });

export const fst = store(false);
export const fstp = store(true);

/** The undocumented store and pop that finds nothing wrong with an empty register. */
export const fstpnce = x87((fpu, c) => {
  const top = fpu.top();
  const target = fpu.operand(0);
  const number = fpu.read(top);
  fpu.raise(NONE);
  c.if(i32.eqz(fpu.empty(top)), () => fpu.write(target, number));
  fpu.pop();
});

const storeInteger = (pops: boolean, truncates: boolean): Semantics =>
  x87((fpu, c) => {
    const bytes = c.sizeOf(0);
    const narrow = (value: Expr): Expr => (bytes === 8 ? value : i32.wrap(value));
    const convert = (top: Extended): Stored => {
      const rounding = truncates ? i32.or(fpu.control, n(0xc00)) : fpu.control;
      const [value, flags] = c.library('f80_to_i64', ...top, rounding, n(bytes * 8));
      return { value: [narrow(value)], flags };
    };
    storeToMemory(fpu, [bytes === 8 ? I64 : I32], convert, [narrow(q(-(1n << BigInt(bytes * 8 - 1))))], putWord(c, bytes), pops);
  });

export const fist = storeInteger(false, false);
export const fistp = storeInteger(true, false);
export const fisttp = storeInteger(true, true);

export const fbstp = x87((fpu, c) => {
  const convert = (top: Extended): Stored => {
    const [low, high, flags] = c.library('f80_to_bcd', ...top, fpu.control);
    return { value: [low, high], flags };
  };
  storeToMemory(fpu, [I64, I32], convert, [q(0xc000000000000000n), n(0xffff)], putTen(c), true);
});

// --- within the stack

export const fxch = x87((fpu, c) => {
  const [top, other] = [fpu.top(), fpu.operand(1)];
  const numbers = [fpu.read(top), fpu.read(other)] as const;
  const exchange = (): void => {
    fpu.write(top, numbers[1]);
    fpu.write(other, numbers[0]);
  };
  c.if(
    i32.or(fpu.empty(top), fpu.empty(other)),
    () =>
      fpu.underflow(() => {
        // Each empty register counts as the indefinite.
        for (const slot of [top, other]) c.if(fpu.empty(slot), () => fpu.write(slot, INDEFINITE_NUMBER));
        const [a, b] = [fpu.read(top), fpu.read(other)];
        fpu.write(top, b);
        fpu.write(other, a);
      }),
    () => {
      fpu.raise(NONE);
      exchange();
    },
  );
});

const signChange = (change: (signExponent: Expr) => Expr): Semantics =>
  x87((fpu, c) => {
    const top = fpu.top();
    const [significand, signExponent] = fpu.read(top);
    c.if(
      fpu.empty(top),
      () => fpu.underflow(() => fpu.write(top, INDEFINITE_NUMBER)),
      () => {
        fpu.raise(NONE);
        fpu.write(top, [significand, change(signExponent)]);
      },
    );
  });

export const fchs = signChange((signExponent) => i32.xor(signExponent, n(0x8000)));
export const fabs = signChange((signExponent) => i32.and(signExponent, n(0x7fff)));

/** Classes as C3, C2 and C0 show them. */
const Class = {
  unsupported: 0,
  nan: Status.c0,
  normal: Status.c2,
  infinity: Status.c2 | Status.c0,
  zero: Status.c3,
  empty: Status.c3 | Status.c0,
  denormal: Status.c3 | Status.c2,
} as const;

export const fxam = x87((fpu, c) => {
  const top = fpu.top();
  const [significand, signExponent] = fpu.read(top);
  const exponent = c.let(I32, i32.and(signExponent, n(0x7fff)));
  const found = variable(c.code, I32, n(Class.normal));
  c.if(
    fpu.empty(top),
    () => found.set(n(Class.empty)),
    () =>
      c.if(
        i32.eqz(exponent),
        () => found.set(select(i64.eqz(significand), n(Class.zero), n(Class.denormal))),
        () =>
          c.if(
            i64.ge_s(significand, q(0)),
            () => found.set(n(Class.unsupported)),
            () =>
              c.if(i32.eq(exponent, n(0x7fff)), () => found.set(select(i64.eq(significand, q(TOP_BIT)), n(Class.infinity), n(Class.nan)))),
          ),
      ),
  );
  const sign = i32.and(i32.shr_u(signExponent, n(6)), n(Status.c1));
  fpu.raise(i32.or(found.get, sign), Status.codes);
});

export const fcmovcc = x87((fpu, c) => {
  const [target, source] = [fpu.operand(0), fpu.operand(1)];
  const number = fpu.read(source);
  c.if(
    i32.or(fpu.empty(target), fpu.empty(source)),
    () => fpu.underflow(() => fpu.write(target, INDEFINITE_NUMBER)),
    () => c.if(c.holds(c.facts.condition), () => fpu.write(target, number)),
  );
});

export const ffree = x87((fpu) => {
  fpu.raise(NONE);
  fpu.free(fpu.operand(0));
});
export const ffreep = x87((fpu) => {
  fpu.raise(NONE);
  fpu.free(fpu.operand(0));
  fpu.pop();
});
export const fincstp = x87((fpu) => {
  fpu.raise(NONE);
  fpu.rotate(1);
});
export const fdecstp = x87((fpu) => {
  fpu.raise(NONE);
  fpu.rotate(-1);
});
export const fnop = x87(() => undefined);

// --- control

/** What the 8087 and the 80287 had and later processors ignore. */
export const fneni = control(() => undefined);

const INITIAL_CONTROL = 0x37f;

export const fninit = control((fpu, c) => {
  i32.store(c.code, STATE, n(INITIAL_CONTROL), X87_CONTROL);
  fpu.status.set(n(0));
  fpu.tags.set(n(0));
  for (const offset of [X87_OPCODE, X87_CS, X87_DS]) i32.store(c.code, STATE, n(0), offset);
  for (const offset of [X87_IP, X87_DP]) i64.store(c.code, STATE, q(0), offset);
});

export const fnclex = control((fpu) =>
  fpu.status.set(i32.and(fpu.status.get, n(~(Status.exceptions | Status.stackFault | Status.summary | Status.busy)))),
);

export const fnstcw = control((fpu, c) => c.operand(0).write(fpu.control));
export const fnstsw = control((fpu, c) => c.operand(0).write(fpu.status.get));

/** Bits of the control word that exist; bit 6 is always 1. */
const CONTROL_BITS = 0x1f3f;
const ALWAYS_ONE = 0x40;

export const fldcw = control((fpu, c) => {
  const word = c.let(I32, i32.or(i32.and(c.operand(0).read(), n(CONTROL_BITS)), n(ALWAYS_ONE)));
  i32.store(c.code, STATE, word, X87_CONTROL);
  // What was masked may now be pending, and the other way round.
  const pending = i32.and(i32.and(fpu.status.get, i32.xor(word, n(-1))), n(Status.exceptions));
  const summary = n(Status.summary | Status.busy);
  c.if(
    pending,
    () => fpu.status.set(i32.or(fpu.status.get, summary)),
    () => fpu.status.set(i32.and(fpu.status.get, i32.xor(summary, n(-1)))),
  );
}, true);
