/** What is compared with the silicon: one row an operation, its number in harness.c, its operands and the kernel behind it. */
import type { Drive } from './module';

export type Operand = 'f32' | 'f64' | 'f80' | 's16' | 's32' | 's64' | 'bcd';

/**
 * How a result is committed:
 * - register: to ST(0), not when an unmasked exception comes before the operation
 * - push: a load, after which ST(0) is new
 * - store: to memory, not with an unmasked exception other than precision; pops
 * - extract: two results, the second pushed
 * - codes: condition codes only
 * - flags: EFLAGS only
 * - scalar: to XMM0, not with an unmasked exception
 * - integer: to RAX, likewise
 */
export type Commit = 'register' | 'push' | 'store' | 'extract' | 'codes' | 'flags' | 'scalar' | 'integer';

export interface Operation {
  readonly name: string;
  readonly code: number;
  readonly a: Operand;
  readonly b?: Operand;
  readonly commit: Commit;
  readonly drive: Drive;
  /** Bytes of the result. */
  readonly bytes?: number;
  /** Pops the stack. */
  readonly pops?: boolean;
}

const register = (name: string, code: number, kernel: string, ...extra: number[]): Operation => ({
  name,
  code,
  a: 'f80',
  b: 'f80',
  commit: 'register',
  bytes: 10,
  drive: { kernel, sources: ['a.f80', 'b.f80', 'control', ...extra], targets: ['first.f80', 'status'] },
});

const alone = (name: string, code: number, kernel: string): Operation => ({
  name,
  code,
  a: 'f80',
  commit: 'register',
  bytes: 10,
  drive: { kernel, sources: ['a.f80', 'control'], targets: ['first.f80', 'status'] },
});

const x87Compare = (name: string, code: number, quiet: number, commit: 'codes' | 'flags'): Operation => ({
  name,
  code,
  a: 'f80',
  b: 'f80',
  commit,
  drive: { kernel: 'f80_compare', sources: ['a.f80', 'b.f80', 'control', quiet], targets: ['eflags', 'status'] },
});

const store = (name: string, code: number, format: 'f32' | 'f64'): Operation => ({
  name,
  code,
  a: 'f80',
  commit: 'store',
  bytes: format === 'f32' ? 4 : 8,
  drive: { kernel: `f80_to_${format}`, sources: ['a.f80', 'control'], targets: [`first.${format}`, 'status'] },
});

const storeInteger = (name: string, code: number, bytes: number, truncated: boolean, pops: boolean): Operation => ({
  name,
  code,
  a: 'f80',
  commit: 'store',
  bytes,
  pops,
  drive: {
    kernel: 'f80_to_i64',
    sources: ['a.f80', truncated ? 'chop' : 'control', bytes * 8],
    targets: ['first.f64', 'status'],
  },
});

const load = (name: string, code: number, format: 'f32' | 'f64'): Operation => ({
  name,
  code,
  a: format,
  commit: 'push',
  bytes: 10,
  drive: { kernel: `${format}_to_f80`, sources: [`a.${format}`, 'control'], targets: ['first.f80', 'status'] },
});

const loadInteger = (name: string, code: number, a: 's16' | 's32' | 's64'): Operation => ({
  name,
  code,
  a,
  commit: 'push',
  bytes: 10,
  drive: { kernel: 'i64_to_f80', sources: [`a.${a}`], targets: ['first.f80'] },
});

const X87: readonly Operation[] = [
  register('fadd', 0, 'f80_add'),
  register('fsub', 1, 'f80_sub'),
  register('fmul', 2, 'f80_mul'),
  register('fdiv', 3, 'f80_div'),
  alone('fsqrt', 4, 'f80_sqrt'),
  x87Compare('fcom', 5, 0, 'codes'),
  x87Compare('fucom', 6, 1, 'codes'),
  alone('frndint', 7, 'f80_round'),
  register('fscale', 8, 'f80_scale'),
  register('fprem', 9, 'f80_remainder', 0),
  register('fprem1', 10, 'f80_remainder', 1),
  {
    name: 'fxtract',
    code: 11,
    a: 'f80',
    commit: 'extract',
    bytes: 10,
    drive: { kernel: 'f80_extract', sources: ['a.f80', 'control'], targets: ['first.f80', 'second.f80', 'status'] },
  },
  store('fst m32', 12, 'f32'),
  store('fst m64', 13, 'f64'),
  storeInteger('fist m16', 14, 2, false, false),
  storeInteger('fist m32', 15, 4, false, false),
  storeInteger('fistp m64', 16, 8, false, true),
  storeInteger('fisttp m16', 17, 2, true, true),
  storeInteger('fisttp m32', 18, 4, true, true),
  storeInteger('fisttp m64', 19, 8, true, true),
  load('fld m32', 20, 'f32'),
  load('fld m64', 21, 'f64'),
  loadInteger('fild m16', 22, 's16'),
  loadInteger('fild m32', 23, 's32'),
  loadInteger('fild m64', 24, 's64'),
  {
    name: 'fbld',
    code: 25,
    a: 'bcd',
    commit: 'push',
    bytes: 10,
    drive: { kernel: 'bcd_to_f80', sources: ['a.bcd'], targets: ['first.f80'] },
  },
  {
    name: 'fbstp',
    code: 26,
    a: 'f80',
    commit: 'store',
    bytes: 10,
    pops: true,
    drive: { kernel: 'f80_to_bcd', sources: ['a.f80', 'control'], targets: ['bcd', 'status'] },
  },
  x87Compare('fcomi', 27, 0, 'flags'),
  x87Compare('fucomi', 28, 1, 'flags'),
];

const SIZES = { f32: 4, f64: 8 } as const;
type Scalar = keyof typeof SIZES;

const scalar = (name: string, code: number, kernel: string, format: Scalar): Operation => ({
  name,
  code,
  a: format,
  b: format,
  commit: 'scalar',
  bytes: SIZES[format],
  drive: { kernel, sources: [`a.${format}`, `b.${format}`, 'control'], targets: [`first.${format}`, 'status'] },
});

const both = (stem: string, code: number): Operation[] => [
  scalar(`${stem}ss`, code, `f32_${stem}`, 'f32'),
  scalar(`${stem}sd`, code + 1, `f64_${stem}`, 'f64'),
];

const ofSecond = (
  name: string,
  code: number,
  kernel: string,
  b: Scalar,
  to: Scalar,
  control: 'control' | { rounding: number },
): Operation => ({
  name,
  code,
  a: b,
  b,
  commit: 'scalar',
  bytes: SIZES[to],
  drive: { kernel, sources: [`b.${b}`, control], targets: [`first.${to}`, 'status'] },
});

const sseCompare = (name: string, code: number, format: Scalar, quiet: number): Operation => ({
  name,
  code,
  a: format,
  b: format,
  commit: 'flags',
  drive: { kernel: `${format}_compare`, sources: [`a.${format}`, `b.${format}`, 'control', quiet], targets: ['eflags', 'status'] },
});

const fromInteger = (name: string, code: number, a: 's32' | 's64', to: Scalar): Operation => ({
  name,
  code,
  a,
  commit: 'scalar',
  bytes: SIZES[to],
  drive: { kernel: `i64_to_${to}`, sources: [`a.${a}`, 'control'], targets: [`first.${to}`, 'status'] },
});

const toInteger = (name: string, code: number, b: Scalar, bits: 32 | 64, truncated: boolean): Operation => ({
  name,
  code,
  a: b,
  b,
  commit: 'integer',
  bytes: bits / 8,
  drive: { kernel: `${b}_to_i64`, sources: [`b.${b}`, truncated ? 'truncate' : 'control', bits], targets: ['rax', 'status'] },
});

const rounds = (code: number, mode: number, rounding: number | 'control'): Operation[] => {
  const control = rounding === 'control' ? rounding : { rounding };
  return [
    ofSecond(`roundss ${mode}`, code, 'f32_round', 'f32', 'f32', control),
    ofSecond(`roundsd ${mode}`, code + 1, 'f64_round', 'f64', 'f64', control),
  ];
};

const approximation = (name: string, code: number, kernel: string): Operation => ({
  name,
  code,
  a: 'f32',
  b: 'f32',
  commit: 'scalar',
  bytes: 4,
  drive: { kernel, sources: ['b.f32'], targets: ['first.f32'] },
});

const SSE: readonly Operation[] = [
  ...both('add', 100),
  ...both('sub', 104),
  ...both('mul', 108),
  ...both('div', 112),
  ofSecond('sqrtss', 116, 'f32_sqrt', 'f32', 'f32', 'control'),
  ofSecond('sqrtsd', 117, 'f64_sqrt', 'f64', 'f64', 'control'),
  ...both('min', 120),
  ...both('max', 124),
  sseCompare('comiss', 128, 'f32', 0),
  sseCompare('comisd', 129, 'f64', 0),
  sseCompare('ucomiss', 130, 'f32', 1),
  sseCompare('ucomisd', 131, 'f64', 1),
  ofSecond('cvtss2sd', 132, 'f32_to_f64', 'f32', 'f64', 'control'),
  ofSecond('cvtsd2ss', 133, 'f64_to_f32', 'f64', 'f32', 'control'),
  fromInteger('cvtsi2ss eax', 134, 's32', 'f32'),
  fromInteger('cvtsi2sd eax', 135, 's32', 'f64'),
  fromInteger('cvtsi2ss rax', 136, 's64', 'f32'),
  fromInteger('cvtsi2sd rax', 137, 's64', 'f64'),
  toInteger('cvtss2si eax', 138, 'f32', 32, false),
  toInteger('cvtsd2si eax', 139, 'f64', 32, false),
  toInteger('cvtss2si rax', 140, 'f32', 64, false),
  toInteger('cvtsd2si rax', 141, 'f64', 64, false),
  toInteger('cvttss2si eax', 142, 'f32', 32, true),
  toInteger('cvttsd2si eax', 143, 'f64', 32, true),
  toInteger('cvttss2si rax', 144, 'f32', 64, true),
  toInteger('cvttsd2si rax', 145, 'f64', 64, true),
  approximation('rcpss', 146, 'f32_rcp'),
  approximation('rsqrtss', 147, 'f32_rsqrt'),
  ...rounds(178, 0, 0),
  ...rounds(180, 1, 1),
  ...rounds(182, 2, 2),
  ...rounds(184, 3, 3),
  ...rounds(186, 4, 'control'),
];

export const OPERATIONS: readonly Operation[] = [...X87, ...SSE];
export const isX87 = ({ code }: Operation): boolean => code < 100;
