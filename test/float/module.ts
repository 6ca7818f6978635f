/** The kernels in a module of their own, each behind a function that takes a case and gives a result in memory. */
import { FLOAT_LIBRARY } from '../../src/engines/cpu/float/library';
import { Code, type Expr, get, I32, i32, i64 } from '../../src/engines/cpu/wasm/code';
import { linkLibrary, placeLibrary } from '../../src/engines/cpu/wasm/library';
import { encodeModule } from '../../src/engines/cpu/wasm/module';

/** struct test and struct result of harness.c. */
export const CASE = { size: 48, operation: 0, control: 4, a: 16, b: 32 } as const;
export const RESULT = { size: 48, first: 0, second: 16, status: 32, eflags: 36, rax: 40 } as const;

/** Where an argument comes from; numbers are constants. `mxcsr` is the control word at its place in the case. */
export type Source =
  | number
  | 'control'
  | 'truncate'
  | 'chop'
  | `${'a' | 'b'}.${'f32' | 'f64' | 'f80' | 's32' | 's64' | 's16' | 'bcd'}`
  | { rounding: number };
/** Where results go, in order. */
export type Target = 'first.f32' | 'first.f64' | 'first.f80' | 'second.f80' | 'status' | 'rax' | 'eflags' | 'bcd';

export interface Drive {
  readonly kernel: string;
  readonly sources: readonly Source[];
  readonly targets: readonly Target[];
}

const FIRST_TYPE = 1;

function source(from: Source): Expr[] {
  const input = get(0);
  if (typeof from === 'number') return [i32.const(from)];
  if (typeof from === 'object') {
    const cleared = i32.and(i32.load(input, CASE.control), i32.const(~0x6000));
    return [i32.or(cleared, i32.const(from.rounding << 13))];
  }
  if (from === 'control') return [i32.load(input, CASE.control)];
  if (from === 'chop') return [i32.or(i32.load(input, CASE.control), i32.const(0xc00))];
  if (from === 'truncate') return [i32.or(i32.load(input, CASE.control), i32.const(0x6000))];
  const [operand, format] = from.split('.');
  const at = operand === 'a' ? CASE.a : CASE.b;
  const table: Record<string, Expr[]> = {
    f32: [i32.load(input, at)],
    f64: [i64.load(input, at)],
    f80: [i64.load(input, at), i32.load16u(input, at + 8)],
    bcd: [i64.load(input, at), i32.load16u(input, at + 8)],
    s16: [i64.extend_s(i32.extend16_s(i32.load16u(input, at)))],
    s32: [i64.extend_s(i32.load(input, at))],
    s64: [i64.load(input, at)],
  };
  return table[format];
}

function driver({ kernel, sources, targets }: Drive, index: (name: string) => number): Uint8Array {
  const { results } = FLOAT_LIBRARY.find(({ name }) => name === kernel)!;
  const code = new Code(2);
  const values = code.callMany(index(kernel), results, ...sources.flatMap(source));
  const output = get(1);
  for (const target of targets) {
    const value = values.shift()!;
    const at = target.startsWith('second') ? RESULT.second : RESULT.first;
    switch (target) {
      case 'first.f32':
        i32.store(code, output, value, at);
        break;
      case 'first.f64':
        i64.store(code, output, value, at);
        break;
      case 'status':
        i32.store(code, output, value, RESULT.status);
        break;
      case 'eflags':
        i32.store(code, output, value, RESULT.eflags);
        break;
      case 'rax':
        i64.store(code, output, value, RESULT.rax);
        break;
      default:
        i64.store(code, output, value, at);
        i32.store(code, output, values.shift()!, at + 8);
    }
  }
  return code.finish();
}

export interface Kernels {
  readonly memory: WebAssembly.Memory;
  /** By the drive's index: (case's offset, result's offset). */
  readonly run: readonly ((input: number, output: number) => void)[];
}

/** Compiles the kernels and the drives into a module over a memory of 4 MiB. */
export function buildKernels(drives: readonly Drive[]): Kernels {
  const place = placeLibrary(FLOAT_LIBRARY, 0);
  const library = linkLibrary(FLOAT_LIBRARY, place, FIRST_TYPE);
  const drivers = drives.map((drive) => ({ type: 0, body: driver(drive, place.index) }));
  const bytes = encodeModule({
    types: [{ parameters: [I32, I32], results: [] }, ...library.types],
    imports: [],
    functions: [...library.functions, ...drivers],
    exports: Object.fromEntries(drives.map((_, i) => [`drive${i}`, library.functions.length + i])),
    table: [],
  });
  const memory = new WebAssembly.Memory({ initial: 64 });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { host: { memory } });
  return { memory, run: drives.map((_, i) => instance.exports[`drive${i}`] as (input: number, output: number) => void) };
}
