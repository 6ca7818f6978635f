/** All handlers of the interpreter as one WebAssembly module, and which of them an instruction needs. */
import { parseEncoding } from '../../../isa/encoding';
import { type OperandCode, parseOperandCode, sizeInBytes } from '../../../isa/operand-codes';
import { INSTRUCTIONS } from '../../../isa/table';
import type { Instruction, InstructionRow, Operand } from '../../../isa/types';
import { BUDGET, CURRENT, IP, JUMP_BASE, JUMP_ENTRIES, SEG, SEGMENTS, SEGMENT_SIZE } from '../layout';
import { SEMANTICS } from '../semantics/index';
import type { Facts } from '../semantics/context';
import { Code, type Expr, get, I32, i32 } from '../wasm/code';
import { encodeModule, HANDLER } from '../wasm/module';
import { type Callees, type FormOperand, HandlerContext } from './handler-context';
import { ENTER, Exit, RECORD, RECORD_SIZE } from './records';

/** What handlers call in TypeScript; see `Callees`. */
export interface Host {
  memory(record: number, segment: number, offset: number, sizeAndAccess: number): number;
  commit(record: number): void;
  helper(record: number): number;
}

/** Handlers that belong to no instruction; their numbers in the function table. */
export const Special = { miss: 0, enter: 1, fall: 2, stop: 3, stale: 4, probe: 5, helper: 6 } as const;

/** Semantics whose meaning depends on the operand or address size beyond their operands' own sizes. */
const BY_OPERAND_SIZE = new Set(['push', 'pop', 'leave', 'jcc', 'jmp', 'call', 'ret', 'loop', 'loope', 'loopne', 'jcxz', 'cbw', 'cwd']);
const BY_ADDRESS_SIZE = new Set(['movs', 'stos', 'lods', 'scas', 'cmps', 'loop', 'loope', 'loopne', 'jcxz']);

interface Form {
  readonly key: string;
  readonly semantics: string;
  readonly facts: Facts;
  readonly operands: readonly FormOperand[];
}

const OPERAND_SIZES = [2, 4] as const;
const REPEATS = ['none', 'rep', 'repne'] as const;

function makeForm(row: InstructionRow, facts: Facts, operands: readonly FormOperand[]): Form {
  const parts = [
    row.semantics,
    row.condition ?? '',
    BY_OPERAND_SIZE.has(row.semantics) ? facts.operandSize : '',
    BY_ADDRESS_SIZE.has(row.semantics) ? facts.addressSize : '',
    facts.repeat,
    ...operands.map((operand) => operand.kind[0] + ('size' in operand ? operand.size : '')),
  ];
  return { key: parts.join(' '), semantics: row.semantics, facts, operands };
}

/** A repeat prefix as the row takes it: REPNE counts as REP where only the count matters, and is nothing where neither acts. */
function effectiveRepeat(row: InstructionRow, repeat: Facts['repeat']): Facts['repeat'] {
  if (row.repeat === 'none' || repeat === 'none') return 'none';
  return row.repeat === 'rep' ? 'rep' : repeat;
}

/** The kinds of operand that a code allows. */
function formOperands(code: OperandCode, operandSize: 2 | 4): readonly FormOperand[] {
  const size = sizeInBytes(code.size, operandSize, 32);
  const memory: FormOperand = { kind: 'memory', size: sizeInBytes(code.memorySize, operandSize, 32) };
  switch (code.method) {
    case 'rm':
      return [{ kind: 'register', size }, memory];
    case 'memory':
    case 'offset':
    case 'source':
    case 'destination':
    case 'lookup':
      return [memory];
    case 'immediate':
    case 'signedByte':
    case 'constant':
      return [{ kind: 'immediate', size }];
    case 'relative':
      return [{ kind: 'relative' }];
    default:
      return code.class === 'gpr' && code.method !== 'far' ? [{ kind: 'register', size }] : [{ kind: 'other' }];
  }
}

/** Every form of every row that has staged semantics, in 16- and 32-bit code. */
function* enumerateForms(): Generator<Form> {
  for (const row of INSTRUCTIONS) {
    if (!SEMANTICS[row.semantics] || !row.modes.some((bits) => bits !== 64)) continue;
    const { operandSizes } = parseEncoding(row.encoding);
    const codes = row.operands.map(parseOperandCode);
    for (const operandSize of OPERAND_SIZES) {
      if (operandSizes.length > 0 && !operandSizes.includes(operandSize)) continue;
      let combinations: FormOperand[][] = [[]];
      for (const code of codes) {
        combinations = combinations.flatMap((before) => formOperands(code, operandSize).map((operand) => [...before, operand]));
      }
      for (const addressSize of OPERAND_SIZES) {
        for (const repeat of row.repeat === 'none' ? REPEATS.slice(0, 1) : REPEATS) {
          const facts: Facts = { operandSize, addressSize, condition: row.condition ?? 0, repeat: effectiveRepeat(row, repeat) };
          for (const operands of combinations) yield makeForm(row, facts, operands);
        }
      }
    }
  }
}

function formOperandOf(operand: Operand): FormOperand {
  switch (operand.kind) {
    case 'register':
      return operand.class === 'gpr' ? { kind: 'register', size: operand.size } : { kind: 'other' };
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
  { name: 'commit', type: 2 },
  { name: 'helper', type: 0 },
] as const;
const RUN = IMPORTS.length;
const LOOKUP = RUN + 1;
const FIRST_HANDLER = LOOKUP + 1;
const CALLEES: Callees = { memory: 0, commit: 1, helper: 2, lookup: LOOKUP, handlerType: 0 };

const leave = (code: Code, reason: Exit): void => {
  i32.store(code, zero, record, CURRENT);
  code.return(at(reason));
};

/** Goes on at IP: the jump cache knows the record, or the processor has to find it. */
function lookupBody(): Uint8Array {
  const code = new Code(1);
  const linear = code.let(I32, i32.add(i32.load(zero, CS + SEG.base), i32.load(zero, IP)));
  const slot = i32.and(i32.xor(linear, i32.shr_u(linear, at(12))), at(JUMP_ENTRIES - 1));
  const entry = code.let(I32, i32.add(i32.load(zero, JUMP_BASE), i32.shl(slot, at(3))));
  code.if(i32.eq(i32.load(entry), linear), () => {
    const target = code.let(I32, i32.load(entry, 4));
    code.returnCallIndirect(0, i32.load(target), target);
  });
  leave(code, Exit.lookup);
  code.unreachable();
  return code.finish();
}

/** Where `lookup` keeps a linear address. @returns offset of the entry in a jump cache */
export function jumpCacheOffset(linear: number): number {
  return ((linear ^ (linear >>> 12)) & (JUMP_ENTRIES - 1)) << 3;
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
function enterBody(): Uint8Array {
  const code = new Code(1);
  const left = code.let(I32, i32.sub(i32.load(zero, BUDGET), i32.load(record, ENTER.count)));
  code.if(i32.lt_s(left, zero), () => leave(code, Exit.budget));
  const end = i32.add(i32.load(zero, IP), i32.sub(i32.load(record, ENTER.length), at(1)));
  code.if(i32.gt_u(end, i32.load(zero, CS + SEG.limit)), () => leave(code, Exit.budget));
  i32.store(code, zero, left, BUDGET);
  goOn(code);
  return code.finish();
}

function moveIp(code: Code): void {
  i32.store(code, zero, i32.add(i32.load(zero, IP), i32.load(record, RECORD.here)), IP);
}

/** Behind the last instruction of a block that falls through. */
function fallBody(): Uint8Array {
  const code = new Code(1);
  moveIp(code);
  const link: Expr = code.let(I32, i32.load(record, RECORD.link));
  code.if(link, () => code.returnCallIndirect(0, i32.load(link), link));
  code.returnCall(LOOKUP, record);
  return code.finish();
}

/** Behind a single instruction. */
function stopBody(): Uint8Array {
  const code = new Code(1);
  moveIp(code);
  leave(code, Exit.next);
  code.unreachable();
  return code.finish();
}

function helperBody(): Uint8Array {
  const context = new HandlerContext({ operandSize: 4, addressSize: 4, condition: 0, repeat: 'none' }, [], CALLEES);
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
    enter: enterBody(),
    fall: fallBody(),
    stop: stopBody(),
    stale: simple(Exit.stale),
    probe: simple(Exit.probe),
    helper: helperBody(),
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
  const bytes = encodeModule({
    types: [HANDLER, { parameters: [I32, I32, I32, I32], results: [I32] }, { parameters: [I32], results: [] }],
    imports: IMPORTS,
    functions: [runBody(), lookupBody(), ...bodies].map((body) => ({ type: 0, body })),
    exports: { run: RUN },
    table: bodies.map((_, i) => FIRST_HANDLER + i),
  });
  return { bytes, indexes };
}

/** The handlers of one session, over its memory. */
export class Handlers {
  /** Runs from a record until something needs the processor. */
  readonly run: (record: number) => Exit;
  private readonly indexes: ReadonlyMap<string, number>;
  private readonly byShape = new Map<number, number>();

  constructor(set: HandlerSet, memory: WebAssembly.Memory, host: Host) {
    this.indexes = set.indexes;
    const instance = new WebAssembly.Instance(new WebAssembly.Module(set.bytes), {
      host: {
        memory,
        memory_access: host.memory.bind(host),
        commit: host.commit.bind(host),
        helper: host.helper.bind(host),
      },
    });
    this.run = instance.exports.run as (record: number) => Exit;
  }

  /** The handler for an instruction; `Special.helper` where its semantics is a TypeScript helper. */
  indexOf(instruction: Instruction): number {
    const { row, operands } = instruction;
    const memory = operands.some((operand) => operand.kind === 'memory') ? 1 : 0;
    const repeat = effectiveRepeat(row, instruction.prefixes.repeat);
    const shape = (((row.id * 16 + instruction.operandSize) * 16 + instruction.addressSize / 8) * 3 + REPEATS.indexOf(repeat)) * 2 + memory;
    let index = this.byShape.get(shape);
    if (index === undefined) {
      const facts: Facts = {
        operandSize: instruction.operandSize,
        addressSize: (instruction.addressSize / 8) as 2 | 4 | 8,
        condition: row.condition ?? 0,
        repeat,
      };
      index = this.indexes.get(makeForm(row, facts, operands.map(formOperandOf)).key) ?? Special.helper;
      this.byShape.set(shape, index);
    }
    return index;
  }
}
