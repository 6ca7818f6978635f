/** What kind of program a file is, seen from its content. */
import { isElf, readElfImage } from './elf-image';
import { isLinuxImage } from './linux';
import { findMultibootHeader } from './multiboot';
import { findMultiboot2Header } from './multiboot2';
import { pvhEntry } from './pvh';

/** `linux` is a bzImage, `pvh` an ELF kernel with PVH's note, `vmlinux` a Linux kernel's ELF file without one. */
export type ProgramKind = 'source' | 'multiboot' | 'multiboot2' | 'linux' | 'pvh' | 'vmlinux' | 'disk';

export type Detected = { readonly kind: ProgramKind } | { readonly problem: string };

const SOURCE_NAMES = /\.(asm|nasm|s|inc)$/i;
const TEXT_SAMPLE = 4096;

/** Recognises a program. A problem is one line that says what was found instead. */
export function detectProgram(path: string, bytes: Uint8Array): Detected {
  if (bytes.length === 0) return { problem: 'the file is empty' };
  if (isLinuxImage(bytes)) return { kind: 'linux' };
  if (findMultibootHeader(bytes)) return { kind: 'multiboot' };
  if (findMultiboot2Header(bytes)) return { kind: 'multiboot2' };
  if (isElf(bytes)) return detectElf(bytes);
  if (SOURCE_NAMES.test(path)) return { kind: 'source' };
  if (hasBootSignature(bytes)) return { kind: 'disk' };
  if (isText(bytes)) return { kind: 'source' };
  return { problem: 'no program that can be run: no ELF or Multiboot header, no boot signature 55 AA at offset 510, and no text' };
}

function detectElf(bytes: Uint8Array): Detected {
  try {
    const image = readElfImage(bytes);
    if (pvhEntry(image) !== undefined) return { kind: 'pvh' };
    if (image.notes.some(({ name }) => name === 'Linux')) return { kind: 'vmlinux' };
  } catch (error) {
    return { problem: (error as Error).message };
  }
  return { problem: 'not implemented: an ELF file with neither a Multiboot header nor a PVH entry' };
}

/** 55 AA at the end of the first sector. */
export function hasBootSignature(bytes: Uint8Array): boolean {
  return startsWith(bytes, 510, [0x55, 0xaa]);
}

function startsWith(bytes: Uint8Array, offset: number, expected: readonly number[]): boolean {
  return expected.every((byte, i) => bytes[offset + i] === byte);
}

/** Printable characters, white space and UTF-8 only. */
function isText(bytes: Uint8Array): boolean {
  return bytes
    .subarray(0, TEXT_SAMPLE)
    .every((byte) => (byte >= 0x20 && byte !== 0x7f) || byte === 9 || byte === 10 || byte === 12 || byte === 13);
}
