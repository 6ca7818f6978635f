/**
 * The function of a region under construction.
 *
 * General registers live in locals from the moment it is entered to the moment it is left; so do the budget and, between blocks, what
 * the flags come from. Every way out sets three locals (why, at which record, at which IP) and jumps to the one place that puts
 * everything back into the state.
 */
import { effectiveRepeat } from '../interpreter/forms';
import { Exit, ENTER, RECORD, RECORD_SIZE } from '../interpreter/records';
import {
  BUDGET,
  COUNTER,
  COUNTERS,
  CURRENT,
  FLAG_CARRY,
  IP,
  JUMP64_ENTRY,
  JUMP_BASE,
  JUMP_ENTRIES,
  JUMP_ENTRY,
  SEG,
  SEGMENT_SIZE,
  SEGMENTS,
  XMM,
  XMM_STRIDE,
} from '../layout';
import { SEMANTICS } from '../semantics/index';
import { generalOffset } from '../staged/base-context';
import { at, state } from '../staged/code-width';
import type { AccessCallees, PageCache } from '../staged/fields';
import { CARRY_KINDS } from '../staged/flag-library';
import { Code, type Expr, get, I32, i32, I64, i64, type Label, select, type ValueType } from '../wasm/code';
import type { Library } from '../wasm/library';
import { VectorCopies } from '../wasm/vector-copies';
import { BlockContext, type Site } from './block-context';
import { type FlagCode, IN_LOCALS, LazyFlags } from './lazy-flags';
import type { Region, RegionBlock, Trace } from './region';
import { Structure } from './structure';

/** Ways out beside `Exit`'s: to the record's link or IP's block, and to the interpreter at the record. */
const GO = -1;
const RUN = -2;
const GENERAL_REGISTERS = 16;
const VECTORS = 16;
const CS = SEGMENTS + SEGMENT_SIZE;
const PAGE = 4096;

/** Names of the counters of exits, in the order of their numbers: `RUN` comes first. */
export const EXIT_COUNTERS = [
  'interpreter',
  'code',
  'next',
  'lookup',
  'fault',
  'exception',
  'budget',
  'partial',
  'stale',
  'probe',
] as const;

/** What the function calls, as indexes in its module. */
export interface RegionCallees extends AccessCallees {
  /** Handlers' `go` and `run` (see handlers.ts). */
  readonly go: number;
  readonly run: number;
}

export interface RegionTraits {
  readonly long: boolean;
  readonly flat: boolean;
  /** Its index in the table of handlers. */
  readonly handler: number;
  /** Host offset of its word of REGION_HEAT, if it has one. */
  readonly heatAt: number | undefined;
  /** Keep COUNTERS. */
  readonly profiled: boolean;
}

const record = get(0);
/** The page cache of the stack; others go by the record of the instruction. */
export const STACK = 0;
/** Each costs something whenever the region is entered. */
const MAX_PAGE_CACHES = 10;
/** Instructions of a loop whose accesses get page caches. */
const TIGHT = 60;

export class RegionCode implements FlagCode {
  readonly code = new Code(1);
  readonly long: boolean;
  readonly flat: boolean;
  readonly callees: RegionCallees;
  readonly library: Library;
  readonly flags: LazyFlags;
  readonly budget: Expr;
  private readonly handler: number;
  private readonly heatAt: number | undefined;
  private readonly profiled: boolean;
  private readonly region: Region;
  private readonly structure: Structure<Trace>;
  private readonly registers: number[];
  private readonly touched = new Set<number>();
  private readonly changed = new Set<number>();
  private readonly budgetLocal: number;
  /** IP at the region's origin. */
  private readonly base: number;
  private readonly selector: number;
  private readonly reason: number;
  private readonly current: number;
  private readonly ip: number;
  private readonly flagKind: number;
  private readonly flagOperands: readonly [first: number, second: number];
  private out!: Label;
  private again!: Label;
  private indirect!: Label;
  /** Where faults of the region go, IP set, and those of each block of the trace that is being written. */
  private faulted!: Label;
  /** Where the budget does not hold the trace that begins at `current`. */
  private short!: Label;
  private faults: Label | undefined;
  /** The block that follows in the trace that is being written. */
  private following: RegionBlock | undefined;
  private pinned: readonly number[] = [];
  private readonly caches = new Map<number, PageCache>();
  /** Units that the trace that is being written may use: what would forbid it cannot change while it runs. */
  readonly units = new Set<string>();
  /** The trace that is being written is part of a tight loop. */
  private tight = false;

  constructor(region: Region, { long, flat, handler, heatAt, profiled }: RegionTraits, callees: RegionCallees, library: Library) {
    const { code } = this;
    this.region = region;
    this.long = long;
    this.flat = flat;
    this.handler = handler;
    this.heatAt = heatAt;
    this.profiled = profiled;
    this.callees = callees;
    this.library = library;
    this.flags = new LazyFlags(this);
    this.registers = Array.from({ length: long ? GENERAL_REGISTERS : GENERAL_REGISTERS / 2 }, () => code.local(I64));
    this.budgetLocal = code.local(I32);
    this.budget = get(this.budgetLocal);
    this.base = code.local(this.pointerType);
    this.ip = code.local(this.pointerType);
    this.selector = code.local(I32);
    this.reason = code.local(I32);
    this.current = code.local(I32);
    this.flagKind = code.local(I32);
    this.flagOperands = [code.local(I64), code.local(I64)];
    code.vectors = new VectorCopies(code, XMM, XMM_STRIDE, VECTORS);
    this.structure = new Structure(code, this.selector, (trace) => this.trace(trace));
  }

  private get pointerType(): ValueType {
    return this.long ? I64 : I32;
  }

  /** The function's body. */
  emit(): Uint8Array {
    const { code, region, long } = this;
    const start = code.mark();
    this.out = code.open();
    this.again = code.openLoop();
    this.indirect = code.open();
    this.faulted = code.open();
    this.short = code.open();
    this.structure.emit(region.traces, region.entries);
    code.close();
    this.goOnShort();
    code.branch(this.out);
    code.close();
    code.set(this.current, state(CURRENT));
    code.set(this.reason, at(Exit.fault));
    code.branch(this.out);
    code.close();
    this.dispatch();
    code.close();
    code.close();
    this.leaveForGood();
    code.insert(start, () => {
      this.cool();
      for (const number of this.touched) code.set(this.registers[number], i64.load(at(0), generalOffset(number)));
      code.set(this.budgetLocal, state(BUDGET));
      const distance = i32.load(record, ENTER.distance);
      code.set(this.base, long ? i64.sub(i64.load(at(0), IP), i64.extend_s(distance)) : i32.sub(state(IP), distance));
      code.set(this.selector, i32.load(record, ENTER.entry));
      if (!this.profiled) return;
      this.count(COUNTER.entries, i64.const(1));
      this.count(COUNTER.instructions, i64.extend_s(this.budget));
    });
    code.unreachable();
    return code.finish();
  }

  /** Hands a region that is entered very often to the compiler, before anything of it runs. */
  private cool(): void {
    const { code, heatAt } = this;
    if (heatAt === undefined) return;
    const heat = code.let(I32, i32.sub(state(heatAt), at(1)));
    this.setState(heatAt, heat);
    code.unlikely(i32.eqz(heat), () => {
      this.setState(CURRENT, record);
      code.return(at(Exit.hot));
    });
  }

  /** The number that an entry's ENTER record has to hold. */
  entryNumber(trace: Trace): number {
    return this.structure.numberOf(trace);
  }

  // --- what instructions use

  let(type: ValueType, value: Expr): Expr {
    return this.code.let(type, value);
  }

  setState(offset: number, value: Expr): void {
    i32.store(this.code, at(0), value, offset);
  }

  /** A general register, as i64. */
  register(number: number): Expr {
    this.touched.add(number);
    return get(this.registers[number]);
  }

  setRegister(number: number, value: Expr): void {
    this.touched.add(number);
    this.changed.add(number);
    this.code.set(this.registers[number], value);
  }

  /** A general register as an address: i32 outside 64-bit code. */
  address(number: number): Expr {
    return this.long ? this.register(number) : i32.wrap(this.register(number));
  }

  /**
   * The page cache of an access: all that go by the stack's registers share one, and those in tight loops have their own. They hold for
   * one run of the region, during which no translation can change.
   */
  pageCache(key: number): PageCache | undefined {
    let cache = this.caches.get(key);
    if (cache || (key !== STACK && (!this.tight || this.caches.size >= MAX_PAGE_CACHES))) return cache;
    const { code } = this;
    cache = { page: code.permanent(this.pointerType), host: code.permanent(I32), span: code.permanent(I32) };
    this.caches.set(key, cache);
    return cache;
  }

  /** The offset in CS of a place in the region. */
  ipAt(distance: number): Expr {
    return this.long ? i64.add(get(this.base), i64.const(distance)) : i32.add(get(this.base), at(distance));
  }

  spend(instructions: Expr): void {
    this.code.set(this.budgetLocal, i32.sub(this.budget, instructions));
  }

  samePage(a: number, b: number): boolean {
    return Math.floor(a / PAGE) === Math.floor(b / PAGE);
  }

  setFlagLocals(kind: number, first: Expr | undefined, second: Expr | undefined): void {
    for (const [i, value] of [first, second].entries()) if (value) this.code.set(this.flagOperands[i], value);
    this.code.set(this.flagKind, at(kind));
  }

  flagLocalCarry(): Expr {
    const { code } = this;
    const carry = code.local(I32);
    const kind = get(this.flagKind);
    code.if(
      i32.lt_u(i32.sub(kind, at(CARRY_KINDS.first)), at(CARRY_KINDS.last - CARRY_KINDS.first)),
      () => code.set(carry, i32.wrap(get(this.flagOperands[0]))),
      () => {
        this.flushFlagLocals();
        code.set(carry, i32.shr_u(state(FLAG_CARRY), at(31)));
      },
    );
    return get(carry);
  }

  flushFlagLocals(): void {
    this.library.call(this.code, 'flag_words', get(this.flagKind), ...this.flagOperands.map(get));
    this.code.set(this.flagKind, at(0));
  }

  // --- ways out

  /** Leaves with a reason of `Exit`'s, or GO or RUN. */
  leave(reason: number, recordAt: number, ip: Expr): void {
    const { code } = this;
    this.flags.toLocals();
    code.set(this.ip, ip);
    code.set(this.current, at(recordAt));
    code.set(this.reason, at(reason));
    code.branch(this.out);
  }

  /** Leaves where a memory access gave no pointer: CURRENT says at which record. @returns false where nothing was written */
  faultUnless(pointer: Expr): boolean {
    const { code, flags, faults } = this;
    if (!faults) return false;
    if (flags.current.at === 'locals') {
      code.branchIf(i32.eqz(pointer), faults, 'unlikely');
      return true;
    }
    code.unlikely(i32.eqz(pointer), () => {
      flags.toLocals();
      code.branch(faults);
    });
    return true;
  }

  /** Goes on at an IP outside the region, where the record may be linked to. */
  go(recordAt: number, ip: Expr): void {
    this.leave(GO, recordAt, ip);
  }

  jumpIndirect(target: Expr, recordAt: number): void {
    const { code } = this;
    this.flags.toLocals();
    code.set(this.ip, target);
    code.set(this.current, at(recordAt));
    code.branch(this.indirect);
  }

  /** @returns true where the target simply follows, so that nothing was written */
  jumpDirect({ inside, record: recordAt }: Site, distance: number, conditional: boolean): boolean {
    return this.edge(inside, recordAt, distance, conditional);
  }

  private edge(from: RegionBlock, recordAt: number, distance: number, conditional: boolean): boolean {
    const follows = !conditional && this.following?.distance === distance;
    const target = this.region.starts.get(distance);
    if (!follows && !target) {
      // Within the page records are linked.
      if (this.samePage(from.distance, distance)) this.go(recordAt, this.ipAt(distance));
      else this.jumpIndirect(this.ipAt(distance), recordAt);
      return false;
    }
    const head = follows ? (this.following as RegionBlock) : (target as Trace).head;
    if (!this.samePage(from.distance, distance)) {
      this.code.unlikely(i32.eqz(this.isMapped(this.ipAt(distance), head.block.start)), () => this.go(recordAt, this.ipAt(distance)));
    }
    if (follows) return true;
    this.flags.toLocals();
    this.structure.jump(target as Trace);
    return false;
  }

  /** The jump cache's entry for an offset in CS, and whether it is for that. */
  private look(ip: Expr): { entry: Expr; found: Expr; recordAt: number } {
    const { code, long, flat } = this;
    const linear = code.let(this.pointerType, long || flat ? ip : i32.add(state(CS + SEG.base), ip));
    const low = long ? code.let(I32, i32.wrap(linear)) : linear;
    const slot = i32.and(i32.xor(low, i32.shr_u(low, at(12))), at(JUMP_ENTRIES - 1));
    const entry = code.let(I32, i32.add(state(JUMP_BASE), i32.mul(slot, at(long ? JUMP64_ENTRY : JUMP_ENTRY))));
    const found = long ? i64.eq(i64.load(entry), linear) : i32.eq(i32.load(entry), linear);
    return { entry, found, recordAt: long ? 8 : 4 };
  }

  /** The block at an offset in another page is still the one that was compiled. */
  private isMapped(ip: Expr, start: number): Expr {
    const { entry, found, recordAt } = this.look(ip);
    return i32.and(found, i32.eq(i32.load(entry, recordAt), at(start)));
  }

  /** Indirect jumps: back into the region where the jump cache says so. */
  private dispatch(): void {
    const { code, long } = this;
    const { entry, found, recordAt } = this.look(get(this.ip));
    code.likely(found, () => {
      const next = code.let(I32, i32.load(entry, recordAt));
      code.likely(i32.eq(i32.load(next, RECORD.handler), at(this.handler)), () => {
        const distance = i32.load(next, ENTER.distance);
        code.set(this.base, long ? i64.sub(get(this.ip), i64.extend_s(distance)) : i32.sub(get(this.ip), distance));
        code.set(this.selector, i32.load(next, ENTER.entry));
        code.branch(this.again);
      });
      // What was found need not be looked for again.
      code.set(this.current, next);
      code.set(this.reason, at(RUN));
      code.branch(this.out);
    });
    code.set(this.reason, at(GO));
    code.branch(this.out);
  }

  /** @param further bytes from the counter to the one that is meant */
  private count(counter: number, value: Expr, further = at(0)): void {
    const offset = COUNTERS + counter * 8;
    i64.store(this.code, further, i64.add(i64.load(further, offset), value), offset);
  }

  /** What has been paid for and is left to others does not count as run here. */
  private countExit(): void {
    const { code } = this;
    const budget = i64.extend_s(this.budget);
    // An ENTER record, of which nothing is left, is code, too.
    const found = i32.eqz(i32.load(get(this.current), RECORD.rest));
    const reason = code.let(I32, select(i32.and(i32.eq(get(this.reason), at(RUN)), found), at(GO), get(this.reason)));
    this.count(COUNTER.instructions, i64.sub(i64.const(0), budget));
    code.if(i32.ne(reason, at(GO)), () => {
      const rest = i64.extend_s(i32.load(get(this.current), RECORD.rest));
      this.count(COUNTER.instructions, i64.sub(i64.const(0), rest));
    });
    this.count(COUNTER.exits, i64.const(1), i32.shl(i32.sub(reason, at(RUN)), at(3)));
  }

  /** Where the budget does not hold a whole trace: the interpreter gets further with what is left, if that is the first block. */
  private goOnShort(): void {
    const { code } = this;
    const current = get(this.current);
    const left = code.let(I32, i32.sub(this.budget, i32.load(current, ENTER.count)));
    let fits = i32.ge_s(left, at(0));
    if (!this.long && !this.flat) {
      const last = i32.add(get(this.ip), i32.sub(i32.load(current, ENTER.length), at(1)));
      fits = i32.and(fits, i32.le_u(last, state(CS + SEG.limit)));
    }
    code.set(this.reason, at(Exit.budget));
    code.if(fits, () => {
      if (this.profiled) i64.store(code, current, i64.add(i64.load(current, ENTER.runs), i64.const(1)), ENTER.runs);
      code.set(this.budgetLocal, left);
      code.set(this.current, i32.add(current, at(RECORD_SIZE)));
      code.set(this.reason, at(RUN));
    });
  }

  private leaveForGood(): void {
    const { code, long, callees } = this;
    if (this.profiled) this.countExit();
    code.if(get(this.flagKind), () => this.flushFlagLocals());
    for (const number of this.changed) i64.store(code, at(0), get(this.registers[number]), generalOffset(number));
    this.setState(BUDGET, this.budget);
    (long ? i64 : i32).store(code, at(0), get(this.ip), IP);
    this.setState(CURRENT, get(this.current));
    code.if(i32.eq(get(this.reason), at(GO)), () => code.returnCall(callees.go, get(this.current)));
    code.if(i32.eq(get(this.reason), at(RUN)), () => code.returnCall(callees.run, get(this.current)));
    code.return(get(this.reason));
  }

  // --- blocks

  private trace(trace: Trace): void {
    const { code } = this;
    this.flags.current = IN_LOCALS;
    code.reuse(this.pinned);
    this.pinned = [];
    code.vectors?.forget();
    this.units.clear();
    this.tight = isTight(trace);
    const { head } = trace;
    const labels = new Map<RegionBlock, Label>();
    for (let i = trace.blocks.length - 1; i >= 0; i--) {
      if (mayAccess(trace.blocks[i])) labels.set(trace.blocks[i], code.open());
    }
    code.unlikely(i32.lt_s(this.budget, at(trace.instructions)), () => {
      this.flags.toLocals();
      code.set(this.ip, this.ipAt(head.distance));
      code.set(this.current, at(head.block.start));
      code.branch(this.short);
    });
    let repeats = false;
    for (const [i, block] of trace.blocks.entries()) {
      this.following = trace.blocks[i + 1];
      // Iterations have been paid for out of what was to be left.
      if (repeats) {
        const leave = (): void => this.leave(Exit.budget, block.block.start, this.ipAt(block.distance));
        code.unlikely(i32.lt_s(this.budget, at(block.block.instructions)), leave);
      }
      this.enter(block);
      this.faults = labels.get(block);
      this.block(block);
      repeats ||= block.list.some(({ row, prefixes }) => effectiveRepeat(row, prefixes.repeat) !== 'none');
    }
    for (const { distance } of trace.blocks.filter((block) => labels.has(block))) {
      code.close();
      code.set(this.ip, this.ipAt(distance));
      code.branch(this.faulted);
    }
  }

  /** Pays for a block, which has to lie under CS's limit. */
  private enter({ distance, block }: RegionBlock): void {
    if (!this.long && !this.flat) {
      const last = this.ipAt(distance + block.to - block.from - 1);
      this.code.unlikely(i32.gt_u(last, state(CS + SEG.limit)), () => this.leave(Exit.budget, block.start, this.ipAt(distance)));
    }
    this.spend(at(block.instructions));
    if (!this.profiled) return;
    const offset = block.start + ENTER.runs;
    i64.store(this.code, at(0), i64.add(i64.load(at(0), offset), i64.const(1)), offset);
  }

  private block(inside: RegionBlock): void {
    const { list, block, distance, fall } = inside;
    let here = 0;
    for (const [i, instruction] of list.entries()) {
      const recordAt = block.start + (i + 1) * RECORD_SIZE;
      if (inside.helper && i === list.length - 1) return this.leave(RUN, recordAt, this.ipAt(distance));
      if (!this.instruction({ inside, instruction, record: recordAt, here })) return;
      here += instruction.length;
    }
    if (fall !== undefined) this.edge(inside, block.start + (list.length + 1) * RECORD_SIZE, fall, false);
  }

  /** @returns false when control does not come out behind it */
  private instruction(site: Site): boolean {
    const { code, flags } = this;
    const semantics = SEMANTICS[site.instruction.row.semantics];
    if (!semantics) throw new Error(`no staged semantics: ${site.instruction.row.semantics}`);
    code.reuse(code.collect());
    const before = flags.current;
    const context = new BlockContext(this, site);
    semantics(context);
    const goesOn = context.finish();
    const taken = code.collect();
    if (flags.current === before) {
      code.reuse(taken);
    } else if (flags.current.at === 'source') {
      // What the flags come from is still needed.
      if (!flags.current.keeps) code.reuse(this.pinned);
      this.pinned = flags.current.keeps ? [...this.pinned, ...taken] : taken;
    } else {
      code.reuse([...this.pinned, ...taken]);
      this.pinned = [];
    }
    return goesOn;
  }
}

/** Whether a block may have accesses to memory; those of one that is thought to have none cost more. */
function mayAccess({ list }: RegionBlock): boolean {
  return list.some(({ row, operands }) => STACK_SEMANTICS.has(row.semantics) || operands.some(({ kind }) => kind === 'memory'));
}

const STACK_SEMANTICS = new Set(['push', 'pop', 'call', 'ret', 'leave']);

/** Whether control can come back to a trace within few instructions. */
function isTight(trace: Trace): boolean {
  const queue: [Trace, number][] = [[trace, trace.instructions]];
  const seen = new Set<Trace>();
  for (let next = queue.pop(); next; next = queue.pop()) {
    const [from, length] = next;
    if (length > TIGHT) continue;
    for (const to of from.successors) {
      if (to === trace) return true;
      if (!seen.has(to)) queue.push([to, length + to.instructions]);
      seen.add(to);
    }
  }
  return false;
}
