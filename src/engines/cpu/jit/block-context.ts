/**
 * The compiler's projection of the semantics: one concrete instruction inside a region. Its operands are constants and locals, its
 * flags are remembered (lazy-flags.ts), and what cannot be done here leaves for the interpreter before anything has changed.
 */
import { SEGMENT_NAMES, type Instruction, type MemoryOperand, type RegisterOperand } from '../../../isa/types';
import { effectiveRepeat, formOperandOf } from '../interpreter/forms';
import { Exit, RECORD_SIZE } from '../interpreter/records';
import type { SoftField, SoftFields } from '../interpreter/soft-fields';
import { SEG, SEGMENT_SIZE, SEGMENTS, X87_REGISTERS, X87_STRIDE, XMM, XMM_STRIDE } from '../layout';
import type { Place } from '../semantics/context';
import { type Word, word } from '../semantics/words';
import { BaseContext, generalOffset, type Repetition } from '../staged/base-context';
import { at, COMPILED } from '../staged/code-width';
import type { Fields, SegmentPlace } from '../staged/fields';
import { type Expr, i32, i64 } from '../wasm/code';
import { IN_LOCALS, type LazyFlags } from './lazy-flags';
import { type RegionCode, STACK } from './region-code';
import type { RegionBlock } from './region';

const [CS, FS] = [1, 4];
const ESP = 4;
const EBP = 5;

const WRITES_ELEMENTS = /^(pinsr|insertps)/;

/** Addressed as the stack usually is. */
const isFrame = ({ base, index }: MemoryOperand): boolean => index < 0 && (base === ESP || base === EBP);

/** Where in its region an instruction stands. */
export interface Site {
  readonly inside: RegionBlock;
  readonly instruction: Instruction;
  /** Its decoded record. */
  readonly record: number;
  /** From the block's start, in bytes. */
  readonly here: number;
}

/** The value of a soft field, sign-extended. @param wide as i64, else as i32 */
function softValue({ base }: SoftFields, { from, size }: SoftField, wide: boolean): Expr {
  const address = at((base + from) | 0);
  if (size === 8) return wide ? i64.load(address) : i32.load(address);
  const unused = at(32 - size * 8);
  const raw = size === 1 ? i32.load8u(address) : size === 2 ? i32.load16u(address) : i32.load(address);
  const value = size === 4 ? raw : i32.shr_s(i32.shl(raw, unused), unused);
  return wide ? i64.extend_s(value) : value;
}

/** The soft field of a site's instruction, as such a part of it. */
function softAt({ inside, record }: Site, part: SoftField['part'], wide: boolean): Expr | undefined {
  const { soft } = inside.block;
  const field = soft?.byRecord.get(record);
  return soft && field?.part === part ? softValue(soft, field, wide) : undefined;
}

function siteFields(region: RegionCode, site: Site): Fields {
  const { inside, instruction, record, here } = site;
  const { long, flat } = region;
  const next = here + instruction.length;
  const memory = instruction.operands.find(
    (operand, index): operand is MemoryOperand => operand.kind === 'memory' && instruction.row.operands[index][0] !== 'Y',
  );
  const constant = (value: number | bigint): Expr => (long ? i64.const(value) : at(Number(value)));
  const register = (number: number): Expr => (number < 0 ? constant(0) : region.address(number));
  const segment = (number: number): SegmentPlace => {
    const offset = SEGMENTS + number * SEGMENT_SIZE;
    // Code may not be written, perhaps not even read.
    const free = long || (flat && number !== CS);
    return { register: at(offset), base: at(long ? offset + SEG.base : offset), flat: number < FS && free };
  };
  return {
    record: at(record),
    callees: region.callees,
    origin: COMPILED,
    pageCache: (stack) => region.pageCache(stack || (memory !== undefined && isFrame(memory)) ? STACK : record),
    ip: () => region.ipAt(inside.distance),
    next: () => at(next),
    target: () => {
      const [operand] = instruction.operands;
      if (operand?.kind !== 'relative') throw new Error('no relative operand');
      return at(next + operand.displacement);
    },
    register: (number) => region.address(number),
    setRegister: (number, value) => region.setRegister(number, long ? value : i64.extend_u(value)),
    base: () => (memory?.ripRelative ? region.ipAt(inside.distance + next) : register(memory?.base ?? -1)),
    index: () => register(memory?.index ?? -1),
    shift: () => at(31 - Math.clz32(memory?.scale ?? 1)),
    displacement: () => softAt(site, 'displacement', long) ?? constant(memory?.displacement64 ?? memory?.displacement ?? 0),
    mask: () => {
      const size = memory?.addressSize ?? 32;
      if (long) return i64.const(size === 64 ? -1 : 0xffffffff);
      return at(size === 16 ? 0xffff : -1);
    },
    operandSegment: () => segment(SEGMENT_NAMES.indexOf(memory?.segment ?? 'ds')),
    segment: (offset) => segment((offset - SEGMENTS) / SEGMENT_SIZE),
    setIp: () => {
      throw new Error('compiled code keeps the instruction pointer in a local');
    },
  };
}

export class BlockContext extends BaseContext {
  readonly flags: LazyFlags;
  private readonly region: RegionCode;
  private readonly site: Site;
  /** Control has left on the way that is being written. */
  private ended = false;
  /** How deep in conditional code. */
  private depth = 0;
  private readonly reloads: number[] = [];

  constructor(region: RegionCode, site: Site) {
    const { instruction } = site;
    const { row } = instruction;
    const facts = {
      operandSize: instruction.operandSize,
      addressSize: (instruction.addressSize / 8) as 2 | 4 | 8,
      condition: row.condition ?? 0,
      repeat: effectiveRepeat(row, instruction.prefixes.repeat),
      long: region.long,
    };
    super(region.code, facts, instruction.operands.map(formOperandOf), siteFields(region, site), region.library, region.flat);
    this.region = region;
    this.site = site;
    this.flags = region.flags;
  }

  /** It writes into a vector at a place that is not a constant here. */
  private get writesAnywhere(): boolean {
    const { inside, record, instruction } = this.site;
    return inside.block.soft?.byRecord.has(record) === true || WRITES_ELEMENTS.test(instruction.row.semantics);
  }

  override requireUnit(unit: 'x87' | 'mmx' | 'sse'): void {
    const { units } = this.region;
    if (units.has(unit)) return;
    super.requireUnit(unit);
    if (this.depth === 0) units.add(unit);
  }

  /** After the semantics: whether control goes on behind the instruction. */
  finish(): boolean {
    this.code.vectors?.release();
    for (const number of this.reloads) this.region.setRegister(number, i64.load(at(0), generalOffset(number)));
    return !this.ended;
  }

  /** Both ways have to agree where the flags are. */
  override if(condition: Expr, then: () => void, otherwise?: () => void): void {
    if (condition.value !== undefined) {
      if (condition.value) then();
      else otherwise?.();
      return;
    }
    const { code, flags } = this;
    const before = flags.current;
    const arm = (body: (() => void) | undefined): { flags: LazyFlags['current']; ended: boolean; mark: number } => {
      flags.current = before;
      this.ended = false;
      this.depth++;
      body?.();
      this.depth--;
      return { flags: flags.current, ended: this.ended, mark: code.mark() };
    };
    let first: ReturnType<typeof arm> | undefined;
    let second: ReturnType<typeof arm> | undefined;
    code.if(
      condition,
      () => {
        first = arm(then);
      },
      () => {
        second = arm(otherwise);
        const moved = (way: typeof first): boolean => way !== undefined && !way.ended && way.flags !== before;
        if (!moved(first) && !moved(second)) return;
        if (!second.ended) flags.toLocals(second.flags);
        if (first && !first.ended) {
          const { mark, flags: found } = first;
          code.insert(mark, () => flags.toLocals(found));
        }
      },
    );
    this.ended = (first?.ended ?? false) && (second?.ended ?? false);
    const ways = [first, second].filter((way) => way && !way.ended);
    if (ways.length === 0) flags.current = before;
    else flags.current = ways.every((way) => way?.flags === before) ? before : IN_LOCALS;
  }

  // --- operands

  private registerAt(index: number): RegisterOperand {
    const operand = this.site.instruction.operands[index];
    if (operand?.kind !== 'register') throw new Error(`operand ${index} is no register`);
    return operand;
  }

  protected registerOperand(index: number, w: Word): Place {
    const { class: registerClass, index: number, high } = this.registerAt(index);
    if (registerClass === 'segment') return this.selectorPlace(number);
    return high ? this.highByte(number) : this.register(number, w);
  }

  /** The selector of a segment register, which only helpers load. */
  private selectorPlace(number: number): Place {
    const read = (): Expr => this.let(i32.type, i32.load16u(at(0), SEGMENTS + number * SEGMENT_SIZE + SEG.selector));
    const write = (): never => {
      throw new Error('segment registers are loaded by helpers');
    };
    return { word: word(2), read, update: read, write };
  }

  protected immediate(index: number, w: Word): Expr {
    const operand = this.site.instruction.operands[index];
    if (operand?.kind !== 'immediate') throw new Error(`operand ${index} is no immediate`);
    const soft = softAt(this.site, 'immediate', w.size === 8);
    if (soft) return this.let(w.type, soft);
    return w.size === 8 ? i64.const(operand.value64 ?? operand.value) : at(operand.value);
  }

  protected registerPointer(index: number, access: 'read' | 'write' | 'update'): Expr {
    const { class: registerClass, index: number, high } = this.registerAt(index);
    switch (registerClass) {
      case 'xmm':
        if (access !== 'read' && this.writesAnywhere) this.code.vectors?.block(number);
        return at(XMM + number * XMM_STRIDE);
      case 'mmx':
        return at(X87_REGISTERS + number * X87_STRIDE);
      case 'x87':
        return at(number * X87_STRIDE);
      default:
        i64.store(this.code, at(0), this.region.register(number), generalOffset(number));
        if (access !== 'read') this.reloads.push(number);
        return at(generalOffset(number) + (high ? 1 : 0));
    }
  }

  register(number: number, w: Word): Place {
    const { region } = this;
    const read = (): Expr => {
      const whole = region.register(number);
      return this.let(w.type, w.size === 8 ? whole : w.zero(i32.wrap(whole)));
    };
    return {
      word: w,
      read,
      update: read,
      write: (value) => {
        if (w.size === 8) return region.setRegister(number, value);
        if (w.size === 4) return region.setRegister(number, i64.extend_u(value));
        const mask = w.size === 1 ? 0xff : 0xffff;
        const kept = i64.and(region.register(number), i64.const(~mask));
        region.setRegister(number, i64.or(kept, i64.extend_u(i32.and(value, at(mask)))));
      },
    };
  }

  highByte(number: number): Place {
    const { region } = this;
    const read = (): Expr => this.let(i32.type, i32.and(i32.shr_u(i32.wrap(region.register(number)), at(8)), at(0xff)));
    return {
      word: word(1),
      read,
      update: read,
      write: (value) => {
        const kept = i64.and(region.register(number), i64.const(~0xff00));
        region.setRegister(number, i64.or(kept, i64.extend_u(i32.shl(i32.and(value, at(0xff)), at(8)))));
      },
    };
  }

  /** What would need completing never gets a pointer: see COMPILED. */
  commit(): void {}

  // --- exits

  protected exit(reason: Exit): void {
    this.region.leave(reason, this.site.record, this.region.ipAt(this.site.inside.distance));
  }

  protected override faultUnless(pointer: Expr): void {
    if (this.undo.length > 0 || !this.region.faultUnless(pointer)) super.faultUnless(pointer);
  }

  helper(): void {
    throw new Error('helpers run in the interpreter');
  }

  protected repetition(until: 'count' | 'zero'): Repetition {
    const { flags, region } = this;
    // A comparison that is broken off shows the flags from before it (manual, REP): only the last iteration's count.
    if (until === 'zero') {
      flags.toLocals();
      flags.current = IN_LOCALS;
    }
    const before = flags.current;
    return {
      iterate: (iteration) => iteration(),
      finish: (done) => {
        if (until === 'zero') flags.toLocals();
        done();
      },
      interrupt: () => {
        flags.current = before;
      },
      takeBack: () => {},
      budget: () => region.budget,
      spend: (instructions) => region.spend(instructions),
    };
  }

  // --- control flow

  protected unused(): Expr {
    const { inside, record } = this.site;
    const { start, instructions } = inside.block;
    return i32.add(this.region.budget, at(instructions + 1 - (record - start) / RECORD_SIZE));
  }

  instructionIp(): Expr {
    const ip = this.region.ipAt(this.site.inside.distance + this.site.here);
    return this.region.long ? ip : i64.extend_u(ip);
  }

  /** The target's distance from the region's origin, of a direct transfer. */
  private get targetDistance(): number | undefined {
    const [operand] = this.site.instruction.operands;
    if (operand?.kind !== 'relative') return undefined;
    return this.site.inside.distance + this.site.here + this.site.instruction.length + operand.displacement;
  }

  override checkTarget(target: Expr): void {
    const { targetDistance: distance, region } = this;
    // Within a page that runs, no address is not canonical.
    if (region.long && distance !== undefined && region.samePage(distance, this.site.inside.distance)) return;
    super.checkTarget(target);
  }

  jump(target: Expr): void {
    const { region, site, targetDistance: distance } = this;
    this.ended = true;
    if (distance === undefined) return region.jumpIndirect(target, site.record);
    if (this.facts.operandSize === 2 && !region.long) {
      // The target may have been wrapped.
      this.code.if(i32.ne(target, region.ipAt(distance)), () => region.go(site.record, target));
    }
    this.ended = !region.jumpDirect(site, distance, this.depth > 0);
  }
}
