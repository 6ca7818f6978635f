/** Unpacks whatever a kernel image is packed with. */
import { gunzipSync } from 'fflate';
import { decompress as unpackZstd } from 'fzstd';
import { isLz4, unpackLz4 } from './lz4';
import { isLzma, isXz, unpackLzma, unpackXz } from './xz';

/** No kernel is larger. */
const LIMIT = 512 << 20;

interface Format {
  readonly name: string;
  is(bytes: Uint8Array): boolean;
  /** Absent: the format is known but not implemented. */
  readonly unpack?: (bytes: Uint8Array, expected: number) => Uint8Array;
}

const begins =
  (...magic: readonly number[]) =>
  (bytes: Uint8Array): boolean =>
    magic.every((byte, i) => bytes[i] === byte);

const FORMATS: readonly Format[] = [
  { name: 'plain ELF', is: begins(0x7f, 0x45, 0x4c, 0x46), unpack: (bytes) => bytes },
  // Behind the end of the stream only the appended length is left; the library wants none.
  { name: 'gzip', is: begins(0x1f, 0x8b, 8), unpack: (bytes) => gunzipSync(bytes) },
  { name: 'XZ', is: isXz, unpack: (bytes, expected) => unpackXz(bytes, expected, LIMIT) },
  { name: 'Zstandard', is: begins(0x28, 0xb5, 0x2f, 0xfd), unpack: (bytes) => unpackZstd(bytes.subarray(0, bytes.length - 4)) },
  { name: 'LZ4', is: isLz4, unpack: (bytes, expected) => unpackLz4(bytes, expected, LIMIT) },
  { name: 'bzip2', is: begins(0x42, 0x5a, 0x68) },
  { name: 'LZO', is: begins(0x89, 0x4c, 0x5a, 0x4f) },
  // It has no magic number: last.
  { name: 'LZMA', is: isLzma, unpack: (bytes, expected) => unpackLzma(bytes, expected, LIMIT) },
];

/**
 * @param payload a kernel's packed payload; its last four bytes are the unpacked length in all formats
 * @throws Error with one line that says why it cannot be unpacked
 */
export function unpack(payload: Uint8Array): { readonly format: string; readonly bytes: Uint8Array } {
  const format = FORMATS.find((candidate) => candidate.is(payload));
  if (!format) {
    const start = [...payload.subarray(0, 6)].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    throw new Error(`the kernel's payload begins with ${start}: no known packing`);
  }
  if (!format.unpack) throw new Error(`not implemented: unpacking a kernel packed with ${format.name}`);
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const expected = Math.min(view.getUint32(payload.length - 4, true), LIMIT);
  try {
    return { format: format.name, bytes: format.unpack(payload, expected) };
  } catch (error) {
    throw new Error(`the kernel's payload (${format.name}) cannot be unpacked: ${(error as Error).message}`, { cause: error });
  }
}
