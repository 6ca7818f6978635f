/** Branch hints: where they point to, and that modules with them are taken. */
import { describe, expect, it } from 'vitest';
import { Code, get, i32, I32 } from '../../src/engines/cpu/wasm/code';
import { encodeModule, HANDLER } from '../../src/engines/cpu/wasm/module';

const IF = 0x04;
const SECTION = 'metadata.code.branch_hint';

/** A function with conditions of all kinds, pieces of it written late. @returns its body and how many hints it should have */
function sample(): { code: Code; hints: boolean[] } {
  const code = new Code(1);
  const start = code.mark();
  code.if(get(0), () => {
    code.unlikely(i32.eqz(get(0)), () => code.return(i32.const(1)));
  });
  const middle = code.mark();
  code.likely(get(0), () => code.set(code.local(I32), i32.const(70000)));
  code.insert(middle, () => code.unlikely(get(0), () => code.return(i32.const(2))));
  code.insert(start, () => code.likely(get(0), () => code.set(code.local(I32), i32.const(-1))));
  code.return(i32.const(0));
  return { code, hints: [true, false, false, true] };
}

describe('branch hints', () => {
  it('stand at the conditions that they are about, in their order', () => {
    const { code, hints } = sample();
    const found = code.hints;
    const body = code.finish();
    // One byte of size.
    expect(body.length).toBeLessThan(0x80);
    expect(found.map(({ at }) => body[1 + at])).toEqual(hints.map(() => IF));
    expect(found.map(({ likely }) => likely)).toEqual(hints);
    expect(found.map(({ at }) => at)).toEqual(found.map(({ at }) => at).sort((a, b) => a - b));
  });

  it('are a section in front of the code', () => {
    const { code, hints } = sample();
    const { hints: found } = code;
    const bytes = encodeModule({
      types: [HANDLER],
      imports: [],
      functions: [{ type: 0, body: code.finish(), hints: found }],
      exports: { f: 0 },
    });
    const module = new WebAssembly.Module(bytes);
    const [section] = WebAssembly.Module.customSections(module, SECTION);
    const content = [...new Uint8Array(section)];
    // One function, number 0; offset, size of the hint, and the hint each.
    expect(content).toEqual([1, 0, hints.length, ...found.flatMap(({ at, likely }) => [at, 1, likely ? 1 : 0])]);
  });

  it('are left out where there are none', () => {
    const code = new Code(1);
    code.return(get(0));
    const bytes = encodeModule({
      types: [HANDLER],
      imports: [],
      functions: [{ type: 0, body: code.finish(), hints: code.hints }],
      exports: { f: 0 },
    });
    expect(WebAssembly.Module.customSections(new WebAssembly.Module(bytes), SECTION)).toEqual([]);
  });
});
