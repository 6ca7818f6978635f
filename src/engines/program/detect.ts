/** What kind of program a file is, seen from its content. */
import { findMultibootHeader } from './multiboot';

export type ProgramKind = 'source' | 'multiboot' | 'disk';

export type Detected = { readonly kind: ProgramKind } | { readonly problem: string };

const SOURCE_NAMES = /\.(asm|nasm|s|inc)$/i;
const TEXT_SAMPLE = 4096;

/** Recognises a program. A problem is one line that says what was found instead. */
export function detectProgram(path: string, bytes: Uint8Array): Detected {
  if (bytes.length === 0) return { problem: 'the file is empty' };
  if (findMultibootHeader(bytes)) return { kind: 'multiboot' };
  if (startsWith(bytes, 0, [0x7f, 0x45, 0x4c, 0x46])) {
    return { problem: 'not implemented: an ELF file without a Multiboot 1 header in its first 8192 bytes' };
  }
  if (startsWith(bytes, 0x202, [0x48, 0x64, 0x72, 0x53])) return { problem: 'not implemented: booting a Linux kernel image directly' };
  if (SOURCE_NAMES.test(path)) return { kind: 'source' };
  if (hasBootSignature(bytes)) return { kind: 'disk' };
  if (isText(bytes)) return { kind: 'source' };
  return { problem: 'no program that can be run: no ELF or Multiboot header, no boot signature 55 AA at offset 510, and no text' };
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
