/**
 * The bytes that blocks were decoded from, kept as long as their records: an instruction is decoded again from them when someone asks
 * for it, which is rare, instead of being kept as an object, which is large.
 */
const FIRST_SIZE = 1 << 16;
/** A decoder may look so far beyond an instruction. */
const SLACK = 16;

export class CodeCopies {
  private bytes = new Uint8Array(FIRST_SIZE);
  private end = 0;

  /** @returns where the copy begins */
  add(code: Uint8Array): number {
    const at = this.end;
    if (at + code.length + SLACK > this.bytes.length) {
      const larger = new Uint8Array(this.bytes.length * 2);
      larger.set(this.bytes);
      this.bytes = larger;
    }
    this.bytes.set(code, at);
    this.end = at + code.length;
    return at;
  }

  /** All copies one behind the other. */
  get all(): Uint8Array {
    return this.bytes;
  }

  clear(): void {
    this.bytes = new Uint8Array(FIRST_SIZE);
    this.end = 0;
  }
}
