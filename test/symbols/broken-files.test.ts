/** Files that are not what they claim to be: one named error, no crash, no hang. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SymbolFileError } from '../../src/symbols/byte-reader';
import { elfDebugInfo } from '../../src/symbols/elf-info';
import { buildElf } from './elf-builder';

function readsOrRefuses(bytes: Uint8Array): void {
  try {
    const info = elfDebugInfo('/broken', bytes);
    for (const file of info.files) info.codeLines(file, 1, 1000);
    info.symbolAt(0x1000);
  } catch (error) {
    if (!(error instanceof SymbolFileError)) throw error;
    expect(error.message).not.toContain('\n');
  }
}

describe('broken ELF files', () => {
  const whole = buildElf();

  it('reads the whole one', () => {
    const info = elfDebugInfo('/whole', whole);
    expect(info.symbolNamed('start')?.address).toBe(0x1000);
    expect(info.rangesOf('/src/a.asm', 2)).toMatchObject([{ address: 0x1002, length: 3 }]);
  });

  it('reads or refuses every truncation', () => {
    for (let length = 0; length < whole.length; length++) readsOrRefuses(whole.subarray(0, length));
  });

  it('reads or refuses every single broken byte', () => {
    for (let at = 0; at < whole.length; at++) {
      for (const value of [0x00, 0x7f, 0x80, 0xff]) {
        const bytes = whole.slice();
        bytes[at] = value;
        readsOrRefuses(bytes);
      }
    }
  });

  it('reads or refuses random bytes behind a valid start', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 400 }), fc.nat(whole.length), (noise, at) => {
        const bytes = whole.slice();
        bytes.set(noise.subarray(0, Math.max(0, bytes.length - at)), at);
        readsOrRefuses(bytes);
        readsOrRefuses(noise);
      }),
      { numRuns: 2000 },
    );
  });
});
