/** The symbol table inside a kernel image: small ones made by the rules of the kernel's scripts/kallsyms.c, and Debian's own. */
import { describe, expect, it } from 'vitest';
import { linuxPayload } from '../../src/engines/program/linux';
import { unpack } from '../../src/engines/program/unpack/unpack';
import { elfDebugInfo } from '../../src/symbols/elf-info';
import { ElfFile } from '../../src/symbols/elf';
import { readKallsyms } from '../../src/symbols/kallsyms';
import { kernelFiles, kernelMissing } from '../support/kernels';

interface Entry {
  readonly address: bigint;
  readonly text: string;
}

/** Names with their type letters: more than 256, so that there are two markers. */
function entries(base: bigint): Entry[] {
  return Array.from({ length: 700 }, (_, i) => ({ address: base + BigInt(i * 48), text: `${i % 3 === 0 ? 'D' : 't'}symbol_${i}` }));
}

interface Layout {
  readonly wide: boolean;
  /** Since Linux 6.4 the offsets stand behind the token index. */
  readonly late: boolean;
  /** CONFIG_KALLSYMS_ABSOLUTE_PERCPU. */
  readonly percpu: boolean;
}

/** Tokens: every character as itself, and one for the commonest beginning. */
function image(list: readonly Entry[], { wide, late, percpu }: Layout): Uint8Array {
  const bytes: number[] = [];
  const word = wide ? 8 : 4;
  const align = (to: number): void => {
    while (bytes.length % to) bytes.push(0);
  };
  const number = (value: bigint, size: number): void => {
    for (let i = 0; i < size; i++) bytes.push(Number((BigInt.asUintN(64, value) >> BigInt(8 * i)) & 0xffn));
  };
  const tokens = Array.from({ length: 256 }, (_, i) => (i >= 0x20 && i < 0x7f ? String.fromCharCode(i) : i === 0x80 ? 'symbol_' : ''));
  const base = list[percpu ? 1 : 0].address;
  const offsets = (): void => {
    align(word);
    for (const { address, text } of list) {
      if (!percpu) number(address - base, 4);
      else number(text[0] === 'A' ? address : base - 1n - address, 4);
    }
    align(word);
    number(base, word);
  };
  // Something that looks like the beginning of it, and is not.
  for (const character of '0\x001\x002\x003\x004\x005\x006\x007\x008\x009\0') bytes.push(character.charCodeAt(0));
  for (let i = 0; i < 8192; i++) bytes.push((i * 7) & 0xff);
  if (!late) offsets();
  align(word);
  number(BigInt(list.length), 4);
  align(word);
  const start = bytes.length;
  const markers: number[] = [];
  for (const [i, { text }] of list.entries()) {
    if (i % 256 === 0) markers.push(bytes.length - start);
    const packed = [...text.replace('symbol_', '\x80')].map((character) => character.charCodeAt(0));
    if (packed.length > 127) bytes.push((packed.length & 0x7f) | 0x80, packed.length >> 7);
    else bytes.push(packed.length);
    bytes.push(...packed);
  }
  align(word);
  for (const marker of markers) number(BigInt(marker), 4);
  align(word);
  const starts: number[] = [];
  const table = bytes.length;
  for (const token of tokens) {
    starts.push(bytes.length - table);
    for (const character of token) bytes.push(character.charCodeAt(0));
    bytes.push(0);
  }
  align(word);
  for (const at of starts) number(BigInt(at), 2);
  if (late) offsets();
  for (let i = 0; i < 64; i++) bytes.push(0x55);
  return Uint8Array.from(bytes);
}

describe('kallsyms tables', () => {
  const high = 0xffffffff81000000n;
  const layouts: readonly (readonly [string, Layout, bigint])[] = [
    ['of a 64-bit kernel before Linux 6.4', { wide: true, late: false, percpu: false }, high],
    ['of a 64-bit kernel since Linux 6.4', { wide: true, late: true, percpu: false }, high],
    ['of a 32-bit kernel before Linux 6.4', { wide: false, late: false, percpu: false }, 0xc1000000n],
    ['of a 32-bit kernel since Linux 6.4', { wide: false, late: true, percpu: false }, 0xc1000000n],
  ];
  it.each(layouts)('are found and read: %s', (_, layout, base) => {
    const list = entries(base);
    const found = readKallsyms(image(list, layout), layout.wide);
    expect(found?.map(({ name, address }) => [name, BigInt.asUintN(layout.wide ? 64 : 32, BigInt(address))])).toEqual(
      list.map(({ text, address }) => [text.slice(1), address]),
    );
    expect(found?.slice(0, 2)).toMatchObject([
      { kind: 'data', global: true, size: 48 },
      { kind: 'code', global: false, size: 48 },
    ]);
  });

  it('tell offsets in processors’ own areas from addresses', () => {
    const list = [{ address: 0x1000n, text: 'Aarea' }, ...entries(high)];
    const found = readKallsyms(image(list, { wide: true, late: false, percpu: true }), true);
    expect(found?.[0]).toEqual({ name: 'area', address: 0x1000, size: 0, kind: 'constant', global: true });
    expect(found?.[1].address).toBe(Number(BigInt.asIntN(64, high)));
  });

  it('may have names of more than 127 tokens', () => {
    const list = entries(high).map((entry, i) => (i === 5 ? { ...entry, text: `T${'long'.repeat(60)}` } : entry));
    expect(readKallsyms(image(list, { wide: true, late: true, percpu: false }), true)?.[5].name).toBe('long'.repeat(60));
  });

  it.each([0, 1, 1000, 20_000])('are not seen where they are cut off (%i)', (length) => {
    const whole = image(entries(high), { wide: true, late: true, percpu: false });
    expect(readKallsyms(whole.subarray(0, Math.min(length, whole.length - 80)), true)).toBeUndefined();
  });
});

describe.each(['amd64', '686'] as const)("Debian's kernel for %s", (name) => {
  it('gives its symbols', { timeout: 60_000 }, (context) => {
    const missing = kernelMissing(name);
    if (missing) return context.skip(missing);
    const { bytes } = unpack(linuxPayload(kernelFiles(name)['/vmlinuz']));
    const elf = new ElfFile(bytes);
    expect(elf.symbols()).toEqual([]);
    const info = elfDebugInfo('vmlinux', bytes);
    expect(info.symbols.length).toBeGreaterThan(30_000);
    expect(info.symbolNamed('_text')?.address).toBe(elf.segments[0].virtualAddress);
    // What stands at the address of a symbol whose contents are known, where there are symbols of data at all.
    const banner = info.symbolNamed('linux_banner');
    if (name === '686') expect(banner).toBeUndefined();
    else checkBanner(elf, bytes, banner?.address ?? 0);
    expect(info.symbolAt((info.symbolNamed('start_kernel')?.address ?? 0) + 1)).toMatchObject({
      symbol: { name: 'start_kernel', kind: 'code' },
      offset: 1,
    });
    return undefined;
  });
});

function checkBanner(elf: ElfFile, bytes: Uint8Array, address: number): void {
  const segment = elf.segments.find((each) => address >= each.virtualAddress && address < each.virtualAddress + each.fileSize);
  const at = address - (segment?.virtualAddress ?? 0) + (segment?.offset ?? 0);
  expect(new TextDecoder().decode(bytes.subarray(at, at + 14))).toBe('Linux version ');
}
