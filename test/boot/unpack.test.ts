/** Unpacking, held against the programs that pack kernels. */
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { unpack } from '../../src/engines/program/unpack/unpack';
import { missing } from '../support/programs';

/** What the kernel's Makefiles run, and whether they append the length. */
const PACKERS: readonly {
  readonly name: string;
  readonly needs: Readonly<Record<string, string>>;
  readonly command: readonly string[];
  readonly appended: boolean;
}[] = [
  { name: 'gzip', needs: { gzip: 'gzip' }, command: ['gzip', '-n', '-f', '-9'], appended: false },
  { name: 'XZ', needs: { xz: 'xz-utils' }, command: ['xz', '--check=crc32', '--x86', '--lzma2=dict=32MiB'], appended: true },
  { name: 'XZ with small blocks', needs: { xz: 'xz-utils' }, command: ['xz', '--check=crc64', '--block-size=20000', '-0'], appended: true },
  { name: 'LZMA', needs: { lzma: 'xz-utils' }, command: ['lzma', '-9'], appended: true },
  { name: 'Zstandard', needs: { zstd: 'zstd' }, command: ['zstd', '-19', '-q', '-c'], appended: true },
  { name: 'LZ4', needs: { lz4: 'lz4' }, command: ['lz4', '-l', '-9', '-', '-'], appended: true },
];

/** Machine code, text, zeros and noise: something for each part of a decoder. */
function sample(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let seed = 12345;
  const next = (): number => (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 16;
  for (let at = 0; at < size; ) {
    const kind = next() % 5;
    const length = Math.min(size - at, 20 + (next() % 3000));
    for (let i = 0; i < length; i++, at++) {
      if (kind === 0) bytes[at] = next();
      else if (kind === 1) bytes[at] = 0x61 + (i % 17);
      // Calls to one place, and opcodes close to each other.
      else if (kind === 2)
        bytes[at] = [0xe8, (0x4000 - at) & 0xff, ((0x4000 - at) >> 8) & 0xff, at > 0x4000 ? 0xff : 0, at > 0x4000 ? 0xff : 0][i % 5];
      else if (kind === 3) bytes[at] = [0xe8, 0xe9, 0x00, 0xff, 0x12][next() % 5];
    }
  }
  return bytes;
}

const pack = (command: readonly string[], bytes: Uint8Array, appended: boolean): Uint8Array => {
  const packed = execFileSync(command[0], command.slice(1), { input: bytes, stdio: ['pipe', 'pipe', 'ignore'], maxBuffer: 1 << 26 });
  if (!appended) return new Uint8Array(packed);
  const result = new Uint8Array(packed.length + 4);
  result.set(packed);
  new DataView(result.buffer).setUint32(packed.length, bytes.length, true);
  return result;
};

describe.each(PACKERS)('a payload packed by $name', ({ name, needs, command, appended }) => {
  const reason = missing(needs);
  it.skipIf(reason)(`is unpacked${reason ? ` (${reason})` : ''}`, () => {
    for (const size of [1, 4, 300, 65_536, 1_000_003]) {
      const bytes = sample(size);
      const unpacked = unpack(pack(command, bytes, appended));
      expect(unpacked.format).toBe(name.split(' ')[0]);
      expect(Buffer.compare(unpacked.bytes, bytes)).toBe(0);
    }
  });

  it.skipIf(reason)(`never hangs or crashes when damaged${reason ? ` (${reason})` : ''}`, () => {
    const packed = pack(command, sample(30_000), appended);
    for (let i = 0; i < 60; i++) {
      const damaged = packed.slice(0, i % 3 === 0 ? Math.floor((packed.length * (i + 1)) / 61) : undefined);
      if (i % 3 !== 0) damaged[(i * 7919) % damaged.length] ^= 1 << (i % 8);
      try {
        unpack(damaged);
      } catch (error) {
        expect((error as Error).message).toMatch(/^[^\n]*(payload|not implemented)[^\n]*$/);
      }
    }
  });
});

it('names what it cannot unpack', () => {
  expect(() => unpack(new TextEncoder().encode('BZh91AY&SY'))).toThrow('not implemented: unpacking a kernel packed with bzip2');
  expect(() => unpack(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))).toThrow('begins with 01 02 03 04 05 06: no known packing');
});
