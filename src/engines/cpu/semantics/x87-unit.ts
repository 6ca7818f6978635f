/**
 * The x87 FPU's registers while one instruction is described: the stack of eight, the status word and the tags. Status and tags are
 * read at the beginning and written at the end, behind the last thing that may fault.
 */
import {
  X87_CONTROL,
  X87_CS,
  X87_DP,
  X87_DS,
  X87_IP,
  X87_OPCODE,
  X87_REGISTERS,
  X87_STATUS,
  X87_TAGS,
  SEG,
  SEGMENTS,
  SEGMENT_SIZE,
} from '../layout';
import { BEFORE_OPERATION, Flag, INDEFINITE, n, q, type Variable, variable } from '../float/kit';
import { type Expr, I32, I64, i32, i64 } from '../wasm/code';
import type { Context, Semantics } from './context';

/** Bits of the status word (manual, "x87 FPU Status Register"). */
export const Status = {
  stackFault: 0x40,
  summary: 0x80,
  busy: 0x8000,
  c0: 0x100,
  c1: Flag.roundedUp,
  c2: 0x400,
  c3: 0x4000,
  exceptions: 0x3f,
  codes: 0x4700,
} as const;
export const UNDERFLOW = Flag.invalid | Status.stackFault;
const OVERFLOW = UNDERFLOW | Status.c1;
const TOP_SHIFT = 11;
const TOP = 7 << TOP_SHIFT;
const FLOATING_POINT_ERROR = 16;
const STATE = n(0);
const CS_SELECTOR = SEGMENTS + SEGMENT_SIZE + SEG.selector;
/** The opcode of the instruction at X87_IP has not been looked at yet; see `system/x87-state.ts`. */
export const OPCODE_UNREAD = 0x10000;

/** Significand, and sign with exponent. */
export type Extended = readonly [Expr, Expr];

export const INDEFINITE_NUMBER: Extended = [q(INDEFINITE), n(0xffff)];

export class Fpu {
  readonly c: Context;
  readonly control: Expr;
  readonly status: Variable;
  readonly tags: Variable;

  /** @param waits reports exceptions that are pending from before */
  constructor(c: Context, waits: boolean) {
    this.c = c;
    c.requireUnit('x87');
    this.status = variable(c.code, I32, i32.load(STATE, X87_STATUS));
    if (waits) c.faultIf(i32.and(this.status.get, n(Status.summary)), FLOATING_POINT_ERROR);
    this.control = c.let(I32, i32.load(STATE, X87_CONTROL));
    this.tags = variable(c.code, I32, i32.load(STATE, X87_TAGS));
  }

  /** Writes back status and tags; `pointers` of instructions that are not about the unit itself. */
  finish(pointers: boolean): void {
    const { code } = this.c;
    i32.store(code, STATE, this.status.get, X87_STATUS);
    i32.store(code, STATE, this.tags.get, X87_TAGS);
    if (!pointers) return;
    i64.store(code, STATE, this.c.instructionIp(), X87_IP);
    i32.store(code, STATE, i32.load(STATE, CS_SELECTOR), X87_CS);
  }

  // --- registers

  /** State offset of the register at `distance` (16 bytes a register) from the top of the stack. */
  slot(distance: Expr): Expr {
    const offset = i32.and(i32.add(i32.shr_u(this.status.get, n(TOP_SHIFT - 4)), distance), n(0x70));
    return this.c.let(I32, i32.add(offset, n(X87_REGISTERS)));
  }

  top(): Expr {
    return this.slot(n(0));
  }

  /** Of register operand `index`. */
  operand(index: number): Expr {
    return this.slot(this.c.pointer(index, 'read', 10));
  }

  private tagBit(slot: Expr): Expr {
    return i32.shl(n(1), i32.shr_u(i32.sub(slot, n(X87_REGISTERS)), n(4)));
  }

  empty(slot: Expr): Expr {
    return i32.eqz(i32.and(this.tags.get, this.tagBit(slot)));
  }

  read(slot: Expr): Extended {
    const { c } = this;
    return [c.let(I64, i64.load(slot)), c.let(I32, i32.load16u(slot, 8))];
  }

  write(slot: Expr, [significand, signExponent]: Extended): void {
    const { code } = this.c;
    i64.store(code, slot, significand);
    i32.store16(code, slot, signExponent, 8);
    this.tags.set(i32.or(this.tags.get, this.tagBit(slot)));
  }

  free(slot: Expr): void {
    this.tags.set(i32.and(this.tags.get, i32.xor(this.tagBit(slot), n(-1))));
  }

  /** Moves TOP by registers, modulo 8. */
  rotate(count: number): void {
    const moved = i32.and(i32.add(this.status.get, n((count << TOP_SHIFT) & TOP)), n(TOP));
    this.status.set(i32.or(i32.and(this.status.get, n(~TOP)), moved));
  }

  pop(): void {
    this.free(this.top());
    this.rotate(1);
  }

  // --- exceptions

  unmasked(flags: Expr): Expr {
    return this.c.let(I32, i32.and(i32.and(flags, i32.xor(this.control, n(-1))), n(Status.exceptions)));
  }

  /**
   * Notes exceptions and condition codes; C1 is cleared where `flags` do not set it, the other codes where `clears` says so.
   * @returns the exceptions among them that are not masked
   */
  raise(flags: Expr, clears: number = Status.c1): Expr {
    const { c } = this;
    this.status.set(i32.or(i32.and(this.status.get, n(~clears)), flags));
    if (flags.value === 0) return flags;
    const unmasked = this.unmasked(flags);
    c.if(unmasked, () => {
      this.status.set(i32.or(this.status.get, n(Status.summary | Status.busy)));
      i32.store(c.code, STATE, n(OPCODE_UNREAD), X87_OPCODE);
      if (c.operandCount > 0 && c.isMemory(0)) {
        const { segment, offset } = c.farAddress(0);
        i64.store(c.code, STATE, offset, X87_DP);
        i32.store(c.code, STATE, segment, X87_DS);
      }
    });
    return unmasked;
  }

  /** Notes exceptions; `commit` writes the result unless one from before the operation is not masked. */
  complete(flags: Expr, commit: () => void, clears: number = Status.c1): void {
    const unmasked = this.raise(flags, clears);
    if (unmasked.value === 0) return commit();
    this.c.if(i32.eqz(i32.and(unmasked, n(BEFORE_OPERATION))), commit);
  }

  /** The stack is empty where an operand should be: `masked` writes the answer when the exception is masked. */
  underflow(masked: () => void, clears: number = Status.c1): void {
    this.complete(n(UNDERFLOW), masked, clears);
  }

  overflow(masked: () => void): void {
    this.complete(n(OVERFLOW), masked);
  }

  /** Pushes what `value` gives together with its exceptions, or answers that the stack is full. */
  push(value: () => { number: Extended; flags: Expr }): void {
    // A denormal is loaded all the same.
    const { c } = this;
    const slot = this.slot(n(-16));
    const put = (number: Extended): void => {
      this.rotate(-1);
      this.write(slot, number);
    };
    c.if(
      this.empty(slot),
      () => {
        const { number, flags } = value();
        if (flags.value === 0) {
          this.raise(flags);
          return put(number);
        }
        c.if(i32.eqz(i32.and(this.raise(flags), n(Flag.invalid))), () => put(number));
      },
      () => this.overflow(() => put(INDEFINITE_NUMBER)),
    );
  }
}

interface Traits {
  /** Reports pending exceptions first. */
  readonly waits?: boolean;
  /** Is remembered as the last instruction. */
  readonly pointers?: boolean;
}

/** An x87 instruction. */
export const x87 =
  (describe: (fpu: Fpu, c: Context) => void, { waits = true, pointers = true }: Traits = {}): Semantics =>
  (c) => {
    const fpu = new Fpu(c, waits);
    describe(fpu, c);
    fpu.finish(pointers);
  };

/** Instructions on the unit itself. */
export const control = (describe: (fpu: Fpu, c: Context) => void, waits = false): Semantics => x87(describe, { waits, pointers: false });
