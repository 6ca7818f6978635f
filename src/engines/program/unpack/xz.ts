/** The .xz container ("The .xz File Format", version 1.1.0) with LZMA2 and the x86 branch filter, and .lzma files. */
import { crc32 } from './crc32';
import { decodeLzma2, LzmaDecoder, Output } from './lzma';
import { undoX86Branches } from './x86-branches';

const MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];
const FILTER = { x86: 0x04, lzma2: 0x21 } as const;
/** Bytes of a block's check by its type. Types other than CRC32 are not verified. */
const CHECK_SIZES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];
const CRC32 = 1;

const damaged = (what: string): never => {
  throw new RangeError(`the XZ data are damaged: ${what}`);
};

export const isXz = (bytes: Uint8Array): boolean => MAGIC.every((byte, i) => bytes[i] === byte);

/**
 * Unpacks the first stream.
 * @param expected bytes that are expected
 * @param limit bytes that it may become
 * @throws RangeError with one line for what is damaged or not implemented
 */
export function unpackXz(input: Uint8Array, expected: number, limit: number): Uint8Array {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  if (!isXz(input) || input.length < 24) damaged('no header');
  if (crc32(input.subarray(6, 8)) !== view.getUint32(8, true)) damaged('header');
  const check = input[7] & 15;
  const output = new Output(expected, limit);
  let at = 12;
  // An index, marked by 0, follows the blocks.
  while (at < input.length && input[at] !== 0) at = unpackBlock(input, view, at, check, output);
  if (at >= input.length) damaged('it is cut off');
  return output.content;
}

function unpackBlock(input: Uint8Array, view: DataView, start: number, check: number, output: Output): number {
  const headerSize = (input[start] + 1) * 4;
  if (start + headerSize > input.length) damaged('block header');
  if (crc32(input.subarray(start, start + headerSize - 4)) !== view.getUint32(start + headerSize - 4, true)) damaged('block header');
  const filters = readFilters(input.subarray(start + 1, start + headerSize - 4));
  const first = output.length;
  let at = decodeLzma2(input, start + headerSize, output);
  if (filters.includes(FILTER.x86)) undoX86Branches(output.bytes.subarray(first, output.length));
  while ((at - start) % 4 !== 0) if (input[at++] !== 0) damaged('padding');
  if (check === CRC32 && crc32(output.bytes.subarray(first, output.length)) !== view.getUint32(at, true)) damaged('the checksum differs');
  return at + CHECK_SIZES[check];
}

/** @param header a block header behind its size byte @returns the IDs of its filters */
function readFilters(header: Uint8Array): number[] {
  const flags = header[0];
  let at = 1;
  const number = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      if (at >= header.length || scale > 2 ** 49) damaged('block header');
      const byte = header[at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  if (flags & 0x40) number();
  if (flags & 0x80) number();
  const filters: number[] = [];
  for (let i = 0; i <= (flags & 3); i++) {
    const id = number();
    const size = number();
    if (id !== FILTER.lzma2 && id !== FILTER.x86) throw new RangeError(`not implemented: XZ filter 0x${id.toString(16)}`);
    // A start offset is for code that does not begin at 0.
    if (id === FILTER.x86 && size !== 0) throw new RangeError('not implemented: XZ x86 filter with a start offset');
    at += size;
    filters.push(id);
  }
  if (filters.at(-1) !== FILTER.lzma2) damaged('the last filter is not LZMA2');
  return filters;
}

/** Properties, dictionary size, then a length of 64 bits or all ones. */
export function isLzma(bytes: Uint8Array): boolean {
  const high = bytes.subarray(9, 13);
  return (
    bytes.length > 13 &&
    bytes[0] === 0x5d &&
    bytes[1] === 0 &&
    bytes[2] === 0 &&
    (high.every((b) => b === 0) || high.every((b) => b === 0xff))
  );
}

/** Unpacks an .lzma file ("LZMA_Alone"). @throws RangeError for damaged data */
export function unpackLzma(input: Uint8Array, expected: number, limit: number): Uint8Array {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  const known = view.getUint32(9, true) === 0;
  const size = view.getUint32(5, true);
  const output = new Output(known ? Math.min(size, limit) : expected, limit);
  const decoder = new LzmaDecoder(input, 13, output);
  decoder.setProperties(input[0]);
  decoder.startRange();
  decoder.decode(known ? size : Infinity);
  return output.content;
}
