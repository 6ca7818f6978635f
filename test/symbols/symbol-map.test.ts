/** Lists of symbols as text. */
import { describe, expect, it } from 'vitest';
import { readDebugInfo } from '../../src/symbols/read-symbols';

const read = (text: string, path = 'System.map') => readDebugInfo(path, new TextEncoder().encode(text));

describe('System.map and /proc/kallsyms', () => {
  it('give names and addresses, with sizes up to the next', () => {
    const info = read('0000000000001000 A fixed\nffffffff81000000 T _text\nffffffff81000010 t helper\nffffffff81000030 d data\t[module]\n');
    expect(info.symbolNamed('helper')).toEqual({ name: 'helper', address: -0x7efffff0, size: 0x20, kind: 'code', global: false });
    expect(info.symbolAt(-0x7efffff0 + 4)).toMatchObject({ symbol: { name: 'helper' }, offset: 4 });
    expect(info.symbolNamed('fixed')).toMatchObject({ kind: 'constant', address: 0x1000 });
    expect(info.symbolNamed('data')?.kind).toBe('data');
  });

  it('may be of a 32-bit kernel', () => {
    expect(read('c1000000 T startup_32\nc1000040 W weak\n').symbolNamed('startup_32')).toMatchObject({ address: 0xc1000000, size: 0x40 });
  });

  it.each([
    ['0000000000000000 T a\n0000000000000000 t b\n', /^System\.map: all addresses are 0/],
    ['c1000000 T a\nnonsense\n', /^System\.map:2: no symbol/],
    ['ffffffffffffffff B The real System.map is in the linux-image-6.1.0-1-amd64-dbg package\n', /^System\.map:1: .*stub/],
    ['just text', /^System\.map: neither/],
    ['', /^System\.map: neither/],
  ])('are refused in one line where they are none (%#)', (text, problem) => {
    expect(() => read(text)).toThrow(problem);
  });
});
