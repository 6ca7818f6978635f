/** Reads files of others: every read is within bounds, or the file is at fault. */

/** A file is not what it claims to be; one line that says what and where. */
export class SymbolFileError extends Error {}

/** A cursor over little-endian bytes. */
export class ByteReader {
  readonly bytes: Uint8Array;
  private readonly view: DataView;
  /** Names the bytes in errors: `.debug_line`. */
  readonly name: string;
  position: number;
  /** Reads stay below it. */
  end: number;

  constructor(bytes: Uint8Array, name: string, position = 0, end = bytes.length) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.name = name;
    this.position = position;
    this.end = Math.min(end, bytes.length);
  }

  fail(problem: string): never {
    throw new SymbolFileError(`${this.name}+0x${this.position.toString(16)}: ${problem}`);
  }

  private take(length: number): number {
    const at = this.position;
    if (length < 0 || at < 0 || at + length > this.end) this.fail(`${length} bytes wanted, ${Math.max(0, this.end - at)} left`);
    this.position = at + length;
    return at;
  }

  get done(): boolean {
    return this.position >= this.end;
  }

  skip(length: number): void {
    this.take(length);
  }

  u8(): number {
    const at = this.position;
    if (at >= this.end) this.take(1);
    this.position = at + 1;
    return this.bytes[at];
  }

  i8(): number {
    return (this.u8() << 24) >> 24;
  }

  u16(): number {
    return this.view.getUint16(this.take(2), true);
  }

  u32(): number {
    return this.view.getUint32(this.take(4), true);
  }

  /** @throws SymbolFileError above 2^53, where no file and no address of ours is; kernel addresses come out negative */
  u64(): number {
    const at = this.take(8);
    const value = Number(this.view.getBigInt64(at, true));
    if (!Number.isSafeInteger(value)) {
      this.position = at;
      this.fail('a 64-bit number out of range');
    }
    return value;
  }

  /** An address or offset of 4 or 8 bytes. */
  word(size: number): number {
    if (size === 8) return this.u64();
    if (size === 4) return this.u32();
    if (size === 2) return this.u16();
    if (size === 1) return this.u8();
    return this.fail(`a number of ${size} bytes`);
  }

  uleb(): number {
    let result = 0;
    let scale = 1;
    for (;;) {
      const byte = this.u8();
      result += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
      scale *= 128;
      if (scale > 2 ** 70) this.fail('a LEB128 number that does not end');
    }
    return result;
  }

  sleb(): number {
    let result = 0;
    let scale = 1;
    for (;;) {
      const byte = this.u8();
      result += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte < 0x80) return byte & 0x40 ? result - scale : result;
      if (scale > 2 ** 70) this.fail('a LEB128 number that does not end');
    }
  }

  /** Up to a zero byte. */
  text(): string {
    const stop = this.bytes.indexOf(0, this.position);
    if (stop < 0 || stop >= this.end) this.fail('text without an end');
    const text = decodeText(this.bytes.subarray(this.position, stop));
    this.position = stop + 1;
    return text;
  }
}

const decoder = new TextDecoder();

function decodeText(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
