/** LZ4's legacy frame, as kernels use it ("LZ4 Frame Format", "Legacy frame"; "LZ4 Block Format"). */
import { Output } from './lzma';

const MAGIC = 0x184c2102;
const damaged = (): never => {
  throw new RangeError('the LZ4 data are damaged');
};

const wordAt = (bytes: Uint8Array, at: number): number =>
  (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;

export const isLz4 = (bytes: Uint8Array): boolean => bytes.length > 8 && wordAt(bytes, 0) === MAGIC;

/** Unpacks the frame. @throws RangeError for damaged data */
export function unpackLz4(input: Uint8Array, expected: number, limit: number): Uint8Array {
  const output = new Output(expected, limit);
  let at = 4;
  while (at + 4 <= input.length) {
    const size = wordAt(input, at);
    // What cannot be a block ends the frame: kernels append their length.
    if (size === 0 || at + 4 + size > input.length) break;
    at += 4;
    unpackBlock(input.subarray(at, at + size), output);
    at += size;
  }
  return output.content;
}

function unpackBlock(input: Uint8Array, output: Output): void {
  const start = output.length;
  let at = 0;
  const length = (first: number): number => {
    let value = first;
    if (first === 15) {
      let byte: number;
      do {
        if (at >= input.length) damaged();
        byte = input[at++];
        value += byte;
      } while (byte === 255);
    }
    return value;
  };
  while (at < input.length) {
    const token = input[at++];
    const literals = length(token >> 4);
    if (at + literals > input.length) damaged();
    output.reserve(literals);
    output.bytes.set(input.subarray(at, at + literals), output.length);
    output.length += literals;
    at += literals;
    // The last sequence has literals alone.
    if (at === input.length) return;
    if (at + 2 > input.length) damaged();
    const distance = input[at] | (input[at + 1] << 8);
    at += 2;
    const count = length(token & 15) + 4;
    if (distance === 0 || distance > output.length - start) damaged();
    output.reserve(count);
    const { bytes } = output;
    for (let i = 0; i < count; i++, output.length++) bytes[output.length] = bytes[output.length - distance];
  }
}
