/** Random code over vectors in memory does the same with copies in locals as without. */
import { describe, expect, it } from 'vitest';
import { Code, get, i32, I32, i64, V128 } from '../../src/engines/cpu/wasm/code';
import { encodeModule, HANDLER } from '../../src/engines/cpu/wasm/module';
import { i32x4, i64x2, v128 } from '../../src/engines/cpu/wasm/vector';
import { VectorCopies } from '../../src/engines/cpu/wasm/vector-copies';
import { randomSource } from '../isa/random';

const BASE = 0x100;
const STRIDE = 32;
const COUNT = 4;
const END = BASE + COUNT * STRIDE;
const MOST_DEPTH = 3;

/** A function that changes the vectors and gives a number that depends on all that it loaded. */
function makeCode(random: () => number, copies: boolean): Uint8Array {
  const code = new Code(1);
  if (copies) code.vectors = new VectorCopies(code, BASE, STRIDE, COUNT);
  const sum = code.permanent(I32);
  const below = (count: number): number => random() % count;
  const vector = (): number => BASE + below(COUNT) * STRIDE;
  const add = (value: ReturnType<typeof get>): void => code.set(sum, i32.add(i32.mul(get(sum), i32.const(31)), value));
  const step = (depth: number): void => {
    const kinds = depth < MOST_DEPTH ? 13 : 9;
    switch (below(kinds)) {
      case 0:
      case 1: {
        const [to, a, b] = [vector(), vector(), vector()];
        const value = i32x4.add(v128.load(i32.const(a)), v128.xor(v128.load(i32.const(b)), v128.const([below(256), 1, 2, below(256)])));
        return v128.store(code, i32.const(to), value);
      }
      case 2:
        return v128.store(code, i32.const(vector()), code.let(V128, v128.load(i32.const(vector()))));
      case 3:
        return i32.store(code, i32.const(vector()), i32.add(get(sum), i32.const(below(1000))), below(4) * 4);
      case 4:
        return i64.store(code, i32.const(vector()), i64.extend_u(get(sum)), below(2) * 8);
      case 5:
        return add(i32.load(i32.const(vector()), below(4) * 4));
      case 6:
        return add(i32.wrap(i64x2.extract(v128.load(i32.const(vector())), below(2))));
      case 7:
        return add(i32.wrap(i64.load(i32.const(vector()), below(2) * 8)));
      case 8:
        return add(i32.load8u(i32.const(vector()), below(16)));
      case 9:
      case 10: {
        const bit = i32.and(i32.shr_u(get(0), i32.const(below(8))), i32.const(1));
        return code.if(bit, () => steps(depth + 1), below(2) === 0 ? () => steps(depth + 1) : undefined);
      }
      case 11:
        return code.block((leave) => {
          steps(depth + 1);
          code.if(i32.and(get(sum), i32.const(1)), leave);
          steps(depth + 1);
        });
      default: {
        const left = code.permanent(I32);
        code.set(left, i32.const(3));
        return code.loop((again) => {
          steps(depth + 1);
          code.set(left, i32.sub(get(left), i32.const(1)));
          code.if(get(left), again);
        });
      }
    }
  };
  const steps = (depth: number): void => {
    for (let count = 1 + below(6); count > 0; count--) step(depth);
  };
  for (let i = 0; i < 5; i++) steps(0);
  code.return(get(sum));
  return encodeModule({ types: [HANDLER], imports: [], functions: [{ type: 0, body: code.finish() }], exports: { f: 0 } });
}

function run(bytes: Uint8Array<ArrayBuffer>, argument: number): { result: number; memory: Uint8Array } {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const bytesOfMemory = new Uint8Array(memory.buffer);
  for (let i = BASE; i < END; i++) bytesOfMemory[i] = (i * 37) & 0xff;
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { host: { memory } });
  return { result: (exports.f as (argument: number) => number)(argument), memory: bytesOfMemory.slice(0, END + STRIDE) };
}

describe('copies of vectors', () => {
  it('are what memory holds, on all ways through random code', () => {
    let shorter = 0;
    for (let seed = 1; seed <= 100; seed++) {
      const plain = makeCode(randomSource(seed), false) as Uint8Array<ArrayBuffer>;
      const copied = makeCode(randomSource(seed), true) as Uint8Array<ArrayBuffer>;
      if (Buffer.compare(plain, copied) !== 0) shorter++;
      for (const argument of [0, 255, 0x5a, 0xa5, 0x33]) expect(run(copied, argument), `seed ${seed}`).toEqual(run(plain, argument));
    }
    expect(shorter).toBeGreaterThan(80);
  });
});
