/** Results of our side, in the form in which the harness writes the other's. */
import { FX, FX_SIZE, MAX_CHANGES, RESULT } from './wire';

const LARGEST = RESULT.size + FX_SIZE + MAX_CHANGES * 4;

export class Results {
  u8 = new Uint8Array(1 << 22);
  u16 = new Uint16Array(this.u8.buffer);
  u32 = new Uint32Array(this.u8.buffer);
  private end = 0;

  /** Begins a result. @returns where it lies */
  take(): number {
    if (this.end + LARGEST > this.u8.length) {
      const larger = new Uint8Array(this.u8.length * 2);
      larger.set(this.u8);
      this.u8 = larger;
      this.u16 = new Uint16Array(larger.buffer);
      this.u32 = new Uint32Array(larger.buffer);
    }
    const at = this.end;
    this.end += RESULT.size;
    return at;
  }

  /** @param write fills in the state @returns whether it is another than before */
  putVectors(before: Uint8Array, write: (fx: Uint8Array) => void): boolean {
    const fx = this.u8.subarray(this.end, this.end + FX_SIZE);
    write(fx);
    const same = Buffer.compare(fx.subarray(0, FX.used), before.subarray(0, FX.used)) === 0;
    if (!same) this.end += FX_SIZE;
    return !same;
  }

  putChange(offset: number, value: number): void {
    this.u16[this.end >> 1] = offset;
    this.u16[(this.end >> 1) + 1] = value;
    this.end += 4;
  }

  /** Ends a result: the next begins at a multiple of 8. */
  finish(): void {
    this.end = (this.end + 7) & ~7;
  }

  /** Takes the last result back. */
  drop(at: number): void {
    this.end = at;
  }

  /** Begins a new list. */
  clear(): void {
    this.end = 0;
  }
}

/** The size of the result at a place. */
export function sizeAt(u16: Uint16Array, at: number): number {
  const changes = u16[(at + RESULT.changes) >> 1];
  const vectors = u16[(at + RESULT.vectors) >> 1];
  return (RESULT.size + (vectors ? FX_SIZE : 0) + changes * 4 + 7) & ~7;
}
