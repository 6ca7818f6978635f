/** Shifts, rotates and double shifts (manual, SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR, SHLD, SHRD). */
import { type Expr, i32, i64 } from '../wasm/code';
import { swapBytes } from './bytes';
import type { Context, Semantics } from './context';
import { type Word, word } from './words';

/**
 * Runs `body` with the count masked to 5 bits (6 for quadwords) and known not to be zero: a zero count changes nothing,
 * though a memory destination is still checked for writing.
 */
function withCount(c: Context, index: number, body: (w: Word, a: Expr, count: Expr) => void): void {
  const dst = c.operand(0);
  const w = dst.word;
  const count = c.let(i32.type, i32.and(word(1).low(c.operand(index).read()), i32.const(w.size === 8 ? 63 : 31)));
  const a = c.let(w.type, dst.update());
  c.if(
    count,
    () => body(w, a, count),
    () => dst.write(a),
  );
}

const bit = (w: Word, value: Expr, at: Expr): Expr => w.low(w.and(w.shr_u(value, w.from(at)), w.const(1)));
const top = (w: Word, value: Expr): Expr => bit(w, w.zero(value), i32.const(w.bits - 1));

/**
 * Bytes, words and doublewords are shifted in 64 bits, so that counts beyond the operand's width need no case.
 * The bit that goes out last is CF.
 */
export const shl: Semantics = (c) =>
  withCount(c, 1, (w, a, count) => {
    const dst = c.operand(0);
    let result: Expr;
    let carry: Expr;
    if (w.size === 8) {
      result = c.let(w.type, w.shl(a, i64.extend_u(count)));
      carry = c.let(i32.type, bit(w, a, i32.sub(i32.const(64), count)));
    } else {
      const wide = c.let(i64.type, i64.shl(i64.extend_u(a), i64.extend_u(count)));
      result = c.let(w.type, i32.wrap(wide));
      carry = c.let(i32.type, i32.and(i32.wrap(i64.shr_u(wide, i64.const(w.bits))), i32.const(1)));
    }
    dst.write(result);
    c.flags.result(w, result, { carry, overflow: i32.xor(top(w, result), carry) });
  });

export const shr: Semantics = (c) =>
  withCount(c, 1, (w, a, count) => {
    const before = c.let(w.type, w.shr_u(a, w.from(i32.sub(count, i32.const(1)))));
    const result = c.let(w.type, w.shr_u(before, w.const(1)));
    c.operand(0).write(result);
    // OF is the top bit of the operand for a count of one and is undefined beyond; processors show the last step's.
    c.flags.result(w, result, { carry: i32.and(w.low(before), i32.const(1)), overflow: top(w, before) });
  });

export const sar: Semantics = (c) =>
  withCount(c, 1, (w, a, count) => {
    const before = c.let(w.type, w.shr_s(w.signed(a), w.from(i32.sub(count, i32.const(1)))));
    const result = c.let(w.type, w.shr_s(before, w.const(1)));
    c.operand(0).write(result);
    c.flags.result(w, result, { carry: i32.and(w.low(before), i32.const(1)), overflow: i32.const(0) });
  });

/** ROL and ROR of bytes and words by funnelling a doubled value. CF changes for any count that is not zero after masking to 5 bits. */
export const rol: Semantics = (c) =>
  withCount(c, 1, (w, a, count) => {
    const result = c.let(w.type, rotate(w, a, count, 'left'));
    c.operand(0).write(result);
    const carry = c.let(i32.type, i32.and(w.low(result), i32.const(1)));
    c.flags.carryOverflow(carry, i32.xor(top(w, result), carry));
  });

export const ror: Semantics = (c) =>
  withCount(c, 1, (w, a, count) => {
    const result = c.let(w.type, rotate(w, a, count, 'right'));
    c.operand(0).write(result);
    const carry = c.let(i32.type, top(w, result));
    c.flags.carryOverflow(carry, i32.xor(bit(w, w.zero(result), i32.const(w.bits - 2)), carry));
  });

function rotate(w: Word, a: Expr, count: Expr, to: 'left' | 'right'): Expr {
  if (w.size >= 4) return (to === 'left' ? w.rotl : w.rotr)(a, w.from(count));
  const within = i32.and(count, i32.const(w.bits - 1));
  const back = i32.and(i32.sub(i32.const(w.bits), count), i32.const(w.bits - 1));
  const [left, right] = to === 'left' ? [within, back] : [back, within];
  return w.zero(i32.or(i32.shl(a, left), i32.shr_u(a, right)));
}

/** Rotates through the carry: over 9, 17, 33 or 65 bits, so counts are reduced modulo that for bytes and words. */
const throughCarry =
  (to: 'left' | 'right'): Semantics =>
  (c) =>
    withCount(c, 1, (w, a, masked) => {
      const span = w.bits + 1;
      const count = w.size < 4 ? c.let(i32.type, i32.rem_u(masked, i32.const(span))) : masked;
      c.if(
        count,
        () => {
          const carryIn = c.let(w.type, w.from(c.carry()));
          let result: Expr;
          let carry: Expr;
          if (w.size === 8) {
            const n = c.let(i64.type, i64.extend_u(count));
            const one = i64.const(1);
            // Two steps for the far part, since a shift by 64 would be a shift by 0.
            const back = i64.sub(i64.const(64), n);
            [result, carry] =
              to === 'left'
                ? [
                    i64.or(i64.or(i64.shl(a, n), i64.shl(carryIn, i64.sub(n, one))), i64.shr_u(i64.shr_u(a, one), back)),
                    i32.wrap(i64.and(i64.shr_u(a, back), one)),
                  ]
                : [
                    i64.or(i64.or(i64.shr_u(a, n), i64.shl(carryIn, back)), i64.shl(i64.shl(a, one), back)),
                    i32.wrap(i64.and(i64.shr_u(a, i64.sub(n, one)), one)),
                  ];
          } else {
            // The carry is bit `bits` of a value of `bits + 1` bits that turns as a whole.
            const whole = c.let(i64.type, i64.or(i64.extend_u(a), i64.shl(i64.extend_u(carryIn), i64.const(w.bits))));
            const n = c.let(i64.type, i64.extend_u(count));
            const back = i64.sub(i64.const(span), n);
            const turned = c.let(
              i64.type,
              to === 'left' ? i64.or(i64.shl(whole, n), i64.shr_u(whole, back)) : i64.or(i64.shr_u(whole, n), i64.shl(whole, back)),
            );
            result = w.zero(i32.wrap(turned));
            carry = i32.and(i32.wrap(i64.shr_u(turned, i64.const(w.bits))), i32.const(1));
          }
          const value = c.let(w.type, result);
          const out = c.let(i32.type, carry);
          c.operand(0).write(value);
          const second = to === 'left' ? out : bit(w, w.zero(value), i32.const(w.bits - 2));
          c.flags.carryOverflow(out, i32.xor(top(w, value), second));
        },
        () => c.operand(0).write(a),
      );
    });

export const rcl = throughCarry('left');
export const rcr = throughCarry('right');

/** SHLD and SHRD. For words a count above 16 is undefined; processors turn on into the destination's own bits. */
const double =
  (to: 'left' | 'right'): Semantics =>
  (c) => {
    const from = c.operand(1);
    const source = c.let(from.word.type, from.read());
    withCount(c, 2, (w, a, count) => {
      let result: Expr;
      let carry: Expr;
      if (w.size === 8) {
        const n = c.let(i64.type, i64.extend_u(count));
        const back = i64.sub(i64.const(64), n);
        const one = i64.const(1);
        [result, carry] =
          to === 'left'
            ? [i64.or(i64.shl(a, n), i64.shr_u(source, back)), i32.wrap(i64.and(i64.shr_u(a, back), one))]
            : [i64.or(i64.shr_u(a, n), i64.shl(source, back)), i32.wrap(i64.and(i64.shr_u(a, i64.sub(n, one)), one))];
      } else if (to === 'left') {
        // For words the value is dst:src:dst, so that counts to 31 find their bits.
        const pair =
          w.size === 4
            ? i64.or(i64.shl(i64.extend_u(a), i64.const(32)), i64.extend_u(source))
            : i64.or(
                i64.shl(i64.extend_u(a), i64.const(48)),
                i64.or(i64.shl(i64.extend_u(source), i64.const(32)), i64.shl(i64.extend_u(a), i64.const(16))),
              );
        const whole = c.let(i64.type, pair);
        result = i32.wrap(i64.shr_u(i64.shl(whole, i64.extend_u(count)), i64.const(64 - w.bits)));
        carry = i32.and(i32.wrap(i64.shr_u(whole, i64.sub(i64.const(64), i64.extend_u(count)))), i32.const(1));
      } else {
        const pair =
          w.size === 4
            ? i64.or(i64.extend_u(a), i64.shl(i64.extend_u(source), i64.const(32)))
            : i64.or(i64.extend_u(a), i64.or(i64.shl(i64.extend_u(source), i64.const(16)), i64.shl(i64.extend_u(a), i64.const(32))));
        const whole = c.let(i64.type, pair);
        result = w.zero(i32.wrap(i64.shr_u(whole, i64.extend_u(count))));
        carry = i32.and(i32.wrap(i64.shr_u(whole, i64.extend_u(i32.sub(count, i32.const(1))))), i32.const(1));
      }
      const value = c.let(w.type, result);
      const out = c.let(i32.type, carry);
      c.operand(0).write(value);
      c.flags.result(w, value, { carry: out, overflow: i32.xor(top(w, value), top(w, a)) });
    });
  };

export const shld = double('left');
export const shrd = double('right');

/** BSWAP; of a 16-bit register it is undefined, and processors clear it. */
export const bswap: Semantics = (c) => {
  const reg = c.operand(0);
  const w = reg.word;
  if (w.size === 2) return reg.write(i32.const(0));
  reg.write(swapBytes(c, w, reg.read()));
};

type Change = (w: Word, value: Expr, mask: Expr) => Expr;

/** BT, BTS, BTR, BTC. A register's bit offset reaches beyond a memory operand, in both directions; an immediate's does not. */
const bitTest =
  (change?: Change): Semantics =>
  (c) => {
    const plain = c.operand(0);
    const w = plain.word;
    const src = c.operand(1);
    const offset = c.let(w.type, src.word.size === 8 ? src.read() : w.from(src.read()));
    let place = plain;
    if (c.isMemory(0) && !c.isImmediate(1)) {
      const memory = c.memory(0);
      // Whole operands away, rounded down: the offset is signed.
      const distance = w.shl(w.shr_s(w.signed(offset), w.const(log2(w.bits))), w.const(log2(w.size)));
      const wide = c.facts.addressSize === 8;
      place = memory.at(w.size === 8 ? (wide ? distance : i32.wrap(distance)) : wide ? i64.extend_s(distance) : distance);
    }
    const at = c.let(w.type, w.and(offset, w.const(w.bits - 1)));
    const value = c.let(w.type, change ? place.update() : place.read());
    if (change) place.write(c.let(w.type, change(w, value, w.shl(w.const(1), at))));
    c.flags.carry(c.let(i32.type, w.low(w.and(w.shr_u(value, at), w.const(1)))));
  };

const log2 = (n: number): number => 31 - Math.clz32(n);

export const bt = bitTest();
export const bts = bitTest((w, value, mask) => w.or(value, mask));
export const btr = bitTest((w, value, mask) => w.and(value, w.xor(mask, w.const(-1))));
export const btc = bitTest((w, value, mask) => w.xor(value, mask));

/** BSF and BSR. With a zero source ZF is set and the destination stays, as processors do though the manual leaves it open. */
const scan =
  (find: (w: Word, value: Expr) => Expr): Semantics =>
  (c) => {
    const dst = c.operand(0);
    const w = dst.word;
    const value = c.let(w.type, c.operand(1).read());
    // All of the register stays, its upper half too.
    c.if(i32.eqz(w.eqz(value)), () => dst.write(find(w, value)));
    c.flags.result(w, value, {});
  };

export const bsf = scan((w, value) => w.ctz(value));
export const bsr = scan((w, value) => w.sub(w.const(w.size === 8 ? 63 : 31), w.clz(value)));
