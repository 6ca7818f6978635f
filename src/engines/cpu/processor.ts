/**
 * The processor: runs handlers over decoded blocks and does everything that happens between instructions.
 *
 * One turn of `run` looks at the clock, traps and interrupts, then lets handlers run as many instructions as may pass
 * before the next of them is due. Where a block does not fit, a stop is put behind the instruction that is the last to run, and
 * whatever must be watched closely (TF, devices in memory, data breakpoints) runs one instruction at a time in the same way, through
 * the very same handlers: the ways cannot differ.
 */
import type { Instruction } from '../../isa/types';
import type { LinearAddress } from '../../shared/addresses';
import { FRAME_SIZE } from '../machine/physical-memory';
import { BlockFinder } from './block-finder';
import { Boundary } from './boundary';
import type { Progress } from './execution';
import { Fetcher } from './fetch';
import type { CpuStop, MachineParts, Seat } from './hooks';
import type { BlockCache } from './interpreter/blocks';
import { type Handlers, Special } from './interpreter/handlers';
import { ENTER, Exit, RECORD, RECORD_SIZE } from './interpreter/records';
import type { Compiler } from './jit/compiler';
import { BUDGET, CURRENT, RECORDS, STI_COUNT, SYS } from './layout';
import { Flag, Seg } from './state';
import { GuestFault } from './system/fault';
import { HELPER_OF_ROW } from './system/helpers';

/** Compiled code is left now and then, since engines replace a function by a better one only while it does not run. */
const MAX_SLICE = 1 << 22;
/** After which TF, as it was before, makes no trap: SYSCALL and SYSRET look at the new one themselves. */
const INT_SEMANTICS = new Set(['int', 'int1', 'int3', 'into', 'syscall', 'sysret']);
const DR6_BS = 0x4000;

/** The instruction at CURRENT did not complete. */
const isUnfinished = (exit: Exit): boolean =>
  exit === Exit.fault || exit === Exit.exception || exit === Exit.stale || exit === Exit.probe || exit === Exit.partial;

/** What all processors of a machine run on. */
export interface Engine {
  readonly handlers: Handlers;
  readonly blocks: BlockCache;
  compiler?: Compiler;
}

export class Processor extends Boundary {
  private readonly handlers: Handlers;
  private readonly compiler: Compiler | undefined;
  private readonly fetcher: Fetcher;
  private readonly finder: BlockFinder;
  /** All processors of the machine: they share decoded blocks, so a block has the probes that any of them wants. */
  peers: readonly Processor[] = [this];
  /** Address of an instruction whose probe has been looked at; -1 for none. */
  private passProbe = -1;
  /** RF and the shadow as they were before the first instruction of this turn, from which they were taken. */
  private liftedResume = false;
  private liftedShadow = 0;
  /** The count at that time. */
  private liftedAt = -1;
  /** The record behind the instruction that was the last to run, where a stop ended the run of handlers; else 0. */
  private pausedAt = 0;
  /** What `isPlain` has said of instructions, by their handlers: what shares one is alike in this, too. */
  private readonly plain = new Map<number, boolean>();
  /** For the statistics. */
  singles = 0;
  runs = 0;

  /** @param engine shared by all processors @param count how many there are */
  constructor(parts: MachineParts, seat: Seat, engine: Engine, progress: Progress, index = 0, count = 1) {
    super(parts, seat, engine.blocks, progress, index, count);
    this.handlers = engine.handlers;
    this.deliveries = engine.handlers;
    this.compiler = engine.compiler;
    this.fetcher = new Fetcher(this.state, this.mmu, parts.memory, engine.blocks);
    this.finder = new BlockFinder(this, parts.memory);
  }

  // --- the loop

  /**
   * Runs until something stops it. The state in place must be this processor's.
   * @param instructions at most so many
   */
  run(instructions: number): CpuStop {
    const { clock } = this.parts;
    const { progress } = this;
    const end = progress.completed + instructions;
    this.stopping = false;
    for (;;) {
      if (this.stopping) return { reason: 'requested' };
      if (clock.nextDeadline <= clock.now) clock.fire();
      if (!this.settle()) return this.stopping ? { reason: 'requested' } : this.wait();
      const left = end - progress.completed;
      if (left <= 0) return { reason: 'limit' };
      this.turn(this.vmx.monitorTrap === 'no' ? Math.min(left, clock.instructionsToDeadline, MAX_SLICE) : 1);
    }
  }

  /** Runs handlers for at most `budget` instructions, or one alone. */
  private turn(budget: number): void {
    const { state } = this;
    if (this.staleProbes) {
      this.staleProbes = false;
      this.blocks.dropProbed();
    }
    const resume = state.flag(Flag.rf);
    const shadow = state.sys(SYS.shadow);
    const marked = resume || shadow !== 0;
    if (this.mmu.retry || state.flag(Flag.tf) || budget === 0 || (marked && !this.canLift(resume, shadow))) {
      this.single(budget);
      return;
    }
    const record = this.finder.block(true);
    if (record === 0) {
      if (this.fault || this.mmu.fault) this.settleFault();
      else this.single(budget);
      return;
    }
    if (marked) {
      if (!this.isPlain(record)) {
        this.single(budget);
        return;
      }
      this.lift(resume, shadow);
    }
    this.runs++;
    this.execute(record, budget);
  }

  // --- RF and shadows

  /** Whether RF and the shadow change nothing but what the next instruction itself may make of them. */
  private canLift(resume: boolean, shadow: number): boolean {
    if (resume && this.debug.breaksAnywhere) return false;
    return shadow === 0 || (this.shadowHoldsNothing && !(shadow === 2 && this.debug.breaksAnywhere));
  }

  /** The first instruction behind a record neither stops half-way nor shows RF. */
  private isPlain(record: number): boolean {
    const { i32 } = this.parts.host;
    const first = i32[(record + RECORD.rest) >> 2] === 0 ? record + RECORD_SIZE : record;
    const handler = i32[first >> 2];
    if (handler === Special.probe) return false;
    const known = this.plain.get(handler);
    if (known !== undefined) return known;
    const instruction = this.blocks.instructionAt(first);
    const plain = instruction !== undefined && instruction.prefixes.repeat === 'none' && HELPER_OF_ROW[instruction.row.id] === undefined;
    if (instruction && handler !== Special.helper) this.plain.set(handler, plain);
    return plain;
  }

  /** Takes RF and the shadow from the next instruction: `leave` puts them back if it does not complete. */
  private lift(resume: boolean, shadow: number): void {
    const { state } = this;
    this.liftedResume = resume;
    this.liftedShadow = shadow;
    this.liftedAt = this.progress.completed;
    if (resume) state.setFlag(Flag.rf, false);
    if (shadow !== 0) state.setSys(SYS.shadow, 0);
  }

  private putBack(): void {
    const { state } = this;
    if (this.liftedResume) state.setFlag(Flag.rf, true);
    if (this.liftedShadow !== 0) state.setSys(SYS.shadow, this.liftedShadow);
  }

  // --- running handlers

  /** Runs from an ENTER record, or from one inside a block, and settles accounts when handlers come back for good. */
  private execute(record: number, budget: number): void {
    this.granted = budget;
    this.parts.host.i32[BUDGET >> 2] = budget;
    this.parts.host.f64[STI_COUNT >> 3] = -1;
    this.drive(this.isInside(record) ? this.goOnAt(record) : this.enter(record), true);
  }

  private isInside(record: number): boolean {
    return this.parts.host.i32[(record + RECORD.rest) >> 2] !== 0;
  }

  private enter(record: number): Exit {
    this.unpaid = 0;
    this.pausedAt = 0;
    this.tellTime();
    return this.handlers.run(record);
  }

  /** Goes on inside a block, as far as the budget lets it. IP is the instruction's. */
  private goOnAt(record: number): Exit {
    const { state } = this;
    const { i32 } = this.parts.host;
    const rest = i32[(record + RECORD.rest) >> 2];
    const left = i32[BUDGET >> 2];
    state.ip = state.wrapOffset(state.ip - i32[(record + RECORD.here) >> 2]);
    if (rest > left) return this.part(record, left);
    i32[BUDGET >> 2] = left - rest;
    this.blocks.mix?.begin(record);
    return this.enter(record);
  }

  /** Runs so many instructions of a block from a record inside it, for which the budget pays. IP is the block's. */
  private part(record: number, count: number): Exit {
    const { i32 } = this.parts.host;
    const behind = i32[(record + RECORD.rest) >> 2] - count;
    let stop = record + RECORD_SIZE;
    while (i32[(stop + RECORD.rest) >> 2] > behind) stop += RECORD_SIZE;
    const handler = i32[stop >> 2];
    const special = this.state.long ? Special.stop64 : Special.stop;
    i32[BUDGET >> 2] -= count;
    i32[stop >> 2] = special;
    this.unpaid = behind;
    this.pausedAt = 0;
    this.blocks.mix?.begin(record);
    this.blocks.mix?.end(stop);
    this.tellTime();
    try {
      const exit = this.handlers.run(record);
      if (exit === Exit.next && i32[CURRENT >> 2] === stop) this.pausedAt = stop;
      return exit;
    } finally {
      // The block may have been dropped.
      if (i32[stop >> 2] === special) i32[stop >> 2] = handler;
    }
  }

  /**
   * Runs one instruction with everything it does seen. IP is its block's; a repeated one goes on until a device wants something, or
   * a trap has to come between.
   */
  private alone(record: number): Exit {
    const { mmu } = this;
    const { i32 } = this.parts.host;
    const instruction = this.blocks.instructionAt(record);
    const repeats =
      instruction !== undefined &&
      instruction.prefixes.repeat !== 'none' &&
      instruction.row.repeat !== 'none' &&
      !mmu.watching &&
      !this.state.flag(Flag.tf);
    // Without a budget control comes back behind a jump, too.
    const aside = repeats ? 0 : i32[BUDGET >> 2] - 1;
    i32[BUDGET >> 2] -= aside;
    this.granted -= aside;
    this.cut = false;
    this.singles++;
    mmu.retry = false;
    mmu.exact = true;
    const exit = this.part(record, 1);
    mmu.exact = false;
    if (!this.cut) {
      i32[BUDGET >> 2] += aside;
      this.granted += aside;
    }
    return exit;
  }

  /**
   * Goes on for as long as handlers come back for nothing that has to be looked at between instructions.
   * @param first why they came back first @param looked nothing had to be looked at since the run began
   */
  private drive(first: Exit, looked: boolean): void {
    const { i32 } = this.parts.host;
    const { mmu, blocks } = this;
    let exit = first;
    let checked = looked;
    for (;;) {
      const left = i32[BUDGET >> 2];
      const current = i32[CURRENT >> 2];
      if (exit === Exit.fault) {
        if (!mmu.retry || this.stopping) break;
        i32[BUDGET >> 2] = left + i32[(current + RECORD.rest) >> 2] - this.unpaid;
        blocks.mix?.end(current, this.unpaid);
        exit = this.alone(current);
        checked = false;
        continue;
      }
      if (left <= 0 || isUnfinished(exit)) break;
      if ((exit === Exit.next || !checked) && !this.quiet) break;
      checked = true;
      if (exit === Exit.hot) {
        this.compile(current);
        exit = this.enter(current);
      } else if (exit === Exit.budget) {
        if (!this.fits(current)) {
          mmu.retry = true;
          break;
        }
        // What an instruction that ran alone led to has not been tried with the whole budget yet.
        exit = left < i32[(current + ENTER.count) >> 2] ? this.part(current + RECORD_SIZE, left) : this.enter(current);
      } else if (this.pausedAt !== 0 && this.goesOn(this.pausedAt)) {
        exit = this.goOnAt(this.pausedAt);
      } else {
        const { flushes } = blocks;
        const found = this.finder.block(exit === Exit.next);
        if (found === 0) break;
        if (exit === Exit.lookup && current >= RECORDS && blocks.flushes === flushes) blocks.link(current, found);
        exit = this.isInside(found) ? this.goOnAt(found) : this.enter(found);
      }
    }
    this.leave(exit);
  }

  /** A block lies under CS's limit. IP is at its start. */
  private fits(record: number): boolean {
    const { state } = this;
    return state.long || state.ip + this.parts.host.i32[(record + ENTER.length) >> 2] - 1 <= state.segLimit(Seg.cs);
  }

  /** A record inside a block is still what comes next, whatever the instruction before it has done. */
  private goesOn(record: number): boolean {
    const { state, mmu, blocks } = this;
    if (!this.isInside(record) || !blocks.stands(record)) return false;
    return mmu.knownCodeFrame(state.instructionAddress, state.cpl === 3) === blocks.blockAt(record)?.frame;
  }

  /** Compiles the block at IP. */
  private compile(record: number): void {
    const { state, mmu } = this;
    const here = state.instructionAddress;
    const user = state.cpl === 3;
    const compile = (): void =>
      this.compiler?.compile(record, {
        frameAt: (page) => {
          const frame = mmu.knownCodeFrame((here + page * FRAME_SIZE) as LinearAddress, user);
          return frame < 0 ? undefined : frame;
        },
        known: () => this.finder.known(here - (here & (FRAME_SIZE - 1))),
      });
    if (this.parts.onCompile) this.parts.onCompile(compile);
    else compile();
  }

  /** Takes back what was paid for and not run, and sets IP to the instruction that did not complete. */
  private leave(exit: Exit): void {
    const { state, progress, mmu, blocks } = this;
    const { i32 } = this.parts.host;
    const record = i32[CURRENT >> 2];
    this.repeating = exit === Exit.partial;
    let refund = 0;
    if (isUnfinished(exit)) {
      refund = i32[(record + RECORD.rest) >> 2] - this.unpaid - (exit === Exit.partial ? 1 : 0);
      blocks.mix?.end(record, this.unpaid);
      state.ip = state.wrapOffset(state.ip + i32[(record + RECORD.here) >> 2]);
      if (exit !== Exit.stale) blocks.notePause(record);
    } else if (this.pausedAt !== 0) blocks.notePause(this.pausedAt);
    progress.completed += this.granted - i32[BUDGET >> 2] - refund;
    this.granted = 0;
    if (this.liftedAt === progress.completed) this.putBack();
    else if (this.parts.host.f64[STI_COUNT >> 3] === progress.completed) state.setSys(SYS.shadow, 1);
    this.liftedAt = -1;
    switch (exit) {
      case Exit.fault:
        if (!mmu.retry) this.settleFault(record);
        break;
      case Exit.exception:
        this.settleOwn();
        break;
      case Exit.probe:
        this.probed();
        break;
      case Exit.hot:
        this.compile(record);
        break;
      default:
        // A task switch may fault when it is over: the fault is the new task's.
        if (this.fault || mmu.fault) this.settleFault();
    }
  }

  private probed(): void {
    const { state } = this;
    const address = state.instructionAddress;
    if (this.breakpointFault(address)) return;
    const instruction = this.blocks.instructionAt(this.parts.host.i32[CURRENT >> 2] + RECORD_SIZE);
    if (this.hooks?.probe(address, instruction)) {
      this.stopping = true;
      return;
    }
    this.passProbe = address;
    this.single();
  }

  /** Runs the next instruction without looking at probes: what a debugger does to leave one. */
  passProbes(): void {
    this.passProbe = this.state.instructionAddress;
    this.mmu.retry = true;
  }

  /** To be called after the answers of `Hooks.wants` changed. */
  probesChanged(): void {
    this.staleProbes = true;
  }

  /** Executes one instruction, or delivers one event. */
  step(): CpuStop {
    const delivered = this.delivered;
    this.stopping = false;
    const { clock } = this.parts;
    if (clock.nextDeadline <= clock.now) clock.fire();
    const ready = this.settle();
    if (this.stopping) return { reason: 'requested' };
    if (this.delivered !== delivered) return { reason: 'limit' };
    if (!ready) return this.wait();
    this.single();
    return this.stopping ? { reason: 'requested' } : { reason: 'limit' };
  }

  // --- one instruction alone

  /** @param budget instructions that may pass before something is due: one runs alone, others may follow */
  private single(budget = 1): void {
    const { state, mmu, hooks } = this;
    const { i32 } = this.parts.host;
    const address = state.instructionAddress;
    const passProbe = this.passProbe === address;
    this.passProbe = -1;
    mmu.retry = false;
    // MOV SS holds back the breakpoint on the next instruction, too.
    if (state.sys(SYS.shadow) !== 2 && this.debug.breaksAt(address) && this.breakpointFault(address)) return;
    const record = this.finder.recordAt(address) || this.fetch();
    if (record === 0) return;
    const instruction = this.blocks.instructionAt(record) as Instruction;
    if (!passProbe && hooks?.wants(address, instruction) && hooks.probe(address, instruction)) {
      this.stopping = true;
      return;
    }
    const shadow = state.sys(SYS.shadow);
    const trap = state.flag(Flag.tf);
    const resume = state.flag(Flag.rf);
    state.setSys(SYS.shadow, 0);
    this.granted = Math.max(1, budget);
    i32[BUDGET >> 2] = this.granted;
    state.ip = state.wrapOffset(state.ip - i32[(record + RECORD.here) >> 2]);
    this.blockedByMovSs = shadow === 2;
    const exit = this.alone(record);
    this.blockedByMovSs = false;
    if (exit === Exit.fault || exit === Exit.exception) {
      // The instruction did not happen, so the shadow over it stays.
      state.setSys(SYS.shadow, shadow);
      this.leave(exit);
      return;
    }
    const { semantics } = instruction.row;
    if (resume && exit !== Exit.partial && semantics !== 'iret') state.setFlag(Flag.rf, false);
    // INTO that does nothing is an instruction like any other.
    const interrupted = INT_SEMANTICS.has(semantics) && (semantics !== 'into' || (state.eflags & Flag.of) !== 0);
    if (trap && !interrupted) state.setSys(SYS.pendingDebug, state.sys(SYS.pendingDebug) | DR6_BS);
    this.drive(exit, false);
  }

  /** The record of the instruction at IP, put where it runs alone; 0 when fetching it faulted, which is settled then. */
  private fetch(): number {
    try {
      return this.blocks.single(this.fetcher.atIp());
    } catch (error) {
      if (!(error instanceof GuestFault)) throw error;
      this.fault = error;
      this.settleFault();
      return 0;
    }
  }

  /** The instruction at a linear address as it would be decoded in the present code size, without any effect on the guest. */
  decodeAt(address: LinearAddress): Instruction | undefined {
    return this.fetcher.at(address);
  }
}
