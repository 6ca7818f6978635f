/**
 * Bytes as a list of instructions without gaps, from places where instructions are known to start. Between two such
 * places the bytes are decoded one after the other; what would reach over the next one is shown as single bytes.
 */
import { decode, isFailure } from '../../isa/decoder';
import type { Bits, Instruction } from '../../isa/types';

export interface Line {
  /** Linear or physical, as the bytes are. */
  readonly address: number;
  readonly bytes: Uint8Array;
  /** Absent where the bytes are no instruction. */
  readonly instruction?: Instruction;
}

/** Where an instruction is known to start, and the code size from there on where that is known. */
export interface Anchor {
  readonly address: number;
  readonly bits?: Bits;
  /** No instructions from here to the next anchor. */
  readonly data?: boolean;
}

/**
 * @param bytes memory from `from` on
 * @param anchors ascending; those outside are ignored
 * @param bits code size where no anchor tells one
 */
export function sweep(bytes: Uint8Array, from: number, anchors: readonly Anchor[], bits: Bits): Line[] {
  const lines: Line[] = [];
  const end = from + bytes.length;
  const inside = anchors.filter(({ address }) => address >= from && address < end);
  let next = 0;
  let size = bits;
  let data = false;
  let at = from;
  while (at < end) {
    while (next < inside.length && inside[next].address <= at) {
      size = inside[next].bits ?? size;
      data = inside[next].data ?? false;
      next++;
    }
    const limit = next < inside.length ? inside[next].address : end;
    const found = data ? undefined : decode(bytes, at - from, size);
    const fits = found !== undefined && !isFailure(found) && at + found.length <= limit;
    const length = fits ? found.length : 1;
    lines.push({ address: at, bytes: bytes.subarray(at - from, at - from + length), ...(fits && { instruction: found }) });
    at += length;
  }
  return lines;
}
