/** All handlers of the interpreter as one WebAssembly module, and which of them an instruction needs. */
import { parseEncoding } from '../../../isa/encoding';
import { type OperandCode, parseOperandCode, sizeInBytes } from '../../../isa/operand-codes';
import { INSTRUCTIONS } from '../../../isa/table';
import type { Bits, Instruction, InstructionRow, Operand } from '../../../isa/types';
import { BUDGET, CURRENT, IP, JUMP64_ENTRY, JUMP_BASE, JUMP_ENTRIES, JUMP_ENTRY, SEG, SEGMENTS, SEGMENT_SIZE } from '../layout';
import { LIBRARY } from '../semantics/library';
import { SEMANTICS } from '../semantics/index';
import type { Facts } from '../semantics/context';
import { Code, type Expr, get, I32, i32, i64 } from '../wasm/code';
import { linkLibrary, placeLibrary } from '../wasm/library';
import { encodeModule, HANDLER, type Signature } from '../wasm/module';
import type { Callees } from './code-width';
import { type FormOperand, HandlerContext } from './handler-context';
import { ENTER, Exit, RECORD, RECORD_SIZE } from './records';

/** What handlers call in TypeScript; see `Callees`. */
export interface Host {
  memory(record: number, segment: number, offset: number, sizeAndAccess: number): number;
  memory64(record: number, segment: number, low: number, high: number, sizeAndAccess: number): number;
  commit(record: number): void;
  helper(record: number): number;
}

/** Handlers that belong to no instruction; their numbers in the function table. */
export const Special = { miss: 0, enter: 1, fall: 2, stop: 3, stale: 4, probe: 5, helper: 6, enter64: 7, fall64: 8, stop64: 9 } as const;

/** Semantics whose meaning depends on the operand or address size beyond their operands' own sizes. */
const BY_OPERAND_SIZE = new Set([
  'push',
  'pop',
  'leave',
  'jcc',
  'jmp',
  'call',
  'ret',
  'loop',
  'loope',
  'loopne',
  'jcxz',
  'cbw',
  'cwd',
  'pcmpestri',
  'pcmpestrm',
]);
const STACK = new Set(['push', 'pop', 'leave', 'call', 'ret']);
/** What touches memory or the instruction pointer is another handler in 64-bit code. */
const BY_WIDTH = new Set([...STACK, 'jcc', 'jmp', 'loop', 'loope', 'loopne', 'jcxz']);
const BY_ADDRESS_SIZE_64 = new Set(['lea', 'xlat', 'bt', 'bts', 'btr', 'btc']);
const BY_ADDRESS_SIZE = new Set(['movs', 'stos', 'lods', 'scas', 'cmps', 'loop', 'loope', 'loopne', 'jcxz']);

/** Of operand kinds, in the forms' keys. */
const LETTERS: Readonly<Record<FormOperand['kind'], string>> = {
  register: 'r',
  memory: 'm',
  immediate: 'i',
  relative: 'j',
  xmm: 'x',
  mmx: 'n',
  x87: 't',
  other: 'o',
};
/** Register classes that handlers reach, and what they are as operands. */
const REGISTER_KINDS: Readonly<Record<string, 'register' | 'xmm' | 'mmx' | 'x87' | undefined>> = {
  gpr: 'register',
  xmm: 'xmm',
  mmx: 'mmx',
  x87: 'x87',
};

interface Form {
  readonly key: string;
  readonly semantics: string;
  readonly facts: Facts;
  readonly operands: readonly FormOperand[];
}

const SIZES: Readonly<Record<'narrow' | 'long', { readonly operand: readonly (2 | 4 | 8)[]; readonly address: readonly (2 | 4 | 8)[] }>> = {
  narrow: { operand: [2, 4], address: [2, 4] },
  long: { operand: [2, 4, 8], address: [4, 8] },
};
const SIZES_64: Readonly<Record<InstructionRow['size64'], readonly number[]>> = { normal: [2, 4, 8], default64: [2, 8], always64: [8] };
const REPEATS = ['none', 'rep', 'repne'] as const;

function makeForm(row: InstructionRow, facts: Facts, operands: readonly FormOperand[]): Form {
  const { long } = facts;
  const wide = long && (BY_WIDTH.has(row.semantics) || operands.some(({ kind }) => kind === 'memory'));
  const byAddressSize = BY_ADDRESS_SIZE.has(row.semantics) || (wide && BY_ADDRESS_SIZE_64.has(row.semantics));
  const parts = [
    row.semantics + (wide ? '+' : ''),
    row.condition ?? '',
    BY_OPERAND_SIZE.has(row.semantics) ? facts.operandSize : '',
    byAddressSize ? facts.addressSize : '',
    facts.repeat,
    ...operands.map((operand) => LETTERS[operand.kind] + ('size' in operand ? operand.size : '')),
  ];
  return { key: parts.join(' '), semantics: row.semantics, facts, operands };
}

/** A repeat prefix as the row takes it: REPNE counts as REP where only the count matters, and is nothing where neither acts. */
function effectiveRepeat(row: InstructionRow, repeat: Facts['repeat']): Facts['repeat'] {
  if (row.repeat === 'none' || repeat === 'none') return 'none';
  return row.repeat === 'rep' ? 'rep' : repeat;
}

function registerForm(registerClass: string, size: number): FormOperand {
  const kind = REGISTER_KINDS[registerClass];
  return kind ? { kind, size } : { kind: 'other' };
}

/** The kinds of operand that a code allows. */
function formOperands(code: OperandCode, operandSize: 2 | 4 | 8, bits: Bits): readonly FormOperand[] {
  const size = sizeInBytes(code.size, operandSize, bits);
  const memory: FormOperand = { kind: 'memory', size: sizeInBytes(code.memorySize, operandSize, bits) };
  switch (code.method) {
    case 'rm':
      return [registerForm(code.class, size), memory];
    case 'memory':
    case 'offset':
    case 'source':
    case 'destination':
    case 'lookup':
    case 'implied':
      return [memory];
    case 'immediate':
      // Four bytes are sign-extended to eight.
      return [{ kind: 'immediate', size: code.size === 'z' ? operandSize : size }];
    case 'signedByte':
    case 'constant':
      return [{ kind: 'immediate', size }];
    case 'relative':
      return [{ kind: 'relative' }];
    default:
      return code.method === 'far' ? [{ kind: 'other' }] : [registerForm(code.class, size)];
  }
}

/** Every form of every row that has staged semantics. */
function* enumerateForms(): Generator<Form> {
  for (const row of INSTRUCTIONS) {
    if (!SEMANTICS[row.semantics]) continue;
    if (row.modes.some((bits) => bits !== 64)) yield* enumerateWidth(row, false);
    if (row.modes.includes(64)) yield* enumerateWidth(row, true);
  }
}

function* enumerateWidth(row: InstructionRow, long: boolean): Generator<Form> {
  const { operandSizes } = parseEncoding(row.encoding);
  const codes = row.operands.map(parseOperandCode);
  const sizes = SIZES[long ? 'long' : 'narrow'];
  const byAddressSize = BY_ADDRESS_SIZE.has(row.semantics) || (long && BY_ADDRESS_SIZE_64.has(row.semantics));
  const addressSizes = byAddressSize ? sizes.address : sizes.address.slice(-1);
  for (const operandSize of sizes.operand) {
    if (operandSizes.length > 0 && !operandSizes.includes(operandSize)) continue;
    if (long && !SIZES_64[row.size64].includes(operandSize)) continue;
    let combinations: FormOperand[][] = [[]];
    for (const code of codes) {
      const kinds = formOperands(code, operandSize, long ? 64 : 32);
      combinations = combinations.flatMap((before) => kinds.map((operand) => [...before, operand]));
    }
    for (const addressSize of addressSizes) {
      for (const repeat of row.repeat === 'none' ? REPEATS.slice(0, 1) : REPEATS) {
        const facts: Facts = { operandSize, addressSize, condition: row.condition ?? 0, repeat: effectiveRepeat(row, repeat), long };
        for (const operands of combinations) yield makeForm(row, facts, operands);
      }
    }
  }
}

function formOperandOf(operand: Operand): FormOperand {
  switch (operand.kind) {
    case 'register':
      return registerForm(operand.class, operand.size);
    case 'memory':
    case 'immediate':
      return { kind: operand.kind, size: operand.size };
    case 'relative':
      return { kind: 'relative' };
    default:
      return { kind: 'other' };
  }
}

const record = get(0);
const at = i32.const;
const zero = at(0);
const CS = SEGMENTS + SEGMENT_SIZE;

/** Number of imported functions, and of the functions of our own in front of the handlers. */
const IMPORTS = [
  { name: 'memory_access', type: 1 },
  { name: 'memory_access_64', type: 3 },
  { name: 'commit', type: 2 },
  { name: 'helper', type: 0 },
] as const;
const RUN = IMPORTS.length;
const LOOKUP = RUN + 1;
const LOOKUP64 = LOOKUP + 1;
const FIRST_SHARED = LOOKUP64 + 1;
const FIRST_HANDLER = FIRST_SHARED + LIBRARY.length;
const CALLEES: Callees = {
  memory: 0,
  memory64: 1,
  commit: 2,
  helper: 3,
  lookup: LOOKUP,
  lookup64: LOOKUP64,
  handlerType: 0,
  library: placeLibrary(LIBRARY, FIRST_SHARED),
};

const leave = (code: Code, reason: Exit): void => {
  i32.store(code, zero, record, CURRENT);
  code.return(at(reason));
};

/** Goes on at IP: the jump cache knows the record, or the processor has to find it. */
function lookupBody(long: boolean): Uint8Array {
  const code = new Code(1);
  const target = code.local(I32);
  const slotOf = (linear: Expr): Expr => i32.and(i32.xor(linear, i32.shr_u(linear, at(12))), at(JUMP_ENTRIES - 1));
  const entryOf = (linear: Expr, size: number): Expr =>
    code.let(I32, i32.add(i32.load(zero, JUMP_BASE), i32.mul(slotOf(linear), at(size))));
  const goTo = (record: Expr): void => {
    code.set(target, record);
    code.returnCallIndirect(0, i32.load(get(target)), get(target));
  };
  if (long) {
    const linear = code.let(i64.type, i64.load(zero, IP));
    const entry = entryOf(code.let(I32, i32.wrap(linear)), JUMP64_ENTRY);
    code.if(i64.eq(i64.load(entry), linear), () => goTo(i32.load(entry, 8)));
  } else {
    const linear = code.let(I32, i32.add(i32.load(zero, CS + SEG.base), i32.load(zero, IP)));
    const entry = entryOf(linear, JUMP_ENTRY);
    code.if(i32.eq(i32.load(entry), linear), () => goTo(i32.load(entry, 4)));
  }
  leave(code, Exit.lookup);
  code.unreachable();
  return code.finish();
}

/** Where `lookup` keeps a linear address: the number of its entry in a jump cache. */
export function jumpCacheSlot(linear: number): number {
  const low = linear | 0;
  return (low ^ (low >>> 12)) & (JUMP_ENTRIES - 1);
}

function simple(reason: Exit): Uint8Array {
  const code = new Code(1);
  leave(code, reason);
  code.unreachable();
  return code.finish();
}

function goOn(code: Code): void {
  const next = code.let(I32, i32.add(record, at(RECORD_SIZE)));
  code.returnCallIndirect(0, i32.load(next), next);
}

/** Pays for the whole block, unless it does not fit into the budget or under CS's limit. */
function enterBody(long: boolean): Uint8Array {
  const code = new Code(1);
  const left = code.let(I32, i32.sub(i32.load(zero, BUDGET), i32.load(record, ENTER.count)));
  code.if(i32.lt_s(left, zero), () => leave(code, Exit.budget));
  if (!long) {
    const end = i32.add(i32.load(zero, IP), i32.sub(i32.load(record, ENTER.length), at(1)));
    code.if(i32.gt_u(end, i32.load(zero, CS + SEG.limit)), () => leave(code, Exit.budget));
  }
  i32.store(code, zero, left, BUDGET);
  goOn(code);
  return code.finish();
}

function moveIp(code: Code, long: boolean): void {
  if (long) i64.store(code, zero, i64.add(i64.load(zero, IP), i64.extend_u(i32.load(record, RECORD.here))), IP);
  else i32.store(code, zero, i32.add(i32.load(zero, IP), i32.load(record, RECORD.here)), IP);
}

/** Behind the last instruction of a block that falls through. */
function fallBody(long: boolean): Uint8Array {
  const code = new Code(1);
  moveIp(code, long);
  const link: Expr = code.let(I32, i32.load(record, RECORD.link));
  code.if(link, () => code.returnCallIndirect(0, i32.load(link), link));
  code.returnCall(long ? LOOKUP64 : LOOKUP, record);
  return code.finish();
}

/** Behind a single instruction. */
function stopBody(long: boolean): Uint8Array {
  const code = new Code(1);
  moveIp(code, long);
  leave(code, Exit.next);
  code.unreachable();
  return code.finish();
}

function helperBody(): Uint8Array {
  const context = new HandlerContext({ operandSize: 4, addressSize: 4, condition: 0, repeat: 'none', long: false }, [], CALLEES);
  context.helper();
  return context.finish();
}

/** The function behind the export `run`: enters the chain of handlers at a record. */
function runBody(): Uint8Array {
  const code = new Code(1);
  code.returnCallIndirect(0, i32.load(record), record);
  return code.finish();
}

/** The module's bytes and the forms' handler numbers: the same for every session, so made once and shared. */
export interface HandlerSet {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly indexes: ReadonlyMap<string, number>;
}

export function buildHandlers(): HandlerSet {
  const special: Record<keyof typeof Special, Uint8Array> = {
    miss: simple(Exit.lookup),
    enter: enterBody(false),
    fall: fallBody(false),
    stop: stopBody(false),
    stale: simple(Exit.stale),
    probe: simple(Exit.probe),
    helper: helperBody(),
    enter64: enterBody(true),
    fall64: fallBody(true),
    stop64: stopBody(true),
  };
  const bodies = Object.values(special);
  const indexes = new Map<string, number>();
  for (const form of enumerateForms()) {
    if (indexes.has(form.key)) continue;
    const context = new HandlerContext(form.facts, form.operands, CALLEES);
    SEMANTICS[form.semantics]?.(context);
    indexes.set(form.key, bodies.length);
    bodies.push(context.finish());
  }
  const types: Signature[] = [
    HANDLER,
    { parameters: [I32, I32, I32, I32], results: [I32] },
    { parameters: [I32], results: [] },
    { parameters: [I32, I32, I32, I32, I32], results: [I32] },
  ];
  const library = linkLibrary(LIBRARY, CALLEES.library, types.length);
  const handler = (body: Uint8Array): { type: number; body: Uint8Array } => ({ type: 0, body });
  const bytes = encodeModule({
    types: [...types, ...library.types],
    imports: IMPORTS,
    functions: [...[runBody(), lookupBody(false), lookupBody(true)].map(handler), ...library.functions, ...bodies.map(handler)],
    exports: { run: RUN },
    table: bodies.map((_, i) => FIRST_HANDLER + i),
  });
  return { bytes, indexes };
}

/** Which handler an instruction needs. */
export class HandlerIndex {
  private readonly indexes: ReadonlyMap<string, number>;
  private readonly byShape = new Map<number, number>();

  constructor(set: HandlerSet) {
    this.indexes = set.indexes;
  }

  /** The handler for an instruction; `Special.helper` where its semantics is a TypeScript helper. */
  indexOf(instruction: Instruction): number {
    const { row, operands } = instruction;
    const memory = operands.some((operand) => operand.kind === 'memory') ? 1 : 0;
    const repeat = effectiveRepeat(row, instruction.prefixes.repeat);
    const long = instruction.bits === 64;
    const shape =
      ((((row.id * 16 + instruction.operandSize) * 16 + instruction.addressSize / 8) * 3 + REPEATS.indexOf(repeat)) * 2 + memory) * 2 +
      (long ? 1 : 0);
    let index = this.byShape.get(shape);
    if (index === undefined) {
      const facts: Facts = {
        operandSize: instruction.operandSize,
        addressSize: (instruction.addressSize / 8) as 2 | 4 | 8,
        condition: row.condition ?? 0,
        repeat,
        long,
      };
      index = this.indexes.get(makeForm(row, facts, operands.map(formOperandOf)).key) ?? Special.helper;
      this.byShape.set(shape, index);
    }
    return index;
  }
}

/** The handlers of one processor, over the machine's memory. */
export class Handlers {
  /** Runs from a record until something needs the processor. */
  readonly run: (record: number) => Exit;

  constructor(set: HandlerSet, memory: WebAssembly.Memory, host: Host) {
    const instance = new WebAssembly.Instance(compiled(set), {
      host: {
        memory,
        memory_access: host.memory.bind(host),
        memory_access_64: host.memory64.bind(host),
        commit: host.commit.bind(host),
        helper: host.helper.bind(host),
      },
    });
    this.run = instance.exports.run as (record: number) => Exit;
  }
}

/** A set's module, compiled once. */
function compiled(set: HandlerSet): WebAssembly.Module {
  let module = MODULES.get(set);
  if (!module) MODULES.set(set, (module = new WebAssembly.Module(set.bytes)));
  return module;
}

const MODULES = new WeakMap<HandlerSet, WebAssembly.Module>();
