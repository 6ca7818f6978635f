/**
 * Vectors that lie at constant places in memory, of which straight code keeps copies in locals: what was stored or loaded whole is not
 * loaded again. Memory is always up to date, so that control may leave at any moment.
 */
import { type Code, V128 } from './code';

const PREFIX = 0xfd;
const LOCAL_SET = 0x21;
const LOCAL_TEE = 0x22;
const VECTOR_LOAD = 0x00;
const VECTOR_STORE = 0x0b;
const VECTOR_BYTES = 16;

/** Loads of a part, by opcode: its bytes, and the opcode that extracts it from a vector. */
const PARTS: Readonly<Record<number, { readonly bytes: number; readonly extract: number } | undefined>> = {
  0x28: { bytes: 4, extract: 0x1b },
  0x29: { bytes: 8, extract: 0x1d },
  0x2a: { bytes: 4, extract: 0x1f },
  0x2b: { bytes: 8, extract: 0x21 },
};

/** What is known at a place in the code; see `Code.if`. */
export interface Known {
  readonly known: number;
  readonly cleared: number;
}

export class VectorCopies {
  private readonly code: Code;
  private readonly base: number;
  private readonly stride: number;
  private readonly locals: (number | undefined)[];
  /** One bit a vector: its local holds what memory does. */
  private known = 0;
  /** Vectors that were written in part since the innermost open block began. */
  private cleared = 0;
  /** Vectors that are written in unknown ways by the instruction under way. */
  private blocked = 0;

  /** @param base address of the first of `count` vectors, which lie `stride` bytes apart; at most 32 */
  constructor(code: Code, base: number, stride: number, count: number) {
    this.code = code;
    this.base = base;
    this.stride = stride;
    this.locals = new Array<number | undefined>(count).fill(undefined);
  }

  /** Nothing is known any more: other ways lead here. */
  forget(): void {
    this.known = 0;
    this.blocked = 0;
  }

  /** A vector is about to be written at addresses that are no constants, until `release`. */
  block(number: number): void {
    this.clear(1 << number);
    this.blocked |= 1 << number;
  }

  release(): void {
    this.blocked = 0;
  }

  private clear(bits: number): void {
    this.known &= ~bits;
    this.cleared |= bits;
  }

  private local(number: number): number {
    return (this.locals[number] ??= this.code.permanent(V128));
  }

  /** The number of the vector at an address, and the distance from its start; undefined where none is. */
  private find(address: number): { readonly number: number; readonly within: number } | undefined {
    const place = address - this.base;
    const number = Math.floor(place / this.stride);
    const within = place % this.stride;
    return place >= 0 && number < this.locals.length && within < VECTOR_BYTES ? { number, within } : undefined;
  }

  private get(number: number): void {
    this.code.byte(0x20);
    this.code.unsigned(this.local(number));
  }

  /** Writes a load of a part from a local instead of memory. @param opcode the load's @returns false where that cannot be */
  loadPart(opcode: number, address: number): boolean {
    const part = PARTS[opcode];
    const found = part && this.find(address);
    if (!found || !(this.known & (1 << found.number)) || found.within % part.bytes !== 0) return false;
    this.get(found.number);
    this.code.byte(PREFIX);
    this.code.unsigned(part.extract);
    this.code.byte(found.within / part.bytes);
    return true;
  }

  /** The same of a whole vector, which is copied if it was not. */
  loadWhole(address: number): boolean {
    const { code } = this;
    const found = this.find(address);
    if (!found || found.within !== 0) return false;
    const { number } = found;
    const bit = 1 << number;
    if (this.known & bit) {
      this.get(number);
      return true;
    }
    if (this.blocked & bit) return false;
    this.access(VECTOR_LOAD, address);
    code.byte(LOCAL_TEE);
    code.unsigned(this.local(number));
    this.known |= bit;
    return true;
  }

  /** Writes a store of a whole vector and keeps a copy. @param value leaves it on the operand stack */
  storeWhole(address: number, value: () => void): boolean {
    const { code } = this;
    const found = this.find(address);
    if (!found || found.within !== 0) {
      if (found) this.clear(1 << found.number);
      return false;
    }
    value();
    code.byte(LOCAL_SET);
    code.unsigned(this.local(found.number));
    code.byte(0x41);
    code.signed(0);
    this.get(found.number);
    this.opcode(VECTOR_STORE, address);
    this.known |= 1 << found.number;
    return true;
  }

  private access(opcode: number, address: number): void {
    this.code.byte(0x41);
    this.code.signed(0);
    this.opcode(opcode, address);
  }

  private opcode(opcode: number, address: number): void {
    const { code } = this;
    code.byte(PREFIX);
    code.unsigned(opcode);
    code.unsigned(0);
    code.unsigned(address);
  }

  /** A store of anything else. */
  storePart(address: number): void {
    const found = this.find(address);
    if (found) this.clear(1 << found.number);
  }

  // --- ways that part and meet

  /** Begins a block; `loop`: control may come back to its start. */
  enter(loop: boolean): Known {
    const { known, cleared } = this;
    this.cleared = 0;
    if (loop) this.known = 0;
    return { known, cleared };
  }

  /** The other way begins. */
  turn(before: Known): void {
    this.known = before.known;
  }

  /** Behind the block: what was known before and not written in part inside, whichever way control came. */
  leave(before: Known): void {
    this.known = before.known & ~this.cleared;
    this.cleared |= before.cleared;
  }
}
