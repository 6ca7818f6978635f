/** All handlers of the interpreter as one WebAssembly module, and which of them an instruction needs. */
import { INSTRUCTIONS } from '../../../isa/table';
import type { Instruction } from '../../../isa/types';
import {
  BUDGET,
  CODE_CHUNK,
  CODE_MAP,
  CURRENT,
  IP,
  JUMP64_ENTRY,
  JUMP_BASE,
  JUMP_ENTRIES,
  JUMP_ENTRY,
  SEG,
  SEGMENTS,
  SEGMENT_SIZE,
  SOFT_STORE_ENTRIES,
  SOFT_STORE_ENTRY,
  SOFT_STORES,
  TLB,
  TLB64,
  TLB64_ENTRY,
  TLB_ENTRY,
} from '../layout';
import { LIBRARY } from '../semantics/library';
import { SEMANTICS } from '../semantics/index';
import { entryOf } from '../staged/code-width';
import type { Facts } from '../semantics/context';
import { CROSSINGS, crossingOf } from '../crossings/index';
import { type CrossingCallees } from '../crossings/crossing';
import { DELIVERY, type Delivery, deliveryBody } from '../crossings/delivery';
import { Code, type Expr, get, I32, i32, i64 } from '../wasm/code';
import { linkLibrary, placeLibrary } from '../wasm/library';
import { encodeModule, HANDLER, type Signature } from '../wasm/module';
import { effectiveRepeat, enumerateForms, formOperandOf, makeForm, REPEATS } from './forms';
import { type Callees, HandlerContext } from './handler-context';
import { ENTER, Exit, RECORD, RECORD_SIZE } from './records';

/** What handlers call in TypeScript; see `Callees`. */
export interface Host {
  readonly memory: (record: number, segment: number, offset: number, sizeAndAccess: number) => number;
  readonly memory64: (record: number, segment: number, low: number, high: number, sizeAndAccess: number) => number;
  readonly commit: (record: number) => void;
  readonly helper: (record: number) => number;
  readonly portRead: (record: number, port: number, size: number) => number;
  readonly portWrite: (record: number, port: number, size: number, value: number) => void;
}

/** Handlers that belong to no instruction; their numbers in the function table. */
export const Special = {
  miss: 0,
  enter: 1,
  fall: 2,
  stop: 3,
  stale: 4,
  probe: 5,
  helper: 6,
  enter64: 7,
  fall64: 8,
  stop64: 9,
  softImmediate: 10,
  softDisplacement: 11,
  enterCounted: 12,
  enterCounted64: 13,
} as const;

const record = get(0);
const at = i32.const;
const zero = at(0);
const CS = SEGMENTS + SEGMENT_SIZE;
const PAGE_MASK = 0xfffff000 | 0;
const CHUNK_SHIFT = Math.log2(CODE_CHUNK);

/** See `AccessCallees`. */
export const ACCESS: Signature = { parameters: [I32, I32, I32, I32], results: [I32] };
export const ACCESS64: Signature = { parameters: [I32, I32, i64.type, I32], results: [I32] };

/** Types of the module's functions. */
const TYPES: readonly Signature[] = [
  HANDLER,
  ACCESS,
  { parameters: [I32], results: [] },
  { parameters: [I32, I32, I32, I32, I32], results: [I32] },
  { parameters: [I32, I32, I32], results: [I32] },
  { parameters: [I32, I32, I32, I32], results: [] },
  DELIVERY,
  ACCESS64,
];
const DELIVERY_TYPE = TYPES.indexOf(DELIVERY);
/** Imported functions come first. */
const IMPORTS = [
  { name: 'memory_access', type: 1 },
  { name: 'memory_access_64', type: 3 },
  { name: 'commit', type: 2 },
  { name: 'helper', type: 0 },
  { name: 'port_read', type: 4 },
  { name: 'port_write', type: 5 },
] as const;
/** Then functions of our own, in front of the shared ones and the handlers. */
const OWN = ['run', 'lookup', 'lookup64', 'go', 'go64', 'access', 'access64', 'deliver', 'deliver64'] as const;
const own = (name: (typeof OWN)[number]): number => IMPORTS.length + OWN.indexOf(name);
const FIRST_SHARED = IMPORTS.length + OWN.length;
const FIRST_HANDLER = FIRST_SHARED + LIBRARY.length;
const CALLEES: Callees = {
  memory: own('access'),
  memory64: own('access64'),
  commit: 2,
  helper: 3,
  lookup: own('lookup'),
  lookup64: own('lookup64'),
  handlerType: 0,
  library: placeLibrary(LIBRARY, FIRST_SHARED),
};

/** What crossings call: the helper as a handler, so that it can be gone on in. */
const CROSSING_CALLEES: CrossingCallees = {
  helper: FIRST_HANDLER + Special.helper,
  lookup: CALLEES.lookup,
  lookup64: CALLEES.lookup64,
  deliver: own('deliver'),
  deliver64: own('deliver64'),
  portRead: 4,
  portWrite: 5,
  handlerType: 0,
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

/** Pays for the whole block, unless it does not fit into the budget or under CS's limit, or the compiler wants to see it. */
function enterBody(long: boolean, counted: boolean): Uint8Array {
  const code = new Code(1);
  const heat = code.let(I32, i32.sub(i32.load(record, ENTER.heat), at(1)));
  i32.store(code, record, heat, ENTER.heat);
  code.if(i32.eqz(heat), () => leave(code, Exit.hot));
  const left = code.let(I32, i32.sub(i32.load(zero, BUDGET), i32.load(record, ENTER.count)));
  code.if(i32.lt_s(left, zero), () => leave(code, Exit.budget));
  if (!long) {
    const end = i32.add(i32.load(zero, IP), i32.sub(i32.load(record, ENTER.length), at(1)));
    code.if(i32.gt_u(end, i32.load(zero, CS + SEG.limit)), () => leave(code, Exit.budget));
  }
  i32.store(code, zero, left, BUDGET);
  if (counted) i64.store(code, record, i64.add(i64.load(record, ENTER.runs), i64.const(1)), ENTER.runs);
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
  follow(code, long);
  return code.finish();
}

/** Goes on at IP, which is set, where the record's link leads if it has one. */
function follow(code: Code, long: boolean): void {
  const link: Expr = code.let(I32, i32.load(record, RECORD.link));
  code.if(link, () => code.returnCallIndirect(0, i32.load(link), link));
  code.returnCall(long ? CALLEES.lookup64 : CALLEES.lookup, record);
}

function goBody(long: boolean): Uint8Array {
  const code = new Code(1);
  follow(code, long);
  return code.finish();
}

/**
 * What the quick way to memory leaves over: stores to pages that hold code, beside the code, are made at once; the rest is
 * TypeScript's. Parameters as in `AccessCallees`.
 */
function accessBody(long: boolean): Uint8Array {
  const code = new Code(4);
  const [segment, sizeAndAccess] = [get(1), get(3)];
  const low = long ? code.let(I32, i32.wrap(get(2))) : get(2);
  const high = i32.wrap(i64.shr_u(get(2), i64.const(32)));
  const writes = i32.and(i32.shr_u(sizeAndAccess, at(8)), at(0xff));
  const last = code.let(I32, i32.sub(i32.and(sizeAndAccess, at(0xff)), at(1)));
  const direct = (linear: Expr): void => {
    const size = long ? TLB64_ENTRY : TLB_ENTRY;
    const [tag, addend] = long ? [TLB64.write, TLB64.addend] : [TLB.write, TLB.addend];
    const entry = entryOf(code, linear, size);
    const page = (byte: Expr): Expr => i32.or(i32.and(byte, at(PAGE_MASK)), at(1));
    const tagged = i32.and(i32.eq(i32.load(entry, tag), page(linear)), i32.eq(page(linear), page(i32.add(linear, last))));
    code.if(long ? i32.and(tagged, i32.eq(i32.load(entry, tag + 4), high)) : tagged, () => {
      const pointer = code.let(I32, i32.add(i32.load(entry, addend), linear));
      const map = code.let(I32, i32.load(i32.shl(i32.shr_u(pointer, at(12)), at(2)), CODE_MAP));
      const bit = (byte: Expr): Expr => i32.shr_u(map, i32.and(i32.shr_u(byte, at(CHUNK_SHIFT)), at(31)));
      const coded = i32.and(i32.or(bit(pointer), bit(i32.add(pointer, last))), at(1));
      code.if(i32.eqz(coded), () => code.return(pointer));
      const slot = i32.and(i32.xor(pointer, i32.shr_u(pointer, at(8))), at(SOFT_STORE_ENTRIES - 1));
      const known = code.let(I32, i32.mul(slot, at(SOFT_STORE_ENTRY)));
      const soft = i32.and(i32.eq(i32.load(known, SOFT_STORES), pointer), i32.lt_s(last, i32.load(known, SOFT_STORES + 4)));
      code.if(soft, () => code.return(pointer));
    });
  };
  code.if(writes, () => {
    if (long) return direct(low);
    code.if(i32.lt_u(i32.sub(low, i32.load(segment, SEG.low)), i32.load(segment, SEG.writeSpan)), () =>
      direct(code.let(I32, i32.add(i32.load(segment), low))),
    );
  });
  // Compiled code leaves without a word about where, should it fault.
  i32.store(code, zero, record, CURRENT);
  const args = long ? [record, segment, low, high, sizeAndAccess] : [record, segment, low, sizeAndAccess];
  code.returnCall(long ? 1 : 0, ...args);
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

/** In front of an instruction of which a field is soft: reads it, and goes on with the instruction. */
function softBody(field: number): Uint8Array {
  const code = new Code(1);
  const value = i64.shr_s(i64.load(i32.load(record, RECORD.target)), i64.extend_u(i32.load(record, RECORD.third)));
  i64.store(code, record, value, field);
  code.returnCallIndirect(0, i32.load(record, RECORD.link), record);
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
    enter: enterBody(false, false),
    fall: fallBody(false),
    stop: stopBody(false),
    stale: simple(Exit.stale),
    probe: simple(Exit.probe),
    helper: helperBody(),
    enter64: enterBody(true, false),
    fall64: fallBody(true),
    stop64: stopBody(true),
    softImmediate: softBody(RECORD.immediate),
    softDisplacement: softBody(RECORD.displacement),
    enterCounted: enterBody(false, true),
    enterCounted64: enterBody(true, true),
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
  for (const [key, { make, long }] of CROSSINGS) {
    indexes.set(key, bodies.length);
    bodies.push(make(CROSSING_CALLEES, long));
  }
  const library = linkLibrary(LIBRARY, CALLEES.library, TYPES.length);
  const handler = (body: Uint8Array): { type: number; body: Uint8Array } => ({ type: 0, body });
  const ownFunctions: Record<(typeof OWN)[number], { type: number; body: Uint8Array }> = {
    run: handler(runBody()),
    lookup: handler(lookupBody(false)),
    lookup64: handler(lookupBody(true)),
    go: handler(goBody(false)),
    go64: handler(goBody(true)),
    access: { type: 1, body: accessBody(false) },
    access64: { type: TYPES.indexOf(ACCESS64), body: accessBody(true) },
    deliver: { type: DELIVERY_TYPE, body: deliveryBody(false) },
    deliver64: { type: DELIVERY_TYPE, body: deliveryBody(true) },
  };
  const exported = (name: (typeof OWN)[number]): [string, number] => [name, own(name)];
  const bytes = encodeModule({
    types: [...TYPES, ...library.types],
    imports: IMPORTS,
    functions: [...OWN.map((name) => ownFunctions[name]), ...library.functions, ...bodies.map(handler)],
    exports: {
      ...Object.fromEntries(OWN.map(exported)),
      ...Object.fromEntries(LIBRARY.map(({ name }) => [name, CALLEES.library.index(name)])),
    },
    table: bodies.map((_, i) => FIRST_HANDLER + i),
    exportTable: 'handlers',
  });
  return { bytes, indexes };
}

/** Which handler an instruction needs. */
export class HandlerIndex {
  private readonly indexes: ReadonlyMap<string, number>;
  private readonly byShape = new Map<number, number>();
  /** By the rows' numbers: 1 where the semantics is staged, -1 where it is not, 0 where no one has asked yet. */
  private readonly staged = new Int8Array(INSTRUCTIONS.length);

  constructor(set: HandlerSet) {
    this.indexes = set.indexes;
  }

  /** An instruction has staged semantics: it is run, and compiled, without a look at what its TypeScript helper would see. */
  isStaged({ row }: Instruction): boolean {
    const known = this.staged[row.id];
    if (known !== 0) return known > 0;
    const staged = SEMANTICS[row.semantics] !== undefined;
    this.staged[row.id] = staged ? 1 : -1;
    return staged;
  }

  /** The handler for an instruction; `Special.helper` where its semantics is a TypeScript helper without a crossing. */
  indexOf(instruction: Instruction): number {
    const { row, operands } = instruction;
    if (!this.isStaged(instruction)) return this.indexes.get(crossingOf(instruction)) ?? Special.helper;
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
      const { key } = makeForm(row, facts, operands.map(formOperandOf));
      index = this.indexes.get(key) ?? Special.helper;
      this.byShape.set(shape, index);
    }
    return index;
  }
}

/** The handlers over the machine's memory. */
export class Handlers {
  /** Runs from a record until something needs the processor. */
  readonly run: (record: number) => Exit;
  /** All functions of the module that others may call, by name. */
  readonly functions: WebAssembly.Exports;
  /** What handler numbers stand for. */
  readonly table: WebAssembly.Table;
  /** Delivers an event in 32-bit and in 64-bit code, where that is simple. */
  readonly deliver: Delivery;
  readonly deliver64: Delivery;

  constructor(set: HandlerSet, memory: WebAssembly.Memory, host: Host) {
    const instance = new WebAssembly.Instance(compiled(set), {
      host: {
        memory,
        memory_access: host.memory,
        memory_access_64: host.memory64,
        commit: host.commit,
        helper: host.helper,
        port_read: host.portRead,
        port_write: host.portWrite,
      },
    });
    this.functions = instance.exports;
    this.run = instance.exports.run as (record: number) => Exit;
    this.table = instance.exports.handlers as WebAssembly.Table;
    this.deliver = instance.exports.deliver as Delivery;
    this.deliver64 = instance.exports.deliver64 as Delivery;
  }
}

/** Has a set's module used that was compiled elsewhere, as on other threads while a program was loaded. */
export function useModule(set: HandlerSet, module: WebAssembly.Module): void {
  MODULES.set(set, module);
}

/** A set's module, compiled once. */
function compiled(set: HandlerSet): WebAssembly.Module {
  let module = MODULES.get(set);
  if (!module) MODULES.set(set, (module = new WebAssembly.Module(set.bytes)));
  return module;
}

const MODULES = new WeakMap<HandlerSet, WebAssembly.Module>();
